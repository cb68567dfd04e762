//! From verified claims to a principal: the name, the groups, each qualified by the issuer. Decides nothing about who may
//! do what.

use openidconnect::core::CoreIdTokenClaims;
use serde_json::{Map, Value};

use super::Verified;
use super::error::{LoginError, TokenFault};
use super::verify::moment;
use crate::config::Issuer;
use crate::model::{GroupName, Principal, PrincipalId, Printable};

/// Groups taken from one token.
pub(super) const MOST_GROUPS: usize = 1000;
/// The longest subject, in bytes (OpenID Connect Core 1.0 section 2).
const LONGEST_SUBJECT: usize = 255;

/// Reads who `all` and `standard`, the same verified claims in two forms, speak of.
pub(super) fn read(issuer: &Issuer, standard: &CoreIdTokenClaims, all: &Map<String, Value>) -> Result<Verified, LoginError> {
    let subject = standard.subject().as_str();
    if subject.is_empty() || subject.len() > LONGEST_SUBJECT {
        return Err(LoginError::token(TokenFault::Malformed, format!("sub has {} bytes", subject.len())));
    }
    let id = name(issuer, all)?;
    let groups = groups(issuer, all)?;
    // Glewlwyd writes 0 where it does not know; that says as little as no `auth_time` at all.
    let stated = standard.auth_time().filter(|_| all.get("auth_time").and_then(integer).is_some_and(|at| at > 0));
    let authenticated_at = stated.unwrap_or_else(|| standard.issue_time());
    Ok(Verified {
        principal: Principal { kind: issuer.kind, id, groups },
        issuer: issuer.name.clone(),
        subject: subject.to_owned(),
        expires_at: moment(standard.expiration())?,
        authenticated_at: moment(authenticated_at)?,
        certificate_ttl: issuer.certificate_ttl,
    })
}

fn name(issuer: &Issuer, all: &Map<String, Value>) -> Result<PrincipalId, LoginError> {
    let claim = issuer.user_claim.as_str();
    let Some(name) = find(all, claim).and_then(Value::as_str) else {
        return Err(LoginError::token(TokenFault::Name, format!("claim `{claim}` is missing or not a string")));
    };
    if claim == "email" && !is_true(all.get("email_verified")) {
        return Err(LoginError::token(TokenFault::UnverifiedEmail, "email_verified is not true"));
    }
    PrincipalId::new(&issuer.name, name).map_err(|e| LoginError::token(TokenFault::Name, format!("claim `{claim}`: {e}")))
}

/// `true`, or the string some providers write for it.
fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(b)) => *b,
        Some(Value::String(s)) => s == "true",
        _ => false,
    }
}

/// The groups, sorted. None at all if the claim is not there. More than [`MOST_GROUPS`] are not cut but refused: a policy
/// that forbids by group must see them all.
fn groups(issuer: &Issuer, all: &Map<String, Value>) -> Result<Vec<GroupName>, LoginError> {
    let claim = issuer.groups_claim.as_str();
    let found: Vec<&Value> = match find(all, claim) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one @ Value::String(_)) => vec![one],
        Some(_) => return Err(LoginError::token(TokenFault::Groups, format!("claim `{claim}` is neither a list nor a string"))),
    };
    if found.len() > MOST_GROUPS {
        return Err(LoginError::token(TokenFault::Groups, format!("{} groups; the limit is {MOST_GROUPS}", found.len())));
    }
    let mut groups: Vec<GroupName> = found.into_iter().filter_map(|value| group(issuer, value)).collect();
    groups.sort();
    groups.dedup();
    Ok(groups)
}

fn group(issuer: &Issuer, value: &Value) -> Option<GroupName> {
    let named = value.as_str().map(|name| GroupName::new(&issuer.name, name));
    if let Some(Ok(group)) = named {
        return Some(group);
    }
    let shown: String = value.to_string().chars().take(80).collect();
    tracing::warn!(issuer = %issuer.name, group = %Printable(&shown), "a group is passed over: its name is not valid");
    None
}

/// The claim `path`: by that very name (`https://example.com/groups`, `kubernetes.io`), or nested, its steps parted by dots
/// (`realm_access.roles`).
fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(at, _)| {
        let (head, tail) = (path.get(..at)?, path.get(at.saturating_add(1)..)?);
        find(claims.get(head)?.as_object()?, tail)
    })
}

/// A whole number of a JSON value; fractions, which RFC 7519 allows in times, are cut.
pub(super) fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|f| f.abs() < 1e15).map(|f| f as i64))
}
