//! The words that every room speaks: ids, validated names, principals and closed enums. Imports nothing of ours.

mod authority;
mod clock;
pub mod code_login;
mod id;
mod name;
mod principal;
mod printable;
mod rail;
mod secret;
mod wish;

pub use authority::AuthorityKind;
pub use clock::{Clock, FixedClock};
pub use id::{ApprovalId, SessionId};
pub use name::{GroupName, IssuerName, Login, NameError, PrincipalId, TargetName};
pub use principal::{Principal, PrincipalKind};
pub use printable::Printable;
pub use rail::RailAction;
pub use secret::Secret;
pub use wish::{TargetKind, Wish};

#[cfg(test)]
mod tests;
