//! Reads an answer of which fields may be hidden: unpacks it, hides them, and hands on what is left, holding a few kilobytes at a time
//! whatever the answer's size.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use bartizan_policies::Mask;
use bartizan_policies::http::Masker;
use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use tokio::io::{AsyncBufRead, AsyncRead, BufReader, ReadBuf};
use tokio_util::io::StreamReader;

use crate::enforce::Fields;

use super::body::Meter;

/// How much is read at once.
const PIECE: usize = 16 << 10;

/// How many hidden places the recording names.
const NAMED: usize = 100;

type Judge = Box<dyn FnMut(&str) -> Option<Mask> + Send>;

/// An answer without what is hidden in it.
pub(super) struct Masked {
    packed: Box<dyn AsyncRead + Send + Unpin>,
    masker: Masker<Judge>,
    piece: Vec<u8>,
    is_over: bool,
}

/// How an answer's fields can be read, from its headers; or why they cannot.
pub(super) struct Readable {
    encodings: Vec<Encoding>,
    many: bool,
}

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// What a body is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// One JSON text.
    Json,
    /// One after another.
    Many,
}

impl Media {
    /// What the headers say; or what it is not.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, &'static str> {
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let media = types.next().and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
        let mut parts = media.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let is_many = ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines"].contains(&name);
        let is_json = name == "application/json" || name == "text/json" || (name.starts_with("application/") && name.ends_with("+json"));
        if types.next().is_some() || !(is_json || is_many) {
            return Err("it is not JSON");
        }
        let mut charsets = parts.filter_map(|part| part.strip_prefix("charset=")).map(|name| name.trim_matches('"'));
        if charsets.any(|name| !["utf-8", "utf8", "us-ascii"].contains(&name)) {
            return Err("it is not in UTF-8");
        }
        Ok(if is_many { Self::Many } else { Self::Json })
    }
}

impl Readable {
    /// What the headers say. It is `many` texts where that is known otherwise.
    pub(super) fn of(headers: &HeaderMap, many: bool) -> Result<Self, String> {
        let media = Media::of(headers).map_err(|why| format!("its fields may be masked for you, and {why}, so that it cannot be shown"))?;
        let mut encodings = Vec::new();
        for value in headers.get_all(CONTENT_ENCODING) {
            for name in value.to_str().unwrap_or("?").split(',').map(|name| name.trim().to_ascii_lowercase()) {
                encodings.push(match name.as_str() {
                    "identity" => continue,
                    "gzip" | "x-gzip" => Encoding::Gzip,
                    "deflate" => Encoding::Deflate,
                    "br" => Encoding::Brotli,
                    "zstd" => Encoding::Zstd,
                    _ => return Err("its fields may be masked for you, and its encoding is not known, so that it cannot be shown".to_owned()),
                });
            }
        }
        // Each layer is a decoder with its own window.
        if encodings.len() > 2 {
            return Err("its fields may be masked for you, and it is packed too often, so that it cannot be shown".to_owned());
        }
        Ok(Self { encodings, many: many || media == Media::Many })
    }
}

impl Masked {
    pub(super) fn new(body: Incoming, readable: Readable, fields: Fields, key: &[u8], meter: Arc<Meter>) -> Self {
        let counted = Arc::clone(&meter);
        let stream = body.into_data_stream().inspect_ok(move |bytes| counted.add(bytes.len())).map_err(io::Error::other);
        let mut packed: Box<dyn AsyncBufRead + Send + Unpin> = Box::new(StreamReader::new(stream));
        // What was applied last is taken off first (RFC 9110, section 8.4).
        for encoding in readable.encodings.iter().rev() {
            let plain: Box<dyn AsyncRead + Send + Unpin> = match encoding {
                Encoding::Gzip => {
                    let mut decoder = GzipDecoder::new(packed);
                    decoder.multiple_members(true);
                    Box::new(decoder)
                }
                Encoding::Deflate => Box::new(ZlibDecoder::new(packed)),
                Encoding::Brotli => Box::new(BrotliDecoder::new(packed)),
                Encoding::Zstd => {
                    let mut decoder = ZstdDecoder::new(packed);
                    decoder.multiple_members(true);
                    Box::new(decoder)
                }
            };
            packed = Box::new(BufReader::with_capacity(PIECE, plain));
        }
        let judge: Judge = Box::new(move |place| {
            let mask = fields.mask(place);
            if mask.is_some() {
                meter.hid(place, NAMED);
            }
            mask
        });
        let masker = Masker::new(judge, key.to_vec(), readable.many);
        Self { packed: Box::new(packed), masker, piece: vec![0; PIECE], is_over: false }
    }

    /// The next of what is shown; `None` at its end.
    pub(super) fn poll_shown(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut shown = Vec::new();
        while !self.is_over && shown.is_empty() {
            let mut buffer = ReadBuf::new(&mut self.piece);
            if let Err(error) = ready!(Pin::new(&mut self.packed).poll_read(cx, &mut buffer)) {
                self.is_over = true;
                return Poll::Ready(Some(Err(error)));
            }
            shown.reserve(buffer.filled().len());
            let done = if buffer.filled().is_empty() {
                self.is_over = true;
                self.masker.finish(&mut shown)
            } else {
                self.masker.push(buffer.filled(), &mut shown)
            };
            if let Err(unreadable) = done {
                self.is_over = true;
                return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::InvalidData, unreadable))));
            }
        }
        Poll::Ready((!shown.is_empty()).then(|| Ok(Bytes::from(shown))))
    }
}
