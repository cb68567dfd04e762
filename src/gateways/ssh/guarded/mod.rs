//! The guarded shell: the bastion's own prompt for those who may run commands but have no ordinary shell. Each line is decided as
//! an exec is, recorded, and then run in one shell that lasts on the target; while a program runs, its keys and its screen pass
//! through.
//!
//! `guard` tells the story. `keys`, `text`, `history`, `screen` and `editor` make the prompt, `desk` knows what can be typed at
//! it; `far` and `sync` are the language spoken with the target. All of those are without IO. `start` begins the shell on the
//! target, `prompt`, `lines` and `running` carry it, and `show` records all that is seen before it is sent.
//!
//! There is no job control: programs stay in one process group without a shell above it that could continue them, so the kernel
//! does not let Ctrl-Z stop them, and nothing is ever left behind suspended.

mod desk;
mod editor;
mod far;
mod guard;
mod history;
mod keys;
mod lines;
mod prompt;
mod running;
mod screen;
mod show;
mod start;
mod sync;
mod text;

pub use guard::{Between, guard};
pub use start::Far;
