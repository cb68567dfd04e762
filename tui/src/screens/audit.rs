//! The audit log: entries newest first, filtered by the bastion, with all that each says.

use std::collections::BTreeMap;

use bartizan_recorder::tlog::{NoteKey, verify_entry};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Cells, columns};
use crate::Effect;
use crate::clock::moment;
use crate::detail::Detail;
use crate::filter::{Field, Filter, Filtered};
use crate::link::Asked;
use crate::listing::Listing;
use crate::model::{AuditEntry, AuditPage};
use crate::safe::Text;
use crate::settings::Screen;
use crate::state::State;
use crate::theme::Role;

/// Entries that are asked for at once.
const PAGE: u32 = 200;
/// Entries that are kept.
const MOST: usize = 10_000;
/// How often new entries are asked for while they are followed, in seconds.
const FOLLOW_SECONDS: i64 = 2;

/// The entries.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) all: BTreeMap<Text, AuditEntry>,
    pub(crate) list: Listing,
    pub(crate) follow: bool,
    /// Entries of the whole log.
    pub(crate) size: Option<u64>,
    checkpoint: Option<Value>,
    asked_at: Option<Timestamp>,
    /// There are no older ones.
    whole: bool,
    /// What was found of the proof of an entry, and whether it holds.
    proof: Option<(u64, bool, String)>,
}

/// A proof as the bastion sends it.
#[derive(Debug, Deserialize)]
pub(crate) struct Proof {
    line: String,
    proof: String,
    key: String,
    #[serde(default)]
    witnesses: Vec<Text>,
}

/// Asks for the proof of the selected entry.
pub(crate) fn prove(state: &mut State) -> Vec<Effect> {
    let Some(seq) = super::selected(state).and_then(|id| state.audit.all.get(&id)).map(|entry| entry.seq) else {
        state.say("There is no entry to prove");
        return Vec::new();
    };
    state.ask(Asked::Proof { seq }, "audit.proof", json!({ "entry": seq }))
}

/// Checks a proof: that the log has the line, and that the line says what is shown here.
pub(crate) fn proven(state: &mut State, seq: u64, proof: &Proof) {
    let shown = state.audit.all.values().find(|entry| entry.seq == seq);
    let checked = shown.ok_or_else(|| "the entry is not shown any more".to_owned()).and_then(|shown| check(shown, proof));
    let (holds, text) = match checked {
        Ok(text) => (true, format!("✓ verified: {text}")),
        Err(why) => (false, format!("✗ it does not hold: {why}")),
    };
    if holds {
        state.say(format!("#{seq} {text}"))
    } else {
        state.alarm(format!("The proof of #{seq}: {text}"))
    }
    state.audit.proof = Some((seq, holds, text));
}

/// There is no proof.
pub(crate) fn unproven(state: &mut State, seq: u64, why: &str) {
    state.warn(why);
    state.audit.proof = Some((seq, false, format!("✗ there is none: {why}")));
}

fn check(shown: &AuditEntry, proof: &Proof) -> Result<String, String> {
    let key = NoteKey::parse(&proof.key).map_err(|error| error.to_string())?;
    let proven = verify_entry(proof.line.as_bytes(), &proof.proof, &key).map_err(|error| error.to_string())?;
    let line: Value = serde_json::from_str(&proof.line).map_err(|error| error.to_string())?;
    let said = line.get("entry").and_then(Value::as_object).ok_or("its line is no entry")?;
    let same = proven.seq == shown.seq
        && said.get("kind").and_then(Value::as_str) == Some(shown.kind.raw())
        && said.iter().filter(|(name, _)| *name != "kind").all(|(name, value)| shown.fields.get(name) == Some(value));
    if !same {
        return Err("the log has another entry than the one that is shown".to_owned());
    }
    let witnesses: Vec<String> = proof.witnesses.iter().map(ToString::to_string).collect();
    let cosigned = if witnesses.is_empty() { "no witness".to_owned() } else { witnesses.join(", ") };
    let (place, size) = (proven.index, proven.checkpoint.size);
    Ok(format!("leaf {place} of {size}, signed by the log's key {}, cosigned by {cosigned}", Text::from(key.fingerprint())))
}

/// What the bastion is asked for; what it cannot be asked for is filtered here.
fn asked(filter: &Filter) -> Map<String, Value> {
    let mut body = Map::new();
    for (name, field) in [("principal", Field::User), ("target", Field::Target), ("kind", Field::Kind), ("verdict", Field::Verdict)] {
        if let Some(wanted) = filter.wanted(field) {
            body.insert(name.to_owned(), json!(wanted));
        }
    }
    if let Some(text) = filter.wanted(Field::Text).or_else(|| filter.wanted(Field::Any)) {
        body.insert("text".to_owned(), json!(text));
    }
    for (name, at) in [("since", filter.since()), ("until", filter.until())] {
        if let Some(at) = at {
            body.insert(name.to_owned(), json!(at));
        }
    }
    body
}

/// Asks for the newest entries that the filter wants. Those at hand stay until the answer.
pub(crate) fn fetch(state: &mut State) -> Vec<Effect> {
    let filter = asked(&state.audit.list.filter);
    state.audit.asked_at = Some(state.now);
    state.ask(Asked::Audit { more: false }, "audit", json!({ "limit": PAGE, "filter": filter }))
}

