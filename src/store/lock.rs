//! Locks: who or what is kept out until further notice. The store keeps them; `daemon` refuses and ends by them.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{GroupName, Principal, PrincipalId, PrincipalKind, TargetName};

/// What a lock keeps out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockSubject {
    /// A person.
    User(PrincipalId),
    /// A program.
    Service(PrincipalId),
    /// Everybody in a group.
    Group(GroupName),
    /// Everybody's way to a target.
    Target(TargetName),
    /// Who comes with the certificate of this serial.
    Certificate(u64),
    /// Who comes from these addresses.
    Source(IpNet),
}

/// What is known of a visitor or session when locks are looked at. What is not known is not covered.
#[derive(Debug, Clone, Copy)]
pub struct Subjected<'a> {
    /// Who, with groups.
    pub principal: Option<&'a Principal>,
    /// Which target.
    pub target: Option<&'a TargetName>,
    /// The certificate shown.
    pub certificate: Option<u64>,
    /// Where from.
    pub source: Option<IpAddr>,
}

impl LockSubject {
    /// Whether this keeps `seen` out.
    #[must_use]
    pub fn covers(&self, seen: &Subjected<'_>) -> bool {
        let is = |kind, id: &PrincipalId| seen.principal.is_some_and(|p| p.kind == kind && p.id == *id);
        match self {
            Self::User(id) => is(PrincipalKind::User, id),
            Self::Service(id) => is(PrincipalKind::Service, id),
            Self::Group(group) => seen.principal.is_some_and(|p| p.groups.contains(group)),
            Self::Target(target) => seen.target == Some(target),
            Self::Certificate(serial) => seen.certificate == Some(*serial),
            // A v4 visitor on a v6 socket shows as ::ffff:a.b.c.d.
            Self::Source(network) => seen.source.is_some_and(|address| network.contains(&address.to_canonical())),
        }
    }

    /// The word for what kind of subject this is, as the options of `bartizan lock` call it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Service(_) => "service",
            Self::Group(_) => "group",
            Self::Target(_) => "target",
            Self::Certificate(_) => "certificate",
            Self::Source(_) => "source",
        }
    }

    /// The subject itself, as text.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::User(id) | Self::Service(id) => id.to_string(),
            Self::Group(group) => group.to_string(),
            Self::Target(target) => target.to_string(),
            Self::Certificate(serial) => serial.to_string(),
            Self::Source(network) => network.to_string(),
        }
    }

    /// What [`word`](Self::word) and [`name`](Self::name) made; none when they fit no subject.
    #[must_use]
    pub fn read(word: &str, name: &str) -> Option<Self> {
        match word {
            "user" => name.parse().ok().map(Self::User),
            "service" => name.parse().ok().map(Self::Service),
            "group" => name.parse().ok().map(Self::Group),
            "target" => name.parse().ok().map(Self::Target),
            "certificate" => name.parse().ok().map(Self::Certificate),
            "source" => name.parse().ok().map(Self::Source),
            _ => None,
        }
    }
}

impl fmt::Display for LockSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.word(), self.name())
    }
}

/// A lock to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewLock {
    /// What it keeps out.
    pub subject: LockSubject,
    /// Why, in the words of who made it.
    pub reason: String,
    /// Who made it.
    pub by: String,
    /// When.
    pub created_at: Timestamp,
    /// No longer in force from this moment on; none: until it is removed.
    pub expires_at: Option<Timestamp>,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Dense from 1.
    pub id: u64,
    /// What it says.
    #[serde(flatten)]
    pub lock: NewLock,
}

impl Lock {
    /// Whether it is in force at `now`.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.lock.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(principal: &Principal) -> Subjected<'_> {
        Subjected { principal: Some(principal), target: None, certificate: None, source: None }
    }

    #[test]
    fn a_lock_on_a_user_is_not_one_on_the_service_of_the_same_name() {
        let id: PrincipalId = "corp/alice".parse().unwrap();
        let person = Principal { kind: PrincipalKind::User, id: id.clone(), groups: vec!["corp/ops".parse().unwrap()] };
        let program = Principal { kind: PrincipalKind::Service, ..person.clone() };
        assert!(LockSubject::User(id.clone()).covers(&seen(&person)));
        assert!(!LockSubject::User(id.clone()).covers(&seen(&program)));
        assert!(LockSubject::Service(id.clone()).covers(&seen(&program)));
        assert!(!LockSubject::Service(id).covers(&seen(&person)));
        assert!(LockSubject::Group("corp/ops".parse().unwrap()).covers(&seen(&program)));
        assert!(!LockSubject::Group("other/ops".parse().unwrap()).covers(&seen(&person)));
    }

    #[test]
    fn a_lock_on_an_address_covers_it_however_it_is_written() {
        let from = |address: &str| Subjected { principal: None, target: None, certificate: None, source: Some(address.parse().unwrap()) };
        let network = LockSubject::Source("203.0.113.0/24".parse().unwrap());
        assert!(network.covers(&from("203.0.113.255")));
        assert!(network.covers(&from("::ffff:203.0.113.7")));
        assert!(!network.covers(&from("203.0.114.1")));
        assert!(LockSubject::Source("2001:db8::/32".parse().unwrap()).covers(&from("2001:db8:1::9")));
    }

    #[test]
    fn what_is_not_known_is_not_covered() {
        let nothing = Subjected { principal: None, target: None, certificate: None, source: None };
        for (word, name) in [("user", "corp/a"), ("group", "corp/g"), ("target", "web-1"), ("certificate", "0"), ("source", "0.0.0.0/0")] {
            let subject = LockSubject::read(word, name).unwrap();
            assert!(!subject.covers(&nothing), "{subject}");
            assert_eq!(subject.to_string(), format!("{word} {name}"));
        }
        assert_eq!(LockSubject::read("target", "../x"), None);
        assert_eq!(LockSubject::read("planet", "mars"), None);
    }
}
