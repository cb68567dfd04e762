//! What the parts of one SFTP session share: what is open, what is at the target, what waits to be written. Everything here is
//! touched by one task and never held while it waits.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use russh::ChannelMsg;
use tokio::sync::{Notify, oneshot};

use super::codec::{Reply, status_packet};
use super::files::{FileNumber, Files, OpenFile, Opened};
use super::order::Order;
use super::outbox::Outbox;
use crate::enforce::Decider;
use crate::record::{Tape, TapeError};

/// Requests that may be at the target at a time, the bastion's own included.
const MOST_PENDING: usize = 4096;

/// Refusals that are also shown on standard error, in one session.
const MOST_SHOWN: usize = 64;

/// Why an SFTP session cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum SftpError {
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// The client sent what cannot be answered any more.
    #[error("the client broke the SFTP protocol: {0}")]
    Client(String),
    /// The target sent what cannot be passed on.
    #[error("the target broke the SFTP protocol: {0}")]
    Target(String),
}

/// Which answer a request has, beside STATUS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Status,
    Handle,
    Data,
    Names,
    Attributes,
    Extended,
    /// The answer to limits@openssh.com, which is bounded on its way.
    Limits,
}

impl Expected {
    pub(super) fn is(self, reply: &Reply<'_>) -> bool {
        match reply {
            Reply::Status { code, .. } => self == Self::Status || *code != super::codec::code::OK,
            Reply::Handle(_) => self == Self::Handle,
            Reply::Data(_) => self == Self::Data,
            Reply::Names(_) => self == Self::Names,
            Reply::Attributes(_) => self == Self::Attributes,
            Reply::Extended(_) => matches!(self, Self::Extended | Self::Limits),
        }
    }
}

/// What a request at the target is.
pub(super) enum Pending {
    /// The bastion's own.
    Own(oneshot::Sender<Bytes>),
    /// A decided one; whoever waits keeps its permission until the answer. What OPEN opened is noted with the answer.
    Decided {
        client: u32,
        expected: Expected,
        opens: Option<Box<(Opened, bool)>>,
        done: oneshot::Sender<()>,
    },
    Read {
        client: u32,
        file: FileNumber,
        offset: u64,
        length: u32,
    },
    Write {
        client: u32,
        file: FileNumber,
    },
    Close {
        client: u32,
        file: FileNumber,
    },
    /// Anything else that is passed on.
    Plain {
        client: u32,
        expected: Expected,
        file: Option<FileNumber>,
        lists: bool,
    },
}

/// What is to be done beside reading.
pub(super) enum Job {
    /// The target said VERSION with these extensions; find the account's home, then say it to the client.
    Greet(Bytes),
    /// A request that has to be decided, under its number in [`Order`].
    Operation(u64, Bytes),
    /// A file was closed: record it, then tell the client.
    Closed(Box<OpenFile>, Bytes),
}

#[derive(Default)]
pub(super) struct State {
    /// The account's home at the target; known once the client was greeted.
    pub(super) home: Option<String>,
    /// The target was greeted, and its answer or the home is still to come if there is no home.
    pub(super) greeted: bool,
    pub(super) announced: HashSet<&'static [u8]>,
    next: u32,
    pub(super) pending: HashMap<u32, Pending>,
    /// Numbers that the client has in use.
    pub(super) clients: HashSet<u32>,
    pub(super) files: Files,
    pub(super) order: Order,
    pub(super) jobs: VecDeque<Job>,
    pub(super) client_is_done: bool,
    shown: HashSet<String>,
}

impl State {
    /// Notes a request that goes to the target; gives its number there.
    pub(super) fn send(&mut self, pending: Pending) -> u32 {
        while self.pending.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        match &pending {
            Pending::Read { file, .. }
            | Pending::Write { file, .. }
            | Pending::Close { file, .. }
            | Pending::Plain { file: Some(file), .. } => {
                self.files.sent(*file);
            }
            _ => {}
        }
        self.pending.insert(id, pending);
        id
    }
}

/// One session.
pub(super) struct Session<'a> {
    state: Mutex<State>,
    pub(super) to_target: Outbox,
    pub(super) to_visitor: Outbox,
    /// There are jobs.
    pub(super) work: Notify,
    /// What made the client wait may be over.
    pub(super) progress: Notify,
    pub(super) tape: &'a Tape,
    pub(super) decider: Decider,
}

impl<'a> Session<'a> {
    pub(super) fn new(tape: &'a Tape, decider: Decider) -> Self {
        let (to_target, to_visitor) = Default::default();
        Self { state: Mutex::default(), to_target, to_visitor, work: Notify::new(), progress: Notify::new(), tape, decider }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the driver something to do.
    pub(super) fn job(&self, state: &mut State, job: Job) {
        state.jobs.push_back(job);
        self.work.notify_one();
    }

    /// Whether no more of the client should be read now.
    pub(super) fn is_busy(&self) -> bool {
        let state = self.state();
        state.order.is_full() || state.pending.len() >= MOST_PENDING || state.jobs.len() >= MOST_PENDING
    }

    /// Answers the client in the bastion's own words.
    pub(super) fn answer(&self, client: u32, code: u32, sentence: &str) {
        let line = sentence.replace('\n', " ");
        self.to_visitor.packet(status_packet(client, code, line.trim()));
    }

    /// Shows a refusal on standard error as well, once: OpenSSH's programs keep the words of an answer to themselves.
    pub(super) fn show(&self, sentence: &str) {
        let mut state = self.state();
        if state.shown.len() < MOST_SHOWN && state.shown.insert(sentence.to_owned()) {
            let text = format!("bartizan: {}\n", sentence.trim()).into_bytes();
            self.to_visitor.push(ChannelMsg::ExtendedData { data: text.into(), ext: 1 });
        }
    }
}
