//! Logs in at a bastion: first with the service's token, as the user name `jwt`, to have a certificate made; then with that certificate.
//! Part by part, as `bartizan login --token-file` does, since so the bastion can say why it refuses a token.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use russh::client::{self, Handle, KeyboardInteractiveAuthResponse as Answer};
use russh::keys::{Certificate, PrivateKey};
use russh::{ChannelMsg, Disconnect};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{Address, TokenError, Trust};
use crate::model::{Printable, Secret, TargetName, code_login};
use crate::wire::outbound::{self, Forwards, NoForwards, Outbound};
use crate::wire::{QuickAck, ReadAhead};

/// From the first packet to the end of a login, or of what is asked after it.
const PATIENCE: Duration = Duration::from_secs(15);
/// What a stream may take of memory in each direction.
const WINDOW: u32 = 1 << 20;
/// How often a silent bastion is asked whether it is there; after three times it is given up.
const BEAT: Duration = Duration::from_secs(5);
/// The longest certificate, and the longest sentence, that is read.
const LONGEST: usize = 64 * 1024;
/// Parts of a token, and rounds of the bastion's questions.
const ROUNDS: usize = 64;
/// The name that the connection is made under; who it is says the certificate.
const USER: &str = "tunnel";

/// Why there is no connection. Never holds a token.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The network.
    #[error("{0} cannot be reached: {1}")]
    Connect(Address, io::Error),
    /// Too slow.
    #[error("{0} did not answer in time")]
    Slow(Address),
    /// Somebody else, or so it seems.
    #[error(
        "{0} showed a host key that is not known here, and nothing was sent to it; compare --host-ca, --host-key and --name with what `bartizan ca show host` says on the bastion"
    )]
    Host(Address),
    /// There is no token.
    #[error("there is no token: {0}")]
    NoToken(#[from] TokenError),
    /// The token is not taken.
    #[error("{0} refused the token: {1}")]
    Token(Address, String),
    /// No certificate is given.
    #[error("{0} gave no certificate: {1}")]
    Certificate(Address, String),
    /// The certificate is not taken.
    #[error("{0} refused the certificate that a bastion had given; a new one is asked for next time")]
    Login(Address),
    /// A target may not be published.
    #[error("{0} does not let this service publish {1}: policy has to permit it, and the target has to be one that is published")]
    Publish(Address, TargetName),
    /// The SSH protocol.
    #[error("{0}: {1}")]
    Ssh(Address, russh::Error),
}

impl LinkError {
    /// Whether the bastion, or we, said no: trying again changes nothing unless somebody mends something.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Host(_) | Self::Token(..) | Self::Certificate(..) | Self::Publish(..))
    }

    /// Whether this machine has no token to show.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::NoToken(_))
    }
}

/// A key in memory and the certificate for it.
#[derive(Clone)]
pub struct Credential {
    pub(super) key: Arc<PrivateKey>,
    pub(super) certificate: Certificate,
}

impl Credential {
    /// Whose it is.
    #[must_use]
    pub fn principal(&self) -> String {
        Printable(self.certificate.key_id()).to_string()
    }

    /// When it is over.
    #[must_use]
    pub fn valid_before(&self) -> Timestamp {
        i64::try_from(self.certificate.valid_before()).ok().and_then(|at| Timestamp::from_second(at).ok()).unwrap_or(Timestamp::MAX)
    }
}

/// Has a certificate made for `key` by the bastion, for who `token` says.
///
/// # Errors
/// When the bastion cannot be reached, is not who it should be, or refuses.
pub async fn certify(
    bastion: &Address,
    trust: &Trust,
    token: &Secret,
    key: &Arc<PrivateKey>,
    now: Timestamp,
) -> Result<Credential, LinkError> {
    within(bastion, async {
        let (forwards, ends) = (NoForwards, CancellationToken::new());
        let mut handle = reach(bastion, trust, now, forwards, ends).await?;
        show_token(&mut handle, bastion, token).await?;
        let public = key.public_key().to_openssh().map_err(|error| LinkError::Certificate(bastion.clone(), error.to_string()))?;
        let line = ask(&handle, bastion, "cert", format!("{public}\n").into_bytes()).await?;
        // It has done its work; that it is gone already is as well.
        drop(handle.disconnect(Disconnect::ByApplication, "", "").await);
        credential(bastion, key, &line, now)
    })
    .await
}

/// Has the certificate of a connection renewed, on the word of a fresh token: what goes on there goes on.
pub(super) async fn renew<F: Forwards>(
    handle: &Handle<Outbound<F>>,
    bastion: &Address,
    token: &Secret,
    key: &Arc<PrivateKey>,
    now: Timestamp,
) -> Result<Credential, LinkError> {
    within(bastion, async {
        let line = ask(handle, bastion, "renew", token.reveal().as_bytes().to_vec()).await?;
        credential(bastion, key, &line, now)
    })
    .await
}

/// What a bastion gave, if it is what was asked for.
fn credential(bastion: &Address, key: &Arc<PrivateKey>, line: &str, now: Timestamp) -> Result<Credential, LinkError> {
    let odd = |why: String| LinkError::Certificate(bastion.clone(), why);
    let certificate = Certificate::from_openssh(line.trim()).map_err(|error| odd(format!("what came is none ({error})")))?;
    if certificate.public_key() != key.public_key().key_data() {
        return Err(odd("it is for another key".to_owned()));
    }
    let credential = Credential { key: Arc::clone(key), certificate };
    if credential.valid_before() <= now {
        return Err(odd("it has run out already; do the clocks here and there agree?".to_owned()));
    }
    Ok(credential)
}

