//! End-to-end tests: the real `bartizan` binary between real clients and a real `sshd`, with people and services of a real
//! OpenID provider. Each test starts its own bastion in its own folder and stops everything that it started.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what is wrong by panicking; these lints guard the bastion"
)]

mod harness;

mod approvals;
mod authorities;
mod bench;
mod by_name;
mod clients;
mod commands;
mod control;
mod copies;
mod depot;
mod disks;
mod encrypted;
mod evidence;
mod exporting;
mod exports;
mod faults;
mod files;
mod guard_rails;
mod guarded;
mod hostile;
mod hostile_target;
mod http;
mod kubernetes;
mod least_privilege;
mod ledger;
mod limits;
mod locks;
mod login;
mod moderated;
mod policy;
mod policy_tools;
mod postgres;
mod pressure;
mod recordings_far_away;
mod replays;
mod retention;
mod reverse;
mod secrets;
mod sftp;
mod tui;
mod tunnels;
mod typed;
mod upstream;
mod watching;
mod way_in;
