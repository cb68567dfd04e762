//! The HTTP gateway: each request of a client is read into one form, decided in it, recorded, and forwarded in it; fields of JSON
//! answers are hidden where policy says so. It never dials: it is lent connections.

mod body;
mod exchange;
mod fields;
mod headers;
mod notes;
mod origin;
mod problem;
mod relay;
mod tasks;
mod upgrade;

pub use origin::{Origin, Server, Stream};
pub use relay::{Between, Visitor, refuse, relay};
pub use tasks::Tasks;
