//! Carries an scp session: the copying itself, and beside it both channels, until one side ends, an order comes or the recording
//! fails. What is read ahead of the copying is bounded; a slow side slows the other.

use bartizan_policies::Transfer;
use bartizan_recorder::{Exit, Reason};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client, server};
use tokio::io::{AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::mpsc;

use super::flow::{Flow, FlowError, Sides};
use super::judge::Asking;
use super::plan::{Kind, Plan};
use crate::enforce::{Decider, Moderation};
use crate::gateways::ssh::pumps::{Traffic, exit_of, forward_down};
use crate::gateways::ssh::relay::{Ended, Orders, closing, finish, obey};
use crate::record::{Piece, Tape};

/// How much is read ahead of the copying, for each side.
const AHEAD: usize = 64 << 10;

/// Carries what `plan` planned until it ends.
#[expect(clippy::too_many_arguments, reason = "the two sides, and what each session has")]
pub async fn relay(
    visitor: Channel<server::Msg>,
    handle: &server::Handle,
    target: Channel<client::Msg>,
    (tape, decider): (&Tape, Decider),
    (transfer, plan): (&Transfer, Plan),
    has_terminal: bool,
    traffic: &Traffic,
    orders: mpsc::Receiver<Orders>,
) -> Ended {
    let (places, resolver) = match plan.kind {
        Kind::Rsync(allowed) => {
            let watched = decider.moderation();
            let ended = crate::gateways::ssh::relay(visitor, handle, target, tape, has_terminal, traffic, orders, None, watched).await;
            drop(allowed);
            return ended;
        }
        Kind::Scp(places, resolver) => (places, resolver),
    };
    let (mut from_visitor, to_visitor) = visitor.split();
    let (mut from_target, to_target) = target.split();
    let (visitor_in, visitor_out) = tokio::io::duplex(AHEAD);
    let (target_in, target_out) = tokio::io::duplex(AHEAD);
    let (visitor_out, target_out) = (BufReader::with_capacity(AHEAD, visitor_out), BufReader::with_capacity(AHEAD, target_out));
    let watched = std::sync::Arc::clone(decider.moderation());
    let judge = Asking { decider, resolver, tape };
    let ended = {
        let copying = async {
            let (recursive, direction) = (transfer.recursive(), transfer.direction());
            let (to_visitor, to_target) = (to_visitor.make_writer(), to_target.make_writer());
            match direction {
                bartizan_policies::Direction::ToTarget => {
                    let sides = Sides { from_source: visitor_out, to_source: to_visitor, from_sink: target_out, to_sink: to_target };
                    Flow { sides, judge, direction, recursive, places, open: Vec::new(), times: None }.run().await
                }
                bartizan_policies::Direction::FromTarget => {
                    let sides = Sides { from_source: target_out, to_source: to_target, from_sink: visitor_out, to_sink: to_visitor };
                    Flow { sides, judge, direction, recursive, places, open: Vec::new(), times: None }.run().await
                }
            }
        };
        let both = async {
            let mut down = Box::pin(down(&mut from_target, target_in, &to_visitor, handle, (tape, &*watched), traffic));
            let mut copying = Box::pin(copying);
            tokio::select! {
                told = &mut down => over(told, copying.await),
                done = &mut copying => match done {
                    // The target ends by itself, now that it gets no more.
                    Ok(()) => {
                        let _ = to_target.eof().await;
                        over(down.await, Ok(()))
                    }
                    Err(error) => broken(&error),
                },
            }
        };
        tokio::select! {
            ended = Box::pin(both) => ended,
            () = up(&mut from_visitor, visitor_in, &watched, traffic) => closing(Reason::Disconnected, "the visitor left", None),
            ended = obey(orders, &to_visitor, tape) => ended,
        }
    };
    if let Some(exit) = &ended.exit {
        tell(exit, &to_visitor).await;
    }
    finish(&ended, &to_visitor, &to_target, handle, false, tape).await;
    ended
}

/// What the visitor sends, until the channel is gone.
async fn up(visitor: &mut ChannelReadHalf, into: DuplexStream, watched: &Moderation, traffic: &Traffic) {
    let mut into = Some(into);
    while let Some(message) = visitor.wait().await {
        if !matches!(message, ChannelMsg::Close) {
            watched.opened().await;
        }
        match (message, &mut into) {
            (ChannelMsg::Data { data }, Some(to)) => {
                traffic.add_up(data.len());
                // A copying that is over reads no more.
                if to.write_all(&data).await.is_err() {
                    into = None;
                }
            }
            (ChannelMsg::Eof, _) => into = None,
            (ChannelMsg::Close, _) => return,
            _ => {}
        }
    }
}

/// What the target sends: the protocol to the copying, its words on standard error to the visitor, until it closes.
async fn down(
    target: &mut ChannelReadHalf,
    into: DuplexStream,
    visitor: &ChannelWriteHalf<server::Msg>,
    handle: &server::Handle,
    (tape, watched): (&Tape, &Moderation),
    traffic: &Traffic,
) -> Result<Option<Exit>, FlowError> {
    let (mut exit, mut into) = (None, Some(into));
    while let Some(message) = target.wait().await {
        watched.opened().await;
        if let Some(told) = exit_of(&message) {
            exit = Some(told);
            continue;
        }
        match message {
            ChannelMsg::Data { data } => {
                if let Some(to) = &mut into
                    && to.write_all(&data).await.is_err()
                {
                    into = None;
                }
            }
            ChannelMsg::ExtendedData { data, ext } => {
                tape.write(vec![Piece::Stderr(data.clone())]).await?;
                let message = ChannelMsg::ExtendedData { data, ext };
                forward_down(message, visitor, handle, traffic).await.map_err(|_| gone())?;
            }
            ChannelMsg::Eof => into = None,
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    Ok(exit)
}

fn gone() -> FlowError {
    FlowError::Gone(std::io::ErrorKind::BrokenPipe.into())
}

/// The end, when both the target and the copying have ended.
fn over(told: Result<Option<Exit>, FlowError>, done: Result<(), FlowError>) -> Ended {
    match (told, done) {
        (Ok(exit), Ok(()) | Err(FlowError::Gone(_))) => {
            let sentence = if exit.is_some() { "the program ended" } else { "the target closed the session" };
            closing(Reason::Closed, sentence, exit)
        }
        (_, Err(error)) | (Err(error), Ok(())) => broken(&error),
    }
}

fn broken(error: &FlowError) -> Ended {
    match error {
        FlowError::Tape(error) => {
            tracing::error!(%error, alert = true, "a session could not be recorded");
            closing(Reason::Failed, &error.sentence(), None)
        }
        FlowError::Gone(_) => closing(Reason::Disconnected, "the visitor left", None),
        error => closing(Reason::Ended, &error.to_string(), None),
    }
}

/// The program's end, after everything that it sent.
async fn tell(exit: &Exit, visitor: &ChannelWriteHalf<server::Msg>) {
    // A visitor who left does not hear it.
    let _ = visitor.exit_status(exit.status.unwrap_or(1)).await;
    let _ = visitor.eof().await;
}
