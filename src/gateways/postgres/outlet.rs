//! The way to the client: what the server sends, and between its messages what the bastion itself has to say.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use russh::{ChannelWriteHalf, server};
use tokio::sync::Notify;

use crate::gateways::ssh::Traffic;

use super::codec::{self, Severity};

/// Messages of the bastion's own that may wait.
const WAITING: usize = 64;

/// Small messages are sent together, up to so many bytes.
const TOGETHER: usize = 32 << 10;

/// What the bastion has to say.
#[derive(Default)]
pub(super) struct Words {
    waiting: Mutex<VecDeque<Bytes>>,
    bell: Notify,
}

impl Words {
    /// A notice to the client; one too many is dropped.
    pub(super) fn notice(&self, text: &str) {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        for line in lines {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() < WAITING {
                waiting.push_back(codec::error(Severity::Notice, "00000", line, &[]));
            }
        }
        self.bell.notify_one();
    }

    fn take(&self) -> Option<Bytes> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Waits until there is something to say.
    pub(super) async fn come(&self) {
        self.bell.notified().await;
    }
}

/// Sends to the client.
pub(super) struct Outlet<'a> {
    pub(super) to: &'a ChannelWriteHalf<server::Msg>,
    pub(super) traffic: &'a Traffic,
    small: BytesMut,
}

impl<'a> Outlet<'a> {
    pub(super) fn new(to: &'a ChannelWriteHalf<server::Msg>, traffic: &'a Traffic) -> Self {
        Self { to, traffic, small: BytesMut::new() }
    }

    /// Hands a message on: a large one at once and uncopied, small ones together.
    pub(super) async fn push(&mut self, bytes: Bytes) -> Result<(), russh::Error> {
        if bytes.len() >= TOGETHER / 4 {
            self.flush().await?;
            return self.send(bytes).await;
        }
        self.small.extend_from_slice(&bytes);
        if self.small.len() >= TOGETHER { self.flush().await } else { Ok(()) }
    }

    /// Between two messages: what the bastion has to say.
    pub(super) async fn say(&mut self, words: &Words) -> Result<(), russh::Error> {
        while let Some(bytes) = words.take() {
            self.push(bytes).await?;
        }
        self.flush().await
    }

    pub(super) async fn flush(&mut self) -> Result<(), russh::Error> {
        if self.small.is_empty() {
            return Ok(());
        }
        let bytes = self.small.split().freeze();
        self.send(bytes).await
    }

    async fn send(&self, bytes: Bytes) -> Result<(), russh::Error> {
        self.traffic.add_down(bytes.len());
        self.to.data_bytes(bytes).await
    }
}
