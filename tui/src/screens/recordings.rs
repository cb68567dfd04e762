//! Recordings, what was found in them, and the way to replay.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Cells, columns};
use crate::clock::{ago, bytes, moment, position};
use crate::detail::Detail;
use crate::filter::{Field, Filter, Filtered};
use crate::link::Asked;
use crate::listing::Listing;
use crate::model::{Hit, Recording, short};
use crate::safe::{Text, shown};
use crate::state::State;
use crate::theme::Role;
use crate::{Effect, replaying};

/// Recordings, and places found, that are asked for.
const LIMIT: u32 = 1_000;
/// The fewest characters that are searched for.
const SHORTEST: usize = 3;

/// The recordings.
#[derive(Debug, Default)]
pub(crate) struct Recordings {
    pub(crate) all: BTreeMap<Text, Recording>,
    pub(crate) list: Listing,
    /// What was searched for, and what was found: then the list is of hits.
    pub(crate) searched: Option<String>,
    pub(crate) hits: BTreeMap<Text, Hit>,
}

/// What a filter asks of the bastion.
fn asked(filter: &Filter) -> Map<String, Value> {
    let mut body = Map::new();
    let fields =
        [("principal", Field::User), ("target", Field::Target), ("kind", Field::Kind), ("verdict", Field::Verdict), ("text", Field::Text)];
    for (name, field) in fields {
        if let Some(wanted) = filter.wanted(field) {
            body.insert(name.to_owned(), json!(wanted));
        }
    }
    for (name, at) in [("since", filter.since()), ("until", filter.until())] {
        if let Some(at) = at {
            body.insert(name.to_owned(), json!(at));
        }
    }
    body.insert("limit".to_owned(), json!(LIMIT));
    body
}

pub(crate) fn fetch(state: &mut State) -> Vec<Effect> {
    let body = asked(&state.recordings.list.filter);
    state.ask(Asked::Recordings, "recordings", Value::Object(body))
}

pub(crate) fn told(state: &mut State, recordings: Vec<Recording>) {
    state.recordings.all = recordings.into_iter().map(|recording| (recording.id.clone(), recording)).collect();
    state.recordings.list.told = true;
    show(state);
}

/// Searches what was recorded.
pub(crate) fn search(state: &mut State, text: &str) -> Vec<Effect> {
    let text = text.trim();
    if text.is_empty() {
        state.recordings.searched = None;
        state.recordings.hits.clear();
        show(state);
        return Vec::new();
    }
    if text.chars().count() < SHORTEST {
        state.warn("What is searched for must have at least three characters");
        return Vec::new();
    }
    let mut body = asked(&state.recordings.list.filter);
    body.remove("text");
    // Here a kind is one of text, there one of session.
    body.remove("kind");
    body.insert("query".to_owned(), json!(text));
    state.recordings.searched = Some(text.to_owned());
    state.ask(Asked::Search, "search", Value::Object(body))
}

pub(crate) fn found(state: &mut State, hits: Vec<Hit>) {
    if hits.is_empty() {
        state.say("Nothing was found");
    }
    let numbered = hits.into_iter().enumerate().map(|(at, hit)| (Text::from(format!("{at:06}")), hit));
    state.recordings.hits = numbered.collect();
    state.recordings.list.rows.set(state.recordings.hits.keys().cloned().collect());
    state.recordings.list.rows.select(0);
}

pub(crate) fn show(state: &mut State) {
    let recordings = &mut state.recordings;
    if recordings.searched.is_some() {
        recordings.list.show(recordings.hits.iter());
        return;
    }
    // What text is in them only the bastion knows.
    let local = recordings.list.filter.without(Field::Text).without(Field::Verdict);
    let mut items: Vec<(&Text, &Recording)> = recordings.all.iter().filter(|(_, recording)| local.passes(*recording)).collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.1.started_at));
    recordings.list.rows.set(items.into_iter().map(|(id, _)| id.clone()).collect());
}

/// Back from what was found to the recordings. False when there was nothing found.
pub(crate) fn leave_search(state: &mut State) -> bool {
    let searched = state.recordings.searched.take().is_some();
    state.recordings.hits.clear();
    if searched {
        show(state);
    }
    searched
}

/// Opens the selected recording, or the place found in one.
pub(crate) fn open(state: &mut State) -> Vec<Effect> {
    let Some(id) = state.recordings.list.rows.selected().cloned() else { return Vec::new() };
    if !state.settings.can_replay {
        state.warn("Recordings cannot be played here; `bartizan recordings play` does");
        return Vec::new();
    }
    match state.recordings.hits.get(&id) {
        Some(hit) => {
            let (session, at_us) = (hit.session.clone(), hit.at_us);
            replaying::open(state, session, at_us)
        }
        None => replaying::open(state, id, 0),
    }
}

/// The session of the selected recording, or of the selected place in one.
pub(crate) fn selected_session(state: &State) -> Option<String> {
    let id = state.recordings.list.rows.selected()?;
    Some(state.recordings.hits.get(id).map_or(id, |hit| &hit.session).to_string())
}

