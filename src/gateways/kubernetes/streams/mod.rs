//! `exec` and `attach`: several streams share one connection, framed by WebSocket or SPDY. What passes is read, recorded as a terminal
//! is, and handed on byte for byte. What is not understood, or cannot be recorded, is not handed on, and ends the connection. It decides
//! nothing: what is run was decided before.

mod channels;
mod codec;
mod offer;
mod peek;
mod pumps;
mod relay;
mod said;
mod spdy;
#[cfg(test)]
mod tests;
mod told;
mod websocket;

pub(super) use offer::Offer;
pub use peek::terminal;
pub(super) use relay::relay;
