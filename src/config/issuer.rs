//! `[[issuer]]`: an OpenID Connect provider whose word Bartizan takes, and for what.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{IssuerName, PrincipalKind};

use super::reader::{Placed, Section};
use super::{SecretSource, defaults, secret};

/// One provider.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// Our short name of it; qualifies its users and groups.
    pub name: IssuerName,
    /// The issuer identifier (OpenID Connect Discovery 1.0), without a trailing `/.well-known/…`.
    pub url: String,
    /// Our client id there.
    pub client_id: String,
    /// Our client secret, where the provider wants one.
    pub client_secret: Option<SecretSource>,
    /// People or programs.
    pub kind: PrincipalKind,
    /// The audience a token must name.
    pub audience: String,
    /// The claim that names the principal.
    pub user_claim: String,
    /// The claim that lists the groups.
    pub groups_claim: String,
    /// How long a certificate lives.
    pub certificate_ttl: Duration,
    /// Extra trust anchors for its TLS certificate, PEM.
    pub ca: Option<PathBuf>,
}

pub(super) fn read_all(root: &Section<'_>, home: &Path) -> Option<Vec<Issuer>> {
    let sections = root.sections("issuer");
    let read: Vec<_> = sections.iter().map(|section| read_one(section, home)).collect();
    let mut issuers: Vec<Issuer> = Vec::new();
    for (section, issuer) in sections.iter().zip(read) {
        let issuer = issuer?;
        if issuer.name.as_str() == "local" {
            section.problem(&section.whole(), "`local` stands for accounts of the bastion's own machine", "give the issuer another name");
            return None;
        }
        if issuers.iter().any(|known| known.name == issuer.name) {
            section.problem(&section.whole(), format!("a second issuer is named `{}`", issuer.name), "give each its own name");
            return None;
        }
        if issuers.iter().any(|known| known.url == issuer.url && known.audience == issuer.audience) {
            let mend = "one issuer per url and audience, so that a token belongs to exactly one";
            section.problem(&section.whole(), "another issuer has the same url and audience", mend);
            return None;
        }
        issuers.push(issuer);
    }
    Some(issuers)
}

fn read_one(section: &Section<'_>, home: &Path) -> Option<Issuer> {
    let name = section.need_parsed::<IssuerName>("name", "a short name, as in \"corp\"");
    let url =
        section.need_string("url", "the provider's issuer URL, as in \"https://idp.example.com\"").filter(|url| check_url(section, url));
    let kinds = [("user", PrincipalKind::User), ("service", PrincipalKind::Service)];
    let kind = section.choice("kind", &kinds, PrincipalKind::User);
    let client_id = read_client_id(section, kind);
    let client_secret = if section.has("client_secret") { secret::read(section, "client_secret", home).map(Some) } else { Some(None) };
    let audience =
        section.string("audience").map_or_else(|| client_id.clone().unwrap_or_else(|| defaults::AUDIENCE.to_owned()), |p| p.value);
    let default_claim = if kind == Some(PrincipalKind::Service) { defaults::SERVICE_CLAIM } else { defaults::USER_CLAIM };
    let user_claim = section.string("user_claim").map_or_else(|| default_claim.to_owned(), |p| p.value);
    let groups_claim = section.string("groups_claim").map_or_else(|| defaults::GROUPS_CLAIM.to_owned(), |p| p.value);
    let certificate_ttl = section.duration("certificate_ttl", defaults::CERTIFICATE_TTL_RANGE, defaults::CERTIFICATE_TTL);
    let ca = section.path("ca", home);
    section.finish();
    Some(Issuer {
        name: name?.value,
        url: url?.value,
        client_id: client_id?,
        client_secret: client_secret?,
        kind: kind?,
        audience,
        user_claim,
        groups_claim,
        certificate_ttl: certificate_ttl?,
        ca,
    })
}

/// Services present tokens and never log in, so that they need no client.
fn read_client_id(section: &Section<'_>, kind: Option<PrincipalKind>) -> Option<String> {
    if kind == Some(PrincipalKind::Service) && !section.has("client_id") {
        return Some(String::new());
    }
    section.need_string("client_id", "the id under which Bartizan is registered at the provider").map(|p| p.value)
}

/// Plain http only to the machine itself: a key set fetched over it decides who anyone is.
fn check_url(section: &Section<'_>, url: &Placed<String>) -> bool {
    let fits = is_https_or_loopback(&url.value);
    if !fits {
        section.problem(url, "is not an https URL", "use https (plain http is taken from loopback addresses only)");
    }
    fits
}

/// Whether `url` is https, or http to this machine.
#[must_use]
pub fn is_https_or_loopback(url: &str) -> bool {
    let loopback = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let local = loopback.iter().any(|l| url.strip_prefix(l).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])));
    local || url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())
}
