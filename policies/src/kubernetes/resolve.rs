//! From method, path and query to verb, group, version, resource, subresource, namespace and name. Knows nothing of what exists.

use super::query::{Query, decoded};
use crate::facts::ApiRequest;
use crate::http::Target;

/// What an API server takes a request for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// A request about a resource.
    Resource(ApiRequest),
    /// One for another path.
    Path {
        /// The method in lower case.
        verb: String,
        /// The path, normalised.
        path: String,
    },
}

/// Why a request is not resolved: servers differ in what they make of it, or it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// The API server has no verb for the method.
    #[error("the API has no verb for its method")]
    Method,
    /// `/watch` or `/proxy` without anything after it.
    #[error("it names no resource")]
    NoResource,
    /// What is encoded is no text, or holds a control character.
    #[error("what it encodes is not text")]
    Encoding,
    /// A name that holds what no name can.
    #[error("it holds a name that nothing has")]
    Name,
    /// The query has several readings.
    #[error("its query can be read in several ways: {0}")]
    Query(&'static str),
    /// The field selector is none.
    #[error("its field selector cannot be read")]
    Selector,
    /// `exec` without a command.
    #[error("it names no command to run")]
    NoCommand,
}

/// Verbs that stand in the path, from times before queries said them.
const IN_PATH: [&str; 2] = ["proxy", "watch"];

/// What a namespace itself has.
const OF_NAMESPACES: [&str; 2] = ["status", "finalize"];

/// Resolves a request. `has_body` is whether a body comes with it: options in a body count for more than those of the query.
///
/// # Errors
/// When it cannot be told for certain what the API server would take it for.
pub fn resolve(method: &str, target: &Target, has_body: bool) -> Result<Resolved, Unresolved> {
    let query = Query::read(&target.query)?;
    let parts = target.path.split('/').filter(|part| !part.is_empty()).map(|part| decoded(part, false));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (group, version, parts) = match parts.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        _ => return Ok(Resolved::Path { verb: method.to_ascii_lowercase(), path: target.path.clone() }),
    };
    let (verb, parts) = match parts {
        [verb, rest @ ..] if IN_PATH.contains(verb) => (*verb, rest),
        parts => (verb_of(method)?, parts),
    };
    let (namespace, parts) = match parts {
        ["namespaces", namespace, inside, ..] if !OF_NAMESPACES.contains(inside) => (Some(*namespace), parts.get(2..).unwrap_or_default()),
        ["namespaces", namespace, ..] => (Some(*namespace), parts),
        parts => (None, parts),
    };
    let (resource, name, subresource) = match parts {
        [resource, name, subresource, ..] if verb != "proxy" => (*resource, Some(*name), Some(*subresource)),
        [resource, name, ..] => (*resource, Some(*name), None),
        [resource] => (*resource, None, None),
        [] => return Err(Unresolved::NoResource),
    };
    let are_words = [group, version, resource].into_iter().chain(subresource).all(is_word);
    if !are_words || !namespace.into_iter().chain(name).all(is_name) {
        return Err(Unresolved::Name);
    }
    let mut request = ApiRequest {
        verb: verb.to_owned(),
        group: group.to_owned(),
        version: version.to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
        subresource: subresource.map(str::to_owned),
        container: query.only("container")?.filter(|name| !name.is_empty()).map(str::to_owned),
        dry_run: false,
    };
    if request.name.is_none() {
        of_many(&mut request, &query)?;
    }
    request.dry_run = is_dry(&request, &query, has_body);
    Ok(Resolved::Resource(request))
}

fn verb_of(method: &str) -> Result<&'static str, Unresolved> {
    Ok(match method {
        "POST" => "create",
        "GET" | "HEAD" => "get",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => return Err(Unresolved::Method),
    })
}

/// Without a name, reading is listing or watching, and deleting is deleting all.
fn of_many(request: &mut ApiRequest, query: &Query) -> Result<(), Unresolved> {
    match request.verb.as_str() {
        "get" => {
            request.verb = if query.is_set("watch")? { "watch" } else { "list" }.to_owned();
            let selected = query.only("fieldSelector")?.map(selected_name).transpose()?;
            request.name = selected.flatten().filter(|name| is_name(name));
        }
        "delete" => request.verb = "deletecollection".to_owned(),
        _ => {}
    }
    Ok(())
}

/// The name that a field selector asks for (`metadata.name=web`), if it asks for one alone.
fn selected_name(selector: &str) -> Result<Option<String>, Unresolved> {
    let mut name = None;
    for term in terms(selector) {
        let operator = term.char_indices().find_map(|(at, _)| {
            let rest = term.get(at..)?;
            ["!=", "==", "="].into_iter().find(|operator| rest.starts_with(operator)).map(|operator| (at, operator))
        });
        let (at, operator) = operator.ok_or(Unresolved::Selector)?;
        let value = unescaped(term.get(at + operator.len()..).unwrap_or_default())?;
        if operator != "!=" && term.get(..at) == Some("metadata.name") {
            name = name.or(Some(value));
        }
    }
    Ok(name)
}

/// What stands between commas that no backslash takes away.
fn terms(selector: &str) -> Vec<&str> {
    let (mut terms, mut start, mut is_escaped) = (Vec::new(), 0, false);
    for (at, c) in selector.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            ',' => {
                terms.push(selector.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(selector.get(start..).unwrap_or_default());
    terms.retain(|term| !term.is_empty());
    terms
}

fn unescaped(value: &str) -> Result<String, Unresolved> {
    let (mut plain, mut chars) = (String::with_capacity(value.len()), value.chars());
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => chars.next().filter(|c| matches!(c, '\\' | ',' | '=')).ok_or(Unresolved::Selector)?,
            ',' | '=' => return Err(Unresolved::Selector),
            c => c,
        });
    }
    Ok(plain)
}

/// Whether nothing would be kept, for certain: some verbs take their options from the body, and then those of the query are not heard.
fn is_dry(request: &ApiRequest, query: &Query, has_body: bool) -> bool {
    let heard = match request.verb.as_str() {
        "create" | "update" | "patch" => true,
        "delete" | "deletecollection" => !has_body,
        _ => false,
    };
    let of_object = matches!(request.subresource.as_deref(), None | Some("status" | "scale"));
    let mut values = query.all("dryRun").peekable();
    heard && of_object && values.peek().is_some() && values.all(|value| value == "All")
}

/// A group, a version, a resource or a subresource.
fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

/// What can be a segment of the API server's paths.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text != "." && text != ".." && !text.contains(['/', '%']) && !text.chars().any(char::is_control)
}
