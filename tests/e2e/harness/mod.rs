//! What the tests stand on. `World` has everything; the other files are its parts.

mod bastion;
mod bucket;
mod control;
mod faulty;
mod fixture;
mod island;
mod measure;
mod postgres;
mod process;
mod provider;
mod target;
mod terminal;
mod token;
mod vault;
mod visitor;
mod world;

pub(crate) use bastion::{Bastion, bartizan};
pub(crate) use bucket::{ObjectStore, SECRET};
pub(crate) use control::{Control, Watching};
pub(crate) use faulty::{Fault, Faulty};
pub(crate) use fixture::{fixture, free_port, full, keygen, passable_folder, repository, wait_for_listener, wait_until, wait_until_within};
pub(crate) use island::{Island, Strait, socket_to};
pub(crate) use measure::{Goal, Row, asked, chosen, daemon, figure, is_bench, median, plain_forward, point, quantile, sized};
pub(crate) use postgres::Postgres;
pub(crate) use process::{Done, Guarded, Run, ssh_agent, wait_for_line};
pub(crate) use provider::{Provider, SecondProvider};
pub(crate) use target::{PASSWORD, Target};
pub(crate) use terminal::Terminal;
pub(crate) use token::Token;
pub(crate) use vault::{ROOT, Vault};
pub(crate) use visitor::{Visitor, WAYS, Way};
pub(crate) use world::{POLICIES, Setup, World};
