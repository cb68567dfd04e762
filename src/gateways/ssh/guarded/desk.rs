//! What the guarded shell answers itself: which lines are whole, which programs complete a word, `help` and `history`. It asks
//! policy for hints only; whatever is run is decided elsewhere.

use std::collections::BTreeSet;

use bartizan_policies::{Completeness, Line};

use crate::enforce::{Decider, Question};
use crate::model::Printable;

use super::editor::Advice;
use super::history::History;

/// Programs that people type most, offered where policy would allow them without arguments.
const COMMON: &[&str] = &[
    "awk",
    "basename",
    "cat",
    "chmod",
    "chown",
    "cmp",
    "comm",
    "cp",
    "curl",
    "cut",
    "date",
    "df",
    "diff",
    "dig",
    "dirname",
    "dmesg",
    "docker",
    "du",
    "echo",
    "env",
    "file",
    "find",
    "free",
    "git",
    "grep",
    "groups",
    "gunzip",
    "gzip",
    "head",
    "hostname",
    "htop",
    "id",
    "ip",
    "journalctl",
    "jq",
    "kill",
    "kubectl",
    "last",
    "less",
    "ln",
    "ls",
    "lsblk",
    "lsof",
    "make",
    "man",
    "md5sum",
    "mkdir",
    "mount",
    "mv",
    "nano",
    "netstat",
    "nproc",
    "ping",
    "printf",
    "ps",
    "psql",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "rsync",
    "scp",
    "sed",
    "sha256sum",
    "sleep",
    "sort",
    "ss",
    "stat",
    "stty",
    "sudo",
    "systemctl",
    "tail",
    "tar",
    "tee",
    "test",
    "time",
    "top",
    "touch",
    "tr",
    "traceroute",
    "tree",
    "uname",
    "uniq",
    "unzip",
    "uptime",
    "vi",
    "vim",
    "vmstat",
    "w",
    "watch",
    "wc",
    "wget",
    "which",
    "who",
    "whoami",
    "xargs",
    "zcat",
    "zip",
];

/// What needs no permission: it runs no program.
const OWN: &[&str] = &["cd", "exit", "export", "false", "help", "history", "pwd", "true"];

/// How many programs that were run are remembered for completion.
const REMEMBERED: usize = 500;

/// How many programs `help` lists.
const LISTED: usize = 60;

/// Knows what may be typed.
pub(super) struct Desk {
    pub(super) decider: Decider,
    used: BTreeSet<String>,
}

impl Desk {
    pub(super) fn new(decider: Decider) -> Self {
        Self { decider, used: BTreeSet::new() }
    }

    /// Remembers the programs of a line that was allowed.
    pub(super) fn remember(&mut self, line: &Line) {
        for operation in line.operations() {
            if let bartizan_policies::Operation::Run(command) = operation
                && let Some(program) = command.program()
                && self.used.len() < REMEMBERED
                && is_typed_as_it_is(program)
            {
                self.used.insert(program.to_owned());
            }
        }
    }

    fn would_run(&self, program: &str) -> bool {
        let questions = Question::of_line(self.decider.login(), &Line::read(program.as_bytes()));
        !questions.is_empty() && self.decider.would_allow(&questions)
    }

    /// Programs that policy names, that were run before, or that would be allowed.
    fn offered(&self, start: &str) -> BTreeSet<String> {
        let named = self.decider.programs().into_iter().filter(|program| is_typed_as_it_is(program));
        let common = COMMON.iter().filter(|program| program.starts_with(start) && self.would_run(program)).map(ToString::to_string);
        named.chain(self.used.iter().cloned()).chain(common).filter(|program| program.starts_with(start)).collect()
    }

    /// The text of `help`.
    pub(super) fn help(&self, target: &str) -> String {
        let offered = self.offered("");
        let mut programs = offered.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(" ");
        if offered.len() > LISTED {
            programs.push_str(" …");
        }
        if programs.is_empty() {
            programs.push_str("(none by name)");
        }
        format!(
            "This is a guarded shell: policy decides every line before it runs on {target}, and everything is recorded.\n\
             Programs you may try here; their arguments are checked when you press Enter:\n  {programs}\n\
             Always there: {}. Tab completes programs, Ctrl-R searches what you entered, Ctrl-D leaves.\n\
             Programs are not suspended by Ctrl-Z. A line that cannot be understood before it runs needs a policy for dynamic lines.\n",
            OWN.join(" ")
        )
    }
}

impl Advice for Desk {
    fn programs(&self, start: &str) -> Vec<String> {
        let own = OWN.iter().filter(|name| name.starts_with(start)).map(ToString::to_string);
        let mut all = self.offered(start);
        all.extend(own);
        all.into_iter().collect()
    }

    fn is_whole(&self, text: &str) -> bool {
        is_whole(text)
    }
}

/// A name that needs no quotes.
fn is_typed_as_it_is(program: &str) -> bool {
    !program.is_empty() && program.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+'))
}

/// Whether no further line is wanted. A line that is only wrong without the end of line behind it is not wrong.
pub(super) fn is_whole(text: &str) -> bool {
    match Line::completeness(text.as_bytes()) {
        Completeness::Complete => true,
        Completeness::Incomplete => false,
        Completeness::Wrong => Line::completeness(format!("{text}\n").as_bytes()) != Completeness::Incomplete,
    }
}

/// How many bytes are looked at to find out where commands end, over and over as their lines come.
pub(super) const EFFORT: usize = 1 << 20;

/// Cuts several lines into those that are run one after the other. The last may not be whole, or be all that took too much effort.
pub(super) fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let (mut open, mut effort) = (String::new(), 0);
    for line in text.split('\n') {
        if !open.is_empty() {
            open.push('\n');
        }
        open.push_str(line);
        effort += open.len();
        if effort <= EFFORT && is_whole(&open) {
            commands.push(std::mem::take(&mut open));
        }
    }
    commands.extend((!open.is_empty()).then_some(open));
    commands.retain(|command| !command.trim().is_empty());
    commands
}

/// The text of `history`.
pub(super) fn history(history: &History) -> String {
    let numbered = history.lines().enumerate();
    numbered.map(|(number, line)| format!("{:5}  {}\n", number + 1, Printable(&line.replace('\n', " ⏎ ")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_were_entered_together_are_cut_where_commands_end() {
        let text = "ls\n\nfor i in 1 2\ndo echo $i\ndone\necho 'a\nb'\ncat <<E\nx\nE\npwd";
        assert_eq!(commands(text), ["ls", "for i in 1 2\ndo echo $i\ndone", "echo 'a\nb'", "cat <<E\nx\nE", "pwd"]);
        assert_eq!(commands("ls\necho 'open\n"), ["ls", "echo 'open\n"]);
        assert_eq!(commands(" \n\t\n"), [""; 0]);
    }

    #[test]
    fn what_never_ends_is_not_looked_at_for_ever() {
        let text = format!("ls\n{{\n{}", "x\n".repeat(15_000));
        let cut = commands(&text);
        assert_eq!((cut.len(), cut[0].as_str(), cut[1].len()), (2, "ls", text.len() - 3));
    }
}
