//! What is put in each request to an HTTP server: the bastion's credential and whom it acts for. Secrets are looked at again now and
//! then, so that a session that lasts takes up a new one.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::SecretSource;
use crate::secrets::{Credential, Secrets};

use super::http::HttpError;

/// After this time secrets are looked at again.
const AGE: Duration = Duration::from_secs(1);

/// Headers with their values.
pub type Headers = Arc<[(HeaderName, HeaderValue)]>;

/// A header whose value ends in a secret.
struct Hidden {
    name: HeaderName,
    before: &'static str,
    source: SecretSource,
}

/// What was read last.
struct Read {
    at: Instant,
    credentials: Vec<Credential>,
    headers: Headers,
}

/// What the bastion puts in requests of one session.
pub(super) struct Own {
    secrets: Arc<Secrets>,
    /// What stays the same.
    plain: Vec<(HeaderName, HeaderValue)>,
    hidden: Vec<Hidden>,
    last: Mutex<Option<Read>>,
}

impl Own {
    pub(super) fn new(
        secrets: Arc<Secrets>,
        plain: Vec<(HeaderName, HeaderValue)>,
        headers: &[(HeaderName, SecretSource)],
        token: Option<&SecretSource>,
    ) -> Self {
        let named = headers.iter().map(|(name, source)| Hidden { name: name.clone(), before: "", source: source.clone() });
        let bearer = token.map(|source| Hidden { name: AUTHORIZATION, before: "Bearer ", source: source.clone() });
        Self { secrets, plain, hidden: named.chain(bearer).collect(), last: Mutex::default() }
    }

    pub(super) async fn headers(&self) -> Result<Headers, HttpError> {
        let mut last = self.last.lock().await;
        if let Some(read) = last.as_ref()
            && (self.hidden.is_empty() || read.at.elapsed() < AGE)
        {
            return Ok(Arc::clone(&read.headers));
        }
        let mut credentials = Vec::with_capacity(self.hidden.len());
        for hidden in &self.hidden {
            credentials.push(self.secrets.credential(&hidden.source).await?);
        }
        self.keep(&mut last, credentials)
    }

    /// What it is when each secret of `shown` is fetched again, if one is another then.
    pub(super) async fn other_than(&self, shown: &Headers) -> Result<Option<Headers>, HttpError> {
        let mut last = self.last.lock().await;
        let Some(read) = last.as_ref() else { return Ok(None) };
        // Another request may have found out before.
        if !Arc::ptr_eq(&read.headers, shown) && read.headers != *shown {
            return Ok(Some(Arc::clone(&read.headers)));
        }
        let (mut credentials, mut is_other) = (read.credentials.clone(), false);
        for (hidden, credential) in self.hidden.iter().zip(&mut credentials) {
            if let Some(other) = self.secrets.other_than(credential, &hidden.source).await? {
                (*credential, is_other) = (other, true);
            }
        }
        if is_other { self.keep(&mut last, credentials).map(Some) } else { Ok(None) }
    }

    fn keep(&self, last: &mut Option<Read>, credentials: Vec<Credential>) -> Result<Headers, HttpError> {
        let mut all = self.plain.clone();
        for (hidden, credential) in self.hidden.iter().zip(&credentials) {
            let text = zeroize::Zeroizing::new(format!("{}{}", hidden.before, credential.secret.reveal()));
            let mut value = HeaderValue::from_str(&text)
                .map_err(|_| HttpError::Credential(format!("the secret for the header {} is not one line of text", hidden.name)))?;
            value.set_sensitive(true);
            all.push((hidden.name.clone(), value));
        }
        let headers: Headers = Arc::from(all);
        *last = Some(Read { at: Instant::now(), credentials, headers: Arc::clone(&headers) });
        Ok(headers)
    }
}