/// A connection that has logged in with `credential`.
pub(super) async fn connect<F: Forwards>(
    bastion: &Address,
    trust: &Trust,
    credential: &Credential,
    now: Timestamp,
    forwards: F,
    ends: CancellationToken,
) -> Result<Handle<Outbound<F>>, LinkError> {
    within(bastion, async {
        let mut handle = reach(bastion, trust, now, forwards, ends).await?;
        let key = Arc::clone(&credential.key);
        let admitted = handle.authenticate_openssh_cert(USER, key, credential.certificate.clone()).await;
        match admitted.map_err(|error| LinkError::Ssh(bastion.clone(), error))? {
            admitted if admitted.success() => Ok(handle),
            // A connection that broke answers no as well.
            _ if handle.is_closed() => Err(LinkError::Ssh(bastion.clone(), russh::Error::Disconnect)),
            _ => Err(LinkError::Login(bastion.clone())),
        }
    })
    .await
}

async fn within<T>(bastion: &Address, work: impl Future<Output = Result<T, LinkError>>) -> Result<T, LinkError> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(LinkError::Slow(bastion.clone())))
}

async fn reach<F: Forwards>(
    bastion: &Address,
    trust: &Trust,
    now: Timestamp,
    forwards: F,
    ends: CancellationToken,
) -> Result<Handle<Outbound<F>>, LinkError> {
    let lost = |error: io::Error| LinkError::Connect(bastion.clone(), error);
    let stream = TcpStream::connect((bastion.host.as_str(), bastion.port)).await.map_err(lost)?;
    let stream = ReadAhead::new(QuickAck::new(stream).map_err(lost)?);
    let expected = trust.expected(bastion, now);
    let settings = outbound::settings(&expected, WINDOW, BEAT);
    client::connect_stream(settings, stream, Outbound::with(expected, forwards, ends)).await.map_err(|error| match error {
        russh::Error::UnknownKey => LinkError::Host(bastion.clone()),
        other => LinkError::Ssh(bastion.clone(), other),
    })
}

async fn show_token<F: Forwards>(handle: &mut Handle<Outbound<F>>, bastion: &Address, token: &Secret) -> Result<(), LinkError> {
    let broken = |error| LinkError::Ssh(bastion.clone(), error);
    let mut left = token.reveal();
    let mut said = String::new();
    let start = handle.authenticate_keyboard_interactive_start(code_login::TOKEN_USER, code_login::TOKEN_SUBMETHOD.to_owned());
    let mut answer = start.await.map_err(broken)?;
    for _ in 0..ROUNDS {
        let (instructions, prompts) = match answer {
            Answer::Success => return Ok(()),
            Answer::Failure { .. } => break,
            Answer::InfoRequest { instructions, prompts, .. } => (instructions, prompts),
        };
        if !instructions.trim().is_empty() {
            said = Printable(instructions.trim()).to_string();
        }
        let responses = match prompts.as_slice() {
            [] => Vec::new(),
            [asked] if asked.prompt == code_login::TOKEN_PROMPT => {
                let (part, rest) = left.split_at_checked(code_login::TOKEN_PART).unwrap_or((left, ""));
                left = rest;
                vec![part.to_owned()]
            }
            _ => return Err(LinkError::Token(bastion.clone(), "it asks for something that is not a token".to_owned())),
        };
        answer = handle.authenticate_keyboard_interactive_respond(responses).await.map_err(broken)?;
    }
    let said = if said.is_empty() { "it does not say why; its log does".to_owned() } else { said };
    Err(LinkError::Token(bastion.clone(), said))
}

/// Publishes targets (RFC 4254 section 7.1, with a target's name as the address), and says under which port the bastion knows each.
pub(super) async fn publish<F: Forwards>(
    handle: &Handle<Outbound<F>>,
    bastion: &Address,
    targets: Vec<TargetName>,
) -> Result<Vec<(TargetName, u32)>, LinkError> {
    within(bastion, async {
        let mut published = Vec::new();
        for target in targets {
            match handle.tcpip_forward(target.as_str(), 0).await {
                Ok(port) => published.push((target, port)),
                Err(russh::Error::RequestDenied) => return Err(LinkError::Publish(bastion.clone(), target)),
                Err(error) => return Err(LinkError::Ssh(bastion.clone(), error)),
            }
        }
        Ok(published)
    })
    .await
}

/// One of the bastion's own commands, and what it prints.
async fn ask<F: Forwards>(handle: &Handle<Outbound<F>>, bastion: &Address, command: &str, input: Vec<u8>) -> Result<String, LinkError> {
    let odd = |why: String| LinkError::Certificate(bastion.clone(), why);
    let broken = |error| LinkError::Ssh(bastion.clone(), error);
    let mut channel = handle.channel_open_session().await.map_err(broken)?;
    channel.exec(true, command).await.map_err(broken)?;
    channel.data_bytes(input).await.map_err(broken)?;
    channel.eof().await.map_err(broken)?;
    let (mut out, mut err, mut status) = (Vec::new(), Vec::new(), None);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } if out.len() + data.len() <= LONGEST => out.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, .. } if err.len() + data.len() <= LONGEST => err.extend_from_slice(&data),
            ChannelMsg::Data { .. } | ChannelMsg::ExtendedData { .. } => return Err(odd("it says too much".to_owned())),
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    match status {
        Some(0) => String::from_utf8(out).map_err(|_| odd("what came is none".to_owned())),
        None => Err(broken(russh::Error::Disconnect)),
        Some(_) => {
            let said = String::from_utf8_lossy(&err);
            let said = said.trim().strip_prefix("bartizan: ").unwrap_or(said.trim());
            Err(odd(Printable(said).to_string()))
        }
    }
}
