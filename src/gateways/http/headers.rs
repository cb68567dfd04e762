//! Which headers go on to the server and back. What belongs to one connection, what would say who the caller is, and what would make
//! a server read another method or path than was decided, goes nowhere.

use std::sync::Arc;

use bartizan_policies::http::FRAMING;
use hyper::HeaderMap;
use hyper::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue, IF_RANGE, LOCATION, RANGE,
    UPGRADE,
};

use super::origin::{Headers, Server};

/// The bastion's word on who the caller is.
const USER: HeaderName = HeaderName::from_static("x-bartizan-user");
const SESSION: HeaderName = HeaderName::from_static("x-bartizan-session");
const IDENTITY: HeaderName = HeaderName::from_static("x-bartizan-identity");

/// Names that only the bastion may say, or that say another request than was decided; with `-` for any `_`, since servers that hand
/// headers on as variables (RFC 3875, section 4.1.18) cannot tell the two apart.
const UNHEARD: &[&str] = &[
    "authorization",
    "forwarded",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// The same, by what they begin with.
const UNHEARD_FAMILIES: &[&str] = &["impersonate-", "x-bartizan-", "x-forwarded-", "x-remote-"];

/// What a masked answer cannot keep: it is not the bytes that the server speaks of.
const OF_BYTES: &[&str] = &["content-digest", "content-md5", "digest", "repr-digest", "etag", "last-modified"];

/// Makes a token that says who the caller is; `None` when it cannot be made.
pub type Voucher = Arc<dyn Fn() -> Option<HeaderValue> + Send + Sync>;

/// Who asks.
pub(super) struct Caller {
    pub(super) principal: HeaderValue,
    pub(super) session: HeaderValue,
    pub(super) voucher: Option<Voucher>,
}

/// The protocol that a request asks the connection to be turned into. HTTP/2 is not one: it is had by speaking it.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = named_by_connection(headers).any(|name| name.eq_ignore_ascii_case("upgrade"));
    let protocol = headers.get(UPGRADE).filter(|_| asked)?;
    let is_http = protocol.to_str().is_ok_and(|name| name.trim().to_ascii_lowercase().starts_with("h2"));
    (!is_http).then(|| protocol.clone())
}

/// Makes a client's headers those that the server gets.
pub(super) fn to_server(headers: &mut HeaderMap, own: &Headers, caller: &Caller, upgrade: Option<&HeaderValue>, is_masked: bool) {
    drop_framing(headers);
    let unheard: Vec<HeaderName> = headers.keys().filter(|name| is_unheard(name.as_str())).cloned().collect();
    for name in unheard {
        headers.remove(name);
    }
    headers.insert(USER, caller.principal.clone());
    headers.insert(SESSION, caller.session.clone());
    if let Some(token) = caller.voucher.as_ref().and_then(|voucher| voucher()) {
        headers.insert(IDENTITY, token);
    }
    put(headers, own);
    if is_masked {
        headers.remove(RANGE);
        headers.remove(IF_RANGE);
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol.clone());
    }
}

/// Puts the bastion's credential in a request, in the place of whatever is there.
pub(super) fn put(headers: &mut HeaderMap, own: &Headers) {
    for (name, _) in own.iter() {
        headers.remove(name);
    }
    for (name, value) in own.iter() {
        headers.append(name.clone(), value.clone());
    }
}

/// Makes a server's headers those that the client gets.
pub(super) fn to_client(headers: &mut HeaderMap, server: &Server, is_masked: bool) {
    let length = headers.get(CONTENT_LENGTH).cloned();
    drop_framing(headers);
    headers.remove("alt-svc");
    match length {
        Some(length) if !is_masked => drop(headers.insert(CONTENT_LENGTH, length)),
        _ => {}
    }
    if is_masked {
        headers.remove(CONTENT_ENCODING);
        headers.remove(ACCEPT_RANGES);
        for name in OF_BYTES {
            headers.remove(*name);
        }
    }
    let here = headers.get(LOCATION).and_then(|to| led_here(to.to_str().ok()?, server));
    if let Some(here) = here {
        headers.insert(LOCATION, here);
    }
}

/// Where a server that leads to itself leads, for a client that knows it by another name.
fn led_here(to: &str, server: &Server) -> Option<HeaderValue> {
    let path = to.strip_prefix(server.itself.as_str()).unwrap_or(to);
    let path = path.strip_prefix(server.prefix.as_str()).filter(|rest| rest.starts_with('/')).unwrap_or(path);
    (path != to && path.starts_with('/')).then(|| HeaderValue::from_str(path).ok()).flatten()
}

fn drop_framing(headers: &mut HeaderMap) {
    let named: Vec<String> = named_by_connection(headers).map(str::to_owned).collect();
    for name in named {
        headers.remove(name.as_str());
    }
    for name in FRAMING {
        headers.remove(*name);
    }
}

fn named_by_connection(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

fn is_unheard(name: &str) -> bool {
    let name = name.replace('_', "-");
    UNHEARD.contains(&name.as_str()) || UNHEARD_FAMILIES.iter().any(|family| name.starts_with(family))
}
