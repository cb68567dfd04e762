//! Takes the log's checkpoints to its witnesses and keeps what they cosigned: `cosigned/ID` in the log's folder, one signed note
//! for each witness. In the background: no session waits for a witness. What a witness refuses is alerted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bartizan_recorder::tlog::{
    ADD_CHECKPOINT, Asking, Checkpoint, LogFiles, NoteKey, read_unverified, verify_cosignature, with_cosignatures,
};
use futures_util::future::join_all;
use metrics::counter;
use reqwest::StatusCode;

use super::LedgerError;
use crate::audit::{AuditLog, Entry};
use crate::config;
use crate::model::{Clock, Printable};
use crate::wire::https::{self, BodyError};

/// How often it is looked for a new checkpoint.
const EVERY: Duration = Duration::from_secs(2);

/// Most bytes of an answer.
const ANSWER: usize = 64 * 1024;

/// Why a witness cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("[[witness]] {name}: {why}")]
pub struct SetupError {
    name: String,
    why: String,
}

/// Where the checkpoint that `witness` cosigned last is kept, in the log's folder.
#[must_use]
fn cosigned(dir: &Path, witness: &NoteKey) -> PathBuf {
    dir.join("cosigned").join(witness.fingerprint())
}

/// Asks all witnesses, on a thread of its own.
pub struct Courier {
    dir: PathBuf,
    key: NoteKey,
    witnesses: Vec<Witness>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
}

struct Witness {
    key: NoteKey,
    url: String,
    client: reqwest::Client,
    /// The checkpoint it cosigned last, as far as we know.
    last: u64,
    refused: bool,
}

/// What became of one request.
#[derive(Debug)]
enum Answer {
    /// The note with the cosignature.
    Cosigned(String),
    /// It has cosigned a checkpoint of this size before.
    Has(u64),
    /// It does not cosign, and why.
    Refused(String),
    /// It did not answer.
    Silent(String),
}

impl Courier {
    /// A courier for the log in `dir`, whose key is `key`. Reads files of trust anchors.
    ///
    /// # Errors
    /// When these cannot be used.
    pub fn new(
        dir: PathBuf,
        key: NoteKey,
        witnesses: &[config::Witness],
        audit: Arc<AuditLog>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let set_up = |witness: &config::Witness| {
            let fail = |why: String| SetupError { name: witness.key.name().to_owned(), why };
            let client = https::client(witness.ca.as_deref(), witness.loopback).map_err(|e| fail(e.to_string()))?;
            let last = std::fs::read_to_string(cosigned(&dir, &witness.key)).ok().and_then(|note| read_unverified(&note).ok());
            let url = format!("{}/{ADD_CHECKPOINT}", witness.url.trim_end_matches('/'));
            Ok(Witness { key: witness.key.clone(), url, client, last: last.map_or(0, |last| last.size), refused: false })
        };
        let witnesses = witnesses.iter().map(set_up).collect::<Result<_, _>>()?;
        Ok(Self { dir, key, witnesses, audit, clock })
    }

    /// Works as long as `alive` says so. Blocks; `runtime` carries the requests.
    pub fn run(mut self, runtime: &tokio::runtime::Handle, alive: impl Fn() -> bool) {
        let mut last = None;
        while alive() {
            std::thread::sleep(EVERY);
            let found = LogFiles::checkpoint(&self.dir, &self.key);
            let Ok(Some((note, checkpoint))) = found else { continue };
            if last.as_ref() == Some(&checkpoint) {
                continue;
            }
            if self.round(runtime, &note, &checkpoint) {
                last = Some(checkpoint);
            }
        }
    }

    /// Asks every witness to cosign. Whether all of them answered: those that did not are asked again.
    fn round(&mut self, runtime: &tokio::runtime::Handle, note: &str, checkpoint: &Checkpoint) -> bool {
        let files = LogFiles::new(&self.dir, checkpoint.size);
        let asked = self.witnesses.iter().map(|witness| witness.persuade(&files, note, checkpoint));
        let answers = runtime.block_on(join_all(asked));
        let mut all = true;
        let mut entries = Vec::new();
        for (witness, answer) in self.witnesses.iter_mut().zip(answers) {
            let name = witness.key.name().to_owned();
            counter!("bartizan_witness_total", "witness" => name.clone(), "outcome" => answer.word()).increment(1);
            match answer {
                Answer::Cosigned(note) => {
                    witness.last = checkpoint.size;
                    if std::mem::take(&mut witness.refused) {
                        entries.push(Entry::WitnessAccepted { witness: name });
                    }
                    if let Err(error) = keep(&cosigned(&self.dir, &witness.key), &note) {
                        tracing::error!(%error, "a cosigned checkpoint could not be kept");
                    }
                }
                Answer::Refused(detail) => {
                    if !std::mem::replace(&mut witness.refused, true) {
                        tracing::error!(witness = name, detail, alert = true, "a witness refused to cosign the transparency log");
                        entries.push(Entry::WitnessRefused { witness: name, detail });
                    }
                }
                Answer::Silent(why) => {
                    tracing::warn!(witness = name, why, "a witness did not answer");
                    all = false;
                }
                Answer::Has(_) => all = false,
            }
        }
        for entry in entries {
            if let Err(error) = runtime.block_on(self.audit.append(entry, self.clock.now())) {
                tracing::error!(%error, alert = true, "an audit entry could not be written");
            }
        }
        all
    }
}

