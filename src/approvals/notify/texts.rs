//! What a notice says, as JSON and as a line of text.

use serde_json::{Value, json};

use crate::model::Printable;

use super::Notice;

/// Characters of a text that was typed; who decides reads all of it at the bastion.
const MOST: usize = 4_096;

/// Statements of which is told what they do.
const STATEMENTS: usize = 8;

/// The event as JSON: `type`, `timestamp` and `data`, as Standard Webhooks has it.
pub(super) fn event(notice: &Notice, server: &str) -> Value {
    let mut data = serde_json::to_value(&notice.approval).unwrap_or_default();
    if let Some(fields) = data.as_object_mut() {
        fields.insert("server".to_owned(), json!(server));
        for key in ["operation", "reason"] {
            let Some(text) = fields.get(key).and_then(Value::as_str) else { continue };
            if let Some((end, _)) = text.char_indices().nth(MOST) {
                let cut = text.get(..end).unwrap_or_default().to_owned();
                fields.insert(key.to_owned(), json!(cut));
                fields.insert(format!("{key}_is_cut"), json!(true));
            }
        }
    }
    // What its statements say stands in the operation; what they do is told of a few.
    if let Some(statements) = data.pointer_mut("/outline/statements").and_then(Value::as_array_mut) {
        statements.truncate(STATEMENTS);
        statements.iter_mut().filter_map(Value::as_object_mut).for_each(|fields| drop(fields.remove("text")));
    }
    json!({ "type": notice.kind, "timestamp": notice.at, "data": data })
}

/// The event as one message. What people typed stands between backticks, and cannot end them or mention anybody.
pub(super) fn slack(notice: &Notice, server: &str) -> Value {
    let asked = &notice.approval.asked;
    let login = asked.login.as_ref().map(|login| format!("{login}@")).unwrap_or_default();
    let what = format!("{} on {login}{}: `{}`", asked.action, asked.target, quoted(&asked.operation));
    let who = quoted(asked.principal.id.as_str());
    let text = if notice.kind == "approval.asked" {
        let reason = asked.reason.as_deref().map(|reason| format!(", because `{}`", quoted(reason))).unwrap_or_default();
        let groups: Vec<String> = asked.needs.iter().map(|need| quoted(&need.groups.join(" or "))).collect();
        format!("`{who}` waits for {} to approve {what}{reason}. `ssh {server} approvals` shows it ({}).", groups.join(" and "), asked.id)
    } else {
        let by: Vec<String> = notice.approval.reviews.iter().map(|review| format!("`{}`", quoted(review.by.id.as_str()))).collect();
        let by = if by.is_empty() { String::new() } else { format!(" by {}", by.join(", ")) };
        format!("Approval {} for `{who}` is {}{by}: {what}", asked.id, notice.approval.state)
    };
    json!({ "text": text })
}

/// Text from outside, escaped as Slack asks (`&`, `<`, `>`), without backticks and control characters, and not too long.
fn quoted(text: &str) -> String {
    let shown: String = Printable(text).to_string().chars().take(500).collect();
    shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('`', "\u{2019}")
}
