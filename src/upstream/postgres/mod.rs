//! Dials a PostgreSQL server, logs in as the role that was asked for, and reads its catalogs. A [`Taped`] session goes in, a
//! [`DatabaseLink`] comes out. Never shows a credential.

mod binding;
mod catalog;
mod connection;
mod held;
mod login;
mod planner;
mod survey;

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::config::{PostgresTarget, PostgresUser};
use crate::frontdoor::Refusal;
use crate::model::{SessionId, TargetName, Wish};
use crate::record::Taped;
use crate::secrets::{Credential, SecretError, Secrets};
use crate::wire::tls::TlsError;

use super::Dialer;
use super::dial::unreadable;
use super::roads::{Journey, RoadError, Roads};

pub use catalog::{CatalogDesk, Fresh};
pub use connection::Socket;
pub use planner::Planners;
pub use survey::Survey;

use connection::Connection;
use login::Account;

/// From the first packet to the first statement.
const PATIENCE: Duration = Duration::from_secs(20);

/// What of a session's beginning the server is told, beside the role and the database.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Settings, by name.
    pub settings: Vec<(String, String)>,
}

/// What a server says of itself and of the session when it lets somebody in.
#[derive(Debug, Clone, Default)]
pub struct Greeting {
    /// Settings that it reports, by name, in their order.
    pub parameters: Vec<(String, String)>,
    /// What a request to cancel has to show, if it can be cancelled.
    pub key: Option<(u32, Bytes)>,
    /// What names mean.
    pub state: SessionFacts,
}

/// What names mean at the beginning of a session.
#[derive(Debug, Clone, Default)]
pub struct SessionFacts {
    /// The search path as the server writes it.
    pub search_path: String,
    /// The role in force.
    pub role: String,
}

/// A taped session and its connection to a database. Only `upstream` makes one.
pub struct DatabaseLink {
    taped: Taped,
    socket: Box<dyn Socket>,
    ahead: BytesMut,
    greeting: Greeting,
}

impl DatabaseLink {
    /// Whose session it is.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.taped.permit().session()
    }

    /// Takes the link apart for its gateway: the session, the connection, what was read from it already, and what the server said.
    #[must_use]
    pub fn split(self) -> (Taped, Box<dyn Socket>, BytesMut, Greeting) {
        (self.taped, self.socket, self.ahead, self.greeting)
    }
}

