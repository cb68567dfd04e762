//! Asks at the user's terminal, whatever standard input and output are. A secret is not shown as it is typed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The longest line that is read from a terminal, in bytes.
const LONGEST_LINE: usize = 4096;

/// The terminal of this process.
pub(super) fn terminal() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

/// One line, or nothing when the user gives up (Ctrl-C, Ctrl-D).
pub(super) fn ask(terminal: &mut File, prompt: &str, visible: bool) -> io::Result<Option<String>> {
    let before = tcgetattr(&*terminal)?;
    // Signals too are read as keys, so that nothing can leave the terminal without its echo.
    let mut quiet: Termios = before.clone();
    quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    // Before the prompt: what is typed on seeing it must not be echoed.
    tcsetattr(&*terminal, OptionalActions::Flush, &quiet)?;
    let line = write!(terminal, "{prompt}").and_then(|()| read_keys(terminal, visible));
    tcsetattr(&*terminal, OptionalActions::Flush, &before)?;
    writeln!(terminal)?;
    line
}

fn read_keys(terminal: &mut (impl Read + Write), visible: bool) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let mut key = [0];
        if terminal.read(&mut key)? == 0 {
            return Ok(None);
        }
        match key {
            [b'\r' | b'\n'] => return Ok(String::from_utf8(line).ok()),
            [0x03 | 0x04] => return Ok(None),
            [0x08 | 0x7f] => {
                let erased = line.pop().is_some();
                if visible && erased {
                    terminal.write_all(b"\x08 \x08")?;
                }
            }
            [byte] if line.len() < LONGEST_LINE && byte >= 0x20 => {
                line.push(byte);
                if visible {
                    terminal.write_all(&key)?;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Terminal(io::Cursor<&'static [u8]>, Vec<u8>);

    impl Read for Terminal {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0.read(into)
        }
    }

    impl Write for Terminal {
        fn write(&mut self, from: &[u8]) -> io::Result<usize> {
            self.1.write(from)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn typed(keys: &'static [u8], visible: bool) -> (Option<String>, Vec<u8>) {
        let mut terminal = Terminal(io::Cursor::new(keys), Vec::new());
        (read_keys(&mut terminal, visible).unwrap(), terminal.1)
    }

    #[test]
    fn a_secret_is_read_without_showing_and_a_word_with_showing_it() {
        assert_eq!(typed(b"hunterx\x7f2\n", false), (Some("hunter2".into()), Vec::new()));
        assert_eq!(typed(b"yes\r", true), (Some("yes".into()), b"yes".to_vec()));
    }

    #[test]
    fn giving_up_is_no_answer() {
        for keys in [&b"se\x03"[..], b"\x04", b""] {
            assert_eq!(typed(keys, false).0, None);
        }
    }
}
