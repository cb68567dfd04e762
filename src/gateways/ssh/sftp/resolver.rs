//! Where paths lead at a target, asked over an SFTP channel of the bastion's own, for gateways whose session is no SFTP: scp, the
//! guarded shell. It asks what names are and what links say; it opens and changes nothing.

use bytes::{Buf, Bytes, BytesMut};
use russh::{Channel, ChannelMsg, client};

use super::codec::{self, Greeting, Malformed, Reply, Request, code};
use super::walk::{Found, Last, Looks, PathError, Resolved, resolve, text};

/// Why the target could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The path itself.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The connection to the target.
    #[error("the connection to the target was lost")]
    Gone(#[from] russh::Error),
    /// The target offers no SFTP.
    #[error("the target offers no SFTP, so it cannot be asked where a path leads")]
    NoSftp,
    /// What came is no SFTP.
    #[error("the target broke the SFTP protocol: {0}")]
    Malformed(#[from] Malformed),
    /// What came is SFTP, but no answer to what was asked.
    #[error("the target broke the SFTP protocol: {0}")]
    Wrong(&'static str),
}

/// Asks one target, one question after the other.
pub struct Resolver {
    channel: Channel<client::Msg>,
    buffer: BytesMut,
    next: u32,
    home: String,
}

impl Resolver {
    /// Starts the sftp subsystem on a fresh session channel of the target's connection and finds the account's home.
    ///
    /// # Errors
    /// When the target offers no SFTP or does not keep to it.
    pub async fn open(channel: Channel<client::Msg>) -> Result<Self, ResolveError> {
        channel.request_subsystem(true, "sftp").await?;
        let mut resolver = Self { channel, buffer: BytesMut::new(), next: 0, home: String::new() };
        loop {
            match resolver.channel.wait().await {
                Some(ChannelMsg::Success) => break,
                Some(ChannelMsg::WindowAdjusted { .. }) => {}
                Some(_) | None => return Err(ResolveError::NoSftp),
            }
        }
        let init = Greeting { version: codec::VERSION, extensions: Vec::new() };
        resolver.channel.data_bytes(init.init_packet()).await?;
        let packet = resolver.packet().await?;
        if Greeting::version(&packet)?.version != codec::VERSION {
            return Err(ResolveError::Wrong("it speaks another version than was asked for"));
        }
        resolver.find_home().await?;
        Ok(resolver)
    }

    async fn find_home(&mut self) -> Result<(), ResolveError> {
        let id = self.send(&[Request::Realpath { path: b"." }]).await?;
        let packet = self.answer(id).await?;
        self.home = home_of(&codec::read_reply(&packet)?.1).ok_or(ResolveError::Wrong("it does not tell the account's home"))?;
        Ok(())
    }

    /// The account's home: where relative paths start.
    #[must_use]
    pub fn home(&self) -> &str {
        &self.home
    }

    /// Where `path` leads, its last name followed: absolute, without `.`, `..` and links. It need not exist.
    ///
    /// # Errors
    /// When it cannot be followed or the target cannot be asked.
    pub async fn realpath(&mut self, path: &str) -> Result<String, ResolveError> {
        self.resolve(path, Last::Followed).await.map(|resolved| resolved.path)
    }

    /// The same with the choice whether the last name is followed, and with what lies there.
    ///
    /// # Errors
    /// As [`Self::realpath`].
    pub async fn resolve(&mut self, path: &str, last: Last) -> Result<Resolved, ResolveError> {
        let home = self.home.clone();
        resolve(self, &home, path.as_bytes(), last).await
    }

    /// Closes the channel.
    pub async fn end(self) {
        // It may be gone already, which is what is wanted.
        let _ = self.channel.close().await;
    }

    /// Sends requests under numbers that follow each other; gives the first.
    async fn send(&mut self, requests: &[Request<'_>]) -> Result<u32, ResolveError> {
        let first = self.next;
        let mut out = BytesMut::new();
        for request in requests {
            out.extend_from_slice(&request.packet(self.next));
            self.next = self.next.wrapping_add(1);
        }
        self.channel.data_bytes(out.freeze()).await?;
        Ok(first)
    }

    /// The next packet, which must answer request `id`: all servers answer in order what is asked by one in order.
    async fn answer(&mut self, id: u32) -> Result<Bytes, ResolveError> {
        let packet = self.packet().await?;
        if codec::number(&packet) == Some(id) { Ok(packet) } else { Err(ResolveError::Wrong("it answers what was not asked")) }
    }

    /// The next packet without its length field.
    async fn packet(&mut self) -> Result<Bytes, ResolveError> {
        loop {
            if let Some(length) = codec::length(&self.buffer)?
                && self.buffer.len() >= length
            {
                let mut packet = self.buffer.split_to(length);
                packet.advance(4);
                return Ok(packet.freeze());
            }
            match self.channel.wait().await {
                Some(ChannelMsg::Data { data }) => self.buffer.extend_from_slice(&data),
                Some(ChannelMsg::Close | ChannelMsg::Eof) | None => return Err(ResolveError::Gone(russh::Error::Disconnect)),
                Some(_) => {}
            }
        }
    }
}

impl Looks for Resolver {
    type Error = ResolveError;

    async fn look(&mut self, paths: &[String]) -> Result<Vec<Found>, ResolveError> {
        let requests: Vec<_> = paths.iter().map(|path| Request::Lstat { path: path.as_bytes() }).collect();
        let mut id = self.send(&requests).await?;
        let mut found = Vec::with_capacity(paths.len());
        for _ in paths {
            let packet = self.answer(id).await?;
            found.push(found_of(&codec::read_reply(&packet)?.1)?);
            id = id.wrapping_add(1);
        }
        Ok(found)
    }

    async fn link(&mut self, path: &str) -> Result<Option<Vec<u8>>, ResolveError> {
        let id = self.send(&[Request::Readlink { path: path.as_bytes() }]).await?;
        let packet = self.answer(id).await?;
        Ok(link_of(&codec::read_reply(&packet)?.1))
    }
}

/// What the answer to LSTAT says of a name.
///
/// # Errors
/// When it says something else.
pub(super) fn found_of(reply: &Reply<'_>) -> Result<Found, PathError> {
    match reply {
        Reply::Attributes(attributes) => attributes.kind().map(Found::Kind).ok_or(PathError::Unknown),
        Reply::Status { code: code::NO_SUCH_FILE | code::PERMISSION_DENIED, .. } => Ok(Found::Nothing),
        _ => Err(PathError::Unknown),
    }
}

/// What the answer to READLINK says.
pub(super) fn link_of(reply: &Reply<'_>) -> Option<Vec<u8>> {
    match reply {
        Reply::Names(names) => names.first().map(|name| name.name.to_vec()),
        _ => None,
    }
}

/// What the answer to REALPATH "." says, if it can be a home.
pub(super) fn home_of(reply: &Reply<'_>) -> Option<String> {
    let path = link_of(reply)?;
    text(&path).ok().filter(|path| path.starts_with('/')).map(str::to_owned)
}
