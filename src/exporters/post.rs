//! POSTs several entries at once as JSON, signed, as notifications of approvals are.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::audit::{Line, canonical};
use crate::config::SecretSource;
use crate::secrets::Secrets;
use crate::wire::{https, webhook};

pub(super) struct Webhook {
    url: String,
    secret: Option<SecretSource>,
    server: String,
    secrets: Arc<Secrets>,
    client: Client,
}

/// A client that is made when it is needed first, and again until it can be.
pub(super) struct Client {
    ca: Option<PathBuf>,
    loopback: bool,
    made: Option<reqwest::Client>,
}

impl Client {
    pub(super) fn to(url: &str, ca: Option<PathBuf>) -> Self {
        Self { ca, loopback: url.starts_with("http://"), made: None }
    }

    pub(super) async fn get(&mut self) -> Result<reqwest::Client, String> {
        if let Some(made) = &self.made {
            return Ok(made.clone());
        }
        let (ca, loopback) = (self.ca.clone(), self.loopback);
        let made = tokio::task::spawn_blocking(move || https::client(ca.as_deref(), loopback)).await;
        let made = made.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok(self.made.insert(made).clone())
    }
}

impl Webhook {
    pub(super) fn new(url: String, secret: Option<SecretSource>, ca: Option<PathBuf>, server: String, secrets: Arc<Secrets>) -> Self {
        let client = Client::to(&url, ca);
        Self { url, secret, server, secrets, client }
    }

    pub(super) async fn send(&mut self, lines: &[Line]) -> Result<(), String> {
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Ok(()) };
        let secret = match &self.secret {
            Some(source) => Some(self.secrets.get(source).await.map_err(|error| error.to_string())?),
            None => None,
        };
        let at = last.wall_us().and_then(|us| Timestamp::from_microsecond(us).ok()).unwrap_or_default();
        let entries: Vec<&Value> = lines.iter().map(|line| &line.fields).collect();
        let body = json!({ "type": "audit.entries", "timestamp": at, "data": { "server": self.server, "entries": entries } });
        let id = format!("audit.{}.{}-{}", self.server, first.seq, last.seq);
        let client = self.client.get().await?;
        webhook::post(&client, &self.url, (&id, at), canonical(&body), secret.as_ref()).await
    }
}
