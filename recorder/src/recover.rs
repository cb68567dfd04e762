//! Closes recordings that a crash left open: cuts each after its last good frame, signs for what is left with the
//! deployment's key, ends and seals it. May be run again at any time; leaves alone what is being written, what is sealed,
//! what does not hold, and what the caller does not know to have been open: else whoever cuts a sealed recording short and
//! removes its seal would have it sealed anew.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;
use rand::CryptoRng;
use serde::Serialize;

use crate::chain::{Chain, Epoch};
use crate::envelope;
use crate::event::Event;
use crate::events::{Events, Timed};
use crate::frame::{Kind, MAGIC};
use crate::frames::ReadAt;
use crate::head::{BadHead, ChannelSeal, Head, Reason, Seal, SessionId, VERSION};
use crate::list::{Filter, directories};
use crate::log::{Log, Position, Signed, Tape};
use crate::place::{self, INPUT};
use crate::recording::keys_frame;
use crate::recordings::Recordings;
use crate::seal::{CommitText, EndText, Identity, RecoveryText, channel_seal, make_seal, save_seal};
use crate::sha256::{Hasher, digest};
use crate::verify::under_any;
use crate::walk::{Roots, Trouble, Walk, goes_on_behind, walk};
use crate::writer::WriteError;

/// What became of a recording found without a seal.
#[derive(Debug)]
pub enum Recovery {
    /// It was cut, signed for, ended and sealed.
    Closed {
        /// Bytes of a torn last write that were cut off.
        cut_bytes: u64,
        /// Bytes kept.
        kept_bytes: u64,
    },
    /// It had its end; only the seal was missing.
    Sealed,
    /// Its head was never written whole: it is sealed as such, its bytes are left.
    HeadUnreadable,
    /// Its session had ended, yet it has no seal: the seal was removed, or its end was never written. It was left as it is.
    NotOpen,
    /// It does not hold, and was left as it is. The text says why.
    Tampered(String),
    /// It could not be closed now.
    Failed(WriteError),
}

/// A recording that recovery came upon.
#[derive(Debug)]
pub struct Recovered {
    /// Where it lies.
    pub dir: PathBuf,
    /// Its session.
    pub session: SessionId,
    /// What became of it.
    pub recovery: Recovery,
}

impl Recordings {
    /// Closes every recording that has no seal, that no one is writing and of which `may_close` says that its session was
    /// open when the bastion stopped; others are [`Recovery::NotOpen`]. `wall_us` is the wall clock in µs since 1970-01-01
    /// UTC.
    ///
    /// # Errors
    /// When the root cannot be read. One bad recording never stops the others.
    pub fn recover(&self, wall_us: i64, may_close: &dyn Fn(&SessionId) -> bool, rng: &mut impl CryptoRng) -> io::Result<Vec<Recovered>> {
        let mut all = Vec::new();
        for (dir, session) in directories(self.root(), &Filter::default())? {
            if has_seal(&dir) {
                continue;
            }
            let recovery = match self.recover_one(&dir, &session, wall_us, may_close, rng) {
                Ok(Some(recovery)) => recovery,
                Ok(None) => continue,
                Err(error) => Recovery::Failed(error),
            };
            all.push(Recovered { dir, session, recovery });
        }
        Ok(all)
    }

    fn recover_one(
        &self,
        dir: &Path,
        session: &SessionId,
        wall_us: i64,
        may_close: &dyn Fn(&SessionId) -> bool,
        rng: &mut impl CryptoRng,
    ) -> Result<Option<Recovery>, WriteError> {
        let file = match open(&dir.join(place::channel_file(0))) {
            Ok(Some(file)) => Some(file),
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(WriteError::io("open", dir)(error)),
        };
        if !may_close(session) {
            return Ok(Some(Recovery::NotOpen));
        }
        let bytes = match place::read_small(&dir.join(place::HEAD)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(WriteError::io("read the head of", dir)(error)),
        };
        let keys = self.trusted();
        let head: Head = match under_any(&bytes, &keys) {
            Ok(head) => head,
            Err(BadHead::Form) => {
                return self.seal_headless(dir, session, &bytes, wall_us).map(Some);
            }
            Err(bad) => {
                return Ok(Some(Recovery::Tampered(format!("head.json does not hold: {bad}"))));
            }
        };
        if head.session != *session {
            return Ok(Some(Recovery::Tampered("the directory is named after another session".into())));
        }
        let identity = Identity { session: head.session, number: head.number, head: digest(&bytes) };
        let at = At { dir, identity: &identity, keys: &keys, wall_us };
        // What was typed first: the seal speaks of both.
        let input = match head.input_key.as_str() {
            "" => None,
            key => match self.close(&at, INPUT, key, open_channel(dir, INPUT)?, rng)? {
                Closed::Whole(closed) => Some(closed.0),
                Closed::Tampered(why) => return Ok(Some(Recovery::Tampered(format!("{}: {why}", place::channel_file(INPUT))))),
            },
        };
        match self.close(&at, 0, &head.first_key, file, rng)? {
            Closed::Tampered(why) => Ok(Some(Recovery::Tampered(why))),
            Closed::Whole(closed) => {
                let (seal, End { text, wall_us, recovery }) = *closed;
                let channels = std::iter::once(seal).chain(input).collect();
                save_seal(&self.shared.key, dir, &make_seal(&identity, channels, text, wall_us))?;
                Ok(Some(recovery))
            }
        }
    }

