//! The control protocol as a client: one `ssh -s BASTION control`, by the user's own ssh, or the socket on the bastion's own machine;
//! asked one request at a time. What comes back is data and never printed as it came.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::bastion::Way;
use super::{Common, Exit};
use crate::daemon::control_socket;
use crate::model::Printable;

/// The longest line that is taken from a bastion.
const LINE_MAX: u64 = 16 << 20;

/// A connection.
pub(super) struct Remote {
    /// The ssh that carries it; none by the socket.
    child: Option<Child>,
    stdin: Option<Box<dyn Write + Send>>,
    lines: BufReader<Box<dyn Read + Send>>,
    next: u64,
    /// Who the bastion takes us for.
    pub(super) principal: String,
    /// Bytes of recordings that were fetched.
    pub(super) fetched: u64,
}

impl Drop for Remote {
    fn drop(&mut self) {
        // ssh ends by itself when its input does.
        drop(self.stdin.take());
        let _ended = self.child.as_mut().map(Child::wait);
    }
}

impl Remote {
    /// Connects to the bastion that `way` names.
    pub(super) fn open(common: &Common, way: &Way) -> Result<Self, Exit> {
        let bastion = way.bastion(common)?;
        let mut arguments = way.ssh(&bastion, &[], "control");
        arguments.insert(0, "-s".to_owned());
        let mut command = Command::new("ssh");
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().map_err(|error| Exit::incomplete(format!("ssh cannot be run: {error}")))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else { return Err(Exit::incomplete("ssh has no input or output")) };
        Self::greet(Some(child), Box::new(stdin), Box::new(stdout), &bastion.to_string())
    }

    /// Connects to the bastion that `way` names; where it names none, to the one on this machine. None where that does not run, or
    /// is not this account's to use.
    pub(super) fn reach(common: &Common, way: &Way) -> Result<Option<Self>, Exit> {
        if way.bastion.is_some() || !common.config.exists() {
            return Self::open(common, way).map(Some);
        }
        let path = control_socket(&common.load()?.server.state_dir);
        let place = path.display().to_string();
        let stream = match UnixStream::connect(&path) {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::PermissionDenied) => {
                return Ok(None);
            }
            Err(error) => return Err(Exit::incomplete(format!("the bastion does not answer at {place} ({error})"))),
        };
        let reader = stream.try_clone().map_err(|error| Exit::incomplete(error.to_string()))?;
        Self::greet(None, Box::new(stream), Box::new(reader), &place).map(Some)
    }

    /// Connects to the bastion on this machine, as [`Remote::reach`] does where no other is named.
    pub(super) fn here(common: &Common) -> Result<Option<Self>, Exit> {
        Self::reach(common, &Way { bastion: None, ssh_options: Vec::new() })
    }

    fn greet(child: Option<Child>, stdin: Box<dyn Write + Send>, stdout: Box<dyn Read + Send>, place: &str) -> Result<Self, Exit> {
        let lines = BufReader::new(stdout);
        let mut remote = Self { child, stdin: Some(stdin), lines, next: 0, principal: String::new(), fetched: 0 };
        let hello = remote.line()?;
        let principal = hello.pointer("/hello/principal").and_then(Value::as_str);
        match (hello.pointer("/hello/version").and_then(Value::as_u64), principal) {
            (Some(1), Some(principal)) => {
                remote.principal = principal.to_owned();
                Ok(remote)
            }
            _ => Err(Exit::incomplete(format!("{place} does not speak the control protocol of this version"))),
        }
    }

    /// Asks `what` with `fields`, and waits for the answer.
    pub(super) fn ask<T: DeserializeOwned>(&mut self, what: &str, fields: &impl Serialize) -> Result<T, Exit> {
        self.next += 1;
        let mut request = serde_json::to_value(fields).map_err(|error| Exit::incomplete(error.to_string()))?;
        let Some(request_fields) = request.as_object_mut() else { return Err(Exit::incomplete("a request is an object")) };
        request_fields.insert("id".to_owned(), self.next.into());
        request_fields.insert("do".to_owned(), what.into());
        let stdin = self.stdin.as_mut().ok_or_else(gone)?;
        writeln!(stdin, "{request}").and_then(|()| stdin.flush()).map_err(|_| gone())?;
        loop {
            let mut line = self.line()?;
            let answers = line.get("id").and_then(Value::as_u64);
            if let Some(error) = line.get("error")
                && answers.is_none_or(|id| id == self.next)
            {
                return Err(refused(error));
            }
            if answers == Some(self.next) {
                let ok = line.get_mut("ok").map(Value::take).unwrap_or_default();
                return read(ok);
            }
        }
    }

    /// The next line, an event for instance.
    pub(super) fn line(&mut self) -> Result<Value, Exit> {
        let mut line = Vec::new();
        let read = (&mut self.lines).take(LINE_MAX).read_until(b'\n', &mut line);
        match read {
            Ok(0) | Err(_) => Err(gone()),
            Ok(_) => {
                serde_json::from_slice(&line).map_err(|_| Exit::incomplete("what the bastion answers is no line of the control protocol"))
            }
        }
    }
}

/// What a bastion answered, as what it has to be.
pub(super) fn read<T: DeserializeOwned>(answer: Value) -> Result<T, Exit> {
    let strange =
        |error: serde_json::Error| Exit::incomplete(format!("the bastion's answer cannot be read: {}", Printable(&error.to_string())));
    serde_json::from_value(answer).map_err(strange)
}

/// ssh says on standard error why.
fn gone() -> Exit {
    Exit::incomplete("the connection to the bastion has ended")
}

fn refused(error: &Value) -> Exit {
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let message = Printable(message).to_string();
    match error.get("code").and_then(Value::as_u64) {
        Some(1) => Exit::refused(message),
        Some(2) => Exit::usage(message),
        Some(4) => Exit::held(message),
        _ => Exit::incomplete(message),
    }
}
