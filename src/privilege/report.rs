//! The report: for each principal, what it is granted on each target, what it used of that, what it never used, what was held and who
//! answered, what was refused. Works it out from what was gathered; reads no file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use bartizan_policies::{
    Action, Context, Decision, Deed, Facts, Key, Place as On, PolicySet, Principal, Request, Slice, Target, Verdict, Words,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Databases;
use super::catalogue::{Candidate, Known, Maker, databases, unseen_label};
use super::credentials::{self, Credential};
use super::recorded::{Skipped, facts, place, principal};
use super::usage::{Form, Person, Place, Usage, Uses};
use crate::config::Config;
use crate::enforce::as_target;
use crate::model::PrincipalKind;

/// What a report says of itself.
pub(super) const FORMAT: &str = "bartizan-least-privilege/1";

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `bartizan-least-privilege/1`
    pub format: String,
    /// The bastion's name.
    pub bastion: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// What it counts.
    pub scope: Scope,
    /// Each principal, by name.
    pub principals: Vec<OfPrincipal>,
    /// Ages of the bastion's own authorities.
    pub authorities: Vec<Credential>,
    /// Whether every principal in it is granted what it used and nothing else that is known.
    pub granted_equals_used: bool,
}

/// What a report counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Uses not before this moment.
    pub since: Timestamp,
    /// When the log begins: what was not used since `since` was not used since this, if it is later.
    pub log_begins: Option<Timestamp>,
    /// Entries of the audit log, all of them compared with each other and with the checkpoint.
    pub entries: u64,
    /// The hash of the last, in hex.
    pub head: String,
    /// The digest of the policies in hex, and how many there are.
    pub policies: String,
    /// How many policies.
    pub policy_count: usize,
    /// How what is granted was found out.
    pub method: String,
}

/// One principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfPrincipal {
    /// `issuer/name`
    pub principal: String,
    /// `user` or `service`
    pub kind: PrincipalKind,
    /// The groups it was last seen in.
    pub groups: Vec<String>,
    /// Each target that it is granted anything on or tried anything on.
    pub targets: Vec<OnTarget>,
    /// The certificates that it was issued.
    pub certificates: Vec<Credential>,
    /// Whether it is granted what it used and nothing else that is known.
    pub granted_equals_used: bool,
}

/// One principal on one target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnTarget {
    /// Its name; "" is the bastion itself.
    pub target: String,
    /// Its kind, or `bastion`.
    pub kind: String,
    /// Everything granted or used.
    pub grants: Vec<Grant>,
    /// How many kinds of operation are granted.
    pub granted: u64,
    /// How many kinds of operation were used.
    pub used: u64,
    /// How many are granted and were not used.
    pub unused: u64,
    /// How often anything was used.
    pub uses: u64,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Requests and statements that are over; none where the target has no such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
    /// What was held.
    pub held: Held,
    /// What was refused, by action.
    pub denied: Vec<Denied>,
    /// The secrets with which the bastion logs in there.
    pub secrets: Vec<Credential>,
    /// Uses of which the log does not say enough to compare them with a grant, by why.
    pub not_compared: BTreeMap<String, u64>,
    /// Whether what is granted is what was used.
    pub granted_equals_used: bool,
}

/// One thing that is granted or was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What.
    pub action: String,
    /// On what.
    pub on: String,
    /// `allow`, `hold`, `body` where it depends on what is in the request, or `deny` where it was used once and is granted no more.
    pub granted: String,
    /// The policies that grant it.
    pub policies: Vec<String>,
    /// How a column is hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    /// It stands for all of its kind that nobody ever saw.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub everything_else: bool,
    /// How often it was used.
    pub used: u64,
    /// How often of these after people approved.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub approved: u64,
    /// When it was first used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_used: Option<Timestamp>,
    /// When it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Timestamp>,
}

/// Requests and statements that are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// How many.
    pub ended: u64,
    /// How many of them failed, were cut short or were not seen to end.
    pub failed: u64,
    /// Bytes to the target, as far as they were counted.
    pub bytes_in: u64,
    /// Bytes from the target.
    pub bytes_out: u64,
    /// How long they took, together.
    pub duration_ms: u64,
}

/// What was held for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// How often people were asked.
    pub asked: u64,
    /// Who answered, and how often with yes and no.
    pub answered_by: BTreeMap<String, Answers>,
    /// What ended otherwise, by how.
    pub ended: BTreeMap<String, u64>,
}

