//! Data that is copied in: it is passed through once the server takes it, and nothing else is.

use tokio::io::AsyncWrite;

use super::codec;
use super::down::Over;
use super::ledger::{Awaited, Entry};
use super::up::{Passing, Up, copies};

impl<W: AsyncWrite + Unpin> Up<'_, W> {
    /// Waits until the server has said whether it takes data.
    pub(super) async fn wait_for_copy(&mut self) -> Result<(), Over> {
        self.awaits_copy = false;
        self.flush_through().await?;
        let decided = |entry: &Entry| !matches!(&entry.awaited, Awaited::Query(run) | Awaited::Execute(run) if copies(run));
        self.ledger.until(|book| book.copies_in || book.awaited.iter().all(decided)).await;
        Ok(())
    }

    pub(super) async fn copying(&mut self, kind: u8, bytes: &[u8]) -> Result<bool, Over> {
        match kind {
            b'd' => {
                self.passing = Passing::Forwarded;
                self.ledger.lock().takes(codec::length(bytes));
                self.put(bytes).await?;
            }
            b'c' | b'f' => {
                self.ledger.lock().copies_in = false;
                self.put(bytes).await?;
                // Several statements of one text may each copy.
                self.awaits_copy = self.ledger.lock().awaited.iter().any(|entry| matches!(&entry.awaited, Awaited::Query(_)));
                if self.awaits_copy {
                    self.after_copy().await?;
                }
            }
            // The server ignores both while it takes data.
            b'H' | b'S' => {}
            b'X' => {
                self.put(bytes).await?;
                return Ok(false);
            }
            _ => return Err(Over::Client("something else than data came while data was copied in".to_owned())),
        }
        Ok(true)
    }

    /// After the end of data: the next that comes may be the data of the next statement, once the server takes it.
    pub(super) async fn after_copy(&mut self) -> Result<(), Over> {
        self.awaits_copy = false;
        self.flush().await?;
        self.ledger.until(|book| book.copies_in || !book.awaited.iter().any(|entry| matches!(entry.awaited, Awaited::Query(_)))).await;
        Ok(())
    }
}
