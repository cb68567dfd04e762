//! What waits to be written to one side. Whoever puts something in never waits; whoever reads from the other side waits until
//! there is room, so that a slow reader slows its writer and nobody else.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use russh::ChannelMsg;
use tokio::sync::Notify;

/// Bytes that may wait before their source is no longer read.
const ENOUGH: usize = 512 << 10;

/// Small packets are joined up to this many bytes, so that each does not cost a packet of SSH.
const JOINED: usize = 32 << 10;

#[derive(Default)]
struct Waiting {
    messages: VecDeque<ChannelMsg>,
    bytes: usize,
}

/// Messages on their way to one side.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
    emptied: Notify,
}

fn size(message: &ChannelMsg) -> usize {
    match message {
        ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => data.len(),
        _ => 0,
    }
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message in.
    pub(super) fn push(&self, message: ChannelMsg) {
        let mut waiting = self.lock();
        waiting.bytes += size(&message);
        waiting.messages.push_back(message);
        drop(waiting);
        self.filled.notify_one();
    }

    /// Puts a packet in.
    pub(super) fn packet(&self, packet: Bytes) {
        self.push(ChannelMsg::Data { data: packet });
    }

    /// Whether its source should wait.
    pub(super) fn is_full(&self) -> bool {
        self.lock().bytes >= ENOUGH
    }

    /// Waits until its source may go on. For one waiter.
    pub(super) async fn room(&self) {
        while self.is_full() {
            self.emptied.notified().await;
        }
    }

    /// The next message to write. For one writer.
    pub(super) async fn take(&self) -> ChannelMsg {
        loop {
            if let Some(message) = self.pop() {
                return message;
            }
            self.filled.notified().await;
        }
    }

    /// Tells the source that what was taken is written.
    pub(super) fn written(&self) {
        self.emptied.notify_one();
    }

    fn pop(&self) -> Option<ChannelMsg> {
        let mut waiting = self.lock();
        let first = waiting.messages.pop_front()?;
        waiting.bytes = waiting.bytes.saturating_sub(size(&first));
        let ChannelMsg::Data { data } = first else { return Some(first) };
        let fits = |waiting: &Waiting, so_far: usize| matches!(waiting.messages.front(), Some(ChannelMsg::Data { data }) if so_far + data.len() <= JOINED);
        if !fits(&waiting, data.len()) {
            return Some(ChannelMsg::Data { data });
        }
        let mut joined = BytesMut::from(&data[..]);
        while fits(&waiting, joined.len()) {
            if let Some(ChannelMsg::Data { data }) = waiting.messages.pop_front() {
                joined.extend_from_slice(&data);
                waiting.bytes = waiting.bytes.saturating_sub(data.len());
            }
        }
        Some(ChannelMsg::Data { data: joined.freeze() })
    }
}
