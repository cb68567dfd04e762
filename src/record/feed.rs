//! What a session under way shows, for whoever watches. Its lane hands in what it has written; each watcher takes it at their own
//! pace. Who falls behind is given the screen as it is instead of what they missed: so memory stays the same however many watch and
//! however slowly, and the session waits for none of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bartizan_recorder::{Event, Present};
use tokio::sync::Notify;

use super::lanes::Piece;

/// How many bytes are kept for watchers; who is further behind gets a screen.
const RING: usize = 256 << 10;

/// How far behind a screen may be that somebody else was given.
const NEAR: usize = 64 << 10;

/// How old a screen may be that is given instead of a new one, in microseconds: none is drawn more often.
pub(super) const FRAME_US: u64 = 200_000;

/// How much of the last output is kept of a session without a terminal: what who joins sees of it.
const TAIL: usize = 16 << 10;

/// How many of the latest operations who joins is shown, and how much of each is kept.
const OPERATIONS: usize = 32;
const OPERATION: usize = 4 << 10;

/// What was written at once.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) at_us: u64,
    pub(super) pieces: Vec<Piece>,
    bytes: usize,
}

/// A screen and the number of the batch that comes next.
pub(super) type Placed = (u64, Arc<Present>);

#[derive(Debug)]
struct Inner {
    /// Without a terminal there is no size.
    size: Option<(u16, u16)>,
    ring: VecDeque<Arc<Batch>>,
    bytes: usize,
    /// The number of the batch that comes next.
    next: u64,
    at_us: u64,
    tail: VecDeque<Event<'static>>,
    tail_bytes: usize,
    operations: VecDeque<(u64, String)>,
    listeners: Vec<(u64, Arc<Notify>)>,
    listened: u64,
    present: Option<(Placed, u64)>,
    /// Somebody draws the screen now.
    drawing: bool,
    ended: Option<String>,
}

/// The feed of one session.
#[derive(Debug)]
pub(super) struct Feed(Mutex<Inner>);

/// What is there for a watcher who stands somewhere.
pub(super) enum Found {
    /// Nothing now; they are notified.
    Nothing,
    /// They are too far behind.
    Behind,
    /// This comes next.
    Batch(Arc<Batch>),
    /// It is over, and this is why.
    Ended(String),
}

/// Whether there is a screen to begin with.
pub(super) enum Ready {
    Here(Placed),
    /// Somebody draws it, or one was drawn a moment ago; they are notified, or look again a little later.
    Soon,
    /// Nobody draws it yet: whoever asked does.
    Draw,
}

