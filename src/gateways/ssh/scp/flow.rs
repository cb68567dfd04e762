//! One copying by the scp protocol, from its source to its sink: every record is read, decided and written anew, in step with both
//! sides. A file that is refused is answered as an unreadable one would be, and the copying goes on with the next. It knows streams,
//! not channels; what is decided is `Judge`'s.

use bartizan_policies::{Action, Direction};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::codec::{LONGEST_LINE, Malformed, Record, Reply};
use super::places::Places;
use crate::record::TapeError;

/// How deep folders may lie in each other.
const DEEPEST: usize = 128;

/// Why a copying ends before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum FlowError {
    /// One side does not keep to the protocol.
    #[error("{0}: {1}")]
    Malformed(&'static str, Malformed),
    /// One side does something that was not asked for.
    #[error("{0}")]
    Unasked(&'static str),
    /// One side is gone in the middle.
    #[error("the connection was lost")]
    Gone(#[from] std::io::Error),
    /// It cannot be recorded.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// The target cannot be asked any more.
    #[error("{0}")]
    Target(String),
}

/// Where it leads, and what is kept while it goes on; or why it may not.
pub(super) type Verdict<A> = Result<(Option<String>, A), String>;

/// Decides and notes what comes.
pub(super) trait Judge {
    /// What is kept while a file passes.
    type Allowed: Send;

    /// Where `path` really leads and whether `action` is allowed there; a sentence if not. Without a path none is known.
    fn decide(&mut self, action: Action, path: Option<String>) -> impl Future<Output = Result<Verdict<Self::Allowed>, FlowError>> + Send;

    /// A file has passed.
    fn passed(&mut self, action: Action, file: Passed<'_>) -> impl Future<Output = Result<(), FlowError>> + Send;
}

/// What went by of one file.
pub(super) struct Passed<'a> {
    /// Where it lies at the target.
    pub(super) path: Option<&'a str>,
    /// Its name.
    pub(super) name: &'a str,
    /// Bytes.
    pub(super) bytes: u64,
    /// Hex SHA-256 of them.
    pub(super) sha256: String,
}

/// The two sides.
pub(super) struct Sides<A, B, C, D> {
    pub(super) from_source: A,
    pub(super) to_source: B,
    pub(super) from_sink: C,
    pub(super) to_sink: D,
}

/// A copying under way.
pub(super) struct Flow<A, B, C, D, J: Judge> {
    pub(super) sides: Sides<A, B, C, D>,
    pub(super) judge: J,
    pub(super) direction: Direction,
    pub(super) recursive: bool,
    pub(super) places: Places,
    /// The folders we are in, with what is kept for each.
    pub(super) open: Vec<(Option<String>, J::Allowed)>,
    pub(super) times: Option<Record>,
}

impl<A, B, C, D, J> Flow<A, B, C, D, J>
where
    A: AsyncBufRead + Unpin + Send,
    B: AsyncWrite + Unpin + Send,
    C: AsyncBufRead + Unpin + Send,
    D: AsyncWrite + Unpin + Send,
    J: Judge + Send,
{
    /// Copies until the source is done.
    pub(super) async fn run(&mut self) -> Result<(), FlowError> {
        if self.pass_reply().await? == Go::Over {
            return Ok(());
        }
        let source = self.source();
        while let Some(line) = line(&mut self.sides.from_source, source).await? {
            let record = Record::read(&line).map_err(|error| FlowError::Malformed(source, error))?;
            if self.record(record).await? == Go::Over {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn record(&mut self, record: Record) -> Result<Go, FlowError> {
        match record {
            Record::Warning(_) => self.tell_sink(&record.written()).await.map(|()| Go::On),
            Record::Fatal(_) => self.tell_sink(&record.written()).await.map(|()| Go::Over),
            Record::Times(_) => {
                // Kept until it is known whether its file may pass.
                self.times = Some(record);
                self.answer(&Reply::Done).await.map(|()| Go::On)
            }
            Record::End => {
                self.open.pop().ok_or(FlowError::Malformed(self.source(), Malformed::Record))?;
                self.tell_sink(&record.written()).await?;
                self.pass_reply().await
            }
            Record::Folder { mode, name } => self.folder(mode, &name).await,
            Record::File { mode, size, name } => self.file(mode, size, &name).await,
        }
    }

    async fn folder(&mut self, mode: u32, name: &str) -> Result<Go, FlowError> {
        if !self.recursive {
            return Err(FlowError::Unasked("a folder was sent that nobody asked for"));
        }
        if self.open.len() >= DEEPEST {
            return Err(FlowError::Unasked("folders lie too deep in each other"));
        }
        let action = if self.up() { Action::SftpWrite } else { Action::SftpList };
        let Some((shown, path, allowed)) = self.decided(action, name).await? else { return Ok(Go::On) };
        if !self.send_times().await? {
            return Ok(Go::On);
        }
        self.tell_sink(&Record::Folder { mode, name: shown }.written()).await?;
        let reply = self.reply().await?;
        self.answer(&reply).await?;
        if reply == Reply::Done {
            self.open.push((path, allowed));
        }
        Ok(go(&reply))
    }

    async fn file(&mut self, mode: u32, size: u64, name: &str) -> Result<Go, FlowError> {
        let action = if self.up() { Action::SftpWrite } else { Action::SftpRead };
        let Some((shown, path, allowed)) = self.decided(action, name).await? else { return Ok(Go::On) };
        if !self.send_times().await? {
            return Ok(Go::On);
        }
        self.tell_sink(&Record::File { mode, size, name: shown }.written()).await?;
        let reply = self.reply().await?;
        self.answer(&reply).await?;
        if reply != Reply::Done {
            return Ok(go(&reply));
        }
        let (bytes, sha256) = self.content(size).await?;
        let source = self.source();
        let end = reply_of(&mut self.sides.from_source, source).await?;
        self.tell_sink(&end.written()).await?;
        self.judge.passed(action, Passed { path: path.as_deref(), name, bytes, sha256 }).await?;
        drop(allowed);
        self.pass_reply().await
    }

    /// Decides about `name` in the folder we are in; gives the name for the sink, the path and what is to be kept. When it is
    /// refused, both sides have been told.
    async fn decided(&mut self, action: Action, name: &str) -> Result<Option<(String, Option<String>, J::Allowed)>, FlowError> {
        let place = match self.open.last() {
            Some((folder, _)) => Places::inside(folder.as_deref(), name),
            None => self.places.top(name).ok_or(FlowError::Unasked("the target sent a file that nobody asked for"))?,
        };
        match self.judge.decide(action, place.path).await? {
            Ok((path, allowed)) => Ok(Some((place.shown, path, allowed))),
            Err(sentence) => {
                self.times = None;
                let warning = Reply::Warning(format!("bartizan: {}: {}", place.shown, sentence.replace('\n', " ")));
                self.answer(&warning).await?;
                if !self.up() {
                    self.tell_sink(&warning.written()).await?;
                }
                Ok(None)
            }
        }
    }

    /// Sends the times that were kept; false when the sink does not take them, which the source is told.
    async fn send_times(&mut self) -> Result<bool, FlowError> {
        let Some(times) = self.times.take() else { return Ok(true) };
        self.tell_sink(&times.written()).await?;
        let reply = self.reply().await?;
        if reply == Reply::Done {
            return Ok(true);
        }
        self.answer(&reply).await?;
        Ok(false)
    }

    /// Exactly `size` bytes.
    async fn content(&mut self, size: u64) -> Result<(u64, String), FlowError> {
        let (mut left, mut hasher) = (size, Sha256::new());
        while left > 0 {
            let chunk = self.sides.from_source.fill_buf().await?;
            if chunk.is_empty() {
                return Err(lost());
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            let part = chunk.get(..most).unwrap_or_default();
            hasher.update(part);
            self.sides.to_sink.write_all(part).await?;
            self.sides.from_source.consume(most);
            left -= most as u64;
        }
        self.sides.to_sink.flush().await?;
        Ok((size, hex::encode(hasher.finalize())))
    }

    async fn tell_sink(&mut self, bytes: &[u8]) -> Result<(), FlowError> {
        self.sides.to_sink.write_all(bytes).await?;
        Ok(self.sides.to_sink.flush().await?)
    }

    async fn answer(&mut self, reply: &Reply) -> Result<(), FlowError> {
        self.sides.to_source.write_all(&reply.written()).await?;
        Ok(self.sides.to_source.flush().await?)
    }

    async fn reply(&mut self) -> Result<Reply, FlowError> {
        let sink = self.sink();
        reply_of(&mut self.sides.from_sink, sink).await
    }

    async fn pass_reply(&mut self) -> Result<Go, FlowError> {
        let reply = self.reply().await?;
        self.answer(&reply).await?;
        Ok(go(&reply))
    }

    fn up(&self) -> bool {
        self.direction == Direction::ToTarget
    }

    fn source(&self) -> &'static str {
        if self.up() { "the client" } else { "the target" }
    }

    fn sink(&self) -> &'static str {
        if self.up() { "the target" } else { "the client" }
    }
}

/// Whether it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Go {
    On,
    Over,
}

fn go(reply: &Reply) -> Go {
    if matches!(reply, Reply::Fatal(_)) { Go::Over } else { Go::On }
}

fn lost() -> FlowError {
    FlowError::Gone(std::io::ErrorKind::UnexpectedEof.into())
}

/// The next line without its end; `None` where the stream ends.
async fn line(from: &mut (impl AsyncBufRead + Unpin), who: &'static str) -> Result<Option<Vec<u8>>, FlowError> {
    let mut line = Vec::new();
    let most = LONGEST_LINE as u64 + 1;
    from.take(most).read_until(b'\n', &mut line).await?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() >= LONGEST_LINE => Err(FlowError::Malformed(who, Malformed::Record)),
        Some(_) => Err(lost()),
    }
}

async fn reply_of(from: &mut (impl AsyncBufRead + Unpin), who: &'static str) -> Result<Reply, FlowError> {
    match from.fill_buf().await?.first() {
        None => Err(lost()),
        Some(0) => {
            from.consume(1);
            Ok(Reply::Done)
        }
        Some(_) => {
            let line = line(from, who).await?.unwrap_or_default();
            Reply::read(&line).map_err(|error| FlowError::Malformed(who, error))
        }
    }
}

#[cfg(test)]
mod tests;
