//! What of an operation is not seen when it is decided. A permit covers only what it could look at, and a forbid about files is
//! not passed by where the files cannot be told. It evaluates no policy.

use std::fmt;

use serde::Serialize;

use crate::Action;
use crate::asks::Asks;
use crate::facts::Facts;
use crate::request::Request;
use crate::rule::Rule;

/// Why a policy does not cover an operation although its conditions hold, or cannot be asked about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unseen {
    /// The command is redirected from or to files, and the policy does not look at `redirects`.
    Redirections,
    /// Variables are set for the command, and the policy does not look at `environment`.
    Environment,
    /// The command is not known for certain, and the policy does not look at `dynamic`.
    Dynamic,
    /// Some arguments are not known for certain, and the policy asks for them and does not look at `patterns`.
    Patterns,
    /// The policy is about single files, and a whole tree is touched of which no file is seen.
    Files,
    /// The policy asks which file it is, and that is not known.
    File,
}

/// Reads after "policy X permits it".
impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unseen::Redirections => "without redirections",
            Unseen::Environment => "without variables set for it",
            Unseen::Dynamic => "only where all of it is known before it runs",
            Unseen::Patterns => "only where every argument is known before it runs",
            Unseen::Files => "file by file, and single files cannot be seen in this kind of copy",
            Unseen::File => "for some files, and which file this is cannot be known",
        })
    }
}

/// What is seen of one operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight<'a> {
    facts: &'a Facts,
    path: Place<'a>,
    to: Place<'a>,
}

/// Where a file is.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    /// There is none: the operation has no new name.
    None,
    Unknown,
    Known(&'a str),
}

impl<'a> Sight<'a> {
    pub(crate) fn new(request: &Request<'a>) -> Self {
        let facts = &request.context.facts;
        let (path, to) = match facts {
            Facts::File { path, to, .. } => (path.as_deref(), to.as_deref()),
            _ => return Sight { facts, path: Place::None, to: Place::None },
        };
        let no_new_name = to.is_none() && request.action != Action::SftpRename;
        Sight { facts, path: place(path), to: if no_new_name { Place::None } else { place(to) } }
    }

    /// Why this permit does not cover the operation, if so.
    pub(crate) fn lacks(&self, permit: &Rule) -> Option<Unseen> {
        match self.facts {
            Facts::Command { command, .. } | Facts::ApiExec { command, .. } => {
                let uncovered =
                    uncovered(&permit.asks, !command.redirects().is_empty(), !command.environment().is_empty(), command.is_dynamic());
                let guessed = command.has_patterns() && permit.asks.names_arguments() && !permit.asks.sees("patterns");
                uncovered.or(guessed.then_some(Unseen::Patterns))
            }
            _ => self.blind(permit),
        }
    }

    /// Whether there may be a policy that cannot tell which files are touched.
    pub(crate) fn may_be_blind(&self) -> bool {
        let recursive = matches!(self.facts, Facts::File { recursive: true, .. });
        recursive || matches!(self.path, Place::Unknown) || matches!(self.to, Place::Unknown)
    }

    /// Why what Cedar says of this policy does not settle the matter, if so: it is about files, and they are not seen.
    pub(crate) fn blind(&self, rule: &Rule) -> Option<Unseen> {
        if !rule.asks.names_files() {
            return None;
        }
        let unknown = |attribute, place| matches!(place, Place::Unknown) && rule.asks.names(attribute);
        if unknown("path", self.path) || unknown("to", self.to) {
            return Some(Unseen::File);
        }
        let recursive = matches!(self.facts, Facts::File { recursive: true, .. });
        let told = !recursive || rule.asks.holds_beneath(rule.effect, self.path.known(), self.to.known());
        (!told).then_some(Unseen::Files)
    }
}

/// What of a command a permit with these conditions does not look at although it asks which command it is.
fn uncovered(asks: &Asks, redirected: bool, assigned: bool, dynamic: bool) -> Option<Unseen> {
    let unseen = |matters: bool, attribute| matters && asks.names_command() && !asks.sees(attribute);
    [(redirected, "redirects", Unseen::Redirections), (assigned, "environment", Unseen::Environment), (dynamic, "dynamic", Unseen::Dynamic)]
        .into_iter()
        .find(|(matters, attribute, _)| unseen(*matters, attribute))
        .map(|(_, _, unseen)| unseen)
}

impl<'a> Place<'a> {
    fn known(self) -> Option<&'a str> {
        match self {
            Place::Known(path) => Some(path),
            Place::None | Place::Unknown => None,
        }
    }
}

/// A path that is not absolute and normalised could be any file.
fn place(path: Option<&str>) -> Place<'_> {
    path.filter(|path| is_normal(path)).map_or(Place::Unknown, Place::Known)
}

/// Whether a path is absolute and normalised: `/`, or names that each follow one `/`, none of them `.` or `..`.
pub(crate) fn is_normal(path: &str) -> bool {
    let plain = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    path == "/" || path.strip_prefix('/').is_some_and(|names| names.split('/').all(plain))
}

#[cfg(test)]
mod tests;
