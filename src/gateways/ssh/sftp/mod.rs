//! SFTP: every packet is read in both directions, every file is decided before the target hears of it, what passes is counted and
//! hashed. `codec` reads and writes packets, `walk` finds where a path really leads.

pub(crate) mod codec;
mod resolver;
mod walk;

pub use codec::Malformed;
pub use resolver::{ResolveError, Resolver};
pub use walk::{Last, PathError, Resolved};