/// One person's answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// Yes.
    pub approved: u64,
    /// No.
    pub denied: u64,
}

/// What was refused of one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// The action.
    pub action: String,
    /// How often.
    pub attempts: u64,
    /// When last.
    pub last: Timestamp,
    /// The policies that refused it; none where nothing permits it.
    pub policies: Vec<String>,
    /// The last one.
    pub example: String,
}

/// Whom and what a report is about.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// These principals, where any is named; else every service.
    pub principals: Vec<String>,
    /// People too.
    pub users: bool,
    /// This target alone.
    pub target: Option<String>,
}

impl Wanted {
    fn takes(&self, id: &str, person: &Person) -> bool {
        if self.principals.is_empty() { person.service || self.users } else { self.principals.iter().any(|wanted| wanted == id) }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What a report is made from.
pub(super) struct Ground<'a> {
    pub(super) config: &'a Config,
    pub(super) set: &'a PolicySet,
    pub(super) databases: &'a Databases,
    pub(super) usage: &'a Usage,
    pub(super) now: Timestamp,
}

impl OnTarget {
    /// Leaves out all but the first grants that were not used; their number stays told.
    pub fn leave_out_unused(&mut self, most: usize) {
        let mut left = most;
        self.grants.retain(|grant| {
            let keeps = grant.used > 0 || left > 0;
            left = left.saturating_sub(usize::from(grant.used == 0));
            keeps
        });
    }
}

impl Report {
    /// Works it out. `entries` and `head` are what was verified of the log. `progress` is told how many principals are done, of how many.
    #[must_use]
    pub fn new(
        (config, set, databases): (&Config, &PolicySet, &Databases),
        usage: &Usage,
        wanted: &Wanted,
        (since, now, entries, head): (Timestamp, Timestamp, u64, String),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Self {
        let ground = Ground { config, set, databases, usage, now };
        let people: Vec<_> = usage.people.iter().filter(|(id, person)| wanted.takes(id, person)).collect();
        let catalogues = ground.catalogues(&people, wanted.target.as_deref());
        let mut principals = Vec::new();
        for (done, (id, person)) in (0..).zip(&people) {
            progress(done, people.len() as u64);
            principals.push(ground.of_principal(id, person, &catalogues));
        }
        let granted_equals_used = principals.iter().all(|one: &OfPrincipal| one.granted_equals_used);
        let method = format!(
            "decided over {} known operations and one unknown of each kind",
            catalogues.iter().map(|(_, known)| known.candidates.iter().filter(|one| !one.unseen).count()).sum::<usize>()
        );
        Self {
            format: FORMAT.to_owned(),
            bastion: config.server.name.to_string(),
            made_at: now,
            scope: Scope { since, log_begins: usage.begins, entries, head, policies: set.digest_hex(), policy_count: set.len(), method },
            principals,
            authorities: credentials::authorities(config, usage, now),
            granted_equals_used,
        }
    }
}

impl Ground<'_> {
    /// What is known of each target, in the order of the configuration.
    pub(super) fn catalogues(&self, people: &[(&String, &Person)], only: Option<&str>) -> Vec<(Target, Known)> {
        let wanted = self.config.targets.iter().filter(|target| only.is_none_or(|only| target.name.as_str() == only));
        let one = |configured: &crate::config::Target| {
            let target = as_target(configured);
            let rows = databases(self.databases, &target.name);
            let database = rows.first().map(|rows| rows.database.as_str()).unwrap_or_default();
            let slices = people.iter().map(|(id, person)| self.set.slice(&principal(id, person.service, &person.groups), &target));
            let literals: Vec<_> = slices.map(|slice| slice.literals(&target, database)).collect();
            let seen: Vec<&Form> = self.usage.seen.get(&target.name).into_iter().flatten().collect();
            let known = Maker::new(self.set, &target, configured).make(&seen, rows, &literals);
            (target, known)
        };
        wanted.map(one).collect()
    }

    /// The circumstances in which a principal was last seen, now.
    pub(super) fn context(&self, person: &Person, facts: Facts) -> Context {
        Context {
            source_ip: person.source.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            time: self.now,
            authenticated_at: self.now,
            device_bound: person.device_bound,
            reason: person.reason.clone(),
            facts,
        }
    }

