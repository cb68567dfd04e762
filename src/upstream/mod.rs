//! Dials a target, or goes through whoever publishes it, and logs in with the credential the bastion holds. A [`Taped`] session goes
//! in, a [`Link`] comes out: there is no other way to a target. Never shows a credential.

mod dial;
mod headers;
mod http;
mod login;
mod postgres;
mod roads;
mod through;

pub use dial::{Dialer, Hold, Link};
pub use headers::Headers;
pub use http::{HttpLink, HttpServer};
pub use postgres::{CatalogDesk, DatabaseLink, Fresh, Greeting, Planners, SessionFacts, Socket, Survey, Wanted};
pub use roads::{Publication, Roads};
