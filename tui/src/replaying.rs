//! The replay of a recording inside the terminal UI: the player's wishes as orders to the host's replayer, one at a time.

use bartizan_recorder::Grid;
use crossterm::event::KeyEvent;

use crate::Effect;
use crate::clock::micros;
use crate::effect::ReplayOrder;
use crate::event::Replayed;
use crate::keys::Play;
use crate::player;
use crate::safe::{Text, shown};
use crate::state::{Replaying, State};

/// The most time that one tick plays, in microseconds.
const LONGEST_US: u64 = 250_000;

/// Opens the recording of `session` at `at_us`.
pub(crate) fn open(state: &mut State, session: Text, at_us: u64) -> Vec<Effect> {
    let mut player = player::State::new(format!("{session} is being opened"), 0, Vec::new());
    player.playing = false;
    player.colour = state.has_colour();
    player.at_us = at_us;
    if let Some(text) = state.recordings.searched.clone() {
        let of_session = |hit: &&crate::model::Hit| hit.session == session;
        let place = |hit: &crate::model::Hit| bartizan_recorder::Place { at_us: hit.at_us, label: hit.text.raw().to_owned() };
        player.found = text;
        player.set_hits(state.recordings.hits.values().filter(of_session).map(place).collect());
        player.notice = None;
    }
    let order = ReplayOrder::Open { session: session.raw().to_owned(), at_us };
    let grid = Grid::default();
    state.replay = Some(Replaying { session, player, grid, next_us: None, busy: true, open: false, last_tick: state.now });
    vec![Effect::Replay(order)]
}

/// Closes what is open.
pub(crate) fn close(state: &mut State) -> Vec<Effect> {
    if state.replay.take().is_some() { vec![Effect::Replay(ReplayOrder::Close)] } else { Vec::new() }
}

/// Takes a key into the line that is typed; none when there is no such line.
pub(crate) fn type_key(state: &mut State, key: KeyEvent) -> Option<Vec<Effect>> {
    let replay = state.replay.as_mut()?;
    let effects = player::type_key(&mut replay.player, key)?;
    Some(carry(state, effects))
}

/// Does what a key says.
pub(crate) fn perform(state: &mut State, play: Play, key: KeyEvent) -> Vec<Effect> {
    let Some(replay) = state.replay.as_mut().filter(|replay| replay.open) else { return Vec::new() };
    replay.player.notice = None;
    let effects = player::perform(&mut replay.player, play, key);
    carry(state, effects)
}

/// Goes to a moment, by the mouse.
pub(crate) fn seek(state: &mut State, at_us: u64) -> Vec<Effect> {
    let Some(replay) = state.replay.as_mut().filter(|replay| replay.open) else { return Vec::new() };
    let effects = replay.player.jump(at_us);
    carry(state, effects)
}

/// One level back: the player's lists, then the list of recordings.
pub(crate) fn back(state: &mut State) -> Vec<Effect> {
    let inside = state.replay.as_mut().is_some_and(|replay| player::back(&mut replay.player));
    if inside { Vec::new() } else { close(state) }
}

/// Time went on.
pub(crate) fn tick(state: &mut State) -> Vec<Effect> {
    let now = state.now;
    let Some(replay) = state.replay.as_mut() else { return Vec::new() };
    if !replay.open || replay.busy {
        return Vec::new();
    }
    // What a slow host takes is made up for; what a jump took is not.
    let elapsed_us = micros(replay.last_tick, now).min(LONGEST_US);
    replay.last_tick = now;
    if elapsed_us == 0 {
        return Vec::new();
    }
    let effects = player::update(&mut replay.player, player::Event::Tick { elapsed_us, next_us: replay.next_us });
    carry(state, effects)
}

/// The host's replayer says something.
pub(crate) fn heard(state: &mut State, said: Replayed) -> Vec<Effect> {
    let Some(replay) = state.replay.as_mut() else { return Vec::new() };
    match said {
        Replayed::Opened { session, title, duration_us, places, weights } if session == replay.session.raw() => {
            replay.open = true;
            let player = &mut replay.player;
            (player.title, player.duration_us, player.places, player.weights) = (title, duration_us, places, weights);
            player.playing = true;
        }
        // Of a recording that was closed since.
        Replayed::Opened { .. } => {}
        Replayed::Shown { grid, at_us, next_us, exact } => {
            replay.busy = false;
            (replay.grid, replay.next_us, replay.player.at_us, replay.player.exact) = (grid, next_us, at_us, exact);
        }
        Replayed::Hits { text, hits } => {
            if text != replay.player.found {
                return Vec::new();
            }
            let effects = player::update(&mut replay.player, player::Event::Found(hits));
            return carry(state, effects);
        }
        Replayed::Failed { why } => {
            replay.busy = false;
            if replay.open {
                replay.player.playing = false;
                replay.player.notice = Some(why);
            } else {
                state.replay = None;
                state.warn(format!("The recording cannot be played: {}", shown(&why)));
            }
        }
    }
    Vec::new()
}

fn carry(state: &mut State, effects: Vec<player::Effect>) -> Vec<Effect> {
    let Some(replay) = state.replay.as_mut() else { return Vec::new() };
    let mut out = Vec::new();
    for effect in effects {
        let order = match effect {
            player::Effect::Seek(at) => ReplayOrder::Seek(at),
            player::Effect::Advance(at) => ReplayOrder::Advance(at),
            player::Effect::Step => ReplayOrder::Step,
            player::Effect::StepBack => ReplayOrder::StepBack,
            player::Effect::Find(text) => {
                out.push(Effect::Replay(ReplayOrder::Find(text)));
                continue;
            }
            player::Effect::Quit => continue,
        };
        replay.busy = true;
        out.push(Effect::Replay(order));
    }
    out
}
