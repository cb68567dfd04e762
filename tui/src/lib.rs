//! Bartizan's tui crate.
