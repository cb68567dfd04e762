//! A Kubernetes API server as the gateway knows it: requests are resolved as the server does, and refused as the server refuses.

use std::sync::Arc;

use bartizan_policies::kubernetes::{Query, Resolved, Streams, Unresolved, exec_commands, resolve};
use bartizan_policies::{Action, ApiRequest, Command, HttpRequest, http};
use hyper::header::{ACCEPT, HeaderMap};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::enforce::{Decider, Question};
use crate::gateways::http::{Body, Dialect, Meant, NOT_MASKED, Passage, Problem, Seen};

use super::streams::{self, Offer};
use super::{accept, status};

/// Requests to it are those of the Kubernetes API.
pub struct Cluster;

/// One request.
struct Asked<'a> {
    request: &'a HttpRequest,
    resolved: Resolved,
    /// What `exec` would run.
    commands: Vec<Command>,
    streams: Streams,
    /// How they are to share the connection; why they cannot, otherwise.
    offer: Result<Offer, String>,
    accept: Option<String>,
    upgrades: bool,
}

impl Dialect for Cluster {
    fn read<'a>(&self, seen: Seen<'a>) -> Result<Box<dyn Meant + 'a>, Problem> {
        let asked = Asked::of(seen).map_err(|why| {
            let status = if why == Unresolved::Method { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::BAD_REQUEST };
            Problem::new(status, format!("The request is not served: {why}."))
        })?;
        Ok(Box::new(asked))
    }

    fn decides_bodies(&self) -> bool {
        false
    }

    fn tell(&self, problem: &Problem) -> Response<Body> {
        status::answer(problem)
    }
}

impl<'a> Asked<'a> {
    fn of(seen: Seen<'a>) -> Result<Self, Unresolved> {
        let Seen { request, headers, upgrade, has_body } = seen;
        let target = http::Target { path: request.path.clone(), query: request.query.clone() };
        let resolved = resolve(&request.method, &target, has_body)?;
        let (streams, commands) = match &resolved {
            Resolved::Resource(api) => {
                let action = api.action().ok_or(Unresolved::Method)?;
                let streams = Streams::of(&Query::read(&request.query)?)?;
                let commands = if action == Action::K8sExec { exec_commands(&streams.command)? } else { Vec::new() };
                (streams, commands)
            }
            Resolved::Path { .. } => (Streams::default(), Vec::new()),
        };
        let (offer, accept) = (Offer::of(headers, upgrade), accepted(headers));
        Ok(Self { request, resolved, commands, streams, offer, accept, upgrades: upgrade.is_some() })
    }

    /// How a request about a resource passes.
    fn about(&self, api: &ApiRequest, decider: &Decider) -> Result<Passage, String> {
        match api.action() {
            Some(Action::K8sExec | Action::K8sAttach) => {
                let offer = self.offer.clone()?;
                let header = offer.header();
                let relay = streams::relay(self.streams.clone(), offer, Arc::clone(decider.moderation()));
                return Ok(Passage { relay: Some(relay), offer: header, ..Passage::default() });
            }
            Some(Action::K8sPortForward) if self.upgrades => return Ok(Passage::default()),
            // Bytes of other things than objects.
            Some(Action::K8sLogs) if !self.upgrades => return Ok(Passage::default()),
            Some(Action::K8sProxy) if self.upgrades => {
                return if decider.object_fields(api).is_some() { Err(NOT_MASKED.to_owned()) } else { Ok(Passage::default()) };
            }
            Some(Action::K8sPortForward) => return Err("portforward needs an upgrade to SPDY or WebSocket.".to_owned()),
            _ if self.upgrades => return Err(NO_UPGRADE.to_owned()),
            _ => {}
        }
        let Some(fields) = decider.object_fields(api) else { return Ok(Passage::default()) };
        if self.request.content_type.as_deref() == Some("application/json-patch+json") {
            return Err(
                "Fields of these objects may be masked for you, and a JSON patch could copy them; use another kind of patch.".to_owned()
            );
        }
        let accept = accept::narrowed(self.accept.as_deref(), fields.keeps_tables());
        Ok(Passage { fields: Some(fields), accept: Some(accept), many: api.verb == "watch", ..Passage::default() })
    }
}

/// Only what reaches into pods needs it; a watch over WebSocket would be read by nobody.
const NO_UPGRADE: &str = "The connection cannot be turned into another protocol's for this request; ask for it by HTTP.";

impl Meant for Asked<'_> {
    fn questions(&self) -> Vec<Question> {
        Question::of_api(self.request, &self.resolved, &self.commands)
    }

    fn passage(&self, decider: &Decider) -> Result<Passage, String> {
        match &self.resolved {
            Resolved::Resource(api) => self.about(api, decider),
            Resolved::Path { .. } if self.upgrades => Err(NO_UPGRADE.to_owned()),
            Resolved::Path { .. } => Ok(Passage::default()),
        }
    }

    fn told(&self) -> Map<String, Value> {
        let Resolved::Resource(api) = &self.resolved else { return Map::new() };
        let ApiRequest { verb, group, version, resource, namespace, name, subresource, container, dry_run } = api;
        let told = json!({
            "verb": verb, "group": group, "version": version, "resource": resource, "namespace": namespace, "name": name,
            "subresource": subresource, "container": container, "dry_run": dry_run,
            "commands": self.commands.iter().map(Command::text).collect::<Vec<_>>(),
        });
        Map::from_iter([("kubernetes".to_owned(), told)])
    }
}

/// Everything that a client accepts.
fn accepted(headers: &HeaderMap) -> Option<String> {
    let said: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    (!said.is_empty()).then(|| said.join(","))
}
