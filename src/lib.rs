//! Bartizan, in walking order: a visitor's bytes pass these rooms from top to bottom. `src/README.md` is the map.

pub mod model;

pub mod config;

pub mod store;

pub mod audit;

pub mod wire;

pub mod secrets;

pub mod depot;

pub mod ledger;

pub mod exporters;

pub mod screen;

pub mod frontdoor;

pub mod identity;

pub mod targets;

pub mod approvals;

pub mod enforce;

pub mod privilege;

pub mod record;

pub mod upstream;

pub mod gateways;

pub mod control;

pub mod witness;

pub mod tunnel;

pub mod daemon;

pub mod cli;