    fn of_principal(&self, id: &str, person: &Person, catalogues: &[(Target, Known)]) -> OfPrincipal {
        let who = principal(id, person.service, &person.groups);
        let mut targets: Vec<OnTarget> = Vec::new();
        for (target, known) in catalogues {
            let slice = self.set.slice(&who, target);
            let used = person.places.get(&target.name);
            let mut on = self.on_target(person, (&slice, target), &known.candidates, used);
            (on.target, on.kind) = (target.name.clone(), target.kind.clone());
            if let Some(configured) = self.config.targets.iter().find(|one| one.name.as_str() == target.name) {
                on.secrets = credentials::secrets(configured, self.now);
            }
            if on.granted > 0 || used.is_some() {
                targets.push(on);
            }
        }
        targets.extend(self.at_the_bastion(&who, person));
        OfPrincipal {
            principal: id.to_owned(),
            kind: if person.service { PrincipalKind::Service } else { PrincipalKind::User },
            groups: person.groups.clone(),
            certificates: credentials::certificates(&person.certificates, self.now),
            granted_equals_used: targets.iter().all(|on| on.granted_equals_used),
            targets,
        }
    }

    /// What is granted and used of one target.
    fn on_target(&self, person: &Person, (slice, target): (&Slice, &Target), candidates: &[Candidate], used: Option<&Place>) -> OnTarget {
        let mut rows = Rows::default();
        for candidate in candidates {
            let decision = self.decide(slice, person, &candidate.deed);
            if !matches!(decision.verdict, Verdict::Deny(_)) {
                rows.granted(&candidate.deed, &decision, candidate.unseen);
            }
        }
        for (form, uses) in used.iter().flat_map(|place| &place.used) {
            match deed_of(self.set, form, Some(target)) {
                Ok(deed) => {
                    let decision = self.decide(slice, person, &deed);
                    rows.used(&deed, &decision, uses, form.about.is_whole());
                }
                Err(why) => rows.not_compared(&why, uses.count),
            }
        }
        rows.finish(used)
    }

    fn decide(&self, slice: &Slice, person: &Person, deed: &Deed) -> Decision {
        let context = self.context(person, deed.facts.clone());
        slice.decide(&Request { action: deed.action, resource: deed.place.resource(), context: &context })
    }

    /// What is about no target: certificates.
    fn at_the_bastion(&self, who: &Principal, person: &Person) -> Option<OnTarget> {
        let used = person.places.get("");
        let mut rows = Rows::default();
        let decide = |deed: &Deed| {
            let context = self.context(person, deed.facts.clone());
            self.set.decide(who, &Request { action: deed.action, resource: deed.place.resource(), context: &context })
        };
        for algorithm in ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa", "sk-ssh-ed25519@openssh.com"] {
            let key = Key { fingerprint: String::new(), algorithm: algorithm.to_owned(), bits: 256 };
            if let Ok(deed) = self.set.deed(Action::Issue, On::Key(key), Facts::None) {
                let decision = decide(&deed);
                if !matches!(decision.verdict, Verdict::Deny(_)) {
                    rows.granted(&deed, &decision, false);
                }
            }
        }
        for (form, uses) in used.iter().flat_map(|place| &place.used) {
            match deed_of(self.set, form, None) {
                Ok(deed) => rows.used(&deed, &decide(&deed), uses, true),
                Err(why) => rows.not_compared(&why, uses.count),
            }
        }
        let mut on = rows.finish(used);
        on.kind = "bastion".to_owned();
        // Which type of key a principal makes is its own matter: one that it does not use is not a right too many.
        on.granted_equals_used = on.grants.iter().any(|grant| grant.used > 0) || on.granted == 0;
        (on.granted > 0 || used.is_some()).then_some(on)
    }
}

/// What was recorded, as something that a policy can name.
pub(super) fn deed_of(set: &PolicySet, form: &Form, target: Option<&Target>) -> Result<Deed, String> {
    let told = facts(form.action, &form.login, &form.about).map_err(|why| why.words().to_owned())?;
    let on = place(&form.about, &told, target).ok_or_else(|| Skipped::NoTarget.words().to_owned())?;
    set.deed(form.action, on, told).map_err(|vague| vague.to_string())
}

