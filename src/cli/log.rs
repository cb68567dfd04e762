//! The audit log for commands that work something out from all of it: read once, verified as it is read. Changes nothing.

use jiff::Timestamp;
use serde_json::Value;

use super::Exit;
use super::print::note;
use super::progress::bar;
use crate::audit::{self, AuditError, Finding, Report};
use crate::config::Config;
use crate::model::Printable;

/// Lines that were verified and wait to be looked at.
const AHEAD: usize = 4_096;

/// Hands every entry to `each`, which looks at them while the next are verified. One line that was tampered with spoils all: then there
/// is an error, and what `each` made of it tells nothing.
pub(super) fn read(config: &Config, what: &'static str, each: &mut (dyn FnMut(Timestamp, Value) + Send)) -> Result<Report, Exit> {
    let state_dir = &config.server.state_dir;
    let folder = audit::folder(state_dir);
    let key = audit::read_public_key(&audit::public_key_file(state_dir)).map_err(|error| failed(&error))?;
    let progress = bar(audit::snapshot(&folder).map_or(0, |snapshot| snapshot.size), what);
    let report = std::thread::scope(|scope| {
        let (verified, lines) = std::sync::mpsc::sync_channel::<audit::Verified>(AHEAD);
        scope.spawn(move || lines.into_iter().for_each(|line| each(line.time, line.entry)));
        let mut count = 0_u64;
        audit::verify_each(&folder, &key, &mut |line| {
            count += 1;
            if count.is_multiple_of(1024) {
                progress.set_position(line.size);
            }
            // Whoever looks at them fails only by a panic, which the scope passes on.
            let _sent = verified.send(line);
        })
    });
    progress.finish_and_clear();
    let report = report.map_err(|error| failed(&error))?;
    match &report.finding {
        Finding::Ok => {}
        Finding::Tampered { line, what } => {
            return Err(Exit::incomplete(format!("the audit log was tampered with at line {line}: {}", Printable(what))));
        }
        Finding::Incomplete { what } if report.entries == 0 => {
            return Err(Exit::incomplete(format!("the audit log says nothing: {}", Printable(what))));
        }
        Finding::Incomplete { what } => note(&format!("the end of the audit log is not verified: {}", Printable(what))),
    }
    Ok(report)
}

/// What happened.
pub(super) fn kind(entry: &Value) -> &str {
    entry.get("kind").and_then(Value::as_str).unwrap_or_default()
}

fn failed(error: &AuditError) -> Exit {
    Exit::incomplete(Printable(&error.to_string()).to_string())
}
