//! The broker of holds: an operation that policy holds waits here until enough of the right people have answered, somebody says
//! no, its time runs out, or its caller leaves. Who may answer is policy's word, not the broker's. It shows nothing and forwards
//! nothing; each answer is in the audit log before it counts.

mod broker;
mod grant;
mod notify;
mod waiting;

pub use broker::{Asking, Broker, Said};
pub use grant::{Ended, Grant};
pub use notify::{Notifier, Sender, SetupError};
pub use waiting::Waiting;

#[cfg(test)]
mod tests;
