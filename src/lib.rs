//! Bartizan, in walking order: a visitor's bytes pass these rooms from top to bottom. `src/README.md` is the map.

pub mod model;

pub mod config;

pub mod store;

pub mod audit;

pub mod wire;

pub mod frontdoor;

pub mod identity;

pub mod cli;
