//! What the server was sent and has not answered yet, in order, and what of the session changes the meaning of statements. Both
//! directions read it: a statement is only read once everything before it that could change its meaning is acknowledged.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bartizan_policies::sql::{Effect, Meaning, State, Statement};
use tokio::sync::Notify;

use crate::enforce::{End, Outcome, Ruling};

use super::codec::Kind;
use super::copying::Copying;
use super::masking::Shape;
use super::refusal::Denial;
use super::results::Seen;
use super::statements::Names;

/// Settings that the server reports and reads literals by.
const LITERALS: [&str; 3] = ["DateStyle", "IntervalStyle", "TimeZone"];

/// A text or portal that runs.
#[derive(Debug)]
pub(super) struct Run {
    /// What it is made of; empty for one that was not understood.
    pub(super) statements: Vec<Arc<Statement>>,
    /// How many of them are done.
    pub(super) done: usize,
    /// The permission; while it is kept, a change of policy can end the session.
    pub(super) ruling: Option<Arc<Ruling>>,
    pub(super) begun: Instant,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Bytes that were sent for it to be done.
    pub(super) sent: u64,
    /// What is done to its rows, in a session for whom something is masked.
    pub(super) shape: Shape,
    /// What is done to the data that it copies out, where some of it is masked.
    pub(super) copying: Option<Copying>,
    /// What is recorded of its rows, where policy says so.
    pub(super) seen: Option<Seen>,
}

impl Run {
    /// `sent` bytes have it done.
    pub(super) fn new(statements: Vec<Arc<Statement>>, ruling: Option<Arc<Ruling>>, sent: u64) -> Self {
        let seen = ruling.as_ref().filter(|ruling| ruling.records).map(|_| Seen::default());
        Self { statements, done: 0, ruling, begun: Instant::now(), rows: 0, bytes: 0, sent, shape: Shape::default(), copying: None, seen }
    }

    /// The statement that ran has ended; the next begins. Gives how long it took.
    pub(super) fn ended(&mut self, outcome: Outcome) -> Duration {
        let duration = self.begun.elapsed();
        if let Some(ruling) = &self.ruling {
            ruling.ended(self.done, &End { outcome, duration, rows: self.rows, bytes_in: self.sent, bytes_out: self.bytes });
        }
        self.done += 1;
        self.begun += duration;
        (self.rows, self.bytes, self.sent) = (0, 0, 0);
        duration
    }

    /// Whether its rows are only handed on by a plan.
    pub(super) fn is_masked(&self) -> bool {
        self.ruling.as_ref().is_some_and(|ruling| ruling.is_masked)
    }

    pub(super) fn has_effects(&self) -> bool {
        self.statements.iter().any(|statement| !statement.effects.is_empty())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        while self.done < self.statements.len() {
            self.ended(Outcome::Unfinished);
        }
    }
}

/// One thing that is waited for.
#[derive(Debug)]
pub(super) enum Awaited {
    /// Statements as text: until the server is ready again.
    Query(Run),
    /// `ParseComplete`; whether the name was taken in by this.
    Parse { name: String, taken: bool },
    /// `BindComplete`
    Bind { portal: String },
    /// A description.
    Describe,
    /// A description that the bastion asked for itself, of a portal whose rows are masked.
    Shape { statement: Option<Arc<Statement>>, ruling: Arc<Ruling>, shape: Shape },
    /// A portal's rows and its end.
    Execute(Run),
    /// `CloseComplete`
    Close(Kind, String),
    /// The end of a group; whether anything in it changes what statements mean.
    Sync { dirty: bool },
}

/// With what stands in for it, and for whom.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) awaited: Awaited,
    /// It was not let through: the server was sent something sure to fail.
    pub(super) denial: Option<Denial>,
    /// It is the bastion's own question; the client does not hear of it.
    pub(super) own: bool,
}

impl Entry {
    pub(super) fn of(awaited: Awaited) -> Self {
        Self { awaited, denial: None, own: false }
    }