/// Asks for those before the oldest one at hand.
pub(crate) fn older(state: &mut State) -> Vec<Effect> {
    if state.audit.whole {
        state.say("There are no older entries that you may read");
        return Vec::new();
    }
    let Some(oldest) = state.audit.all.values().map(|entry| entry.seq).min() else { return fetch(state) };
    let filter = asked(&state.audit.list.filter);
    state.ask(Asked::Audit { more: true }, "audit", json!({ "before": oldest, "limit": PAGE, "filter": filter }))
}

pub(crate) fn told(state: &mut State, page: AuditPage, more: bool) {
    let audit = &mut state.audit;
    let (size, checkpoint) = (page.size, page.checkpoint);
    if !more && !audit.follow {
        audit.all.clear();
    }
    if more || !audit.follow {
        audit.whole = page.entries.len() < PAGE as usize;
    }
    audit.all.extend(page.entries.into_iter().map(|entry| (Text::from(format!("{:020}", entry.seq)), entry)));
    while audit.all.len() > MOST {
        audit.all.pop_first();
    }
    (audit.size, audit.checkpoint) = (size.or(audit.size), checkpoint.or(audit.checkpoint.take()));
    audit.list.told = true;
    show(state);
    if state.audit.follow && !more {
        state.audit.list.rows.select(0);
    }
}

/// Asks again while new entries are followed.
pub(crate) fn tick(state: &mut State) -> Vec<Effect> {
    let audit = &state.audit;
    let due = audit.asked_at.is_none_or(|at| state.now.duration_since(at).as_secs() >= FOLLOW_SECONDS);
    let waits = state.link.waits_for(|asked| matches!(asked, Asked::Audit { .. }));
    if state.screen == Screen::Audit && audit.follow && due && !waits && state.link.is_up() { fetch(state) } else { Vec::new() }
}

pub(crate) fn follow(state: &mut State) -> Vec<Effect> {
    state.audit.follow = !state.audit.follow;
    state.say(if state.audit.follow { "New entries are shown as they are written" } else { "New entries come with r" });
    if state.audit.follow { fetch(state) } else { Vec::new() }
}

pub(crate) fn show(state: &mut State) {
    let audit = &mut state.audit;
    let order = audit.all.iter().rev();
    audit.list.show(order);
}

pub(crate) fn title(state: &State) -> String {
    let of = state.audit.size.map(|size| format!(" of {size}")).unwrap_or_default();
    let follow = if state.audit.follow { " · following" } else { "" };
    format!("Audit {}{of}{follow}", state.audit.list.rows.len())
}

pub(crate) fn row(state: &State, id: &Text, width: usize) -> Cells {
    let Some(entry) = state.audit.all.get(id) else { return vec![(Role::Dim, id.to_string())] };
    let verdict = entry.text("verdict").or_else(|| entry.text("approve"));
    let role = match verdict.as_ref().map(Text::raw) {
        Some("deny" | "false") => Role::Bad,
        Some("hold") => Role::Warn,
        _ => Role::Plain,
    };
    let mut parts = vec![(Role::Dim, format!("#{}", entry.seq), 8), (role, entry.kind.to_string(), 18)];
    if width >= 50 {
        parts.insert(1, (Role::Dim, moment(entry.at, state.now), 9));
    }
    parts.push((role, entry.line().to_string(), 0));
    columns(width, parts)
}

pub(crate) fn detail(state: &State, id: &Text) -> Option<Detail> {
    let entry = state.audit.all.get(id)?;
    let mut detail = Detail::new(format!("#{} {}", entry.seq, entry.kind));
    detail.plain("WHEN", entry.at.to_string());
    if let Some(who) = entry.who() {
        detail.add("WHO", Role::Title, who.to_string());
    }
    for (name, value) in entry.all() {
        detail.plain("", format!("{name}: {value}"));
    }
    if let Some((_, holds, text)) = state.audit.proof.as_ref().filter(|(seq, ..)| *seq == entry.seq) {
        detail.add("PROOF", if *holds { Role::Good } else { Role::Bad }, Text::from(text.as_str()).to_string());
    }
    if let Some(checkpoint) = &state.audit.checkpoint {
        detail.add("LOG", Role::Dim, Text::from(checkpoint.to_string()).to_string());
    }
    Some(detail)
}

impl Filtered for AuditEntry {
    fn any(&self, field: Field, does: &dyn Fn(&str) -> bool) -> bool {
        let has = |name: &str| self.text(name).is_some_and(|text| does(text.raw()));
        match field {
            Field::User => ["principal", "by", "user"].into_iter().any(has),
            Field::Target => has("target"),
            Field::Login => has("login"),
            Field::Kind => does(self.kind.raw()),
            Field::Verdict | Field::State => has("verdict") || has("state"),
            Field::Id => ["session", "approval", "lock"].into_iter().any(has) || does(&self.seq.to_string()),
            Field::Tag => false,
            Field::Any | Field::Text => does(self.kind.raw()) || self.all().iter().any(|(_, value)| does(value.raw())),
        }
    }

    fn at(&self) -> Option<Timestamp> {
        Some(self.at)
    }
}
