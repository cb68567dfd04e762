//! One SSH connection to a bastion, and the streams on it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use russh::client::{self, Handle};
use russh::keys::PrivateKey;
use russh::{Channel, ChannelOpenFailure, Disconnect};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::login::{connect, publish, renew};
use super::{Address, Credential, LinkError, Publisher, Trust};
use crate::model::{Secret, TargetName};
use crate::wire::outbound::Outbound;

/// How long a bastion may take to hear that nothing is published any more.
const WITHDRAWAL: Duration = Duration::from_secs(3);

/// A connection that has logged in.
pub struct Link {
    handle: Handle<Outbound<Publisher>>,
    bastion: Address,
    /// Under which port the bastion knows each.
    published: Vec<(TargetName, u32)>,
    ended: CancellationToken,
    leaving: CancellationToken,
    streams: TaskTracker,
}

/// What came of opening a stream.
pub enum Opened {
    /// It is open; the connection lasts as long as the token.
    Stream(Channel<client::Msg>, TaskTrackerToken),
    /// The bastion refuses it.
    Refused(ChannelOpenFailure),
    /// This connection takes no more: it is over, or its bastion is going.
    Gone,
}

impl Link {
    /// Connects to `bastion` with `credential`, and publishes what `publisher` takes.
    ///
    /// # Errors
    /// When it cannot be reached, is not who it should be, or refuses.
    pub async fn connect(
        bastion: &Address,
        trust: &Trust,
        credential: &Credential,
        now: Timestamp,
        publisher: &Publisher,
    ) -> Result<Self, LinkError> {
        let (ended, leaving, streams) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        let targets: Vec<TargetName> = publisher.publications().iter().map(|one| one.target.clone()).collect();
        let handle = connect(bastion, trust, credential, now, publisher.on(&streams), ended.clone()).await?;
        let published = publish(&handle, bastion, targets).await?;
        Ok(Self { handle, bastion: bastion.clone(), published, ended, leaving, streams })
    }

    /// Has its certificate renewed on the word of a fresh `token`, so that its streams go on.
    ///
    /// # Errors
    /// When the bastion does not do that: the token is not taken, or says something else of who this is than the one before.
    pub async fn renew(&self, token: &Secret, key: &Arc<PrivateKey>, now: Timestamp) -> Result<Credential, LinkError> {
        renew(&self.handle, &self.bastion, token, key, now).await
    }

    /// Where it leads.
    #[must_use]
    pub fn bastion(&self) -> &Address {
        &self.bastion
    }

    /// Whether new streams may be tried on it.
    #[must_use]
    pub fn takes_streams(&self) -> bool {
        !self.ended.is_cancelled() && !self.leaving.is_cancelled()
    }

    /// Comes back when the connection is over.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Comes back when the bastion takes no more streams, which it says when it is shutting down.
    pub async fn leaving(&self) {
        self.leaving.cancelled().await;
    }

    /// Opens a stream to `target`.
    pub async fn open(&self, target: &TargetName, from: (&str, u16)) -> Opened {
        let token = self.streams.token();
        let opened = self.handle.channel_open_direct_tcpip(target.as_str(), 0, from.0, u32::from(from.1)).await;
        match opened {
            Ok(channel) => Opened::Stream(channel, token),
            Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed)) => {
                self.leaving.cancel();
                Opened::Gone
            }
            Err(russh::Error::ChannelOpenFailure(failure)) => Opened::Refused(failure),
            Err(_) => Opened::Gone,
        }
    }

    /// Publishes nothing any more; what was handed over goes on.
    pub async fn withdraw(&self) {
        let withdrawn = async {
            for (target, port) in &self.published {
                drop(self.handle.cancel_tcpip_forward(target.as_str(), *port).await);
            }
        };
        // A bastion that does not answer hands nothing over.
        drop(tokio::time::timeout(WITHDRAWAL, withdrawn).await);
    }

    /// Waits for its streams to end, and ends it then.
    pub async fn retire(&self) {
        self.leaving.cancel();
        self.withdraw().await;
        self.streams.close();
        tokio::select! {
            () = self.streams.wait() => {}
            () = self.ended() => {}
        }
        self.end().await;
    }

    /// Ends it.
    pub async fn end(&self) {
        // It may be gone already, which is what is wanted.
        drop(self.handle.disconnect(Disconnect::ByApplication, "", "").await);
    }
}
