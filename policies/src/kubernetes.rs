//! Reads a request to a Kubernetes API server as the server itself does (`RequestInfoFactory` of `k8s.io/apiserver`), so that bastion
//! and server cannot mean different things by it; takes the command of `exec` apart; and names the fields of its answers. It decides
//! nothing.

mod exec;
mod fields;
mod masks;
mod outline;
mod query;
mod resolve;

pub use exec::{Streams, exec_commands};
pub use fields::{Answer, TABLED, leaks, names};
pub use outline::summary;
pub use query::Query;
pub use resolve::{Resolved, Unresolved, resolve};

#[cfg(test)]
mod tests;
