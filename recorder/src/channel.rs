//! A channel file to read from, wherever its bytes lie: a file, memory, or something that fetches ranges. Never writes.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::frames::ReadAt;

/// Bytes of a channel file. Cheap to clone.
#[derive(Clone)]
pub struct Channel(Arc<dyn ReadAt + Send + Sync>);

impl Channel {
    /// Reads from `source`, which is asked for at most 1 MiB and a little at a time.
    pub fn new(source: impl ReadAt + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }
}

impl ReadAt for Channel {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel")
    }
}
