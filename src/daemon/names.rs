//! Host certificates for the bastion's own names and, for `-J`, for target names: made when first asked for and kept until half
//! their life is over.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use russh::keys::PrivateKey;
use russh::server;
use tokio::sync::Mutex;

use crate::config::Config;
use crate::frontdoor::{DoorKeys, Refusal, inner_settings, outer_settings};
use crate::identity::IdentityDesk;
use crate::model::{Clock, TargetName};

/// How long a host certificate lives.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// The name book.
pub(super) struct Names {
    host: PrivateKey,
    identity: Arc<IdentityDesk>,
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    kept: Mutex<HashMap<Option<TargetName>, Kept>>,
}

struct Kept {
    settings: Arc<server::Config>,
    renew_at: Timestamp,
    authority: String,
}

impl Names {
    pub(super) fn new(host: PrivateKey, identity: Arc<IdentityDesk>, config: Arc<Config>, clock: Arc<dyn Clock>) -> Self {
        Self { host, identity, config, clock, kept: Mutex::default() }
    }

    /// The settings of the server that visitors connect to.
    pub(super) async fn outer(&self) -> Result<Arc<server::Config>, Refusal> {
        self.settings(None).await
    }

    /// The settings of the server that stands for `target` inside a `-J` stream.
    pub(super) async fn inner(&self, target: &TargetName) -> Result<Arc<server::Config>, Refusal> {
        self.settings(Some(target.clone())).await
    }

    async fn settings(&self, name: Option<TargetName>) -> Result<Arc<server::Config>, Refusal> {
        let now = self.clock.now();
        let authority = self.identity.host_authority();
        let mut kept = self.kept.lock().await;
        if let Some(found) = kept.get(&name).filter(|k| now < k.renew_at && k.authority == authority) {
            return Ok(Arc::clone(&found.settings));
        }
        let names = match &name {
            None => self.own_names(),
            Some(target) => vec![target.to_string()],
        };
        let certificate = self.identity.issue_host(&names, self.host.public_key(), LIFE).await?;
        let keys = DoorKeys { host: self.host.clone(), certificate };
        let settings = if name.is_none() { outer_settings(keys, &self.config.limits) } else { inner_settings(keys, &self.config.limits) };
        let half = SignedDuration::try_from(LIFE / 2).unwrap_or_default();
        let renew_at = now.saturating_add(half).unwrap_or(now);
        kept.insert(name, Kept { settings: Arc::clone(&settings), renew_at, authority });
        Ok(settings)
    }

    /// The configured name and the addresses listened on, since users may type either.
    fn own_names(&self) -> Vec<String> {
        let mut names = vec![self.config.server.name.clone()];
        for address in &self.config.server.listen {
            if !address.ip().is_unspecified() {
                names.push(address.ip().to_string());
            }
            if address.ip().is_loopback() {
                names.push("localhost".to_owned());
            }
        }
        names.sort();
        names.dedup();
        names
    }
}
