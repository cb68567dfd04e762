//! Reaches an HTTP server: TCP, TLS where the URL says so, and the headers that hold the bastion's credential. A [`Taped`] session
//! goes in, an [`HttpLink`] comes out, which can connect as often as the session needs. Never shows a credential.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::config::{Http2, HttpTarget};
use crate::frontdoor::Refusal;
use crate::model::{Principal, SessionId, TargetName};
use crate::record::Taped;
use crate::secrets::{SecretError, Secrets};
use crate::wire::tls;

use super::dial::unreadable;
use super::headers::{Headers, Own};
use super::roads::{Journey, RoadError, Roads};
use super::{Dialer, Socket};

/// From the first packet to the end of the TLS handshake.
const PATIENCE: Duration = Duration::from_secs(20);

/// The names of protocols in TLS (RFC 7301).
const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";
/// Who acts, for an API server that trusts the bastion's word on it.
const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");
const IMPERSONATE_GROUP: HeaderName = HeaderName::from_static("impersonate-group");

/// A taped session and the server that it may use. Only `upstream` makes one.
pub struct HttpLink {
    taped: Taped,
    server: HttpServer,
}

/// A server, and what is put in each request to it.
#[derive(Clone)]
pub struct HttpServer {
    name: TargetName,
    target: Arc<HttpTarget>,
    own: Arc<Own>,
    tls: Option<Tls>,
    roads: Arc<Roads>,
}

/// The settings of TLS, by what may be spoken in it.
#[derive(Clone)]
struct Tls {
    http1: Arc<ClientConfig>,
    any: Arc<ClientConfig>,
}

impl HttpLink {
    /// Whose session it is.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.taped.permit().session()
    }

    /// Takes the link apart for its gateway.
    #[must_use]
    pub fn split(self) -> (Taped, HttpServer) {
        (self.taped, self.server)
    }
}

