//! Programs that run the command in their arguments, under other circumstances: as someone else, later, slower, watched.

use super::{Called, Inside, options::Options};
use crate::shell::names::is_name;
use crate::shell::quote::is_keyword;

/// A program of this kind.
struct Prefix {
    names: &'static [&'static str],
    options: Options,
    /// Words between the options and the command.
    operands: usize,
    /// Whether variables may be set between them.
    environment: bool,
    /// Whether it adds arguments.
    open: bool,
}

const fn plain(names: &'static [&'static str], flags: &'static str, valued: &'static str) -> Prefix {
    Prefix { names, options: Options { flags, valued, long: &[], long_valued: &[] }, operands: 0, environment: false, open: false }
}

const PREFIXES: &[Prefix] = &[
    // As someone else.
    Prefix {
        environment: true,
        options: Options {
            flags: "AbBEHknPS",
            valued: "CgpRrtTuU",
            long: &[
                "askpass",
                "background",
                "bell",
                "preserve-env",
                "set-home",
                "reset-timestamp",
                "non-interactive",
                "preserve-groups",
                "stdin",
            ],
            long_valued: &["close-from", "group", "prompt", "role", "type", "command-timeout", "other-user", "user"],
        },
        ..plain(&["sudo"], "", "")
    },
    plain(&["doas"], "nL", "u"),
    Prefix {
        options: Options { long: &["disable-internal-agent", "keep-cwd"], long_valued: &["user"], ..Options::NONE },
        ..plain(&["pkexec"], "", "")
    },
    Prefix { operands: 1, ..plain(&["gosu", "su-exec", "setuidgid"], "", "") },
    Prefix {
        operands: 1,
        options: Options { long: &["skip-chdir"], long_valued: &["groups", "userspec"], ..Options::NONE },
        ..plain(&["chroot"], "", "")
    },
    // With other variables, limits or priorities.
    Prefix {
        environment: true,
        options: Options { flags: "i0v", valued: "uC", long: &["ignore-environment", "null", "debug"], long_valued: &["unset", "chdir"] },
        ..plain(&["env"], "", "")
    },
    Prefix { options: Options { flags: "0123456789", valued: "n", long: &[], long_valued: &["adjustment"] }, ..plain(&["nice"], "", "") },
    Prefix {
        options: Options { flags: "t", valued: "cn", long: &["ignore"], long_valued: &["class", "classdata"] },
        ..plain(&["ionice"], "", "")
    },
    plain(&["nohup", "eatmydata", "fakeroot", "unbuffer", "dumb-init", "catchsegv"], "", ""),
    Prefix {
        options: Options { flags: "cfw", valued: "", long: &["ctty", "fork", "wait"], long_valued: &[] },
        ..plain(&["setsid"], "", "")
    },
    Prefix {
        options: Options { flags: "", valued: "ioe", long: &[], long_valued: &["input", "output", "error"] },
        ..plain(&["stdbuf"], "", "")
    },
    Prefix {
        operands: 1,
        options: Options {
            flags: "v",
            valued: "ks",
            long: &["foreground", "preserve-status", "verbose"],
            long_valued: &["kill-after", "signal"],
        },
        ..plain(&["timeout"], "", "")
    },
    plain(&["time"], "p", ""),
    Prefix { operands: 1, ..plain(&["taskset", "chrt", "setarch"], "abfior", "") },
    plain(&["linux32", "linux64"], "R", ""),
    Prefix {
        options: Options {
            flags: "",
            valued: "",
            long: &[],
            long_valued: &["nofile", "nproc", "core", "as", "cpu", "fsize", "rss", "stack"],
        },
        ..plain(&["prlimit"], "", "")
    },
    plain(&["numactl"], "", "CmNpi"),
    plain(&["sshpass"], "ev", "dfpP"),
    // In other namespaces, units and terminals.
    Prefix {
        options: Options {
            flags: "muinpUCTrcf",
            valued: "SGRw",
            long: &["mount", "uts", "ipc", "net", "pid", "user", "cgroup", "time", "map-root-user", "fork", "mount-proc"],
            long_valued: &["setuid", "setgid", "root", "wd"],
        },
        ..plain(&["unshare"], "", "")
    },
    Prefix {
        options: Options {
            flags: "amuinpCUTF",
            valued: "tSG",
            long: &["all", "mount", "uts", "ipc", "net", "pid", "cgroup", "user", "time", "no-fork"],
            long_valued: &["target", "setuid", "setgid"],
        },
        ..plain(&["nsenter"], "", "")
    },
    Prefix {
        options: Options {
            flags: "dtPqGr",
            valued: "u",
            long: &[
                "user",
                "system",
                "scope",
                "wait",
                "pty",
                "pipe",
                "quiet",
                "collect",
                "no-block",
                "remain-after-exit",
                "same-dir",
                "no-ask-password",
            ],
            long_valued: &["unit", "slice", "description", "uid", "gid", "nice", "service-type"],
        },
        ..plain(&["systemd-run"], "", "")
    },
    Prefix { options: Options { long_valued: &["what", "who", "why", "mode"], ..Options::NONE }, ..plain(&["systemd-inhibit"], "", "") },
    // Watched by others. What they write goes where their options say, which are few here.
    plain(&["strace", "ltrace"], "cCdfFhiqrtTvVwxyY", "aeIpPsSu"),
    plain(&["valgrind"], "", ""),
    // One of many, with arguments from elsewhere.
    Prefix {
        open: true,
        options: Options {
            flags: "0prtx",
            valued: "adELnPs",
            long: &["null", "no-run-if-empty", "verbose", "exit", "interactive", "open-tty", "show-limits"],
            long_valued: &["arg-file", "delimiter", "max-lines", "max-args", "max-procs", "max-chars", "process-slot-var"],
        },
        ..plain(&["xargs"], "", "")
    },
];

