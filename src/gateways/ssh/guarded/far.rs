//! The far side of a guarded shell: the two programs that are started on the target, what is said to them and what they answer.
//!
//! One `/bin/sh` lives as long as the session, and runs each line itself, so that `cd`, unknown variables and `umask` last. It never
//! reads commands from the terminal: they come through a FIFO whose other end is a second channel, and so do its answers. Each
//! command is one line, proved by a key that was sent behind the command before it; its end is told with a nonce that the shell
//! reads only when the command is over. So nothing that is typed or printed starts a command or ends one, nor
//! anything that a program reads but by naming the shell's own descriptors in `/proc` (contrib/threat-model.md).
//!
//! Needs `sh`, `mktemp`, `mkfifo`, `cat`, `rm` and, for a terminal, `stty` on the target. No sockets here.

use bytes::Bytes;

/// Makes the private folder and its FIFOs, says where, and carries both directions. When its input ends it takes everything
/// that is left of the session's process group down. Without quotes and backslashes that login shells read differently.
const CONTROL: &str = r#"umask 077; d=$(mktemp -d "${TMPDIR:-/tmp}/bartizan.XXXXXXXXXX") && mkfifo "$d/i" "$d/o" || { case $d in ?*) rm -rf "$d";; esac; exit 97; }; exec 3<&0; ( trap "" HUP INT; exec 4<>"$d/i" 5<&3 3<&-; read -r g <&5; p=; read -r p <"$d/p"; rm -rf "$d"; case $g in go) cat <&5 >&4;; *) kill "$$";; esac; exec 4>&-; case $p in ?*) kill -s HUP -- "-$p";; esac ) >/dev/null 2>&1 & exec 3<&-; printf "%s\n" "$d"; exec cat "$d/o" </dev/null"#;

/// The shell itself. `$1` is the folder, `$2` says whether there is a terminal. Everything around a line's own `eval` is quiet and
/// deaf to Ctrl-C; in `eval` Ctrl-C returns from the function it stands in. What a line may have defined under a name that is used
/// here goes first. On a terminal, keys that nobody has read are dropped and its modes are set back before the end is told.
const SHELL: &str = r#"echo $$ >"$1/p" && exec 9>"$1/o" 8<"$1/i" || exit 97; _bz_r=0; _bz_x=; _bz_t=$2; case $2 in ?*) _bz_t=$(stty -g) || exit 96;; esac; set --; printf "ready\n" >&9 || exit 97; _bz_main() { while { trap "" INT QUIT; unset -f command printf read stty cat; IFS=" " "read" -r _bz_n _bz_y _bz_x <&8 || exit "$_bz_r"; case $_bz_t in ?*) { PATH=/usr/bin:/bin "stty" -icanon -echo -isig min 0 time 0; PATH=/usr/bin:/bin "cat"; PATH=/usr/bin:/bin "stty" "$_bz_t"; } </dev/tty >/dev/null; "printf" "\033]7337;%s\007" "$_bz_y" >/dev/tty;; esac; "printf" "%s %s %s\n" "$_bz_n" "$_bz_r" "$PWD" >&9 || exit 97; IFS=" " "read" -r _bz_k _bz_r _bz_e <&8 || exit; case $_bz_k in "$_bz_x") ;; *) exit 98;; esac; _bz_s=$("printf" "%b." "$_bz_e"); _bz_st() { return "$_bz_r"; }; _bz_run() { trap "return 130" INT; trap : QUIT; _bz_st; command eval "${_bz_s%.}" 8<&- 9>&-; _bz_r=$?; trap "" INT QUIT; return "$_bz_r"; }; } 2>/dev/null; do _bz_run; _bz_r=$?; done; }; while :; do _bz_main; _bz_r=130; done"#;

/// The longest line of an answer: a status and a path.
const LONGEST: usize = 16 << 10;

/// What the login shell is asked to run on the control channel.
pub(super) fn control() -> String {
    format!("exec /bin/sh -c '{CONTROL}'")
}

/// What the login shell is asked to run on the terminal channel.
pub(super) fn shell(folder: &str, has_terminal: bool) -> String {
    format!("exec /bin/sh -c '{SHELL}' sh {folder} {}", if has_terminal { "t" } else { "\"\"" })
}

/// Whether a folder's name can stand in a command line as it is.
pub(super) fn is_plain_path(folder: &str) -> bool {
    folder.starts_with('/')
        && folder.len() < 4096
        && folder.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'))
}

/// What lets the control channel's program go on once the shell is there.
pub(super) const GO: &str = "go\n";

/// How the end of one command will be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Awaited {
    nonce: String,
    sync: String,
}

impl Awaited {
    /// What the terminal shows when all that the command wrote is shown. It is taken out before anybody sees it.
    pub(super) fn mark(&self) -> Vec<u8> {
        format!("\x1b]7337;{}\x07", self.sync).into_bytes()
    }

    /// The status and the folder, if `answer` tells the end of this command.
    pub(super) fn read<'a>(&self, answer: &'a str) -> Option<(u8, &'a str)> {
        let rest = answer.strip_prefix(self.nonce.as_str())?.strip_prefix(' ')?;
        let (status, folder) = rest.split_once(' ')?;
        Some((status.parse().ok()?, folder))
    }
}

/// Says commands in the shell's own form. Randomness is handed in.
pub(super) struct Speaker {
    randomness: fn() -> u128,
    key: String,
}

impl Speaker {
    pub(super) fn new(randomness: fn() -> u128) -> Self {
        Self { randomness, key: String::new() }
    }

    /// The first thing to say: how to tell that the shell is there.
    pub(super) fn hello(&mut self) -> (Bytes, Awaited) {
        let (behind, awaited) = self.behind();
        (behind.into(), awaited)
    }

    /// A script to run after which `$?` was `status`. It must not hold NUL.
    pub(super) fn run(&mut self, script: &str, status: u8) -> (Bytes, Awaited) {
        let line = format!("{} {status} {}\n", self.key, encoded(script));
        let (behind, awaited) = self.behind();
        ((line + &behind).into(), awaited)
    }

    fn behind(&mut self) -> (String, Awaited) {
        let fresh = || format!("{:032x}", (self.randomness)());
        let (awaited, key) = (Awaited { nonce: fresh(), sync: fresh() }, fresh());
        let line = format!("{} {} {key}\n", awaited.nonce, awaited.sync);
        self.key = key;
        (line, awaited)
    }
}

/// One word for `printf %b`: everything but letters and digits as octal (POSIX, printf, EXTENDED DESCRIPTION).
fn encoded(script: &str) -> String {
    let mut out = String::with_capacity(script.len() + script.len() / 2);
    for byte in script.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'=' | b',' | b':') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("\\0{byte:03o}"));
        }
    }
    out
}

/// The text of a dynamic line for a shell of its own, so that nothing it defines or changes reaches the one that lasts.
pub(super) fn apart(assignments: &str, line: &str) -> String {
    format!("/bin/sh -c '{}'", format!("{assignments}{line}").replace('\'', r"'\''"))
}

/// Lines out of the control channel's bytes.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
}

impl Lines {
    /// Keeps `data`; false when a line is longer than any answer.
    pub(super) fn push(&mut self, data: &[u8]) -> bool {
        self.bytes.extend_from_slice(data);
        self.bytes.len() <= LONGEST || self.bytes.contains(&b'\n')
    }

    /// The next whole line.
    pub(super) fn next(&mut self) -> Option<String> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        let rest = self.bytes.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.bytes, rest);
        line.pop();
        Some(String::from_utf8_lossy(&line).into_owned())
    }
}

#[cfg(test)]
mod tests;
