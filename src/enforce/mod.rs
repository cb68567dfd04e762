//! Policy at work: turns what is asked into questions, asks the policies in force, writes each verdict to the audit log, has
//! people asked about what is held, and only then gives a [`Permit`]. Never forwards, never records a session's bytes.

mod call;
mod calls;
mod decider;
mod enforcer;
mod http;
mod judge;
mod kubernetes;
mod moderation;
mod operators;
mod outlines;
mod permit;
mod policies;
mod publishing;
mod questions;
mod repeats;
mod sql;
mod verdicts;

pub use call::Call;
pub use calls::{End, Outcome};
pub use decider::{Allowed, Decider};
pub use enforcer::{Enforcer, Evidence, IssueGrant};
pub use http::Fields;
pub use moderation::{Moderation, Presence};
pub use permit::{FILE_ACTIONS, Mode, Permit, SQL_ACTIONS, SQL_COLUMN_ACTIONS};
pub use policies::{PoliciesInForce, known, load_dir};
pub use publishing::MayPublish;
pub use questions::{Question, as_principal, as_target};
pub use sql::{Planner, Ruling, SqlCase, Unruled};
