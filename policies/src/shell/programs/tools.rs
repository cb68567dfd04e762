//! Everyday tools that have an option which runs a command.

use super::options::Risk;
use super::{Called, Inside};

const RISKS: &[Risk] = &[
    Risk {
        names: &["tar", "gtar", "bsdtar"],
        letters: "IF",
        long: &[
            "--checkpoint-action",
            "--to-command",
            "--use-compress-program",
            "--info-script",
            "--new-volume-script",
            "--rmt-command",
            "--rsh-command",
        ],
        operands: &[],
        why: "has an option that runs a command",
    },
    Risk {
        names: &["cpio"],
        letters: "",
        long: &["--rsh-command", "--rmt-command"],
        operands: &[],
        why: "has an option that runs a command",
    },
    Risk {
        names: &["sort"],
        letters: "",
        long: &["--compress-program", "--files0-from"],
        operands: &[],
        why: "has an option that runs a command",
    },
    Risk { names: &["split"], letters: "", long: &["--filter"], operands: &[], why: "has an option that runs a command" },
    Risk { names: &["zip"], letters: "T", long: &["--test", "--unzip-command"], operands: &[], why: "has an option that runs a command" },
    Risk {
        names: &["7z", "7za", "7zr", "unrar", "rar"],
        letters: "",
        long: &[],
        operands: &["@"],
        why: "reads more arguments from a file",
    },
    Risk {
        names: &["apt", "apt-get", "apt-cache", "aptitude", "dpkg", "dpkg-reconfigure"],
        letters: "oc",
        long: &["--option", "--config-file", "--pre-invoke", "--post-invoke", "--status-logger", "--admindir", "--root", "--instdir"],
        operands: &["changelog"],
        why: "has an option that can name a command",
    },
    Risk {
        names: &["rpm", "rpmbuild", "rpmspec", "yum", "dnf"],
        letters: "cED",
        long: &["--eval", "--define", "--pipe", "--rcfile", "--macros", "--load", "--config", "--setopt", "--root"],
        operands: &["shell"],
        why: "has an option that can name a command",
    },
    Risk {
        names: &["systemctl"],
        letters: "HM",
        long: &["--host", "--machine", "--root", "--image"],
        operands: &["edit", "link", "set-environment", "import-environment", "set-property"],
        why: "can change what the units of the machine run, or act elsewhere",
    },
    Risk {
        names: &["logrotate"],
        letters: "",
        long: &["--mail"],
        operands: &["/", ".", "_"],
        why: "runs the commands of its configuration",
    },
    Risk { names: &["date"], letters: "", long: &[], operands: &[], why: "is given a pattern that could be an option" },
    Risk { names: &["ps", "pkill", "pgrep"], letters: "", long: &[], operands: &[], why: "is given a pattern that could be an option" },
    Risk { names: &["mount"], letters: "", long: &["--options-source"], operands: &["-o"], why: "can start a program for a file system" },
];

pub(super) fn look(called: &Called<'_>) -> Option<Inside> {
    if matches!(called.name, "tar" | "gtar" | "bsdtar") && is_bundled_or_remote(called) {
        return Some(Inside::Unseen(called.says("has an option that runs a command")));
    }
    RISKS.iter().find_map(|risk| risk.look(called))
}

/// tar's first word may be letters without a dash; a file whose name has a colon is on another machine, reached by a command.
fn is_bundled_or_remote(called: &Called<'_>) -> bool {
    let bundled = called.word(1).is_some_and(|word| !word.starts_with('-') && word.contains(['I', 'F']));
    bundled || called.arguments().iter().any(|word| word.contains(':') && !word.starts_with("--exclude") && !word.contains("/:"))
}
