//! Turns what is known about a request into Cedar's context, through its typed interface, exactly as the schema describes it.
//! What cannot be turned is reported, and the caller refuses.

use std::net::IpAddr;

use cedar_policy::{Context as CedarContext, RestrictedExpression};
use jiff::Timestamp;

use crate::command::Command;
use crate::entities::{Names, Unaskable, text};
use crate::facts::{ApiRequest, Facts, HttpRequest};
use crate::request::Context;

type Pair = (&'static str, RestrictedExpression);

/// Cedar's datetime keeps milliseconds.
fn datetime(time: Timestamp) -> RestrictedExpression {
    RestrictedExpression::new_datetime(time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

fn address(source_ip: IpAddr) -> RestrictedExpression {
    RestrictedExpression::new_ip(source_ip.to_string())
}

/// What stays the same through a session, turned once: making a value of an extension type is dear.
#[derive(Debug, Clone)]
pub(crate) struct Steady {
    source_ip: (IpAddr, RestrictedExpression),
    authenticated_at: (Timestamp, RestrictedExpression),
}

impl Steady {
    pub(crate) fn new(context: &Context) -> Self {
        Steady {
            source_ip: (context.source_ip, address(context.source_ip)),
            authenticated_at: (context.authenticated_at, datetime(context.authenticated_at)),
        }
    }
}

/// `make(now)`, or what was made of the same before.
fn again<T: Copy + PartialEq>(
    (then, made): &(T, RestrictedExpression),
    now: T,
    make: fn(T) -> RestrictedExpression,
) -> RestrictedExpression {
    if *then == now { made.clone() } else { make(now) }
}

/// The context as the schema describes it for the action these facts belong to.
pub(crate) fn context(context: &Context, steady: &Steady, names: &Names) -> Result<CedarContext, Unaskable> {
    let mut pairs = vec![
        ("source_ip", again(&steady.source_ip, context.source_ip, address)),
        ("time", datetime(context.time)),
        ("authenticated_at", again(&steady.authenticated_at, context.authenticated_at, datetime)),
        ("device_bound", RestrictedExpression::new_bool(context.device_bound)),
    ];
    pairs.extend(context.reason.as_deref().map(|reason| ("reason", text(reason))));
    facts(&context.facts, &mut pairs, names)?;
    CedarContext::from_pairs(pairs.into_iter().map(|(key, value)| (key.to_owned(), value))).map_err(|_| Unaskable)
}

fn facts(facts: &Facts, pairs: &mut Vec<Pair>, names: &Names) -> Result<(), Unaskable> {
    match facts {
        Facts::None => {}
        Facts::Login(login) => pairs.push(("login", text(login))),
        Facts::Command { login, command } => {
            pairs.push(("login", text(login)));
            command_line(command, pairs)?;
        }
        Facts::File { login, path, to, recursive } => {
            pairs.push(("login", text(login)));
            pairs.extend(optional("path", path.as_ref()));
            pairs.extend(optional("to", to.as_ref()));
            pairs.push(("recursive", RestrictedExpression::new_bool(*recursive)));
        }
        Facts::Sql { statement, has_where, in_transaction, setting, estimated_rows } => {
            pairs.extend([
                ("statement", text(statement)),
                ("has_where", RestrictedExpression::new_bool(*has_where)),
                ("in_transaction", RestrictedExpression::new_bool(*in_transaction)),
            ]);
            pairs.extend(optional("setting", setting.as_ref()));
            pairs.extend(estimated_rows.map(|rows| ("estimated_rows", RestrictedExpression::new_long(rows))));
        }
        Facts::ApiRequest(request) => api_request(request, pairs),
        Facts::ApiExec { request, command } => {
            api_request(request, pairs);
            command_line(command, pairs)?;
        }
        Facts::ApiField { request, field } => {
            api_request(request, pairs);
            pairs.push(("field", text(field)));
        }
        Facts::ApiPath { verb, path } => pairs.extend([("verb", text(verb)), ("path", text(path))]),
        Facts::HttpRequest(request) => http_request(request, pairs, names)?,
        Facts::HttpField { request, field } => {
            http_request(request, pairs, names)?;
            pairs.push(("field", text(field)));
        }
    }
    Ok(())
}

fn optional(key: &'static str, value: Option<&String>) -> Option<Pair> {
    value.map(|value| (key, text(value)))
}

fn api_request(request: &ApiRequest, pairs: &mut Vec<Pair>) {
    let ApiRequest { verb, group, version, resource, namespace, name, subresource, container, dry_run } = request;
    pairs.extend([
        ("verb", text(verb)),
        ("api_group", text(group)),
        ("api_version", text(version)),
        ("api_resource", text(resource)),
        ("dry_run", RestrictedExpression::new_bool(*dry_run)),
    ]);
    for (key, value) in [("namespace", namespace), ("name", name), ("subresource", subresource), ("container", container)] {
        pairs.extend(optional(key, value.as_ref()));
    }
}

fn http_request(request: &HttpRequest, pairs: &mut Vec<Pair>, names: &Names) -> Result<(), Unaskable> {
    let HttpRequest { method, path, query, content_type, headers, size, body } = request;
    pairs.extend([("method", text(method)), ("path", text(path)), ("query", text(query)), ("headers", texts(headers))]);
    pairs.extend(optional("content_type", content_type.as_ref()));
    if let Some(size) = size {
        pairs.push(("size", RestrictedExpression::new_long(i64::try_from(*size).map_err(|_| Unaskable)?)));
    }
    pairs.extend(names.body(body)?.map(|body| ("body", body)));
    Ok(())
}

fn texts(all: &[String]) -> RestrictedExpression {
    RestrictedExpression::new_set(all.iter().map(|one| text(one)))
}

fn command_line(command: &Command, pairs: &mut Vec<Pair>) -> Result<(), Unaskable> {
    let arguments = command.arguments();
    let count = i64::try_from(arguments.len()).map_err(|_| Unaskable)?;
    let args = [
        ("first".to_owned(), text(arguments.first().map_or("", String::as_str))),
        ("count".to_owned(), RestrictedExpression::new_long(count)),
        ("all".to_owned(), texts(arguments)),
    ];
    pairs.extend([
        ("command", text(command.text())),
        ("program", text(command.program().unwrap_or_default())),
        ("args", RestrictedExpression::new_record(args).map_err(|_| Unaskable)?),
        ("redirects", texts(command.redirects())),
        ("environment", texts(command.environment())),
        ("patterns", RestrictedExpression::new_bool(command.has_patterns())),
        ("dynamic", RestrictedExpression::new_bool(command.is_dynamic())),
    ]);
    Ok(())
}
