//! The HTTP gateway: each request of a client is read into one form, decided in it, recorded, and forwarded in it; fields of JSON
//! answers are hidden where policy says so. It never dials: it is lent connections.

mod body;
mod dialect;
mod exchange;
mod fields;
mod headers;
mod notes;
mod origin;
mod problem;
mod relay;
mod tasks;
mod upgrade;
mod upload;

pub use body::Body;
pub(super) use dialect::NOT_MASKED;
pub use dialect::{Dialect, Meant, Passage, Plain, Seen};
pub use headers::Voucher;
pub use origin::{Headers, Origin, Reached, Server, Stream};
pub use problem::Problem;
pub use relay::{Between, Visitor, refuse, relay};
pub use tasks::Tasks;
pub(super) use upgrade::payload_length;
pub use upgrade::{Ends, Outcome, Relay};
