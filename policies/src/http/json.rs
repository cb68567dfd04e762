//! Hides fields of a JSON text (RFC 8259) while it passes: whatever its size, no more of it is kept than the value at hand. What is
//! not plain JSON is refused, since a field could hide in it.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::known::{Known, Spot, Within};
use crate::rule::Mask;
use crate::sql::mask::{Format, masked};

/// Values nest this deep.
const DEEPEST: usize = 256;

/// The longest name of a field, the longest place, and the longest value that is looked into; a longer one that is to be masked becomes null.
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
const MALFORMED_NAME: Unreadable = Unreadable("a name is malformed");

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

/// A list or an object that has not ended.
struct Open {
    is_object: bool,
    /// Where in `path` its own place ends.
    end: usize,
    within: Within,
}

/// Hides fields of one text, or of many one after another. `judge` is asked about each place when it is first come to: a JSON pointer
/// (RFC 6901) with `*` for each item of a list.
pub struct Masker<J> {
    judge: J,
    key: Vec<u8>,
    state: State,
    open: Vec<Open>,
    path: String,
    known: Known,
    /// Of the value at hand or to come.
    spot: Spot,
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
            known: Known::default(),
            spot: Spot::default(),
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
            if *first == b'"'
                && let Some((whole, after)) = self.whole(bytes)
            {
                self.take_whole(whole, shown)?;
                bytes = after;
                continue;
            }
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

