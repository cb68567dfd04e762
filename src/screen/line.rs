//! The core's control connection, whatever carries it: lines of the bastion's to the core, requests of the core's to the bastion, and
//! the replayer's errands on the same connection between them.

use bartizan_tui::{Event, ReplayOrder, Replayed};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::asking::{Asked, Asking};
use super::library::Library;
use super::lines::Lines;
use super::replayer::{Keys, Orders, Replayer};

/// Requests that are not taken yet, in bytes. The core asks for little at a time.
const OUTBOX: usize = 1 << 20;

/// The connection and the work that hangs on it.
pub struct Line {
    lines: Lines<Box<dyn AsyncRead + Send + Unpin>>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    outbox: Vec<u8>,
    asking: Asking,
    asked: mpsc::Receiver<Asked>,
    ask: mpsc::Sender<Asked>,
    replayed: mpsc::Receiver<Replayed>,
    replays: mpsc::Sender<Replayed>,
    orders: Option<Orders>,
    keys: Option<Keys>,
    why: Option<String>,
}

/// The last line before the bastion ends a connection.
#[derive(Deserialize)]
struct Farewell {
    id: Option<u64>,
    error: Words,
}

#[derive(Deserialize)]
struct Words {
    message: String,
}

impl Line {
    /// The connection whose bytes come from `reader` and go to `writer`. `keys` are for recordings that are encrypted.
    #[must_use]
    pub fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        keys: Option<Keys>,
    ) -> Self {
        let (ask, asked) = mpsc::channel(4);
        let (replays, replayed) = mpsc::channel(4);
        Self {
            lines: Lines::new(Box::new(reader)),
            writer: Box::new(writer),
            outbox: Vec::new(),
            asking: Asking::default(),
            asked,
            ask,
            replayed,
            replays,
            orders: None,
            keys,
            why: None,
        }
    }

    /// What the core hears next; nothing once the bastion has ended the connection. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                line = self.lines.next() => {
                    let line = line.ok().flatten()?;
                    if self.asking.takes(&line) {
                        continue;
                    }
                    if let Ok(Farewell { id: None, error }) = serde_json::from_str(&line) {
                        self.why = Some(crate::model::Printable(&error.message).to_string());
                    }
                    return Some(Event::Line(line));
                }
                written = self.writer.write(&self.outbox), if !self.outbox.is_empty() => {
                    self.outbox.drain(..written.ok()?.min(self.outbox.len()));
                }
                Some(asked) = self.asked.recv() => {
                    if let Some(line) = self.asking.line(asked) {
                        self.send(&line);
                    }
                }
                Some(replayed) = self.replayed.recv() => return Some(Event::Replay(replayed)),
            }
        }
    }

    /// Puts a request on its way.
    pub fn send(&mut self, line: &str) {
        if self.outbox.len() + line.len() < OUTBOX {
            self.outbox.extend_from_slice(line.as_bytes());
            self.outbox.push(b'\n');
        }
    }

    /// Gives an order to the replayer. The first makes one, for `start` to run on a thread of its own.
    pub fn replay(&mut self, order: ReplayOrder, start: impl FnOnce(Replayer)) {
        let orders = self.orders.get_or_insert_with(|| {
            let (replayer, orders) = Replayer::new(Library(self.ask.clone()), self.keys.clone(), self.replays.clone());
            start(replayer);
            orders
        });
        orders.give(order);
    }

    /// Why the bastion ended the connection, if it said so.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }
}
