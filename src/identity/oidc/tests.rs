//! OpenID Connect against a small issuer of our own, whose keys, answers and faults the tests choose.

mod cache;
mod claims;
mod code;
mod device;
mod fake;
mod tokens;