    /// Cuts one channel file after its last good frame, signs for what is left and ends it, unless it has its end.
    fn close(
        &self,
        at: &At<'_>,
        channel: u32,
        first_key: &str,
        file: Option<File>,
        rng: &mut impl CryptoRng,
    ) -> Result<Closed, WriteError> {
        let (dir, wall_us) = (at.dir, at.wall_us);
        let io = |doing| WriteError::io(doing, dir);
        let mut key = [0; 32];
        hex::decode_to_slice(first_key, &mut key).map_err(|_| BadHead::Form)?;
        let mut file = match file {
            Some(file) => file,
            None => place::new_file(&dir.join(place::channel_file(channel))).map_err(io("make"))?,
        };
        let walk = walk(&file, &Roots { head: at.identity.head, first_key: key, keys: at.keys, channel, marks: &[] }, &mut |_| ());
        if let Some(why) = changed(&file, &walk).map_err(io("read"))? {
            return Ok(Closed::Tampered(why));
        }
        restore_keys(dir, &file, &walk).map_err(io("write the key of"))?;
        if let Some(end) = walk.end {
            let text = end.text.ok_or(BadHead::Form)?;
            let seal = channel_seal(channel, &walk.position, &text);
            return Ok(Closed::Whole(Box::new((seal, End { text, wall_us: end.wall_us, recovery: Recovery::Sealed }))));
        }
        let from = walk.position.offset;
        let (cut_bytes, cut_sha256) = keep_tail(&file, from, &dir.join(place::cut_name(channel))).map_err(io("save the torn end of"))?;
        file.cut(from).map_err(io("cut"))?;
        let mut position = walk.position;
        if from == 0 {
            file.append(&MAGIC).map_err(io("write"))?;
            position = Position::first(Chain::start(&at.identity.head, channel));
        }
        let kept_bytes = position.offset;
        let text = json(&RecoveryText { cut_bytes, cut_sha256 })?;
        let end = count(&file, &walk);
        let epoch = Epoch::first(rng);
        let mut out = Vec::new();
        let said = Signed { wall_us, next_key: epoch.public(), text: &text };
        position.put_signed(&mut out, Kind::RECOVERY, &self.shared.key, &said);
        let said = Signed { wall_us, next_key: [0; 32], text: &json(&end)? };
        position.put_signed(&mut out, Kind::END, &epoch.key(), &said);
        let start = Position { offset: kept_bytes, ..position };
        Log::resume(file, start).write(&out, position).map_err(io("write"))?;
        let seal = channel_seal(channel, &position, &end);
        let recovery = Recovery::Closed { cut_bytes, kept_bytes };
        Ok(Closed::Whole(Box::new((seal, End { text: end, wall_us, recovery }))))
    }

    /// Without its head a recording cannot be continued. The seal says so, and accounts for the session.
    fn seal_headless(&self, dir: &Path, session: &SessionId, bytes: &[u8], wall_us: i64) -> Result<Recovery, WriteError> {
        let seal = Seal {
            channels: Vec::new(),
            ended_us: wall_us,
            exit: None,
            head: hex::encode(digest(bytes)),
            number: 0,
            reason: Reason::HeadUnreadable,
            session: session.clone(),
            version: VERSION,
        };
        save_seal(&self.shared.key, dir, &seal)?;
        Ok(Recovery::HeadUnreadable)
    }
}

