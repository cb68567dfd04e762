//! Reads a command line, as far as it is one simple command made of plain literal words, and says so when it is not. It is
//! conservative on purpose: what any common shell could read differently makes the line `dynamic`. It runs nothing.

/// A command line, and what could be proved about it without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    text: String,
    words: Vec<String>,
    redirects: Vec<String>,
    environment: Vec<String>,
}

/// Programs that run another command, given as an argument or a script, which is then not seen here.
const RUNS_OTHERS: &[&str] = &[
    ".",
    "ash",
    "bash",
    "builtin",
    "busybox",
    "chroot",
    "command",
    "csh",
    "dash",
    "doas",
    "docker",
    "env",
    "eval",
    "exec",
    "find",
    "fish",
    "flock",
    "ionice",
    "ksh",
    "kubectl",
    "nice",
    "nohup",
    "nsenter",
    "parallel",
    "podman",
    "runuser",
    "script",
    "setsid",
    "sh",
    "source",
    "ssh",
    "stdbuf",
    "strace",
    "su",
    "sudo",
    "systemd-run",
    "taskset",
    "tcsh",
    "time",
    "timeout",
    "toybox",
    "trap",
    "unshare",
    "watch",
    "xargs",
    "zsh",
];

/// Words that a shell does not look up as a program.
const RESERVED: &[&str] = &[
    "alias", "case", "coproc", "do", "done", "elif", "else", "end", "esac", "fi", "for", "foreach", "function", "if", "in", "repeat",
    "select", "then", "until", "while",
];

impl Command {
    /// Reads a line as a client sent it.
    #[must_use]
    pub fn read(line: &[u8]) -> Self {
        let literal = std::str::from_utf8(line).ok().and_then(words).filter(|words| words.first().is_some_and(|program| is_plain(program)));
        match literal {
            Some(words) => Command {
                text: words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
                words,
                redirects: Vec::new(),
                environment: Vec::new(),
            },
            None => Command {
                text: String::from_utf8_lossy(line).into_owned(),
                words: Vec::new(),
                redirects: Vec::new(),
                environment: Vec::new(),
            },
        }
    }

    /// The line as policy sees it. Unless it is dynamic this is the canonical form, every word quoted that needs it: send this
    /// to the target rather than what came, so that both read the same. A dynamic line is as it came, with a replacement
    /// character where it was not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The program, if it is known for certain.
    #[must_use]
    pub fn program(&self) -> Option<&str> {
        self.words.first().map(String::as_str)
    }

    /// The arguments, if they are known for certain; else none.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The files its redirections read or write, as `</etc/motd`, `>/tmp/x`, `>>/tmp/x`, in order. Copies of descriptors and
    /// `/dev/null` are not among them.
    #[must_use]
    pub fn redirects(&self) -> &[String] {
        &self.redirects
    }

    /// The names of the variables that are assigned before it, in order.
    #[must_use]
    pub fn environment(&self) -> &[String] {
        &self.environment
    }

    /// Whether anything about the line could not be known before running it.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        self.words.is_empty()
    }
}

/// Whether a word in the program's place names a program, and one that does only what its name says.
fn is_plain(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    !name.is_empty() && !program.contains('=') && !RESERVED.contains(&program) && !RUNS_OTHERS.contains(&name)
}

/// The words of a line in which nothing is special to any common shell, or `None`.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_matches([' ', '\t']);
    while !rest.is_empty() {
        let (word, tail) = word(rest)?;
        words.push(word);
        rest = tail.trim_start_matches([' ', '\t']);
    }
    Some(words)
}

/// The first word and what follows it.
fn word(line: &str) -> Option<(String, &str)> {
    let mut word = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let quote = matches!(c, '\'' | '"');
        let (part, tail) = match c {
            ' ' | '\t' => break,
            _ if quote => {
                let (part, tail) = rest.strip_prefix(c)?.split_once(c)?;
                // History expansion, escapes and lines are read differently from shell to shell even inside quotes.
                let special: &[char] = if c == '\'' { &['\\', '!'] } else { &['\\', '!', '$', '`'] };
                (part.chars().all(|c| !c.is_control() && !special.contains(&c)).then_some(part)?, tail)
            }
            _ => rest.split_at_checked(rest.find(|c| !is_bare(c)).unwrap_or(rest.len()))?,
        };
        // Nothing means a character that is special; `=` and `%` where a word begins are expansions in zsh and fish.
        if part.is_empty() && !quote || word.is_empty() && !quote && part.starts_with(['=', '%']) {
            return None;
        }
        word.push_str(part);
        rest = tail;
    }
    Some((word, rest))
}

/// Characters that stand for themselves in every common shell.
fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | ',' | '+' | '@' | '%' | '=')
}

/// A word in a form that every common shell reads back as that word.
fn quoted(word: &str) -> String {
    let bare = !word.is_empty() && word.chars().all(is_bare) && !word.starts_with(['=', '%']);
    match (bare, word.contains('\'')) {
        (true, _) => word.to_owned(),
        (false, false) => format!("'{word}'"),
        (false, true) => word.split('\'').map(|part| format!("'{part}'")).collect::<Vec<_>>().join("\"'\""),
    }
}

#[cfg(test)]
mod tests;
