//! The far side's programs, run by real shells without SSH: pipes stand for the channels.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// Different at every call, which is all that is asked of it here.
fn count() -> u128 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed).into()
}

/// A shell with its control channel.
struct Pair {
    control: Child,
    shell: Child,
    say: ChildStdin,
    hear: BufReader<ChildStdout>,
    speaker: Speaker,
    folder: String,
}

/// As a login shell would run it, but with `sh` in the place of `/bin/sh`.
fn start(login: &[&str], line: &str, sh: &str) -> Child {
    let line = line.replace("exec /bin/sh ", &format!("exec {sh} "));
    let (program, arguments) = login.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).args(["-c", &line]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A session of its own, as sshd gives it one.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().unwrap()
}

impl Pair {
    fn start(login: &[&str], sh: &str) -> Self {
        let mut control = start(login, &control(), sh);
        let mut hear = BufReader::new(control.stdout.take().unwrap());
        let say = control.stdin.take().unwrap();
        let folder = heard(&mut hear);
        assert!(is_plain_path(&folder), "{folder}");
        let mut shell = start(login, &super::shell(&folder, false), sh);
        drop(shell.stdin.take());
        assert_eq!(heard(&mut hear), "ready");
        let mut pair = Self { control, shell, say, hear, speaker: Speaker::new(count), folder };
        pair.say.write_all(GO.as_bytes()).unwrap();
        let (hello, awaited) = pair.speaker.hello();
        assert_eq!(pair.answer(&hello, &awaited).0, 0);
        pair
    }

    fn answer(&mut self, words: &[u8], awaited: &Awaited) -> (u8, String) {
        self.say.write_all(words).unwrap();
        loop {
            let line = heard(&mut self.hear);
            if let Some((status, folder)) = awaited.read(&line) {
                return (status, folder.to_owned());
            }
        }
    }

    fn run(&mut self, script: &str, status: u8) -> (u8, String) {
        let (words, awaited) = self.speaker.run(script, status);
        self.answer(&words, &awaited)
    }

    /// What the shell printed, once it has ended.
    fn printed(mut self) -> (String, Option<i32>) {
        drop(self.say);
        let mut text = String::new();
        self.shell.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        let status = self.shell.wait().unwrap().code();
        self.control.wait().unwrap();
        assert!(!std::path::Path::new(&self.folder).exists(), "the folder is left behind");
        (text, status)
    }
}

fn heard(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line.trim_end_matches('\n').to_owned()
}

/// The shells that are `/bin/sh` somewhere.
const SHELLS: [&str; 2] = ["dash", "bash --posix"];

#[test]
fn every_login_shell_reads_the_programs_as_they_are() {
    for program in [CONTROL, SHELL] {
        // In single quotes, fish looks at `\\\\` and `\\'`, csh at `!` and line ends.
        assert!(!program.contains(['\'', '!', '\n']) && !program.contains(r"\\"), "{program}");
    }
}

#[test]
fn what_one_line_does_to_the_shell_the_next_one_sees() {
    for sh in SHELLS {
        for login in [&["dash"][..], &["bash"]] {
            let mut pair = Pair::start(login, sh);
            assert_eq!(pair.run("cd /; x=$(echo it); umask 027", 0), (0, "/".to_owned()), "{sh}");
            assert_eq!(pair.run("echo \"$x $?\"; umask", 77).0, 0);
            assert_eq!(pair.run("(exit 3)", 0).0, 3);
            assert_eq!(pair.run("printf '%s\\n' 'a\\nb' \"q'q\" 'größe 漢' '$x' \"\t!%\"\n\n", 0).0, 0);
            let expected = "it 77\n0027\na\\nb\nq'q\ngröße 漢\n$x\n\t!%\n";
            assert_eq!(pair.printed().0, expected, "{sh} under {login:?}");
        }
    }
}

#[test]
fn a_line_that_a_shell_chokes_on_does_not_end_it() {
    for sh in SHELLS {
        let mut pair = Pair::start(&["dash"], sh);
        for wrong in ["if", "echo )", ". /nonexistent/x", "readonly r=1; r=2", "cd /nonexistent", "echo 'open", "shift 99"] {
            assert_ne!(pair.run(wrong, 0).0, 0, "{sh}: {wrong}");
        }
        assert_eq!(pair.run("echo alive", 0).0, 0, "{sh}");
        assert!(pair.printed().0.ends_with("alive\n"), "{sh}");
    }
}

