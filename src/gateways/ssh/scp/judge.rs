//! Decides the files of an scp session: asks the target where each path leads, then policy, and writes both verdict and what went by
//! on the tape. Contents are never recorded.

use bartizan_policies::Action;
use serde_json::{Value, json};

use super::flow::{FlowError, Judge, Passed, Verdict};
use crate::enforce::{Allowed, Decider, Question};
use crate::frontdoor::{Cause, Refusal};
use crate::gateways::ssh::sftp::{ResolveError, Resolver};
use crate::model::Printable;
use crate::record::{Piece, Tape};

/// Asks target and policy.
pub(super) struct Asking<'a> {
    pub(super) decider: Decider,
    pub(super) resolver: Option<Resolver>,
    pub(super) tape: &'a Tape,
}

impl Judge for Asking<'_> {
    type Allowed = Allowed;

    async fn decide(&mut self, action: Action, path: Option<String>) -> Result<Verdict<Allowed>, FlowError> {
        let typed = path;
        let path = match self.real(typed.as_deref()).await? {
            Ok(path) => path,
            Err(sentence) => return Ok(Err(sentence)),
        };
        let question = Question::of_file(self.decider.login(), action, path.as_deref(), None, false);
        match self.decider.decide(vec![question]).await {
            // People took their time: what they approved is what was shown to them.
            Ok(allowed) if allowed.grant().is_some() && self.real(typed.as_deref()).await?.ok() != Some(path.clone()) => {
                Ok(Err("what lies there changed while it waited for approval; ask again".to_owned()))
            }
            Ok(allowed) => {
                self.tape.write(vec![allowed_piece(action, path.as_deref(), allowed.policies(), false)]).await?;
                Ok(Ok((path, allowed)))
            }
            Err(refusal) => {
                self.tape.write(vec![refused_piece(action, path.as_deref(), &refusal)]).await?;
                Ok(Err(refusal.sentence))
            }
        }
    }

    async fn passed(&mut self, action: Action, file: Passed<'_>) -> Result<(), FlowError> {
        let word = if action == Action::SftpWrite { "written" } else { "read" };
        let path = file.path.unwrap_or(file.name);
        let event = json!({
            "action": "scp.close",
            "path": path,
            "complete": true,
            word: { "bytes": file.bytes, "sha256": file.sha256 },
            "text": format!("scp.close {}", Printable(path)),
            "result": format!("{} bytes {word}, SHA-256 {}", file.bytes, file.sha256),
        });
        Ok(self.tape.write(vec![Piece::operation(&event)]).await?)
    }
}

impl Asking<'_> {
    /// Where `path` leads on the target; none where that cannot be asked. A sentence when it leads nowhere that can be checked.
    async fn real(&mut self, path: Option<&str>) -> Result<Result<Option<String>, String>, FlowError> {
        let (Some(path), Some(resolver)) = (path, &mut self.resolver) else { return Ok(Ok(None)) };
        match resolver.realpath(path).await {
            Ok(path) => Ok(Ok(Some(path))),
            Err(ResolveError::Path(error)) => Ok(Err(error.to_string())),
            Err(error) => Err(FlowError::Target(error.to_string())),
        }
    }
}

fn text(action: Action, path: Option<&str>) -> String {
    format!("{action} {}", Printable(path.unwrap_or("(a path that is not known)")))
}

/// The event of what was allowed.
pub(super) fn allowed_piece(action: Action, path: Option<&str>, policies: &[String], tree: bool) -> Piece {
    let mut event = json!({ "action": action.name(), "path": path, "verdict": "allow", "policies": policies, "text": text(action, path) });
    if tree && let Value::Object(fields) = &mut event {
        fields.insert("recursive".to_owned(), true.into());
    }
    Piece::operation(&event)
}

fn refused_piece(action: Action, path: Option<&str>, refusal: &Refusal) -> Piece {
    let verdict = if refusal.cause == Cause::Held { "hold" } else { "deny" };
    let result = format!("refused: {}", Printable(&refusal.detail));
    Piece::operation(&json!({
        "action": action.name(), "path": path, "verdict": verdict, "policies": refusal.policies,
        "text": text(action, path), "result": result,
    }))
}
