//! While a command runs: the visitor's keys go to its terminal and its screen to the visitor, untouched, until the shell on the
//! target says on the control channel that it is over.

use std::time::Duration;

use bartizan_recorder::{Event, Exit};
use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client};
use tokio::time::{sleep, timeout};

use crate::record::Piece;

use super::super::pumps;
use super::far::Awaited;
use super::show::{Over, Show};
use super::start::{Ears, Far};
use super::sync::Strip;

/// How long the end of output may come behind the end of the command.
const SYNC: Duration = Duration::from_millis(300);

/// How long what looks like the beginning of our mark is kept back.
const HOLD: Duration = Duration::from_millis(50);

/// How long a shell that was told to end may be silent.
const PARTING: Duration = Duration::from_secs(3);

/// How many bytes of commands to come are taken in while one runs, when they do not come from a terminal.
const AHEAD: usize = 64 << 10;

/// What the visitor's side of a session is like now.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) columns: u32,
    /// The visitor sends nothing more.
    pub(super) has_ended: bool,
    /// Input that was not read by anybody yet; only without a terminal.
    pub(super) ahead: Vec<u8>,
}

/// The end of a command: its status and the folder the shell stands in.
pub(super) type Answer = (u8, String);

enum Came {
    Terminal(Option<ChannelMsg>),
    Control(Option<ChannelMsg>),
    Quiet,
}

/// Shows what comes until the command that is `awaited` is over, and all it wrote with it.
pub(super) async fn until_over(ears: &mut Ears, awaited: &Awaited, show: &Show<'_>) -> Result<Answer, Over> {
    let mut strip = show.has_terminal.then(|| Strip::new(awaited.mark()));
    let (mut answer, mut exit) = (None, None);
    loop {
        let synced = strip.as_ref().is_none_or(Strip::found);
        if synced && let Some(answer) = answer.take() {
            return Ok(answer);
        }
        let patience = match &strip {
            _ if answer.is_some() => Some(SYNC),
            Some(strip) if strip.holds() => Some(HOLD),
            _ => None,
        };
        let came = tokio::select! {
            message = ears.terminal.wait() => Came::Terminal(message),
            message = ears.control.wait(), if !ears.is_deaf => Came::Control(message),
            () = sleep(patience.unwrap_or_default()), if patience.is_some() => Came::Quiet,
        };
        match came {
            Came::Terminal(message) => {
                if !shown(message, ears, &mut strip, &mut exit, show).await? {
                    return Err(Over::Shell(exit));
                }
            }
            Came::Control(Some(ChannelMsg::Data { data })) => answer = told(ears, &data, awaited)?.or(answer),
            Came::Control(Some(ChannelMsg::Close) | None) => ears.is_deaf = true,
            Came::Control(Some(_)) => {}
            Came::Quiet => {
                let held = strip.as_mut().map(Strip::flush).unwrap_or_default();
                show.output(held.into()).await?;
                if let Some(answer) = answer.take() {
                    return Ok(answer);
                }
            }
        }
    }
}

/// Has the shell end, and shows what is still on its way. Its own end is not the session's.
pub(super) async fn drained(far: &mut Far, show: &Show<'_>) -> Result<(), Over> {
    let _ = far.to_control.eof().await;
    far.ears.is_leaving = true;
    while let Ok(message) = timeout(PARTING, far.ears.terminal.wait()).await {
        if !shown(message, &mut far.ears, &mut None, &mut None, show).await? {
            break;
        }
    }
    Ok(())
}

/// Lines that do not tell the awaited end are nobody's: whoever wrote them does not know the nonce. No line of ours is endless.
fn told(ears: &mut Ears, data: &[u8], awaited: &Awaited) -> Result<Option<Answer>, Over> {
    if !ears.lines.push(data) {
        return Err(Over::Shell(None));
    }
    let mut answer = None;
    while let Some(line) = ears.lines.next() {
        answer = awaited.read(&line).map(|(status, folder)| (status, folder.to_owned())).or(answer);
    }
    Ok(answer)
}