#[test]
fn exit_ends_the_shell_with_its_status() {
    for sh in SHELLS {
        let mut pair = Pair::start(&["dash"], sh);
        let (words, _) = pair.speaker.run("echo last; exit 9", 0);
        pair.say.write_all(&words).unwrap();
        assert_eq!(heard(&mut pair.hear), "", "the control channel ends with the shell");
        assert_eq!(pair.printed(), ("last\n".to_owned(), Some(9)), "{sh}");
    }
}

#[test]
fn functions_of_the_shells_own_names_do_not_outlive_their_line() {
    for sh in SHELLS {
        let mut pair = Pair::start(&["dash"], sh);
        let evil = "printf() { echo 'echo broken.'; }; read() { _bz_e=evil; }; command() { echo broken; }; cat() { echo broken; }";
        assert_eq!(pair.run(evil, 0).0, 0);
        assert_eq!(pair.run("echo right", 0).0, 0);
        assert_eq!(pair.printed().0, "right\n", "{sh}");
    }
}

#[test]
fn commands_without_the_key_are_not_run_and_programs_do_not_see_the_descriptors() {
    for sh in SHELLS {
        let mut pair = Pair::start(&["dash"], sh);
        assert_eq!(pair.run("ls -l /proc/self/fd | grep -c bartizan", 0).0, 1, "{sh}: a program has the control descriptors");
        pair.say.write_all(b"00000000000000000000000000000000 0 echo\\040forged\n").unwrap();
        assert_eq!(heard(&mut pair.hear), "", "the shell goes on");
        let (text, status) = pair.printed();
        assert_eq!((text.as_str(), status), ("0\n", Some(98)), "{sh}");
    }
}

#[test]
fn the_end_of_the_control_channel_ends_what_runs() {
    for sh in SHELLS {
        let mut pair = Pair::start(&["dash"], sh);
        let (words, _) = pair.speaker.run("echo begun; sleep 600; echo gone-on", 0);
        pair.say.write_all(&words).unwrap();
        let mut out = BufReader::new(pair.shell.stdout.take().unwrap());
        assert_eq!(heard(&mut out), "begun");
        drop(pair.say);
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), pair.shell.wait().unwrap().code()), ("", None), "{sh}");
        pair.control.wait().unwrap();
    }
}

#[test]
fn a_shell_that_never_comes_leaves_nothing_behind() {
    let mut control = start(&["dash"], &control(), "dash");
    let folder = heard(&mut BufReader::new(control.stdout.take().unwrap()));
    assert!(std::path::Path::new(&folder).exists());
    drop(control.stdin.take());
    control.wait().unwrap();
    let gone = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        !std::path::Path::new(&folder).exists()
    });
    assert!(gone, "{folder} is left behind");
}

#[test]
fn a_dynamic_line_runs_in_a_shell_of_its_own() {
    let mut pair = Pair::start(&["dash"], "dash");
    assert_eq!(pair.run(&apart("x='it'\\''s'; ", "echo \"$x\"; cd /; printf() { :; }; exit 4"), 0).0, 4);
    assert_eq!(pair.run("pwd | wc -l", 0).0, 0);
    assert_eq!(pair.printed().0, "it's\n1\n");
}

#[test]
fn answers_are_lines_however_they_are_cut_and_no_line_is_endless() {
    let mut lines = Lines::default();
    assert!(lines.push(b"a b"));
    assert_eq!(lines.next(), None);
    assert!(lines.push(b" c\nsecond\nthi"));
    assert_eq!((lines.next(), lines.next(), lines.next()), (Some("a b c".into()), Some("second".into()), None));
    assert!(!lines.push(&[b'x'; LONGEST]));
}

#[test]
fn only_the_nonce_of_the_command_tells_its_end() {
    let mut speaker = Speaker::new(count);
    let (_, awaited) = speaker.hello();
    for forged in ["", "0", "0 0 /", &format!("{} 300 /", awaited.nonce), &format!("{}0 0 /", awaited.nonce), "ready"] {
        assert_eq!(awaited.read(forged), None, "{forged}");
    }
    assert_eq!(awaited.read(&format!("{} 7 /a b c", awaited.nonce)), Some((7, "/a b c")));
}
