//! The object store: what is recorded and audited goes up while it is written, is read from there, and is removed here only
//! after it was read back. Evidence is never written over there, and deleted only as a whole recording whose time is over; what
//! failed is tried again, for ever.
//!
//! | object, behind the prefix | what |
//! |---|---|
//! | `recordings/YYYY/MM/DD/SESSION/head.json`, `keys.age`, `seal.json`, `c0.cut` | the files of a recording, as they are |
//! | `recordings/YYYY/MM/DD/SESSION/c0.brec.OFFSET` | a piece of the channel file, from that byte on (20 digits) |
//! | `recordings/YYYY/MM/DD/SESSION/held.json` | why it is kept whatever its age; the one object that changes |
//! | `audit/NODE/audit.ndjson.OFFSET` | a piece of the audit log |
//! | `audit/NODE/checkpoint.SIZE` | the audit log's checkpoints when it had that size |
//! | `tlog/NODE/tile/…` | tiles of the transparency log, as they are |
//! | `tlog/NODE/checkpoint.SIZE` | its checkpoint when it had so many leaves |
//!
//! Pieces hold only what can no longer change: see [`bartizan_recorder::Committed`]. Each is made with if-none-match, so two who
//! write the same recording meet. There are no multipart uploads, and so none to be given up: a piece is one request. Spawns
//! nothing; `daemon` lets it work and tells it the time.

mod bucket;
mod carrier;
mod credentials;
mod error;
mod library;
mod mirror;
mod names;
mod porter;
mod whole;

pub use bucket::{Bucket, Object};
pub use error::DepotError;
pub use library::{Library, Stored};
pub use mirror::{AuditMirror, LogMirror};
pub use porter::{Desk, Porter, StoredFacts, Tally};
pub use whole::Whole;