/// Records and forwards what the terminal channel brought; false when it is closed.
pub(super) async fn shown(
    first: Option<ChannelMsg>,
    ears: &mut Ears,
    strip: &mut Option<Strip>,
    exit: &mut Option<Exit>,
    show: &Show<'_>,
) -> Result<bool, Over> {
    let Some(first) = first else { return Ok(false) };
    // What nobody sees who has to is not shown to the visitor either.
    show.watched.opened().await;
    let mut batch = pumps::gather(first, &mut ears.terminal);
    let mut pieces = Vec::new();
    for message in &mut batch {
        match message {
            ChannelMsg::Data { data } => {
                if let Some(strip) = strip {
                    *data = strip.feed(data).into();
                }
                pieces.extend((!data.is_empty()).then(|| Piece::Output(data.clone())));
            }
            ChannelMsg::ExtendedData { data, .. } => pieces.push(Piece::Stderr(data.clone())),
            _ if ears.is_leaving => {}
            other => {
                let ended = pumps::exit_of(other);
                pieces.extend(ended.clone().map(|exit| Piece::Event(Event::Exit(exit))));
                *exit = ended.or(exit.take());
            }
        }
    }
    if !pieces.is_empty() {
        show.tape.write(pieces).await?;
    }
    for message in batch {
        match message {
            ChannelMsg::Data { data } => show.send(data).await?,
            ChannelMsg::Close => return Ok(false),
            // The visitor's channel goes on when the shell's own output has ended.
            ChannelMsg::Eof => {}
            ChannelMsg::ExtendedData { .. } => forward(message, show).await?,
            _ if ears.is_leaving => {}
            other => forward(other, show).await?,
        }
    }
    Ok(true)
}

async fn forward(message: ChannelMsg, show: &Show<'_>) -> Result<(), Over> {
    pumps::forward_down(message, show.visitor, show.handle, show.traffic).await.map_err(|_| Over::Left)
}

/// Where the visitor's keys go.
#[derive(Debug, Clone)]
pub(super) enum Keys {
    /// Nowhere, while nothing runs that could read them: they were not typed at a prompt either.
    Dropped,
    /// To the program, beginning with those that came together with its line.
    Passed(Bytes),
}

/// Passes keys, window sizes and signals on. Ends only when the visitor is gone or the recording fails.
pub(super) async fn meanwhile(
    keys: Keys,
    visitor: &mut ChannelReadHalf,
    terminal: &ChannelWriteHalf<client::Msg>,
    window: &mut Window,
    show: &Show<'_>,
) -> Over {
    if let Keys::Passed(first) = &keys
        && !first.is_empty()
        && show.has_terminal
    {
        if let Err(error) = show.tape.typed(first).await {
            return error.into();
        }
        let _ = terminal.data_bytes(first.clone()).await;
    }
    loop {
        if window.ahead.len() > AHEAD {
            // Whoever sends commands faster than they run waits, and is only missed at the next one.
            return std::future::pending().await;
        }
        // A target that takes no more keys may still speak, and is heard elsewhere.
        let message = visitor.wait().await;
        show.tape.flows().await;
        match message {
            None | Some(ChannelMsg::Close) => return Over::Left,
            Some(ChannelMsg::Data { data }) if show.has_terminal => {
                show.traffic.add_up(data.len());
                // Typed blindly, it must not run later.
                if matches!(keys, Keys::Passed(_)) && show.watched.is_open() {
                    if let Err(error) = show.tape.typed(&data).await {
                        return error.into();
                    }
                    let _ = terminal.data_bytes(data).await;
                }
            }
            Some(ChannelMsg::Data { data }) => {
                show.traffic.add_up(data.len());
                window.ahead.extend_from_slice(&data);
            }
            Some(ChannelMsg::Eof) => window.has_ended = true,
            Some(ChannelMsg::Signal { signal }) => {
                let _ = terminal.signal(signal).await;
            }
            Some(ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height }) => {
                if let Err(over) = resized((col_width, row_height), (pix_width, pix_height), terminal, window, show).await {
                    return over;
                }
            }
            Some(_) => {}
        }
    }
}

/// The visitor's window has another size: recorded, and told to the target.
pub(super) async fn resized(
    size: (u32, u32),
    pixels: (u32, u32),
    terminal: &ChannelWriteHalf<client::Msg>,
    window: &mut Window,
    show: &Show<'_>,
) -> Result<(), Over> {
    window.columns = size.0;
    if let Some((cols, rows)) = pumps::size(size.0, size.1) {
        show.tape.write(vec![Piece::Event(Event::Resize { cols, rows })]).await?;
    }
    let _ = terminal.window_change(size.0, size.1, pixels.0, pixels.1).await;
    Ok(())
}
