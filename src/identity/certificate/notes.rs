//! Our own extensions of a user certificate: who it was issued to, as what, in which groups, proved when. Written and read
//! in one place, strictly, so that what was written is what is read.

use jiff::Timestamp;
use russh::keys::ssh_key::certificate::{Builder, OptionsMap};

use crate::model::{GroupName, Principal, PrincipalId, PrincipalKind};

use super::{CertificateRefusal, Permits};

const PRINCIPAL: &str = "principal@bartizan.dev";
const KIND: &str = "kind@bartizan.dev";
/// A JSON list of strings: no group name can break out of it, however many there are.
const GROUPS: &str = "groups@bartizan.dev";
/// RFC 3339, UTC, whole seconds.
const AUTHENTICATED_AT: &str = "authenticated-at@bartizan.dev";
/// Only in certificates for targets.
pub(crate) const SESSION_ID: &str = "session-id@bartizan.dev";
const OURS: &str = "@bartizan.dev";

const PERMIT_PTY: &str = "permit-pty";
const PERMIT_PORTS: &str = "permit-port-forwarding";
const PERMIT_AGENT: &str = "permit-agent-forwarding";

/// The longest list of groups, as JSON: with the key and all else it must fit one SSH packet (256 KiB) twice over.
pub(crate) const MAX_GROUPS_BYTES: usize = 64 * 1024;

/// What the extensions say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notes {
    pub(crate) principal: Principal,
    pub(crate) authenticated_at: Timestamp,
    pub(crate) permits: Permits,
}

/// Writes the extensions into a certificate to be. `None` when the groups do not fit [`MAX_GROUPS_BYTES`].
pub(crate) fn add(builder: &mut Builder, notes: &Notes) -> Option<russh::keys::ssh_key::Result<()>> {
    let mut groups: Vec<&str> = notes.principal.groups.iter().map(GroupName::as_str).collect();
    groups.sort_unstable();
    groups.dedup();
    let groups = serde_json::to_string(&groups).ok().filter(|json| json.len() <= MAX_GROUPS_BYTES)?;
    Some(write(builder, notes, groups))
}

fn write(builder: &mut Builder, notes: &Notes, groups: String) -> russh::keys::ssh_key::Result<()> {
    builder.extension(PRINCIPAL, notes.principal.id.as_str())?;
    builder.extension(KIND, notes.principal.kind.to_string())?;
    builder.extension(GROUPS, groups)?;
    builder.extension(AUTHENTICATED_AT, whole_second(notes.authenticated_at).to_string())?;
    add_permits(builder, notes.permits)
}

/// Writes the `permit-…` extensions.
pub(crate) fn add_permits(builder: &mut Builder, permits: Permits) -> russh::keys::ssh_key::Result<()> {
    let permits = [(PERMIT_PTY, permits.pty), (PERMIT_PORTS, permits.port_forwarding), (PERMIT_AGENT, permits.agent_forwarding)];
    for (name, _) in permits.into_iter().filter(|(_, given)| *given) {
        builder.extension(name, "")?;
    }
    Ok(())
}

/// What is left of a moment in a certificate.
pub(crate) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

impl Notes {
    /// Reads them back. Extensions of others are ignored, as `PROTOCOL.certkeys` asks; unknown ones of ours are not.
    pub(super) fn read(extensions: &OptionsMap) -> Result<Self, CertificateRefusal> {
        let known = [PRINCIPAL, KIND, GROUPS, AUTHENTICATED_AT];
        if let Some(strange) = extensions.keys().find(|name| name.ends_with(OURS) && !known.contains(&name.as_str())) {
            return Err(CertificateRefusal::UnknownExtension(strange.clone()));
        }
        let principal = Principal { kind: read_kind(extensions)?, id: read_id(extensions)?, groups: read_groups(extensions)? };
        Ok(Self { principal, authenticated_at: read_moment(extensions)?, permits: read_permits(extensions)? })
    }
}

fn text<'e>(extensions: &'e OptionsMap, name: &'static str) -> Result<&'e str, CertificateRefusal> {
    extensions.get(name).map(String::as_str).ok_or(CertificateRefusal::NoExtension(name))
}

fn read_id(extensions: &OptionsMap) -> Result<PrincipalId, CertificateRefusal> {
    text(extensions, PRINCIPAL)?.parse().map_err(|e| CertificateRefusal::BadName(PRINCIPAL, e))
}

fn read_kind(extensions: &OptionsMap) -> Result<PrincipalKind, CertificateRefusal> {
    text(extensions, KIND)?.parse().map_err(|e| CertificateRefusal::BadName(KIND, e))
}

fn read_groups(extensions: &OptionsMap) -> Result<Vec<GroupName>, CertificateRefusal> {
    let json = text(extensions, GROUPS)?;
    let bad = CertificateRefusal::BadExtension(GROUPS);
    if json.len() > MAX_GROUPS_BYTES {
        return Err(bad);
    }
    let Ok(groups) = serde_json::from_str::<Vec<GroupName>>(json) else { return Err(bad) };
    if groups.is_sorted_by(|a, b| a < b) { Ok(groups) } else { Err(bad) }
}

fn read_moment(extensions: &OptionsMap) -> Result<Timestamp, CertificateRefusal> {
    let text = text(extensions, AUTHENTICATED_AT)?;
    let moment = text.parse::<Timestamp>().ok().filter(|moment| moment.to_string() == text);
    moment.ok_or(CertificateRefusal::BadExtension(AUTHENTICATED_AT))
}

fn read_permits(extensions: &OptionsMap) -> Result<Permits, CertificateRefusal> {
    let flag = |name: &'static str| match extensions.get(name).map(String::as_str) {
        None => Ok(false),
        Some("") => Ok(true),
        Some(_) => Err(CertificateRefusal::BadExtension(name)),
    };
    Ok(Permits { pty: flag(PERMIT_PTY)?, port_forwarding: flag(PERMIT_PORTS)?, agent_forwarding: flag(PERMIT_AGENT)? })
}
