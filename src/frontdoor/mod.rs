//! The front door: a russh server that bounds what a visitor may cost, learns who they are and what they ask, and hands an
//! [`Ask`] on. It holds every sentence a visitor can read; it opens nothing and decides nothing but what is refused by name.

mod ask;
mod door;
mod entrance;
mod gate;
mod guard;
mod hall;
mod publish;
mod reception;
mod refused;
pub mod sentences;
mod settings;
mod voice;

pub use ask::{Arrival, Ask, Destination, Environment, Forwarded, REASON_VARIABLE, Terminal, Visitor, Way};
pub use door::{Door, DoorError};
pub use gate::{Gate, HalfOpen};
pub use guard::{Guard, Guarded};
pub use hall::{BoxFuture, CodePrompt, DevicePrompt, Hall, Outcome};
pub use publish::{Held, Line, Publish};
pub use reception::{Missing, Notices, Requests, receive};
pub use refused::{Cause, Refusal};
pub use settings::{DoorKeys, inner_settings, outer_settings};
pub use voice::{Leaving, Patience, Voice};

#[cfg(test)]
mod tests;
