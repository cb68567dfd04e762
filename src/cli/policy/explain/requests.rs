//! HTTP requests and requests to a Kubernetes API server as policy is asked about them. This version has no gateway for the latter:
//! what policy says of them is what it would say, and is labelled so.

use bartizan_policies::{Action, ApiRequest, Facts, HttpRequest, Kind, Route, Target};

use super::question::{On, Question};
use crate::cli::Exit;
use crate::model::Printable;

/// `GET /v1/refunds?page=2`
pub(super) fn http(text: &str, target: &Target) -> Result<Question, Exit> {
    let (method, address) = two(text, "--http", "GET /v1/refunds")?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !method.chars().all(is_token) {
        return Err(Exit::usage(format!("--http: \"{}\" is no method (RFC 9110 section 9.1)", Printable(method))));
    }
    let bartizan_policies::http::Target { path, query } = read("--http", address)?;
    let request = HttpRequest { method: method.to_owned(), path: path.clone(), query, ..HttpRequest::default() };
    let route = Route { target: target.clone(), method: method.to_owned(), path };
    Ok(Question {
        action: Action::of_http_method(method),
        operation: format!("{method} {}", Printable(address)),
        facts: Facts::HttpRequest(request),
        on: On::Route(route),
    })
}

/// `get /apis/apps/v1/namespaces/shop/deployments/web`
pub(super) fn kubernetes(text: &str, target: &Target) -> Result<Question, Exit> {
    let (verb, path) = two(text, "--kubernetes", "get /api/v1/namespaces/shop/pods")?;
    let path = read("--kubernetes", path)?.path;
    let operation = format!("{} {path}", Printable(verb));
    let Some(mut request) = resource(&path) else {
        let facts = Facts::ApiPath { verb: verb.to_owned(), path };
        return Ok(Question { action: Action::K8sNonResource, facts, operation, on: On::Target(target.clone()) });
    };
    // `exec POD` is short for the verb that its subresource takes.
    let short = [("exec", "exec"), ("attach", "attach"), ("logs", "log"), ("portforward", "portforward"), ("proxy", "proxy")];
    if let Some((_, subresource)) = short.iter().find(|(word, _)| *word == verb) {
        if request.subresource.as_deref().is_some_and(|given| given != *subresource) {
            return Err(Exit::usage(format!("--kubernetes: {verb} is not about {path}")));
        }
        request.subresource = Some((*subresource).to_owned());
        request.verb = if *subresource == "log" { "get" } else { "create" }.to_owned();
    } else {
        request.verb = verb.to_owned();
    }
    let action = action(&request).ok_or_else(|| {
        let known = "get, list, watch, create, update, patch, delete, deletecollection, exec, attach, logs, portforward and proxy";
        Exit::usage(format!("--kubernetes: there is no verb \"{}\" for a resource; there are {known}", Printable(verb)))
    })?;
    let (group, name, namespace) = (request.group.clone(), request.resource.clone(), request.namespace.clone());
    let on = On::Kind(Kind { target: target.clone(), group, name, namespace });
    Ok(Question { action, facts: Facts::ApiRequest(request), operation, on })
}

/// What a path is about, as the API server resolves it; `None` when it is no resource.
fn resource(path: &str) -> Option<ApiRequest> {
    let parts: Vec<&str> = path.split('/').skip(1).filter(|part| !part.is_empty()).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    let owned = |text: &str| text.to_owned();
    let (namespace, rest) = match rest {
        // What belongs to the namespace itself, not to something in it.
        ["namespaces", name] | ["namespaces", name, "status" | "finalize"] => (Some(owned(name)), rest),
        ["namespaces", name, inside @ ..] => (Some(owned(name)), inside),
        _ => (None, rest),
    };
    let (resource, name, subresource) = match rest {
        [resource] => (resource, None, None),
        [resource, name] => (resource, Some(owned(name)), None),
        [resource, name, subresource, ..] => (resource, Some(owned(name)), Some(owned(subresource))),
        [] => return None,
    };
    let (group, version, resource) = (owned(group), owned(version), owned(resource));
    Some(ApiRequest { verb: String::new(), group, version, resource, namespace, name, subresource, dry_run: false })
}

fn action(request: &ApiRequest) -> Option<Action> {
    match (request.subresource.as_deref(), request.verb.as_str()) {
        (Some("exec"), _) => Some(Action::K8sExec),
        (Some("attach"), _) => Some(Action::K8sAttach),
        (Some("log"), _) => Some(Action::K8sLogs),
        (Some("portforward"), _) => Some(Action::K8sPortForward),
        (Some("proxy"), _) => Some(Action::K8sProxy),
        (_, verb @ ("get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection")) => {
            format!("k8s.{verb}").parse().ok()
        }
        _ => None,
    }
}

fn two<'a>(text: &'a str, option: &str, example: &str) -> Result<(&'a str, &'a str), Exit> {
    let mut words = text.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(one), Some(two), None) => Ok((one, two)),
        _ => Err(Exit::usage(format!("{option} takes two words, as in {option} '{example}'"))),
    }
}

fn read(option: &str, target: &str) -> Result<bartizan_policies::http::Target, Exit> {
    let read = bartizan_policies::http::read(target);
    read.map_err(|why| Exit::usage(format!("{option}: \"{}\" is not served: {why}", Printable(target))))
}
