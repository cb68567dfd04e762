//! One watcher of a session under way: the screen as it is, then what is drawn on it next; after falling behind, the screen again.
//! What they are given draws and does nothing else. Decides nothing: who may watch is decided before.

use std::sync::{Arc, Weak};

use bartizan_recorder::{Drawing, Event, Present, PresentWork};
use tokio::sync::Notify;

use super::feed::{Feed, Found, Placed, Ready};
use super::lanes::{Piece, Reel};

/// How many batches are taken at once.
const AT_ONCE: usize = 32;

/// One thing that a watcher is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// The whole screen as it is: columns, rows and what draws it.
    Screen(u16, u16, String),
    /// What is drawn next.
    Output(String),
    /// The terminal has a new size.
    Resize(u16, u16),
    /// An operation, as JSON.
    Operation(String),
    /// A remark by the bastion.
    Note(String),
    /// The session is over; nothing comes any more.
    End(String),
}

/// What there is to do for a watcher.
pub enum Look {
    /// Nothing now: wait until notified, or look again a little later.
    Nothing,
    /// Show this: each with its moment, in microseconds since the session began.
    Show(Vec<(u64, Sight)>),
    /// The screen must be drawn first, on another thread; then look again.
    Draw(Box<Draw>),
}

/// Where a session can be watched.
#[derive(Clone)]
pub struct Watchable {
    pub(super) feed: Arc<Feed>,
    pub(super) reel: Weak<Reel>,
}

impl Watchable {
    /// How many watch it.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.feed.watchers()
    }

    /// A new watcher, for whom `notify` is notified when there is something to look at.
    #[must_use]
    pub fn watch(&self, notify: &Arc<Notify>) -> Watcher {
        let number = self.feed.listen(notify);
        Watcher { place: self.clone(), number, next: None, seen: None, drawing: None, joined: false, over: false }
    }

    /// The columns and rows now, and the moment of what came last.
    #[must_use]
    pub fn now(&self) -> ((u16, u16), u64) {
        let (_, size, _) = self.feed.here();
        (Present::blank(size).size(), self.feed.at_us())
    }

    fn now_us(&self) -> Option<u64> {
        self.reel.upgrade().map(|reel| reel.at_us())
    }
}

/// Somebody who watches. Leaves when dropped.
pub struct Watcher {
    place: Watchable,
    number: u64,
    /// The batch that comes next; none before the first screen and after falling behind.
    next: Option<u64>,
    /// The batch that came next after the last screen.
    seen: Option<u64>,
    drawing: Option<Drawing>,
    joined: bool,
    over: bool,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.place.feed.leave(self.number);
    }
}

impl Watcher {
    /// What there is now.
    pub fn look(&mut self) -> Look {
        if self.over {
            return Look::Nothing;
        }
        let Some(next) = self.next else { return self.begin() };
        let mut shown = Vec::new();
        self.next = self.take(next, &mut shown);
        if shown.is_empty() && self.next.is_none() && !self.over {
            return self.begin();
        }
        if shown.is_empty() { Look::Nothing } else { Look::Show(shown) }
    }

    /// The screen as it is.
    fn begin(&mut self) -> Look {
        match self.place.feed.ready(self.seen, self.place.now_us()) {
            Ready::Here((next, present)) => {
                let (cols, rows) = present.size();
                (self.next, self.seen, self.drawing) = (Some(next), Some(next), Some(present.follow()));
                let at_us = self.place.feed.at_us();
                let mut shown = vec![(at_us, Sight::Screen(cols, rows, present.text().to_owned()))];
                if !std::mem::replace(&mut self.joined, true) {
                    shown.extend(self.place.feed.operations().into_iter().map(|(at_us, json)| (at_us, Sight::Operation(json))));
                }
                Look::Show(shown)
            }
            Ready::Soon => Look::Nothing,
            Ready::Draw => Look::Draw(Box::new(Draw::new(&self.place))),
        }
    }

    /// Takes what comes; gives where it stands then, none after falling behind.
    fn take(&mut self, mut next: u64, shown: &mut Vec<(u64, Sight)>) -> Option<u64> {
        for _ in 0..AT_ONCE {
            match self.place.feed.find(next) {
                Found::Nothing => return Some(next),
                Found::Behind => return None,
                Found::Ended(why) => {
                    self.over = true;
                    shown.push((self.place.feed.at_us(), Sight::End(why)));
                    return Some(next);
                }
                Found::Batch(batch) => {
                    next += 1;
                    for piece in &batch.pieces {
                        self.show(batch.at_us, piece, shown);
                    }
                }
            }
        }
        // There may be more: so that the others have their turn, it comes with the next look.
        self.place.feed.poke(self.number);
        Some(next)
    }

    fn show(&mut self, at_us: u64, piece: &Piece, shown: &mut Vec<(u64, Sight)>) {
        let event = piece.event();
        if let Some(drawing) = &mut self.drawing {
            let text = drawing.push(&event);
            match shown.last_mut() {
                _ if text.is_empty() => {}
                Some((_, Sight::Output(before))) => before.push_str(text),
                _ => shown.push((at_us, Sight::Output(text.to_owned()))),
            }
        }
        let sight = match event {
            Event::Resize { cols, rows } => Sight::Resize(cols, rows),
            Event::Operation(json) => Sight::Operation(json.into_owned()),
            Event::Note(text) | Event::Marker(text) => Sight::Note(text.into_owned()),
            _ => return,
        };
        shown.push((at_us, sight));
    }
}

/// A screen to be drawn. Dropped undone, somebody else draws it.
pub struct Draw {
    place: Watchable,
    work: Option<(u64, Work)>,
}

enum Work {
    Terminal(Box<PresentWork>),
    Lines(Vec<Event<'static>>),
    Blank(Option<(u16, u16)>),
}

impl Draw {
    fn new(place: &Watchable) -> Self {
        let taken = place.reel.upgrade().map(|reel| {
            // Nothing is written between the one and the other.
            reel.still(|writer| {
                let (next, size, tail) = place.feed.here();
                let work = match (writer.present_work(), size) {
                    (Some(work), _) => Work::Terminal(Box::new(work)),
                    (None, None) => Work::Lines(tail),
                    (None, size) => Work::Blank(size),
                };
                (next, work)
            })
        });
        let gone = || {
            let (next, size, tail) = place.feed.here();
            (next, if size.is_none() { Work::Lines(tail) } else { Work::Blank(size) })
        };
        Self { place: place.clone(), work: Some(taken.unwrap_or_else(gone)) }
    }

    /// Draws it, for everybody who waits for it. Blocks.
    pub fn run(mut self) {
        let Some((next, work)) = self.work.take() else { return };
        let present = match work {
            Work::Terminal(work) => work.run(),
            Work::Lines(events) => Present::after(&events),
            Work::Blank(size) => Present::blank(size),
        };
        let placed: Placed = (next, Arc::new(present));
        self.place.feed.drawn(Some(placed), self.place.now_us());
    }
}

impl Drop for Draw {
    fn drop(&mut self) {
        if self.work.is_some() {
            self.place.feed.drawn(None, None);
        }
    }
}

/// What a watcher waits for, and how often they look besides.
pub const FRAME: std::time::Duration = std::time::Duration::from_micros(super::feed::FRAME_US);
