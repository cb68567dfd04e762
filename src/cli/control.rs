//! A connection to the control protocol: by the socket on the bastion's own machine, or by the user's own ssh from anywhere. Asks and
//! gives back what was answered; shows nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::bastion::Way;
use super::{Common, Exit};
use crate::daemon::control_socket;
use crate::model::Printable;

/// The longest line that is taken from a bastion: a list of ten thousand entries.
const LONGEST: u64 = 256 << 20;

/// An open connection.
pub(super) struct Link {
    reader: BufReader<Box<dyn Read + Send>>,
    writer: Box<dyn Write + Send>,
    /// The ssh that carries it.
    child: Option<Child>,
    next: u64,
    /// Who the bastion takes us for.
    pub(super) principal: String,
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Link {
    /// To the bastion that `way` names; without one, to the one on this machine.
    pub(super) fn open(common: &Common, way: &Way) -> Result<Self, Exit> {
        if way.bastion.is_some() { Self::by_ssh(common, way) } else { Self::local(common) }
    }

    fn local(common: &Common) -> Result<Self, Exit> {
        let path = control_socket(&common.load()?.server.state_dir);
        let stream = UnixStream::connect(&path).map_err(|error| {
            Exit::incomplete(format!(
                "no bastion answers at {} ({error}); does it run? For another machine's: --bastion HOST",
                path.display()
            ))
        })?;
        let reader = stream.try_clone().map_err(|error| Exit::incomplete(error.to_string()))?;
        Self::greet(Box::new(reader), Box::new(stream), None)
    }

    /// By ssh to the bastion that `way` or the configuration names.
    pub(super) fn by_ssh(common: &Common, way: &Way) -> Result<Self, Exit> {
        let bastion = way.bastion(common)?;
        let mut command = Command::new("ssh");
        command.arg("-s").args(way.ssh(&bastion, &[], "control")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Exit::incomplete(format!("ssh cannot be run: {error}")))?;
        let (Some(writer), Some(reader)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Exit::incomplete("ssh has no input or output"));
        };
        Self::greet(Box::new(reader), Box::new(writer), Some(child))
    }

    fn greet(reader: Box<dyn Read + Send>, writer: Box<dyn Write + Send>, child: Option<Child>) -> Result<Self, Exit> {
        let mut link = Self { reader: BufReader::new(reader), writer, child, next: 0, principal: String::new() };
        let hello = link.line()?.ok_or_else(|| Exit::incomplete("the bastion could not be reached or did not let you in"))?;
        let fits = hello.pointer("/hello/version").and_then(Value::as_u64) == Some(1);
        let principal = hello.pointer("/hello/principal").and_then(Value::as_str).filter(|_| fits);
        link.principal = principal.ok_or_else(|| Exit::incomplete("what answers there speaks another protocol"))?.to_owned();
        Ok(link)
    }

    /// Asks, and waits for the answer; events in between are passed over.
    pub(super) fn ask(&mut self, what: &str, mut request: Value) -> Result<Value, Exit> {
        self.next += 1;
        if let Some(fields) = request.as_object_mut() {
            fields.insert("id".to_owned(), self.next.into());
            fields.insert("do".to_owned(), what.into());
        }
        let sent = writeln!(self.writer, "{request}").and_then(|()| self.writer.flush());
        sent.map_err(|error| Exit::incomplete(format!("the bastion does not listen any more: {error}")))?;
        loop {
            let Some(mut line) = self.line()? else { return Err(Exit::incomplete("the bastion ended the connection")) };
            if line.get("id").and_then(Value::as_u64) == Some(self.next) || (line.get("id").is_some_and(Value::is_null)) {
                return match line.get("error") {
                    Some(error) => Err(refused(error)),
                    None => Ok(line.get_mut("ok").map(Value::take).unwrap_or_default()),
                };
            }
        }
    }

    /// The next line; none at the end.
    pub(super) fn line(&mut self) -> Result<Option<Value>, Exit> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(LONGEST).read_until(b'\n', &mut line);
        match read {
            Ok(0) => Ok(None),
            Ok(_) => serde_json::from_slice(&line).map(Some).map_err(|_| Exit::incomplete("the bastion said what is no JSON")),
            Err(error) => Err(Exit::incomplete(format!("the connection to the bastion was lost: {error}"))),
        }
    }
}

/// The bastion's codes are the exit codes.
fn refused(error: &Value) -> Exit {
    let message = error.get("message").and_then(Value::as_str).unwrap_or("the bastion refused and did not say why");
    let message = Printable(message).to_string();
    match error.get("code").and_then(Value::as_u64) {
        Some(1) => Exit::refused(message),
        Some(2) => Exit::usage(message),
        Some(4) => Exit::held(message),
        _ => Exit::incomplete(message),
    }
}
