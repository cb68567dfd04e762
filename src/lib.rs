//! Bartizan, in walking order: a visitor's bytes pass these rooms from top to bottom. `src/README.md` is the map.

pub mod model;

pub mod config;

pub mod identity;

pub mod cli;
