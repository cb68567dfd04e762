//! The identity desk: turns certificates, tokens and logins into a [`Caller`], looks at them again when they ask for
//! something, and issues certificates. Never decides what a caller may do.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use russh::keys::{Certificate, PublicKey};

use crate::audit::Entry;
use crate::config::defaults;
use crate::frontdoor::{Ask, Cause, CodePrompt, DevicePrompt, Outcome, Refusal, Visitor};
use crate::model::{AuthorityKind, Clock, IssuerName, Printable, Secret, TargetName};
use crate::store::{NewCertificate, Shown, Store};

use super::authority::{Authorities, HostGrant, Stamp, UserGrant};
use super::caller::{NotRenewed, Term};
use super::certificate::{self, Permits, SourceAddresses};
use super::oidc::{LoginError, Providers, Verified};
use super::{Caller, Identified, Proof};

const NOT_NOW: &str = "The bastion cannot check who you are right now; try again in a minute.";

/// The desk of one bastion.
pub struct IdentityDesk {
    providers: Providers,
    authorities: Arc<Authorities>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl IdentityDesk {
    /// A desk.
    #[must_use]
    pub fn new(providers: Providers, authorities: Arc<Authorities>, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { providers, authorities, store, clock }
    }

    /// The authorities.
    #[must_use]
    pub fn authorities(&self) -> &Arc<Authorities> {
        &self.authorities
    }

    /// The issuers that people can log in with.
    #[must_use]
    pub fn issuers(&self) -> Vec<String> {
        self.providers.for_login().map(ToString::to_string).collect()
    }

    /// Checks a certificate whose key's possession was proved.
    ///
    /// # Errors
    /// When any check fails, it is revoked, or its holder is locked.
    pub async fn certificate(&self, visitor: &Visitor, certificate: &Certificate) -> Outcome<Caller> {
        let now = self.clock.now();
        let trusted = self.authorities.public_keys(AuthorityKind::User, now);
        let source = visitor.peer.ip().to_canonical();
        let certified = certificate::check(certificate, &trusted, source, now)
            .map_err(|refusal| Refusal::denied(refusal.visitor(), refusal.to_string()))?;
        let shown = Shown {
            authority: AuthorityKind::User,
            serial: certified.serial(),
            key_fingerprint: certified.key().to_string(),
            ca_fingerprint: certified.authority().to_string(),
            principal: Some(certified.principal().id.clone()),
            // It begins to hold so much before it is issued.
            issued_at: after(certified.valid_after(), defaults::CLOCK_SKEW),
        };
        let caller = Caller {
            principal: certified.principal().clone(),
            proof: Proof::Certificate,
            source,
            key: Some(shown.key_fingerprint.clone()),
            certificate_ttl: left(certified.valid_before(), now),
            device_bound: is_hardware(certificate),
            term: Term::new(certified.authenticated_at(), certified.valid_before(), Some(shown)),
        };
        self.stands(&caller, None).await?;
        Ok(caller)
    }

    /// Checks a workload token.
    ///
    /// # Errors
    /// When it is not good, its issuer cannot be asked, or its service is locked.
    pub async fn token(&self, visitor: &Visitor, token: Secret) -> Outcome<Caller> {
        let verified = self.providers.verify_token(&token).await.map_err(|e| login_refusal(&e))?;
        let caller = self.caller(verified, Proof::Token, visitor);
        self.stands(&caller, None).await?;
        Ok(caller)
    }

    /// Begins a device login.
    ///
    /// # Errors
    /// When the issuer is not known or cannot be reached.
    pub async fn begin_device(self: &Arc<Self>, visitor: &Visitor, issuer: &str) -> Outcome<DevicePrompt<Caller>> {
        let issuer = known_issuer(issuer)?;
        let login = self.providers.begin_device(&issuer).await.map_err(|e| login_refusal(&e))?;
        let (uri, complete_uri) = (login.verification_uri.clone(), login.verification_uri_complete.clone());
        let (code, expires_in) = (login.user_code.clone(), login.expires_in);
        let (desk, visitor) = (Arc::clone(self), visitor.clone());
        let outcome = Box::pin(async move {
            let verified = login.wait().await.map_err(|e| login_refusal(&e))?;
            desk.admit(verified, Proof::Device, &visitor).await
        });
        Ok(DevicePrompt { uri, complete_uri, code, expires_in, outcome })
    }

    /// Begins an authorization-code login; without `issuer`, at the first that people can use.
    ///
    /// # Errors
    /// As [`IdentityDesk::begin_device`], or when `redirect` is not a loopback address.
    pub async fn begin_code(self: &Arc<Self>, visitor: &Visitor, issuer: Option<&str>, redirect: &str) -> Outcome<CodePrompt<Caller>> {
        let issuer = match issuer {
            Some(name) => known_issuer(name)?,
            None => self.providers.choose(None).map_err(|e| login_refusal(&e))?.clone(),
        };
        let login = self.providers.begin_code(&issuer, redirect).await.map_err(|e| login_refusal(&e))?;
        let authorization_url = login.authorization_url().to_owned();
        let (desk, visitor) = (Arc::clone(self), visitor.clone());
        let finish = Box::new(move |answer: String| {
            let finished: crate::frontdoor::BoxFuture<Outcome<Caller>> = Box::pin(async move {
                let verified = login.finish(&answer).await.map_err(|e| login_refusal(&e))?;
                desk.admit(verified, Proof::Code, &visitor).await
            });
            finished
        });
        Ok(CodePrompt { authorization_url, finish })
    }

    async fn admit(&self, verified: Verified, proof: Proof, visitor: &Visitor) -> Outcome<Caller> {
        let caller = self.caller(verified, proof, visitor);
        self.stands(&caller, None).await?;
        Ok(caller)
    }

    /// Who logged in is who the issuer says, whatever name was typed to SSH.
    fn caller(&self, verified: Verified, proof: Proof, visitor: &Visitor) -> Caller {
        let now = self.clock.now();
        let by_ttl = after(now, verified.certificate_ttl);
        // A workload's identity ends with its token; a person's login is worth one certificate.
        let expires_at = if proof == Proof::Token { by_ttl.min(verified.expires_at) } else { by_ttl };
        Caller {
            principal: verified.principal,
            proof,
            source: visitor.peer.ip().to_canonical(),
            key: visitor.key.as_ref().map(fingerprint),
            certificate_ttl: verified.certificate_ttl,
            device_bound: visitor.key.as_ref().is_some_and(|key| key.algorithm().as_str().starts_with("sk-")),
            term: Term::new(verified.authenticated_at, expires_at, None),
        }
    }

    /// Lets everything that goes on under the identity of `caller` go on by `certificate`, which was just issued for the same principal and
    /// key, on the word of a fresh token. What the groups, the key or the place have changed for begins anew, by a login.
    ///
    /// # Errors
    /// When it is not for the same, or does not stand.
    pub async fn renew(&self, caller: &Caller, visitor: &Visitor, certificate: &Certificate) -> Result<(), Refusal> {
        let next = self.certificate(visitor, certificate).await?;
        caller.go_on_as(&next, self.clock.now()).map_err(|why| not_renewed(&why))
    }

    /// Whether a token says that `fresh` is who `caller` is.
    ///
    /// # Errors
    /// When it does not.
    pub fn recognise(&self, caller: &Caller, fresh: &Caller) -> Result<(), Refusal> {
        let is_same = caller.proof == Proof::Certificate && caller.principal == fresh.principal;
        if is_same { Ok(()) } else { Err(not_renewed(&NotRenewed::Another)) }
    }

    /// Looks at a caller again: not expired, not revoked, not locked, nor `target`.
    ///
    /// # Errors
    /// When any of it is so, or the store does not answer.
    pub async fn stands(&self, caller: &Caller, target: Option<&TargetName>) -> Result<(), Refusal> {
        let now = self.clock.now();
        if now >= caller.expires_at() {
            return Err(Refusal::denied("Your login has run out; log in again.", "the identity has expired"));
        }
        let shown = caller.shown();
        for one in &shown {
            let revoked = self.store.is_revoked(one.clone()).await.map_err(|e| Refusal::unavailable(NOT_NOW, e.to_string()))?;
            if let Some(revocation) = revoked {
                return Err(Refusal::denied("Your certificate was revoked; log in again.", format!("revocation {}", revocation.id)));
            }
        }
        let locks = self.store.locks(now).await.map_err(|e| Refusal::unavailable(NOT_NOW, e.to_string()))?;
        let covers = |lock: &crate::store::Lock, serial| lock.lock.subject.covers(&caller.subject_to(target, serial));
        match locks.iter().find(|lock| covers(lock, None) || shown.iter().any(|one| covers(lock, Some(one.serial)))) {
            Some(lock) => Err(locked(lock)),
            None => Ok(()),
        }
    }

    /// Looks at the caller of `ask` and lets it on.
    ///
    /// # Errors
    /// As [`IdentityDesk::stands`].
    pub async fn identify(&self, caller: Arc<Caller>, ask: Ask) -> Result<Identified, Refusal> {
        self.stands(&caller, Some(&ask.target)).await?;
        Ok(Identified::new(ask, caller))
    }

    /// Issues a user certificate for `key`, recorded before it is signed, and the audit entry that is to be written before it is
    /// given away. That policy allows it was settled before.
    ///
    /// # Errors
    /// When the key is too weak, the store does not answer, or the authority cannot sign.
    pub async fn issue(&self, caller: &Caller, key: &PublicKey, ttl: Duration, pin_source: bool) -> Result<(Certificate, Entry), Refusal> {
        let now = self.clock.now();
        let source = pin_source.then(|| SourceAddresses::only(caller.source));
        let record = NewCertificate {
            authority: AuthorityKind::User,
            key_id: caller.principal.id.to_string(),
            principal: Some(caller.principal.id.clone()),
            kind: Some(caller.principal.kind),
            key_fingerprint: fingerprint(key),
            valid_after: before(now, defaults::CLOCK_SKEW),
            valid_before: after(now, ttl),
            issued_at: now,
            ca_fingerprint: self.ca_fingerprint(AuthorityKind::User),
            source_address: source.as_ref().map(ToString::to_string),
            session: None,
        };
        let serial = self.store.issue(record.clone()).await.map_err(|e| Refusal::unavailable(NOT_NOW, e.to_string()))?;
        let grant = UserGrant {
            principal: &caller.principal,
            authenticated_at: caller.authenticated_at(),
            public_key: key,
            valid_for: ttl,
            source: source.as_ref(),
            permits: Permits { pty: true, port_forwarding: true, agent_forwarding: false },
        };
        let stamp = Stamp::new(serial, now, &mut rand::rng());
        let certificate = self.authorities.issue_user(&grant, &stamp).await.map_err(|e| unsigned(&e))?;
        Ok((certificate, issued(record, serial, caller.source)))
    }

    /// Issues a host certificate for `key` under `names`.
    ///
    /// # Errors
    /// As [`IdentityDesk::issue`], and when a name is not a host name.
    pub async fn issue_host(&self, names: &[String], key: &PublicKey, life: Duration) -> Result<Certificate, Refusal> {
        let now = self.clock.now();
        let record = NewCertificate {
            authority: AuthorityKind::Host,
            key_id: format!("host {}", names.join(" ")),
            principal: None,
            kind: None,
            key_fingerprint: fingerprint(key),
            valid_after: before(now, defaults::CLOCK_SKEW),
            valid_before: after(now, life),
            issued_at: now,
            ca_fingerprint: self.host_authority(),
            source_address: None,
            session: None,
        };
        let serial = self.store.issue(record).await.map_err(|e| Refusal::unavailable(NOT_NOW, e.to_string()))?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let grant = HostGrant { names: &names, public_key: key, valid_for: life };
        let stamp = Stamp::new(serial, now, &mut rand::rng());
        self.authorities.issue_host(&grant, &stamp).await.map_err(|e| unsigned(&e))
    }

    /// The fingerprint of the host authority's current key.
    #[must_use]
    pub fn host_authority(&self) -> String {
        self.ca_fingerprint(AuthorityKind::Host)
    }

    fn ca_fingerprint(&self, kind: AuthorityKind) -> String {
        self.authorities.public_keys(kind, self.clock.now()).first().map(fingerprint).unwrap_or_default()
    }
}

fn issued(record: NewCertificate, serial: u64, source: IpAddr) -> Entry {
    Entry::CertificateIssued {
        authority: record.authority,
        serial,
        key_id: record.key_id,
        principal: record.principal,
        key_fingerprint: record.key_fingerprint,
        ca_fingerprint: record.ca_fingerprint,
        valid_after: record.valid_after,
        valid_before: record.valid_before,
        source_address: record.source_address,
        source: Some(source),
    }
}

fn not_renewed(why: &NotRenewed) -> Refusal {
    Refusal::denied(format!("The certificate is not renewed: {why}; connect anew with a certificate of the new token."), why.to_string())
}

fn unsigned(error: &super::authority::AuthorityError) -> Refusal {
    Refusal::unavailable("The certificate could not be signed; tell the operator.", error.to_string())
}

fn before(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_sub(by).ok()).unwrap_or(now)
}

fn after(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(now)
}

/// The sentence of a lock, for the caller and for the audit log.
fn locked(lock: &crate::store::Lock) -> Refusal {
    let reason = Printable(&lock.lock.reason).to_string();
    let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    let refusal =
        Refusal::denied(format!("Access is locked{why}; ask the operator."), format!("lock {} on {}", lock.id, lock.lock.subject));
    Refusal { cause: Cause::Barred, ..refusal }
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(Default::default()).to_string()
}

fn is_hardware(certificate: &Certificate) -> bool {
    certificate.public_key().algorithm().as_str().starts_with("sk-")
}

fn left(until: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO)
}

fn known_issuer(name: &str) -> Result<IssuerName, Refusal> {
    name.parse().map_err(|_| no_issuer())
}

fn no_issuer() -> Refusal {
    Refusal::denied("There is no such identity provider here.", "unknown issuer")
}

fn login_refusal(error: &LoginError) -> Refusal {
    Refusal::denied(error.to_string(), error.detail())
}
