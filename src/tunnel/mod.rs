//! A service's way to its targets: a token of its platform, a certificate for a key in memory, one SSH connection to a bastion, and
//! streams on it. Reads no clock and spawns nothing; `daemon` keeps it going. Never trusts a host on first use, never writes a token,
//! key or certificate anywhere.

mod backoff;
mod grant;
mod link;
mod login;
mod opening;
mod plan;
mod publish;
mod stream;
mod token;

pub use backoff::Backoff;
pub use grant::ClientCredentials;
pub use link::{Link, Opened};
pub use login::{Credential, LinkError, certify};
pub use opening::{Opening, Place};
pub use plan::{Address, Plan, Trust};
pub use publish::{Handed, Publication, Publisher, Server};
pub use stream::carry;
pub use token::{PATIENCE as TOKEN_PATIENCE, TokenError, TokenSource};
