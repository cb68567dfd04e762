//! The Kubernetes gateway: requests to an API server are served as those to an HTTP server are, and decided as the API server
//! resolves them. `exec` and `attach` turn their connection into one of several streams, which is handed to who can record it.

mod accept;
mod cluster;
mod status;
pub mod streams;

pub use cluster::Cluster;
