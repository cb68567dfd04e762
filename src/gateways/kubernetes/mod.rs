//! The Kubernetes gateway: requests to an API server are served as those to an HTTP server are, and decided as the API server
//! resolves them. `exec` and `attach` turn their connection into one of several streams, which is handed to who can record it.

mod accept;
mod cluster;
mod status;

use crate::record::Tape;

use super::http::Stream;

pub use super::http::Outcome;
pub use cluster::Cluster;

/// What `exec` or `attach` asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The namespace of the pod.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container; `None` where it was left to the API server.
    pub container: Option<String>,
    /// The command and its arguments; empty for `attach`.
    pub command: Vec<String>,
    /// Whether there is a terminal; then what the process says is one stream.
    pub tty: bool,
    /// Whether the process hears the client.
    pub stdin: bool,
}

/// How several streams share the connection, as the server has agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framing {
    /// SPDY/3.1, with the answer's `X-Stream-Protocol-Version`, such as `v4.channel.k8s.io`.
    Spdy(String),
    /// WebSocket (RFC 6455), with the answer's `Sec-WebSocket-Protocol`, such as `v5.channel.k8s.io`.
    WebSocket(String),
}

/// Both ends of a connection that has become `exec`'s or `attach`'s. Nothing was read from either since the server agreed.
pub struct Upgraded {
    /// What was asked for, allowed, and is in the recording.
    pub wanted: Wanted,
    /// How it is framed.
    pub framing: Framing,
    /// The client.
    pub client: Box<dyn Stream>,
    /// The API server.
    pub server: Box<dyn Stream>,
    /// The recording. It is told here what passes, before it is handed on.
    pub tape: Tape,
}
