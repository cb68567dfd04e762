//! Runs both pumps of a session until one side ends, an order comes or the recording fails, and closes both sides.

use bartizan_recorder::{Exit, Reason};
use russh::{Channel, ChannelWriteHalf, client, server};
use tokio::sync::mpsc;

use crate::enforce::Moderation;
use crate::frontdoor::sentences;
use crate::record::{Closing, Tape};

use super::pumps::{self, PumpError, Traffic};
use super::rails::{Gate, Inlet, Rails, Watch};

/// What may be said to a running session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Orders {
    /// Show this to the visitor.
    Notice(String),
    /// Go on, if a guard rail froze it; this is who let it.
    Resume(String),
    /// End now; the sentence is for the visitor, the reason for the seal.
    End(String, Reason),
}

/// How a session ended.
pub type Ended = Closing;

/// Carries the session until it ends; `rails` look at it, where it has any.
#[expect(clippy::too_many_arguments, reason = "both ends of a session, and all that watches it")]
pub async fn relay(
    visitor: Channel<server::Msg>,
    handle: &server::Handle,
    target: Channel<client::Msg>,
    tape: &Tape,
    has_terminal: bool,
    traffic: &Traffic,
    mut orders: mpsc::Receiver<Orders>,
    rails: Option<Box<Rails>>,
    moderation: &Moderation,
) -> Ended {
    let (mut from_visitor, to_visitor) = visitor.split();
    let (mut from_target, to_target) = target.split();
    let gate = Gate::new(moderation);
    let watch = Watch { rails, gate: &gate, visitor: &to_visitor, tape, has_terminal };
    let down = pumps::down(&mut from_target, &to_visitor, handle, tape, traffic, watch);
    let up = pumps::up(&mut from_visitor, &to_target, tape, traffic, &gate, Inlet::new(&gate, has_terminal));
    tokio::pin!(down, up);
    let mut up_done = false;
    let ended = loop {
        tokio::select! {
            done = &mut down => break told(done),
            done = &mut up, if !up_done => match done {
                // The visitor's channel is gone: nobody is left to read what the target still says.
                Ok(()) => break closing(Reason::Disconnected, "the visitor left", None),
                // The target takes no more input, but may still speak.
                Err(PumpError::Gone(_)) => up_done = true,
                Err(error) => break failed(&error),
            },
            order = orders.recv() => match order {
                Some(Orders::Notice(text)) => {
                    say(&to_visitor, &text, has_terminal).await;
                    if let Err(error) = tape.write(vec![Tape::note(text.trim().to_owned())]).await {
                        break failed(&error.into());
                    }
                }
                Some(Orders::Resume(by)) => gate.resume(by),
                Some(Orders::End(text, reason)) => break closing(reason, &text, None),
                None => break closing(Reason::Ended, "the bastion stopped", None),
            },
        }
    };
    finish(&ended, &to_visitor, &to_target, handle, has_terminal, tape).await;
    ended
}

/// Does what is said to a session whose visitor has no terminal, until that is to end.
pub(super) async fn obey(mut orders: mpsc::Receiver<Orders>, visitor: &ChannelWriteHalf<server::Msg>, tape: &Tape) -> Ended {
    loop {
        match orders.recv().await {
            Some(Orders::Notice(text)) => {
                say(visitor, &text, false).await;
                if let Err(error) = tape.write(vec![Tape::note(text.trim().to_owned())]).await {
                    return failed(&error.into());
                }
            }
            // Nothing freezes what has no screen.
            Some(Orders::Resume(_)) => {}
            Some(Orders::End(text, reason)) => return closing(reason, &text, None),
            None => return closing(Reason::Ended, "the bastion stopped", None),
        }
    }
}

fn told(done: Result<Option<Exit>, PumpError>) -> Ended {
    match done {
        Ok(Some(exit)) => closing(Reason::Closed, "the program ended", Some(exit)),
        Ok(None) => closing(Reason::Closed, "the target closed the session", None),
        Err(PumpError::Gone(_)) => closing(Reason::Disconnected, "the visitor left", None),
        Err(error) => failed(&error),
    }
}

pub(super) fn failed(error: &PumpError) -> Ended {
    tracing::error!(%error, alert = true, "a session could not be recorded");
    let sentence = match error {
        PumpError::Tape(error) => error.sentence(),
        PumpError::Gone(_) => "the connection was lost".to_owned(),
    };
    closing(Reason::Failed, &sentence, None)
}

pub(super) fn closing(reason: Reason, sentence: &str, exit: Option<Exit>) -> Closing {
    Closing { reason, sentence: sentence.to_owned(), exit }
}

/// Shows `text` beside the program's own output. These are the bastion's own words: that they cannot be recorded does not keep them
/// back, least of all when that is what they say.
pub(super) async fn say(visitor: &ChannelWriteHalf<server::Msg>, text: &str, has_terminal: bool) {
    let shown = if has_terminal { sentences::for_terminal(text) } else { text.to_owned() };
    // A visitor who does not read it loses only the notice.
    let patience = std::time::Duration::from_secs(2);
    let sent = if has_terminal {
        tokio::time::timeout(patience, visitor.data_bytes(shown.into_bytes())).await
    } else {
        tokio::time::timeout(patience, visitor.extended_data_bytes(1, shown.into_bytes())).await
    };
    drop(sent);
}

pub(super) async fn finish(
    ended: &Ended,
    visitor: &ChannelWriteHalf<server::Msg>,
    target: &ChannelWriteHalf<client::Msg>,
    handle: &server::Handle,
    has_terminal: bool,
    tape: &Tape,
) {
    let by_bastion = !matches!(ended.reason, Reason::Closed | Reason::Disconnected);
    // First of all, whoever reads slowly; either side may be gone already, and closing is then all that is wanted.
    let _ = target.close().await;
    if by_bastion {
        say(visitor, &sentences::ended(&ended.sentence), has_terminal).await;
        if ended.reason != Reason::Failed
            && let Err(error) = tape.write(vec![Tape::note(format!("ended: {}", ended.sentence))]).await
        {
            tracing::error!(%error, "the end of a session could not be recorded");
        }
        let _ = handle.exit_status_request(visitor.id(), 1).await;
    }
    if by_bastion || ended.exit.is_none() {
        let _ = visitor.eof().await;
    }
    let _ = visitor.close().await;
}
