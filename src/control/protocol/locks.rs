//! Requests about locks.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::model::{GroupName, PrincipalId, PrincipalKind, TargetName};
use crate::store::LockSubject;

/// `lock`: one subject, as the options of `bartizan lock` name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddLock {
    /// A person or a program; the configuration knows which its issuer names.
    pub principal: Option<PrincipalId>,
    /// A person.
    pub user: Option<PrincipalId>,
    /// A program.
    pub service: Option<PrincipalId>,
    /// Everybody in a group.
    pub group: Option<GroupName>,
    /// Everybody's way to a target.
    pub target: Option<TargetName>,
    /// Who comes with the certificate of this serial.
    pub certificate: Option<u64>,
    /// Who comes from this address or network.
    pub source: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// For how long; until `unlock` without it.
    pub for_seconds: Option<u64>,
}

/// `unlock`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct RemoveLock {
    /// The lock's id.
    pub lock: u64,
}

impl AddLock {
    /// What is to be kept out; `kind_of` tells what the issuer of a principal names.
    ///
    /// # Errors
    /// A sentence, when it is not exactly one thing.
    pub fn subject(&self, kind_of: impl Fn(&PrincipalId) -> PrincipalKind) -> Result<LockSubject, String> {
        let of_kind = |id: &PrincipalId| match kind_of(id) {
            PrincipalKind::User => LockSubject::User(id.clone()),
            PrincipalKind::Service => LockSubject::Service(id.clone()),
        };
        let source = self.source.as_deref().map(network).transpose()?;
        let named = [
            self.principal.as_ref().map(of_kind),
            self.user.clone().map(LockSubject::User),
            self.service.clone().map(LockSubject::Service),
            self.group.clone().map(LockSubject::Group),
            self.target.clone().map(LockSubject::Target),
            self.certificate.map(LockSubject::Certificate),
            source.map(LockSubject::Source),
        ];
        let mut named = named.into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(subject), None) => Ok(subject),
            _ => Err("A lock is on one of principal, user, service, group, target, certificate and source.".to_owned()),
        }
    }
}

/// An address or a network.
///
/// # Errors
/// A sentence, when it is neither, or an IPv4 address in the clothes of IPv6, which would cover nobody.
pub fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match network {
        Err(_) => Err("Write a source as an address or a network, as in 203.0.113.7 or 203.0.113.0/24.".to_owned()),
        Ok(IpNet::V6(v6)) if v6.addr().to_ipv4_mapped().is_some() => Err("Write the IPv4 address or network itself.".to_owned()),
        Ok(network) => Ok(network.trunc()),
    }
}
