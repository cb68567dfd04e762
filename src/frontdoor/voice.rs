//! A way to speak to a visitor whose session has not begun or is held up, and to learn that they will not wait any longer.

use std::sync::Arc;

use russh::{ChannelId, server};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::sentences;

/// The key that interrupts: Ctrl-C as a terminal in raw mode sends it.
const INTERRUPT: u8 = 0x03;

/// A key press comes alone; bulk data is not searched.
const KEYS: usize = 64;

/// What the door knows of a channel's visitor: kept by the door, and dropped with the channel or its connection.
#[derive(Debug)]
pub(super) struct Presence {
    gone: CancellationToken,
    _left: DropGuard,
    interrupts: Arc<watch::Sender<u64>>,
    /// Without a terminal a byte is a byte, and no key.
    pub(super) has_terminal: bool,
}

impl Default for Presence {
    fn default() -> Self {
        let gone = CancellationToken::new();
        Self { _left: gone.clone().drop_guard(), gone, interrupts: Arc::new(watch::Sender::new(0)), has_terminal: false }
    }
}

/// Ends one wait at the will of whoever waits, where the protocol has its own way of saying so.
#[derive(Debug, Default)]
pub struct Patience(Presence);

impl Patience {
    /// It is over.
    pub fn lose(&self) {
        self.0.interrupt();
    }

    /// What is waited with.
    #[must_use]
    pub fn leaving(&self) -> Leaving {
        self.0.leaving()
    }
}

impl Presence {
    /// Looks at what was typed.
    pub(super) fn typed(&self, data: &[u8]) {
        if self.has_terminal && data.len() <= KEYS && data.contains(&INTERRUPT) {
            self.interrupt();
        }
    }

    /// The visitor wants what runs to stop.
    pub(super) fn interrupt(&self) {
        self.interrupts.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Whether nobody serves the channel any more: whoever does holds what [`Presence::leaving`] gave.
    pub(super) fn is_alone(&self) -> bool {
        Arc::strong_count(&self.interrupts) == 1
    }

    /// The visitor has ended their side of a stream, and waits for nothing more.
    pub(super) fn leave(&self) {
        self.gone.cancel();
    }

    pub(super) fn leaving(&self) -> Leaving {
        Leaving { gone: self.gone.clone(), interrupts: Arc::clone(&self.interrupts) }
    }
}

/// Tells when a visitor leaves or loses patience.
#[derive(Debug, Clone)]
pub struct Leaving {
    gone: CancellationToken,
    interrupts: Arc<watch::Sender<u64>>,
}

impl Leaving {
    /// Resolves when the channel is closed, or when Ctrl-C is pressed from now on.
    pub async fn wait(&self) {
        let mut interrupts = self.interrupts.subscribe();
        tokio::select! {
            () = self.gone.cancelled() => {}
            // The sender is ours: it does not go away first.
            _ = interrupts.changed() => {}
        }
    }
}

/// Speaks to a visitor beside their program's own output. Cheap to clone.
#[derive(Clone)]
pub struct Voice {
    mouth: Mouth,
    leaving: Leaving,
}

#[derive(Clone)]
enum Mouth {
    /// Standard error of a channel, or its terminal.
    Channel { handle: server::Handle, channel: ChannelId, has_terminal: bool },
    /// A gateway that has its protocol's own messages for it.
    Gateway(mpsc::Sender<String>),
}

impl Voice {
    /// A voice on `channel`.
    #[must_use]
    pub fn new(handle: server::Handle, channel: ChannelId, has_terminal: bool, leaving: Leaving) -> Self {
        Self { mouth: Mouth::Channel { handle, channel, has_terminal }, leaving }
    }

    /// A voice that a gateway lends: it takes what is said from the other end of `to`.
    #[must_use]
    pub fn through(to: mpsc::Sender<String>, leaving: Leaving) -> Self {
        Self { mouth: Mouth::Gateway(to), leaving }
    }

    /// Shows `text` on standard error, on the terminal where there is one, or as the gateway does it.
    pub async fn say(&self, text: &str) {
        // A visitor who left does not hear it.
        match &self.mouth {
            Mouth::Channel { handle, channel, has_terminal: true } => {
                drop(handle.data(*channel, sentences::for_terminal(text).into_bytes()).await);
            }
            Mouth::Channel { handle, channel, has_terminal: false } => {
                drop(handle.extended_data(*channel, 1, text.as_bytes().to_vec()).await);
            }
            Mouth::Gateway(to) => drop(to.send(text.to_owned()).await),
        }
    }

    /// Resolves when the visitor leaves or presses Ctrl-C.
    pub async fn left(&self) {
        self.leaving.wait().await;
    }
}