pub(crate) fn title(state: &State) -> String {
    match &state.recordings.searched {
        Some(text) => format!("Found \"{}\": {} (esc: all recordings)", shown(text), state.recordings.hits.len()),
        None => format!("Recordings {} of {}", state.recordings.list.rows.len(), state.recordings.all.len()),
    }
}

pub(crate) fn row(state: &State, id: &Text, width: usize) -> Cells {
    if let Some(hit) = state.recordings.hits.get(id) {
        let sign = if hit.verdict.as_ref().is_some_and(|verdict| verdict.raw() == "deny") { "✗" } else { " " };
        let parts = vec![
            (Role::Dim, short(&hit.principal).to_string(), 0),
            (Role::Dim, hit.target.to_string(), 10),
            (Role::Dim, position(hit.at_us), 8),
            (Role::Plain, format!("{sign} {}", hit.text), width / 2),
        ];
        return columns(width, parts);
    }
    let Some(recording) = state.recordings.all.get(id) else { return vec![(Role::Dim, id.to_string())] };
    let (sign, _) = recording.state();
    let mut parts = vec![
        (Role::Plain, sign.to_owned(), 1),
        (Role::Plain, short(&recording.principal).to_string(), 0),
        (Role::Plain, recording.place(), 0),
        (Role::Dim, recording.duration_us.map_or_else(|| "…".to_owned(), position), 7),
    ];
    if width >= 46 {
        parts.push((Role::Dim, moment(recording.started_at, state.now), 17));
    }
    columns(width, parts)
}

pub(crate) fn detail(state: &State, id: &Text) -> Option<Detail> {
    if let Some(hit) = state.recordings.hits.get(id) {
        let mut detail = Detail::new(format!("found in {}", hit.session));
        detail.add("WHO", Role::Title, hit.principal.to_string());
        detail.plain("WHERE", hit.target.to_string());
        detail.plain("WHEN", format!("{}, {} into it", hit.time, position(hit.at_us)));
        detail.plain("WHAT", format!("{}{}", hit.kind, hit.verdict.as_ref().map(|verdict| format!(", {verdict}")).unwrap_or_default()));
        detail.add("TEXT", Role::Title, hit.text.to_string());
        return Some(detail);
    }
    let recording = state.recordings.all.get(id)?;
    let mut detail = Detail::new(format!("recording {}", recording.id));
    detail.add("WHO", Role::Title, format!("{} from {}", recording.principal, recording.source_address));
    let tags: String = recording.tags.iter().map(|(name, value)| format!(" [{name}={value}]")).collect();
    detail.plain("WHERE", format!("{} ({}){tags}", recording.place(), recording.kind));
    detail.plain("RUNS", recording.command.as_ref().map_or_else(|| "shell".to_owned(), ToString::to_string));
    detail.plain("WHEN", format!("{}, {} ago", moment(recording.started_at, state.now), ago(recording.started_at, state.now)));
    let long = recording.duration_us.map_or_else(|| "still running".to_owned(), |us| format!("{} long", position(us)));
    detail.plain("SIZE", format!("{long}, {}", bytes(recording.bytes)));
    let (sign, word) = recording.state();
    let why = recording.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let status = recording.exit_status.map(|status| format!(", exit status {status}")).unwrap_or_default();
    detail.plain("STATE", format!("{sign} {word}{why}{status}"));
    detail.plain("NUMBER", recording.number.to_string());
    Some(detail)
}

impl Filtered for Recording {
    fn any(&self, field: Field, does: &dyn Fn(&str) -> bool) -> bool {
        let is = |own: Field, text: &str| (field == own || field == Field::Any) && does(text);
        is(Field::User, self.principal.raw())
            || is(Field::Target, self.target.raw())
            || self.login.as_ref().is_some_and(|login| is(Field::Login, login.raw()))
            || is(Field::Kind, self.kind.raw())
            || self.command.as_ref().is_some_and(|command| is(Field::Text, command.raw()))
            || is(Field::State, self.state().1)
            || is(Field::Id, self.id.raw())
            || self.tags.iter().any(|(name, value)| is(Field::Tag, name.raw()) || is(Field::Tag, value.raw()))
    }

    fn at(&self) -> Option<Timestamp> {
        Some(self.started_at)
    }
}

impl Filtered for Hit {
    fn any(&self, field: Field, does: &dyn Fn(&str) -> bool) -> bool {
        let is = |own: Field, text: &str| (field == own || field == Field::Any) && does(text);
        is(Field::User, self.principal.raw())
            || is(Field::Target, self.target.raw())
            || is(Field::Kind, self.kind.raw())
            || is(Field::Text, self.text.raw())
            || is(Field::Id, self.session.raw())
            || self.verdict.as_ref().is_some_and(|verdict| is(Field::Verdict, verdict.raw()))
    }

    fn at(&self) -> Option<Timestamp> {
        self.time.raw().parse().ok()
    }
}
