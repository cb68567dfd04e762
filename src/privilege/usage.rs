//! What principals did and tried, gathered from entries of the audit log as they are read, one after the other. Keeps one record for
//! each kind of operation, however often it was met, and no more of them than fit; what does not fit is counted.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;

use bartizan_policies::Action;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::recorded::{Recorded, Skipped};
use crate::audit::{self, About, Entry, Repeated, Verdict};
use crate::model::{ApprovalId, AuthorityKind, PrincipalKind, SessionId};

/// Kinds of operation that are kept apart, of one principal on one target, and of all on it.
const KINDS: usize = 1 << 14;
/// Principals that are kept apart.
const PRINCIPALS: usize = 1 << 12;
/// Holds that are followed at once.
const HOLDS: usize = 1 << 14;
/// Judgements whose entries may still come: what is written together stands together, but for what others write meanwhile.
const OPEN: usize = 256;

/// Which facts policies ask for that differ from one asking to the next. What none asks for is not kept apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    query: bool,
    content_type: bool,
    headers: bool,
    size: bool,
    in_transaction: bool,
    estimated_rows: bool,
}

impl Asked {
    /// Looks for the words; a comment that has one costs memory and nothing else.
    pub fn by<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut asked = Self::default();
        for text in texts {
            // Any backslash could be the beginning of a name in disguise.
            let disguised = text.contains("[\"") && text.contains('\\');
            let has = |word: &str| disguised || text.contains(word);
            asked.query |= has("query");
            asked.content_type |= has("content_type");
            asked.headers |= has("headers");
            asked.size |= has("size");
            asked.in_transaction |= has("in_transaction");
            asked.estimated_rows |= has("estimated_rows");
        }
        asked
    }

    fn strip(self, about: &mut About) {
        match about {
            About::Http { query, content_type, headers, size, .. } => {
                if !self.query {
                    query.clear();
                }
                if !self.headers {
                    headers.clear();
                }
                *content_type = content_type.take().filter(|_| self.content_type);
                *size = size.filter(|_| self.size);
            }
            About::Sql { in_transaction, estimated_rows, .. } => {
                *in_transaction &= self.in_transaction;
                *estimated_rows = estimated_rows.filter(|_| self.estimated_rows);
            }
            // A certificate's key is a new one each time.
            About::Key { fingerprint, .. } => fingerprint.clear(),
            _ => {}
        }
    }
}

/// A kind of operation: what policy was asked, without what differs each time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Form {
    pub(super) action: Action,
    pub(super) login: String,
    pub(super) about: About,
}

/// How often, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) count: u64,
    /// How many of them people approved.
    pub(super) approved: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// What was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) count: u64,
    pub(super) last: Timestamp,
    pub(super) policies: BTreeSet<String>,
    pub(super) example: String,
}

/// What was asked of people, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Holds {
    pub(super) asked: u64,
    /// The groups that were asked.
    pub(super) groups: BTreeSet<String>,
    pub(super) ended: BTreeMap<String, u64>,
    pub(super) by: BTreeMap<String, (u64, u64)>,
}

/// Requests and statements that are over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) ended: u64,
    /// How many of them failed, were cut short or were not seen to end.
    pub(super) failed: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) micros: u64,
}

/// One principal on one target.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) used: HashMap<Form, Uses>,
    pub(super) denied: BTreeMap<Action, Refused>,
    pub(super) holds: Holds,
    pub(super) sessions: u64,
    pub(super) calls: Calls,
    /// Uses that were not kept apart any more.
    pub(super) crowded: u64,
    /// Uses that cannot be asked again, by why.
    pub(super) skipped: BTreeMap<(Action, Skipped), u64>,
}

/// Certificates that were issued.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Certificates {
    pub(super) issued: u64,
    pub(super) last: Option<Timestamp>,
    pub(super) valid_until: Option<Timestamp>,
    pub(super) longest: SignedDuration,
}

/// One principal, as it was seen last.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) service: bool,
    pub(super) groups: Vec<String>,
    pub(super) source: Option<IpAddr>,
    pub(super) device_bound: bool,
    pub(super) reason: Option<String>,
    /// By target; "" is the bastion itself.
    pub(super) places: BTreeMap<String, Place>,
    pub(super) certificates: Certificates,
}

/// What was gathered.
#[derive(Debug, Default)]
pub struct Usage {
    since: Timestamp,
    asked: Asked,
    pub(super) people: BTreeMap<String, Person>,
    /// What anybody did or tried, by target.
    pub(super) seen: BTreeMap<String, std::collections::HashSet<Form>>,
    pub(super) rotated: BTreeMap<AuthorityKind, Timestamp>,
    /// The first entry's time: how far the log reaches back.
    pub(super) begins: Option<Timestamp>,
    /// Principals that were not kept apart any more.
    pub(super) crowded: u64,
    open: VecDeque<Judgement>,
    holds: HashMap<ApprovalId, (String, String)>,
}

