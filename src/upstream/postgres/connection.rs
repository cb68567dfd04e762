//! One connection to a server while the bastion itself speaks on it: TCP, TLS where it is asked for, messages with a limit on their
//! length, and simple queries for the catalogs.

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{Header, Message};
use postgres_protocol::message::frontend;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::config::{PostgresTarget, Tls};
use crate::secrets::Hold;
use crate::upstream::roads::Journey;
use crate::wire::tls;

use super::held::Held;
use super::{DatabaseError, binding};

/// The longest message of a login or of one row of a catalog.
const MESSAGE: i32 = 4 << 20;

/// How much of a catalog is read.
const ROWS: usize = 256 << 20;

/// What bytes go through, with or without TLS.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Socket for T {}

/// A row of a catalog: each value as text.
pub(super) type Row = Vec<Option<String>>;

/// A connection that only the bastion speaks on.
pub(super) struct Connection {
    socket: Box<dyn Socket>,
    buffer: BytesMut,
    /// What binds a login to this connection.
    pub(super) binding: Option<Vec<u8>>,
    /// Keeps an account that was lent.
    pub(super) hold: Option<Hold>,
    /// The names of what is prepared on it.
    prepared: Vec<&'static str>,
}

impl Connection {
    /// Connects, and checks that the server is the one that is meant.
    pub(super) async fn open(journey: &mut Journey<'_>, target: &PostgresTarget) -> Result<Self, DatabaseError> {
        let stream = journey.go().await?;
        if target.tls == Tls::Disable {
            return Ok(Self::over(stream, None));
        }
        encrypted(stream, target).await
    }

    fn over(socket: Box<dyn Socket>, binding: Option<Vec<u8>>) -> Self {
        Self { socket, buffer: BytesMut::new(), binding, hold: None, prepared: Vec::new() }
    }

    /// The socket, which keeps the account that it is logged in as, and what was read ahead.
    pub(super) fn split_held(self) -> (Box<dyn Socket>, BytesMut) {
        match self.hold {
            Some(hold) => (Box::new(Held { socket: self.socket, _hold: hold }), self.buffer),
            None => (self.socket, self.buffer),
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), DatabaseError> {
        self.socket.write_all(bytes).await.map_err(DatabaseError::Lost)?;
        self.socket.flush().await.map_err(DatabaseError::Lost)
    }

    /// The server's next message.
    pub(super) async fn message(&mut self) -> Result<Message, DatabaseError> {
        let protocol = |error: std::io::Error| DatabaseError::Protocol(error.to_string());
        loop {
            if let Some(header) = Header::parse(&self.buffer).map_err(protocol)?
                && header.len() > MESSAGE
            {
                return Err(DatabaseError::Protocol(format!("a message says that it has {} bytes", header.len())));
            }
            if let Some(message) = Message::parse(&mut self.buffer).map_err(protocol)? {
                return Ok(message);
            }
            if self.socket.read_buf(&mut self.buffer).await.map_err(DatabaseError::Lost)? == 0 {
                return Err(DatabaseError::Lost(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Runs one statement and gives its rows.
    pub(super) async fn rows(&mut self, sql: &str) -> Result<Vec<Row>, DatabaseError> {
        let mut query = BytesMut::new();
        frontend::query(sql, &mut query).map_err(unsendable)?;
        self.send(&query).await?;
        self.answered().await
    }

    /// Runs a statement of one row that is asked often: the first time on this connection it is prepared under `name`.
    pub(super) async fn row(&mut self, name: &'static str, sql: &str) -> Result<Row, DatabaseError> {
        let (mut messages, is_new) = (BytesMut::new(), !self.prepared.contains(&name));
        if is_new {
            frontend::parse(name, sql, [], &mut messages).map_err(unsendable)?;
        }
        let bound = frontend::bind("", name, [], [(); 0], |(), _| Ok(IsNull::Yes), [], &mut messages);
        bound.map_err(|_| DatabaseError::Protocol(format!("{name} cannot be asked")))?;
        frontend::execute("", 0, &mut messages).map_err(unsendable)?;
        frontend::sync(&mut messages);
        self.send(&messages).await?;
        let rows = self.answered().await?;
        if is_new {
            self.prepared.push(name);
        }
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// The rows of what was asked.
    async fn answered(&mut self) -> Result<Vec<Row>, DatabaseError> {
        let (mut rows, mut size, mut fault) = (Vec::new(), 0, None);
        loop {
            match self.message().await? {
                Message::DataRow(body) => {
                    let row = texts(&body)?;
                    size += body.buffer().len();
                    if size > ROWS {
                        return Err(DatabaseError::Protocol("its catalogs are too large".to_owned()));
                    }
                    rows.push(row);
                }
                Message::ErrorResponse(body) => fault = Some(server_error(&body)),
                Message::ReadyForQuery(_) => return fault.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }
}

fn unsendable(error: std::io::Error) -> DatabaseError {
    DatabaseError::Protocol(error.to_string())
}

fn texts(body: &postgres_protocol::message::backend::DataRowBody) -> Result<Row, DatabaseError> {
    let malformed = |why: &dyn std::fmt::Display| DatabaseError::Protocol(why.to_string());
    let (mut row, mut ranges) = (Row::new(), body.ranges());
    while let Some(range) = ranges.next().map_err(|e| malformed(&e))? {
        let text = match range {
            None => None,
            Some(range) => {
                let bytes = body.buffer().get(range).ok_or_else(|| malformed(&"a row is cut short"))?;
                Some(String::from_utf8(bytes.to_vec()).map_err(|e| malformed(&e))?)
            }
        };
        row.push(text);
    }
    Ok(row)
}

/// The code and the message of an error.
pub(super) fn server_error(body: &postgres_protocol::message::backend::ErrorResponseBody) -> DatabaseError {
    let (mut code, mut message, mut fields) = (String::new(), String::new(), body.fields());
    while let Ok(Some(field)) = fields.next() {
        let text = || crate::model::Printable(&String::from_utf8_lossy(field.value_bytes())).to_string();
        match field.type_() {
            b'C' => code = text(),
            b'M' => message = text(),
            _ => {}
        }
    }
    DatabaseError::Server { code, message }
}

async fn encrypted(mut stream: Box<dyn Socket>, target: &PostgresTarget) -> Result<Connection, DatabaseError> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await.map_err(DatabaseError::Lost)?;
    let mut answer = [0; 1];
    stream.read_exact(&mut answer).await.map_err(DatabaseError::Lost)?;
    if answer != *b"S" {
        return Err(DatabaseError::NoTls);
    }
    let name = ServerName::try_from(target.named.clone()).map_err(|e| DatabaseError::Handshake(e.to_string()))?;
    let settings = target.clone();
    let config = tokio::task::spawn_blocking(move || {
        tls::client(tls::Peer {
            ca: settings.ca.as_deref(),
            identity: settings.certificate.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path())),
            checks_name: settings.tls == Tls::VerifyFull,
        })
    });
    let config = config.await.map_err(|e| DatabaseError::Handshake(e.to_string()))?.map_err(DatabaseError::Tls)?;
    let connecting = tokio_rustls::TlsConnector::from(config).connect(name, stream);
    let stream = connecting.await.map_err(|e| DatabaseError::Handshake(e.to_string()))?;
    let (_, session) = stream.get_ref();
    let binding = session.peer_certificates().and_then(|chain| chain.first()).and_then(|own| binding::end_point(own.as_ref()));
    Ok(Connection::over(Box::new(stream), binding))
}
