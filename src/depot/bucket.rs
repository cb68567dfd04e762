//! One bucket and prefix. An object is made once and never written over, but for what is no evidence; what is read is bounded.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::client::{HttpClient, HttpConnector};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig};
use sha2::{Digest, Sha256};

use super::DepotError;
use super::credentials::Keys;
use crate::config;
use crate::secrets::Secrets;
use crate::wire::https;

/// For one request: a piece on a slow line.
const REQUEST: Duration = Duration::from_secs(120);
/// Tries of one request within [`RETRIES_FOR`]; those who call try again later, and for ever.
const RETRIES: usize = 2;
const RETRIES_FOR: Duration = Duration::from_secs(60);
/// Names that one listing may hold.
const NAMES: usize = 4_000_000;

/// A bucket and what all names in it begin with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    shown: String,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name behind the prefix.
    pub name: String,
    /// Its bytes.
    pub size: u64,
}

/// Hands out the one client that we set up.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

impl Bucket {
    /// The bucket that `settings` name, whose keys are among `secrets`. Asks nothing of it yet. Reads files.
    ///
    /// # Errors
    /// [`DepotError::Settings`].
    pub fn open(settings: &config::Bucket, secrets: &Arc<Secrets>) -> Result<Self, DepotError> {
        let wrong = |error: &dyn std::fmt::Display| DepotError::Settings(error.to_string());
        let endpoint = settings.endpoint.as_deref().unwrap_or_default();
        let loopback = ["://127.", "://localhost", "://[::1]"].iter().any(|here| endpoint.contains(here));
        let client = https::client_within(settings.ca.as_deref(), loopback, REQUEST).map_err(|e| wrong(&e))?;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&settings.name)
            .with_region(&settings.region)
            .with_credentials(Arc::new(Keys::new(settings.clone(), Arc::clone(secrets))))
            .with_checksum_algorithm(Checksum::SHA256)
            .with_retry(RetryConfig { backoff: BackoffConfig::default(), max_retries: RETRIES, retry_timeout: RETRIES_FOR })
            .with_http_connector(Connector(client));
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let store = builder.build().map_err(|e| wrong(&e))?;
        let shown = format!("s3://{}/{}", settings.name, settings.prefix);
        Ok(Self { store: Arc::new(store), prefix: settings.prefix.clone(), shown })
    }

    /// A bucket over another store, for tests.
    #[cfg(test)]
    pub(super) fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, prefix: "prefix".to_owned(), shown: "test".to_owned() }
    }

    /// `s3://BUCKET/PREFIX`
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    fn path(&self, name: &str) -> Path {
        let parts = self.prefix.split('/').chain(name.split('/')).filter(|part| !part.is_empty());
        Path::from_iter(parts)
    }

    fn named(&self, path: &Path) -> Option<String> {
        let rest = path.as_ref().strip_prefix(self.prefix.as_str())?;
        Some(rest.trim_start_matches('/').to_owned())
    }

    /// Tries whether the bucket is there and can be read. Changes nothing.
    ///
    /// # Errors
    /// [`DepotError::Store`].
    pub async fn probe(&self) -> Result<(), DepotError> {
        let under = self.path("");
        let under = (!under.as_ref().is_empty()).then_some(&under);
        match self.store.list(under).next().await {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// Makes an object, unless it is there and holds the same already. Its size was read back when this returns.
    ///
    /// # Errors
    /// [`DepotError::Conflict`] where it is there and holds something else.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<(), DepotError> {
        let path = self.path(name);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(&path, PutPayload::from(bytes.clone()), options).await {
            Ok(_) => {}
            Err(Error::AlreadyExists { .. }) => return self.same(name, &bytes).await,
            Err(error) => return Err(error.into()),
        }
        let size = self.store.head(&path).await?.size;
        if size == bytes.len() as u64 { Ok(()) } else { Err(DepotError::Differs(name.to_owned())) }
    }

    /// Makes an object, or puts it in the place of the one that is there. For what is no evidence.
    ///
    /// # Errors
    /// [`DepotError::Store`].
    pub async fn replace(&self, name: &str, bytes: Bytes) -> Result<(), DepotError> {
        self.store.put(&self.path(name), PutPayload::from(bytes)).await?;
        Ok(())
    }

    /// Takes an object away; one that is not there is no error.
    ///
    /// # Errors
    /// [`DepotError::Store`], also where the key has no right to delete.
    pub async fn delete(&self, name: &str) -> Result<(), DepotError> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn same(&self, name: &str, bytes: &Bytes) -> Result<(), DepotError> {
        let there = self.get(name, bytes.len() as u64).await?;
        if there.is_some_and(|there| there == bytes) { Ok(()) } else { Err(DepotError::Conflict(name.to_owned())) }
    }

    /// An object of at most `most` bytes; `None` where there is none.
    ///
    /// # Errors
    /// [`DepotError::Differs`] when it is longer.
    pub async fn get(&self, name: &str, most: u64) -> Result<Option<Bytes>, DepotError> {
        let got = match self.store.get(&self.path(name)).await {
            Ok(got) => got,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if got.meta.size > most {
            return Err(DepotError::Differs(name.to_owned()));
        }
        let size = got.meta.size;
        let (mut all, mut stream) = (BytesMut::new(), got.into_stream());
        while let Some(bytes) = stream.try_next().await? {
            all.extend_from_slice(&bytes);
            if all.len() as u64 > most {
                return Err(DepotError::Differs(name.to_owned()));
            }
        }
        // A body that ends early is a broken connection and says nothing of the object.
        if all.len() as u64 == size { Ok(Some(all.freeze())) } else { Err(DepotError::Store(format!("{name} came only in part"))) }
    }

    /// A part of an object.
    ///
    /// # Errors
    /// [`DepotError::Store`].
    pub async fn range(&self, name: &str, range: Range<u64>) -> Result<Bytes, DepotError> {
        let wanted = range.end.saturating_sub(range.start);
        let bytes = self.store.get_range(&self.path(name), range).await?;
        if bytes.len() as u64 == wanted { Ok(bytes) } else { Err(DepotError::Store(format!("{name} came only in part"))) }
    }

    /// Size and SHA-256 of an object, all of which is read.
    ///
    /// # Errors
    /// [`DepotError::Differs`] where there is none.
    pub async fn digest(&self, name: &str) -> Result<(u64, [u8; 32]), DepotError> {
        let got = match self.store.get(&self.path(name)).await {
            Err(Error::NotFound { .. }) => return Err(DepotError::Differs(name.to_owned())),
            got => got?,
        };
        let (mut size, mut hash, mut stream) = (0, Sha256::new(), got.into_stream());
        while let Some(bytes) = stream.try_next().await? {
            size += bytes.len() as u64;
            hash.update(&bytes);
        }
        Ok((size, hash.finalize().into()))
    }

    /// All objects whose names begin with `under` and a slash, by name.
    ///
    /// # Errors
    /// [`DepotError::Store`].
    pub async fn list(&self, under: &str) -> Result<Vec<Object>, DepotError> {
        let path = self.path(under);
        let (mut all, mut stream) = (Vec::new(), self.store.list(Some(&path)));
        while let Some(meta) = stream.try_next().await? {
            if let Some(name) = self.named(&meta.location) {
                all.push(Object { name, size: meta.size });
            }
            if all.len() > NAMES {
                return Err(DepotError::Store(format!("there are more than {NAMES} objects under {under}")));
            }
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }
}
