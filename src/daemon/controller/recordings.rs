//! Serves recordings over the control protocol: lists them, searches them, hands out the ranges of their files that are asked
//! for. Each recording is policy's question; who opened or searched what stands in the audit log before anything is handed out.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bartizan_policies::Action;
use bartizan_recorder::{Channel, Filter, Head, Hit, Query, ReadAt, Recording, TextKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::audit::Entry;
use crate::config::Config;
use crate::control::recordings::{Finding, Listed, Listing, Opened, OpenedFile, Opening, Purpose, READ_MAX, Range, Search};
use crate::depot::{Bucket, Library};
use crate::enforce::Evidence;
use crate::frontdoor::Refusal;
use crate::identity::Caller;
use crate::model::{PrincipalKind, Printable, SessionId};
use crate::secrets::Secrets;

use super::super::indexing::with_index;
use super::{LIMIT, Rooms};

/// Recordings that one connection may have open; the one opened first goes.
const OPEN_MAX: usize = 8;

/// How many recordings are looked at between two questions to policy.
const BATCH: usize = 256;

/// Most characters of a reason or of the name of a format.
pub(super) const WORDS_MAX: usize = 500;

/// What one connection has opened.
#[derive(Default)]
pub(super) struct Shelf(Vec<Book>);

/// One recording that was opened, and under which policies.
struct Book {
    evidence: Evidence,
    purpose: Purpose,
    reason: Option<String>,
    digest: String,
    files: Vec<(String, Arc<Kept>)>,
}

impl Purpose {
    /// Whoever checks a recording reads all of it, as whoever replays it does.
    fn action(self) -> Action {
        match self {
            Self::Replay | Self::Verify => Action::Replay,
            Self::Export => Action::Export,
        }
    }
}

impl Rooms {
    /// The recordings that `caller` may replay, newest first.
    pub(in crate::daemon) async fn listed_recordings(&self, caller: &Caller, listing: Listing) -> Result<Vec<Listed>, Refusal> {
        let limit = limit_of(listing.limit);
        let holding = self.holding(caller, &listing).await?;
        let filter = Filter {
            user: listing.principal,
            target: listing.target,
            kind: listing.kind,
            since_us: listing.since.map(Timestamp::as_microsecond),
            until_us: listing.until.map(Timestamp::as_microsecond),
        };
        let (root, days) = (self.config.recordings.dir.clone(), filter.clone());
        let dirs = blocking(move || bartizan_recorder::newest(&root, &days)).await?;
        let mut shown = Vec::new();
        for dirs in dirs.chunks(BATCH) {
            let (dirs, filter) = (dirs.to_vec(), filter.clone());
            let opened = blocking(move || {
                let opened = dirs.into_iter().filter_map(|(dir, _)| Recording::open(dir).ok());
                Ok::<_, io::Error>(opened.filter(|recording| filter.passes(recording)).collect::<Vec<_>>())
            });
            for recording in opened.await? {
                let wanted = holding.as_ref().is_none_or(|holding| holding.contains(recording.head().session.as_str()));
                if wanted && self.may_replay(caller, recording.head()) {
                    shown.push(Listed::of(&recording));
                }
                if shown.len() >= limit {
                    return Ok(shown);
                }
            }
        }
        Ok(shown)
    }

    /// The sessions that hold the text, or an operation of the verdict, that is listed for.
    async fn holding(&self, caller: &Caller, listing: &Listing) -> Result<Option<BTreeSet<String>>, Refusal> {
        if listing.text.is_none() && listing.verdict.is_none() {
            return Ok(None);
        }
        let query = Query {
            text: listing.text.clone(),
            user: listing.principal.clone(),
            target: listing.target.clone(),
            verdict: listing.verdict.map(word_of),
            since_us: listing.since.map(Timestamp::as_microsecond),
            until_us: listing.until.map(Timestamp::as_microsecond),
            limit: LIMIT as usize,
            per_session: 1,
            ..Query::default()
        };
        let hits = self.hits(query).await?;
        if let Some(text) = &listing.text {
            self.note_search(caller, text, hits.len()).await?;
        }
        Ok(Some(hits.into_iter().map(|hit| hit.session.into()).collect()))
    }

    /// What is found in recordings that `caller` may replay.
    pub(super) async fn search_recordings(&self, caller: &Caller, search: Search, shelf: &Shelf) -> Result<Vec<Finding>, Refusal> {
        let kinds = search.kinds().map_err(|name| bad(format!("`{}` is no kind of text", Printable(&name))))?;
        let limit = limit_of(search.limit);
        let query = Query {
            text: Some(search.query.clone()).filter(|text| !text.is_empty()),
            session: search.session.map(recorded).transpose()?,
            user: search.principal,
            target: search.target,
            verdict: search.verdict.map(word_of),
            kinds,
            since_us: search.since.map(Timestamp::as_microsecond),
            until_us: search.until.map(Timestamp::as_microsecond),
            // What the caller may not see is taken out of these.
            limit: LIMIT as usize,
            per_session: limit,
        };
        let hits = self.hits(query).await?;
        let seen = self.only_permitted(caller, hits, limit).await?;
        // The operations of a recording that is open are no more than it shows.
        let only_open = search.query.is_empty() && shelf.0.iter().any(|book| Some(book.evidence.session()) == search.session);
        if !only_open {
            self.note_search(caller, &search.query, seen.len()).await?;
        }
        Ok(seen.into_iter().map(Finding::from).collect())
    }

    async fn note_search(&self, caller: &Caller, text: &str, hits: usize) -> Result<(), Refusal> {
        let by = caller.principal().id.to_string();
        self.put(Entry::RecordingsSearched { text: text.to_owned(), hits: hits as u64, by }).await
    }

    /// Asks the index, which is brought up to the recordings first: by one caller at a time.
    async fn hits(&self, query: Query) -> Result<Vec<Hit>, Refusal> {
        if query.text.as_ref().is_some_and(|text| text.chars().count() < 3) {
            return Err(bad("write three characters or more to search for"));
        }
        let mut turn = Arc::clone(&self.index).lock_owned().await;
        let now = self.clock.now().into();
        let (path, config, runtime) = (self.config.server.state_dir.join("search.db"), Arc::clone(&self.config), Handle::current());
        let secrets = Arc::clone(&self.secrets);
        blocking(move || with_index(&path, &config, &secrets, &runtime, (&mut turn, now), &mut |index| index.search(&query))).await
    }

    /// The first `limit` of `hits` that `caller` may see.
    async fn only_permitted(&self, caller: &Caller, hits: Vec<Hit>, limit: usize) -> Result<Vec<Hit>, Refusal> {
        let mut known: HashMap<bartizan_recorder::SessionId, Option<Evidence>> = HashMap::new();
        let mut seen = Vec::new();
        for hit in hits {
            if !known.contains_key(&hit.session) {
                let found = self.open_recording(&hit.session).await?;
                let evidence = found.and_then(|recording| self.evidence(recording.head()));
                let may = |evidence: &Evidence| self.enforcer.may_with(caller, Action::Replay, evidence);
                known.insert(hit.session.clone(), evidence.filter(may));
            }
            let Some(Some(evidence)) = known.get(&hit.session) else { continue };
            if hit.kind != TextKind::Input || self.enforcer.may_with(caller, Action::ViewInput, evidence) {
                seen.push(hit);
            }
            if seen.len() >= limit {
                break;
            }
        }
        Ok(seen)
    }

    /// Opens a recording for `opening.purpose`, once policy permits it and the audit log has it.
    pub(super) async fn open_for(&self, caller: &Caller, opening: Opening, shelf: &mut Shelf) -> Result<Opened, Refusal> {
        let reason = opening.reason.map(|reason| reason.chars().take(WORDS_MAX).collect::<String>()).filter(|reason| !reason.is_empty());
        let no_such = || Refusal::denied(format!("There is no recording {}.", opening.session), "no such recording");
        let recording = self.open_recording(&recorded(opening.session)?).await?.ok_or_else(no_such)?;
        let evidence = self.evidence(recording.head()).ok_or_else(no_such)?;
        self.enforcer.permit_with(caller, opening.purpose.action(), &evidence, reason.as_deref()).await?;
        if opening.input {
            self.enforcer.permit_with(caller, Action::ViewInput, &evidence, reason.as_deref()).await?;
        }
        let digest = self.enforcer.policies().current().digest_hex();
        let by = caller.principal().id.to_string();
        let session = opening.session;
        let format = opening.format.map_or_else(|| "files".to_owned(), |format| format.chars().take(WORDS_MAX).collect());
        self.put(match opening.purpose {
            Purpose::Replay => Entry::RecordingReplayed { session, by },
            Purpose::Export => Entry::RecordingExported { session, format, by },
            Purpose::Verify => Entry::RecordingVerified { session, result: "checked by the caller".to_owned(), by },
        })
        .await?;
        let input = opening.input;
        let (dir, config, runtime) = (recording.dir().to_owned(), Arc::clone(&self.config), Handle::current());
        let secrets = Arc::clone(&self.secrets);
        let files = blocking(move || files_of(&dir, &config, &secrets, runtime, input)).await?;
        let opened = Opened {
            files: files.iter().map(|(name, file)| OpenedFile { name: name.clone(), bytes: file.bytes }).collect(),
            sealed: recording.seal().is_some(),
            encrypted: recording.is_encrypted(),
            view_input: input || self.enforcer.may_with(caller, Action::ViewInput, &evidence),
        };
        shelf.0.retain(|book| book.evidence.session() != session);
        if shelf.0.len() >= OPEN_MAX {
            shelf.0.remove(0);
        }
        shelf.0.push(Book { evidence, purpose: opening.purpose, reason, digest, files });
        Ok(opened)
    }

    /// A range of a file of a recording that this connection has opened; what policies say today is asked again when they changed.
    pub(super) async fn read_range(&self, caller: &Caller, range: Range, shelf: &mut Shelf) -> Result<Value, Refusal> {
        if range.length > READ_MAX {
            return Err(bad(format!("a range is of at most {READ_MAX} bytes")));
        }
        let at = shelf.0.iter().position(|book| book.evidence.session() == range.session);
        let book = at.and_then(|at| shelf.0.get_mut(at));
        let book = book.ok_or_else(|| Refusal::denied("Open the recording first: recording.open.", "not opened"))?;
        let digest = self.enforcer.policies().current().digest_hex();
        if digest != book.digest {
            self.enforcer.permit_with(caller, book.purpose.action(), &book.evidence, book.reason.as_deref()).await?;
            if book.files.iter().any(|(name, _)| name == INPUT) {
                self.enforcer.permit_with(caller, Action::ViewInput, &book.evidence, book.reason.as_deref()).await?;
            }
            book.digest = digest;
        }
        let file = book.files.iter().find(|(name, _)| *name == range.file).map(|(_, file)| Arc::clone(file));
        let file = file.ok_or_else(|| bad(format!("the recording has no file `{}` to read", Printable(&range.file))))?;
        let data = blocking(move || {
            if range.offset >= file.bytes {
                return Ok(Vec::new());
            }
            let mut data = vec![0; range.length as usize];
            let read = read_full(&file.content, &mut data, range.offset)?;
            data.truncate(read);
            Ok::<_, io::Error>(data)
        });
        Ok(json!({ "data": STANDARD.encode(data.await?) }))
    }

    fn may_replay(&self, caller: &Caller, head: &Head) -> bool {
        self.evidence(head).is_some_and(|evidence| self.enforcer.may_with(caller, Action::Replay, &evidence))
    }

    pub(super) fn evidence(&self, head: &Head) -> Option<Evidence> {
        let issuer = head.principal.split('/').next().unwrap_or_default();
        let known = self.config.issuers.iter().find(|known| known.name.as_str() == issuer);
        Evidence::of(head, known.map_or(PrincipalKind::User, |issuer| issuer.kind))
    }

    async fn open_recording(&self, session: &bartizan_recorder::SessionId) -> Result<Option<Recording>, Refusal> {
        let (root, session) = (self.config.recordings.dir.clone(), session.clone());
        blocking(move || Ok::<_, io::Error>(bartizan_recorder::find(&root, &session)?.and_then(|dir| Recording::open(dir).ok()))).await
    }

    /// Writes to the audit log; nothing is handed out otherwise.
    pub(super) async fn put(&self, entry: Entry) -> Result<(), Refusal> {
        let written = self.audit.append(entry, self.clock.now()).await;
        written.map(drop).map_err(|e| {
            Refusal::unavailable("The bastion cannot write its audit log, so nothing is shown now; tell the operator.", e.to_string())
        })
    }
}

/// The file of what was typed.
const INPUT: &str = "c1.brec";

/// A file to be read by ranges, wherever it lies.
struct Kept {
    content: Channel,
    bytes: u64,
}

/// The files of a recording that whoever may read it is given, that of what was typed only with `input`; a channel file that is in the object store is read there.
fn files_of(dir: &Path, config: &Config, secrets: &Arc<Secrets>, runtime: Handle, input: bool) -> Result<Vec<(String, Arc<Kept>)>, String> {
    let names = ["head.json", "seal.json", "keys.age", "c0.brec"];
    let open = |name: &str| {
        let file = File::open(dir.join(name)).ok()?;
        let bytes = file.metadata().map_or(0, |meta| meta.len());
        Some((name.to_owned(), Arc::new(Kept { content: Channel::new(file), bytes })))
    };
    let mut files: Vec<_> = names.into_iter().chain(input.then_some(INPUT)).filter_map(open).collect();
    let place = dir.strip_prefix(&config.recordings.dir).ok().and_then(Path::to_str);
    if let (false, Some(settings), Some(place)) = (dir.join("c0.brec").exists(), &config.recordings.bucket, place) {
        let bucket = Bucket::open(settings, secrets).map_err(|error| error.to_string())?;
        let stored = Library::new(bucket, runtime).at(place).map_err(|error| error.to_string())?;
        files.extend(stored.map(|stored| ("c0.brec".to_owned(), Arc::new(Kept { content: stored.pieces(), bytes: stored.bytes() }))));
    }
    Ok(files)
}

fn read_full(file: &Channel, data: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut have = 0;
    while let Some(room) = data.get_mut(have..).filter(|room| !room.is_empty()) {
        match file.read_at(room, offset.saturating_add(have as u64)) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}

/// Work that reads the disk.
pub(super) async fn blocking<T: Send + 'static, E: std::fmt::Display + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Refusal> {
    let failed =
        |error: &dyn std::fmt::Display| Refusal::unavailable("The recordings cannot be read now; tell the operator.", error.to_string());
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}

pub(super) fn bad(why: impl std::fmt::Display) -> Refusal {
    let sentence = format!("That cannot be asked for: {why}.");
    Refusal::denied(sentence.clone(), sentence)
}

fn limit_of(limit: Option<u32>) -> usize {
    limit.unwrap_or(100).min(LIMIT) as usize
}

pub(super) fn recorded(session: SessionId) -> Result<bartizan_recorder::SessionId, Refusal> {
    session.to_string().parse().map_err(bad)
}

fn word_of(verdict: crate::audit::Verdict) -> String {
    match verdict {
        crate::audit::Verdict::Allow => "allow",
        crate::audit::Verdict::Hold => "hold",
        crate::audit::Verdict::Deny => "deny",
    }
    .to_owned()
}