impl Witness {
    /// Asks, and once more when it turns out to have another checkpoint than we thought.
    async fn persuade(&self, files: &LogFiles, note: &str, checkpoint: &Checkpoint) -> Answer {
        let first = self.ask(files, note, self.last.min(checkpoint.size)).await;
        match first {
            Answer::Has(size) if size > checkpoint.size => {
                Answer::Refused(format!("it has cosigned {size} leaves, and the log has only {}: the log was set back", checkpoint.size))
            }
            Answer::Has(size) if size == self.last => {
                Answer::Refused(format!("it has cosigned other leaves than the log has: one of {size} leaves was rewritten"))
            }
            Answer::Has(size) => match self.ask(files, note, size).await {
                Answer::Has(again) if again == size => {
                    Answer::Refused(format!("it has cosigned other leaves than the log has: one of {size} leaves was rewritten"))
                }
                answer => answer,
            },
            answer => answer,
        }
    }

    async fn ask(&self, files: &LogFiles, note: &str, old: u64) -> Answer {
        let proof = match files.prove_consistency(old, files.size()) {
            Ok(proof) => proof,
            Err(error) => return Answer::Silent(format!("the log cannot be read: {error}")),
        };
        let body = Asking { old, proof, note: note.to_owned() }.body();
        let sent = self.client.post(&self.url).header("content-type", "text/plain; charset=utf-8").body(body).send().await;
        let mut response = match sent {
            Ok(response) => response,
            Err(error) => return Answer::Silent(https::words(error)),
        };
        let status = response.status();
        let text = match https::body(&mut response, ANSWER).await {
            Ok(text) => text,
            Err(BodyError::TooLong) => return Answer::Silent("its answer is too long".to_owned()),
            Err(BodyError::Lost(why)) => return Answer::Silent(why),
        };
        self.judge(status, &String::from_utf8_lossy(&text), note)
    }

    fn judge(&self, status: StatusCode, text: &str, note: &str) -> Answer {
        match status {
            StatusCode::OK => {
                let whole = with_cosignatures(note, text, std::slice::from_ref(&self.key)).unwrap_or_default();
                match verify_cosignature(&whole, &self.key) {
                    Ok(_) => Answer::Cosigned(whole),
                    Err(_) => Answer::Refused("its answer is not signed with the key that the configuration has".to_owned()),
                }
            }
            StatusCode::CONFLICT => match text.trim().parse() {
                Ok(size) => Answer::Has(size),
                Err(_) => Answer::Silent("its answer cannot be read".to_owned()),
            },
            StatusCode::UNPROCESSABLE_ENTITY => {
                Answer::Refused("the log does not continue what it has cosigned: the log was rewritten".to_owned())
            }
            StatusCode::NOT_FOUND => Answer::Refused("it does not know this log; give it the key in keys/tlog.vkey".to_owned()),
            StatusCode::FORBIDDEN => Answer::Refused("it knows this log by another key".to_owned()),
            other => Answer::Silent(format!("it answered {other}: {}", Printable(text.lines().next().unwrap_or_default()))),
        }
    }
}

impl Answer {
    fn word(&self) -> &'static str {
        match self {
            Self::Cosigned(_) => "cosigned",
            Self::Refused(_) => "refused",
            Self::Has(_) | Self::Silent(_) => "silent",
        }
    }
}

/// A reader sees all of it or what was there before.
fn keep(path: &Path, note: &str) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let parent = path.parent().unwrap_or(path);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    let draft = path.with_extension("new");
    std::fs::write(&draft, note)?;
    std::fs::rename(&draft, path)
}

/// What `witness` cosigned last, if the note is there; not verified.
///
/// # Errors
/// [`LedgerError::Unwritten`] when it is there and cannot be read.
pub fn read_cosigned(dir: &Path, witness: &NoteKey) -> Result<Option<String>, LedgerError> {
    match std::fs::read_to_string(cosigned(dir, witness)) {
        Ok(note) => Ok(Some(note)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LedgerError::Unwritten(error.to_string())),
    }
}
