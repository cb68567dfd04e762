//! A visitor whose identity is known, and the proof that it is known still when they ask for something.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::frontdoor::Ask;
use crate::model::{Principal, PrincipalKind, TargetName};
use crate::store::{Shown, Subjected};

/// How a caller showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A certificate of the user authority.
    Certificate,
    /// A workload token.
    Token,
    /// A device login.
    Device,
    /// An authorization-code login.
    Code,
    /// An account of the bastion's own machine, as its kernel says.
    Local,
}

impl Proof {
    /// The word for it in logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Token => "token",
            Self::Device => "device",
            Self::Code => "code",
            Self::Local => "local",
        }
    }
}

/// An authenticated caller. Only this room makes one.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(super) principal: Principal,
    pub(super) proof: Proof,
    pub(super) source: IpAddr,
    pub(super) key: Option<String>,
    pub(super) certificate_ttl: Duration,
    pub(super) device_bound: bool,
    /// One for all that goes on under this identity.
    pub(super) term: Arc<Mutex<Term>>,
}

/// How long an identity holds, and by what: a renewal changes it.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) authenticated_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// The certificates that it stands on, and when each is over; the newest last. What becomes of one becomes of all.
    pub(super) certificates: Vec<(Shown, Timestamp)>,
}

/// Certificates that an identity may stand on at a time: whoever renews in good time has two or three.
const MOST: usize = 16;

/// Why an identity is not renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotRenewed {
    /// Somebody else's, or the same one's in other groups or with another key.
    #[error("this connection began under another identity, in other groups, with another key or without a certificate")]
    Another,
    /// Too many certificates.
    #[error("it was renewed too often")]
    TooOften,
}

impl Term {
    /// For a new caller.
    pub(super) fn new(authenticated_at: Timestamp, expires_at: Timestamp, shown: Option<Shown>) -> Arc<Mutex<Self>> {
        let certificates = shown.into_iter().map(|shown| (shown, expires_at)).collect();
        Arc::new(Mutex::new(Self { authenticated_at, expires_at, certificates }))
    }
}

/// The issuer of accounts of the bastion's own machine; no issuer of the configuration has this name.
pub const LOCAL: &str = "local";

/// The group of everybody who comes from the bastion's own machine.
const OPERATORS: &str = "local/operators";

/// How long a connection from the bastion's own machine is good for.
const LOCAL_LASTS: SignedDuration = SignedDuration::from_hours(12);

impl Caller {
    /// Somebody on the bastion's own machine, by the account that the kernel names. None where the account's name cannot be one.
    #[must_use]
    pub fn local(account: &str, now: Timestamp) -> Option<Self> {
        let principal =
            Principal { kind: PrincipalKind::User, id: format!("{LOCAL}/{account}").parse().ok()?, groups: vec![OPERATORS.parse().ok()?] };
        Some(Self {
            principal,
            proof: Proof::Local,
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            key: None,
            certificate_ttl: Duration::ZERO,
            device_bound: false,
            term: Term::new(now, now.checked_add(LOCAL_LASTS).unwrap_or(now), None),
        })
    }

    fn term(&self) -> MutexGuard<'_, Term> {
        // Nobody panics while it is held.
        self.term.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `next` is the same: the same principal in the same groups, from the same place, with the same key. Both with certificates.
    pub(super) fn is_same(&self, next: &Self) -> Result<(), NotRenewed> {
        let both = self.proof == Proof::Certificate && next.proof == Proof::Certificate;
        let is_same = self.principal == next.principal && self.source == next.source && self.key.is_some() && self.key == next.key;
        if both && is_same { Ok(()) } else { Err(NotRenewed::Another) }
    }

    /// What goes on under this identity goes on for as long as `next` holds.
    pub(super) fn go_on_as(&self, next: &Self, now: Timestamp) -> Result<(), NotRenewed> {
        self.is_same(next)?;
        let Term { authenticated_at, expires_at, certificates } = next.term().clone();
        let mut term = self.term();
        term.certificates.retain(|(_, until)| *until > now);
        if term.certificates.len() >= MOST {
            return Err(NotRenewed::TooOften);
        }
        term.certificates.extend(certificates);
        term.authenticated_at = authenticated_at;
        term.expires_at = term.expires_at.max(expires_at);
        Ok(())
    }

    /// Who.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// How they showed it.
    #[must_use]
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// Where from; IPv4 in its own form.
    #[must_use]
    pub fn source(&self) -> IpAddr {
        self.source
    }

    /// The fingerprint of the key they proved to hold, if any.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// When the issuer last saw them.
    #[must_use]
    pub fn authenticated_at(&self) -> Timestamp {
        self.term().authenticated_at
    }

    /// The first moment this identity holds no more; live sessions end here.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.term().expires_at
    }

    /// How long a certificate of theirs may live, as their issuer's configuration says.
    #[must_use]
    pub fn certificate_ttl(&self) -> Duration {
        self.certificate_ttl
    }

    /// The serial of the newest certificate that they showed.
    #[must_use]
    pub fn certificate(&self) -> Option<u64> {
        self.term().certificates.last().map(|(shown, _)| shown.serial)
    }

    /// The certificates that they stand on.
    pub(super) fn shown(&self) -> Vec<Shown> {
        self.term().certificates.iter().map(|(shown, _)| shown.clone()).collect()
    }

    /// Whether their key is known to live in hardware.
    #[must_use]
    pub fn device_bound(&self) -> bool {
        self.device_bound
    }

    /// What a lock is compared with, for one of the certificates that they stand on. Who comes by no network comes from no address: a lock on all addresses leaves the operator
    /// on the machine, who can take it away.
    #[must_use]
    pub(super) fn subject_to<'a>(&'a self, target: Option<&'a TargetName>, certificate: Option<u64>) -> Subjected<'a> {
        let source = (self.proof != Proof::Local).then_some(self.source);
        Subjected { principal: Some(&self.principal), target, certificate, source }
    }
}

/// An [`Ask`] whose caller was looked at once more when they asked: not expired, not revoked, not locked.
#[derive(Debug)]
pub struct Identified {
    ask: Ask,
    caller: Arc<Caller>,
}

impl Identified {
    pub(super) fn new(ask: Ask, caller: Arc<Caller>) -> Self {
        Self { ask, caller }
    }

    /// What they ask.
    #[must_use]
    pub fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Who asks.
    #[must_use]
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }
}
