//! The target picker: type, choose, connect.

use std::collections::{BTreeMap, BTreeSet};

use crossterm::event::{KeyCode, KeyEvent};
use jiff::Timestamp;
use serde_json::json;

use super::{Cells, columns};
use crate::detail::Detail;
use crate::filter::{Field, Filter, Filtered};
use crate::input::{Input, Typed};
use crate::link::Asked;
use crate::listing::Listing;
use crate::model::{Published, Target};
use crate::safe::{Text, shown};
use crate::settings::Screen;
use crate::state::State;
use crate::theme::Role;
use crate::{Effect, fuzzy};

/// The targets.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    pub(crate) all: BTreeMap<Text, Target>,
    pub(crate) list: Listing,
    /// What is typed to find one.
    pub(crate) query: Input,
    /// Whether keys go into that.
    pub(crate) typing: bool,
    /// Only of this kind.
    pub(crate) kind: Option<Text>,
    /// Which of the accounts of the selected target.
    pub(crate) login: usize,
}

pub(crate) fn fetch(state: &mut State) -> Vec<Effect> {
    state.ask(Asked::Targets, "targets", json!({}))
}

pub(crate) fn told(state: &mut State, targets: Vec<Target>) {
    state.targets.all = targets.into_iter().map(|target| (target.name.clone(), target)).collect();
    state.targets.list.told = true;
    show(state);
}

/// Those that fit what is typed, the best first. Words with a colon are of the filter language, the others are matched fuzzily.
pub(crate) fn show(state: &mut State) {
    let now = state.now;
    let targets = &mut state.targets;
    let query = targets.query.text();
    let (filters, names): (Vec<&str>, Vec<&str>) = query.split_whitespace().partition(|word| word.contains(':'));
    let (filter, name) = (Filter::parse(&filters.join(" "), now), names.concat());
    let of_kind = |target: &Target| targets.kind.as_ref().is_none_or(|kind| target.kind == *kind);
    let fits = |target: &Target| of_kind(target) && filter.passes(target) && targets.list.filter.passes(target);
    let score = |item: (&Text, &Target)| fuzzy::score(&name, item.0.raw()).map(|score| (score, item.0.clone()));
    let mut found: Vec<(i64, Text)> = targets.all.iter().filter(|(_, target)| fits(target)).filter_map(score).collect();
    found.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    let before = targets.list.rows.selected().cloned();
    targets.list.rows.set(found.into_iter().map(|(_, name)| name).collect());
    if !name.is_empty() {
        targets.list.rows.select(0);
    }
    if targets.list.rows.selected() != before.as_ref() {
        targets.login = 0;
    }
}

/// A key for the line that is typed; none when it is for the list.
pub(crate) fn type_key(state: &mut State, key: KeyEvent) -> Option<Vec<Effect>> {
    if state.screen != Screen::Targets || !state.targets.typing || matches!(key.code, KeyCode::Left | KeyCode::Right) {
        return None;
    }
    // With nothing typed, what begins no name does what it does everywhere.
    if let KeyCode::Char(c) = key.code
        && state.targets.query.is_empty()
        && !c.is_alphabetic()
    {
        return None;
    }
    match state.targets.query.press(key) {
        Typed::Changed => show(state),
        Typed::Left if !state.targets.query.is_empty() => {
            state.targets.query.set("");
            show(state);
        }
        Typed::Left => state.targets.typing = false,
        Typed::Done | Typed::Other => return None,
        Typed::Same => {}
    }
    Some(Vec::new())
}

/// Only targets of the next kind, and after the last of all kinds.
pub(crate) fn next_kind(state: &mut State) {
    let kinds: BTreeSet<Text> = state.targets.all.values().map(|target| target.kind.clone()).collect();
    let current = state.targets.kind.take();
    state.targets.kind = match current {
        None => kinds.into_iter().next(),
        Some(kind) => kinds.into_iter().find(|next| *next > kind),
    };
    show(state);
}

pub(crate) fn next_login(state: &mut State, forward: bool) {
    let logins = selected(state).map_or(0, |target| target.logins.len());
    if logins > 0 {
        let step = if forward { 1 } else { logins - 1 };
        state.targets.login = (state.targets.login + step) % logins;
    }
}

pub(crate) fn selected(state: &State) -> Option<&Target> {
    state.targets.all.get(state.targets.list.rows.selected()?)
}