    pub(super) fn denied(awaited: Awaited, denial: Denial) -> Self {
        Self { awaited, denial: Some(denial), own: false }
    }

    pub(super) fn own(awaited: Awaited) -> Self {
        Self { awaited, denial: None, own: true }
    }

    fn unsettles(&self) -> bool {
        match &self.awaited {
            Awaited::Query(run) | Awaited::Execute(run) => run.has_effects(),
            Awaited::Sync { dirty } => *dirty,
            Awaited::Parse { .. } | Awaited::Bind { .. } | Awaited::Describe | Awaited::Shape { .. } | Awaited::Close(..) => false,
        }
    }
}

/// What both directions know.
pub(super) struct Book {
    pub(super) awaited: VecDeque<Entry>,
    pub(super) state: Arc<State>,
    /// What to go back to if the transaction that is open without BEGIN fails.
    before: Option<Arc<State>>,
    pub(super) names: Names,
    /// The server takes data to be copied.
    pub(super) copies_in: bool,
    /// As the server last said: idle, in a transaction, in a failed one.
    pub(super) status: u8,
    /// The server skips everything until the next `Sync`.
    pub(super) skips: bool,
    /// The catalog is not what it was.
    pub(super) stale: bool,
    /// What the bastion asked the server for.
    pub(super) told: Option<Vec<Option<String>>>,
    /// Settings that literals are read by, as the server last reported them.
    literals: Vec<(String, String)>,
    /// A statement has touched a table of which something is masked: errors and notices tell no more than they must.
    pub(super) scrubs: bool,
}

/// The book, and the bell that rings whenever something in it has changed.
pub(super) struct Ledger {
    book: Mutex<Book>,
    bell: Notify,
}

