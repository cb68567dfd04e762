//! A visitor whose identity is known, and the proof that it is known still when they ask for something.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
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
    pub(super) authenticated_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) certificate_ttl: Duration,
    pub(super) shown: Option<Shown>,
    pub(super) device_bound: bool,
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
            authenticated_at: now,
            expires_at: now.checked_add(LOCAL_LASTS).unwrap_or(now),
            certificate_ttl: Duration::ZERO,
            shown: None,
            device_bound: false,
        })
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
        self.authenticated_at
    }

    /// The first moment this identity holds no more; live sessions end here.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// How long a certificate of theirs may live, as their issuer's configuration says.
    #[must_use]
    pub fn certificate_ttl(&self) -> Duration {
        self.certificate_ttl
    }

    /// The serial of the certificate they came with.
    #[must_use]
    pub fn certificate(&self) -> Option<u64> {
        self.shown.as_ref().map(|shown| shown.serial)
    }

    /// Whether their key is known to live in hardware.
    #[must_use]
    pub fn device_bound(&self) -> bool {
        self.device_bound
    }

    /// What a lock is compared with. Who comes by no network comes from no address: a lock on all addresses leaves the operator
    /// on the machine, who can take it away.
    #[must_use]
    pub fn subject_to<'a>(&'a self, target: Option<&'a TargetName>) -> Subjected<'a> {
        let source = (self.proof != Proof::Local).then_some(self.source);
        Subjected { principal: Some(&self.principal), target, certificate: self.certificate(), source }
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
