//! Syslog (RFC 5424). Streams carry a count before each message (RFC 6587, RFC 5425) and are ended after each send: a server closes its
//! side when it has read everything, and only then has it been taken. Datagrams are sent and may be lost by whoever carries them.

use std::fmt::Write as _;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, UnixDatagram};

use crate::audit::Line;
use crate::config::{self, SyslogBy};
use crate::model::Printable;
use crate::wire::tls;

/// The longest datagram: what is longer is cut.
const DATAGRAM: usize = 60_000;

/// Severities: informational, and alert.
const INFORMATIONAL: u8 = 6;
const ALERT: u8 = 1;

/// Structured data of ours. The number is the one that RFC 5612 keeps for documentation: Bartizan has none of its own.
const ELEMENT: &str = "bartizan@32473";

pub(super) struct Syslog {
    settings: config::Syslog,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Syslog {
    pub(super) fn new(settings: config::Syslog) -> Self {
        Self { settings, tls: None }
    }

    pub(super) async fn send(&mut self, lines: &[Line]) -> Result<(), String> {
        let facility = self.settings.facility;
        let messages = lines.iter().map(|line| message(facility, line));
        match self.settings.by.clone() {
            SyslogBy::Udp(address) => {
                let any = if address.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
                let socket = UdpSocket::bind(any).await.map_err(words)?;
                socket.connect(&address).await.map_err(words)?;
                for message in messages {
                    socket.send(cut(&message)).await.map_err(words)?;
                }
                Ok(())
            }
            SyslogBy::Unix(path) => {
                let socket = UnixDatagram::unbound().map_err(words)?;
                socket.connect(&path).map_err(words)?;
                for message in messages {
                    socket.send(cut(&message)).await.map_err(words)?;
                }
                Ok(())
            }
            SyslogBy::Tcp(address) => {
                let stream = TcpStream::connect(&address).await.map_err(words)?;
                through(stream, &counted(messages)).await
            }
            SyslogBy::Tls(address) => {
                let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host).trim_matches(['[', ']']).to_owned();
                let connector = tokio_rustls::TlsConnector::from(self.tls().await?);
                let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
                let stream = TcpStream::connect(&address).await.map_err(words)?;
                let stream = connector.connect(name, stream).await.map_err(words)?;
                through(stream, &counted(messages)).await
            }
        }
    }

    async fn tls(&mut self) -> Result<Arc<rustls::ClientConfig>, String> {
        if let Some(made) = &self.tls {
            return Ok(Arc::clone(made));
        }
        let ca = self.settings.ca.clone();
        let made = tokio::task::spawn_blocking(move || tls::client(tls::Peer { ca: ca.as_deref(), identity: None, checks_name: true }));
        let made = made.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok(Arc::clone(self.tls.insert(made)))
    }
}

fn words(error: std::io::Error) -> String {
    error.to_string()
}

/// Everything, the end of our side, and then the end of theirs: by then they have read it all.
async fn through(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Result<(), String> {
    stream.write_all(bytes).await.map_err(words)?;
    stream.shutdown().await.map_err(words)?;
    let mut ignored = [0; 512];
    loop {
        match stream.read(&mut ignored).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // Many close TLS without saying so; the end itself has come in order.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(format!("it did not end in order: {error}")),
        }
    }
}

fn counted(messages: impl Iterator<Item = String>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.extend_from_slice(message.len().to_string().as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(message.as_bytes());
    }
    bytes
}

fn cut(message: &str) -> &[u8] {
    let bytes = message.as_bytes();
    bytes.get(..DATAGRAM).unwrap_or(bytes)
}

/// The entry's line as a message, its kind and its texts in structured data.
pub(super) fn message(facility: u8, line: &Line) -> String {
    let field = |name: &str| line.fields.get(name).and_then(Value::as_str).unwrap_or("-");
    let severity = if line.fields.get("alert").and_then(Value::as_bool).unwrap_or(false) { ALERT } else { INFORMATIONAL };
    let entry = line.fields.get("entry").and_then(Value::as_object);
    let kind = entry.and_then(|entry| entry.get("kind")).and_then(Value::as_str).unwrap_or("-");
    let mut text = format!(
        "<{}>1 {} {} bartizan - {} [{ELEMENT} seq=\"{}\" hash=\"{}\"",
        u32::from(facility) * 8 + u32::from(severity),
        field("time"),
        header(field("node"), 255),
        header(kind, 32),
        line.seq,
        hex::encode(line.hash)
    );
    for (name, value) in entry.into_iter().flatten() {
        if let Some(value) = value.as_str().filter(|value| name != "kind" && value.len() <= 256) {
            let _ =
                write!(text, " {name}=\"{}\"", Printable(value).to_string().replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]"));
        }
    }
    text.push_str("] ");
    text.push_str(&String::from_utf8_lossy(&line.text));
    text
}

/// Printable ASCII without spaces.
fn header(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).take(most).collect();
    if plain.is_empty() { "-".to_owned() } else { plain }
}
