//! The records of the scp protocol, strictly: what a source announces and what a sink answers. Names are single names of files;
//! whatever else is refused (CVE-2018-20685, CVE-2019-6109). Sans-IO: lines in, lines out.

use crate::model::Printable;

/// The longest line, in bytes, without its end. OpenSSH takes 2,048 and a bit.
pub(super) const LONGEST_LINE: usize = 8192;

/// The longest name of a file, as Linux' `NAME_MAX`.
const LONGEST_NAME: usize = 255;

/// What came is not the scp protocol, or a part of it that nobody needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// A line that is no record.
    #[error("it broke the scp protocol")]
    Record,
    /// A name that could lead elsewhere or command a terminal.
    #[error("it announced a name that is no plain file name")]
    Name,
}

/// What a source announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// `T`: times of what comes next, in seconds and microseconds: modified, accessed.
    Times([u64; 4]),
    /// `C`: a file of this many bytes.
    File { mode: u32, size: u64, name: String },
    /// `D`: a folder, and what is in it until its `E`.
    Folder { mode: u32, name: String },
    /// `E`
    End,
    /// Something could not be read; the copying goes on.
    Warning(String),
    /// The source gives up.
    Fatal(String),
}

/// What a sink answers, and how a source ends a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// Go on.
    Done,
    /// Not this one.
    Warning(String),
    /// Nothing more.
    Fatal(String),
}

impl Record {
    /// Reads one line, without its end.
    pub(super) fn read(line: &[u8]) -> Result<Self, Malformed> {
        let (first, rest) = line.split_first().ok_or(Malformed::Record)?;
        if matches!(first, 1 | 2) {
            let text = shown(rest);
            return Ok(if *first == 1 { Self::Warning(text) } else { Self::Fatal(text) });
        }
        let rest = std::str::from_utf8(rest).map_err(|_| Malformed::Name)?;
        match first {
            b'T' => times(rest).map(Self::Times),
            b'C' => entry(rest).map(|(mode, size, name)| Self::File { mode, size, name }),
            b'D' => entry(rest).map(|(mode, _, name)| Self::Folder { mode, name }),
            b'E' if rest.is_empty() => Ok(Self::End),
            _ => Err(Malformed::Record),
        }
    }

    /// The record as it is sent, with its end.
    pub(super) fn written(&self) -> Vec<u8> {
        match self {
            Self::Times([modified, modified_us, accessed, accessed_us]) => {
                format!("T{modified} {modified_us} {accessed} {accessed_us}\n").into_bytes()
            }
            Self::File { mode, size, name } => format!("C{mode:04o} {size} {name}\n").into_bytes(),
            Self::Folder { mode, name } => format!("D{mode:04o} 0 {name}\n").into_bytes(),
            Self::End => b"E\n".to_vec(),
            Self::Warning(text) => Reply::Warning(text.clone()).written(),
            Self::Fatal(text) => Reply::Fatal(text.clone()).written(),
        }
    }
}

impl Reply {
    /// Reads an answer that is more than "done".
    pub(super) fn read(line: &[u8]) -> Result<Self, Malformed> {
        match line.split_first() {
            Some((1, text)) => Ok(Self::Warning(shown(text))),
            Some((2, text)) => Ok(Self::Fatal(shown(text))),
            _ => Err(Malformed::Record),
        }
    }

    /// The answer as it is sent.
    pub(super) fn written(&self) -> Vec<u8> {
        match self {
            Self::Done => vec![0],
            Self::Warning(text) => [&[1], text.replace('\n', " ").as_bytes(), b"\n"].concat(),
            Self::Fatal(text) => [&[2], text.replace('\n', " ").as_bytes(), b"\n"].concat(),
        }
    }
}

/// Foreign text, safe for a terminal and for one line.
fn shown(text: &[u8]) -> String {
    Printable(&String::from_utf8_lossy(text)).to_string()
}

/// Whether a name is that of one file in its folder.
pub(super) fn is_name(name: &str) -> bool {
    let plain = !name.is_empty() && name.len() <= LONGEST_NAME && !matches!(name, "." | "..");
    plain && !name.contains('/') && !name.chars().any(char::is_control)
}

fn number(text: &str) -> Result<u64, Malformed> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or(Malformed::Record)
}

fn times(text: &str) -> Result<[u64; 4], Malformed> {
    let all: Vec<u64> = text.split(' ').map(number).collect::<Result<_, _>>()?;
    all.try_into().map_err(|_| Malformed::Record)
}

fn entry(text: &str) -> Result<(u32, u64, String), Malformed> {
    let mut parts = text.splitn(3, ' ');
    let (Some(mode), Some(size), Some(name)) = (parts.next(), parts.next(), parts.next()) else { return Err(Malformed::Record) };
    let octal = (3..=6).contains(&mode.len()) && mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = octal.then(|| u32::from_str_radix(mode, 8).ok()).flatten().filter(|mode| *mode <= 0o7777).ok_or(Malformed::Record)?;
    if !is_name(name) {
        return Err(Malformed::Name);
    }
    Ok((mode, number(size)?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Malformed, Record, Reply};

    #[test]
    fn records_are_read_and_written_the_same() {
        for line in ["T1 2 3 4\n", "C0644 5 a b\n", "D0755 0 é\n", "E\n", "\x01no\n", "\x02no\n", "C7777 18446744073709551615 -x\n"] {
            let record = Record::read(line.trim_end_matches('\n').as_bytes()).unwrap();
            assert_eq!(record.written(), line.as_bytes(), "{line:?}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_or_command_a_terminal_are_refused() {
        for name in ["", ".", "..", "a/b", "/etc/passwd", "../x", "a\0b", "a\x1b[2J", "a\rb", "\u{9b}2J", &"x".repeat(256)] {
            assert_eq!(Record::read(format!("C0644 1 {name}").as_bytes()), Err(Malformed::Name), "{name:?}");
            assert_eq!(Record::read(format!("D0755 0 {name}").as_bytes()), Err(Malformed::Name), "{name:?}");
        }
        assert_eq!(Record::read(b"C0644 1 \xff"), Err(Malformed::Name));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let lines = ["", "x", "C", "C0644", "C0644 1", "C0644 -1 a", "C0644 +1 a", "C0644 99999999999999999999 a", "C9 1 a", "C17777 1 a"];
        for line in lines.into_iter().chain(["T1 2 3", "T1 2 3 4 5", "T-1 0 1 0", "Ex", "c0644 1 a", "\0"]) {
            assert_eq!(Record::read(line.as_bytes()), Err(Malformed::Record), "{line:?}");
        }
        assert_eq!(Reply::read(b"\x03x"), Err(Malformed::Record));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_what_is_read_is_written_in_one_line(line in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(record) = Record::read(&line) {
                let written = record.written();
                prop_assert_eq!(written.iter().filter(|b| **b == b'\n').count(), usize::from(!line.contains(&b'\n')) .max(1));
            }
            let _ = Reply::read(&line);
        }
    }
}
