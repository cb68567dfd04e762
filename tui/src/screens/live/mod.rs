//! Live sessions, and those that are watched.

mod watch;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::{Cells, columns};
use crate::Effect;
use crate::clock::{ago, counter, moment};
use crate::detail::Detail;
use crate::filter::{Field, Filtered};
use crate::link::Asked;
use crate::listing::Listing;
use crate::model::Session;
use crate::safe::{Text, shown};
use crate::state::State;
use crate::theme::Role;

pub(crate) use watch::{Watch, again, begun, heard as heard_watch, pan, stop_all, tile, unwatched, watch, watching};

/// Sessions that are asked for.
const LIMIT: u32 = 10_000;
/// Sessions that are kept.
const MOST: usize = 20_000;

/// The sessions.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) all: BTreeMap<Text, Session>,
    pub(crate) list: Listing,
    pub(crate) ended: bool,
    pub(crate) sort: Sort,
    pub(crate) watches: Vec<Watch>,
    /// Which of those takes the keys.
    pub(crate) focus: usize,
}

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sort {
    #[default]
    Newest,
    Oldest,
    User,
    Target,
}

impl Sort {
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Newest => Self::Oldest,
            Self::Oldest => Self::User,
            Self::User => Self::Target,
            Self::Target => Self::Newest,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::Oldest => "oldest first",
            Self::User => "by user",
            Self::Target => "by target",
        }
    }
}

pub(crate) fn fetch(state: &mut State) -> Vec<Effect> {
    state.ask(Asked::Sessions, "sessions", json!({ "limit": LIMIT }))
}

/// The bastion's list. Rows that it has not stay where they are, as ended.
pub(crate) fn told(state: &mut State, sessions: Vec<Session>) {
    let first = !state.live.list.told;
    let was = std::mem::take(&mut state.live.all);
    state.live.all = sessions.into_iter().map(|session| (session.id.clone(), session)).collect();
    for (id, mut session) in was {
        if !state.live.all.contains_key(&id) {
            let at = state.now;
            session.end.get_or_insert_with(|| crate::model::SessionEnd {
                at,
                reason: "it is not listed any more".into(),
                exit_status: None,
            });
            state.live.all.insert(id, session);
        }
    }
    forget(&mut state.live);
    state.live.list.told = true;
    if first {
        show(state);
    } else {
        let known: Vec<Text> = state.live.all.keys().cloned().collect();
        for id in &known {
            offer(state, id);
        }
    }
}

/// A session as it is now.
pub(crate) fn heard(state: &mut State, session: Session) -> Vec<Effect> {
    let id = session.id.clone();
    let known = state.live.all.get(&id);
    let was_frozen = known.is_some_and(|known| known.frozen.is_some());
    let waited = known.is_some_and(Session::waits_for_watcher);
    let counts = session.principal.id != state.me.principal && state.me.groups.iter().any(|group| session.waits_for.contains(group));
    let wanted = session.waits_for_watcher() && !waited && counts;
    if wanted {
        state.alarm(format!("{} on {} waits for somebody who watches", session.principal.id, session.place()));
    }
    if let (Some(frozen), false) = (&session.frozen, was_frozen) {
        let text = format!("{} on {} stands still: guard rail {}", session.principal.id, session.place(), frozen.guard_rail);
        state.alarm(text);
    }
    let is_new = !state.live.all.contains_key(&id);
    state.live.all.insert(id.clone(), session);
    if is_new {
        forget(&mut state.live);
        offer(state, &id);
    }
    if wanted && state.settings.bell { vec![Effect::Bell] } else { Vec::new() }
}

fn offer(state: &mut State, id: &Text) {
    let live = &mut state.live;
    let Some(session) = live.all.get(id) else { return };
    if (session.is_live() || live.ended) && live.list.filter.passes(session) {
        if live.list.rows.len() == 0 { live.list.rows.set(vec![id.clone()]) } else { live.list.rows.offer(id) }
    }
}

/// Memory has an end: sessions that have ended go first.
fn forget(live: &mut Live) {
    if live.all.len() > MOST {
        live.all.retain(|_, session| session.is_live());
    }
    while live.all.len() > MOST {
        live.all.pop_first();
    }
}

