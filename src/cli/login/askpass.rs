//! `bartizan` as ssh's askpass program (ssh(1), `SSH_ASKPASS`): ssh runs us by the name [`NAME`], with its prompt as the only
//! argument. A browser login's prompt is answered by the `bartizan login` that started ssh; every other question, of a
//! host key or a jump host's password, goes to the user's terminal, as ssh itself would ask it.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::prompt;
use crate::model::{Printable, code_login};

/// By this name we are askpass.
pub(super) const NAME: &str = "bartizan-askpass";
/// The socket beside it, at which `bartizan login` answers.
pub(super) const SOCKET: &str = "socket";
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
fn from_terminal(question: &str, hint: &str) -> io::Result<bool> {
    let mut terminal = prompt::terminal()?;
    let shown = question.split('\n').map(|line| Printable(line).to_string()).collect::<Vec<_>>().join("\n");
    if hint == "none" {
        writeln!(terminal, "{shown}")?;
        return Ok(true);
    }
    // Host keys are confirmed by a word that may be seen; anything else may be a secret.
    let visible = hint == "confirm" || question.contains("(yes/no");
    let Some(line) = prompt::ask(&mut terminal, &shown, visible)? else { return Ok(false) };
    if hint == "confirm" {
        return Ok(matches!(line.trim(), "yes" | "y"));
    }
    hand_over(&line)
}
