//! Bartizan.
