//! SFTP: every packet is read in both directions, every file is decided before the target hears of it, what passes is counted and
//! hashed, and its content is never recorded.
//!
//! `codec` reads and writes packets; `walk` finds where a path really leads; `asking` turns a request into questions to policy. In
//! a session, `intake` reads the client and `returns` the target; what needs a decision is an `operation`, started in the `order`
//! that keeps results right; everything else passes at once, in long runs of packets that only get another number.

mod asking;
pub(crate) mod codec;
mod digest;
mod files;
mod intake;
mod notes;
mod operation;
mod order;
mod outbox;
mod relay;
mod resolver;
mod returns;
mod session;
mod stream;
mod walk;

pub use codec::Malformed;
pub use relay::relay;
pub use resolver::{ResolveError, Resolver};
pub use walk::{Last, PathError, Resolved};
