//! The keys: one table, from which the footer, the help, the palette and bartizan-tui(1) are made, and the keys that a person
//! set instead.

mod chord;
pub(crate) mod manual;
mod table;

use std::collections::BTreeMap;

use crossterm::event::KeyEvent;

pub use chord::Chord;
pub(crate) use table::{Act, Play};
pub use table::{BINDINGS, Binding, On};

/// The table with a person's own keys in it.
#[derive(Debug, Clone)]
pub(crate) struct Keymap {
    /// As in [`BINDINGS`]: the keys of each.
    keys: Vec<Vec<Chord>>,
}

impl Keymap {
    /// The map, and what is wrong with `own`. What is wrong changes nothing.
    pub(crate) fn new(own: &BTreeMap<String, Vec<String>>) -> (Self, Vec<String>) {
        let mut map = Self { keys: BINDINGS.iter().map(Binding::chords).collect() };
        let mut problems = Vec::new();
        for (name, keys) in own {
            match map.rebind(name, keys) {
                Ok(()) => {}
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(map.doubles());
        (map, problems)
    }

    fn rebind(&mut self, name: &str, keys: &[String]) -> Result<(), String> {
        let at = BINDINGS.iter().position(|binding| binding.name == name);
        let slot = at
            .and_then(|at| self.keys.get_mut(at))
            .ok_or_else(|| format!("keys: there is nothing called `{}`; `?` shows the names", crate::safe::shown(name)))?;
        let read = |key: &String| key.parse::<Chord>().map_err(|why| format!("keys: {name}: {why}"));
        *slot = keys.iter().map(read).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Keys that would do two things at the same place.
    fn doubles(&self) -> Vec<String> {
        let mut seen: BTreeMap<(On, Chord), &str> = BTreeMap::new();
        let mut problems = Vec::new();
        for (binding, keys) in BINDINGS.iter().zip(&self.keys) {
            for key in keys {
                if let Some(other) = seen.insert((binding.on, *key), binding.name) {
                    problems.push(format!("keys: {key} is both `{other}` and `{}`", binding.name));
                }
            }
        }
        problems
    }

    /// What `key` does at the first of `places` where it does something.
    pub(crate) fn find(&self, places: &[On], key: KeyEvent) -> Option<&'static Binding> {
        let chord = Chord::of(key);
        places.iter().find_map(|place| {
            let here = |(binding, keys): &(&'static Binding, &Vec<Chord>)| binding.on == *place && keys.contains(&chord);
            BINDINGS.iter().zip(&self.keys).find(here).map(|(binding, _)| binding)
        })
    }

    /// All bindings of `place` with their keys as they are shown.
    pub(crate) fn of(&self, place: On) -> impl Iterator<Item = (&'static Binding, String)> + '_ {
        let here = move |(binding, _): &(&'static Binding, &Vec<Chord>)| binding.on == place;
        BINDINGS.iter().zip(&self.keys).filter(here).map(|(binding, keys)| (binding, together(keys)))
    }

    /// The first key of the binding `act`, as it is shown.
    pub(crate) fn key_of(&self, act: Act) -> String {
        let found = BINDINGS.iter().zip(&self.keys).find(|(binding, _)| binding.act == act);
        found.and_then(|(_, keys)| keys.first()).map(ToString::to_string).unwrap_or_default()
    }
}

/// Keys beside each other: `j ↓`, and ten digits as `0-9`.
pub(crate) fn together(keys: &[Chord]) -> String {
    let shown: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let joined = shown.join(" ");
    if joined == "0 1 2 3 4 5 6 7 8 9" { "0-9".to_owned() } else { joined }
}

#[cfg(test)]
mod tests;