    /// A name or a text with its quotes where one begins, if all of it is there and nothing in it is escaped; and what follows.
    fn whole<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        if !matches!(self.state, State::FirstItem | State::Value | State::FirstName | State::Name) {
            return None;
        }
        let inside = bytes.get(1..)?;
        let end = memchr2(b'"', b'\\', inside)?;
        if inside.get(end) == Some(&b'"') { bytes.split_at_checked(end + 2) } else { None }
    }

    /// What [`Self::whole`] found.
    fn take_whole(&mut self, whole: &[u8], shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        let inside = whole.get(1..whole.len().saturating_sub(1)).unwrap_or_default();
        if has_control(inside) {
            return Err(CONTROL);
        }
        if matches!(self.state, State::FirstName | State::Name) {
            if inside.len() > LONGEST {
                return Err(LONG_NAME);
            }
            self.show(whole, shown);
            return self.named(inside);
        }
        self.place()?;
        match self.mask.take() {
            None => self.show(whole, shown),
            Some(mask) => self.hide(mask, (inside.len() <= LONGEST).then_some(inside), shown)?,
        }
        self.state = State::After;
        Ok(())
    }

    /// What stands in a name or a text, without its end and without escapes.
    fn run(&mut self, run: &[u8], shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        if has_control(run) {
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
            self.show_byte(byte, shown);
            return Ok(());
        }
        match (self.state, byte) {
            (State::FirstItem, b']') | (State::FirstName, b'}') => self.end(byte, shown),
            (State::FirstItem | State::Value, _) => self.value(byte, shown),
            (State::FirstName | State::Name, b'"') => {
                self.show_byte(byte, shown);
                self.kept.clear();
                self.state = State::InName;
                Ok(())
            }
            (State::Colon, b':') => {
                self.show_byte(byte, shown);
                self.state = State::Value;
                Ok(())
            }
            (State::After, _) => self.after(byte, shown),
            _ => Err(Unreadable("a name or a value was to come")),
        }
    }

    fn after(&mut self, byte: u8, shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        match (self.open.last().map(|open| open.is_object), byte) {
            (Some(true), b',') => {
                self.show_byte(byte, shown);
                self.state = State::Name;
                Ok(())
            }
            (Some(false), b',') => {
                self.show_byte(byte, shown);
                self.state = State::Value;
                Ok(())
            }
            (Some(true), b'}') | (Some(false), b']') => self.end(byte, shown),
            (None, _) if self.many => self.value(byte, shown),
            _ => Err(Unreadable("a comma or an end was to come")),
        }
    }

    /// The first byte of a value.
    fn value(&mut self, byte: u8, shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        self.place()?;
        match byte {
            b'{' | b'[' => {
                if self.open.len() >= DEEPEST {
                    return Err(Unreadable("it nests too deep"));
                }
                if self.mask.take().is_some() {
                    shown.extend_from_slice(b"null");
                    self.left_out = Some(self.open.len());
                }
                self.show_byte(byte, shown);
                let within = Within { parent: self.spot.number, before: None };
                self.open.push(Open { is_object: byte == b'{', end: self.path.len(), within });
                self.state = if byte == b'{' { State::FirstName } else { State::FirstItem };
            }
            b'"' => {
                self.begin(State::InText);
                if self.mask.is_none() {
                    self.show_byte(byte, shown);
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

    /// Where the value stands that begins, and what is said of it. Nobody asks for places in what is left out.
    fn place(&mut self) -> Result<(), Unreadable> {
        self.begun = true;
        if self.left_out.is_some() {
            self.mask = None;
            return Ok(());
        }
        match self.open.last().map(|open| open.is_object) {
            Some(true) => {}
            Some(false) => self.come_to(b"*")?,
            None => {
                self.path.clear();
                self.spot = self.known.find(Within::default(), &self.path, (b"", ""), &mut self.judge);
            }
        }
        self.mask = self.spot.mask;
        Ok(())
    }

    /// Goes to the place `name` in what is open.
    fn come_to(&mut self, name: &[u8]) -> Result<(), Unreadable> {
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        self.path.truncate(open.end);
        self.path.push('/');
        self.spot = if let Some((spot, token)) = self.known.guess(open.within, name) {
            self.path.push_str(token);
            spot
        } else {
            let read = quoted(name).ok_or(MALFORMED_NAME)?;
            let token = token(&read);
            self.path.push_str(&token);
            if self.path.len() > LONGEST {
                return Err(Unreadable("its names are too long together"));
            }
            self.known.find(open.within, &self.path, (name, &token), &mut self.judge)
        };
        // All items of a list stand at one place.
        if open.is_object {
            open.within.before = self.spot.number;
        }
        Ok(())
    }

    /// The end of a name.
    fn named(&mut self, name: &[u8]) -> Result<(), Unreadable> {
        self.state = State::Colon;
        if self.left_out.is_none() { self.come_to(name) } else { quoted(name).map(drop).ok_or(MALFORMED_NAME) }
    }

    fn begin(&mut self, state: State) {
        self.kept.clear();
        self.too_long = false;
        self.escaped = false;
        self.state = state;
    }

    fn end(&mut self, byte: u8, shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        self.open.pop().ok_or(Unreadable("an end without a beginning"))?;
        self.show_byte(byte, shown);
        if self.left_out == Some(self.open.len()) {
            self.left_out = None;
        }
        self.state = State::After;
        Ok(())
    }

    fn in_name(&mut self, byte: u8, shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        self.show_byte(byte, shown);
        if byte == b'"' && !self.escaped {
            let kept = std::mem::take(&mut self.kept);
            let done = self.named(&kept);
            self.kept = kept;
            return done;
        }
        self.escape(byte)?;
        self.keep(&[byte]).ok_or(LONG_NAME)
    }

    fn in_text(&mut self, byte: u8, shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        if byte == b'"' && !self.escaped {
            if let Some(mask) = self.mask.take() {
                self.hide(mask, (!self.too_long).then_some(&self.kept), shown)?;
            } else {
                self.show_byte(byte, shown);
            }
            self.state = State::After;
            return Ok(());
        }
        self.escape(byte)?;
        self.text(&[byte], shown);
        Ok(())
    }

    /// Shows a text as `mask` leaves it; one that is too long to be looked into is nothing.
    fn hide(&self, mask: Mask, text: Option<&[u8]>, shown: &mut Vec<u8>) -> Result<(), Unreadable> {
        let text = text.map(|text| quoted(text).ok_or(Unreadable("a text is malformed"))).transpose()?;
        let hidden = text.as_ref().and_then(|text| masked(mask, TEXT, Format::Text, Some(text.as_bytes()), &self.key));
        let hidden = hidden.and_then(|hidden| serde_json::to_vec(&String::from_utf8_lossy(&hidden)).ok());
        shown.extend_from_slice(hidden.as_deref().unwrap_or(b"null"));
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
        self.state = State::After;
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

    fn show_byte(&self, byte: u8, shown: &mut Vec<u8>) {
        if self.left_out.is_none() {
            shown.push(byte);
        }
    }
}

fn has_control(run: &[u8]) -> bool {
    run.iter().copied().min().is_some_and(|least| least < 0x20)
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
