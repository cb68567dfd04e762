//! Plain mode: the same core, without a screen. What changes is said in lines that are never taken back; things have numbers that
//! stay theirs; what is typed are lines. For screen readers, simple terminals and programs.

mod read;
mod say;
mod watched;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::Effect;
use crate::safe::Text;
use crate::settings::Screen;
use crate::state::State;

pub(crate) use read::read;

/// Numbers that are given at most; then they begin anew.
const MOST: usize = 20_000;

/// What plain mode has said.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    /// What a number stands for.
    numbers: Vec<(Screen, Text)>,
    known: BTreeMap<(Screen, Text), usize>,
    /// How each approval stood when it was last said.
    said: BTreeMap<Text, (crate::model::ApprovalState, usize)>,
    notice: Option<(String, Timestamp)>,
    greeted: bool,
    locked: bool,
    /// What was said of the session that is watched.
    watched: watched::Said,
    /// Which question was said.
    asked: Option<(Text, Timestamp)>,
    /// The list that is to be said when it is there.
    pub(crate) list: Option<Screen>,
    /// Lines that are to be said next.
    pub(crate) next: Vec<String>,
}

impl Plain {
    /// The number of a thing, from 1; it keeps it.
    fn number(&mut self, screen: Screen, id: &Text) -> usize {
        if let Some(number) = self.known.get(&(screen, id.clone())) {
            return *number;
        }
        if self.numbers.len() >= MOST {
            self.numbers.clear();
            self.known.clear();
        }
        self.numbers.push((screen, id.clone()));
        let number = self.numbers.len();
        self.known.insert((screen, id.clone()), number);
        number
    }

    /// What has this number.
    fn thing(&self, number: usize) -> Option<(Screen, Text)> {
        self.numbers.get(number.checked_sub(1)?).cloned()
    }
}

/// What is to be done in plain mode: nothing about a screen, and what changed is said.
pub(crate) fn rewrite(state: &mut State, effects: Vec<Effect>) -> Vec<Effect> {
    let mut effects: Vec<Effect> = effects.into_iter().filter(|effect| *effect != Effect::Redraw).collect();
    let lines = say::lines(state);
    if !lines.is_empty() {
        effects.push(Effect::Print(lines.join("\n")));
    }
    effects
}
