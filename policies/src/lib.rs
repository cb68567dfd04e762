//! The policy engine of Bartizan: Cedar policies in, verdicts out. Everything that anyone may do is decided here, by one
//! language and one combining rule; nothing is permitted unless a policy permits it, and whatever cannot be decided is refused.
//!
//! This crate is pure: it opens no file, reads no clock and spawns nothing. Text, time and addresses are handed in.
//!
//! ```
//! use bartizan_policies::{Action, Command, Context, Facts, Known, PolicySet, Principal, Request, Resource, Target, Verdict};
//!
//! let text = r#"
//!     @id("sre-may-run-commands")
//!     permit (principal in Group::"corp/sre", action in [Action::"connect", Action::"ssh.exec"], resource);
//!
//!     @id("nobody-is-root") @reason("Use sudo from your own account.")
//!     forbid (principal, action in [Action::"connect", Action::"ssh.exec"], resource) when { context.login == "root" };
//! "#;
//! let policies = PolicySet::load(vec![("policies/base.cedar".to_owned(), text.to_owned())], &Known::default())
//!     .map_err(|problems| problems[0].to_string())?;
//!
//! // Once per session and policy epoch:
//! let alice = Principal::user("corp/alice@example.com", ["corp/sre"]);
//! let web = Target::new("web-1", "ssh");
//! let slice = policies.slice(&alice, &web);
//!
//! // Once per operation:
//! let now: jiff::Timestamp = "2026-01-02T03:04:05Z".parse()?;
//! let facts = Facts::Command { login: "root".to_owned(), command: Command::read(b"id -u") };
//! let context =
//!     Context { source_ip: "192.0.2.7".parse()?, time: now, authenticated_at: now, device_bound: false, reason: None, facts };
//! let decision = slice.decide(&Request { action: Action::SshExec, resource: Resource::Target(&web), context: &context });
//! let Verdict::Deny(refusal) = decision.verdict else { return Err("root was let in".into()) };
//! assert_eq!(
//!     refusal.to_string(),
//!     "ssh.exec on web-1 is refused by policy \"nobody-is-root\": Use sudo from your own account.\n\
//!      If you need it, ask the people who write this bastion's policies and name that one."
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A command line is several operations, each asked about by itself: see [`Line`] and [`questions`]. A file operation whose single
//! files will not be seen is asked about once, with `recursive` set.

mod action;
mod annotations;
mod asks;
mod cases;
mod combine;
mod command;
mod context;
mod decision;
mod deed;
mod doubts;
mod entities;
mod explain;
mod facts;
pub mod http;
mod index;
mod kept;
mod known;
pub mod kubernetes;
mod line;
mod literals;
mod load;
mod near;
mod problem;
mod programs;
mod questions;
mod request;
mod rule;
mod sentences;
mod set;
mod shell;
mod sight;
pub mod sql;
pub mod suggest;
mod transfer;

pub use action::{Action, FactsKind, ResourceKind, UnknownAction};
pub use cases::{Answer, Ran, Report, run_cases};
pub use command::Command;
pub use decision::{Alert, Decision, Hold, Obligations, Refusal, Requirement, Verdict, Why, Withheld};
pub use deed::{Deed, Vague, Words};
pub use explain::{Explained, Explanation, Explanations};
pub use facts::{ApiRequest, Facts, HttpRequest};
pub use known::Known;
pub use line::{Completeness, FileAccess, Line, Operation};
pub use literals::Literals;
pub use load::SCHEMA;
pub use problem::{Gravity, Problem};
pub use questions::{Question, questions};
pub use request::{
    Approval, Context, Database, DbSchema, Function, Key, Kind, Place, Principal, PrincipalKind, Request, Resource, Route, Table, Target,
    Visit,
};
pub use rule::{Approve, Effect, Mask, Rule, Scope};
pub use set::{PolicySet, Slice};
pub use shell::Variables;
pub use sight::Unseen;
pub use transfer::{Copier, Direction, Pattern, Root, Side, Transfer};

/// The policies that a new installation begins with.
pub const STARTER: &str = include_str!("../examples/starter.cedar");

#[cfg(test)]
mod tests;
