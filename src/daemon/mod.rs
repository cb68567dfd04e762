//! Builds every room, owns tasks and time. The only place that spawns tasks or reads the clock.

mod clock;
mod controller;
mod databases;
mod depot;
mod desk;
mod http;
mod indexing;
mod lines;
mod listen;
mod live;
mod logs;
mod metrics;
mod moderated;
mod names;
mod publishing;
mod rails;
mod recover;
mod reload;
mod retention;
mod rooms;
mod serve;
mod socket;
mod stage;
mod streams;
mod tunnel;
mod walk;
mod web;
mod witness;

pub use clock::SystemClock;
pub use logs::set_up_logs;
pub use serve::{ServeError, runtime, serve};
pub use socket::{account, control_socket};
pub use tunnel::{Heard, TunnelError, run_tunnel};
pub use witness::serve_witness;
