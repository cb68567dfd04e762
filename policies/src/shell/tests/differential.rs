//! Runs lines in real shells, with programs that write down how they were started, and compares: nothing may run that the
//! analysis did not find, and what is sent must run what the line would have run.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use super::grammar::{PROGRAMS, lines, some_or};
use crate::{Line, Operation};

/// A place to run lines in.
struct Place {
    root: tempfile::TempDir,
    shells: [PathBuf; 2],
}

/// Each program writes how many words it was started with, and the words, each ended by a NUL byte, in one write.
const PROGRAM: &str = "#!/bin/sh\nprintf '%s\\0' \"$#\" \"${0##*/}\" \"$@\" >>\"$BARTIZAN_LOG\"\n";

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let programs = root.path().join("programs");
        fs::create_dir(&programs).expect("a directory");
        for program in PROGRAMS {
            let file = programs.join(program);
            fs::write(&file, format!("{PROGRAM}exit {}\n", u8::from(program == "fail"))).expect("a program");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("an executable");
        }
        let find = |name: &str| {
            ["/usr/bin", "/bin"]
                .map(|folder| Path::new(folder).join(name))
                .into_iter()
                .find(|file| file.exists())
                .expect("dash, bash, env and cat")
        };
        for (name, program) in [("sh", "dash"), ("env", "env"), ("cat", "cat")] {
            symlink(find(program), programs.join(name)).expect("a link");
        }
        Self { shells: [find("bash"), find("dash")], root }
    }

    /// What ran, in no particular order.
    fn run(&self, shell: &Path, line: &str) -> Vec<Vec<String>> {
        let folder = self.root.path().join("work");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("a directory");
        ["a.log", "b.log", "c d.log"].into_iter().for_each(|name| fs::write(folder.join(name), "text\n").expect("a file"));
        let log = self.root.path().join("log");
        let _ = fs::remove_file(&log);
        // What runs in the background keeps the ninth descriptor, wherever its output goes: reading to the end waits for it.
        Process::new(&self.shells[1])
            .args(["-c", "exec 9>&1; exec \"$0\" -c \"$1\""])
            .arg(shell)
            .arg(line)
            .current_dir(&folder)
            .env_clear()
            .env("PATH", self.root.path().join("programs"))
            .env("HOME", "/home/x")
            .env("LC_ALL", "C")
            .env("BARTIZAN_LOG", &log)
            .stdin(Stdio::null())
            .output()
            .expect("the shell runs");
        read(&fs::read(&log).unwrap_or_default())
    }
}

fn read(log: &[u8]) -> Vec<Vec<String>> {
    let mut fields = log.split(|byte| *byte == 0).map(|field| String::from_utf8_lossy(field).into_owned());
    let mut runs = Vec::new();
    while let Some(Ok(count)) = fields.next().map(|field| field.parse::<usize>()) {
        runs.push(fields.by_ref().take(count + 1).collect());
    }
    runs.sort();
    runs
}

/// Whether the analysis has found this run.
fn is_found(line: &Line, run: &[String]) -> bool {
    line.operations().iter().any(|operation| match operation {
        Operation::Run(command) => {
            let same_words = command.arguments() == &run[1..];
            command.program() == Some(&run[0]) && (same_words || command.has_patterns())
        }
        Operation::File(_) => false,
    })
}

#[test]
fn no_program_is_lost_and_what_is_sent_runs_the_same() {
    let place = Place::new();
    let [bash, dash] = &place.shells;
    let (mut compared, mut ran) = (0, BTreeSet::new());
    for made in lines(some_or(500, 20_000)) {
        let line = Line::read(made.text.as_bytes());
        let Some(canonical) = line.canonical() else { continue };
        let sent = place.run(dash, canonical);
        let original = place.run(bash, &made.text);
        for run in original.iter().chain(&sent) {
            assert!(is_found(&line, run), "{:?} runs {run:?}, which is not among {:?}; sent {canonical:?}", made.text, line.operations());
        }
        assert_eq!(original, sent, "bash reads {:?}, which is sent as {canonical:?}, differently", made.text);
        assert_eq!(sent, place.run(bash, canonical), "shells read {canonical:?} differently; it was {:?}", made.text);
        if made.posix {
            assert_eq!(place.run(dash, &made.text), sent, "dash reads {:?}, which is sent as {canonical:?}, differently", made.text);
        }
        compared += 1;
        ran.extend(original);
    }
    assert!(compared > some_or(150, 5_000) && ran.len() > 100, "too few lines were understood: {compared}, {}", ran.len());
}
