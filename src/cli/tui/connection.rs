//! The way to the bastion: its socket on this machine, or the user's own ssh. Connects, and connects again with growing pauses.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bartizan_tui::Event;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, Command};

use crate::cli::bastion::{Bastion, Way};
use crate::cli::{Common, Exit, signing};
use crate::daemon::control_socket;
use crate::model::Printable;
use crate::screen::{Keys, Line};

/// Pauses between tries, in seconds; the last one again and again.
const PAUSES: [u64; 6] = [1, 2, 4, 8, 15, 30];

/// A network that is gone without a sign is noticed, and said, within twenty seconds.
const ALIVE: [&str; 2] = ["ServerAliveInterval=5", "ServerAliveCountMax=3"];

/// How long a try may take, once nobody can be asked for anything any more.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long ssh's last words are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// So much is kept of what ssh says.
const WORDS_MAX: usize = 4 << 10;

/// How the bastion is reached.
#[derive(Clone)]
pub(super) enum Route {
    /// It runs here.
    Socket(PathBuf),
    /// By ssh.
    Ssh { way: Way, bastion: Bastion },
}

/// A connection on which the bastion has said hello.
pub(super) struct Connected {
    pub(super) line: Line,
    pub(super) hello: Event,
    /// Lives as long as the connection.
    ssh: Option<Ssh>,
}

/// The user's ssh. What it says on standard error goes to the terminal only while that is the user's own: on our screen it would be
/// in the way.
struct Ssh {
    _child: Child,
    says: Option<ChildStderr>,
    said: Vec<u8>,
}

/// How long to wait before try number `tries`, from 0.
pub(super) fn pause(tries: usize) -> Duration {
    let seconds = PAUSES.get(tries).or(PAUSES.last()).copied().unwrap_or(30);
    Duration::from_secs(seconds)
}

impl Route {
    /// Without `--bastion`: the socket, where the bastion of the configuration runs here; else that bastion by ssh.
    pub(super) fn of(common: &Common, way: &Way) -> Result<Self, Exit> {
        if way.bastion.is_none() && common.config.exists() {
            let socket = control_socket(&common.load()?.server.state_dir);
            if socket.exists() {
                return Ok(Self::Socket(socket));
            }
        }
        Ok(Self::Ssh { bastion: way.bastion(common)?, way: way.clone() })
    }

    /// The bastion as ssh reaches it.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Socket(_) => None,
            Self::Ssh { bastion, .. } => Some(bastion.to_string()),
        }
    }

    /// Whether a session can be begun from here: by the user's own ssh, as the user.
    pub(super) fn can_connect(&self) -> bool {
        matches!(self, Self::Ssh { .. })
    }

    /// The file of the user's key with the fingerprint `key`; none by the socket, where nobody logs in with a key.
    pub(super) fn key_at_hand(&self, key: &str) -> Option<PathBuf> {
        match self {
            Self::Socket(_) => None,
            Self::Ssh { way, bastion } => signing::at_hand(bastion, way, key),
        }
    }

    /// An `ssh` to a session on a target, in the foreground.
    pub(super) fn session(&self, login: &str, target: &str) -> Option<Command> {
        let Self::Ssh { way, bastion } = self else { return None };
        let there = Bastion { user: Some(format!("{login}@{target}")), ..bastion.clone() };
        let mut command = Command::new("ssh");
        command.args(way.ssh_to_session(&there));
        Some(command)
    }

    /// Connects. The first time ssh may ask the user for things, at the terminal; later nobody is there to be asked.
    pub(super) async fn connect(&self, first: bool, keys: Option<Keys>) -> Result<Connected, String> {
        let connecting = self.reach(first, keys);
        if first {
            connecting.await
        } else {
            tokio::time::timeout(PATIENCE, connecting).await.map_err(|_| "no answer in time".to_owned())?
        }
    }

    async fn reach(&self, first: bool, keys: Option<Keys>) -> Result<Connected, String> {
        let (mut line, mut ssh) = match self {
            Self::Socket(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| format!("{}: {error}", path.display()))?;
                let (reader, writer) = stream.into_split();
                (Line::new(reader, writer, keys), None)
            }
            Self::Ssh { way, bastion } => {
                let asked = (!first).then_some("BatchMode=yes");
                let ours: Vec<String> = ALIVE.into_iter().chain(asked).map(str::to_owned).collect();
                let mut command = Command::new("ssh");
                command.arg("-s").args(way.ssh(bastion, &ours, "control")).kill_on_drop(true);
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
                let mut child = command.spawn().map_err(|error| format!("ssh cannot be run: {error}"))?;
                let (Some(writer), Some(reader)) = (child.stdin.take(), child.stdout.take()) else {
                    return Err("ssh has no pipes".to_owned());
                };
                let says = child.stderr.take();
                (Line::new(reader, writer, keys), Some(Ssh { _child: child, says, said: Vec::new() }))
            }
        };
        match next(&mut line, &mut ssh, first).await {
            Some(hello) => Ok(Connected { line, hello, ssh }),
            None => Err(match ssh {
                // It is on the terminal already.
                Some(_) if first => "ssh could not log in to the bastion".to_owned(),
                Some(ssh) => ssh.last_words().unwrap_or_else(|| "ssh could not log in to the bastion".to_owned()),
                None => "the bastion ended the connection".to_owned(),
            }),
        }
    }
}

impl Connected {
    /// What the core hears next; nothing once the connection has ended. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<Event> {
        next(&mut self.line, &mut self.ssh, false).await
    }

    /// Why it ended: in the bastion's words, or else in ssh's.
    pub(super) fn why(&self) -> String {
        let said = self.line.why().map(str::to_owned).or_else(|| self.ssh.as_ref()?.last_words());
        said.unwrap_or_else(|| "the connection ended".to_owned())
    }
}

async fn next(line: &mut Line, ssh: &mut Option<Ssh>, aloud: bool) -> Option<Event> {
    loop {
        tokio::select! {
            event = line.next() => {
                if let (None, Some(ssh)) = (&event, &mut *ssh) {
                    let rest = async { while ssh.hear(aloud).await {} };
                    let _late = tokio::time::timeout(LAST_WORDS, rest).await;
                }
                return event;
            }
            _ = hear(ssh, aloud) => {}
        }
    }
}

/// Without an ssh, or once it is silent for good: never.
async fn hear(ssh: &mut Option<Ssh>, aloud: bool) -> bool {
    match ssh {
        Some(ssh) if ssh.says.is_some() => ssh.hear(aloud).await,
        _ => std::future::pending().await,
    }
}

impl Ssh {
    /// Takes some of what it says; false when it says nothing more.
    async fn hear(&mut self, aloud: bool) -> bool {
        let mut some = [0; 1024];
        let Some(says) = &mut self.says else { return false };
        let Ok(read @ 1..) = says.read(&mut some).await else {
            self.says = None;
            return false;
        };
        let some = some.get(..read).unwrap_or_default();
        self.said.extend_from_slice(some);
        self.said.drain(..self.said.len().saturating_sub(WORDS_MAX));
        if aloud {
            // Who cannot be told is not told.
            let _ = std::io::stderr().lock().write_all(some);
        }
        true
    }

    /// The last line it said.
    fn last_words(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.said);
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        Some(Printable(last).to_string())
    }
}
