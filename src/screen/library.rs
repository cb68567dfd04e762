//! Recordings far away, read over the control protocol (`recording.open`, `recording.read`): of a channel file only the ranges come
//! that are needed. Blocks: for a thread that may. Keeps a few megabytes of what it has read.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::sync::{Mutex, PoisonError};

use bartizan_recorder::{Channel, ReadAt, Recording};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::asking::Asked;

/// The most that the protocol gives at once, in bytes.
const MOST: u32 = 256 << 10;

/// What is fetched first of a place that is jumped to; reading on behind it fetches more at a time.
const FIRST: u32 = 64 << 10;

/// Bytes that are kept of each file.
const KEPT: usize = 6 << 20;

/// A head or a seal is no longer than this.
const ENVELOPE: u64 = 1 << 20;

/// A connection on which one request at a time is asked and answered. Cheap to clone.
pub trait Ask: Clone + Send + Sync + 'static {
    /// Why there is no answer.
    type Error: Display + From<String>;

    /// Asks `what` with the fields of `with`, an object.
    ///
    /// # Errors
    /// What the bastion said, or that it cannot be asked.
    fn ask(&self, what: &str, with: Value) -> Result<Value, Self::Error>;

    /// So many bytes of a recording came.
    fn fetched(&self, _bytes: u64) {}
}

/// The recording of `session`, which was opened on that connection and has these files, each with its bytes.
///
/// # Errors
/// What the connection says, or what is wrong with what came.
pub fn far_recording<A: Ask>(asks: &A, session: &str, files: &[(String, u64)]) -> Result<Recording, A::Error> {
    let file = |wanted: &str| {
        let found = files.iter().find(|(name, _)| name == wanted);
        found.map(|(name, bytes)| FarFile::new(asks.clone(), session, name, *bytes))
    };
    let need = |name: &str| file(name).ok_or_else(|| A::Error::from(format!("recording {session} has no {name}")));
    let head = need("head.json")?.whole()?;
    let seal = file("seal.json").map(|file| file.whole()).transpose()?;
    let channel = need("c0.brec")?;
    let bytes = channel.bytes;
    let read = Recording::remote(&head, seal.as_deref(), Channel::new(channel), bytes);
    let read = read.map_err(|bad| A::Error::from(format!("recording {session}: {bad}")))?;
    Ok(match file("c1.brec") {
        Some(input) => read.with_remote_input(Channel::new(input)),
        None => read,
    })
}

/// A file of a recording far away.
pub struct FarFile<A> {
    asks: A,
    session: String,
    name: String,
    bytes: u64,
    kept: Mutex<Kept>,
}

/// What was fetched, the range used last at the end; where the last fetched one ends, and how much is fetched if reading goes on there.
#[derive(Default)]
struct Kept {
    ranges: VecDeque<(u64, Vec<u8>)>,
    end: u64,
    next: u32,
}

#[derive(Deserialize)]
struct Data {
    data: String,
}

impl<A: Ask> FarFile<A> {
    /// The file `name` of the recording of `session`, of so many bytes.
    #[must_use]
    pub fn new(asks: A, session: &str, name: &str, bytes: u64) -> Self {
        Self { asks, session: session.to_owned(), name: name.to_owned(), bytes, kept: Mutex::default() }
    }

    /// Fetches a range, of at most what the protocol gives at once; at the end of the file it is shorter.
    fn fetch(&self, offset: u64, length: u32) -> Result<Vec<u8>, A::Error> {
        let range = json!({ "session": self.session, "file": self.name, "offset": offset, "length": length });
        let answer = serde_json::from_value(self.asks.ask("recording.read", range)?).ok();
        let data = answer.and_then(|Data { data }| STANDARD.decode(data).ok()).filter(|data| data.len() <= length as usize);
        let data = data.ok_or_else(|| A::Error::from("the bastion's answer is no range of a file".to_owned()))?;
        self.asks.fetched(data.len() as u64);
        Ok(data)
    }

    /// Gives `take` all of the file, piece after piece.
    ///
    /// # Errors
    /// What the connection says, or `take`.
    pub fn pieces(&self, mut take: impl FnMut(&[u8]) -> Result<(), A::Error>) -> Result<(), A::Error> {
        let mut at = 0;
        while at < self.bytes {
            let data = self.fetch(at, MOST)?;
            if data.is_empty() {
                break;
            }
            at += data.len() as u64;
            take(&data)?;
        }
        Ok(())
    }

    /// All of a small file.
    fn whole(&self) -> Result<Vec<u8>, A::Error> {
        if self.bytes > ENVELOPE {
            return Err(A::Error::from(format!("{} of recording {} is longer than such a file can be", self.name, self.session)));
        }
        let mut all = Vec::new();
        self.pieces(|data| {
            all.extend_from_slice(data);
            Ok(())
        })?;
        Ok(all)
    }
}

impl<A: Ask> ReadAt for FarFile<A> {
    /// Gives what is at hand of the range, or else a first part of it: whoever needs more asks again.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |(from, data): &(u64, Vec<u8>)| offset >= *from && offset - from < data.len() as u64;
        let at = kept.ranges.iter().position(holds);
        let range = match at.and_then(|at| kept.ranges.remove(at)) {
            Some(range) => range,
            None => {
                let length = if offset == kept.end && offset > 0 { kept.next.clamp(FIRST, MOST) } else { FIRST };
                let data = self.fetch(offset, length).map_err(|error| io::Error::other(error.to_string()))?;
                (kept.end, kept.next) = (offset + data.len() as u64, length.saturating_mul(2));
                (offset, data)
            }
        };
        let from = usize::try_from(offset - range.0).ok().and_then(|at| range.1.get(at..)).unwrap_or_default();
        let length = from.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), from.get(..length)) {
            to.copy_from_slice(from);
        }
        kept.ranges.push_back(range);
        while kept.ranges.iter().map(|(_, data)| data.len()).sum::<usize>() > KEPT {
            kept.ranges.pop_front();
        }
        Ok(length)
    }
}

/// Asks on the connection that the terminal UI has.
#[derive(Debug, Clone)]
pub(super) struct Library(pub(super) mpsc::Sender<Asked>);

#[derive(Deserialize)]
struct Opened {
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    name: String,
    bytes: u64,
}

impl Library {
    /// Opens the recording of `session` to be replayed, which the bastion decides on and writes down.
    ///
    /// # Errors
    /// A sentence: what the bastion said, or what is wrong with what it gave.
    pub(super) fn open(&self, session: &str) -> Result<Recording, String> {
        let opened = self.ask("recording.open", json!({ "session": session, "purpose": "replay" }))?;
        let opened: Opened = serde_json::from_value(opened).map_err(|error| error.to_string())?;
        let files: Vec<_> = opened.files.into_iter().map(|file| (file.name, file.bytes)).collect();
        far_recording(self, session, &files)
    }
}

impl Ask for Library {
    type Error = String;

    fn ask(&self, what: &str, with: Value) -> Result<Value, String> {
        let Value::Object(mut request) = with else { return Err("that is no request".to_owned()) };
        request.insert("do".to_owned(), what.into());
        let (answer, said) = oneshot::channel();
        let sent = self.0.blocking_send(Asked { request, answer }).ok();
        let heard = sent.and_then(|()| said.blocking_recv().ok());
        heard.unwrap_or_else(|| Err("the connection to the bastion was lost".to_owned()))
    }
}
