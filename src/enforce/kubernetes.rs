//! Requests to a Kubernetes API server: what is asked of policy about them, and what of the objects in their answers is shown.

use std::sync::Arc;

use bartizan_policies::kubernetes::{Resolved, TABLED, leaks, names};
use bartizan_policies::{Action, ApiRequest, Command, Facts, HttpRequest, Kind, Mask, Slice};

use crate::model::Printable;

use super::Decider;
use super::http::Fields;
use super::judge::Asker;
use super::questions::{ABOUT_MAX, Question, as_target, context};

/// What the cells of the known tables show.
const IN_CELLS: [&str; 4] = ["/metadata/name", "/metadata/namespace", "/metadata/creationTimestamp", "/type"];

impl Question {
    /// A request to a Kubernetes API server; one question for each command that `exec` would run. What policy has no action for is
    /// asked as something that nothing permits.
    #[must_use]
    pub fn of_api(request: &HttpRequest, resolved: &Resolved, commands: &[Command]) -> Vec<Self> {
        let line = Printable(&format!("{} {}", request.method, request.target())).to_string();
        let question = |action, facts, operation: String| {
            let about = format!("Refused: {}", operation.chars().take(ABOUT_MAX).collect::<String>());
            Self { action, facts, operation, place: None, about: Some(about) }
        };
        match resolved {
            Resolved::Path { verb, path } => {
                let facts = Facts::ApiPath { verb: verb.clone(), path: path.clone() };
                vec![question(Action::K8sNonResource, facts, line)]
            }
            Resolved::Resource(request) => {
                // Facts that are not the action's are refused.
                let action = request.action().unwrap_or(Action::K8sNonResource);
                if action != Action::K8sExec || commands.is_empty() {
                    return vec![question(action, Facts::ApiRequest(request.clone()), line)];
                }
                let place = in_pod(request);
                let asked = commands.iter().map(|command| {
                    let operation = format!("{place}: {}", Printable(command.text()));
                    question(action, Facts::ApiExec { request: request.clone(), command: command.clone() }, operation)
                });
                asked.collect()
            }
        }
    }
}

/// `exec in shop/web (container app)`
fn in_pod(request: &ApiRequest) -> String {
    let or = |text: &Option<String>| Printable(text.as_deref().unwrap_or("?")).to_string();
    let container = request.container.as_deref().map(|name| format!(" (container {})", Printable(name))).unwrap_or_default();
    format!("exec in {}/{}{container}", or(&request.namespace), or(&request.name))
}

/// The objects in the answer to a request.
pub(super) struct Objects {
    kind: Kind,
    request: ApiRequest,
    keeps_tables: bool,
}

impl Decider {
    /// Who judges the fields of the objects in the answer to `request`; `None` where no policy could hide any.
    #[must_use]
    pub fn object_fields(&self, request: &ApiRequest) -> Option<Fields> {
        let slice = self.slice();
        let kind = request.kind(as_target(self.target()));
        if !slice.may_hide_object_fields(&kind) {
            return None;
        }
        let is_known = TABLED.contains(&(request.group.as_str(), request.resource.as_str()));
        let mut objects = Objects { kind, request: request.clone(), keeps_tables: false };
        objects.keeps_tables = is_known && IN_CELLS.iter().all(|name| objects.field(self, &slice, name).is_none());
        Some(Fields::of_objects(self.clone(), slice, objects))
    }
}

impl Fields {
    /// Whether a table may be shown: its cells hold nothing that is hidden.
    #[must_use]
    pub fn keeps_tables(&self) -> bool {
        self.objects().is_some_and(|objects| objects.keeps_tables)
    }
}

impl Objects {
    /// How what stands at `place` in the answer is shown: the strongest mask of every name that it may have.
    pub(super) fn mask(&self, decider: &Decider, slice: &Arc<Slice>, place: &str) -> Option<Mask> {
        let is_cell = place.strip_prefix("/object").unwrap_or(place).starts_with("/rows/*/cells");
        if is_cell && !self.keeps_tables {
            return Some(Mask::Null);
        }
        names(place).into_iter().filter_map(|name| if leaks(name) { Some(Mask::Null) } else { self.field(decider, slice, name) }).max()
    }

    fn field(&self, decider: &Decider, slice: &Slice, name: &str) -> Option<Mask> {
        let asker = Asker::of(decider.permit.routed(), decider.permit.session());
        let context = context(asker.caller, decider.clock.now(), asker.ask.reason.clone(), Facts::None);
        slice.object_field_mask(&self.kind, &context, &self.request, name)
    }
}
