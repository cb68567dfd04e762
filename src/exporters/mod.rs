//! Carries the audit log to where it is collected. The chained log stays the truth: each exporter keeps its place in it, on disk, moves
//! it on only when what was sent has been taken, and goes on from there after whatever has happened. So every signed entry arrives at
//! least once and in order; a place that is slow or gone holds nobody up but its own exporter, which waits.

mod file;
mod otlp;
mod place;
mod post;
mod syslog;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::audit::{self, AuditError, Line, Tail};
use crate::config::{AuditExport, ExportTo};
use crate::model::Clock;
use crate::secrets::Secrets;

use place::Place;

/// How often it is looked for new entries.
const LOOK: Duration = Duration::from_millis(500);

/// Entries that are sent together at most; each has up to a megabyte.
const TOGETHER: usize = 64;

/// Before the second try; doubled each time, up to the last.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long one try may take.
const LIMIT: Duration = Duration::from_secs(30);

/// For what is left when the bastion stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// Takes some entries; when it says so, they are where they should be.
enum Sink {
    File(file::File),
    Syslog(syslog::Syslog),
    Otlp(otlp::Otlp),
    Webhook(post::Webhook),
}

impl Sink {
    async fn send(&mut self, lines: Arc<[Line]>) -> Result<(), String> {
        let sent = async {
            match self {
                Self::File(file) => file.send(lines).await,
                Self::Syslog(syslog) => syslog.send(&lines).await,
                Self::Otlp(otlp) => otlp.send(&lines).await,
                Self::Webhook(webhook) => webhook.send(&lines).await,
            }
        };
        tokio::time::timeout(LIMIT, sent).await.unwrap_or_else(|_| Err(format!("it took longer than {} s", LIMIT.as_secs())))
    }
}

/// One place's exporter.
pub struct Exporter {
    name: String,
    sink: Sink,
    folder: PathBuf,
    key: PathBuf,
    place: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Exporter {
    /// An exporter of the log below `state_dir` of the bastion called `server`.
    #[must_use]
    pub fn new(export: &AuditExport, state_dir: &Path, server: &str, secrets: &Arc<Secrets>, clock: &Arc<dyn Clock>) -> Self {
        let sink = match &export.to {
            ExportTo::File(path) => Sink::File(file::File::new(path.clone())),
            ExportTo::Syslog(settings) => Sink::Syslog(syslog::Syslog::new(settings.clone())),
            ExportTo::Otlp { url, headers, ca } => {
                Sink::Otlp(otlp::Otlp::new(url.clone(), headers.clone(), ca.clone(), server.to_owned(), Arc::clone(secrets)))
            }
            ExportTo::Webhook { url, secret, ca } => {
                Sink::Webhook(post::Webhook::new(url.clone(), secret.clone(), ca.clone(), server.to_owned(), Arc::clone(secrets)))
            }
        };
        Self {
            name: export.name.clone(),
            sink,
            folder: audit::folder(state_dir),
            key: audit::public_key_file(state_dir),
            place: place::file(state_dir, &export.name),
            clock: Arc::clone(clock),
        }
    }

    /// Exports until `stop`, and then what is left, if that is soon done.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut tail = None;
        let mut pause = PAUSE;
        loop {
            let wait = match self.round(&mut tail).await {
                Ok(true) => Duration::ZERO,
                Ok(false) => LOOK,
                Err(why) => {
                    metrics::counter!("bartizan_audit_export_failures_total", "export" => self.name.clone()).increment(1);
                    tracing::error!(alert = true, export = self.name, why, "the audit log cannot be exported now; it is tried again");
                    let next = (pause * 2).min(LONGEST_PAUSE);
                    std::mem::replace(&mut pause, next)
                }
            };
            if wait <= LOOK {
                pause = PAUSE;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => break,
            }
        }
        let rest = async { while matches!(self.round(&mut tail).await, Ok(true)) {} };
        if tokio::time::timeout(FAREWELL, rest).await.is_err() {
            tracing::warn!(export = self.name, "the end of the audit log is exported at the next start");
        }
    }

    /// Sends what there is to send, up to a limit. Whether there may be more.
    async fn round(&mut self, tail: &mut Option<Tail>) -> Result<bool, String> {
        let opened = match tail.take() {
            Some(tail) => tail,
            None => self.open().await?,
        };
        let read = tokio::task::spawn_blocking(move || {
            let mut tail = opened;
            let lines = tail.more(TOGETHER)?;
            let behind = tail.signed()?.saturating_sub(tail.seq());
            Ok::<_, AuditError>((tail, Arc::<[Line]>::from(lines), behind))
        });
        let (read, lines, behind) = read.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        self.tell(&lines, behind);
        if lines.is_empty() {
            *tail = Some(read);
            return Ok(false);
        }
        // When this fails the tail is gone, and the next one begins where the place on disk says.
        self.sink.send(Arc::clone(&lines)).await?;
        Place { seq: read.seq(), hash: read.hash() }
            .keep(&self.place)
            .await
            .map_err(|error| format!("{}: {error}", self.place.display()))?;
        metrics::counter!("bartizan_audit_exported_total", "export" => self.name.clone()).increment(lines.len() as u64);
        self.tell(&[], behind);
        *tail = Some(read);
        Ok(behind > 0)
    }

    async fn open(&self) -> Result<Tail, String> {
        let (folder, key, place) = (self.folder.clone(), self.key.clone(), self.place.clone());
        let opening = tokio::task::spawn_blocking(move || {
            let place = Place::read(&place).map_err(|error| format!("{}: {error}", place.display()))?;
            let key = audit::read_public_key(&key).map_err(|error| error.to_string())?;
            Tail::after(&folder, key, place.seq, place.hash).map_err(|error| error.to_string())
        });
        opening.await.map_err(|error| error.to_string())?
    }

    /// How far behind it is: in entries, and in seconds since the first of those was written.
    fn tell(&self, waiting: &[Line], behind: u64) {
        let entries = (waiting.len() as u64).saturating_add(behind);
        let since = waiting.first().and_then(Line::wall_us).map_or(0, |us| self.clock.now().as_microsecond().saturating_sub(us).max(0));
        metrics::gauge!("bartizan_audit_export_lag_entries", "export" => self.name.clone()).set(entries as f64);
        metrics::gauge!("bartizan_audit_export_lag_seconds", "export" => self.name.clone()).set(since as f64 / 1e6);
    }
}

#[cfg(test)]
mod tests;
