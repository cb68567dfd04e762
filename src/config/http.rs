//! A `[[target]]` of kind `http`: where it is, how it is known, and what the bastion adds to each request.

use std::path::{Path, PathBuf};

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use super::postgres::read_files;
use super::reader::Section;
use super::route::{Route, Way};
use super::{SecretSource, defaults, secret};

/// An HTTP server.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    /// Its URL, as it is written.
    pub upstream: String,
    /// Its scheme and authority, as it names itself where it leads a client elsewhere.
    pub itself: String,
    /// Whether it is spoken to through TLS.
    pub tls: bool,
    /// The way to it.
    pub route: Route,
    /// Its host, as a certificate names it.
    pub host: String,
    /// What its paths begin with; "" or a path without a slash at its end.
    pub prefix: String,
    /// The `Host` that it is told.
    pub host_header: HeaderValue,
    /// The server's certificate authority, PEM; without it, those of the system.
    pub ca: Option<PathBuf>,
    /// The bastion's own certificate and its key, PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Headers that are put in each request.
    pub headers: Vec<(HeaderName, SecretSource)>,
    /// Headers of requests that policy is shown.
    pub policy_headers: Vec<HeaderName>,
    /// When it is spoken to over HTTP/2.
    pub http2: Http2,
    /// Whether it is told in a signed token who the caller is.
    pub identity_jwt: bool,
}

/// When a server is spoken to over HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http2 {
    /// Where TLS finds that it speaks it.
    Auto,
    /// Never.
    Never,
    /// Always: without TLS, by prior knowledge.
    Always,
}

impl Http2 {
    /// Each by its word in the configuration.
    pub const WORDS: [(&str, Self); 3] = [("auto", Self::Auto), ("never", Self::Never), ("always", Self::Always)];
}

pub(super) fn read(section: &Section<'_>, home: &Path, way: Way<'_>) -> Option<HttpTarget> {
    let mend = "the server's URL, as in \"http://10.0.0.3:8080\" or \"https://billing.internal\"";
    let placed = section.need_string("upstream", mend);
    let headers = read_headers(section, home);
    let policy_headers = read_names(section);
    let files = read_tls(section, home);
    let host_header = section.string("host");
    let http2 = section.choice("http2", &Http2::WORDS, defaults::HTTP2);
    let identity_jwt = section.flag("identity_jwt", defaults::IDENTITY_JWT);
    let placed = placed?;
    let Some(place) = place(&placed.value) else {
        section.problem(&placed, "is not the URL of an HTTP server", mend);
        return None;
    };
    let named = host_header.as_ref().map_or(place.authority.as_str(), |host| host.value.as_str());
    let Some(header) = HeaderValue::from_str(named).ok().filter(|_| !named.is_empty()) else {
        let mend = "the Host that the server expects, as in \"billing.internal\"";
        section.problem(host_header.as_ref().unwrap_or(&placed), "is not a host", mend);
        return None;
    };
    Some(HttpTarget {
        itself: format!("{}://{named}", if place.tls { "https" } else { "http" }),
        host_header: header,
        headers: headers?,
        policy_headers: policy_headers?,
        http2: http2?,
        identity_jwt: identity_jwt?,
        ..HttpTarget::at(placed.value, place, files?, way)?
    })
}

impl HttpTarget {
    /// A server known by its URL alone.
    pub(super) fn at(upstream: String, place: Place, files: Files, way: Way<'_>) -> Option<Self> {
        let address = if place.host.contains(':') { format!("[{}]", place.host) } else { place.host.clone() };
        Some(Self {
            itself: format!("{}://{}", if place.tls { "https" } else { "http" }, place.authority),
            host_header: HeaderValue::from_str(&place.authority).ok()?,
            upstream,
            tls: place.tls,
            route: way.to(format!("{address}:{}", place.port))?,
            host: place.host,
            prefix: place.prefix,
            ca: files.ca,
            certificate: files.certificate,
            headers: Vec::new(),
            policy_headers: Vec::new(),
            http2: Http2::Never,
            identity_jwt: false,
        })
    }
}

/// Files for TLS.
pub(super) struct Files {
    ca: Option<PathBuf>,
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
}

pub(super) fn read_tls(section: &Section<'_>, home: &Path) -> Option<Files> {
    let ca = read_files(section, "ca", &["file"], home).map(|files| files.into_iter().next());
    let certificate = read_files(section, "certificate", &["file", "key"], home).map(|files| <[PathBuf; 2]>::try_from(files).ok());
    Some(Files { ca: ca?, certificate: certificate?.map(|[certificate, key]| (certificate, key)) })
}

/// What a URL says.
pub(super) struct Place {
    pub(super) tls: bool,
    pub(super) host: String,
    port: u16,
    authority: String,
    prefix: String,
}

pub(super) fn place(text: &str) -> Option<Place> {
    let uri: Uri = text.parse().ok()?;
    let tls = match uri.scheme_str()? {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let authority = uri.authority()?;
    let host = authority.host().trim_matches(['[', ']']);
    if host.is_empty() || authority.as_str().contains('@') || uri.query().is_some() {
        return None;
    }
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let prefix = bartizan_policies::http::read(uri.path()).ok()?.path.trim_end_matches('/').to_owned();
    Some(Place { tls, host: host.to_owned(), port, authority: authority.as_str().to_owned(), prefix })
}

pub(super) fn read_headers(section: &Section<'_>, home: &Path) -> Option<Vec<(HeaderName, SecretSource)>> {
    let mut headers = Vec::new();
    if !section.has("headers") {
        return Some(headers);
    }
    for (name, source) in section.section("headers")?.named_sections() {
        let parsed = name
            .parse::<HeaderName>()
            .ok()
            .filter(|name| !bartizan_policies::http::FRAMING.contains(&name.as_str()) && name != hyper::header::HOST);
        let Some(parsed) = parsed else {
            section.problem(
                &source.whole(),
                format!("{name} is not a header that can be set"),
                "a name such as Authorization or X-Api-Key",
            );
            return None;
        };
        headers.push((parsed, secret::read_source(&source, home)?));
    }
    Some(headers)
}

fn read_names(section: &Section<'_>) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for placed in section.strings("policy_headers")? {
        match placed.value.parse() {
            Ok(name) => names.push(name),
            Err(_) => {
                section.problem(&placed, "is not the name of a header", "names such as [\"X-Tenant\"]");
                return None;
            }
        }
    }
    Some(names)
}
