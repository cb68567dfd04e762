//! `bartizan tunnel`: a service's programs reach their targets by local ports and sockets, with nothing but a token of its platform; a
//! renewal, a lost bastion and a restart are not theirs to notice.

mod bench;
mod day;
mod drained;
mod examples;
mod health;
mod published;
mod refused;
mod renewed;
mod several;
mod site;
mod streams;
mod tokens;

use site::{Site, Tunnel, token_in};