impl Ledger {
    /// `parameters` is what the server reported when the session began.
    pub(super) fn new(state: State, parameters: &[(String, String)]) -> Self {
        let mut book = Book {
            awaited: VecDeque::new(),
            state: Arc::new(state),
            before: None,
            names: Names::default(),
            copies_in: false,
            status: b'I',
            skips: false,
            stale: false,
            told: None,
            literals: Vec::new(),
            scrubs: false,
        };
        parameters.iter().for_each(|(name, value)| book.reported(name, value));
        Self { book: Mutex::new(book), bell: Notify::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whoever waits that something has changed.
    pub(super) fn ring(&self) {
        self.bell.notify_waiters();
    }

    /// Waits until `is` is true of the book.
    pub(super) async fn until(&self, is: impl Fn(&Book) -> bool) {
        loop {
            let rung = self.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if is(&self.lock()) {
                return;
            }
            rung.await;
        }
    }
}

impl Book {
    /// The server reports a setting.
    pub(super) fn reported(&mut self, name: &str, value: &str) {
        if !LITERALS.contains(&name) {
            return;
        }
        match self.literals.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.literals.push((name.to_owned(), value.to_owned())),
        }
    }

    /// What gives the next statement its meaning in another session; `None` where it would have another there.
    pub(super) fn meaning(&self) -> Option<Meaning> {
        Some(Meaning { path: self.state.shared_path()?, settings: self.literals.clone() })
    }

    /// Data for what runs now is sent.
    pub(super) fn takes(&mut self, bytes: u64) {
        if let Some(Awaited::Query(run) | Awaited::Execute(run)) = self.awaited.front_mut().map(|entry| &mut entry.awaited) {
            run.sent += bytes;
        }
    }

    /// Whether everything that could change the meaning of the next statement is acknowledged.
    pub(super) fn is_settled(&self) -> bool {
        !self.awaited.iter().any(Entry::unsettles)
    }

    /// Whether the last statement failed in a transaction that goes on.
    pub(super) fn has_failed(&self) -> bool {
        self.status == b'E' && self.awaited.is_empty()
    }

    /// Takes in what the next statement of a run changed, now that the server has acknowledged it with `tag`.
    pub(super) fn acknowledge(&mut self, statement: &Statement, tag: &str) {
        for effect in &statement.effects {
            // COMMIT of a failed transaction undoes it.
            let undone = matches!(effect, Effect::Commit { .. }) && tag == "ROLLBACK";
            match effect {
                Effect::Commit { chain } if undone => self.take_in(&Effect::Rollback { chain: *chain }),
                other => self.take_in(other),
            }
        }
    }

    fn take_in(&mut self, effect: &Effect) {
        if self.before.is_none() && !self.state.in_transaction() {
            self.before = Some(Arc::clone(&self.state));
        }
        let key = self.state.key().to_owned();
        self.state = Arc::new(self.state.apply(effect));
        match effect {
            Effect::Commit { .. } | Effect::Rollback { .. } => self.before = None,
            Effect::CatalogChanged => self.stale = true,
            Effect::Prepare(name, _) => self.names.deallocate(Some(name)),
            Effect::Deallocate(name) => self.names.deallocate(name.as_deref()),
            // What SQL has under this name, the protocol has no more.
            Effect::Declare(name, _) | Effect::Close(Some(name)) => drop(self.names.portals.remove(&**name)),
            Effect::Close(None) => self.names.portals.clear(),
            Effect::Discard => {
                self.names = Names::default();
                self.stale = true;
            }
            _ => {}
        }
        if self.state.key() != key || *effect == Effect::CatalogChanged {
            // The server reads a prepared statement again when names have come to mean something else. What was prepared by SQL cannot
            // be read again here, so that EXECUTE of it is refused until it is prepared anew.
            self.forget_prepared();
        }
    }

    /// Nothing prepared by SQL is known any more.
    pub(super) fn forget_prepared(&mut self) {
        self.state = Arc::new(self.state.apply(&Effect::Deallocate(None)));
    }

    /// The protocol has prepared something under this name, so that SQL has nothing of it.
    pub(super) fn prepared(&mut self, name: &str) {
        if self.state.prepared(name).is_some() {
            self.state = Arc::new(self.state.apply(&Effect::Deallocate(Some(name.into()))));
        }
    }

    /// The end of a group, in the state that the server says it is in.
    pub(super) fn ready(&mut self, status: u8, failed: bool) {
        self.status = status;
        self.copies_in = false;
        match (failed, self.before.take()) {
            (true, Some(before)) if status == b'I' => self.state = Arc::new(self.state.undone(&before)),
            (true, Some(before)) => self.state = Arc::new(self.state.undone(&before).apply(&Effect::Begin)),
            _ => {}
        }
        let open = status != b'I';
        if open != self.state.in_transaction() {
            let end = if open { Effect::Begin } else { Effect::Rollback { chain: false } };
            self.state = Arc::new(self.state.apply(&end).apply(&Effect::InDoubt));
        }
        if !open {
            self.names.portals.clear();
            if let Some(alone) = self.state.alone() {
                self.state = Arc::new(alone);
                self.forget_prepared();
            }
        }
    }

    /// An error in a group of the extended protocol: the server skips everything up to the next `Sync`. What was prepared or closed by
    /// what it skips is not known any more. Gives the entries that are gone.
    pub(super) fn skip(&mut self) -> Vec<Entry> {
        let end = self.awaited.iter().position(|entry| matches!(entry.awaited, Awaited::Sync { .. }));
        self.skips = end.is_none();
        self.copies_in = false;
        let gone: Vec<Entry> = self.awaited.drain(..end.unwrap_or(self.awaited.len())).collect();
        for entry in &gone {
            self.forget(&entry.awaited);
        }
        gone
    }

    /// What is skipped is not known any more: neither what it prepared nor whether it closed anything.
    pub(super) fn forget(&mut self, awaited: &Awaited) {
        match awaited {
            Awaited::Parse { name, taken: true } | Awaited::Close(Kind::Statement, name) => drop(self.names.statements.remove(name)),
            Awaited::Bind { portal } | Awaited::Close(Kind::Portal, portal) => drop(self.names.portals.remove(portal)),
            _ => {}
        }
    }
}
