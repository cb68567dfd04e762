//! How much of a script is looked at. Whatever is beyond is refused before it costs anything.

/// Bounds on one script. The defaults are what the gateway uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest text, in bytes.
    pub bytes: usize,
    /// Most statements in one text.
    pub statements: usize,
    /// Deepest nesting of comments; the lexer's time grows with the square of it.
    pub comments: usize,
    /// Longest run of operator characters; PostgreSQL itself cuts names at 63 bytes.
    pub operator: usize,
    /// Deepest nesting of expressions and queries.
    pub depth: usize,
    /// Most steps of the analysis, so that queries that repeat each other cannot grow without end.
    pub steps: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 16 << 20, statements: 10_000, comments: 64, operator: 63, depth: 2_000, steps: 4_000_000 }
    }
}

/// The stack that a thread needs to call [`crate::sql::analyse`], in bytes. The C parser keeps itself to 2 MiB; what it hands over may
/// be nested ten thousand deep, and is decoded, walked and dropped by recursion. The memory is only used by such texts.
pub const STACK: usize = 256 << 20;
