//! Where a service's token comes from. It is fetched anew each time it is needed, since files rotate and programs print fresh ones.

use std::time::Duration;

use super::grant::{self, ClientCredentials};
use crate::config::{SecretPlace, SecretSource};
use crate::model::Secret;
use crate::secrets::{SecretError, read_local};

/// How long a file, a program or a server may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where it comes from.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// A file that somebody keeps fresh, a variable, or a program that prints one.
    Place(SecretPlace),
    /// The provider gives it to whoever holds a client's secret.
    Grant(ClientCredentials),
    /// GitHub Actions gives it to the job that this runs in, for this audience.
    Job(String),
}

/// Why there is none. Never holds a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is not there.
    #[error(transparent)]
    Source(#[from] SecretError),
    /// Whoever gives them out does not.
    #[error("whoever gives it out answered: {0}")]
    Server(String),
    /// It did not come in time.
    #[error("it did not come within {} s", PATIENCE.as_secs())]
    Slow,
    /// The reading failed by itself.
    #[error("reading it failed: {0}")]
    Task(String),
}

impl TokenSource {
    /// Fetches the token.
    ///
    /// # Errors
    /// When there is none.
    pub async fn fetch(&self) -> Result<Secret, TokenError> {
        let token = async {
            match self {
                Self::Place(place) => read(place).await,
                Self::Grant(client) => client.fetch().await,
                Self::Job(audience) => grant::of_job(audience).await,
            }
        };
        let token = tokio::time::timeout(PATIENCE, token).await.unwrap_or(Err(TokenError::Slow))?;
        Ok(Secret::new(token.reveal().trim().to_owned()))
    }
}

/// Reads a file, a variable or what a program prints.
pub(super) async fn read(place: &SecretPlace) -> Result<Secret, TokenError> {
    Ok(read_local(&SecretSource::fresh(place.clone())).await?)
}
