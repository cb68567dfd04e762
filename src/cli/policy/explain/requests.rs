//! HTTP requests and requests to a Kubernetes API server as policy is asked about them.

use std::path::Path;

use bartizan_policies::http::Body;
use bartizan_policies::kubernetes::{Query, Resolved, Streams, Unresolved, exec_commands, resolve};
use bartizan_policies::{Action, ApiRequest, Command, Facts, HttpRequest, Place as On, Route, Target};

use super::question::Question;
use crate::cli::Exit;
use crate::model::Printable;

/// `GET /v1/refunds?page=2`
pub(super) fn http(text: &str, body: Option<&Path>, target: &Target) -> Result<Question, Exit> {
    let (method, address) = two(text, "--http", "GET /v1/refunds")?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !method.chars().all(is_token) {
        return Err(Exit::usage(format!("--http: \"{}\" is no method (RFC 9110 section 9.1)", Printable(method))));
    }
    let bartizan_policies::http::Target { path, query } = read("--http", address)?;
    let mut request = HttpRequest { method: method.to_owned(), path: path.clone(), query, ..HttpRequest::default() };
    if let Some(file) = body {
        let shown = Printable(&file.display().to_string()).to_string();
        let bytes = std::fs::read(file).map_err(|error| Exit::incomplete(format!("{shown}: {error}")))?;
        request.size = Some(bytes.len() as u64);
        request.content_type = Some("application/json".to_owned());
        request.body =
            Body::read(&bytes).map_err(|why| Exit::usage(format!("{shown}: such a body is refused where a policy asks for it: {why}")))?;
    }
    let route = Route { target: target.clone(), method: method.to_owned(), path };
    Ok(Question {
        action: Action::of_http_method(method),
        operation: format!("{method} {}", Printable(address)),
        facts: Facts::HttpRequest(request),
        on: On::Route(route),
    })
}

/// `get /apis/apps/v1/namespaces/shop/deployments/web`, with a verb of the API, or `PATCH /apis/…?dryRun=All`, as it would be sent.
pub(super) fn kubernetes(text: &str, target: &Target) -> Result<Vec<Question>, Exit> {
    let (verb, address) = two(text, "--kubernetes", "get /api/v1/namespaces/shop/pods")?;
    let read = read("--kubernetes", address)?;
    let is_method = verb.chars().all(|c| c.is_ascii_uppercase());
    let odd = |why: Unresolved| Exit::usage(format!("--kubernetes: \"{}\" is not served: {why}", Printable(text)));
    let resolved = resolve(if is_method { verb } else { "GET" }, &read, true).map_err(odd)?;
    let operation = format!("{} {}", Printable(verb), read.path);
    let mut request = match resolved {
        Resolved::Path { path, .. } => {
            let facts = Facts::ApiPath { verb: verb.to_ascii_lowercase(), path };
            return Ok(vec![Question { action: Action::K8sNonResource, facts, operation, on: On::Target(target.clone()) }]);
        }
        Resolved::Resource(request) => request,
    };
    if !is_method {
        with_verb(&mut request, verb, &read.path)?;
    }
    let action = request.action().ok_or_else(|| {
        let known = "get, list, watch, create, update, patch, delete, deletecollection, exec, attach, logs, portforward and proxy";
        Exit::usage(format!("--kubernetes: there is no verb \"{}\" for a resource; there are {known}", Printable(verb)))
    })?;
    let on = || On::Kind(request.kind(target.clone()));
    if action != Action::K8sExec {
        return Ok(vec![Question { action, on: on(), operation, facts: Facts::ApiRequest(request.clone()) }]);
    }
    let words = Streams::of(&Query::read(&read.query).map_err(odd)?).map_err(odd)?.command;
    let commands = exec_commands(&words).map_err(|why| {
        Exit::usage(format!("--kubernetes: {why}; add it to the path, as in {verb} {}?command=ls&command=-l", Printable(&read.path)))
    })?;
    let one = |command: Command| Question {
        action,
        operation: format!("{operation}: {}", Printable(command.text())),
        on: on(),
        facts: Facts::ApiExec { request: request.clone(), command },
    };
    Ok(commands.into_iter().map(one).collect())
}

/// The verb that is named instead of a method. `exec POD` is short for the verb that its subresource takes.
fn with_verb(request: &mut ApiRequest, verb: &str, path: &str) -> Result<(), Exit> {
    let short = [("exec", "exec"), ("attach", "attach"), ("logs", "log"), ("portforward", "portforward"), ("proxy", "proxy")];
    let Some((_, subresource)) = short.iter().find(|(word, _)| *word == verb) else {
        verb.clone_into(&mut request.verb);
        return Ok(());
    };
    if request.subresource.as_deref().is_some_and(|given| given != *subresource) {
        return Err(Exit::usage(format!("--kubernetes: {verb} is not about {path}")));
    }
    request.subresource = Some((*subresource).to_owned());
    request.verb = if *subresource == "log" { "get" } else { "create" }.to_owned();
    Ok(())
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
