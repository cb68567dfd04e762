//! Sends notices to one place, in order, and tries again when it fails.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::audit::canonical;
use crate::config::{self, Format, SecretSource, Sink};
use crate::secrets::Secrets;
use crate::wire::{https, webhook};

use super::{Notice, texts};

/// How often one notice is tried.
const TRIES: u32 = 5;
/// Before the second try; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long a program may take.
const PROGRAM_LIMIT: Duration = Duration::from_secs(10);

/// Why nobody can be told.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// TLS.
    #[error("notify `{0}`: {1}")]
    Https(String, https::HttpsError),
}

enum Way {
    Webhook { client: reqwest::Client, url: String, format: Format, secret: Option<SecretSource> },
    Command(Vec<String>),
}

/// Sends what comes for one place.
pub struct Sender {
    name: String,
    server: String,
    way: Way,
    secrets: Arc<Secrets>,
    inbox: mpsc::Receiver<Arc<Notice>>,
}

impl Sender {
    pub(super) fn new(
        place: &config::Notify,
        server: &str,
        secrets: &Arc<Secrets>,
        inbox: mpsc::Receiver<Arc<Notice>>,
    ) -> Result<Self, SetupError> {
        let name = place.name.clone();
        let way = match &place.sink {
            Sink::Command(words) => Way::Command(words.clone()),
            Sink::Webhook { url, format, secret, ca } => {
                let client = https::client(ca.as_deref(), url.starts_with("http://"));
                let client = client.map_err(|error| SetupError::Https(name.clone(), error))?;
                Way::Webhook { client, url: url.clone(), format: *format, secret: secret.clone() }
            }
        };
        Ok(Self { name, server: server.to_owned(), way, secrets: Arc::clone(secrets), inbox })
    }

    /// Sends until nothing can come any more.
    pub async fn run(mut self) {
        while let Some(notice) = self.inbox.recv().await {
            self.deliver(&notice).await;
        }
    }

    async fn deliver(&self, notice: &Notice) {
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=TRIES {
            match self.send(notice).await {
                Ok(()) => return count(&self.name, "sent"),
                Err(why) if attempt == TRIES => {
                    count(&self.name, "failed");
                    tracing::error!(alert = true, notify = self.name, approval = %notice.approval.asked.id, why, "nobody could be told");
                }
                Err(why) => {
                    tracing::warn!(notify = self.name, attempt, why, "a notice is tried again");
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2);
                }
            }
        }
    }

    /// What is sent is often shown as it is: nothing in it acts on a terminal.
    async fn send(&self, notice: &Notice) -> Result<(), String> {
        match &self.way {
            Way::Webhook { client, url, format, secret } => {
                let body = match format {
                    Format::Json => texts::event(notice, &self.server),
                    Format::Slack => texts::slack(notice, &self.server),
                };
                let secret = match secret {
                    Some(source) => Some(self.secrets.get(source).await.map_err(|error| error.to_string())?),
                    None => None,
                };
                let id = format!("{}.{}", notice.approval.asked.id, notice.kind);
                webhook::post(client, url, (&id, notice.at), canonical(&body), secret.as_ref()).await
            }
            Way::Command(words) => run(words, &canonical(&texts::event(notice, &self.server))).await,
        }
    }
}

pub(super) fn count(name: &str, outcome: &'static str) {
    metrics::counter!("bartizan_notices_total", "notify" => name.to_owned(), "outcome" => outcome).increment(1);
}

async fn run(words: &[String], input: &str) -> Result<(), String> {
    let (program, arguments) = words.split_first().ok_or("no program")?;
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
    let work = async {
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read has said so by its status.
            drop(stdin.write_all(input.as_bytes()).await);
        }
        child.wait().await.map_err(|error| format!("{program}: {error}"))
    };
    match tokio::time::timeout(PROGRAM_LIMIT, work).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("{program} ended with {status}")),
        Ok(Err(why)) => Err(why),
        Err(_) => Err(format!("{program} took longer than {} s", PROGRAM_LIMIT.as_secs())),
    }
}