/// Why a database could not be reached. Never holds a credential.
#[derive(Debug, thiserror::Error)]
pub(super) enum DatabaseError {
    #[error(transparent)]
    Road(#[from] RoadError),
    #[error("the connection was lost: {0}")]
    Lost(std::io::Error),
    #[error("no answer in time")]
    Slow,
    #[error("{0}")]
    Tls(TlsError),
    #[error("TLS failed: {0}")]
    Handshake(String),
    #[error("the server offers no TLS")]
    NoTls,
    #[error("no credential: {0}")]
    Credential(String),
    #[error("no credential: {0}")]
    Secret(#[from] SecretError),
    #[error("the server asks for {0}, which is not given")]
    Method(&'static str),
    #[error("the login failed: {0}")]
    Login(String),
    #[error("the server refuses: {code} {message}")]
    Server { code: String, message: String },
    #[error("the server does not keep to the protocol: {0}")]
    Protocol(String),
}

impl DatabaseError {
    /// Whether it is the credential that the server does not take.
    fn is_login_refused(&self) -> bool {
        matches!(self, Self::Server { code, .. } if code.starts_with("28"))
    }

    fn refusal(&self, target: &TargetName) -> Refusal {
        let sentence = match self {
            Self::Road(error) => error.sentence(target),
            Self::Slow => format!("{target} did not answer in time."),
            Self::Tls(_) | Self::Handshake(_) | Self::NoTls => {
                format!("{target} could not show that it is {target}; tell the operator. No credential was sent to it.")
            }
            Self::Credential(_) => format!("The bastion has no credential for {target} now; tell the operator."),
            Self::Secret(error) => unreadable(target, error),
            Self::Method(_) | Self::Login(_) => format!("{target} and the bastion could not agree on a login; tell the operator."),
            // What is wrong with the bastion's own login is for the operator.
            Self::Server { .. } if self.is_login_refused() => format!("{target} refused the bastion's credential; tell the operator."),
            Self::Server { code, message } if ["3D", "53", "55", "57"].iter().any(|class| code.starts_with(class)) => {
                format!("{target} says: {message}")
            }
            Self::Server { .. } | Self::Lost(_) | Self::Protocol(_) => {
                format!("{target} ended the connection while the bastion logged in.")
            }
        };
        Refusal::unavailable(sentence, format!("{target}: {self}"))
    }

    /// Whether another way may lead to the server where this one did not.
    fn is_of_the_way(&self) -> bool {
        matches!(self, Self::Slow | Self::Lost(_) | Self::Handshake(_) | Self::NoTls | Self::Login(_) | Self::Protocol(_))
    }
}

/// What a login needs: the ways there are, and the secrets that are shown at their end.
#[derive(Clone, Copy)]
struct Means<'m> {
    roads: &'m Roads,
    secrets: &'m Secrets,
}

impl Dialer {
    /// Dials the database of a taped session.
    ///
    /// # Errors
    /// When it cannot be reached, is not who it should be, or refuses us; the tape comes back to be closed.
    pub async fn dial_database(&self, taped: Taped, wanted: Wanted) -> Result<DatabaseLink, (Refusal, Box<Taped>)> {
        let means = Means { roads: &self.roads, secrets: &self.secrets };
        let reached = tokio::time::timeout(PATIENCE, open(means, &taped, wanted)).await.unwrap_or(Err(DatabaseError::Slow));
        match reached {
            Ok((connection, greeting)) => {
                let (socket, ahead) = connection.split_held();
                Ok(DatabaseLink { taped, socket, ahead, greeting })
            }
            Err(error) => {
                let target = taped.permit().routed().target().name.clone();
                Err((error.refusal(&target), Box::new(taped)))
            }
        }
    }

    /// Asks the server of `target` to cancel what runs for `key`. Nothing comes of it if that is over already.
    pub async fn cancel(&self, target: &PostgresTarget, key: &(u32, Bytes)) {
        let asking = async {
            let mut connection = Connection::open(&mut self.roads.journey(&target.route), target).await?;
            connection.send(&login::cancel(key)).await
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a query could not be cancelled"),
            Err(_) => tracing::warn!("a query could not be cancelled in time"),
        }
    }
}

/// What the server is asked for the beginning of a session.
const STATE: &str = "SELECT pg_catalog.current_setting('search_path'), current_user";

/// Has the server notice when the bastion is gone, killed or cut off: a statement that runs is ended then, and what a transaction did is
/// undone. What the server's own configuration says is left as it is. Servers before 14 know less of it.
const WATCH: &str = "SELECT pg_catalog.set_config(name, value, false) FROM (VALUES ('client_connection_check_interval', '5000'), \
    ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3'), ('tcp_user_timeout', '60000')) \
    AS own (name, value) JOIN pg_catalog.pg_settings USING (name) WHERE source = 'default'";

async fn open(means: Means<'_>, taped: &Taped, wanted: Wanted) -> Result<(Connection, Greeting), DatabaseError> {
    let permit = taped.permit();
    let not = || DatabaseError::Credential("it is no PostgreSQL target".to_owned());
    let (target, user) = permit.routed().postgres().ok_or_else(not)?;
    let Wish::Database(database) = &permit.routed().identified().ask().wish else { return Err(not()) };
    let mut settings = wanted.settings;
    if permit.reads_only() || target.read_only {
        settings.push(("default_transaction_read_only".to_owned(), "on".to_owned()));
    }
    let (mut connection, mut greeting, journey) = log_in(means, target, user, database, &settings).await?;
    journey.tell(taped).await;
    match connection.rows(WATCH).await {
        Ok(_) => {}
        // Some systems have less of this than others; the session itself is none the worse.
        Err(DatabaseError::Server { code, message }) => tracing::debug!(code, message, "a server does not watch its connections"),
        Err(error) => return Err(error),
    }
    greeting.state = session_facts(&mut connection).await?;
    Ok((connection, greeting))
}

/// Logs in as `user`. A secret that the server refuses is fetched again, and another one tried.
async fn connect(
    means: Means<'_>,
    target: &PostgresTarget,
    user: &PostgresUser,
    database: &str,
    settings: &[(String, String)],
) -> Result<(Connection, Greeting), DatabaseError> {
    let (connection, greeting, _) = log_in(means, target, user, database, settings).await?;
    Ok((connection, greeting))
}

/// The same for a connection that waits to be used again: for its sake alone no account that was lent is kept.
async fn connect_for_long(
    means: Means<'_>,
    target: &PostgresTarget,
    user: &PostgresUser,
    database: &str,
    settings: &[(String, String)],
) -> Result<Connection, DatabaseError> {
    let (mut connection, _) = connect(means, target, user, database, settings).await?;
    connection.hold = None;
    Ok(connection)
}

/// The same, and which way it went.
async fn log_in<'m>(
    means: Means<'m>,
    target: &'m PostgresTarget,
    user: &PostgresUser,
    database: &str,
    settings: &[(String, String)],
) -> Result<(Connection, Greeting, Journey<'m>), DatabaseError> {
    let log_in = async |credential: Option<&Credential>| {
        let name = credential.and_then(|credential| credential.user.as_deref()).unwrap_or(user.name.as_str());
        let account = Account { name, password: credential.map(|credential| &credential.secret) };
        let mut journey = means.roads.journey(&target.route);
        let (mut connection, greeting) = go(&mut journey, target, account, database, settings).await?;
        connection.hold = credential.map(Credential::hold);
        Ok::<_, DatabaseError>((connection, greeting, journey))
    };
    let Some(source) = &user.password else { return log_in(None).await };
    let shown = means.secrets.credential(source).await?;
    match log_in(Some(&shown)).await {
        Err(error) if error.is_login_refused() => match means.secrets.other_than(&shown, source).await? {
            Some(other) => log_in(Some(&other)).await,
            None => Err(error),
        },
        reached => reached,
    }
}

/// Logs in by the first way on which there is a server that answers as it should.
async fn go(
    journey: &mut Journey<'_>,
    target: &PostgresTarget,
    account: Account<'_>,
    database: &str,
    settings: &[(String, String)],
) -> Result<(Connection, Greeting), DatabaseError> {
    loop {
        let patience = journey.patience(PATIENCE);
        let connecting = async {
            let mut connection = Connection::open(journey, target).await?;
            let greeting = login::log_in(&mut connection, target, account, database, settings).await?;
            Ok((connection, greeting))
        };
        match tokio::time::timeout(patience, connecting).await.unwrap_or(Err(DatabaseError::Slow)) {
            Err(error) if error.is_of_the_way() && journey.goes_on(&error) => {}
            done => return done,
        }
    }
}

async fn session_facts(connection: &mut Connection) -> Result<SessionFacts, DatabaseError> {
    let rows = connection.rows(STATE).await?;
    let mut values = rows.into_iter().next().unwrap_or_default().into_iter().map(Option::unwrap_or_default);
    let mut next = || values.next().ok_or_else(|| DatabaseError::Protocol("it does not tell the session's settings".to_owned()));
    Ok(SessionFacts { search_path: next()?, role: next()? })
}
