//! What both directions of a session share: whether it stands still, and how large its window is. While it stands still nothing
//! that was typed goes to the target.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};

use russh::{ChannelMsg, ChannelReadHalf};
use tokio::sync::watch;

use crate::enforce::Moderation;

/// How much input of a session without a terminal may wait while it stands still; then reading stops.
const WAITING: usize = 64 << 10;

enum Flow {
    Open,
    Frozen,
    /// Somebody let it go on, and that is being written.
    Resumed(String),
}

/// Open until it is frozen.
pub(in super::super) struct Gate<'a> {
    /// Who has to watch.
    moderation: &'a Moderation,
    flow: watch::Sender<Flow>,
    /// Columns and rows of a window that changed, in one number; 0 until then.
    size: AtomicU32,
}

impl<'a> Gate<'a> {
    pub(in super::super) fn new(moderation: &'a Moderation) -> Self {
        Self { moderation, flow: watch::Sender::new(Flow::Open), size: AtomicU32::new(0) }
    }

    pub(super) fn freeze(&self) {
        self.flow.send_replace(Flow::Frozen);
    }

    /// Lets a frozen session go on; nothing happens to another.
    pub(in super::super) fn resume(&self, by: String) {
        self.flow.send_if_modified(|flow| {
            let frozen = matches!(flow, Flow::Frozen);
            if frozen {
                *flow = Flow::Resumed(by);
            }
            frozen
        });
    }

    /// Waits until somebody lets the session go on, and says who.
    pub(super) async fn resumed(&self) -> String {
        let mut flow = self.flow.subscribe();
        let resumed = flow.wait_for(|flow| matches!(flow, Flow::Resumed(_))).await;
        let by = resumed.ok().and_then(|flow| if let Flow::Resumed(by) = &*flow { Some(by.clone()) } else { None });
        match by {
            Some(by) => by,
            // It cannot fail: the sender is `self`.
            None => std::future::pending().await,
        }
    }

    pub(super) fn open(&self) {
        self.flow.send_replace(Flow::Open);
    }

    fn is_open(&self) -> bool {
        matches!(*self.flow.borrow(), Flow::Open) && self.moderation.is_open()
    }

    /// Waits until those watch who have to.
    pub(in super::super) async fn watched(&self) {
        self.moderation.opened().await;
    }

    async fn opened(&self) {
        let mut flow = self.flow.subscribe();
        while !self.is_open() {
            self.moderation.opened().await;
            // It cannot fail: the sender is `self`.
            let _ = flow.wait_for(|flow| matches!(flow, Flow::Open)).await;
        }
    }

    /// The window has a new size.
    pub(in super::super) fn resized(&self, cols: u16, rows: u16) {
        self.size.store(u32::from(cols) << 16 | u32::from(rows), Ordering::Relaxed);
    }

    /// The latest size, if it changed.
    pub(super) fn size(&self) -> Option<(u16, u16)> {
        let size = self.size.load(Ordering::Relaxed);
        let half = |number: u32| u16::try_from(number & 0xffff).unwrap_or(u16::MAX);
        (size > 0).then(|| (half(size >> 16), half(size)))
    }
}

/// What of the visitor's messages may go on. What is typed on a terminal while the session stands still is dropped: typed blindly,
/// it must not run later. Without a terminal half a script would be worse than a late one, so it waits.
pub(in super::super) struct Inlet<'a> {
    gate: &'a Gate<'a>,
    has_terminal: bool,
    waiting: VecDeque<ChannelMsg>,
    bytes: usize,
}

impl<'a> Inlet<'a> {
    pub(in super::super) fn new(gate: &'a Gate<'a>, has_terminal: bool) -> Self {
        Self { gate, has_terminal, waiting: VecDeque::new(), bytes: 0 }
    }

    /// The next message that may go to the target; none when the visitor has gone.
    pub(in super::super) async fn next(&mut self, visitor: &mut ChannelReadHalf) -> Option<ChannelMsg> {
        loop {
            if self.gate.is_open()
                && let Some(message) = self.waiting.pop_front()
            {
                self.bytes = self.bytes.saturating_sub(weight(&message));
                return Some(message);
            }
            tokio::select! {
                message = visitor.wait(), if self.bytes < WAITING => {
                    if let Some(message) = self.admit(message?) {
                        return Some(message);
                    }
                }
                () = self.gate.opened(), if !self.gate.is_open() => {}
            }
        }
    }

    fn admit(&mut self, message: ChannelMsg) -> Option<ChannelMsg> {
        match message {
            // A window that changes and a visitor who leaves are no input.
            ChannelMsg::WindowChange { .. } | ChannelMsg::Close => Some(message),
            message if self.gate.is_open() => Some(message),
            message if self.has_terminal && !matches!(message, ChannelMsg::Eof) => None,
            message => {
                self.bytes += weight(&message);
                self.waiting.push_back(message);
                None
            }
        }
    }
}

fn weight(message: &ChannelMsg) -> usize {
    match message {
        ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => data.len() + 64,
        _ => 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &'static str) -> ChannelMsg {
        ChannelMsg::Data { data: bytes::Bytes::from_static(text.as_bytes()) }
    }

    #[test]
    fn a_frozen_terminal_drops_what_is_typed_but_not_its_window_nor_its_end() {
        let open = Moderation::open();
        let gate = Gate::new(&open);
        let mut inlet = Inlet::new(&gate, true);
        assert!(inlet.admit(typed("ls\r")).is_some());
        gate.freeze();
        assert!(inlet.admit(typed("rm\r")).is_none());
        let window = ChannelMsg::WindowChange { col_width: 90, row_height: 20, pix_width: 0, pix_height: 0 };
        assert!(inlet.admit(window).is_some());
        assert!(inlet.admit(ChannelMsg::Close).is_some());
        assert!(inlet.admit(ChannelMsg::Eof).is_none());
        assert_eq!(inlet.waiting.len(), 1, "the end of input is kept, and nothing else");
    }

    #[test]
    fn without_a_terminal_input_waits_in_its_order() {
        let open = Moderation::open();
        let gate = Gate::new(&open);
        let mut inlet = Inlet::new(&gate, false);
        gate.freeze();
        for text in ["one", "two"] {
            assert!(inlet.admit(typed(text)).is_none());
        }
        assert_eq!((inlet.waiting.len(), inlet.bytes), (2, 134));
    }

    #[tokio::test]
    async fn only_a_frozen_session_is_resumed_and_it_opens_when_that_is_written() {
        let open = Moderation::open();
        let gate = Gate::new(&open);
        gate.resume("local:root".into());
        gate.freeze();
        assert!(!gate.is_open());
        gate.resume("local:root".into());
        assert!(!gate.is_open(), "it is not written yet");
        assert_eq!(gate.resumed().await, "local:root");
        gate.open();
        gate.opened().await;
        assert!(gate.is_open());
    }

    #[test]
    fn the_latest_size_of_the_window_is_kept() {
        let open = Moderation::open();
        let gate = Gate::new(&open);
        assert_eq!(gate.size(), None);
        gate.resized(80, 24);
        gate.resized(1000, 1);
        assert_eq!(gate.size(), Some((1000, 1)));
    }
}
