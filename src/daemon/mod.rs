//! Builds every room, owns tasks and time. The only place that spawns tasks or reads the clock.

mod clock;
mod controller;
mod databases;
mod desk;
mod listen;
mod live;
mod logs;
mod metrics;
mod names;
mod rails;
mod recover;
mod reload;
mod retention;
mod rooms;
mod serve;
mod stage;
mod walk;
mod witness;

pub use clock::SystemClock;
pub use logs::set_up_logs;
pub use serve::{ServeError, serve};
pub use witness::serve_witness;