/// What policy said at one moment in one session. Where it said no in the end, or to wait, nothing was done of it.
#[derive(Debug)]
struct Judgement {
    session: SessionId,
    time: Timestamp,
    entries: Vec<Recorded>,
}

impl Usage {
    /// Counts what is not before `since`.
    #[must_use]
    pub fn new(since: Timestamp, asked: Asked) -> Self {
        Self { since, asked, ..Self::default() }
    }

    /// Takes the next entry of the log.
    pub fn take(&mut self, time: Timestamp, entry: Value) {
        let kind = entry.get("kind").and_then(Value::as_str).unwrap_or_default();
        self.begins.get_or_insert(time);
        if kind == "ca.rotated" {
            if let Ok(Entry::CaRotated { authority, .. }) = serde_json::from_value(entry) {
                self.rotated.insert(authority, time);
            }
            return;
        }
        if time < self.since {
            return;
        }
        match kind {
            "decision" => self.decision(time, entry),
            "call.ended" | "calls.ended" | "session.opened" | "session.repeated" | "approval.asked" | "approval.reviewed"
            | "approval.ended" | "certificate.issued" => self.other(time, entry),
            _ => {}
        }
    }

    /// Counts what was still open. To be called at the end of the log.
    pub fn finish(&mut self) {
        while !self.open.is_empty() {
            self.judge_first();
        }
    }

    fn judge_first(&mut self) {
        if let Some(Judgement { time, entries, .. }) = self.open.pop_front() {
            self.judged(time, entries);
        }
    }

    fn decision(&mut self, time: Timestamp, entry: Value) {
        let Ok(recorded) = Recorded::of(entry) else { return };
        // What is written beside it in the log may come before its judgement is whole.
        self.person(&recorded.principal, recorded.service);
        let Some(session) = recorded.session else { return self.judged(time, vec![recorded]) };
        if let Some(open) = self.open.iter_mut().rev().find(|open| open.session == session && open.time == time) {
            return open.entries.push(recorded);
        }
        self.open.push_back(Judgement { session, time, entries: vec![recorded] });
        if self.open.len() > OPEN {
            self.judge_first();
        }
    }

    fn judged(&mut self, time: Timestamp, entries: Vec<Recorded>) {
        let held = entries.iter().any(|entry| entry.verdict == Verdict::Hold);
        // Policy is not asked on after a no: one that something follows was about something else, as for a shell whose seeker gets the
        // guarded one.
        let refused = entries.last().is_some_and(|entry| entry.verdict == Verdict::Deny);
        for entry in entries {
            let done = entry.verdict == Verdict::Allow && !held && !refused;
            self.record(time, entry, done);
        }
    }

    fn record(&mut self, time: Timestamp, recorded: Recorded, done: bool) {
        let Recorded { principal, service, groups, target, action, login, operation, verdict, approved, policies, source, facts, .. } =
            recorded;
        let target = target.unwrap_or_default();
        if let Some(facts) = &facts
            && let Some(person) = self.person(&principal, service)
        {
            (person.groups, person.source) = (groups, Some(source));
            (person.device_bound, person.reason) = (facts.device_bound, facts.reason.clone());
        }
        let form = facts.ok_or(Skipped::TooOld).and_then(|facts| match facts.about {
            About::Unkept => Err(Skipped::Unkept),
            mut about => {
                self.asked.strip(&mut about);
                Ok(Form { action, login, about })
            }
        });
        if let Ok(form) = &form {
            let seen = self.seen.entry(target.clone()).or_default();
            if seen.len() < KINDS && !seen.contains(form) {
                seen.insert(form.clone());
            }
        }
        let Some(place) = self.place(&principal, service, &target) else { return };
        if verdict == Verdict::Deny {
            let refused =
                place.denied.entry(action).or_insert(Refused { count: 0, last: time, policies: BTreeSet::new(), example: String::new() });
            (refused.count, refused.last, refused.example) = (refused.count + 1, time, operation);
            refused.policies.extend(policies);
        } else if done {
            place.did(form, action, time, (1, u64::from(approved)));
        }
    }

