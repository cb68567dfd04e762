//! What a tunnel is to do, as the command line says it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use russh::keys::PublicKey;

use super::{Opening, Publication, TokenSource};
use crate::wire::host::ExpectedHost;

/// Everything that a tunnel has to know.
#[derive(Debug)]
pub struct Plan {
    /// Any of them will do; tried in this order.
    pub bastions: Vec<Address>,
    /// How they are known.
    pub trust: Trust,
    /// Who the service is.
    pub token: TokenSource,
    /// Where it listens, and for which targets.
    pub openings: Vec<Opening>,
    /// What it publishes.
    pub publications: Arc<[Publication]>,
    /// Where it says how it is.
    pub health: Option<SocketAddr>,
    /// Streams at once; whoever connects then waits.
    pub streams: usize,
    /// How long a connection waits for a bastion.
    pub patience: Duration,
    /// How long open streams may go on when it is told to end.
    pub drain: Duration,
    /// A certificate's age at which the next is asked for; two thirds of its life, if nobody says.
    pub renew_after: Option<Duration>,
}

/// Where a bastion is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

/// How bastions are known.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Their own keys.
    pub keys: Vec<PublicKey>,
    /// Authorities that sign their host certificates.
    pub authorities: Vec<PublicKey>,
    /// The name that such a certificate has to carry, if it is not the one that is connected to.
    pub name: Option<String>,
}

impl Trust {
    pub(super) fn expected(&self, bastion: &Address, now: Timestamp) -> ExpectedHost {
        let names = vec![self.name.clone().unwrap_or_else(|| bastion.host.clone())];
        ExpectedHost { keys: self.keys.clone(), authorities: self.authorities.clone(), names, now }
    }
}