pub(super) fn look(called: &Called<'_>) -> Option<Inside> {
    match called.name {
        "busybox" | "toybox" => return Some(applet(called)),
        "ip" => return Some(ip(called)),
        // What sudo says about itself.
        "sudo"
            if called.words.len() > 1
                && called.arguments().iter().all(|word| matches!(word.as_str(), "-k" | "-K" | "-v" | "-n" | "-l" | "-V")) =>
        {
            return Some(Inside::Nothing);
        }
        _ => {}
    }
    let prefix = PREFIXES.iter().find(|prefix| prefix.names.contains(&called.name))?;
    Some(prefix.command(called))
}

impl Prefix {
    fn command(&self, called: &Called<'_>) -> Inside {
        let from = replaced(called).filter(|_| self.open).map_or(1, |(_, after)| after);
        let mut at = match self.options.operands(called, from) {
            Ok(at) => at,
            Err(why) => return Inside::Unseen(why),
        };
        if called.name == "env" && called.word(at) == Some("-") {
            at += 1;
        }
        let mut environment = Vec::new();
        while let Some((name, _)) = called.word(at).filter(|_| self.environment).and_then(|word| word.split_once('=')) {
            if !is_name(name) {
                return Inside::Unseen(called.says("sets a variable whose name is none"));
            }
            environment.push(name.to_owned());
            at += 1;
        }
        // Some shells have `time` in their grammar, and then this is syntax.
        if called.name == "time" && called.word(at).is_some_and(is_keyword) {
            return Inside::Unseen(called.says("stands before more than a simple command"));
        }
        let operands = called.words.get(at..).unwrap_or_default();
        if operands.iter().take(self.operands).any(|word| word.starts_with('-')) {
            return Inside::Unseen(called.says("has an option where none is expected"));
        }
        if operands.is_empty() && !called.open {
            return self.alone(called);
        }
        if called.fields.get(at..at + self.operands).is_some_and(|fields| fields.iter().any(|field| field.is_open())) {
            return Inside::Unseen(called.says("is given a pattern before its command"));
        }
        let at = at + self.operands;
        if let Some((mark, _)) = replaced(called).filter(|_| self.open) {
            // What it is fed may then stand anywhere in the command, in which another of its kind is not looked into.
            let inner = called.fields.get(at..).unwrap_or_default();
            let unclear = called.word(at).is_none_or(|program| program.contains(mark) || program.is_empty())
                || called.words.iter().skip(at).any(|word| word.ends_with("xargs"));
            if unclear || super::inside(inner, true) != Inside::Nothing {
                return Inside::Unseen(called.says("puts what it is fed into a command that is then not seen"));
            }
        }
        Inside::Command { at, environment, open: self.open }
    }

    /// Without a command most of these do little, but some start a shell.
    fn alone(&self, called: &Called<'_>) -> Inside {
        match called.name {
            "sudo" | "doas" | "pkexec" | "chroot" | "unshare" | "nsenter" | "systemd-run" | "fakeroot" | "setarch" | "linux32"
            | "linux64" => Inside::Unseen(called.says("without a command starts a shell")),
            "time" => Inside::Unseen(called.says("stands without a command")),
            _ => Inside::Nothing,
        }
    }
}

/// The mark for which xargs puts in what it is fed, and where the words after that option begin. The option is only known
/// where it stands first, but for a few others.
fn replaced<'a>(called: &'a Called<'_>) -> Option<(&'a str, usize)> {
    let at = (1..).find(|at| !matches!(called.word(*at), Some("-0" | "-r" | "-t")))?;
    match called.word(at)?.strip_prefix("-I")? {
        "" => Some((called.word(at + 1).filter(|mark| !mark.is_empty())?, at + 2)),
        mark => Some((mark, at + 1)),
    }
}

/// Many programs in one: the next word says which.
fn applet(called: &Called<'_>) -> Inside {
    match called.word(1) {
        None => Inside::Nothing,
        Some(word) if word.starts_with('-') => Inside::Unseen(called.says("has an option, after which its command is not seen")),
        Some(_) => Inside::command(1),
    }
}

/// `ip netns exec NAME COMMAND`, `ip vrf exec NAME COMMAND`.
fn ip(called: &Called<'_>) -> Inside {
    let arguments: Vec<_> = called.arguments().iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["netns" | "vrf", "exec", name, _, ..] if !name.starts_with('-') => Inside::command(4),
        _ if called.may_get_options() => Inside::Unseen(called.says("can run commands from a file")),
        // Words may be cut short: `ip net e`.
        [object, verb, ..] if ("netns".starts_with(object) || "vrf".starts_with(object)) && "exec".starts_with(verb) => {
            Inside::Unseen(called.says("runs a command that is not seen"))
        }
        words if words.iter().any(|word| ["-b", "-force", "-n", "-a"].iter().any(|option| word.starts_with(option))) => {
            Inside::Unseen(called.says("can run commands from a file or elsewhere"))
        }
        _ => Inside::Nothing,
    }
}
