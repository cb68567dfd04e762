//! Runs an SFTP session: both readers, both writers and the decisions side by side in one task, until one side ends, an order comes
//! or the recording fails. Each writer waits only for its own reader.

use bartizan_recorder::{Exit, Reason};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use russh::{Channel, ChannelMsg, ChannelWriteHalf, client, server};
use tokio::sync::mpsc;

use super::intake::intake;
use super::operation::work;
use super::outbox::Outbox;
use super::returns::returns;
use super::session::{Session, SftpError};
use super::{notes, session};
use crate::enforce::Decider;
use crate::gateways::ssh::pumps::{Traffic, forward_down};
use crate::gateways::ssh::relay::{Ended, Orders, closing, failed, finish, obey};
use crate::record::Tape;

/// Carries an SFTP session until it ends, every file of it decided by `decider`.
pub async fn relay(
    visitor: Channel<server::Msg>,
    handle: &server::Handle,
    target: Channel<client::Msg>,
    (tape, decider): (&Tape, Decider),
    traffic: &Traffic,
    orders: mpsc::Receiver<Orders>,
) -> Ended {
    let (mut from_visitor, to_visitor) = visitor.split();
    let (mut from_target, to_target) = target.split();
    let session = Session::new(tape, decider);
    let mut ended = {
        let intake = Box::pin(intake(&session, &mut from_visitor, traffic));
        let returns = Box::pin(down(&session, &mut from_target, &to_visitor, handle, traffic));
        let writes = Box::pin(write_target(&session.to_target, &to_target));
        tokio::select! {
            done = intake => done.map_or_else(|error| broken(&error), |()| left()),
            done = returns => done,
            () = writes => left(),
            error = Box::pin(drive(&session)) => broken(&error),
            ended = obey(orders, &to_visitor, tape) => ended,
        }
    };
    if let Err(error) = cut_off(&session).await {
        ended = failed(&error.into());
    }
    finish(&ended, &to_visitor, &to_target, handle, false, tape).await;
    ended
}

fn left() -> Ended {
    closing(Reason::Disconnected, "the visitor left", None)
}

fn broken(error: &SftpError) -> Ended {
    match error {
        SftpError::Tape(error) => {
            tracing::error!(%error, alert = true, "a session could not be recorded");
            closing(Reason::Failed, &error.sentence(), None)
        }
        error => closing(Reason::Ended, &error.to_string(), None),
    }
}

/// From the target to the visitor, to the last byte that the target sent.
async fn down(
    session: &Session<'_>,
    target: &mut russh::ChannelReadHalf,
    visitor: &ChannelWriteHalf<server::Msg>,
    handle: &server::Handle,
    traffic: &Traffic,
) -> Ended {
    let read = async {
        let exit = returns(session, target).await?;
        session.to_visitor.push(ChannelMsg::Close);
        Ok::<_, SftpError>(exit)
    };
    let write = async {
        loop {
            let message = session.to_visitor.take().await;
            if matches!(message, ChannelMsg::Close) {
                return true;
            }
            if forward_down(message, visitor, handle, traffic).await.is_err() {
                return false;
            }
            session.to_visitor.written();
            session.progress.notify_one();
        }
    };
    let (mut read, mut write) = (std::pin::pin!(read), std::pin::pin!(write));
    tokio::select! {
        exit = &mut read => match exit {
            Ok(exit) => if write.await { told(exit) } else { left() },
            Err(error) => broken(&error),
        },
        _ = &mut write => left(),
    }
}

fn told(exit: Option<Exit>) -> Ended {
    let sentence = if exit.is_some() { "the program ended" } else { "the target closed the session" };
    closing(Reason::Closed, sentence, exit)
}

/// From the outbox to the target. A target that takes no more may still speak, and its channel ends by itself.
async fn write_target(outbox: &Outbox, target: &ChannelWriteHalf<client::Msg>) {
    loop {
        let sent = match outbox.take().await {
            ChannelMsg::Data { data } => target.data_bytes(data).await,
            _ => target.eof().await,
        };
        outbox.written();
        if sent.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Does the jobs, many at a time. Ends only with an error.
async fn drive(session: &Session<'_>) -> SftpError {
    let mut jobs = FuturesUnordered::new();
    loop {
        loop {
            let Some(job) = session.state().jobs.pop_front() else { break };
            jobs.push(work(session, job));
        }
        tokio::select! {
            () = session.work.notified() => {}
            Some(done) = jobs.next(), if !jobs.is_empty() => if let Err(error) = done { return error },
        }
    }
}

/// Records what passed through files that nobody closed.
async fn cut_off(session: &session::Session<'_>) -> Result<(), crate::record::TapeError> {
    let pieces: Vec<_> = {
        let mut state = session.state();
        let files = state.files.drain();
        let room = &mut state.files.room;
        files.into_iter().filter_map(|file| notes::closed(file, room, true)).collect()
    };
    if pieces.is_empty() { Ok(()) } else { session.tape.write(pieces).await }
}
