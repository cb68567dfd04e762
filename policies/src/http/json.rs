//! Hides fields of a JSON text (RFC 8259) while it passes: whatever its size, no more of it is kept than the value at hand. What is
//! not plain JSON is refused, since a field could hide in it.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use crate::rule::Mask;
use crate::sql::mask::{Format, masked};

/// Values nest this deep.
const DEEPEST: usize = 256;

/// The longest name of a field, and the longest value that is looked into; a longer one that is to be masked becomes null.
const LONGEST: usize = 64 << 10;

/// Numbers of PostgreSQL's types, by which values are masked alike everywhere.
const TEXT: u32 = 25;
const NUMERIC: u32 = 1700;

/// Why a text is not handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not JSON that can be read: {0}")]
pub struct Unreadable(&'static str);

const CONTROL: Unreadable = Unreadable("a text holds a control character");
const LONG_NAME: Unreadable = Unreadable("a name is too long");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value, or the end of the list that has just begun.
    FirstItem,
    Value,
    /// A name, or the end of the object that has just begun.
    FirstName,
    Name,
    InName,
    Colon,
    InText,
    InWord,
    /// A comma or the end of what is open.
    After,
}

/// Hides fields of one text, or of many one after another. `judge` is asked about each place once it is come to: a JSON pointer
/// (RFC 6901) with `*` for each item of a list.
pub struct Masker<J> {
    judge: J,
    key: Vec<u8>,
    state: State,
    /// For each open value: whether it is an object, and where in `path` its own place ends.
    open: Vec<(bool, usize)>,
    path: String,
    /// The name or value at hand, where it is looked at.
    kept: Vec<u8>,
    too_long: bool,
    escaped: bool,
    mask: Option<Mask>,
    /// How many values are open outside the one that is left out whole.
    left_out: Option<usize>,
    many: bool,
    begun: bool,
}

impl<J: FnMut(&str) -> Option<Mask>> Masker<J> {
    /// For one JSON text; or for `many`, as `application/x-ndjson` has them. `key` makes the hashes of one deployment its own.
    pub fn new(judge: J, key: Vec<u8>, many: bool) -> Self {
        Self {
            judge,
            key,
            state: State::Value,
            open: Vec::new(),
            path: String::new(),
            kept: Vec::new(),
            too_long: false,
            escaped: false,
            mask: None,
            left_out: None,
            many,
            begun: false,
        }
    }