/// Grants and uses, while they are gathered.
#[derive(Default)]
struct Rows {
    all: HashMap<Words, Grant>,
    unseen: HashSet<(Action, String)>,
    not_compared: BTreeMap<String, u64>,
}

impl Rows {
    fn row(&mut self, deed: &Deed, decision: &Decision) -> &mut Grant {
        self.all.entry(deed.words().clone()).or_insert_with(|| Grant {
            action: deed.action.to_string(),
            on: deed.label().to_owned(),
            granted: decision.verdict.word().to_owned(),
            policies: decision.policies.iter().map(ToString::to_string).collect(),
            mask: decision.mask.map(|mask| mask.to_string()),
            everything_else: false,
            used: 0,
            approved: 0,
            first_used: None,
            last_used: None,
        })
    }

    fn granted(&mut self, deed: &Deed, decision: &Decision, unseen: bool) {
        if !unseen {
            self.row(deed, decision);
            return;
        }
        let label = unseen_label(deed);
        if self.unseen.insert((deed.action, label.clone())) {
            let row = self.row(deed, decision);
            (row.on, row.everything_else) = (label, true);
        }
    }

    /// `whole`: policy was asked just what it was asked then.
    fn used(&mut self, deed: &Deed, decision: &Decision, uses: &Uses, whole: bool) {
        let row = self.row(deed, decision);
        if !whole && row.granted == "deny" {
            "body".clone_into(&mut row.granted);
        }
        (row.used, row.approved) = (row.used + uses.count, row.approved + uses.approved);
        row.first_used = Some(row.first_used.map_or(uses.first, |first| first.min(uses.first)));
        row.last_used = row.last_used.max(Some(uses.last));
    }

    fn not_compared(&mut self, why: &str, count: u64) {
        *self.not_compared.entry(why.to_owned()).or_default() += count;
    }

    fn finish(self, place: Option<&Place>) -> OnTarget {
        let mut grants: Vec<Grant> = self.all.into_values().collect();
        grants.sort_by(|a, b| {
            let key = |grant: &Grant| (grant.used == 0, !grant.everything_else, grant.action.clone(), grant.on.clone());
            key(a).cmp(&key(b))
        });
        let count = |does: fn(&Grant) -> bool| grants.iter().filter(|grant| does(grant)).count() as u64;
        let (granted, used) = (count(|grant| grant.granted != "deny"), count(|grant| grant.used > 0));
        let unused = count(|grant| grant.granted != "deny" && grant.used == 0);
        let mut on = OnTarget { granted, used, unused, grants, not_compared: self.not_compared, ..OnTarget::default() };
        if let Some(place) = place {
            on.sessions = place.sessions;
            on.calls = calls(&place.calls);
            for ((action, why), count) in &place.skipped {
                *on.not_compared.entry(format!("{action}: {}", why.words())).or_default() += count;
            }
            if place.crowded > 0 {
                on.not_compared.insert("are of more kinds than are kept apart".to_owned(), place.crowded);
            }
            on.held = held(place);
            on.denied = denied(place);
        }
        on.uses = on.grants.iter().map(|grant| grant.used).sum::<u64>() + on.not_compared.values().sum::<u64>();
        let all_granted = on.grants.iter().all(|grant| grant.granted != "deny");
        on.granted_equals_used = on.unused == 0 && all_granted && on.not_compared.is_empty();
        on
    }
}

fn calls(calls: &super::usage::Calls) -> Option<Calls> {
    let super::usage::Calls { ended, failed, bytes_in, bytes_out, micros } = *calls;
    (ended > 0).then_some(Calls { ended, failed, bytes_in, bytes_out, duration_ms: micros / 1_000 })
}

fn held(place: &Place) -> Held {
    let holds = &place.holds;
    let answers = |(name, (approved, denied)): (&String, &(u64, u64))| (name.clone(), Answers { approved: *approved, denied: *denied });
    Held { asked: holds.asked, answered_by: holds.by.iter().map(answers).collect(), ended: holds.ended.clone() }
}

fn denied(place: &Place) -> Vec<Denied> {
    let one = |(action, refused): (&Action, &super::usage::Refused)| Denied {
        action: action.to_string(),
        attempts: refused.count,
        last: refused.last,
        policies: refused.policies.iter().cloned().collect(),
        example: refused.example.clone(),
    };
    place.denied.iter().map(one).collect()
}
