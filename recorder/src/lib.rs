//! Bartizan's recorder crate.
