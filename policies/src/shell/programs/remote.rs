//! Programs that run commands on other machines, or through a command of their own to reach them.

use super::options::Risk;
use super::{Called, Inside};

/// What they run is not seen here, whatever their arguments.
const ELSEWHERE: &[&str] = &[
    "ssh",
    "slogin",
    "autossh",
    "mosh",
    "rsh",
    "rexec",
    "rlogin",
    "remsh",
    "pssh",
    "parallel-ssh",
    "clush",
    "pdsh",
    "dsh",
    "ansible",
    "ansible-playbook",
    "ansible-pull",
    "ansible-console",
    "salt",
    "salt-call",
    "salt-ssh",
    "knife",
    "fab",
    "cap",
    "sftp",
    "lftp",
    "ftp",
    "telnet",
    "ssh-copy-id",
    "tsh",
    "teleport",
    "winrs",
    "waypipe",
    "x11docker",
    "vagrant",
    "socat",
    "ssh-agent",
    "sshfs",
];

const RISKS: &[Risk] = &[
    Risk { names: &["scp"], letters: "SoFD", long: &[], operands: &[], why: "has an option that runs a command of its own" },
    Risk {
        names: &["rsync"],
        letters: "eM",
        long: &["--rsh", "--rsync-path", "--remote-option", "--daemon", "--config", "--server", "--early-input"],
        operands: &["rsync://"],
        why: "has an option that runs a command of its own",
    },
    Risk {
        names: &["nc", "ncat", "netcat", "nc.openbsd", "nc.traditional"],
        letters: "ec",
        long: &["--exec", "--sh-exec", "--lua-exec"],
        operands: &[],
        why: "has an option that runs a command",
    },
    Risk {
        names: &["curl"],
        letters: "KE",
        long: &["--config", "--engine", "--cert", "--key", "--proxy-cert"],
        operands: &[],
        why: "has an option that reads more options, or code, from a file",
    },
    Risk {
        names: &["wget"],
        letters: "e",
        long: &["--config", "--execute", "--use-askpass"],
        operands: &[],
        why: "has an option that runs a command or reads more options",
    },
    Risk { names: &["ssh-keygen"], letters: "Dw", long: &[], operands: &[], why: "has an option that loads code" },
    Risk { names: &["ssh-add"], letters: "sSe", long: &[], operands: &[], why: "has an option that loads code" },
    Risk {
        names: &["openssl"],
        letters: "",
        long: &["-engine", "-provider", "-provider-path", "-config", "-conf", "-extfile"],
        operands: &["engine", "ca", "ocsp", "s_server"],
        why: "can load code or configuration from a file",
    },
    Risk {
        names: &["nmap"],
        letters: "",
        long: &["--interactive", "--script", "--datadir", "--servicedb"],
        operands: &[],
        why: "can run scripts",
    },
    Risk {
        names: &["tcpdump", "dumpcap"],
        letters: "zZ",
        long: &["--postrotate-command"],
        operands: &[],
        why: "can run a command for each file",
    },
];

pub(super) fn look(called: &Called<'_>) -> Option<Inside> {
    if ELSEWHERE.contains(&called.name) {
        return Some(Inside::Unseen(called.says("runs commands on other machines or of its own, which are not seen")));
    }
    // nmap takes the scripts of -sC and -A too.
    if called.name == "nmap" && called.arguments().iter().any(|word| word.starts_with("-sC") || word == "-A") {
        return Some(Inside::Unseen(called.says("can run scripts")));
    }
    RISKS.iter().find_map(|risk| risk.look(called))
}
