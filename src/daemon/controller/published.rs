//! The request about who publishes targets.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::frontdoor::Refusal;
use crate::identity::Proof;

use super::{Client, written};

impl Client<'_> {
    /// How many publish each target that the caller may use or publish; and who, as far as they may read the audit log, which has it too.
    pub(super) fn published(&self) -> Result<Value, Refusal> {
        let (rooms, caller) = (self.rooms, self.caller);
        let may_know = |target: &crate::config::Target| {
            caller.proof() == Proof::Local || rooms.may_reach(caller, target) || rooms.enforcer.may_publish(caller, target)
        };
        let catalogue = rooms.catalogue();
        let targets: BTreeMap<_, _> = catalogue
            .iter()
            .filter(|target| target.is_published() && may_know(target))
            .filter_map(|target| Some((target.name.to_string(), rooms.published(target)?)))
            .collect();
        let shown = rooms.publishers.all().into_iter().filter(|standing| {
            let publisher = standing.caller().principal();
            standing.is_offered() && (publisher.id == caller.principal().id || rooms.enforcer.may_read_audit(caller, Some(publisher)))
        });
        let mut publishers: Vec<_> = shown.map(|standing| standing.shown()).collect();
        publishers.sort_by(|one, other| (&one.target, one.since).cmp(&(&other.target, other.since)));
        Ok(json!({ "targets": written(&targets)?, "publishers": written(&publishers)? }))
    }
}
