//! The files of a recording, fetched by ranges over the control protocol (`recording.open`, `recording.read`). Blocks: for a thread
//! of its own. Keeps a few megabytes of what it has read.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};

use bartizan_recorder::{Channel, ReadAt, Recording};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};

use super::asking::Asked;

/// Bytes that are asked for at once: as many as the protocol gives.
const BLOCK: u64 = 256 << 10;

/// Blocks that are kept.
const KEPT: usize = 24;

/// A head or a seal is no longer than this.
const ENVELOPE: u64 = 1 << 20;

/// Asks over the control connection.
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
        let opened = self.ask(json!({ "do": "recording.open", "session": session, "purpose": "replay" }))?;
        let opened: Opened = serde_json::from_value(opened).map_err(|error| error.to_string())?;
        let size = |name: &str| opened.files.iter().find(|file| file.name == name).map(|file| file.bytes);
        let head = self.whole(session, "head.json", size("head.json"))?;
        let seal = size("seal.json").map(|bytes| self.whole(session, "seal.json", Some(bytes))).transpose()?;
        let bytes = size("c0.brec").ok_or("the recording has no channel file")?;
        let source = Ranges { library: self.clone(), session: session.to_owned(), kept: Mutex::default() };
        Recording::remote(&head, seal.as_deref(), Channel::new(source), bytes).map_err(|error| error.to_string())
    }

    fn whole(&self, session: &str, file: &str, bytes: Option<u64>) -> Result<Vec<u8>, String> {
        let bytes = bytes.filter(|bytes| *bytes <= ENVELOPE).ok_or_else(|| format!("the recording has no proper {file}"))?;
        let mut whole = Vec::new();
        while (whole.len() as u64) < bytes {
            let part = self.read(session, file, whole.len() as u64, BLOCK)?;
            if part.is_empty() {
                break;
            }
            whole.extend(part);
        }
        Ok(whole)
    }

    fn read(&self, session: &str, file: &str, offset: u64, length: u64) -> Result<Vec<u8>, String> {
        let answer = self.ask(json!({ "do": "recording.read", "session": session, "file": file, "offset": offset, "length": length }))?;
        let data = answer.get("data").and_then(Value::as_str).ok_or("the bastion sent no data")?;
        STANDARD.decode(data).map_err(|error| error.to_string())
    }

    fn ask(&self, request: Value) -> Result<Value, String> {
        let Value::Object(request) = request else { return Err("that is no request".to_owned()) };
        self.send(request).unwrap_or_else(|| Err("the connection to the bastion was lost".to_owned()))
    }

    fn send(&self, request: Map<String, Value>) -> Option<Result<Value, String>> {
        let (answer, said) = oneshot::channel();
        self.0.blocking_send(Asked { request, answer }).ok()?;
        said.blocking_recv().ok()
    }
}

/// The channel file of one recording.
struct Ranges {
    library: Library,
    session: String,
    /// Blocks by their number, the one used last at the end.
    kept: Mutex<VecDeque<(u64, Vec<u8>)>>,
}

impl ReadAt for Ranges {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let number = offset / BLOCK;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| *known == number);
        let block = match at.and_then(|at| kept.remove(at)) {
            Some((_, block)) => block,
            None => self.library.read(&self.session, "c0.brec", number * BLOCK, BLOCK).map_err(io::Error::other)?,
        };
        let from = usize::try_from(offset % BLOCK).ok().and_then(|from| block.get(from..)).unwrap_or_default();
        let length = from.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), from.get(..length)) {
            to.copy_from_slice(from);
        }
        // One that is not whole yet may grow.
        if block.len() as u64 == BLOCK {
            kept.push_back((number, block));
        }
        if kept.len() > KEPT {
            kept.pop_front();
        }
        Ok(length)
    }
}