pub(crate) fn show(state: &mut State) {
    let live = &mut state.live;
    let mut items: Vec<(&Text, &Session)> = live.all.iter().filter(|(_, session)| session.is_live() || live.ended).collect();
    match live.sort {
        Sort::Newest => items.sort_by_key(|item| std::cmp::Reverse(item.1.started_at)),
        Sort::Oldest => items.sort_by_key(|item| item.1.started_at),
        Sort::User => items.sort_by(|one, other| one.1.principal.id.cmp(&other.1.principal.id)),
        Sort::Target => items.sort_by(|one, other| one.1.target.cmp(&other.1.target)),
    }
    live.list.show(items.into_iter());
}

/// How many there are.
pub(crate) fn count(state: &State) -> usize {
    state.live.all.values().filter(|session| session.is_live()).count()
}

pub(crate) fn title(state: &State) -> String {
    format!("Live {} · {} (o)", count(state), state.live.sort.name())
}

pub(crate) fn row(state: &State, id: &Text, width: usize) -> Cells {
    let Some(session) = state.live.all.get(id) else { return vec![(Role::Dim, id.to_string())] };
    let (sign, _) = session.state();
    let stands_still = session.frozen.is_some() || session.waits_for_watcher();
    let role = match (session.is_live(), stands_still) {
        (false, _) => Role::Dim,
        (true, true) => Role::Warn,
        (true, false) => Role::Plain,
    };
    let seen = if state.live.watches.iter().any(|watch| watch.session == *id) { "◉" } else { sign };
    let age = if session.is_live() { counter(state.now.duration_since(session.started_at).as_secs()) } else { "ended".to_owned() };
    let mut parts =
        vec![(role, seen.to_owned(), 1), (role, session.principal.short().to_string(), 0), (role, session.place(), 0), (role, age, 8)];
    if width >= 60 {
        parts.insert(3, (Role::Dim, shown(session.wish.raw()).into_owned(), 0));
    }
    columns(width, parts)
}

pub(crate) fn detail(state: &State, id: &Text) -> Option<Detail> {
    let session = state.live.all.get(id)?;
    let mut detail = Detail::new(format!("session {}", session.id));
    let (sign, words) = session.state();
    let principal = &session.principal;
    detail.add("WHO", Role::Title, format!("{} ({}) from {}", principal.id, principal.kind, session.source));
    let groups: Vec<String> = principal.groups.iter().map(ToString::to_string).collect();
    detail.add("", Role::Dim, groups.join(", "));
    detail.plain("WHERE", format!("{} ({})", session.place(), session.target_kind));
    detail.plain("RUNS", shown(session.wish.raw()));
    let stands_still = session.frozen.is_some() || session.waits_for_watcher();
    detail.add("STATE", if stands_still { Role::Warn } else { Role::Plain }, format!("{sign} {words}"));
    if let Some(watchers) = session.watchers.filter(|_| session.is_live()) {
        detail.plain("WATCHED", format!("by {watchers}"));
    }
    if let Some(status) = session.end.as_ref().and_then(|end| end.exit_status) {
        detail.plain("", format!("exit status {status}"));
    }
    detail.plain("SINCE", format!("{}, {} ago", moment(session.started_at, state.now), ago(session.started_at, state.now)));
    let policies: Vec<String> = session.policies.iter().map(ToString::to_string).collect();
    detail.plain("RULES", policies.join(", "));
    detail.plain("NODE", format!("{}, session number {}", session.node, session.number));
    let all = |other: &&Session| other.is_live() && other.id != session.id && other.target == session.target;
    let others = state.live.all.values().filter(all).count();
    if others > 0 {
        detail.plain("NOTE", format!("{others} others live on {}", session.target));
    }
    Some(detail)
}

impl Filtered for Session {
    fn any(&self, field: Field, does: &dyn Fn(&str) -> bool) -> bool {
        let is = |own: Field, text: &str| (field == own || field == Field::Any) && does(text);
        is(Field::User, self.principal.id.raw())
            || is(Field::Target, self.target.raw())
            || self.login.as_ref().is_some_and(|login| is(Field::Login, login.raw()))
            || is(Field::Kind, self.target_kind.raw())
            || is(Field::Text, self.wish.raw())
            || is(Field::Id, self.id.raw())
            || is(
                Field::State,
                if self.frozen.is_some() {
                    "frozen"
                } else if self.waits_for_watcher() {
                    "waits"
                } else if self.is_live() {
                    "live"
                } else {
                    "ended"
                },
            )
    }

    fn at(&self) -> Option<Timestamp> {
        Some(self.started_at)
    }
}
