//! The PostgreSQL gateway: speaks the server's side of the protocol with a stock client and the client's side with the server. Every
//! statement is understood, decided and recorded before it is forwarded; what is refused is replaced by a statement that is sure to
//! fail, so that the server's own idea of the connection and of the transaction stays true. Never asks for a password, never shows one.

mod analyst;
mod cancel;
mod client;
mod codec;
mod copies_in;
mod copying;
mod decided;
mod down;
mod extended;
mod held;
mod ledger;
mod masking;
mod named;
mod notes;
mod outlet;
mod refusal;
mod relay;
mod results;
mod statements;
mod understood;
mod up;

pub use analyst::{Analysts, RUNTIME_STACK, Worker};
pub use cancel::{Cancels, Registered};
pub use client::{Client, Hello, Received};
pub use relay::{Between, Library, relay};

/// Counts a statement by its verdict.
fn count(verdict: &'static str) {
    metrics::counter!("bartizan_sql_statements_total", "verdict" => verdict).increment(1);
}
