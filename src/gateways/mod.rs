//! One gateway per protocol: what operation is this, is it allowed, is it written, forward it.

pub mod http;
pub mod kubernetes;
pub mod postgres;
pub mod ssh;
