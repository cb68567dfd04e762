//! PostgreSQL targets: a real server behind the bastion, and real clients before it.

mod bench;
mod clients;
mod hostile;
mod live;
mod masks;
mod site;
mod statements;
mod ways;

use site::Site;
