//! Logs in: SCRAM-SHA-256, bound to the TLS connection where there is one, or a client certificate; a plain or MD5 password only where
//! the configuration allows it.

use bytes::{BufMut, Bytes, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use crate::config::PostgresTarget;
use crate::model::Secret;

use super::connection::{Connection, server_error};
use super::{DatabaseError, Greeting};

/// Most messages before the first statement may be sent.
const MESSAGES: usize = 1_000;

/// Whom the bastion logs in as.
#[derive(Clone, Copy)]
pub(super) struct Account<'a> {
    pub(super) name: &'a str,
    pub(super) password: Option<&'a Secret>,
}

/// Opens a session in `database` and waits until the server is ready.
pub(super) async fn log_in(
    connection: &mut Connection,
    target: &PostgresTarget,
    account: Account<'_>,
    database: &str,
    settings: &[(String, String)],
) -> Result<Greeting, DatabaseError> {
    let own = [("user", account.name), ("database", database)];
    let parameters = own.into_iter().chain(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut startup = BytesMut::new();
    frontend::startup_message(parameters, &mut startup).map_err(protocol)?;
    connection.send(&startup).await?;
    authenticate(connection, target, account).await?;
    greeting(connection).await
}

fn protocol(error: std::io::Error) -> DatabaseError {
    DatabaseError::Protocol(error.to_string())
}

async fn authenticate(connection: &mut Connection, target: &PostgresTarget, account: Account<'_>) -> Result<(), DatabaseError> {
    let none = || DatabaseError::Credential(format!("the server asks for a password, and role {} has none", account.name));
    match connection.message().await? {
        Message::AuthenticationOk => return Ok(()),
        Message::AuthenticationSasl(body) => scram(connection, &body, account.password.ok_or_else(none)?).await?,
        Message::AuthenticationMd5Password(body) if target.allow_md5 => {
            let password = account.password.ok_or_else(none)?;
            let hash = md5_hash(account.name.as_bytes(), password.reveal().as_bytes(), body.salt());
            answer(connection, hash.as_bytes()).await?;
        }
        Message::AuthenticationMd5Password(_) => {
            return Err(DatabaseError::Method("an MD5 hash of the password (allow_md5 is off)"));
        }
        Message::AuthenticationCleartextPassword => return Err(DatabaseError::Method("the password in clear text")),
        Message::ErrorResponse(body) => return Err(server_error(&body)),
        _ => return Err(DatabaseError::Method("a way of logging in that the bastion does not have")),
    }
    match connection.message().await? {
        Message::AuthenticationOk => Ok(()),
        Message::ErrorResponse(body) => Err(server_error(&body)),
        _ => Err(DatabaseError::Protocol("it does not end the login".to_owned())),
    }
}

async fn answer(connection: &mut Connection, password: &[u8]) -> Result<(), DatabaseError> {
    let mut message = BytesMut::new();
    frontend::password_message(password, &mut message).map_err(protocol)?;
    connection.send(&message).await
}

async fn scram(connection: &mut Connection, body: &AuthenticationSaslBody, password: &Secret) -> Result<(), DatabaseError> {
    let offered: Vec<String> = body.mechanisms().map(|name| Ok(name.to_owned())).collect().map_err(protocol)?;
    let offers = |name: &str| offered.iter().any(|known| known == name);
    let (binding, mechanism) = match (connection.binding.clone(), offers(sasl::SCRAM_SHA_256_PLUS), offers(sasl::SCRAM_SHA_256)) {
        (Some(hash), true, _) => (sasl::ChannelBinding::tls_server_end_point(hash), sasl::SCRAM_SHA_256_PLUS),
        // We could have bound it: a server that could have too hears from this that somebody took its offer away.
        (Some(_), false, true) => (sasl::ChannelBinding::unrequested(), sasl::SCRAM_SHA_256),
        (None, _, true) => (sasl::ChannelBinding::unsupported(), sasl::SCRAM_SHA_256),
        _ => return Err(DatabaseError::Method("a SASL mechanism that the bastion does not have")),
    };
    let exchange = sasl::ScramSha256::new(password.reveal().as_bytes(), binding);
    let mut message = BytesMut::new();
    frontend::sasl_initial_response(mechanism, exchange.message(), &mut message).map_err(protocol)?;
    connection.send(&message).await?;
    let Message::AuthenticationSaslContinue(body) = next(connection).await? else {
        return Err(DatabaseError::Protocol("it does not go on with the login".to_owned()));
    };
    let mut exchange = updated(exchange, Bytes::copy_from_slice(body.data())).await?;
    let mut message = BytesMut::new();
    frontend::sasl_response(exchange.message(), &mut message).map_err(protocol)?;
    connection.send(&message).await?;
    let Message::AuthenticationSaslFinal(body) = next(connection).await? else {
        return Err(DatabaseError::Protocol("it does not show that it knows the password".to_owned()));
    };
    exchange.finish(body.data()).map_err(|e| DatabaseError::Login(e.to_string()))?;
    tracing::info!(mechanism, "logged in at a database server");
    Ok(())
}

/// Hashing the password thousands of times over is no work for the runtime's threads.
async fn updated(mut exchange: sasl::ScramSha256, challenge: Bytes) -> Result<sasl::ScramSha256, DatabaseError> {
    let hashing = tokio::task::spawn_blocking(move || exchange.update(&challenge).map(|()| exchange));
    hashing.await.map_err(|e| DatabaseError::Login(e.to_string()))?.map_err(|e| DatabaseError::Login(e.to_string()))
}

async fn next(connection: &mut Connection) -> Result<Message, DatabaseError> {
    match connection.message().await? {
        Message::ErrorResponse(body) => Err(server_error(&body)),
        other => Ok(other),
    }
}

async fn greeting(connection: &mut Connection) -> Result<Greeting, DatabaseError> {
    let mut greeting = Greeting::default();
    for _ in 0..MESSAGES {
        match connection.message().await? {
            Message::ParameterStatus(body) => {
                let pair = (body.name().map_err(protocol)?.to_owned(), body.value().map_err(protocol)?.to_owned());
                greeting.parameters.push(pair);
            }
            Message::BackendKeyData(body) => {
                let key = Bytes::copy_from_slice(&body.secret_key().to_be_bytes());
                greeting.key = Some((u32::from_be_bytes(body.process_id().to_be_bytes()), key));
            }
            Message::NoticeResponse(_) => {}
            Message::ReadyForQuery(_) => return Ok(greeting),
            Message::ErrorResponse(body) => return Err(server_error(&body)),
            _ => return Err(DatabaseError::Protocol("it says something that does not belong to a login".to_owned())),
        }
    }
    Err(DatabaseError::Protocol("its login does not end".to_owned()))
}

/// The request to cancel what runs for `key`.
pub(super) fn cancel((process, key): &(u32, Bytes)) -> Bytes {
    let mut request = BytesMut::new();
    request.put_u32(u32::try_from(key.len() + 12).unwrap_or(16));
    request.put_u32(80_877_102);
    request.put_u32(*process);
    request.extend_from_slice(key);
    request.freeze()
}
