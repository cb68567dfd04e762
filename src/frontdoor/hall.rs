//! What stands behind the door. `daemon` implements it; the door asks it who a visitor is and hands it each arrival.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::Certificate;
use russh::{Channel, server};

use crate::model::{Secret, TargetKind, TargetName};

use super::{Arrival, Forwarded, Held, Line, Publish, Refusal, Visitor};

/// A boxed future that owns all it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How an attempt to identify oneself ended.
pub type Outcome<C> = Result<C, Refusal>;

/// A device login that was begun (RFC 8628).
pub struct DevicePrompt<C> {
    /// Where the person goes.
    pub uri: String,
    /// The same with the code in it.
    pub complete_uri: Option<String>,
    /// What they enter.
    pub code: String,
    /// How long they have.
    pub expires_in: Duration,
    /// Resolves when they finished or failed to. Dropping it ends the waiting.
    pub outcome: BoxFuture<Outcome<C>>,
}

/// An authorization-code login that was begun (RFC 6749 section 4.1, RFC 7636).
pub struct CodePrompt<C> {
    /// What the browser opens.
    pub authorization_url: String,
    /// Takes what came on the redirect.
    pub finish: Box<dyn FnOnce(String) -> BoxFuture<Outcome<C>> + Send>,
}

/// The rooms behind the door.
pub trait Hall: Send + Sync + 'static {
    /// A visitor whose identity is known.
    type Caller: Send + Sync + 'static;

    /// Checks a certificate whose key's possession was proved.
    fn certificate(&self, visitor: &Visitor, certificate: &Certificate) -> impl Future<Output = Outcome<Self::Caller>> + Send;

    /// Checks a workload token.
    fn token(&self, visitor: &Visitor, token: Secret) -> impl Future<Output = Outcome<Self::Caller>> + Send;

    /// The names of the issuers that people can log in with.
    fn issuers(&self) -> Vec<String>;

    /// Begins a device login at the issuer of that name.
    fn begin_device(&self, visitor: &Visitor, issuer: &str) -> impl Future<Output = Outcome<DevicePrompt<Self::Caller>>> + Send;

    /// Begins a code login at the issuer of that name (or the first) that comes back to `redirect`.
    fn begin_code(
        &self,
        visitor: &Visitor,
        issuer: Option<&str>,
        redirect: &str,
    ) -> impl Future<Output = Outcome<CodePrompt<Self::Caller>>> + Send;

    /// Notes that a visitor failed to identify themselves.
    fn note_failure(&self, visitor: &Visitor, method: &'static str, why: &str);

    /// Notes something that was refused by name.
    fn note_refused(&self, caller: &Self::Caller, visitor: &Visitor, what: &str);

    /// Somebody has logged in on a connection; what comes back is dropped with it.
    fn connected(&self, caller: Arc<Self::Caller>, line: Line) -> Box<dyn Send + Sync>;

    /// Takes charge of a session channel.
    fn attend(self: &Arc<Self>, caller: Arc<Self::Caller>, arrival: Arrival);

    /// Whether `host` is the name of an SSH target, to be reached by `-J`.
    fn jump_target(&self, caller: &Self::Caller, host: &str) -> Option<TargetName>;

    /// Whether `name` is the name of a target that a stream may lead to: of `kind`, where the visitor says which.
    fn stream_target(&self, caller: &Self::Caller, name: &str, kind: Option<TargetKind>) -> Option<TargetName>;

    /// Whether nothing new begins here any more, since the bastion is shutting down.
    fn is_closing(&self) -> bool;

    /// Takes charge of a stream to a target.
    fn stream(self: &Arc<Self>, caller: Arc<Self::Caller>, stream: Forwarded);

    /// Of which kind the target named `name` is, if it is one that is reached through whoever publishes it.
    fn published_kind(&self, name: &TargetName) -> Option<TargetKind>;

    /// Publishes a target through a connection, until what comes back is dropped.
    fn publish(self: &Arc<Self>, caller: Arc<Self::Caller>, publish: Publish) -> impl Future<Output = Outcome<Box<dyn Held>>> + Send;

    /// Ends a connection with a sentence, if nothing that was asked for on it is granted in a moment: nothing else shows what was
    /// refused to somebody who has no session.
    fn explain(&self, line: Line, sentence: String);

    /// Takes charge of a `-J` stream: serves SSH on it as `target`.
    fn jump(self: &Arc<Self>, caller: Arc<Self::Caller>, visitor: Visitor, target: TargetName, stream: Channel<server::Msg>);
}
