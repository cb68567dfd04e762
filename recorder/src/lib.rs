//! Bartizan's recorder: sealed recordings of sessions, written, read, verified, exported and replayed.
//!
//! The format is specified in bartizan-recording(5). This crate never spawns, never reads a clock, never makes
//! randomness and never writes to a terminal: moments, random numbers and sinks come from the caller.
//!
//! | to | call |
//! |---|---|
//! | begin a recording | [`Recordings::create`] |
//! | record, before a byte goes on | [`Writer::append`], one call per read |
//! | record what is typed, without secrets | [`Recordings::create_with_input`], [`Typed`], [`Writer::append_input`] |
//! | commit, draw keyframes | [`Writer::tick`], about once a second |
//! | end and seal | [`Writer::finish`] |
//! | have all of them on disk | [`Recordings::sync`], every 250 ms for all sessions together |
//! | close what a crash left open | [`Recordings::recover`], at a start |
//! | find | [`list`], [`find`] |
//! | read | [`Recording::open`], [`Recording::events`] |
//! | verify | [`verify`], [`verify_logged`], [`verify_without_input`]; [`verify_files`] where the files lie elsewhere |
//! | export | [`export_cast`], [`export_html`], [`transcript`]; [`Redaction`] for a copy without what rules name |
//! | look at lines as they are drawn | [`DrawnLines`] |
//! | watch a session while it is recorded | [`Writer::present_work`], [`Present`], [`Drawing`], [`Canvas`] |
//! | play, jump to a marker | [`Replay`], [`places`] |
//! | encrypt to auditors | [`Recipients`], [`Recordings::encrypting_to`] |
//! | read what is encrypted | [`Identities`], [`Recording::unlock`]; everything that reads then decrypts |
//! | read what lies elsewhere | [`Recording::remote`], [`Recording::reading`] |
//! | copy a recording away while it is written | [`Committed`] |
//! | keep, remove | [`hold`], [`release`], [`remove`] |
//! | search | [`SearchIndex`], [`Query`]; [`text_rows`] for one recording |
//! | prove that nothing was taken out | [`tlog`] |
//!
//! ```
//! use bartizan_recorder::*;
//!
//! # let root = tempfile::tempdir()?;
//! # let root = root.path();
//! let recordings = Recordings::new(root, SigningKey::generate(&mut rand::rng()));
//! let head = Head {
//!     client: "SSH-2.0-OpenSSH_10.0".into(),
//!     command: None,
//!     groups: vec!["corp/engineers".into()],
//!     kind: "ssh.shell".into(),
//!     login: Some("deploy".into()),
//!     number: 1,
//!     policy_digest: "00ff".into(),
//!     principal: "corp/alice@example.com".into(),
//!     server: "bastion.example.com".into(),
//!     session: "01JD0000000000000000000001".parse()?,
//!     source_address: "192.0.2.7".into(),
//!     started_us: 1_795_348_800_000_000,
//!     tags: [("env".into(), "prod".into())].into(),
//!     target: "web-1".into(),
//!     terminal: Some(Terminal { cols: 80, rows: 24, term: "xterm-256color".into() }),
//!     // Filled in by `create`; recipients belong to encryption.
//!     first_key: String::new(),
//!     input_key: String::new(),
//!     recipients: Vec::new(),
//!     version: 0,
//! };
//! let now = |at_us: u64| Now { at_us, wall_us: head.started_us + at_us as i64 };
//!
//! let mut writer = recordings.create(&head, &mut rand::rng())?;
//! writer.append(now(1_000), &[Event::output(&b"$ "[..])])?;
//! writer.append(now(9_000), &[Event::Resize { cols: 100, rows: 30 }])?;
//! writer.tick(now(1_000_000))?;
//! writer.finish(now(2_000_000), Reason::Closed, Some(Exit::status(0)))?;
//!
//! let dir = find(root, &head.session)?.expect("it was just recorded");
//! let report = verify(&dir, &[recordings.public_key()], &mut |_| ());
//! assert_eq!(report.outcome(), Outcome::Good);
//!
//! let recording = Recording::open(dir)?;
//! let mut cast = Vec::new();
//! export_cast(&recording, CastVersion::V2, false, &mut cast, &mut |_| ())?;
//! let mut replay = Replay::open(&recording)?;
//! let mut grid = Grid::default();
//! replay.seek(5_000)?;
//! replay.draw(&mut grid);
//! assert_eq!(grid.text()[0], "$");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod cast;
mod chain;
mod channel;
mod committed;
mod draft;
mod drawn;
mod envelope;
mod event;
mod events;
mod find;
mod frame;
mod frames;
#[cfg(test)]
mod garbage;
mod grid;
mod head;
mod html;
mod index;
mod keyframe;
mod list;
mod log;
mod logged;
mod map;
mod overview;
mod pace;
mod place;
mod present;
mod ratchet;
mod recipients;
mod recording;
mod recordings;
mod recover;
mod redact;
mod render;
mod replay;
mod retain;
mod sanitise;
mod screen;
mod seal;
mod search;
mod sha256;
mod squeeze;
#[cfg(test)]
mod testing;
mod text;
pub mod tlog;
mod transcript;
mod typed;
mod utf8;
mod verify;
mod walk;
mod wire;
mod writer;

pub use cast::{CastVersion, ExportError, export_cast, export_cast_redacted};
pub use channel::Channel;
pub use committed::Committed;
pub use drawn::DrawnLines;
pub use ed25519_dalek::{SigningKey, VerifyingKey};
pub use event::{Event, Exit};
pub use events::{Events, ReadError, Timed};
pub use find::find_text;
pub use frame::BadFrame;
pub use frames::{FrameError, ReadAt};
pub use grid::{Cell, CellStyle, Colour, Grid};
pub use head::{BadHead, ChannelSeal, Head, Reason, Seal, SessionId, Terminal};
pub use html::export_html;
pub use keyframe::{KeyframeWork, Keyframes};
pub use list::{Filter, Found, directories, find, list, newest};
pub use logged::{InLog, ON_ITS_WAY_US, document_hashes};
pub use overview::{Overview, overview};
pub use present::{Canvas, Drawing, Present, PresentWork};
pub use recipients::{BadRecipients, Identities, Recipients, UnlockError, WrapError};
pub use recording::{OpenError, Recording};
pub use recordings::Recordings;
pub use recover::{Recovered, Recovery};
pub use redact::Redaction;
pub use replay::{Place, Replay, Step, places};
pub use retain::{Hold, held, hold, release, remove, sweep};
pub use search::{Added, Hit, Query, Refreshed, SearchError, SearchIndex};
pub use squeeze::BadBody;
pub use text::{TextKind, TextLimits, TextRow, text_rows};
pub use transcript::{transcript, transcript_redacted};
pub use typed::Typed;
pub use verify::{Check, Files, Outcome, Report, verify, verify_files, verify_logged, verify_without_input};
pub use writer::{KEYFRAMES_PER_TICK, Now, WriteError, Writer};
