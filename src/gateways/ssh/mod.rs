//! The SSH gateway: carries one session between a visitor's channel and a target's, recording before forwarding.

mod begin;
pub mod guarded;
mod pumps;
mod rails;
mod relay;
pub mod scp;
pub mod sftp;

pub use begin::begin;
pub use rails::{Lookout, Rail, RailDesk, Rails, Trip};
pub use relay::{Ended, Orders, relay};

pub use pumps::Traffic;
