//! Plays recordings for the terminal UI: takes its orders and gives back screens of cells, never a byte of what was recorded.
//! Blocks on the control connection, so each host runs it on a thread of its own; ends when nobody can order any more.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use bartizan_recorder::{Grid, Identities, Recording, Replay, find_text, overview};
use bartizan_tui::{ReplayOrder, Replayed};
use tokio::sync::mpsc;

use super::library::Library;

/// Makes the keys of an auditor, on the thread that reads with them.
pub type Keys = Arc<dyn Fn() -> Vec<Identities> + Send + Sync>;

/// Orders that wait; what comes then is left out.
const WAITING: usize = 64;

/// Parts of the timeline.
const PARTS: usize = 200;

/// Bytes of a recording that are looked through for places and weights before it is shown.
const GLANCE: u64 = 32 << 20;

/// Places where a text was found that are given back.
const HITS: usize = 1_000;

/// Orders on their way to the replayer. The last one dropped ends it.
#[derive(Debug)]
pub(super) struct Orders(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<(VecDeque<ReplayOrder>, bool)>,
    changed: Condvar,
}

impl Orders {
    /// Gives an order; one that makes the one before it pointless takes its place.
    pub(super) fn give(&self, order: ReplayOrder) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let pointless = |before: &ReplayOrder| {
            matches!(
                (before, &order),
                (ReplayOrder::Advance(_), ReplayOrder::Advance(_)) | (ReplayOrder::Seek(_) | ReplayOrder::Advance(_), ReplayOrder::Seek(_))
            )
        };
        if matches!(order, ReplayOrder::Open { .. } | ReplayOrder::Close) {
            waiting.0.clear();
        } else if waiting.0.back().is_some_and(pointless) {
            waiting.0.pop_back();
        }
        if waiting.0.len() < WAITING {
            waiting.0.push_back(order);
        }
        self.0.changed.notify_one();
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.0.changed.notify_one();
    }
}

/// The replayer.
pub struct Replayer {
    orders: Arc<Queue>,
    answers: mpsc::Sender<Replayed>,
    library: Library,
    keys: Option<Keys>,
    open: Option<Open>,
}

struct Open {
    recording: Recording,
    replay: Replay,
}

impl Replayer {
    /// One that reads from `library` and says what it did to `answers`. `keys` read what is encrypted.
    #[must_use]
    pub(super) fn new(library: Library, keys: Option<Keys>, answers: mpsc::Sender<Replayed>) -> (Self, Orders) {
        let queue = Arc::new(Queue::default());
        (Self { orders: Arc::clone(&queue), answers, library, keys, open: None }, Orders(queue))
    }

    /// Does what is ordered, until nobody orders.
    pub fn run(mut self) {
        while let Some(order) = self.next() {
            let done = self.obey(order);
            let said = done.unwrap_or_else(|why| vec![Replayed::Failed { why }]);
            for said in said {
                if self.answers.blocking_send(said).is_err() {
                    return;
                }
            }
        }
    }

    fn next(&self) -> Option<ReplayOrder> {
        let mut waiting = self.orders.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if waiting.1 {
                return None;
            }
            if let Some(order) = waiting.0.pop_front() {
                return Some(order);
            }
            waiting = self.orders.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn obey(&mut self, order: ReplayOrder) -> Result<Vec<Replayed>, String> {
        if let ReplayOrder::Open { session, at_us } = order {
            self.open = None;
            let (mut open, opened) = self.open(&session, at_us)?;
            let shown = open.shown();
            self.open = Some(open);
            return Ok(vec![opened, shown?]);
        }
        if order == ReplayOrder::Close {
            self.open = None;
            return Ok(Vec::new());
        }
        let open = self.open.as_mut().ok_or("no recording is open")?;
        match order {
            ReplayOrder::Seek(to) => open.replay.seek(to).map_err(said)?,
            ReplayOrder::Advance(to) => drop(open.replay.advance(to).map_err(said)?),
            ReplayOrder::Step => drop(open.replay.step().map_err(said)?),
            ReplayOrder::StepBack => drop(open.replay.step_back().map_err(said)?),
            ReplayOrder::Find(text) => return Ok(vec![open.find(text)?]),
            ReplayOrder::Open { .. } | ReplayOrder::Close => {}
        }
        Ok(vec![open.shown()?])
    }

    fn open(&self, session: &str, at_us: u64) -> Result<(Open, Replayed), String> {
        let mut recording = self.library.open(session)?;
        if recording.is_locked() {
            let keys = self.keys.as_ref().map(|keys| keys()).unwrap_or_default();
            let unlocked = keys.iter().find_map(|keys| recording.clone().unlock(keys).ok());
            recording = unlocked.ok_or(
                "This recording is encrypted to its auditors. One of them can replay it on their own machine: bartizan tui --identity FILE",
            )?;
        }
        let mut replay = Replay::open(&recording).map_err(said)?;
        let duration_us = replay.duration_us();
        let seen = overview(&recording, duration_us, PARTS, &mut |behind| behind < GLANCE).map_err(said)?;
        replay.seek(at_us.min(duration_us)).map_err(said)?;
        let head = recording.head();
        let login = head.login.as_ref().map(|login| format!("{login}@")).unwrap_or_default();
        let what = head.command.as_deref().unwrap_or("shell");
        let opened = Replayed::Opened {
            session: session.to_owned(),
            title: crate::model::Printable(&format!("{}  {login}{}  {what}", head.principal, head.target)).to_string(),
            duration_us,
            places: seen.places,
            weights: seen.weights,
        };
        Ok((Open { recording, replay }, opened))
    }
}

impl Open {
    fn shown(&mut self) -> Result<Replayed, String> {
        let mut grid = Grid::default();
        self.replay.draw(&mut grid);
        let next_us = self.replay.next_us().map_err(said)?;
        Ok(Replayed::Shown { grid, at_us: self.replay.at_us(), next_us, exact: self.replay.is_exact() })
    }

    fn find(&self, text: String) -> Result<Replayed, String> {
        let hits = find_text(&self.recording, &text, HITS).map_err(said)?;
        Ok(Replayed::Hits { text, hits })
    }
}

fn said(error: impl std::fmt::Display) -> String {
    crate::model::Printable(&error.to_string()).to_string()
}
