//! The guarded shell of one session: prompts, asks policy about each line, has it run, and goes on until somebody ends it.
//! Nothing is sent to the target that was not decided and written down first.

use std::convert::Infallible;

use bartizan_policies::Variables;
use bartizan_recorder::{Event, Exit, Reason};
use bytes::Bytes;
use russh::{Channel, ChannelReadHalf, server};
use tokio::sync::{Notify, mpsc};

use crate::enforce::{Allowed, Decider};
use crate::frontdoor::Ask;
use crate::record::{Piece, Tape};

use super::super::pumps::{PumpError, Traffic};
use super::super::relay::{self, Ended, Orders, closing, failed};
use super::desk::Desk;
use super::editor::{Editor, PASTE_OFF};
use super::far::Speaker;
use super::running::{self, Window};
use super::show::{Over, Show};
use super::start::Far;

/// What a guarded shell is carried between.
pub struct Between<'a> {
    /// The visitor's channel.
    pub visitor: Channel<server::Msg>,
    /// For what a channel cannot say itself.
    pub handle: &'a server::Handle,
    /// The shell on the target.
    pub far: Far,
    /// What was asked for.
    pub ask: &'a Ask,
    /// The session's recording.
    pub tape: &'a Tape,
    /// Decides each line.
    pub decider: Decider,
    /// Counts bytes.
    pub traffic: &'a Traffic,
    /// Makes nonces.
    pub randomness: fn() -> u128,
}

/// Carries a guarded shell until it ends.
pub async fn guard(between: Between<'_>, mut orders: mpsc::Receiver<Orders>) -> Ended {
    let Between { visitor, handle, far, ask, tape, decider, traffic, randomness } = between;
    let (mut from_visitor, to_visitor) = visitor.split();
    let has_terminal = ask.terminal.is_some();
    let redraw = Notify::new();
    let watched = std::sync::Arc::clone(decider.moderation());
    let mut guard = Guard {
        show: Show::new(&to_visitor, handle, tape, traffic, has_terminal, &watched),
        visitor: &mut from_visitor,
        far,
        ask,
        desk: Desk::new(decider),
        editor: editor(ask),
        speaker: Speaker::new(randomness),
        window: Window::default(),
        variables: Variables::default(),
        status: 0,
        folder: String::new(),
        lasting: Vec::new(),
        home: String::new(),
        redraw: &redraw,
        has_run: false,
    };
    let ended = 'ended: {
        let drive = guard.drive();
        tokio::pin!(drive);
        let over = loop {
            tokio::select! {
                done = &mut drive => match done {
                    Ok(never) => match never {},
                    Err(over) => break over,
                },
                order = orders.recv() => match order {
                    Some(Orders::Notice(text)) => {
                        relay::say(&to_visitor, &text, has_terminal).await;
                        if let Err(error) = tape.write(vec![Tape::note(text.trim().to_owned())]).await {
                            break 'ended failed(&error.into());
                        }
                        redraw.notify_one();
                    }
                    // Guard rails are for ordinary shells: nothing is frozen here.
                    Some(Orders::Resume(_)) => {}
                    Some(Orders::End(text, reason)) => break 'ended closing(reason, &text, None),
                    None => break 'ended closing(Reason::Ended, "the bastion stopped", None),
                },
            }
        };
        if let Over::Done(status) = over {
            // The shell on the target did not end, so nobody else tells this.
            if let Err(error) = tape.write(vec![Piece::Event(Event::Exit(Exit::status(status.into())))]).await {
                break 'ended failed(&error.into());
            }
            let _ = to_visitor.exit_status(status.into()).await;
        }
        told(over)
    };
    if let (Reason::Closed, Some(_)) = (ended.reason, &ended.exit) {
        let _ = to_visitor.eof().await;
    }
    if has_terminal {
        relay::say(&to_visitor, PASTE_OFF, true).await;
    }
    // The end of the control channel takes down on the target whatever still runs in the session.
    let _ = guard.far.to_control.close().await;
    relay::finish(&ended, &to_visitor, &guard.far.to_terminal, handle, has_terminal, tape).await;
    ended
}

fn editor(ask: &Ask) -> Editor {
    let terminal = ask.terminal.as_ref();
    let plain = terminal.is_some_and(|terminal| matches!(terminal.term.as_str(), "" | "dumb"));
    Editor::new(terminal.map_or(0, |terminal| terminal.size.0), plain)
}

fn told(over: Over) -> Ended {
    match over {
        Over::Done(status) => closing(Reason::Closed, "the visitor ended the shell", Some(Exit::status(status.into()))),
        Over::Shell(Some(exit)) => closing(Reason::Closed, "the shell ended", Some(exit)),
        Over::Shell(None) => closing(Reason::Closed, "the target closed the session", None),
        Over::Left => closing(Reason::Disconnected, "the visitor left", None),
        Over::Tape(error) => failed(&PumpError::Tape(error)),
    }
}

/// One guarded shell while it is carried.
pub(super) struct Guard<'a> {
    pub(super) show: Show<'a>,
    pub(super) visitor: &'a mut ChannelReadHalf,
    pub(super) far: Far,
    pub(super) ask: &'a Ask,
    pub(super) desk: Desk,
    pub(super) editor: Editor,
    pub(super) speaker: Speaker,
    pub(super) window: Window,
    pub(super) variables: Variables,
    /// `$?`
    pub(super) status: u8,
    /// Where the shell stands, and where it began.
    pub(super) folder: String,
    /// What was allowed and may still run in the background.
    pub(super) lasting: Vec<Allowed>,
    pub(super) home: String,
    /// Something was written over the prompt.
    pub(super) redraw: &'a Notify,
    /// A program may have left the terminal in a state of its own.
    pub(super) has_run: bool,
}

impl Guard<'_> {
    async fn drive(&mut self) -> Result<Infallible, Over> {
        let (hello, awaited) = self.speaker.hello();
        self.say_to_shell(hello).await;
        (self.status, self.folder) = running::until_over(&mut self.far.ears, &awaited, &self.show).await?;
        self.home.clone_from(&self.folder);
        if !self.show.has_terminal {
            return self.read_lines().await;
        }
        let banner = format!(
            "Guarded shell on {} as {}. Policy checks each line before it runs, and all is recorded; `help` says more.\n",
            self.ask.target,
            self.ask.account()
        );
        self.show.say(&banner).await?;
        loop {
            let (entered, rest) = self.prompt().await?;
            self.run_all(&entered, rest).await?;
        }
    }

    /// That it does not hear any more is told by the terminal channel, with how it ended.
    pub(super) async fn say_to_shell(&self, words: Bytes) {
        let _ = self.far.to_control.data_bytes(words).await;
    }
}
