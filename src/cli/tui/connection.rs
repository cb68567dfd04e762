//! The way to the bastion: its socket on this machine, or the user's own ssh. Connects, and connects again with growing pauses.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bartizan_tui::Event;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use crate::cli::bastion::{Bastion, Way};
use crate::cli::{Common, Exit};
use crate::screen::{Keys, Line};

/// The bastion's socket in its state folder.
const SOCKET: &str = "control.sock";

/// Pauses between tries, in seconds; the last one again and again.
const PAUSES: [u64; 6] = [1, 2, 4, 8, 15, 30];

/// How long a try may take, once nobody can be asked for anything any more.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the bastion is reached.
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
    _ssh: Option<Child>,
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
            let socket = common.load()?.server.state_dir.join(SOCKET);
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
        let (mut line, ssh) = match self {
            Self::Socket(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| format!("{}: {error}", path.display()))?;
                let (reader, writer) = stream.into_split();
                (Line::new(reader, writer, keys), None)
            }
            Self::Ssh { way, bastion } => {
                let ours: Vec<String> = if first { Vec::new() } else { vec!["BatchMode=yes".to_owned()] };
                let mut command = Command::new("ssh");
                command.arg("-s").args(way.ssh(bastion, &ours, "control")).kill_on_drop(true);
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(if first { Stdio::inherit() } else { Stdio::null() });
                let mut child = command.spawn().map_err(|error| format!("ssh cannot be run: {error}"))?;
                let (Some(writer), Some(reader)) = (child.stdin.take(), child.stdout.take()) else {
                    return Err("ssh has no pipes".to_owned());
                };
                (Line::new(reader, writer, keys), Some(child))
            }
        };
        match line.next().await {
            Some(hello) => Ok(Connected { line, hello, _ssh: ssh }),
            None if ssh.is_some() => Err("ssh could not log in to the bastion".to_owned()),
            None => Err("the bastion ended the connection".to_owned()),
        }
    }
}
