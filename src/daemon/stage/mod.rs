//! The terminal UI on a visitor's channel: `ssh -t bastion tui`, the target picker of `ssh bastion`, `play` and `watch`. The core
//! speaks the control protocol with the bastion in memory, so that policy and audit log see the same as by `ssh -s bastion control`.
//! However it ends, by a key, a lock, a shutdown or a fault of ours, the visitor's terminal is left as it was found.

mod errand;
mod host;
mod plain;

use std::sync::Arc;

use bartizan_tui::{Opening, Screen, Settings};
use russh::{ChannelReadHalf, ChannelWriteHalf, server};

use crate::control::Scene;
use crate::frontdoor::{Environment, Terminal, Visitor, sentences};
use crate::identity::Caller;
use crate::screen::{self, Depth, Line};

use super::rooms::Rooms;
use super::walk::Visit;

/// Why it ends when the bastion does not say why.
const LOST: &str = "the control connection ended";

/// Bytes of the control connection that are under way in memory, in each direction.
const PIPE: usize = 64 << 10;

/// sysexits(3) EX_USAGE.
const USAGE: u32 = 64;

/// Who is in front of the terminal, and what it is.
pub(super) struct Guest {
    pub(super) caller: Arc<Caller>,
    pub(super) visitor: Visitor,
    pub(super) terminal: Option<Terminal>,
    pub(super) environment: Environment,
    pub(super) reason: Option<String>,
}

impl Guest {
    fn depth(&self) -> Depth {
        let term = self.terminal.as_ref().map_or("", |terminal| terminal.term.as_str());
        Depth::of(term, |name| self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
    }

    fn size(&self) -> screen::Size {
        let (columns, rows) = self.terminal.as_ref().map_or((80, 24), |terminal| terminal.size);
        screen::Size::clamped(columns, rows)
    }

    fn resize(&mut self, size: (u32, u32), pixels: (u32, u32)) {
        if let Some(terminal) = &mut self.terminal {
            (terminal.size, terminal.pixels) = (size, pixels);
        }
    }

    /// Whether the terminal, if it is one, can do nothing but print.
    fn is_dumb(&self) -> bool {
        self.terminal.as_ref().is_none_or(|terminal| matches!(terminal.term.as_str(), "" | "dumb"))
    }
}

/// How it ended.
pub(super) struct Curtain {
    /// What is said then; ours.
    sentence: String,
    status: u32,
}

impl Curtain {
    fn quiet() -> Self {
        Self { sentence: String::new(), status: 0 }
    }

    fn because(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), status: 1 }
    }
}

/// The visitor's channel, in halves.
struct Ends {
    from: ChannelReadHalf,
    to: Arc<ChannelWriteHalf<server::Msg>>,
}

impl Rooms {
    /// The core's control connection, in memory: what `ssh -s bastion control` would be, served by the same code.
    fn line(self: &Arc<Self>, caller: &Arc<Caller>) -> Line {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let (rooms, caller) = (Arc::clone(self), Arc::clone(caller));
        // Ends when our end is dropped.
        self.tasks.spawn(async move { rooms.control(&caller, theirs).await });
        let (reader, writer) = tokio::io::split(ours);
        Line::new(reader, writer, None)
    }

    /// Shows `scene` until it ends. The program request was answered already.
    pub(super) async fn stage(self: &Arc<Self>, guest: Guest, scene: Scene, plain: bool, visit: Visit) {
        if guest.terminal.is_none() && !plain {
            visit.voice.say("bartizan: this needs a terminal; write ssh -t (or tui --plain, for lines)\n").await;
            return visit.close(USAGE).await;
        }
        let has_terminal = guest.terminal.is_some();
        let plain = plain || guest.is_dumb();
        let (from, to) = visit.channel.split();
        let ends = Ends { from, to: Arc::new(to) };
        let to = Arc::clone(&ends.to);
        let settings = settings(&guest, &scene, plain);
        let rooms = Arc::clone(self);
        // A task of its own, so that a fault of ours does not leave the terminal in our hands.
        let playing = self.stages.spawn(async move {
            if plain {
                plain::host(&rooms, guest, settings, scene, ends).await
            } else {
                host::host(&rooms, guest, settings, scene, ends).await
            }
        });
        let curtain = playing.await.unwrap_or_else(|fault| {
            tracing::error!(%fault, alert = true, "the terminal UI failed");
            Curtain::because("the terminal UI failed; the operator's log says how")
        });
        let mut last = if plain { Vec::new() } else { screen::LEAVE.to_vec() };
        if !curtain.sentence.is_empty() {
            let text = format!("bartizan: {}\n", curtain.sentence);
            last.extend(if has_terminal { sentences::for_terminal(&text).into_bytes() } else { text.into_bytes() });
        }
        // A visitor who does not read it any more keeps nobody waiting.
        let _ = tokio::time::timeout(host::PATIENCE, to.data_bytes(last)).await;
        let _ = to.exit_status(curtain.status).await;
        let _ = to.eof().await;
        let _ = to.close().await;
    }
}

/// After so many seconds without a key everything is hidden: this is somebody's terminal, and nobody set it up.
const IDLE_LOCK: u32 = 15 * 60;

fn settings(guest: &Guest, scene: &Scene, plain: bool) -> Settings {
    Settings {
        plain,
        theme: host::theme(guest.depth()),
        start: match scene {
            Scene::Desk => Screen::Inbox,
            Scene::Picker => Screen::Targets,
            Scene::Play(_) => Screen::Recordings,
            Scene::Watch(_) => Screen::Live,
        },
        open: match scene {
            Scene::Desk | Scene::Picker => None,
            Scene::Play(session) => Some(Opening::Replay(session.to_string())),
            Scene::Watch(session) => Some(Opening::Watch(session.to_string())),
        },
        idle_lock_seconds: Some(IDLE_LOCK),
        can_suspend: false,
        can_sign: false,
        can_connect: guest.terminal.is_some(),
        can_replay: true,
        ..Settings::default()
    }
}
