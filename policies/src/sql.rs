//! PostgreSQL statements understood before they run: what they would read and change, which columns their rows come from, and how
//! they change what later statements mean. Pure: no socket, no file, no clock. What is not understood whole is refused.
//!
//! Two steps, so that the first can be kept (it depends on no policy) and the second is always today's:
//!
//! 1. [`analyse`] reads a script with PostgreSQL's own grammar, resolves every name against a [`Catalog`] and the session's
//!    [`State`], and gives a [`Script`]: for each [`Statement`] its [`Operation`]s, its predicted [`Output`] columns, its [`Effect`]s
//!    and its [`Hazard`]s (places where a value is used otherwise than by being handed on, harmless unless it is masked).
//! 2. [`Judge::judge`] asks policy about every operation, learns from the same answers which columns are masked, refuses what is
//!    hazardous for those, and says which output positions are to be masked and how. [`mask::masked`] masks one value.
//!
//! Beside them, [`Reach`] tells from the scopes of policies what the role needs that statements run as.
//!
//! Parsing and analysing recurse: call [`analyse`] on a thread with a stack of [`STACK`] bytes. Columns are handled by
//! [`ColumnId`], the numbers that RowDescription carries, so that the gateway can hold the prediction against what the server says
//! ([`Output::admits`]).

mod analyse;
mod cache;
mod catalog;
mod judge;
mod limits;
pub mod mask;
mod outline;
mod parse;
mod plan;
mod reach;
mod refused;
mod scan;
mod script;
mod state;

pub use analyse::analyse;
pub use cache::Cache;
pub use catalog::{Cast, Catalog, Column, ColumnId, Operator, Relation, RelationKind, Routine, Rows, Type};
pub use judge::{Judge, Judged, Judgement};
pub use limits::{Limits, STACK};
pub use outline::{Outline, Touched, outlines};
pub use plan::{Meaning, estimate, explains};
pub use reach::{MaskedColumn, Needs, Reach, TableNeeds};
pub use refused::Refused;
pub use script::{
    Answer, Concern, CopyForm, CopyFormat, Effect, Hazard, Likeness, Name, On, Operation, Origin, Output, Script, Statement, Use,
};
pub use state::{State, schemas};

#[cfg(test)]
mod tests;
