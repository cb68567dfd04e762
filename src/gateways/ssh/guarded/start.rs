//! Starts the two programs of a guarded shell on the target, on one channel each, and says clearly when a target cannot run them.

use std::time::Duration;

use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client};

use crate::frontdoor::{Ask, Refusal};

use super::far::{self, Lines};

/// How long a target may take to start its shell.
const PATIENCE: Duration = Duration::from_secs(15);

/// How much of what the target says about its trouble is kept, in bytes.
const COMPLAINT: usize = 512;

/// A shell that waits on the target for its first command, and the channels to it.
pub struct Far {
    pub(super) ears: Ears,
    pub(super) to_terminal: ChannelWriteHalf<client::Msg>,
    pub(super) to_control: ChannelWriteHalf<client::Msg>,
}

/// What is heard from the target.
pub(super) struct Ears {
    pub(super) terminal: ChannelReadHalf,
    pub(super) control: ChannelReadHalf,
    pub(super) lines: Lines,
    /// The control channel has ended: nothing more can be run.
    pub(super) is_deaf: bool,
    /// The shell was told to end.
    pub(super) is_leaving: bool,
}

/// Why a target cannot give a guarded shell.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("it took longer than {} s", PATIENCE.as_secs())]
    Slow,
    #[error("it refused to run /bin/sh")]
    Refused,
    #[error("its shell ended before it began: {0}")]
    Ended(String),
    #[error("its temporary folder has a name that cannot be used")]
    Folder,
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

impl Far {
    /// Starts a shell: `control` carries the commands; `terminal`, once it is open, the keys and the screen, or plain output
    /// where there is no terminal.
    ///
    /// # Errors
    /// When the target lacks what is needed, refuses or takes too long.
    pub async fn start<Opens>(control: Channel<client::Msg>, terminal: Opens, ask: &Ask) -> Result<Self, Refusal>
    where
        Opens: Future<Output = Result<Channel<client::Msg>, russh::Error>>,
    {
        let begun = async { begin(control, terminal.await?, ask).await };
        let started = tokio::time::timeout(PATIENCE, begun).await.unwrap_or(Err(StartError::Slow));
        started.map_err(|error| {
            let needs = "sh, mktemp, mkfifo, cat, rm, stty and two sessions per connection";
            let sentence = format!("{} cannot give a guarded shell, which needs {needs}; tell the operator.", ask.target);
            Refusal::unavailable(sentence, format!("{}: no guarded shell: {error}", ask.target))
        })
    }
}

async fn begin(control: Channel<client::Msg>, terminal: Channel<client::Msg>, ask: &Ask) -> Result<Far, StartError> {
    let ((control, to_control), (terminal, to_terminal)) = (control.split(), terminal.split());
    let ears = Ears { terminal, control, lines: Lines::default(), is_deaf: false, is_leaving: false };
    let mut far = Far { ears, to_terminal, to_control };
    far.to_control.exec(true, far::control()).await?;
    let folder = far.ears.heard().await?;
    if !far::is_plain_path(&folder) {
        return Err(StartError::Folder);
    }
    if let Some(asked) = &ask.terminal {
        let (size, pixels) = (asked.size, asked.pixels);
        far.to_terminal.request_pty(false, &asked.term, size.0, size.1, pixels.0, pixels.1, &asked.modes).await?;
    }
    for (name, value) in &ask.environment {
        far.to_terminal.set_env(false, name.as_str(), value.as_str()).await?;
    }
    far.to_terminal.exec(true, far::shell(&folder, ask.terminal.is_some())).await?;
    loop {
        match far.ears.terminal.wait().await {
            Some(ChannelMsg::Success) => break,
            Some(ChannelMsg::WindowAdjusted { .. }) => {}
            Some(_) | None => return Err(StartError::Refused),
        }
    }
    if ask.terminal.is_none() {
        // Nothing that is run reads the visitor's input: those are the commands.
        far.to_terminal.eof().await?;
    }
    if far.ears.heard().await? != "ready" {
        return Err(StartError::Ended("it said something else".to_owned()));
    }
    far.to_control.data_bytes(far::GO.as_bytes()).await?;
    Ok(far)
}

impl Ears {
    /// The next line from the control channel, while nothing is to be read elsewhere.
    async fn heard(&mut self) -> Result<String, StartError> {
        let mut complaint = Vec::new();
        loop {
            if let Some(line) = self.lines.next() {
                return Ok(line);
            }
            match self.control.wait().await {
                Some(ChannelMsg::Data { data }) if self.lines.push(&data) => {}
                Some(ChannelMsg::ExtendedData { data, .. }) if complaint.len() < COMPLAINT => complaint.extend_from_slice(&data),
                Some(ChannelMsg::Success | ChannelMsg::WindowAdjusted { .. } | ChannelMsg::ExtendedData { .. }) => {}
                Some(ChannelMsg::Failure) => return Err(StartError::Refused),
                Some(_) | None => {
                    complaint.truncate(COMPLAINT);
                    let said = String::from_utf8_lossy(&complaint);
                    return Err(StartError::Ended(crate::model::Printable(said.trim()).to_string()));
                }
            }
        }
    }
}