    fn other(&mut self, time: Timestamp, entry: Value) {
        let Ok(entry) = serde_json::from_value::<Entry>(entry) else { return };
        match entry {
            Entry::SessionOpened { principal, target, .. } => {
                // Whether it is a service, its decisions have told.
                let id = principal.to_string();
                if let Some(place) = self.people.get_mut(&id).map(|person| person.places.entry(target.to_string()).or_default()) {
                    place.sessions += 1;
                }
            }
            Entry::SessionRepeated { principal, target, login, operations, .. } => {
                let asked = self.asked;
                let Some(person) = self.people.get_mut(principal.as_str()) else { return };
                let place = person.places.entry(target.to_string()).or_default();
                let login = login.map(|login| login.to_string()).unwrap_or_default();
                for Repeated { action, mut about, times } in operations {
                    asked.strip(&mut about);
                    let Ok(action) = action.parse() else { continue };
                    place.did(Ok(Form { action, login: login.clone(), about }), action, time, (times, 0));
                }
            }
            Entry::CallEnded { principal, target, status, bytes_in, bytes_out, duration_ms, cut, .. } => {
                let Some(person) = self.people.get_mut(principal.as_str()) else { return };
                let calls = &mut person.places.entry(target.to_string()).or_default().calls;
                let failed = u64::from(cut.is_some() || status >= 500);
                let (bytes_in, micros) = (bytes_in.unwrap_or(0), duration_ms.saturating_mul(1_000));
                calls.add(Calls { ended: 1, failed, bytes_in, bytes_out, micros });
            }
            Entry::CallsEnded { principal, target, calls: ended, .. } => {
                let Some(person) = self.people.get_mut(principal.as_str()) else { return };
                let calls = &mut person.places.entry(target.to_string()).or_default().calls;
                for audit::Calls { times, failed, unfinished, bytes_in, bytes_out, duration_us, .. } in ended {
                    calls.add(Calls { ended: times, failed: failed + unfinished, bytes_in, bytes_out, micros: duration_us });
                }
            }
            Entry::ApprovalAsked { approval, principal, target, groups, .. } => {
                let (principal, target) = (principal.to_string(), target.to_string());
                if let Some(person) = self.people.get_mut(&principal) {
                    let holds = &mut person.places.entry(target.clone()).or_default().holds;
                    holds.asked += 1;
                    holds.groups.extend(groups);
                    if self.holds.len() < HOLDS {
                        self.holds.insert(approval, (principal, target));
                    }
                }
            }
            Entry::ApprovalReviewed { approval, by, approve, .. } => {
                if let Some(holds) = self.hold(approval) {
                    let (yes, no) = holds.by.entry(by.to_string()).or_default();
                    *if approve { yes } else { no } += 1;
                }
            }
            Entry::ApprovalEnded { approval, state, .. } => {
                if let Some(holds) = self.hold(approval) {
                    *holds.ended.entry(state).or_default() += 1;
                }
                self.holds.remove(&approval);
            }
            Entry::CertificateIssued { authority: AuthorityKind::User, principal: Some(principal), valid_after, valid_before, .. } => {
                let Some(person) = self.people.get_mut(principal.as_str()) else { return };
                let certificates = &mut person.certificates;
                certificates.issued += 1;
                certificates.last = Some(time);
                certificates.valid_until = certificates.valid_until.max(Some(valid_before));
                certificates.longest = certificates.longest.max(valid_before.duration_since(valid_after.max(time)));
            }
            _ => {}
        }
    }

    fn hold(&mut self, approval: ApprovalId) -> Option<&mut Holds> {
        let (principal, target) = self.holds.get(&approval)?;
        Some(&mut self.people.get_mut(principal)?.places.get_mut(target)?.holds)
    }

    fn person(&mut self, id: &str, service: bool) -> Option<&mut Person> {
        if !self.people.contains_key(id) {
            if self.people.len() >= PRINCIPALS {
                self.crowded += 1;
                return None;
            }
            let person = Person {
                service,
                groups: Vec::new(),
                source: None,
                device_bound: false,
                reason: None,
                places: BTreeMap::new(),
                certificates: Certificates::default(),
            };
            self.people.insert(id.to_owned(), person);
        }
        self.people.get_mut(id)
    }

    fn place(&mut self, id: &str, service: bool, target: &str) -> Option<&mut Place> {
        let places = &mut self.person(id, service)?.places;
        if !places.contains_key(target) {
            places.insert(target.to_owned(), Place::default());
        }
        places.get_mut(target)
    }

    /// Every principal that was met, and whether it is a service.
    pub fn principals(&self) -> impl Iterator<Item = (&str, PrincipalKind)> {
        let kind = |person: &Person| if person.service { PrincipalKind::Service } else { PrincipalKind::User };
        self.people.iter().map(move |(id, person)| (id.as_str(), kind(person)))
    }
}

impl Calls {
    fn add(&mut self, more: Self) {
        for (count, more) in [
            (&mut self.ended, more.ended),
            (&mut self.failed, more.failed),
            (&mut self.bytes_in, more.bytes_in),
            (&mut self.bytes_out, more.bytes_out),
            (&mut self.micros, more.micros),
        ] {
            *count = count.saturating_add(more);
        }
    }
}

impl Place {
    /// `times` and how many of them people approved.
    fn did(&mut self, form: Result<Form, Skipped>, action: Action, time: Timestamp, (times, approved): (u64, u64)) {
        let form = match form {
            Ok(form) => form,
            Err(why) => return *self.skipped.entry((action, why)).or_default() += times,
        };
        if let Some(uses) = self.used.get_mut(&form) {
            (uses.count, uses.approved, uses.last) = (uses.count + times, uses.approved + approved, time);
        } else if self.used.len() < KINDS {
            self.used.insert(form, Uses { count: times, approved, first: time, last: time });
        } else {
            self.crowded += times;
        }
    }
}
