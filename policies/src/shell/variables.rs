//! What is known about the variables of a shell between its commands. A variable that is not known is not here: any use of it
//! makes a command dynamic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::quote::quoted;

/// The variables and functions of a shell that were given known values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    known: BTreeMap<String, String>,
    /// Given to the programs that are started.
    exported: BTreeSet<String>,
    /// Set in the running shell to something that is not known: maybe in the environment of what it starts.
    unsure: BTreeSet<String>,
    /// Their definitions as they were written; empty where it is not known which one holds.
    functions: BTreeMap<String, Arc<str>>,
    /// `$1` and what follows, where that is known.
    positional: Option<Arc<[String]>>,
    status: Option<u8>,
}

/// More variables and functions than this are not kept.
const MOST: usize = 256;

impl Variables {
    /// Says what a variable is, if the shell is known to have set it so (`PWD`, say).
    pub fn set(&mut self, name: &str, value: &str) {
        // What the running shell may have set it to before is still there: known values are not sent.
        if self.known.len() < MOST {
            self.known.insert(name.to_owned(), value.to_owned());
        } else {
            self.known.remove(name);
        }
    }

    /// Says with which status (0 to 255) the last command ended, so that `$?` is known where a line begins.
    pub fn set_status(&mut self, status: u8) {
        self.status = Some(status);
    }

    /// POSIX text that makes a shell know what is known here. A dynamic line that is sent as it came, to a shell of its own,
    /// needs it in front, since known variables are otherwise written into the commands and never set on the target.
    #[must_use]
    pub fn assignments(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.known {
            text.push_str(&format!("{name}={}; ", quoted(value)));
        }
        for name in &self.exported {
            text.push_str(&format!("export {name}; "));
        }
        for definition in self.functions.values().filter(|definition| !definition.is_empty()) {
            text.push_str(&format!("{definition}\n"));
        }
        text
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.known.get(name).map(String::as_str)
    }

    pub(super) fn status(&self) -> Option<u8> {
        self.status
    }

    pub(super) fn forget_status(&mut self) {
        self.status = None;
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.known.remove(name);
    }

    /// The running shell sets it, and nobody knows to what.
    pub(super) fn set_unsure(&mut self, name: &str) {
        self.forget(name);
        self.unsure.insert(name.to_owned());
    }

    pub(super) fn unset(&mut self, name: &str) {
        self.forget(name);
        self.exported.remove(name);
    }

    pub(super) fn export(&mut self, name: &str) {
        self.exported.insert(name.to_owned());
    }

    /// The variables that a program gets beside those of the login: with what value, if that is known.
    pub(super) fn environment(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let unsure = self.unsure.iter().filter(|name| !self.exported.contains(*name)).map(|name| (name.as_str(), None));
        unsure.chain(self.exported.iter().map(|name| (name.as_str(), self.value(name))))
    }

    pub(super) fn is_exported(&self, name: &str) -> bool {
        self.exported.contains(name)
    }

    pub(super) fn function(&self, name: &str) -> Option<Arc<str>> {
        self.functions.get(name).cloned()
    }

    pub(super) fn has_functions(&self) -> bool {
        !self.functions.is_empty()
    }

    /// Whether there was room for it.
    pub(super) fn define(&mut self, name: &str, definition: &str) -> bool {
        self.functions.insert(name.to_owned(), definition.into());
        self.functions.len() <= MOST
    }

    pub(super) fn positional(&self) -> Option<&[String]> {
        self.positional.as_deref()
    }

    pub(super) fn set_positional(&mut self, words: Option<Arc<[String]>>) -> Option<Arc<[String]>> {
        std::mem::replace(&mut self.positional, words)
    }

    /// What a program started as a shell knows of these.
    pub(super) fn inherited(&self) -> Self {
        let known = self.known.iter().filter(|(name, _)| self.exported.contains(*name));
        Self {
            known: known.map(|(name, value)| (name.clone(), value.clone())).collect(),
            unsure: self.unsure.union(&self.exported).cloned().collect(),
            ..Self::default()
        }
    }

    /// What is sure when it may be either.
    pub(super) fn or(mut self, other: &Self) -> Self {
        self.known.retain(|name, value| other.known.get(name) == Some(value));
        self.exported.extend(other.exported.iter().cloned());
        self.unsure.extend(other.unsure.iter().cloned());
        if self.functions != other.functions {
            // A name that is a function on one path is no program on it: such a name must not be taken for one.
            let names: BTreeSet<String> = self.functions.keys().chain(other.functions.keys()).cloned().collect();
            let body = |name: &String| match (self.functions.get(name), other.functions.get(name)) {
                (Some(one), Some(two)) if one == two => Arc::clone(one),
                _ => Arc::from(""),
            };
            let functions = names.into_iter().map(|name| (name.clone(), body(&name))).collect();
            self.functions = functions;
        }
        self.positional = self.positional.filter(|words| Some(words) == other.positional.as_ref());
        self.status = self.status.filter(|status| Some(*status) == other.status);
        self
    }
}
