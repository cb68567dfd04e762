//! The keys of `[recordings]` that belong to an object store: `url = "s3://BUCKET/PREFIX"` and how it is reached.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::defaults;
use super::reader::{Placed, Reported, Section};
use super::secret::{self, SecretSource};
use crate::model::Printable;

/// An S3-compatible object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What all names in it begin with; may be empty.
    pub prefix: String,
    /// Where it is reached; `None`: at Amazon, by its region.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// Who we are there.
    pub access_key: SecretSource,
    /// What requests are signed with.
    pub secret_key: SecretSource,
    /// What comes with a key that was lent for a while.
    pub session_token: Option<SecretSource>,
    /// Trust anchors besides the system's.
    pub ca: Option<PathBuf>,
    /// How long what was recorded may wait to go up while a session lives.
    pub upload_every: Duration,
}

impl Bucket {
    /// Whether it is reached without TLS.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http:"))
    }
}

/// The keys beside `url`. All are asked for, so that a wrong one is told from one that means nothing without a bucket.
struct Beside {
    endpoint: Result<Option<Placed<String>>, Reported>,
    region: Option<Placed<String>>,
    access_key: Option<SecretSource>,
    secret_key: Option<SecretSource>,
    session_token: Option<SecretSource>,
    ca: Option<PathBuf>,
    allow_http: Option<bool>,
    upload_every: Option<Duration>,
}

/// The names of these keys.
const KEYS: [&str; 8] = ["endpoint", "region", "access_key", "secret_key", "session_token", "ca", "allow_http", "upload_every"];

impl Beside {
    fn read(section: &Section<'_>, home: &Path) -> Self {
        Self {
            endpoint: endpoint(section),
            region: section.string("region"),
            access_key: secret::read(section, "access_key", home),
            secret_key: secret::read(section, "secret_key", home),
            session_token: secret::read(section, "session_token", home),
            ca: section.path("ca", home),
            allow_http: section.flag("allow_http", defaults::ALLOW_HTTP),
            upload_every: section.duration("upload_every", Duration::from_secs(1)..=Duration::from_secs(3_600), defaults::UPLOAD_EVERY),
        }
    }
}

fn endpoint(section: &Section<'_>) -> Result<Option<Placed<String>>, Reported> {
    let Some(placed) = section.string("endpoint") else {
        return if section.has("endpoint") { Err(Reported) } else { Ok(None) };
    };
    let rest = placed.value.strip_prefix("https://").or_else(|| placed.value.strip_prefix("http://"));
    let fits = |rest: &str| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || "-.:[]/".contains(c));
    if rest.is_some_and(fits) {
        return Ok(Some(placed));
    }
    section.problem(&placed, "is not the address of an object store", "as in \"https://s3.example.com\", without the bucket");
    Err(Reported)
}

/// The bucket that `url` names; `None` for another kind of place.
///
/// # Errors
/// When `url` or a key beside it does not do; that is noted.
pub(super) fn read(section: &Section<'_>, url: Option<&Placed<String>>, home: &Path) -> Result<Option<Bucket>, Reported> {
    let beside = Beside::read(section, home);
    let Some((placed, rest)) = url.and_then(|placed| Some((placed, placed.value.strip_prefix("s3://")?))) else {
        return no_bucket(section);
    };
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_matches('/');
    if let Some(why) = unfit(name, prefix) {
        section.problem(placed, format!("`{}` {why}", Printable(&placed.value)), "write \"s3://BUCKET/PREFIX\"");
        return Err(Reported);
    }
    let endpoint = beside.endpoint?;
    let allow_http = beside.allow_http.ok_or(Reported)?;
    if let Some(plain) = endpoint.as_ref().filter(|endpoint| endpoint.value.starts_with("http:") && !allow_http) {
        let mend = "use https, or write allow_http = true where the link to it is private";
        section.problem(plain, "is reached without TLS", mend);
        return Err(Reported);
    }
    let mend = "name the secret, as in { env = \"NAME\" }, { file = \"PATH\" } or { exec = [\"PROGRAM\"] }";
    let needed = |found: Option<SecretSource>, key: &'static str| {
        if found.is_none() && !section.has(key) {
            section.missing(key, mend);
        }
        found.ok_or(Reported)
    };
    let (access_key, secret_key) = (needed(beside.access_key, "access_key"), needed(beside.secret_key, "secret_key"));
    if beside.session_token.is_none() && section.has("session_token") {
        return Err(Reported);
    }
    Ok(Some(Bucket {
        name: name.to_owned(),
        prefix: prefix.to_owned(),
        endpoint: endpoint.map(|placed| placed.value.trim_end_matches('/').to_owned()),
        region: beside.region.map_or_else(|| defaults::REGION.to_owned(), |placed| placed.value),
        access_key: access_key?,
        secret_key: secret_key?,
        session_token: beside.session_token,
        ca: beside.ca,
        upload_every: beside.upload_every.ok_or(Reported)?,
    }))
}

/// Silence would be worse than an error: who sets one of these keys counts on it.
fn no_bucket(section: &Section<'_>) -> Result<Option<Bucket>, Reported> {
    let Some(placed) = KEYS.into_iter().find_map(|key| section.place(key)) else { return Ok(None) };
    section.problem(&placed, "means nothing for recordings in a folder", "remove it, or write url = \"s3://BUCKET/PREFIX\"");
    Err(Reported)
}

/// Why these are no bucket and prefix. Names are kept to what every store and every tool takes as it stands.
fn unfit(name: &str, prefix: &str) -> Option<&'static str> {
    let plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c));
    if !(3..=63).contains(&name.len()) || !plain(name, "-.") {
        return Some("names no bucket: 3 to 63 of a to z, 0 to 9, `-` and `.`");
    }
    let dotted = prefix.split('/').any(|part| part == "." || part == "..");
    let empty = !prefix.is_empty() && prefix.split('/').any(str::is_empty);
    let odd = !prefix.chars().all(|c| c.is_ascii_alphanumeric() || "-._/".contains(c));
    (dotted || empty || odd || prefix.len() > 512).then_some("has a prefix of other than letters, digits, `-`, `.`, `_` and `/`")
}