    /// Takes the next bytes, and gives what may be shown.
    ///
    /// # Errors
    /// When it is no JSON; nothing more may be shown then.
    pub fn push(&mut self, mut bytes: &[u8], shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        while let Some((first, rest)) = bytes.split_first() {
            let is_quoted = matches!(self.state, State::InName | State::InText) && !self.escaped;
            let run = if is_quoted { memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len()) } else { 0 };
            bytes = match bytes.split_at_checked(run) {
                Some((run, after)) if !run.is_empty() => {
                    self.run(run, shown)?;
                    after
                }
                _ => {
                    self.byte(*first, shown)?;
                    rest
                }
            };
        }
        Ok(())
    }

    /// There is no more.
    ///
    /// # Errors
    /// When it ends in the middle of something.
    pub fn finish(&mut self, shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        if self.state == State::InWord {
            self.word(shown)?;
        }
        let whole = self.open.is_empty() && (self.state == State::After || (self.many && self.state == State::Value) || !self.begun);
        if whole { Ok(()) } else { Err(Unreadable("it is cut short")) }
    }

    /// What stands in a name or a text, without its end and without escapes.
    fn run(&mut self, run: &[u8], shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        if run.iter().copied().min().is_some_and(|least| least < 0x20) {
            return Err(CONTROL);
        }
        if self.state == State::InName {
            self.show(run, shown);
            return self.keep(run).ok_or(LONG_NAME);
        }
        self.text(run, shown);
        Ok(())
    }

    /// A part of a text.
    fn text(&mut self, part: &[u8], shown: &mut Vec<u8>) {
        if self.mask.is_none() {
            self.show(part, shown);
        } else if !self.too_long && self.keep(part).is_none() {
            self.too_long = true;
            self.kept.clear();
        }
    }

    fn byte(&mut self, byte: u8, shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        match self.state {
            State::InName => return self.in_name(byte, shown),
            State::InText => return self.in_text(byte, shown),
            State::InWord => {
                if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.') {
                    return self.keep(&[byte]).ok_or(Unreadable("a number is too long"));
                }
                self.word(shown)?;
            }
            _ => {}
        }
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            self.show(&[byte], shown);
            return Ok(());
        }
        match (self.state, byte) {
            (State::FirstItem, b']') | (State::FirstName, b'}') => self.end(byte, shown),
            (State::FirstItem | State::Value, _) => self.value(byte, shown),
            (State::FirstName | State::Name, b'"') => {
                self.show(&[byte], shown);
                self.kept.clear();
                self.state = State::InName;
                Ok(())
            }
            (State::Colon, b':') => {
                self.show(&[byte], shown);
                self.state = State::Value;
                Ok(())
            }
            (State::After, _) => self.after(byte, shown),
            _ => Err(Unreadable("a name or a value was to come")),
        }
    }

    fn after(&mut self, byte: u8, shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        match (self.open.last(), byte) {
            (Some((true, _)), b',') => {
                self.show(&[byte], shown);
                self.state = State::Name;
                Ok(())
            }
            (Some((false, _)), b',') => {
                self.show(&[byte], shown);
                self.state = State::Value;
                Ok(())
            }
            (Some((true, _)), b'}') | (Some((false, _)), b']') => self.end(byte, shown),
            (None, _) if self.many => self.value(byte, shown),
            _ => Err(Unreadable("a comma or an end was to come")),
        }
    }

    /// The first byte of a value.
    fn value(&mut self, byte: u8, shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        self.begun = true;
        let in_list = matches!(self.open.last(), Some((false, _)));
        if in_list {
            self.path.push_str("/*");
        }
        self.mask = if self.left_out.is_some() { None } else { (self.judge)(&self.path) };
        let place = self.path.len();
        match byte {
            b'{' | b'[' => {
                if self.open.len() >= DEEPEST {
                    return Err(Unreadable("it nests too deep"));
                }
                if self.mask.take().is_some() {
                    shown.extend_from_slice(b"null");
                    self.left_out = Some(self.open.len());
                }
                self.show(&[byte], shown);
                self.open.push((byte == b'{', place));
                self.state = if byte == b'{' { State::FirstName } else { State::FirstItem };
            }
            b'"' => {
                self.begin(State::InText);
                if self.mask.is_none() {
                    self.show(&[byte], shown);
                }
            }
            byte if byte.is_ascii_alphanumeric() || byte == b'-' => {
                self.begin(State::InWord);
                self.kept.push(byte);
            }
            _ => return Err(Unreadable("a value was to come")),
        }
        Ok(())
    }

    fn begin(&mut self, state: State) {
        self.kept.clear();
        self.too_long = false;
        self.escaped = false;
        self.state = state;
    }

    fn end(&mut self, byte: u8, shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        self.open.pop().ok_or(Unreadable("an end without a beginning"))?;
        self.show(&[byte], shown);
        if self.left_out == Some(self.open.len()) {
            self.left_out = None;
        }
        self.closed();
        Ok(())
    }

    /// A value is over: the path is again that of what holds it.
    fn closed(&mut self) {
        self.path.truncate(self.open.last().map_or(0, |(_, place)| *place));
        self.state = State::After;
    }

    fn in_name(&mut self, byte: u8, shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        self.show(&[byte], shown);
        if byte == b'"' && !self.escaped {
            let name = quoted(&self.kept).ok_or(Unreadable("a name is malformed"))?;
            self.state = State::Colon;
            // Nobody asks for places in what is left out.
            if self.left_out.is_some() {
                return Ok(());
            }
            self.path.truncate(self.open.last().map_or(0, |(_, place)| *place));
            self.path.push('/');
            self.path.push_str(&token(&name));
            return Ok(());
        }
        self.escape(byte)?;
        self.keep(&[byte]).ok_or(LONG_NAME)
    }

    fn in_text(&mut self, byte: u8, shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        if byte == b'"' && !self.escaped {
            if let Some(mask) = self.mask.take() {
                let text = quoted(&self.kept).ok_or(Unreadable("a text is malformed"))?;
                let hidden = if self.too_long { None } else { masked(mask, TEXT, Format::Text, Some(text.as_bytes()), &self.key) };
                let hidden = hidden.and_then(|hidden| serde_json::to_vec(&String::from_utf8_lossy(&hidden)).ok());
                shown.extend_from_slice(hidden.as_deref().unwrap_or(b"null"));
            } else {
                self.show(b"\"", shown);
            }
            self.closed();
            return Ok(());
        }
        self.escape(byte)?;
        self.text(&[byte], shown);
        Ok(())
    }

    fn escape(&mut self, byte: u8) -> Result<(), Unreadable> {
        if byte < 0x20 {
            return Err(CONTROL);
        }
        self.escaped = byte == b'\\' && !self.escaped;
        Ok(())
    }

    /// The end of a number, `true`, `false` or `null`.
    fn word(&mut self, shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        let value: serde_json::Value = serde_json::from_slice(&self.kept).map_err(|_| Unreadable("a word is no value"))?;
        match self.mask.take() {
            Some(mask) if !value.is_null() => {
                let hidden = if value.is_number() { masked(mask, NUMERIC, Format::Text, Some(&self.kept), &self.key) } else { None };
                let number = hidden.filter(|hidden| serde_json::from_slice::<serde_json::Number>(hidden).is_ok());
                shown.extend_from_slice(number.as_deref().unwrap_or(b"null"));
            }
            _ if self.left_out.is_none() => shown.extend_from_slice(&self.kept),
            _ => {}
        }
        self.closed();
        Ok(())
    }

    fn keep(&mut self, part: &[u8]) -> Option<()> {
        if self.kept.len() + part.len() > LONGEST {
            return None;
        }
        self.kept.extend_from_slice(part);
        Some(())
    }

    fn show(&self, part: &[u8], shown: &mut Vec<u8>) {
        if self.left_out.is_none() {
            shown.extend_from_slice(part);
        }
    }
}

/// A name as a part of a JSON pointer (RFC 6901, section 3).
pub(super) fn token(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) { Cow::Owned(name.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(name) }
}

/// What stands between quotes, without escapes.
fn quoted(kept: &[u8]) -> Option<Cow<'_, str>> {
    if memchr(b'\\', kept).is_none() {
        return std::str::from_utf8(kept).ok().map(Cow::Borrowed);
    }
    let mut whole = Vec::with_capacity(kept.len() + 2);
    whole.push(b'"');
    whole.extend_from_slice(kept);
    whole.push(b'"');
    serde_json::from_slice(&whole).ok().map(Cow::Owned)
}
