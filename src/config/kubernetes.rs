//! A `[[target]]` of kind `kubernetes`: where its API server is, how it is known, and as whom the bastion comes.

use std::net::IpAddr;
use std::path::Path;

use super::http::{self, HttpTarget};
use super::reader::Section;
use super::route::{RouteKind, Way};
use super::{SecretSource, secret};

/// A Kubernetes API server.
#[derive(Debug, Clone)]
pub struct KubernetesTarget {
    /// How it is reached: by HTTP.
    pub http: HttpTarget,
    /// The bearer token.
    pub token: Option<SecretSource>,
    /// Whether the caller's name and groups are sent as impersonation headers.
    pub impersonate: bool,
}

pub(super) fn read(section: &Section<'_>, home: &Path, way: Way<'_>) -> Option<KubernetesTarget> {
    let mend = "the API server's URL, as in \"https://10.0.0.2:6443\"";
    let server = section.need_string("server", mend);
    let files = http::read_tls(section, home);
    let token = if section.has("token") { secret::read(section, "token", home).map(Some) } else { Some(None) };
    let impersonate = section.flag("impersonate", true);
    let (server, files, token) = (server?, files?, token?);
    let Some(place) = http::place(&server.value) else {
        section.problem(&server, "is not the URL of an API server", mend);
        return None;
    };
    if token.is_some() && files.certificate.is_some() {
        section.problem(&section.whole(), "has a token and a certificate", "keep one of the two");
        return None;
    }
    // As `kubectl proxy` serves it; over a network whoever listens would have the token.
    let is_here = place.host == "localhost" || place.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if !place.tls && (!is_here || way.route == RouteKind::Reverse) {
        section.problem(&server, "is not reached through TLS", "an https URL; http is for an address of this machine that is dialled");
        return None;
    }
    let http = HttpTarget::at(server.value, place, files, way)?;
    Some(KubernetesTarget { http, token, impersonate: impersonate? })
}
