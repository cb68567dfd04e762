//! A linear look at the text before the parser sees it: what would cost the lexer more than linear time, or could be read in two
//! ways, is refused here. It follows PostgreSQL's lexer only as far as it must to tell comments and operators from quoted text.

use super::limits::Limits;
use super::refused::Refused;

/// The text, if it may be parsed.
pub(super) fn scan<'a>(text: &'a [u8], limits: &Limits, major: u16) -> Result<&'a str, Refused> {
    if text.len() > limits.bytes {
        let message = format!("the statement is {} bytes long, the bastion reads at most {}", text.len(), limits.bytes);
        return Err(Refused::new("54000", message).hint("send large data by COPY or as parameters"));
    }
    let text = std::str::from_utf8(text).map_err(|error| {
        let message = format!("the statement is not UTF-8 at byte {}", error.valid_up_to());
        Refused::new("22021", message).hint("SET client_encoding TO 'UTF8'")
    })?;
    let mut scanner = Scanner { text, bytes: text.as_bytes(), at: 0, limits, major };
    scanner.run()?;
    Ok(text)
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    limits: &'a Limits,
    /// The server's version; 0 if it is not known, and then the oldest counts.
    major: u16,
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn continues_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit()
}

fn is_operator(byte: u8) -> bool {
    b"+-*/<>=~!@#%^&|`?".contains(&byte)
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at.saturating_add(ahead)).copied()
    }

    fn starts(&self, what: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(what))
    }

    fn run(&mut self) -> Result<(), Refused> {
        while let Some(byte) = self.peek(0) {
            match byte {
                0 => return Err(Refused::new("22021", "the statement has a NUL in it").at(self.text, Some(self.at))),
                b'\'' => self.quoted(b'\'', false)?,
                b'"' => self.quoted(b'"', false)?,
                b'$' => self.dollar()?,
                b'-' if self.starts(b"--") => self.line_comment()?,
                b'/' if self.starts(b"/*") => self.comment()?,
                byte if begins_word(byte) => self.word()?,
                byte if byte.is_ascii_digit() => self.number()?,
                byte if is_operator(byte) => self.operator()?,
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    fn skip(&mut self, which: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&which) {
            self.at += 1;
        }
    }

    /// `0x1F` and `1_000` are numbers since PostgreSQL 16; before, they were numbers with a name behind them.
    fn number(&mut self) -> Result<(), Refused> {
        let begin = self.at;
        self.skip(|byte| continues_word(byte) || byte == b'.');
        let word = self.bytes.get(begin..self.at).unwrap_or_default();
        let decimal = word.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E'));
        if decimal || self.major >= 16 {
            return Ok(());
        }
        let message = "this number is written in a way that the server's version reads differently";
        Err(Refused::new("0A000", message).hint("write it in decimal digits").at(self.text, Some(begin)))
    }

    /// A word, and the string that follows it if the word says how to read it.
    fn word(&mut self) -> Result<(), Refused> {
        let begin = self.at;
        self.skip(|byte| continues_word(byte) || byte == b'$');
        let word = self.bytes.get(begin..self.at).unwrap_or_default();
        if word.eq_ignore_ascii_case(b"e") && self.peek(0) == Some(b'\'') { self.quoted(b'\'', true) } else { Ok(()) }
    }

    /// From a quote to its end; `escapes`: a backslash takes the next character in.
    fn quoted(&mut self, quote: u8, escapes: bool) -> Result<(), Refused> {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.no_nul(byte)?;
            self.at += 1;
            if byte == b'\\' && escapes {
                self.at += 1;
            } else if byte == quote {
                if self.peek(0) == Some(quote) || (escapes && self.goes_on()) {
                    self.at += 1;
                } else {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether a string goes on after white space with a line break in it; then that is skipped.
    fn goes_on(&mut self) -> bool {
        let (begin, mut line) = (self.at, false);
        loop {
            match self.peek(0) {
                Some(b'\n' | b'\r') => (self.at, line) = (self.at + 1, true),
                Some(b' ' | b'\t' | 0x0b | 0x0c) => self.at += 1,
                Some(b'-') if self.starts(b"--") => self.skip(|byte| byte != b'\n' && byte != b'\r'),
                Some(b'\'') if line => return true,
                _ => {
                    self.at = begin;
                    return false;
                }
            }
        }
    }

    fn dollar(&mut self) -> Result<(), Refused> {
        let begin = self.at;
        self.at += 1;
        if self.peek(0).is_some_and(begins_word) {
            self.skip(continues_word);
        }
        if self.peek(0) != Some(b'$') {
            return Ok(());
        }
        self.at += 1;
        let tag = self.bytes.get(begin..self.at).unwrap_or_default();
        while let Some(byte) = self.peek(0) {
            self.no_nul(byte)?;
            if byte == b'$' && self.starts(tag) {
                self.at += tag.len();
                return Ok(());
            }
            self.at += 1;
        }
        Ok(())
    }

    fn line_comment(&mut self) -> Result<(), Refused> {
        while let Some(byte) = self.peek(0).filter(|byte| !matches!(byte, b'\n' | b'\r')) {
            self.no_nul(byte)?;
            self.at += 1;
        }
        Ok(())
    }

    fn comment(&mut self) -> Result<(), Refused> {
        let (begin, mut depth) = (self.at, 0_usize);
        while let Some(byte) = self.peek(0) {
            self.no_nul(byte)?;
            if self.starts(b"/*") {
                depth += 1;
                self.at += 2;
            } else if self.starts(b"*/") {
                depth -= 1;
                self.at += 2;
            } else {
                self.at += 1;
            }
            if depth == 0 {
                return Ok(());
            }
            if depth > self.limits.comments {
                let message = format!("comments are nested more than {} deep", self.limits.comments);
                return Err(Refused::new("54001", message).at(self.text, Some(begin)));
            }
        }
        Ok(())
    }

    fn operator(&mut self) -> Result<(), Refused> {
        let begin = self.at;
        while self.peek(0).is_some_and(is_operator) && !self.starts(b"--") && !self.starts(b"/*") {
            self.at += 1;
        }
        if self.at - begin > self.limits.operator {
            let message = format!("an operator is longer than {} characters", self.limits.operator);
            return Err(Refused::new("54001", message).at(self.text, Some(begin)));
        }
        Ok(())
    }

    fn no_nul(&self, byte: u8) -> Result<(), Refused> {
        let nul = || Refused::new("22021", "the statement has a NUL in it").at(self.text, Some(self.at));
        if byte == 0 { Err(nul()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> bool {
        scan(text.as_bytes(), &Limits::default(), 18).is_ok()
    }

    #[test]
    fn comments_and_operators_are_bounded_and_quoted_text_is_neither() {
        let bomb = "/*".repeat(65);
        let run = "+".repeat(64);
        for text in
            [format!("SELECT 1 {bomb}"), format!("SELECT 1 {run} 2"), format!("SELECT E'\\'' {run} 2"), format!("$a${run}$a$ {run}")]
        {
            assert!(!taken(&text), "{text}");
        }
        let fine = [
            format!("SELECT 1 {}{}", "/*".repeat(64), "*/".repeat(64)),
            format!("SELECT '{run}', \"{bomb}\""),
            format!("SELECT '\\', '{run}'"),
            format!("SELECT E'\\'{run}'"),
            format!("SELECT E'a' -- it's\n '\\'{run}'"),
            format!("SELECT $x$ {run} $y$ {bomb} $x$"),
            format!("SELECT 1 -- {run} {bomb}\n"),
            format!("SELECT 1 /* {run} */"),
            format!("SELECT a$b$, '{run}' $b$"),
            format!("SELECT 1 {}-- {run}", "+".repeat(63)),
        ];
        for text in fine {
            assert!(taken(&text), "{text}");
        }
    }

    #[test]
    fn nul_and_what_is_not_utf_8_are_refused_wherever_they_stand() {
        for text in ["SELECT \0", "SELECT '\0'", "-- \0", "/* \0 */", "$$ \0 $$", "\"\0\""] {
            assert!(!taken(text), "{text:?}");
        }
        let refused = scan(b"SELECT '\xff'", &Limits::default(), 18).expect_err("it is no UTF-8");
        assert_eq!((refused.code, refused.message.as_str()), ("22021", "the statement is not UTF-8 at byte 8"));
        assert!(scan(&vec![b' '; (16 << 20) + 1], &Limits::default(), 18).is_err());
    }

    #[test]
    fn numbers_that_older_servers_read_otherwise_are_refused_there() {
        for text in ["SELECT 0x1F", "SELECT 1_000", "SELECT 0b11 FROM t"] {
            assert!(scan(text.as_bytes(), &Limits::default(), 15).is_err(), "{text}");
            assert!(taken(text), "{text}");
        }
        for text in ["SELECT 1.5e10", "SELECT $1, a1_000, '0x1F', 12."] {
            assert!(scan(text.as_bytes(), &Limits::default(), 13).is_ok(), "{text}");
        }
    }
}