impl Feed {
    pub(super) fn new(size: Option<(u16, u16)>) -> Self {
        Self(Mutex::new(Inner {
            size,
            ring: VecDeque::new(),
            bytes: 0,
            next: 0,
            at_us: 0,
            tail: VecDeque::new(),
            tail_bytes: 0,
            operations: VecDeque::new(),
            listeners: Vec::new(),
            listened: 0,
            present: None,
            drawing: false,
            ended: None,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what was written.
    pub(super) fn publish(&self, at_us: u64, pieces: &[Piece]) {
        let mut inner = self.lock();
        (inner.next, inner.at_us) = (inner.next + 1, at_us);
        for piece in pieces {
            inner.note(at_us, piece);
        }
        if !inner.listeners.is_empty() {
            let bytes = pieces.iter().map(weight).sum();
            inner.ring.push_back(Arc::new(Batch { at_us, pieces: pieces.to_vec(), bytes }));
            inner.bytes += bytes;
            // The latest is kept, however large.
            while inner.bytes > RING && inner.ring.len() > 1 {
                inner.drop_first();
            }
        }
        inner.notify();
    }

    /// It is over.
    pub(super) fn end(&self, why: &str) {
        let mut inner = self.lock();
        inner.ended.get_or_insert_with(|| why.to_owned());
        inner.notify();
    }

    pub(super) fn listen(&self, notify: &Arc<Notify>) -> u64 {
        let mut inner = self.lock();
        inner.listened += 1;
        let number = inner.listened;
        inner.listeners.push((number, Arc::clone(notify)));
        number
    }

    pub(super) fn leave(&self, number: u64) {
        let mut inner = self.lock();
        inner.listeners.retain(|(known, _)| *known != number);
        if inner.listeners.is_empty() {
            (inner.ring, inner.bytes, inner.present) = (VecDeque::new(), 0, None);
        }
    }

    /// Notifies one listener.
    pub(super) fn poke(&self, number: u64) {
        let inner = self.lock();
        if let Some((_, listener)) = inner.listeners.iter().find(|(known, _)| *known == number) {
            listener.notify_one();
        }
    }

    /// How many watch.
    pub(super) fn watchers(&self) -> usize {
        self.lock().listeners.len()
    }

    /// What comes for who has seen all before the batch numbered `at`.
    pub(super) fn find(&self, at: u64) -> Found {
        let inner = self.lock();
        let first = inner.first();
        match (at.checked_sub(first), &inner.ended) {
            _ if at == inner.next => inner.ended.clone().map_or(Found::Nothing, Found::Ended),
            (None, _) => Found::Behind,
            (Some(ahead), _) => {
                let batch = usize::try_from(ahead).ok().and_then(|ahead| inner.ring.get(ahead));
                batch.map_or(Found::Behind, |batch| Found::Batch(Arc::clone(batch)))
            }
        }
    }

    /// A screen for who has seen the one before the batch numbered `seen`, if any. `now_us` is the session's time; none once it is over.
    pub(super) fn ready(&self, seen: Option<u64>, now_us: Option<u64>) -> Ready {
        let mut inner = self.lock();
        if let Some((placed, at_us)) = &inner.present {
            let new = seen.is_none_or(|seen| placed.0 > seen);
            // What is over is drawn as soon as somebody wants it.
            let fresh = now_us.is_some_and(|now_us| now_us.saturating_sub(*at_us) < FRAME_US);
            if new && (fresh || inner.behind(placed.0).is_some_and(|bytes| bytes <= NEAR)) {
                return Ready::Here(placed.clone());
            }
            if fresh {
                return Ready::Soon;
            }
        }
        if std::mem::replace(&mut inner.drawing, true) { Ready::Soon } else { Ready::Draw }
    }

    /// The number of the batch that comes next, and what a session without a terminal shows. To be called while nothing is written.
    pub(super) fn here(&self) -> (u64, Option<(u16, u16)>, Vec<Event<'static>>) {
        let inner = self.lock();
        let tail = if inner.size.is_none() { inner.tail.iter().cloned().collect() } else { Vec::new() };
        (inner.next, inner.size, tail)
    }

    /// The screen was drawn, at `now_us`, or could not be.
    pub(super) fn drawn(&self, placed: Option<Placed>, now_us: Option<u64>) {
        let mut inner = self.lock();
        inner.drawing = false;
        if let Some(placed) = placed {
            inner.present = Some((placed, now_us.unwrap_or(u64::MAX)));
        }
        inner.notify();
    }

    /// The latest operations, each with its moment.
    pub(super) fn operations(&self) -> Vec<(u64, String)> {
        self.lock().operations.iter().cloned().collect()
    }

    pub(super) fn at_us(&self) -> u64 {
        self.lock().at_us
    }
}

impl Inner {
    fn first(&self) -> u64 {
        self.next.saturating_sub(self.ring.len() as u64)
    }

    /// How many bytes lie behind the batch numbered `at`; none when not all of them are kept.
    fn behind(&self, at: u64) -> Option<usize> {
        let ahead = usize::try_from(at.checked_sub(self.first())?).ok()?;
        Some(self.ring.iter().skip(ahead).map(|batch| batch.bytes).sum())
    }

    fn drop_first(&mut self) {
        if let Some(gone) = self.ring.pop_front() {
            self.bytes = self.bytes.saturating_sub(gone.bytes);
        }
    }

    fn notify(&self) {
        for (_, listener) in &self.listeners {
            listener.notify_one();
        }
    }

    /// Remembers what who joins later is shown.
    fn note(&mut self, at_us: u64, piece: &Piece) {
        match piece {
            Piece::Event(Event::Resize { cols, rows }) if self.size.is_some() => self.size = Some((*cols, *rows)),
            Piece::Event(Event::Operation(json)) => {
                if json.len() <= OPERATION {
                    self.operations.push_back((at_us, json.to_string()));
                    if self.operations.len() > OPERATIONS {
                        self.operations.pop_front();
                    }
                    self.keep(Event::operation(json.to_string()));
                }
            }
            Piece::Output(bytes) => self.keep(Event::output(last(bytes).to_vec())),
            Piece::Stderr(bytes) => self.keep(Event::stderr(last(bytes).to_vec())),
            Piece::Event(_) => {}
        }
    }

    fn keep(&mut self, event: Event<'static>) {
        if self.size.is_some() {
            return;
        }
        self.tail_bytes += size_of_event(&event);
        self.tail.push_back(event);
        while self.tail_bytes > TAIL {
            let Some(gone) = self.tail.pop_front() else { break };
            self.tail_bytes = self.tail_bytes.saturating_sub(size_of_event(&gone));
        }
    }
}

fn last(bytes: &[u8]) -> &[u8] {
    bytes.get(bytes.len().saturating_sub(TAIL / 4)..).unwrap_or_default()
}

/// With what an event costs besides its bytes, so that many small ones are not many.
fn size_of_event(event: &Event<'_>) -> usize {
    64 + match event {
        Event::Output(bytes) | Event::Stderr(bytes) | Event::Input(bytes) => bytes.len(),
        Event::Operation(text) | Event::Marker(text) | Event::Note(text) => text.len(),
        _ => 0,
    }
}

fn weight(piece: &Piece) -> usize {
    match piece {
        Piece::Output(bytes) | Piece::Stderr(bytes) => 64 + bytes.len(),
        Piece::Event(event) => size_of_event(event),
    }
}

#[cfg(test)]
mod tests;
