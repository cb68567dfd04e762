//! Authentication of one connection: which methods are offered to whom, how often, and the logins that take several rounds.
//! What was proved is bound to one SSH user name; a change of name throws it away.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Certificate, HashAlg, PublicKey};
use russh::server::{Auth, Response};
use russh::{MethodKind, MethodSet};
use zeroize::Zeroizing;

use crate::model::Secret;
use crate::model::code_login::{self, TOKEN_USER};

use super::hall::{BoxFuture, Outcome};
use super::{Cause, CodePrompt, Guard, HalfOpen, Hall, Refusal, Visitor, sentences};

/// The longest token that is put together, in bytes; the desk takes no longer one.
const TOKEN_MAX: usize = 16 << 10;

/// How long one round of a device login is kept before the client is asked to come again; each round shows that it lives.
const ROUND: Duration = Duration::from_secs(2);

/// How long a person may take to finish a login in the browser.
const CODE_PATIENCE: Duration = Duration::from_secs(300);

/// The state of one connection's authentication.
pub(super) struct Entrance<H: Hall> {
    hall: Arc<H>,
    visitor: Visitor,
    place: HalfOpen,
    guard: Arc<Guard>,
    attempts_left: u32,
    login: Login<H::Caller>,
    /// What keeps them out whichever way they try.
    barred: Option<String>,
    caller: Option<Arc<H::Caller>>,
}

/// A keyboard-interactive exchange.
enum Login<C> {
    None,
    Choosing,
    Device(BoxFuture<Outcome<C>>),
    Code(Box<dyn FnOnce(String) -> BoxFuture<Outcome<C>> + Send>),
    /// A token comes in parts.
    Token(Zeroizing<String>),
    /// The sentence was shown; the next round rejects.
    Over,
}

impl<H: Hall> Entrance<H> {
    pub(super) fn new(hall: Arc<H>, peer: std::net::SocketAddr, place: HalfOpen, guard: Arc<Guard>, attempts: u32) -> Self {
        let visitor = Visitor { peer, user: String::new(), key: None };
        Self { hall, visitor, place, guard, attempts_left: attempts, login: Login::None, barred: None, caller: None }
    }

