//! What the recording says of files: each decided operation, and at the end of each open file what passed through it. Contents
//! are never in it.

use serde_json::{Value, json};

use super::digest::Transferred;
use super::files::OpenFile;
use crate::frontdoor::{Cause, Refusal};
use crate::model::Printable;
use crate::record::Piece;

/// One thing that was asked of policy.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Such as `sftp.read`.
    pub(super) action: &'static str,
    /// As the target sees it.
    pub(super) path: String,
    /// The new name, of a rename.
    pub(super) to: Option<String>,
}

impl Asked {
    fn event(&self, verdict: &'static str, policies: &[String], text: Option<String>, result: Option<String>) -> Piece {
        let mut event = json!({ "action": self.action, "path": self.path, "verdict": verdict, "policies": policies });
        let more = [("to", self.to.clone()), ("text", text), ("result", result)];
        if let Value::Object(fields) = &mut event {
            fields.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?)))));
        }
        Piece::operation(&event)
    }

    fn line(&self) -> String {
        let to = self.to.as_ref().map(|to| format!(" to {}", Printable(to))).unwrap_or_default();
        format!("{} {}{to}", self.action, Printable(&self.path))
    }
}

/// The events of an operation that was allowed: one for each question, so that each can be asked again of other policies.
pub(super) fn allowed(asked: &[Asked], policies: &[String]) -> Vec<Piece> {
    asked.iter().map(|one| one.event("allow", policies, Some(one.line()), None)).collect()
}

/// The event of an operation that was not.
pub(super) fn refused(asked: &[Asked], refusal: &Refusal) -> Vec<Piece> {
    let verdict = if refusal.cause == Cause::Held { "hold" } else { "deny" };
    let result = Printable(&refusal.detail).to_string();
    asked
        .first()
        .map(|one| one.event(verdict, &refusal.policies, Some(one.line()), Some(format!("refused: {result}"))))
        .into_iter()
        .collect()
}

/// The event of data copied at the target, from one open file to another.
pub(super) fn copied(from: &str, to: &str) -> Vec<Piece> {
    let text = format!("sftp.copy {} to {}", Printable(from), Printable(to));
    vec![Piece::operation(&json!({ "action": "sftp.copy", "path": from, "to": to, "text": text }))]
}

/// What passed through a file, when it is closed or, with `cut` true, when the session ends before.
pub(super) fn closed(file: OpenFile, room: &mut usize, cut: bool) -> Option<Piece> {
    if file.opened.is_directory {
        return None;
    }
    let (path, mut lines) = (file.opened.path, Vec::new());
    let mut event = json!({ "action": "sftp.close", "path": path, "complete": !cut });
    for (word, opened, content) in [("read", file.opened.reads, file.read), ("written", file.opened.writes, file.written)] {
        let passed = content.end(room);
        if opened && let Value::Object(fields) = &mut event {
            lines.push(line(word, &passed));
            fields.insert(word.to_owned(), shown(&passed));
        }
    }
    if let Value::Object(fields) = &mut event {
        let cut = if cut { " (the session ended before it was closed)" } else { "" };
        fields.insert("text".to_owned(), format!("sftp.close {}{cut}", Printable(&path)).into());
        fields.insert("result".to_owned(), lines.join("; ").into());
    }
    Some(Piece::operation(&event))
}

fn shown(passed: &Transferred) -> Value {
    match &passed.sha256 {
        Ok(sha256) => json!({ "bytes": passed.bytes, "sha256": sha256 }),
        Err(why) => json!({ "bytes": passed.bytes, "sha256": null, "why": why }),
    }
}

fn line(word: &str, passed: &Transferred) -> String {
    match &passed.sha256 {
        Ok(sha256) => format!("{} bytes {word}, SHA-256 {sha256}", passed.bytes),
        Err(why) => format!("{} bytes {word}, no SHA-256: {why}", passed.bytes),
    }
}