/// What is being recovered.
struct At<'a> {
    dir: &'a Path,
    identity: &'a Identity,
    keys: &'a [VerifyingKey],
    wall_us: i64,
}

/// What became of one channel file.
enum Closed {
    Whole(Box<(ChannelSeal, End)>),
    Tampered(String),
}

/// How it ended.
struct End {
    text: EndText,
    wall_us: i64,
    recovery: Recovery,
}

/// The file of a further channel; none if it never reached the disk.
fn open_channel(dir: &Path, channel: u32) -> Result<Option<File>, WriteError> {
    match OpenOptions::new().append(true).read(true).open(dir.join(place::channel_file(channel))) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(WriteError::io("open", dir)(error)),
    }
}

/// The wrapped key, should it not have reached the disk though the channel file did.
fn restore_keys(dir: &Path, file: &File, walk: &Walk) -> io::Result<()> {
    let missing = !dir.join(place::KEYS).try_exists()?;
    match keys_frame(file).filter(|_| missing && walk.keys.is_some()) {
        Some(keys) => place::write_whole(dir, place::KEYS, &keys),
        None => Ok(()),
    }
}

/// A seal that was torn by a power cut is no seal.
fn has_seal(dir: &Path) -> bool {
    let bytes = place::read_small(&dir.join(place::SEAL));
    bytes.is_ok_and(|bytes| !matches!(envelope::read::<Seal>(&bytes), Err(BadHead::Form)))
}

/// The channel file, held against others; `None` while its writer lives.
fn open(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().append(true).read(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Why the file is not merely torn, if it is not: what is cut must be the tail of a last write and nothing else.
fn changed(file: &File, walk: &Walk) -> io::Result<Option<String>> {
    Ok(match &walk.trouble {
        None => None,
        Some(Trouble::Statement { offset, why }) => Some(format!("the signed frame at byte {offset} does not hold: {why}")),
        Some(Trouble::AfterEnd { offset }) => Some(format!("something follows the end, at byte {offset}")),
        Some(Trouble::Io(error)) => return Err(io::Error::new(error.kind(), error.to_string())),
        Some(Trouble::Magic | Trouble::Torn { .. } | Trouble::Bad { .. }) => {
            let goes_on = goes_on_behind(&file, walk)?;
            goes_on.then(|| format!("good frames follow the bad one at byte {}", walk.position.offset))
        }
    })
}

/// Copies what is about to be cut to a file of its own: nothing that was written is ever deleted. Returns its length and
/// SHA-256.
fn keep_tail(file: &File, from: u64, path: &Path) -> io::Result<(u64, String)> {
    let mut hash = Hasher::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut len = 0;
    let mut kept = None;
    loop {
        let read = ReadAt::read_at(file, &mut buffer, from + len)?;
        if read == 0 {
            return Ok((len, hex::encode(hash.finish())));
        }
        let bytes = buffer.get(..read).unwrap_or_default();
        hash.update(bytes);
        if kept.is_none() {
            kept = Some(place::cut_file(path)?);
        }
        kept.iter_mut().try_for_each(|kept| kept.append(bytes))?;
        len += read as u64;
    }
}

/// The end that the kept frames deserve. What is encrypted is counted as of its last commit.
fn count(file: &File, walk: &Walk) -> EndText {
    let (commits, index) = (walk.commits, walk.index);
    let mut text = EndText { commits, events: 0, exit: None, index, output_bytes: 0, reason: Reason::Recovered };
    if walk.keys.is_some() || walk.encrypted > 0 {
        let counted = walk.counted.unwrap_or(CommitText { events: 0, output_bytes: 0 });
        (text.events, text.output_bytes) = (counted.events, counted.output_bytes);
        return text;
    }
    let Ok(mut events) = Events::open(file) else {
        return text;
    };
    // A body that cannot be decoded ends the count, not the recovery.
    while let Ok(Some(Timed { event, .. })) = events.next_event() {
        text.events += 1;
        match event {
            Event::Output(bytes) | Event::Stderr(bytes) => text.output_bytes += bytes.len() as u64,
            Event::Exit(exit) => text.exit = Some(exit),
            _ => {}
        }
    }
    text
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, BadHead> {
    serde_json::to_vec(value).map_err(|_| BadHead::Form)
}

#[cfg(test)]
mod tests;