fn login<'a>(state: &State, target: &'a Target) -> Option<&'a Text> {
    target.logins.get(state.targets.login).or_else(|| target.logins.first())
}

/// Connects to the selected target.
pub(crate) fn open(state: &mut State) -> Vec<Effect> {
    let Some(target) = selected(state) else { return Vec::new() };
    let (name, kind) = (target.name.raw().to_owned(), target.kind.raw().to_owned());
    let login = login(state, target).map(|login| login.raw().to_owned());
    if kind != "ssh" || !state.settings.can_connect {
        state.say("There is no terminal on the other side: y copies the command for it");
        return Vec::new();
    }
    vec![Effect::Connect { target: name, login }]
}

/// The commands that connect to `target`, the handiest first.
pub(crate) fn commands(state: &State, target: &Target) -> Vec<String> {
    let (name, bastion) = (&target.name, state.bastion());
    match (target.kind.raw(), login(state, target)) {
        ("ssh", Some(login)) => vec![format!("ssh {login}@{name}@{bastion}"), format!("ssh -J {bastion} {login}@{name}")],
        ("postgres", _) => vec![format!("ssh -N -L 5432:{name}:5432 {bastion}"), "psql -h 127.0.0.1".to_owned()],
        ("kubernetes", _) => vec![format!("ssh -N -L 8001:{name}:443 {bastion}"), "kubectl get pods".to_owned()],
        ("http", _) => vec![format!("ssh -N -L 8080:{name}:80 {bastion}"), "curl http://127.0.0.1:8080/".to_owned()],
        _ => Vec::new(),
    }
}

pub(crate) fn title(state: &State) -> String {
    let kind = state.targets.kind.as_ref().map(|kind| format!(" · only {kind}")).unwrap_or_default();
    format!("Targets {} of {}{kind}", state.targets.list.rows.len(), state.targets.all.len())
}

pub(crate) fn row(state: &State, id: &Text, width: usize) -> Cells {
    let Some(target) = state.targets.all.get(id) else { return vec![(Role::Dim, id.to_string())] };
    let tags: Vec<String> = target.tags.iter().map(ToString::to_string).collect();
    let mut parts = vec![(Role::Plain, target.name.to_string(), 0), (Role::Dim, target.kind.to_string(), 10)];
    if width >= 40 {
        parts.push((Role::Dim, tags.join(" "), 0));
    }
    columns(width, parts)
}

pub(crate) fn detail(state: &State, id: &Text) -> Option<Detail> {
    let target = state.targets.all.get(id)?;
    let mut detail = Detail::new(format!("{} ({})", target.name, target.kind));
    let chosen = login(state, target);
    let logins: Vec<String> =
        target.logins.iter().map(|own| if Some(own) == chosen { format!("▸{own}") } else { own.to_string() }).collect();
    detail.plain("AS", logins.join(" "));
    let tags: Vec<String> = target.tags.iter().map(ToString::to_string).collect();
    detail.plain("TAGS", tags.join(" "));
    let there = |session: &&crate::model::Session| session.is_live() && session.target == target.name;
    let live = state.live.all.values().filter(there).count();
    let own = state.live.all.values().filter(there).filter(|session| session.principal.id == state.me.principal).count();
    detail.plain("NOW", format!("{live} sessions that you may see, {own} of them yours"));
    match &target.published {
        Some(Published { publishers: 0, .. }) => detail.add("WAY", Role::Warn, "▲ nobody publishes it now"),
        Some(Published { publishers, since }) => {
            let since = since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
            detail.plain("WAY", format!("{publishers} publish it{since}"));
        }
        None => {}
    }
    let commands = commands(state, target);
    if commands.is_empty() {
        detail.add("CONNECT", Role::Warn, "▲ not reachable in this version");
    }
    for (at, command) in commands.iter().enumerate() {
        detail.add(if at == 0 { "CONNECT" } else { "" }, Role::Title, shown(command));
    }
    Some(detail)
}

impl Filtered for Target {
    fn any(&self, field: Field, does: &dyn Fn(&str) -> bool) -> bool {
        let is = |own: Field, text: &str| (field == own || field == Field::Any) && does(text);
        is(Field::Target, self.name.raw())
            || is(Field::Kind, self.kind.raw())
            || self.logins.iter().any(|login| is(Field::Login, login.raw()))
            || self.tags.iter().any(|tag| is(Field::Tag, tag.raw()))
    }

    fn at(&self) -> Option<Timestamp> {
        None
    }
}
