//! The command that `exec` runs in a container. Unlike a command line it comes as words; what they would do is found out as for a line in
//! which each word is quoted: wrappers (`sh -c`, `env`, `timeout`) are looked into.

use super::{Query, Unresolved};
use crate::command::{Command, Surroundings};
use crate::line::{Line, Operation};
use crate::shell::Variables;

/// Which streams `exec` and `attach` ask for, and the command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streams {
    /// The words of the command; none for `attach`.
    pub command: Vec<String>,
    /// Whether the process hears the client.
    pub stdin: bool,
    /// Whether there is a terminal.
    pub tty: bool,
}

impl Streams {
    /// What a query asks for.
    ///
    /// # Errors
    /// When it can be read in several ways.
    pub fn of(query: &Query) -> Result<Self, Unresolved> {
        let command = query.all("command").map(str::to_owned).collect();
        Ok(Self { command, stdin: query.is_set("stdin")?, tty: query.is_set("tty")? })
    }
}

/// Every command that running `words` would run, as far as it can be known; all of them have to be allowed.
///
/// # Errors
/// When there are no words.
pub fn exec_commands(words: &[String]) -> Result<Vec<Command>, Unresolved> {
    if words.is_empty() {
        return Err(Unresolved::NoCommand);
    }
    let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    let line = Line::read_in(quoted.join(" ").as_bytes(), &Variables::default());
    let runs = line.operations().iter().filter_map(|operation| match operation {
        Operation::Run(command) => Some(command.clone()),
        Operation::File(_) => None,
    });
    let mut commands: Vec<Command> = runs.collect();
    if commands.is_empty() {
        // What a shell does by itself (`cd`) is here a program of that name.
        commands.push(Command::known(quoted.join(" "), words.to_vec(), false, Surroundings::default()));
    }
    Ok(commands)
}
