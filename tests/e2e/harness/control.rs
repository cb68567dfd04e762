//! A client of the control protocol: requests go in, answers and events come out, a line each.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bartizan_recorder::{Canvas, Grid};
use serde_json::{Value, json};

use super::Visitor;

/// A connection to the control protocol.
pub(crate) struct Control {
    /// The program that carries it; none by the socket.
    pub(crate) child: Option<Child>,
    stdin: Box<dyn Write + Send>,
    pub(crate) lines: Receiver<String>,
    next: u64,
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Control {
    /// Over the visitor's ssh.
    pub(crate) fn open(visitor: &Visitor) -> Self {
        Self::over(visitor.openssh("ssh", ["-T", "-s", "bastion", "control"]))
    }

    /// Over a program's standard input and output.
    pub(crate) fn over(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self::greeted(Some(child), Box::new(stdin), stdout)
    }

    /// Over the bastion's socket in `dir`, its state folder.
    pub(crate) fn local(dir: &Path) -> Self {
        let stream = UnixStream::connect(dir.join("control.sock")).unwrap();
        let reader = stream.try_clone().unwrap();
        Self::greeted(None, Box::new(stream), reader)
    }

    fn greeted(child: Option<Child>, stdin: Box<dyn Write + Send>, stdout: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        std::thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        let control = Self { child, stdin, lines, next: 1 };
        let hello = control.line();
        assert_eq!(
            (hello["hello"]["version"].as_u64(), hello["hello"]["protocol"].as_str()),
            (Some(1), Some("bartizan-control")),
            "{hello}"
        );
        control
    }

    /// The next line.
    pub(crate) fn line(&self) -> Value {
        let line = self.lines.recv_timeout(Duration::from_secs(20)).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Sends a line as it is.
    pub(crate) fn send(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Asks and gives the answer; events before it are dropped.
    pub(crate) fn ask(&mut self, what: &str, mut more: Value) -> Value {
        self.next += 1;
        more["id"] = self.next.into();
        more["do"] = what.into();
        self.send(&more.to_string());
        loop {
            let line = self.line();
            if line["id"] == self.next {
                return line;
            }
        }
    }

    /// What the next event of that kind is about.
    pub(crate) fn event(&self, kind: &str) -> Value {
        loop {
            let line = self.line();
            if line["event"] == kind {
                return line[kind].clone();
            }
        }
    }
}

/// Somebody who watches one session, with the screen they see.
pub(crate) struct Watching {
    pub(crate) control: Control,
    pub(crate) session: String,
    /// None before the first screen.
    canvas: Option<Canvas>,
    /// All events so far.
    pub(crate) events: Vec<Value>,
}

impl Watching {
    /// Begins to watch.
    pub(crate) fn begin(visitor: &Visitor, session: &str) -> Self {
        let mut control = Control::open(visitor);
        let answer = control.ask("session.watch", json!({ "session": session }));
        assert!(answer["error"].is_null(), "{answer}");
        Self { control, session: session.to_owned(), canvas: None, events: Vec::new() }
    }

    /// Takes the next event.
    pub(crate) fn next(&mut self) -> Value {
        let event = self.control.line();
        assert_eq!((event["event"].as_str(), event["session"].as_str()), (Some("watch"), Some(&*self.session)), "{event}");
        if let Some(screen) = event["screen"].as_object() {
            let size = |key: &str| u16::try_from(screen[key].as_u64().unwrap()).unwrap();
            self.canvas = Canvas::new(size("cols"), size("rows"), screen["text"].as_str().unwrap());
        }
        if let (Some(canvas), Some(text)) = (&mut self.canvas, event["output"].as_str()) {
            canvas.feed(text);
        }
        if let (Some(canvas), Some(size)) = (&mut self.canvas, event["resize"].as_array()) {
            canvas.resize(size[0].as_u64().unwrap() as u16, size[1].as_u64().unwrap() as u16);
        }
        self.events.push(event.clone());
        event
    }

    /// The rows that are seen now.
    pub(crate) fn rows(&self) -> Vec<String> {
        let mut grid = Grid::default();
        self.canvas.as_ref().expect("a screen").draw(&mut grid);
        grid.text()
    }

    /// Watches until `text` is on the screen.
    pub(crate) fn until(&mut self, text: &str) {
        for _ in 0..10_000 {
            if self.canvas.is_some() && self.rows().join("\n").contains(text) {
                return;
            }
            self.next();
        }
        panic!("no `{text}`:\n{}", self.rows().join("\n"));
    }

    /// Watches until an event has `key`; gives its value.
    pub(crate) fn until_told(&mut self, key: &str) -> Value {
        loop {
            let event = self.next();
            if !event[key].is_null() {
                return event[key].clone();
            }
        }
    }
}