/// Why a server could not be reached. Never holds a credential.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("it is no HTTP target")]
    Kind,
    #[error(transparent)]
    Road(#[from] RoadError),
    #[error("no answer in time")]
    Slow,
    #[error("{0}")]
    Tls(#[from] tls::TlsError),
    #[error("TLS failed: {0}")]
    Handshake(String),
    #[error("it does not speak HTTP/2, and http2 = \"always\"")]
    NoHttp2,
    #[error("no credential: {0}")]
    Credential(String),
    #[error("no credential: {0}")]
    Secret(#[from] SecretError),
    #[error("the caller's name or a group's cannot be told in a header")]
    Name,
}

impl HttpError {
    fn refusal(&self, target: &TargetName) -> Refusal {
        let sentence = match self {
            Self::Road(error) => error.sentence(target),
            Self::Kind | Self::NoHttp2 => format!("{target} cannot be reached now."),
            Self::Slow => format!("{target} did not answer in time."),
            Self::Tls(_) | Self::Handshake(_) => {
                format!("{target} could not show that it is {target}; tell the operator. No credential was sent to it.")
            }
            Self::Name => format!("{target} cannot be told who you are: your name, or that of a group of yours, holds more than ASCII."),
            Self::Credential(_) => format!("The bastion has no credential for {target} now; tell the operator."),
            Self::Secret(error) => unreadable(target, error),
        };
        Refusal::unavailable(sentence, format!("{target}: {self}"))
    }
}

impl HttpServer {
    /// How it was configured.
    #[must_use]
    pub fn target(&self) -> &HttpTarget {
        &self.target
    }

    /// What is put in a request that is sent now.
    ///
    /// # Errors
    /// When there is no credential for the server now.
    pub async fn headers(&self) -> Result<Headers, Refusal> {
        self.own.headers().await.map_err(|error| error.refusal(&self.name))
    }

    /// For a server that does not take the credential in `shown`: what is put in a request then, if there is another one.
    pub async fn other_than(&self, shown: &Headers) -> Option<Headers> {
        match self.own.other_than(shown).await {
            Ok(other) => other,
            Err(error) => {
                tracing::warn!(target = %self.name, %error, "a server takes the credential no more, and there is no other");
                None
            }
        }
    }

    /// A new connection, and whether HTTP/2 is spoken on it, which it is only where it `may_be_h2` or the server is to be spoken to
    /// in no other way.
    ///
    /// # Errors
    /// When the server cannot be reached or is not the one that is meant.
    pub async fn connect(&self, may_be_h2: bool) -> Result<(Box<dyn Socket>, bool), Refusal> {
        let connected = self.open(&mut self.roads.journey(&self.target.route), may_be_h2).await;
        connected.map_err(|error| error.refusal(&self.name))
    }

    async fn open(&self, journey: &mut Journey<'_>, may_be_h2: bool) -> Result<(Box<dyn Socket>, bool), HttpError> {
        let opening = async {
            loop {
                let patience = journey.patience(PATIENCE);
                match tokio::time::timeout(patience, self.open_by(journey, may_be_h2)).await.unwrap_or(Err(HttpError::Slow)) {
                    Err(error @ (HttpError::Slow | HttpError::Handshake(_))) if journey.goes_on(&error) => {}
                    done => return done,
                }
            }
        };
        tokio::time::timeout(PATIENCE, opening).await.unwrap_or(Err(HttpError::Slow))
    }

    async fn open_by(&self, journey: &mut Journey<'_>, may_be_h2: bool) -> Result<(Box<dyn Socket>, bool), HttpError> {
        let always = self.target.http2 == Http2::Always;
        let stream = journey.go().await?;
        let Some(tls) = &self.tls else { return Ok((stream, always)) };
        let config = if may_be_h2 || always { &tls.any } else { &tls.http1 };
        let name = ServerName::try_from(self.target.host.clone()).map_err(|e| HttpError::Handshake(e.to_string()))?;
        let connecting = tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, stream);
        let stream = connecting.await.map_err(|e| HttpError::Handshake(e.to_string()))?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(H2);
        if always && !is_h2 {
            return Err(HttpError::NoHttp2);
        }
        Ok((Box::new(stream), is_h2))
    }
}

impl Dialer {
    /// Makes ready to use the HTTP server of a taped session, and sees that it is there.
    ///
    /// # Errors
    /// When it cannot be reached, is not who it should be, or there is no credential for it; the tape comes back to be closed.
    pub async fn dial_http(&self, taped: Taped) -> Result<HttpLink, (Refusal, Box<Taped>)> {
        let target = taped.permit().routed().target().name.clone();
        let ready = async {
            let server = ready(&self.secrets, &taped, Arc::clone(&self.roads)).await.map_err(|error| error.refusal(&target))?;
            let mut journey = server.roads.journey(&server.target.route);
            let connected = server.open(&mut journey, true).await.map_err(|error| error.refusal(&target));
            journey.tell(&taped).await;
            connected.map(|_connection| server.clone())
        };
        match ready.await {
            Ok(server) => Ok(HttpLink { taped, server }),
            Err(refusal) => Err((refusal, Box::new(taped))),
        }
    }
}

/// Who the caller is, as a Kubernetes API server is told it.
fn impersonation(principal: &Principal) -> Result<Vec<(HeaderName, HeaderValue)>, HttpError> {
    let told = |text: &str| HeaderValue::from_str(text).map_err(|_| HttpError::Name);
    let mut headers = vec![(IMPERSONATE_USER, told(principal.id.as_str())?)];
    for group in &principal.groups {
        headers.push((IMPERSONATE_GROUP, told(group.as_str())?));
    }
    Ok(headers)
}

async fn ready(secrets: &Arc<Secrets>, taped: &Taped, roads: Arc<Roads>) -> Result<HttpServer, HttpError> {
    let routed = taped.permit().routed();
    let target = Arc::new(routed.http().ok_or(HttpError::Kind)?.clone());
    let settings = Arc::clone(&target);
    let impersonated = if routed.kubernetes().is_some_and(|kubernetes| kubernetes.impersonate) {
        impersonation(routed.identified().caller().principal())?
    } else {
        Vec::new()
    };
    let token = routed.kubernetes().and_then(|kubernetes| kubernetes.token.as_ref());
    let own = Arc::new(Own::new(Arc::clone(secrets), impersonated, &target.headers, token));
    // A session whose credential cannot be had does not begin.
    own.headers().await?;
    let made = tokio::task::spawn_blocking(move || {
        let peer = tls::Peer {
            ca: settings.ca.as_deref(),
            identity: settings.certificate.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path())),
            checks_name: true,
        };
        let config = if settings.tls { Some(tls::client(peer)?) } else { None };
        Ok::<_, HttpError>(config.map(|config| tls_of(&config, settings.http2)))
    });
    let tls = made.await.map_err(|e| HttpError::Credential(e.to_string()))??;
    Ok(HttpServer { name: routed.target().name.clone(), target, own, tls, roads })
}

/// Offers what may be spoken.
fn tls_of(config: &ClientConfig, http2: Http2) -> Tls {
    let offering = |names: &[&[u8]]| {
        let mut config = config.clone();
        config.alpn_protocols = names.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    };
    let any = match http2 {
        Http2::Auto => offering(&[H2, HTTP1]),
        Http2::Never => offering(&[HTTP1]),
        Http2::Always => offering(&[H2]),
    };
    Tls { http1: offering(&[HTTP1]), any }
}