    pub(super) fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    pub(super) fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }

    pub(super) fn caller(&self) -> Option<Arc<H::Caller>> {
        self.caller.clone()
    }

    /// The connection is authenticated: lifts the deadline and leaves the half-open count.
    pub(super) fn admitted(&mut self) {
        self.guard.admit();
        self.place.open();
    }

    /// Counts an attempt; false when there were too many. Probes, failures and partial successes all count.
    #[must_use]
    fn count(&mut self, user: &str) -> bool {
        if self.visitor.user != user {
            user.clone_into(&mut self.visitor.user);
            self.visitor.key = None;
            self.login = Login::None;
        }
        self.attempts_left = self.attempts_left.saturating_sub(1);
        self.attempts_left > 0
    }

    /// The `none` probe, which tells the client what it may try.
    pub(super) fn none(&mut self, user: &str) -> Result<Auth, russh::Error> {
        self.attempt(user)?;
        Ok(self.reject(user))
    }

    /// A key is offered. Whether a certificate stands behind it is not known yet, so that a good algorithm is let through
    /// to the signature: an offer is not an authentication.
    pub(super) fn offered(&mut self, user: &str, algorithm: &russh::keys::Algorithm) -> Result<Auth, russh::Error> {
        self.attempt(user)?;
        if crate::wire::ssh::allows_key(algorithm) { Ok(Auth::Accept) } else { Ok(self.reject(user)) }
    }

    /// Possession of a bare key was proved. It opens nothing; the login prompt shows its fingerprint.
    pub(super) fn bare_key(&mut self, user: &str, key: &PublicKey) -> Result<Auth, russh::Error> {
        self.attempt(user)?;
        self.visitor.key = Some(key.clone());
        Ok(self.reject(user))
    }

    pub(super) async fn certificate(&mut self, user: &str, certificate: &Certificate) -> Result<Auth, russh::Error> {
        self.attempt(user)?;
        self.visitor.key = Some(PublicKey::new(certificate.public_key().clone(), ""));
        match self.hall.certificate(&self.visitor, certificate).await {
            Ok(caller) => Ok(self.accept(caller)),
            Err(refusal) => Ok(self.fail(user, "certificate", &refusal)),
        }
    }

    pub(super) async fn password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        self.attempt(user)?;
        if user != TOKEN_USER {
            return Ok(self.reject(user));
        }
        match self.hall.token(&self.visitor, Secret::new(password.to_owned())).await {
            Ok(caller) => Ok(self.accept(caller)),
            Err(refusal) => Ok(self.fail(user, "token", &refusal)),
        }
    }

    pub(super) async fn keyboard_interactive(
        &mut self,
        user: &str,
        submethods: &str,
        response: Option<Response<'_>>,
    ) -> Result<Auth, russh::Error> {
        let Some(mut response) = response else {
            self.attempt(user)?;
            return Ok(self.begin(user, submethods).await);
        };
        if self.visitor.user != user {
            self.attempt(user)?;
            return Ok(self.reject(user));
        }
        let answer = response.next().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).unwrap_or_default();
        Ok(self.go_on(user, &answer).await)
    }

    async fn begin(&mut self, user: &str, submethods: &str) -> Auth {
        if let Some(sentence) = self.barred.take() {
            return self.say(sentence);
        }
        if user == TOKEN_USER {
            if !code_login::wants_token(submethods) {
                return self.reject(user);
            }
            self.login = Login::Token(Zeroizing::default());
            return ask_hidden(code_login::TOKEN_PROMPT.to_owned());
        }
        if let Some(redirect) = code_login::redirect_of(submethods) {
            return self.begin_code(&redirect).await;
        }
        let issuers = self.hall.issuers();
        if let Some(issuer) = code_login::device_issuer_of(submethods).filter(|name| issuers.iter().any(|known| known == name)) {
            return self.begin_device(issuer).await;
        }
        match issuers.as_slice() {
            [] => self.reject(user),
            [only] => self.begin_device(only).await,
            several => {
                self.login = Login::Choosing;
                ask(String::new(), Some(sentences::which_issuer(several)))
            }
        }
    }

    async fn begin_code(&mut self, redirect: &code_login::Redirect) -> Auth {
        match self.hall.begin_code(&self.visitor, redirect.issuer.as_deref(), &redirect.uri).await {
            Ok(CodePrompt { authorization_url, finish }) => {
                if !self.place.wait() {
                    return self.say(sentences::TOO_MANY_LOGINS.to_owned());
                }
                self.guard.extend(CODE_PATIENCE);
                self.login = Login::Code(finish);
                ask(String::new(), Some(code_login::prompt(&authorization_url)))
            }
            Err(refusal) => self.fail_aloud("code", &refusal),
        }
    }

    async fn begin_device(&mut self, issuer: &str) -> Auth {
        if !self.place.wait() {
            return self.say(sentences::TOO_MANY_LOGINS.to_owned());
        }
        match self.hall.begin_device(&self.visitor, issuer).await {
            Ok(prompt) => {
                let fingerprint = self.visitor.key.as_ref().map(|key| key.fingerprint(HashAlg::Sha256).to_string());
                let from = self.visitor.peer.ip().to_canonical();
                let text = sentences::device_prompt(&prompt, issuer, from, fingerprint.as_deref());
                self.guard.extend(prompt.expires_in + Duration::from_secs(30));
                self.login = Login::Device(prompt.outcome);
                ask(text, None)
            }
            Err(refusal) => self.fail_aloud("device", &refusal),
        }
    }

    async fn go_on(&mut self, user: &str, answer: &str) -> Auth {
        match std::mem::replace(&mut self.login, Login::None) {
            Login::None | Login::Over => self.reject(user),
            Login::Choosing => {
                let chosen = self.hall.issuers().into_iter().find(|name| name == answer.trim());
                match chosen {
                    Some(issuer) => self.begin_device(&issuer).await,
                    None => self.say(sentences::which_issuer(&self.hall.issuers())),
                }
            }
            Login::Token(token) => self.take_part(user, token, answer).await,
            Login::Device(mut outcome) => match tokio::time::timeout(ROUND, &mut outcome).await {
                Ok(Ok(caller)) => self.accept(caller),
                Ok(Err(refusal)) => self.fail_aloud("device", &refusal),
                Err(_) => {
                    self.login = Login::Device(outcome);
                    ask(String::new(), None)
                }
            },
            Login::Code(finish) => match finish(answer.trim().to_owned()).await {
                Ok(caller) => self.accept(caller),
                Err(refusal) => self.fail_aloud("code", &refusal),
            },
        }
    }

    /// A part as long as parts may be is followed by another.
    async fn take_part(&mut self, user: &str, mut token: Zeroizing<String>, part: &str) -> Auth {
        if token.len() + part.len() > TOKEN_MAX {
            return self.reject(user);
        }
        token.push_str(part);
        if part.len() >= code_login::TOKEN_PART {
            self.login = Login::Token(token);
            return ask_hidden(code_login::TOKEN_PROMPT.to_owned());
        }
        match self.hall.token(&self.visitor, Secret::new(token.to_string())).await {
            Ok(caller) => self.accept(caller),
            Err(refusal) => self.fail_aloud("token", &refusal),
        }
    }

    fn attempt(&mut self, user: &str) -> Result<(), russh::Error> {
        if self.count(user) {
            return Ok(());
        }
        self.hall.note_failure(&self.visitor, "any", sentences::TOO_MANY_ATTEMPTS);
        self.guard.kill();
        Err(russh::Error::Disconnect)
    }

    fn accept(&mut self, caller: H::Caller) -> Auth {
        self.caller = Some(Arc::new(caller));
        self.login = Login::None;
        Auth::Accept
    }

    /// Shows a last sentence; the round after it rejects.
    fn say(&mut self, sentence: String) -> Auth {
        self.login = Login::Over;
        ask(format!("{sentence}\n"), None)
    }

    fn fail(&mut self, user: &str, method: &'static str, refusal: &Refusal) -> Auth {
        self.hall.note_failure(&self.visitor, method, &refusal.detail);
        if refusal.cause == Cause::Barred {
            self.barred = Some(refusal.sentence.clone());
        }
        self.reject(user)
    }

    fn fail_aloud(&mut self, method: &'static str, refusal: &Refusal) -> Auth {
        self.hall.note_failure(&self.visitor, method, &refusal.detail);
        self.say(refusal.sentence.clone())
    }

    /// Rejects, and says what may be tried: tokens only from `jwt`, so that nobody is asked for a password in vain.
    fn reject(&self, user: &str) -> Auth {
        let methods: &[MethodKind] = if user == TOKEN_USER {
            &[MethodKind::PublicKey, MethodKind::KeyboardInteractive, MethodKind::Password]
        } else if self.hall.issuers().is_empty() {
            &[MethodKind::PublicKey]
        } else {
            &[MethodKind::PublicKey, MethodKind::KeyboardInteractive]
        };
        Auth::Reject { proceed_with_methods: Some(MethodSet::from(methods)), partial_success: false }
    }
}

/// An info request (RFC 4256 section 3.2) with one prompt, whose answer is not echoed.
fn ask_hidden(prompt: String) -> Auth {
    Auth::Partial { name: Cow::Borrowed(""), instructions: Cow::Borrowed(""), prompts: Cow::Owned(vec![(Cow::Owned(prompt), false)]) }
}

/// An info request (RFC 4256 section 3.2) with one prompt or none.
fn ask(instructions: String, prompt: Option<String>) -> Auth {
    let prompts = prompt.map(|text| (Cow::Owned(text), true)).into_iter().collect::<Vec<_>>();
    Auth::Partial { name: Cow::Borrowed(""), instructions: Cow::Owned(instructions), prompts: Cow::Owned(prompts) }
}
