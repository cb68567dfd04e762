//! PostgreSQL targets: a real server behind the bastion, and real clients before it.

pub(crate) mod bench;
mod calls;
mod clients;
mod estimates;
mod grants;
mod holds;
mod hostile;
mod live;
mod masks;
mod names;
pub(crate) mod site;
mod statements;
mod ways;

use site::Site;
