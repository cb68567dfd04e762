//! Copying programs: scp in its original protocol, file by file, and rsync, whose files go by unseen, tree by tree. `plan` asks the
//! target where the paths lead and writes the command line anew; `codec`, `places` and `flow` are the scp protocol; `relay` carries it.

mod codec;
mod flow;
mod judge;
mod places;
mod plan;
mod relay;

pub use plan::{Plan, prepare};
pub use relay::relay;
