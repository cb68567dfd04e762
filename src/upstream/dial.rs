//! Connects to a target, checks that it is the target, logs in and opens one channel.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use russh::keys::PublicKey;
use russh::{Channel, Disconnect, client};

use crate::config::{HostTrust, SshCredential, SshTarget};
use crate::frontdoor::Refusal;
use crate::identity::authority::Authorities;
use crate::model::{Clock, SessionId, TargetName};
use crate::record::Taped;
use crate::secrets::{SecretError, Secrets};
use crate::store::Store;
use crate::wire::ReadAhead;
use crate::wire::host::ExpectedHost;
use crate::wire::outbound::{self, NoForwards, Outbound};

use super::login;
use super::roads::{Journey, RoadError, Roads};

/// From the first packet to the opened channel.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a channel may take of memory in each direction.
const WINDOW: u32 = 2 << 20;
/// How often a silent target is asked whether it is there.
const BEAT: Duration = Duration::from_secs(15);

/// Why a target could not be reached. Never holds a credential.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// The way there.
    #[error(transparent)]
    Road(#[from] RoadError),
    /// Too slow.
    #[error("no answer in time")]
    Slow,
    /// The host key is not the pinned one.
    #[error("the host key is not the one that is configured")]
    Host,
    /// The target refused our credential.
    #[error("the target refused the bastion's credential")]
    Refused,
    /// We have no credential to show.
    #[error("no credential: {0}")]
    Credential(String),
    /// We have one, and cannot get at it.
    #[error("no credential: {0}")]
    Secret(#[from] SecretError),
    /// The SSH protocol.
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

impl DialError {
    fn refusal(&self, target: &TargetName) -> Refusal {
        let sentence = match self {
            Self::Road(error) => error.sentence(target),
            Self::Slow => format!("{target} did not answer in time."),
            Self::Host => {
                format!("{target} showed a host key that is not the one the bastion knows; tell the operator. Nothing was sent to it.")
            }
            Self::Refused => format!("{target} refused the bastion's credential; tell the operator."),
            Self::Credential(_) => format!("The bastion has no credential for {target} now; tell the operator."),
            Self::Secret(error) => unreadable(target, error),
            Self::Ssh(_) => format!("{target} ended the connection while the bastion logged in."),
        };
        Refusal::unavailable(sentence, format!("{target}: {self}"))
    }

    /// Whether another way may lead to the target where this one did not.
    fn is_of_the_way(&self) -> bool {
        matches!(self, Self::Slow | Self::Host | Self::Ssh(_))
    }
}

/// What a visitor reads whose target's credential cannot be had: the place alone, since what is wrong there is for the operator.
pub(super) fn unreadable(target: &TargetName, error: &SecretError) -> String {
    format!("The bastion has no credential for {target} now: it cannot be read from {}; tell the operator.", error.place())
}

/// A taped session and its channel at the target. Only `upstream` makes one.
pub struct Link {
    taped: Taped,
    connection: client::Handle<Outbound<NoForwards>>,
    channel: Channel<client::Msg>,
}

impl Link {
    /// Whose session it is.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.taped.permit().session()
    }

    /// Takes the link apart for its gateway.
    #[must_use]
    pub fn split(self) -> (Taped, Channel<client::Msg>, Hold) {
        (self.taped, self.channel, Hold { connection: self.connection })
    }
}

/// Keeps the connection to a target open.
pub struct Hold {
    connection: client::Handle<Outbound<NoForwards>>,
}

impl Hold {
    /// Opens one more session channel on the connection.
    ///
    /// # Errors
    /// When the target refuses it or the connection is lost.
    pub async fn open_channel(&self) -> Result<Channel<client::Msg>, russh::Error> {
        self.connection.channel_open_session().await
    }

    /// Ends the connection.
    pub async fn end(self) {
        // It may be gone already, which is what is wanted.
        let _ = self.connection.disconnect(Disconnect::ByApplication, "", "").await;
    }
}

/// Dials targets.
pub struct Dialer {
    pub(super) secrets: Arc<Secrets>,
    authorities: Arc<Authorities>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    pub(super) roads: Arc<Roads>,
}

impl Dialer {
    /// A dialer that goes by `roads`, and logs in with certificates of `authorities` where a target wants them, and else with `secrets`.
    #[must_use]
    pub fn new(
        secrets: Arc<Secrets>,
        authorities: Arc<Authorities>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        roads: Arc<Roads>,
    ) -> Self {
        Self { secrets, authorities, store, clock, roads }
    }

    /// Dials the target of a taped session.
    ///
    /// # Errors
    /// When it cannot be reached, is not who it should be, or refuses us; the tape comes back to be closed.
    pub async fn dial(&self, taped: Taped) -> Result<Link, (Refusal, Box<Taped>)> {
        let reached = tokio::time::timeout(PATIENCE, self.reach(&taped)).await.unwrap_or(Err(DialError::Slow));
        match reached {
            Ok((connection, channel)) => Ok(Link { taped, connection, channel }),
            Err(error) => {
                let target = taped.permit().routed().target().name.clone();
                Err((error.refusal(&target), Box::new(taped)))
            }
        }
    }

    async fn reach(&self, taped: &Taped) -> Result<(client::Handle<Outbound<NoForwards>>, Channel<client::Msg>), DialError> {
        let ssh = taped.permit().routed().ssh().ok_or_else(|| DialError::Credential("it is no SSH target".to_owned()))?;
        let mut journey = self.roads.journey(&ssh.route);
        loop {
            let patience = journey.patience(PATIENCE);
            let tried = tokio::time::timeout(patience, self.reach_by(&mut journey, taped, ssh)).await.unwrap_or(Err(DialError::Slow));
            match tried {
                Err(error) if error.is_of_the_way() && journey.goes_on(&error) => {}
                Ok(reached) => {
                    journey.tell(taped).await;
                    return Ok(reached);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn reach_by(
        &self,
        journey: &mut Journey<'_>,
        taped: &Taped,
        ssh: &SshTarget,
    ) -> Result<(client::Handle<Outbound<NoForwards>>, Channel<client::Msg>), DialError> {
        let stream = ReadAhead::new(journey.go().await?);
        let names = vec![taped.permit().routed().target().name.to_string(), ssh.named.clone()];
        let expected = expected(&ssh.host, names, self.clock.now());
        let settings = outbound::settings(&expected, WINDOW, BEAT);
        let connected = client::connect_stream(settings, stream, Outbound::new(expected)).await;
        let mut connection = match connected {
            Err(russh::Error::UnknownKey) => return Err(DialError::Host),
            other => other?,
        };
        self.log_in(&mut connection, taped, ssh).await?;
        let channel = connection.channel_open_session().await?;
        Ok((connection, channel))
    }

    async fn log_in(&self, connection: &mut client::Handle<Outbound<NoForwards>>, taped: &Taped, ssh: &SshTarget) -> Result<(), DialError> {
        match &ssh.credential {
            SshCredential::Certificate => login::with_certificate(connection, taped, &self.authorities, &*self.store, &*self.clock).await,
            SshCredential::Key(source) | SshCredential::Password(source) => {
                login::with_secret(connection, taped, &ssh.credential, &self.secrets, source).await
            }
        }
    }
}

/// The target as its configuration describes it. A line that is no key fits nothing.
fn expected(trust: &HostTrust, names: Vec<String>, now: Timestamp) -> ExpectedHost {
    let read = |lines: &[String]| lines.iter().filter_map(|line| PublicKey::from_openssh(line).ok()).collect();
    match trust {
        HostTrust::Keys(lines) => ExpectedHost { keys: read(lines), authorities: Vec::new(), names, now },
        HostTrust::Authority(line) => ExpectedHost { keys: Vec::new(), authorities: read(std::slice::from_ref(line)), names, now },
    }
}
