//! `bartizan` as ssh's askpass program (ssh(1), `SSH_ASKPASS`): ssh runs us by the name [`NAME`], with its prompt as the only
//! argument. A browser login's prompt is answered by the `bartizan login` that started ssh; every other question, of a
//! host key or a jump host's password, goes to the user's terminal, as ssh itself would ask it.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::model::{Printable, code_login};

/// By this name we are askpass.
pub(super) const NAME: &str = "bartizan-askpass";
/// The socket beside it, at which `bartizan login` answers.
pub(super) const SOCKET: &str = "socket";
/// The longest line that is read from a terminal, in bytes.
const LONGEST_LINE: usize = 4096;
/// As long as the login itself may take.
const PATIENCE: Duration = super::PATIENCE;

/// Answers ssh's question if that is what we were started for.
pub(in crate::cli) fn run_if_asked() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    let own = PathBuf::from(words.next()?);
    if own.file_name()? != NAME {
        return None;
    }
    let prompt = words.next().unwrap_or_default().to_string_lossy().into_owned();
    let hint = std::env::var("SSH_ASKPASS_PROMPT").unwrap_or_default();
    let ours = code_login::url_of_prompt(&prompt).is_some() || code_login::is_token_prompt(&prompt);
    let answered = if ours {
        from_login(&own.with_file_name(SOCKET), &prompt).and_then(|answer| hand_over(&answer))
    } else {
        from_terminal(&prompt, &hint)
    };
    Some(match answered {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    })
}

fn hand_over(answer: &str) -> io::Result<bool> {
    writeln!(io::stdout(), "{answer}")?;
    Ok(true)
}

fn from_login(socket: &Path, prompt: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(prompt.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.take(code_login::LONGEST_ANSWER as u64).read_to_string(&mut answer)?;
    Ok(answer)
}

/// Asks at the terminal. Whether the answer is yes, for a `confirm`; whether there is one, otherwise.
fn from_terminal(prompt: &str, hint: &str) -> io::Result<bool> {
    let mut terminal = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let shown = prompt.split('\n').map(|line| Printable(line).to_string()).collect::<Vec<_>>().join("\n");
    if hint == "none" {
        writeln!(terminal, "{shown}")?;
        return Ok(true);
    }
    // Host keys are confirmed by a word that may be seen; anything else may be a secret.
    let visible = hint == "confirm" || prompt.contains("(yes/no");
    let Some(line) = ask(&mut terminal, &shown, visible)? else { return Ok(false) };
    if hint == "confirm" {
        return Ok(matches!(line.trim(), "yes" | "y"));
    }
    hand_over(&line)
}

/// One line, or nothing when the user gives up (Ctrl-C, Ctrl-D).
fn ask(terminal: &mut std::fs::File, prompt: &str, visible: bool) -> io::Result<Option<String>> {
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
