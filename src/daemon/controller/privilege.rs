//! What principals are granted and used: policy's action `audit`, asked about each of them. Worked out from the whole log on a thread that
//! may block, for one client at a time.

use std::sync::Arc;

use bartizan_policies::PolicySet;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::audit;
use crate::config::Config;
use crate::control::protocol::ReadPrivileges;
use crate::frontdoor::Refusal;
use crate::model::Principal;
use crate::privilege::{Asked, OfPrincipal, Report, Usage, Wanted};
use crate::upstream::CatalogDesk;

use super::{Client, written};

/// How far back is counted if nobody says.
const DAYS: i64 = 30;
/// Grants that were not used that are told of one target.
const UNUSED: usize = 200;
/// How long somebody waits while another's report is worked out.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

impl Client<'_> {
    pub(super) async fn least_privilege(&self, asked: ReadPrivileges) -> Result<Value, Refusal> {
        let what = json!({ "least_privilege": { "principal": asked.principal, "target": asked.target, "users": asked.users } });
        self.note_audit_read(&what).await?;
        let busy =
            || Refusal::unavailable("The bastion works out another report; ask again in a moment.", "reports are worked out one at a time");
        let turn = tokio::time::timeout(PATIENCE, self.rooms.reports.acquire()).await.map_err(|_| busy())?.map_err(|_| busy())?;
        let (config, policies) = (Arc::clone(&self.rooms.config), self.rooms.enforcer.policies().current());
        let now = self.rooms.clock.now();
        let report = tokio::task::spawn_blocking(move || report(&config, &policies, &asked, now)).await;
        drop(turn);
        let unreadable = |error: String| Refusal::unavailable("The audit log cannot be read now; tell the operator.", error);
        let mut report = report.map_err(|e| unreadable(e.to_string()))?.map_err(unreadable)?;
        report.principals.retain(|one| self.may_read_of(one));
        report.principals.iter_mut().flat_map(|one| &mut one.targets).for_each(|on| on.leave_out_unused(UNUSED));
        report.granted_equals_used = report.principals.iter().all(|one| one.granted_equals_used);
        written(&report)
    }

    fn may_read_of(&self, one: &OfPrincipal) -> bool {
        let Ok(id) = one.principal.parse() else { return false };
        let groups = one.groups.iter().filter_map(|group| group.parse().ok()).collect();
        let about = Principal { kind: one.kind, id, groups };
        about.id == self.caller.principal().id || self.rooms.enforcer.may_read_audit(self.caller, Some(&about))
    }
}

/// Blocks.
fn report(config: &Config, policies: &PolicySet, asked: &ReadPrivileges, now: Timestamp) -> Result<Report, String> {
    let since = asked.since.unwrap_or_else(|| now.checked_sub(SignedDuration::from_hours(DAYS * 24)).unwrap_or(Timestamp::MIN));
    let state_dir = &config.server.state_dir;
    let key = audit::read_public_key(&audit::public_key_file(state_dir)).map_err(|error| error.to_string())?;
    let texts = policies.texts();
    let mut usage = Usage::new(since, Asked::by(texts.iter().map(String::as_str)));
    let log = audit::verify_each(&audit::folder(state_dir), &key, &mut |line| usage.take(line.time, line.entry));
    let log = log.map_err(|error| error.to_string())?;
    if let audit::Finding::Tampered { line, what } = log.finding {
        return Err(format!("the audit log was tampered with at line {line}: {what}"));
    }
    usage.finish();
    let wanted = Wanted {
        principals: asked.principal.iter().map(ToString::to_string).collect(),
        users: asked.users,
        target: asked.target.as_ref().map(ToString::to_string),
    };
    let databases = CatalogDesk::left(config);
    Ok(Report::new((config, policies, &databases), &usage, &wanted, (since, now, log.entries, log.head), &mut |_, _| {}))
}
