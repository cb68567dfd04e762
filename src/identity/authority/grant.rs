//! What a certificate is asked to say, and its wording. Signs nothing.

use std::time::Duration;

use jiff::Timestamp;
use rand::CryptoRng;
use russh::keys::PublicKey;
use russh::keys::ssh_key::certificate::{Builder, CertType};

use crate::config::defaults::CLOCK_SKEW;
use crate::identity::certificate::{self, Notes, Permits, SourceAddresses, check_key};
use crate::model::{Login, Principal, PrincipalId, SessionId};

use super::{AuthorityError, AuthorityKind};

/// The longest life of a certificate, by authority.
fn longest(kind: AuthorityKind) -> Duration {
    Duration::from_secs(match kind {
        AuthorityKind::User => 24 * 3600,
        AuthorityKind::Host => 90 * 24 * 3600,
        AuthorityKind::Target => 3600,
    })
}

/// What each certificate needs from outside: its number, the present, and randomness.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    serial: u64,
    now: Timestamp,
    nonce: [u8; 32],
}

impl Stamp {
    /// The number `serial`, which the store has given to nobody else, at the moment `now`.
    #[must_use]
    pub fn new(serial: u64, now: Timestamp, rng: &mut impl CryptoRng) -> Self {
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        Self { serial, now, nonce }
    }
}

/// A certificate for a user or service.
#[derive(Debug, Clone)]
pub struct UserGrant<'a> {
    /// Who, and in which groups.
    pub principal: &'a Principal,
    /// When they last proved it to their issuer.
    pub authenticated_at: Timestamp,
    /// Their key.
    pub public_key: &'a PublicKey,
    /// How long from now; a day at most.
    pub valid_for: Duration,
    /// From where only.
    pub source: Option<&'a SourceAddresses>,
    /// What its holder may ask for at all.
    pub permits: Permits,
}

/// A certificate for the bastion itself, under its own names or, for `ssh -J`, that of a target.
#[derive(Debug, Clone)]
pub struct HostGrant<'a> {
    /// Host names as users type them.
    pub names: &'a [&'a str],
    /// The key of the host.
    pub public_key: &'a PublicKey,
    /// How long from now; 90 days at most.
    pub valid_for: Duration,
}

/// A certificate that the bastion shows to a target.
#[derive(Debug, Clone)]
pub struct TargetGrant<'a> {
    /// On behalf of which session; the target's log shows it.
    pub session: SessionId,
    /// On behalf of whom; the target's log shows it.
    pub principal: &'a PrincipalId,
    /// The account on the target.
    pub login: &'a Login,
    /// A key made for this connection only.
    pub public_key: &'a PublicKey,
    /// How long from now, an hour at most; a minute is enough. The usual clock skew is added at both ends.
    pub valid_for: Duration,
    /// What the target's sshd is to permit.
    pub permits: Permits,
}

impl UserGrant<'_> {
    pub(super) fn draft(&self, stamp: &Stamp) -> Result<Builder, AuthorityError> {
        let mut cert = begin(AuthorityKind::User, self.public_key, stamp, self.valid_for, Duration::ZERO)?;
        cert.key_id(self.principal.id.as_str())?.valid_principal(self.principal.id.as_str())?;
        cert.comment(self.principal.id.as_str())?;
        if let Some(source) = self.source {
            cert.critical_option(certificate::SOURCE_ADDRESS, source.to_string())?;
        }
        let notes = Notes { principal: self.principal.clone(), authenticated_at: self.authenticated_at, permits: self.permits };
        certificate::add_notes(&mut cert, &notes).ok_or(AuthorityError::TooManyGroups)??;
        Ok(cert)
    }
}

impl HostGrant<'_> {
    pub(super) fn draft(&self, stamp: &Stamp) -> Result<Builder, AuthorityError> {
        let mut cert = begin(AuthorityKind::Host, self.public_key, stamp, self.valid_for, Duration::ZERO)?;
        for name in self.names {
            cert.valid_principal(host_name(name)?)?;
        }
        cert.key_id(format!("host {}", self.names.join(" ")))?;
        Ok(cert)
    }
}

impl TargetGrant<'_> {
    pub(super) fn draft(&self, stamp: &Stamp) -> Result<Builder, AuthorityError> {
        let mut cert = begin(AuthorityKind::Target, self.public_key, stamp, self.valid_for, CLOCK_SKEW)?;
        cert.key_id(format!("{} session {}", self.principal, self.session))?.valid_principal(self.login.as_str())?;
        cert.extension(certificate::SESSION_ID, self.session.to_string())?;
        certificate::add_permits(&mut cert, self.permits)?;
        Ok(cert)
    }
}

fn begin(kind: AuthorityKind, key: &PublicKey, stamp: &Stamp, valid_for: Duration, late: Duration) -> Result<Builder, AuthorityError> {
    check_key(key.key_data())?;
    let longest = longest(kind);
    let refused = AuthorityError::Lifetime { kind, asked: valid_for, longest };
    if valid_for.is_zero() || valid_for > longest {
        return Err(refused);
    }
    let seconds = |moment: Option<Timestamp>| moment.and_then(|m| u64::try_from(m.as_second()).ok());
    let after = seconds(stamp.now.checked_sub(CLOCK_SKEW).ok());
    let before = seconds(stamp.now.checked_add(valid_for.saturating_add(late)).ok());
    let (Some(after), Some(before)) = (after, before) else { return Err(refused) };
    let mut cert = Builder::new(stamp.nonce, key.key_data().clone(), after, before)?;
    cert.serial(stamp.serial)?.cert_type(if kind == AuthorityKind::Host { CertType::Host } else { CertType::User })?;
    Ok(cert)
}

/// No pattern characters: newer OpenSSH matches `*` in host certificates.
fn host_name(name: &str) -> Result<&str, AuthorityError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let fits = (1..=253).contains(&name.len()) && !name.starts_with('-') && name.chars().all(plain);
    if fits { Ok(name) } else { Err(AuthorityError::HostName(name.to_owned())) }
}
