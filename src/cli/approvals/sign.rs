//! Answers from the command line, signed with the approver's own SSH key where it is at hand.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::audit::Said;
use crate::cli::bastion::Way;
use crate::cli::local::now;
use crate::cli::print::note;
use crate::cli::remote::Remote;
use crate::cli::signing::{at_hand, sign};
use crate::cli::{Common, Exit};
use crate::model::ApprovalId;

/// What is to be said.
pub(super) struct Answer<'a> {
    pub(super) id: ApprovalId,
    /// `approve`, `deny`, `revoke` or `withdraw`.
    pub(super) word: &'static str,
    pub(super) reason: &'a str,
    pub(super) for_seconds: Option<u64>,
    /// The key to sign with, if one was named.
    pub(super) key: Option<&'a Path>,
    /// Whether it need not be signed.
    pub(super) unsigned: bool,
}

/// Says it to the bastion that `way` names, and gives the approval as it stands then.
pub(super) fn say(common: &Common, way: &Way, answer: &Answer<'_>) -> Result<Value, Exit> {
    let mut link = Remote::reach(common, way)?.map_or_else(|| Remote::open(common, way), Ok)?;
    let said = [
        ("approval", json!(answer.id)),
        ("answer", json!(answer.word)),
        ("reason", json!(answer.reason)),
        ("for_seconds", json!(answer.for_seconds)),
    ];
    let mut request: serde_json::Map<String, Value> = said.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    if matches!(answer.word, "approve" | "deny")
        && !answer.unsigned
        && let Some((at, signature)) = signature(common, way, &mut link, answer)?
    {
        request.extend([("signed_at".to_owned(), json!(at)), ("signature".to_owned(), json!(signature))]);
    }
    link.ask("approval.answer", &request)
}

/// The signature and the moment in it; none where no key is at hand and none was named.
fn signature(common: &Common, way: &Way, link: &mut Remote, answer: &Answer<'_>) -> Result<Option<(Timestamp, String)>, Exit> {
    let me: Value = link.ask("whoami", &json!({}))?;
    let all: Value = link.ask("approvals", &json!({ "limit": 10_000 }))?;
    let wanted = answer.id.to_string();
    let digest = all.as_array().into_iter().flatten().find(|one| text(one, "id") == Some(&wanted)).and_then(|one| text(one, "digest"));
    let Some(digest) = digest else {
        // What it is wrong with is the bastion's to say.
        return Ok(None);
    };
    let approver = link.principal.parse().map_err(|_| Exit::incomplete("the bastion calls you by what is no name"))?;
    let key = match (answer.key, text(&me, "key")) {
        (Some(key), _) => Some(key.to_owned()),
        (None, Some(key)) => at_hand(&way.bastion(common)?, way, key),
        // Who came without a key cannot sign with it.
        (None, None) => return Ok(None),
    };
    let Some(key) = key else {
        note("no key to sign the answer with was found, so it is not signed (see --key)");
        return Ok(None);
    };
    let at = now();
    let said = Said {
        approval: answer.id,
        digest,
        approve: answer.word == "approve",
        for_seconds: answer.for_seconds,
        reason: answer.reason,
        approver: &approver,
        at,
    };
    sign(&key, &said.challenge()).map(|signature| Some((at, signature)))
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}
