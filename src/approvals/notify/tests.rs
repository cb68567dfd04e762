//! What notices say and how they are signed.

use super::*;
use crate::model::{ApprovalId, Principal, PrincipalKind, SessionId};
use crate::store::{ApprovalState, Needed, NewApproval, Outline, StatementOutline, TableOutline};

fn statement() -> StatementOutline {
    let table = TableOutline { table: "public.orders".into(), does: vec!["delete".into()], columns: Vec::new() };
    let (text, summary) = ("x".repeat(4_096), "deletes from public.orders".into());
    StatementOutline { text, statement: "delete".into(), summary, tables: vec![table], estimated_rows: Some(3) }
}

#[test]
fn what_statements_do_is_told_of_a_few_and_their_texts_are_not_sent_twice() {
    let event = texts::event(&notice("approval.asked", "DELETE FROM orders"), "bastion");
    let statements = event["data"]["outline"]["statements"].as_array().unwrap();
    assert_eq!(statements.len(), 8);
    assert!(statements.iter().all(|one| one["text"].is_null() && one["summary"] == "deletes from public.orders"), "{statements:?}");
    assert_eq!(event["data"]["outline"]["kind"], "sql");
}

fn notice(kind: &str, operation: &str) -> Notice {
    let at = Timestamp::from_second(1_800_000_000).unwrap();
    let asked = NewApproval {
        id: ApprovalId::new(1, 1),
        session: SessionId::new(1, 1),
        node: "n".into(),
        principal: Principal { kind: PrincipalKind::User, id: "corp/alice@example.com".parse().unwrap(), groups: Vec::new() },
        target: "web-1".parse().unwrap(),
        login: Some("deploy".parse().unwrap()),
        action: "ssh.exec".into(),
        operation: operation.into(),
        outline: Some(Outline::Sql { statements: vec![statement(); 40], left_out: None, in_transaction: false }),
        digest: String::new(),
        needs: vec![Needed {
            policy: "p".into(),
            groups: vec!["corp/leads".into()],
            approvals: 1,
            valid_seconds: 1,
            whole_session: false,
            reason: None,
            signed: false,
            moderated: false,
        }],
        reason: Some("ticket <42>".into()),
        source: "192.0.2.7".parse().unwrap(),
        asked_at: at,
        deadline: at,
    };
    Notice { kind: kind.into(), at, approval: Approval::new(asked) }
}

#[test]
fn a_message_holds_who_and_what_and_nothing_that_a_chat_would_obey() {
    let notice = notice("approval.asked", "exec `rm` <!channel> & \u{1b}[2J");
    let text = texts::slack(&notice, "bastion")["text"].as_str().unwrap().to_owned();
    assert!(text.contains("corp/alice@example.com") && text.contains("corp/leads") && text.contains("deploy@web-1"), "{text}");
    assert!(text.contains("ticket &lt;42&gt;") && text.contains("&lt;!channel&gt; &amp;"), "{text}");
    assert!(!text.contains("<") && !text.chars().any(char::is_control) && !text.contains("`rm`"), "{text}");
    assert!(!text.contains("http"), "there is no link in it: {text}");
}

#[test]
fn an_event_carries_the_whole_approval() {
    let mut notice = notice("approval.denied", "exec id");
    notice.approval.state = ApprovalState::Denied;
    let event = texts::event(&notice, "bastion");
    assert_eq!((event["type"].as_str(), event["data"]["state"].as_str()), (Some("approval.denied"), Some("denied")));
    assert_eq!((event["data"]["operation"].as_str(), event["data"]["server"].as_str()), (Some("exec id"), Some("bastion")));
}

#[test]
fn what_is_long_is_cut_and_says_so() {
    let mut long = notice("approval.asked", &"x".repeat(1 << 20));
    long.approval.asked.reason = Some("ä".repeat(5_000));
    let event = texts::event(&long, "bastion");
    assert_eq!(event["data"]["operation"].as_str().map(str::len), Some(4_096));
    assert_eq!(event["data"]["reason"].as_str().map(|reason| reason.chars().count()), Some(4_096));
    assert_eq!((&event["data"]["operation_is_cut"], &event["data"]["reason_is_cut"]), (&true.into(), &true.into()));
    assert!(texts::event(&notice("approval.asked", "exec id"), "bastion")["data"]["operation_is_cut"].is_null());
    assert!(texts::slack(&long, "bastion").to_string().len() < 4_096);
}

#[tokio::test]
async fn a_place_that_takes_nothing_costs_the_newest_notice_and_no_waiting() {
    let place = config::Notify { name: "slow".into(), sink: config::Sink::Command(vec!["true".into()]) };
    let (notifier, senders) = Notifier::new(&[place], "bastion", &crate::secrets::Secrets::new(None, None)).unwrap();
    let approval = notice("approval.asked", "exec id").approval;
    for _ in 0..QUEUE + 10 {
        notifier.tell(&approval, true, approval.asked.asked_at);
    }
    assert_eq!(senders.len(), 1);
}
