//! `audit`, `lock`, `unlock` and `sessions` as an operator types them, beside a server that has the same state folder open.

#![allow(clippy::unwrap_used, reason = "this is all test; clippy.toml sees only the functions marked so")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use bartizan::audit::{AuditLog, Entry};
use bartizan::model::{Principal, PrincipalKind, SessionId, TargetKind};
use bartizan::store::{Frozen, Lease, Opening, SessionEnd, SqliteStore, Store};
use jiff::Timestamp;
use serde_json::Value;

const CONFIG: &str = r#"
[server]
name = "bastion.example.com"
listen = ["127.0.0.1:2222"]
state_dir = "state"

[[issuer]]
name = "corp"
url = "https://idp.example.com"
client_id = "bartizan"
"#;

#[path = "operator_commands/search.rs"]
mod search;

/// What commands say that would rather have asked a bastion.
const NO_BASTION: &str = "bartizan: no bastion runs on this machine, so its store is used, as it is\n";

struct Operator(tempfile::TempDir);

impl Operator {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("bartizan.toml"), CONFIG).unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        Self(folder)
    }

    fn state(&self) -> std::path::PathBuf {
        self.0.path().join("state")
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.state().join("state.db"), Timestamp::UNIX_EPOCH).unwrap()
    }

    fn types(&self, line: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
        command.args(line).env("BARTIZAN_CONFIG", self.0.path().join("bartizan.toml")).current_dir(self.0.path());
        command.output().unwrap()
    }

    /// What is printed, when it ends with `code`; without the remark that no bastion was asked.
    #[track_caller]
    fn sees(&self, code: i32, line: &[&str]) -> String {
        let output = self.types(line);
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "{line:?}\n{out}\n{err}");
        assert!(
            (out.clone() + &err).chars().all(|c| c == '\n' || !c.is_control()),
            "a control character reached the terminal: {out:?} {err:?}"
        );
        out + &err.replace(NO_BASTION, "")
    }

    #[track_caller]
    fn json(&self, line: &[&str]) -> Value {
        serde_json::from_str(&self.sees(0, line)).unwrap()
    }

    fn audited(&self) -> Vec<Value> {
        self.sees(0, &["audit", "export"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn session(n: u64) -> SessionId {
    SessionId::new(1_800_000_000_000, u128::from(n))
}

async fn begin(store: &SqliteStore, n: u64, target: &str) -> Lease {
    let opening = Opening {
        id: session(n),
        principal: Principal { kind: PrincipalKind::User, id: "corp/alice".parse().unwrap(), groups: Vec::new() },
        target: target.parse().unwrap(),
        target_kind: TargetKind::Ssh,
        login: Some("deploy".parse().unwrap()),
        wish: "exec a\u{1b}[2Jb".into(),
        source: "203.0.113.9".parse().unwrap(),
        certificate: None,
        node: "bastion.example.com".into(),
        started_at: "2027-01-15T08:00:00Z".parse().unwrap(),
        recording: "2027/01/15/x".into(),
        policies: Vec::new(),
    };
    store.open_session(opening).await.unwrap()
}

#[test]
fn a_lock_is_made_shown_audited_and_taken_away() {
    let operator = Operator::new();
    assert_eq!(operator.sees(0, &["lock", "--user", "corp/alice", "--reason", "a\u{1b}[2Jb", "--for", "2h"]), "1\n");
    let lock = operator.json(&["lock", "--source", "10.1.2.3/8", "--json"]);
    assert_eq!((&lock["id"], &lock["subject"]["source"]), (&2.into(), &"10.0.0.0/8".into()));
    assert_eq!(operator.json(&["lock", "--list", "--json"]).as_array().unwrap().len(), 2);
    assert!(operator.sees(0, &["lock", "--list"]).contains("user corp/alice"));
    operator.sees(0, &["unlock", "2"]);
    assert!(operator.sees(1, &["unlock", "2"]).contains("bartizan locks"));
    let kinds: Vec<_> = operator.audited().iter().map(|line| line["entry"]["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["lock.added", "lock.added", "lock.removed"]);
    assert!(operator.audited().iter().all(|line| line["entry"]["by"].as_str().unwrap().starts_with("local:")));
}

#[test]
fn a_command_line_that_makes_no_sense_is_a_usage_error() {
    let operator = Operator::new();
    let lines: [&[&str]; 6] = [
        &["lock"],
        &["lock", "--user", "alice"],
        &["lock", "--user", "corp/a", "--group", "corp/b"],
        &["lock", "--target", "web-1", "--for", "tomorrow"],
        &["lock", "--source", "::ffff:10.0.0.1"],
        &["sessions", "end", "../../etc/passwd"],
    ];
    for line in lines {
        operator.sees(2, line);
    }
    assert!(!operator.state().join("audit").exists(), "something was done");
}

#[tokio::test]
async fn sessions_are_listed_and_filtered() {
    let operator = Operator::new();
    let store = operator.store();
    assert!(operator.sees(0, &["sessions", "list", "--all"]).starts_with("NO"));
    let lease = begin(&store, 1, "web-1").await;
    begin(&store, 2, "web-2").await;
    let end = SessionEnd { at: "2027-01-15T09:00:00Z".parse().unwrap(), reason: "closed".into(), exit_status: Some(0) };
    store.close_session(session(1), lease.token, end).await.unwrap();
    let table = operator.sees(0, &["sessions", "list", "--all"]);
    assert_eq!(table.lines().count(), 3);
    assert!(table.contains("deploy@web-1") && table.contains("live") && table.contains(&session(2).to_string()), "{table}");
    for (line, numbers) in [
        (vec![], vec![2]),
        (vec!["--all"], vec![2, 1]),
        (vec!["--live"], vec![2]),
        (vec!["--all", "--target", "web-1"], vec![1]),
        (vec!["--principal", "corp/bob"], vec![]),
    ] {
        let found = operator.json(&[&["sessions", "list", "--json"], line.as_slice()].concat());
        let found: Vec<u64> = found.as_array().unwrap().iter().map(|s| s["number"].as_u64().unwrap()).collect();
        assert_eq!(found, numbers, "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_to_end_reaches_the_server_and_the_operator_sees_the_session_close() {
    let operator = Operator::new();
    let store = operator.store();
    let lease = begin(&store, 1, "web-1").await;
    let server = tokio::spawn(async move {
        let start = store.generation().await.unwrap();
        while store.generation().await.unwrap() == start {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let orders = store.take_orders("bastion.example.com", Timestamp::now()).await.unwrap();
        let order = &orders[0].order;
        let end = SessionEnd { at: Timestamp::now(), reason: order.reason.clone(), exit_status: None };
        store.close_session(order.session, lease.token, end).await.unwrap();
        order.by.clone()
    });
    let id = session(1).to_string();
    let shown = tokio::task::spawn_blocking(move || (operator.sees(0, &["sessions", "end", &id, "--reason", "maintenance"]), operator))
        .await
        .unwrap();
    assert!(shown.0.contains("ended"), "{}", shown.0);
    assert!(server.await.unwrap().starts_with("local:"));
    let operator = shown.1;
    assert_eq!(operator.audited()[0]["entry"]["kind"], "session.end_ordered");
    assert!(operator.sees(1, &["sessions", "end", &session(1).to_string()]).contains("has ended already"));
    assert!(operator.sees(1, &["sessions", "end", &session(9).to_string()]).contains("there is no session"));
}

#[tokio::test]
async fn an_order_that_no_server_takes_is_not_called_done() {
    let operator = Operator::new();
    begin(&operator.store(), 1, "web-1").await;
    let shown = operator.sees(3, &["sessions", "end", &session(1).to_string()]);
    assert!(shown.contains("is the server running?"), "{shown}");
}

#[tokio::test]
async fn a_frozen_session_is_shown_as_such_and_one_that_is_not_cannot_be_resumed() {
    let operator = Operator::new();
    let store = operator.store();
    let lease = begin(&store, 1, "web-1").await;
    let id = session(1).to_string();
    assert!(operator.sees(1, &["sessions", "resume", &id]).contains("is not frozen"));
    let frozen = Frozen { at: Timestamp::UNIX_EPOCH, guard_rail: "no-keys".into() };
    store.freeze_session(session(1), lease.token, Some(frozen)).await.unwrap();
    assert!(operator.sees(0, &["sessions", "list"]).contains("frozen by guard rail \"no-keys\""));
    let shown = operator.json(&["sessions", "list", "--json"]);
    assert_eq!(shown[0]["frozen"], serde_json::json!({ "at": "1970-01-01T00:00:00Z", "guard_rail": "no-keys" }));
    assert!(operator.sees(3, &["sessions", "resume", &id]).contains("is the server running?"));
    assert_eq!(operator.audited().last().unwrap()["entry"]["kind"], "session.resume_ordered");
    assert!(operator.sees(1, &["sessions", "resume", &session(9).to_string()]).contains("there is no session"));
}

#[tokio::test]
async fn commands_and_a_running_server_write_one_log() {
    let operator = Operator::new();
    let log = AuditLog::open(&operator.state(), "bastion.example.com", [7; 32], Timestamp::UNIX_EPOCH).unwrap();
    let served = Entry::ServerStopped { reason: "test".into() };
    assert_eq!(log.append(served.clone(), Timestamp::UNIX_EPOCH).await.unwrap().seq, 1);
    operator.sees(0, &["lock", "--target", "web-1"]);
    assert_eq!(log.append(served, Timestamp::UNIX_EPOCH).await.unwrap().seq, 3);
    // What a server that has no transparency log wrote is not in it; what the command wrote is, and all before it.
    let verified = operator.sees(3, &["audit", "verify"]);
    assert!(verified.starts_with("ok: 3 entries") && verified.contains("2 entries of the audit log are in the log as they are; 1 more"));
    assert_eq!(operator.sees(0, &["audit", "tail", "-n", "1"]), "1970-01-01T00:00:00Z  3  server.stopped  reason=test\n");
    let tail = operator.sees(0, &["audit", "tail", "-n", "2", "--json"]);
    assert_eq!(tail.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].clone()).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(operator.sees(0, &["audit", "export", "--kind", "server"]).lines().count(), 2);
    assert_eq!(operator.sees(0, &["audit", "export", "--until", "2000-01-01", "--principal", "local:x"]), "");
}

#[test]
fn verify_tells_by_its_exit_code() {
    let operator = Operator::new();
    assert!(operator.sees(3, &["audit", "verify"]).contains("cannot be read"), "there is no key yet");
    operator.sees(0, &["lock", "--target", "web-1"]);
    operator.sees(0, &["lock", "--target", "web-2"]);
    let copy = operator.0.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for file in ["audit.ndjson", "checkpoint"] {
        fs::copy(operator.state().join("audit").join(file), copy.join(file)).unwrap();
    }
    fs::copy(operator.state().join("keys/audit.pub"), operator.0.path().join("kept.pub")).unwrap();
    let apart = ["audit", "verify", "--folder", "copy", "--key", "kept.pub"];
    operator.sees(0, &apart);
    append(&copy.join("audit.ndjson"), "{\"torn");
    operator.sees(3, &apart);
    append(&copy.join("audit.ndjson"), "\n");
    assert!(operator.sees(1, &apart).contains("tampered at line 3"));
    operator.sees(0, &["audit", "verify"]);
    operator.sees(0, &["audit", "export", "--output", "out.ndjson"]);
    operator.sees(3, &["audit", "export", "--output", "out.ndjson"]);
}

fn append(path: &Path, text: &str) {
    fs::write(path, fs::read_to_string(path).unwrap() + text).unwrap();
}
