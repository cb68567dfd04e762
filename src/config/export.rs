//! `[[audit_export]]`: where the audit log is carried to, entry by entry.

use std::path::{Path, PathBuf};

use hyper::header::HeaderName;

use super::reader::{Placed, Section};
use super::{SecretSource, http, issuer, notify, secret};

/// One place that gets the audit log.
#[derive(Debug, Clone)]
pub struct AuditExport {
    /// Its name, for its position, logs and metrics.
    pub name: String,
    /// How it gets it.
    pub to: ExportTo,
}

/// How a place gets the audit log.
#[derive(Debug, Clone)]
pub enum ExportTo {
    /// A file, one entry in each line.
    File(PathBuf),
    /// A syslog server (RFC 5424).
    Syslog(Syslog),
    /// A collector that takes OpenTelemetry's logs over HTTP.
    Otlp {
        /// Where to, path included.
        url: String,
        /// Headers of each request.
        headers: Vec<(HeaderName, SecretSource)>,
        /// Extra trust anchors for its TLS certificate, PEM.
        ca: Option<PathBuf>,
    },
    /// An HTTP POST of several entries.
    Webhook {
        /// Where to.
        url: String,
        /// The key that signs it (Standard Webhooks 1.0.0).
        secret: Option<SecretSource>,
        /// Extra trust anchors for its TLS certificate, PEM.
        ca: Option<PathBuf>,
    },
}

/// A syslog server.
#[derive(Debug, Clone)]
pub struct Syslog {
    /// How it is reached.
    pub by: SyslogBy,
    /// Extra trust anchors for its TLS certificate, PEM.
    pub ca: Option<PathBuf>,
    /// The facility's number.
    pub facility: u8,
}

/// How a syslog server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogBy {
    /// By datagrams (RFC 5426), host and port.
    Udp(String),
    /// By a stream (RFC 6587, octet counting), host and port.
    Tcp(String),
    /// By TLS (RFC 5425), host and port.
    Tls(String),
    /// By datagrams to a socket of this machine.
    Unix(PathBuf),
}

/// Facilities by their words (RFC 5424, section 6.2.1).
const FACILITIES: [(&str, u8); 12] = [
    ("user", 1),
    ("daemon", 3),
    ("auth", 4),
    ("authpriv", 10),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

pub(super) fn read_all(root: &Section<'_>, home: &Path) -> Option<Vec<AuditExport>> {
    let sections = root.sections("audit_export");
    let read: Vec<_> = sections.iter().map(|section| read_one(section, home)).collect();
    let mut all: Vec<AuditExport> = Vec::new();
    for (section, export) in sections.iter().zip(read) {
        let export = export?;
        if all.iter().any(|known| known.name == export.name) {
            section.problem(&section.whole(), format!("a second export is named `{}`", export.name), "give each its own name");
            return None;
        }
        all.push(export);
    }
    Some(all)
}

fn read_one(section: &Section<'_>, home: &Path) -> Option<AuditExport> {
    let name = section.need_string("name", "a short name, as in \"siem\"").filter(|name| notify::check_name(section, name));
    let file = section.path("file", home).map(ExportTo::File);
    let (syslog, otlp, webhook) = (section.string("syslog"), section.string("otlp"), section.string("webhook"));
    let facility = section.choice("facility", &FACILITIES, super::defaults::SYSLOG_FACILITY);
    let headers = http::read_headers(section, home);
    let secret = if section.has("secret") { secret::read(section, "secret", home).map(Some) } else { Some(None) };
    let ca = section.path("ca", home);
    section.finish();
    let (facility, headers, secret) = (facility?, headers?, secret?);
    let only = [("facility", syslog.is_some()), ("headers", otlp.is_some()), ("secret", webhook.is_some()), ("ca", file.is_none())];
    for (key, _) in only.into_iter().filter(|(_, is_meant)| !is_meant) {
        if let Some(placed) = section.place(key) {
            section.problem(&placed, "means nothing for this kind of export", "leave it out");
            return None;
        }
    }
    let safe = |url: &Placed<String>| {
        let fits = issuer::is_https_or_loopback(&url.value);
        if !fits {
            section.problem(url, "is not an https URL", "use https (plain http is taken to loopback addresses only)");
        }
        fits
    };
    let to = match (file, syslog, otlp, webhook) {
        (Some(file), None, None, None) => file,
        (None, Some(place), None, None) => ExportTo::Syslog(Syslog { by: read_syslog(section, &place)?, ca, facility }),
        (None, None, Some(url), None) => safe(&url).then_some(ExportTo::Otlp { url: url.value, headers, ca })?,
        (None, None, None, Some(url)) => safe(&url).then_some(ExportTo::Webhook { url: url.value, secret, ca })?,
        _ => {
            let mend =
                "one of file = \"PATH\", syslog = \"tls://HOST:6514\", otlp = \"https://HOST:4318/v1/logs\", webhook = \"https://…\"";
            section.problem(&section.whole(), "names no place for the audit log, or several", mend);
            return None;
        }
    };
    Some(AuditExport { name: name?.value, to })
}

fn read_syslog(section: &Section<'_>, placed: &Placed<String>) -> Option<SyslogBy> {
    let mend = "udp://HOST:514, tcp://HOST:601, tls://HOST:6514 or unix:/dev/log";
    let address = |rest: &str| {
        let (host, port) = rest.rsplit_once(':')?;
        (!host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)).then(|| rest.to_owned())
    };
    let found = match placed.value.split_once(':') {
        Some(("udp", rest)) => rest.strip_prefix("//").and_then(address).map(SyslogBy::Udp),
        Some(("tcp", rest)) => rest.strip_prefix("//").and_then(address).map(SyslogBy::Tcp),
        Some(("tls", rest)) => rest.strip_prefix("//").and_then(address).map(SyslogBy::Tls),
        Some(("unix", path)) if path.starts_with('/') => Some(SyslogBy::Unix(path.into())),
        _ => None,
    };
    if found.is_none() {
        section.problem(placed, "is not the place of a syslog server", mend);
    }
    found
}
