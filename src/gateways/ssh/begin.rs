//! Asks the target for what the visitor asked of us: terminal, environment, program.

use russh::{Channel, ChannelMsg, client};

use crate::enforce::Mode;
use crate::frontdoor::Ask;
use crate::model::Wish;

/// Starts the program of `ask` on `channel`, a copying program with the command line that was planned; false when the target refuses it. What the target says before its answer is kept
/// by the channel.
///
/// # Errors
/// When the connection to the target fails.
pub async fn begin(channel: &mut Channel<client::Msg>, ask: &Ask, mode: &Mode, planned: Option<&str>) -> Result<bool, russh::Error> {
    // Over a terminal, the protocol of a copying program would not come through whole.
    if let Some(terminal) = ask.terminal.as_ref().filter(|_| planned.is_none()) {
        let (size, pixels) = (terminal.size, terminal.pixels);
        channel.request_pty(false, &terminal.term, size.0, size.1, pixels.0, pixels.1, &terminal.modes).await?;
    }
    for (name, value) in &ask.environment {
        channel.set_env(false, name.as_str(), value.as_str()).await?;
    }
    match (mode, &ask.wish) {
        (Mode::Shell, _) => channel.request_shell(true).await?,
        // It has a way of its own: an ordinary shell must never stand in for it.
        (Mode::GuardedShell | Mode::Postgres | Mode::Http | Mode::Kubernetes, _) => return Ok(false),
        (Mode::Sftp, _) => channel.request_subsystem(true, "sftp").await?,
        (Mode::Scp(_) | Mode::Rsync(_), _) => match planned {
            Some(line) => channel.exec(true, line.as_bytes()).await?,
            None => return Ok(false),
        },
        (Mode::Exec(line), wish) => match (line.canonical(), wish) {
            // What was decided is what runs, so that bastion and target cannot read it differently.
            (Some(canonical), _) => channel.exec(true, canonical.as_bytes()).await?,
            (None, Wish::Exec(line)) => channel.exec(true, line.as_bytes()).await?,
            (None, _) => return Ok(false),
        },
    }
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => return Ok(true),
            Some(ChannelMsg::WindowAdjusted { .. }) => {}
            Some(_) | None => return Ok(false),
        }
    }
}
