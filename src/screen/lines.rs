//! Lines of a stream, none longer than is good.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader, Take};

/// A list of ten thousand entries has several megabytes.
const LONGEST: u64 = 64 << 20;

/// Reads lines.
pub(super) struct Lines<R> {
    reader: BufReader<Take<R>>,
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// The lines of `reader`.
    pub(super) fn new(reader: R) -> Self {
        Self { reader: BufReader::new(reader.take(LONGEST)), line: Vec::new() }
    }

    /// The next line without its end; none at the end. What was begun is not lost when this is dropped and called again.
    ///
    /// # Errors
    /// What the stream says; one that is not text or too long is an error too.
    pub(super) async fn next(&mut self) -> io::Result<Option<String>> {
        self.reader.read_until(b'\n', &mut self.line).await?;
        if self.line.is_empty() {
            return Ok(None);
        }
        if !self.line.ends_with(b"\n") {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is cut off"));
        }
        self.line.pop();
        self.reader.get_mut().set_limit(LONGEST);
        let line = std::mem::take(&mut self.line);
        String::from_utf8(line).map(Some).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a line is no text"))
    }
}
