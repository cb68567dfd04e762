//! The body of an answer on its way to the client: counted, without what is hidden in it, and how it went recorded when it is over.
//! While it lasts, a change of policy can end the session.

use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::StatusCode;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use crate::enforce::{Allowed, Call};

use super::exchange::Shared;
use super::fields::Masked;
use super::notes::{self, Answered};
use super::origin::Sender;

/// Why a body is cut short.
pub(super) type BodyError = Box<dyn Error + Send + Sync>;

/// How much of a hidden place is named, in bytes: whoever answers chooses its names.
const LONGEST_NAMED: usize = 512;

/// Any body, of a request or an answer.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// What is counted of one answer.
#[derive(Default)]
pub(super) struct Meter {
    bytes: AtomicU64,
    hidden: Mutex<Vec<String>>,
}

impl Meter {
    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A place was hidden; at most `most` are named, and a long one by its beginning.
    pub(super) fn hid(&self, place: &str, most: usize) {
        let mut hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        if hidden.len() < most {
            let beginning = place.get(..place.floor_char_boundary(LONGEST_NAMED)).unwrap_or_default();
            let more = if beginning.len() < place.len() { "…" } else { "" };
            hidden.push(format!("{beginning}{more}"));
        }
    }
}

/// Where the bytes come from.
pub(super) enum Source {
    /// As the server sends them.
    Plain(Incoming),
    /// Without what is hidden.
    Masked(Box<Masked>),
}

/// What belongs to an answer until it is over.
pub(super) struct Kept {
    pub(super) shared: Arc<Shared>,
    pub(super) call: Called,
    pub(super) status: StatusCode,
    pub(super) allowed: Allowed,
    pub(super) sender: Sender,
}

/// What is known of a request from the time that it was let through.
#[derive(Debug, Clone)]
pub(super) struct Called {
    pub(super) number: u64,
    pub(super) begun: Instant,
    pub(super) operation: String,
    pub(super) policies: Vec<String>,
    pub(super) bytes: Option<u64>,
}

impl Called {
    /// Has the audit log told that it is over.
    pub(super) fn ended(self, shared: &Arc<Shared>, status: StatusCode, bytes_out: u64, cut: Option<String>) {
        let call = Call {
            request: self.number,
            operation: self.operation,
            policies: self.policies,
            status: status.as_u16(),
            bytes_in: self.bytes,
            bytes_out,
            duration: self.begun.elapsed(),
            cut,
        };
        if let Some(writing) = shared.decider.ended(call) {
            shared.tasks.finish(writing);
        }
    }
}

/// An answer's body.
pub(super) struct Answer {
    source: Source,
    meter: Arc<Meter>,
    kept: Option<Kept>,
}

impl Answer {
    pub(super) fn new(source: Source, meter: Arc<Meter>, kept: Kept) -> Self {
        Self { source, meter, kept: Some(kept) }
    }

    /// Writes down how it went, unless that is done already.
    fn over(&mut self, cut: Option<String>) {
        let Some(Kept { shared, call, status, allowed, sender }) = self.kept.take() else { return };
        if cut.is_none() {
            shared.pool.give_back(sender);
        }
        let masked = std::mem::take(&mut *self.meter.hidden.lock().unwrap_or_else(PoisonError::into_inner));
        let bytes = self.meter.bytes.load(Ordering::Relaxed);
        let note =
            notes::answered(&Answered { number: call.number, status, begun: call.begun, bytes, masked: &masked, cut: cut.as_deref() });
        call.ended(&shared, status, bytes, cut);
        shared.leave(note);
        drop(allowed);
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.kept.is_none() {
            return Poll::Ready(None);
        }
        let next = match &mut this.source {
            Source::Plain(body) => ready!(Pin::new(body).poll_frame(cx)).map(|frame| frame.map_err(BodyError::from)),
            Source::Masked(masked) => ready!(masked.poll_shown(cx)).map(|shown| shown.map(Frame::data).map_err(BodyError::from)),
        };
        match &next {
            Some(Ok(frame)) => {
                if let (Source::Plain(_), Some(data)) = (&this.source, frame.data_ref()) {
                    this.meter.add(data.len());
                }
            }
            Some(Err(error)) => this.over(Some(error.to_string())),
            None => this.over(None),
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.kept.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Plain(body) => body.size_hint(),
            Source::Masked(_) => SizeHint::default(),
        }
    }
}

impl Drop for Answer {
    /// The client has left, or has all that it was promised.
    fn drop(&mut self) {
        let whole = matches!(&self.source, Source::Plain(body) if body.is_end_stream());
        self.over((!whole).then(|| "the client left".to_owned()));
    }
}
