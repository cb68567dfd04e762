//! What is known about programs that run others, or that do more than their arguments say. One table for each family, in a file
//! of its own. A program goes by the last part of its name, wherever it is; an option that is not in its table makes the line
//! dynamic, since what follows it could be anything.

mod builtins;
mod containers;
mod escapes;
mod find;
mod git;
mod interpreters;
mod options;
mod prefixes;
mod remote;
mod sed;
mod shells;
mod tools;

use super::field::Field;
use super::why::{Why, shown};

pub(super) use builtins::{Kind, is_builtin, kind};

/// The commands inside a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Inside {
    /// None.
    Nothing,
    /// There may be some, or it does more than it says.
    Unseen(Why),
    /// From the word `at` on, with these variables set; `open` if it is given more arguments than are written.
    Command { at: usize, environment: Vec<String>, open: bool },
    /// In these words, each given more than is written.
    Commands(Vec<(usize, usize)>),
    /// A script for sh in the word `at`; `$1` and so on from the word `positional` on, if they are known.
    Script { at: usize, positional: Option<usize> },
}

impl Inside {
    /// The command from the word `at` on.
    fn command(at: usize) -> Self {
        Self::Command { at, environment: Vec::new(), open: false }
    }
}

/// A command whose words are known.
struct Called<'a> {
    /// The last part of the program's name.
    name: &'a str,
    /// The words without quotes, the program's name first.
    words: &'a [String],
    fields: &'a [Field],
    /// Whether it is given more arguments than are written.
    open: bool,
}

impl Called<'_> {
    fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    fn word(&self, at: usize) -> Option<&str> {
        self.words.get(at).map(String::as_str)
    }

    /// Whether files of the target, or what it is fed, could be taken for options of its.
    fn may_get_options(&self) -> bool {
        self.open || self.fields.iter().any(Field::may_turn_into_an_option)
    }

    fn says(&self, what: &str) -> Why {
        Why::new(format!("`{}` {what}", shown(self.name)))
    }
}

type Family = fn(&Called<'_>) -> Option<Inside>;

const FAMILIES: &[Family] = &[
    builtins::look,
    shells::look,
    prefixes::look,
    find::look,
    remote::look,
    containers::look,
    interpreters::look,
    sed::look,
    git::look,
    tools::look,
    escapes::look,
];

/// The commands inside the command of these words.
pub(super) fn inside(fields: &[Field], open: bool) -> Inside {
    let words: Vec<String> = fields.iter().map(Field::value).collect();
    let Some(program) = words.first() else { return Inside::Nothing };
    let name = program.rsplit('/').next().unwrap_or_default();
    let called = Called { name, words: &words, fields, open };
    FAMILIES.iter().find_map(|family| family(&called)).unwrap_or(Inside::Nothing)
}
