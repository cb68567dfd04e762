//! Bartizan's policies crate.
