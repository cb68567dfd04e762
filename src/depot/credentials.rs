//! The keys that requests are signed with, fetched again every few minutes, so that a rotated or lent key is taken up.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;

use crate::config::Bucket;
use crate::secrets::{SecretError, Secrets};

/// How long keys are used before they are fetched again.
const FRESH: Duration = Duration::from_secs(240);

/// Fetches the keys where the configuration says.
pub(super) struct Keys {
    settings: Bucket,
    secrets: Arc<Secrets>,
    last: Mutex<Option<(Instant, Arc<AwsCredential>)>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(secret)")
    }
}

impl Keys {
    pub(super) fn new(settings: Bucket, secrets: Arc<Secrets>) -> Self {
        Self { settings, secrets, last: Mutex::new(None) }
    }

    async fn fetch(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut last = self.last.lock().await;
        if let Some((when, keys)) = last.as_ref()
            && when.elapsed() < FRESH
        {
            return Ok(Arc::clone(keys));
        }
        let keys = self.read().await.map_err(|e| refused(format!("its keys cannot be read: {e}")))?;
        let keys = Arc::new(keys);
        *last = Some((Instant::now(), Arc::clone(&keys)));
        Ok(keys)
    }

    async fn read(&self) -> Result<AwsCredential, SecretError> {
        let text = async |source| Ok::<_, SecretError>(self.secrets.get(source).await?.reveal().to_owned());
        Ok(AwsCredential {
            key_id: text(&self.settings.access_key).await?,
            secret_key: text(&self.settings.secret_key).await?,
            token: match &self.settings.session_token {
                Some(token) => Some(text(token).await?),
                None => None,
            },
        })
    }
}

fn refused(why: String) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: why.into() }
}

impl CredentialProvider for Keys {
    type Credential = AwsCredential;

    fn get_credential<'a, 'b>(&'a self) -> Pin<Box<dyn Future<Output = object_store::Result<Arc<AwsCredential>>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.fetch())
    }
}
