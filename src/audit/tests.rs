use std::fs;
use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;

mod crashes;
mod tampering;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn open(state_dir: &Path) -> Result<AuditLog, AuditError> {
    AuditLog::open(state_dir, "one", [7; 32], at(0))
}

fn entry(n: u64) -> Entry {
    Entry::LockAdded { lock: n, subject: "user corp/alice".into(), reason: String::new(), by: "local:root".into(), expires_at: None }
}

fn failed_login(user: &str) -> Entry {
    Entry::LoginFailed {
        user: user.into(),
        method: LoginMethod::Device,
        reason: "denied".into(),
        source: "203.0.113.9".parse().unwrap(),
        detail: String::new(),
    }
}

/// A log with `n` entries that nobody holds open; the last was written by itself.
async fn log_of(n: u64) -> tempfile::TempDir {
    let state = tempfile::tempdir().unwrap();
    for part in [1..n, n.max(1)..n + 1] {
        let log = open(state.path()).unwrap();
        for i in part {
            assert_eq!(log.append(entry(i), at(0)).await.unwrap().seq, i);
        }
    }
    state
}

/// Waits until so many entries are on disk and signed.
fn wait_for_signed(state: &Path, count: u64) -> Report {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let report = verify(&folder(state), &key(state)).unwrap();
        if report.signed >= count {
            return report;
        }
        assert!(std::time::Instant::now() < end, "{report:?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn log_path(state: &Path) -> PathBuf {
    log_file(&folder(state))
}

fn text(state: &Path) -> String {
    fs::read_to_string(log_path(state)).unwrap()
}

fn key(state: &Path) -> VerifyingKey {
    read_public_key(&public_key_file(state)).unwrap()
}

fn found(state: &Path) -> Finding {
    verify(&folder(state), &key(state)).unwrap().finding
}

#[tokio::test]
async fn the_chain_is_as_documented() {
    let state = log_of(3).await;
    let mut hash = [0_u8; 32];
    for (n, line) in (1_u64..).zip(text(state.path()).lines()) {
        let fields: Value = serde_json::from_str(line).unwrap();
        assert_eq!(fields["seq"], n);
        assert_eq!(fields["prev"], hex::encode(hash));
        assert_eq!(fields["node"], "one");
        assert_eq!(fields["time"], "2027-01-15T08:00:00.000000Z");
        assert_eq!(fields["entry"]["kind"], "lock.added");
        hash = Sha256::new().chain_update(hash).chain_update(line).finalize().into();
    }
    let report = verify(&folder(state.path()), &key(state.path())).unwrap();
    assert_eq!(report, Report { entries: 3, signed: 3, head: hex::encode(hash), finding: Finding::Ok });
}

#[tokio::test]
async fn a_receipt_names_the_line_that_is_on_disk() {
    let state = tempfile::tempdir().unwrap();
    let log = open(state.path()).unwrap();
    let receipts = futures_util::future::join_all((0..100).map(|n| log.append(entry(n), at(0)))).await;
    let lines: Vec<String> = text(state.path()).lines().map(str::to_owned).collect();
    let mut hash = [0_u8; 32];
    for (n, receipt) in receipts.into_iter().enumerate() {
        let receipt = receipt.unwrap();
        hash = Sha256::new().chain_update(hash).chain_update(&lines[n]).finalize().into();
        assert_eq!(receipt, Receipt { seq: n as u64 + 1, hash });
    }
}

#[tokio::test]
async fn no_text_from_outside_stands_raw_in_the_log() {
    let state = tempfile::tempdir().unwrap();
    let nasty = "a\u{1b}]52;c;x\u{7}\n{\"seq\":9}\u{9b}2J\u{202e}\u{200b}\u{e0001}\u{2028}ü\"\\";
    open(state.path()).unwrap().append(failed_login(nasty), at(0)).await.unwrap();
    let text = text(state.path());
    assert_eq!(text.lines().count(), 1);
    let shown = crate::model::Printable(text.trim_end()).to_string();
    assert_eq!(shown, text.trim_end(), "a character that acts on terminals stands in the log");
    let (records, _) = last(&folder(state.path()), 1).unwrap();
    assert_eq!(records[0].entry["user"], nasty, "the escaping lost something");
    assert_eq!(serde_json::from_value::<Entry>(records[0].entry.clone()).unwrap(), failed_login(nasty));
}

#[test]
fn canonical_json_has_sorted_keys_and_no_spaces() {
    let value: Value = serde_json::from_str("{ \"b\" : [ 1, null, true ], \"a\" : { \"d\" : \"x\\u001b\", \"c\" : -5 } }").unwrap();
    assert_eq!(canonical(&value), r#"{"a":{"c":-5,"d":"x\u001b"},"b":[1,null,true]}"#);
    assert_eq!(canonical(&Value::String("\u{e0001}".into())), r#""\udb40\udc01""#);
    assert_eq!(canonical(&Value::String("say \"a\\b\"\n\u{e9}t\u{e9}\u{7f} end".into())), r#""say \"a\\b\"\nété\u007f end""#);
}

#[test]
fn what_was_written_already_becomes_canonical_without_a_tree() {
    let written = canonical::rewritten;
    let text = r#"{"z":{"b":[],"a":{}},"k":"say \"a\\b\"\b","a":[1,-2.5,null,{"y":true,"x":"\u001b"}]}"#;
    assert_eq!(written(text).unwrap(), r#"{"a":[1,-2.5,null,{"x":"\u001b","y":true}],"k":"say \"a\\b\"\u0008","z":{"a":{},"b":[]}}"#);
    assert_eq!(written(r#"{"b":1,"a":2,"b":{"c":3}}"#).unwrap(), r#"{"a":2,"b":{"c":3}}"#);
    for broken in ["", "{", "[", "[}", "\"", "\"\\", "{\"a\"", "{\"a\":", "{\"a\":1", "[1", "1]", "{1:2}", "{} "] {
        assert_eq!(written(broken), None, "{broken}");
    }
}

proptest::proptest! {
    #[test]
    fn any_json_becomes_canonical_without_a_tree(value in json()) {
        proptest::prop_assert_eq!(canonical::rewritten(&value.to_string()), Some(canonical(&value)));
    }
}

fn json() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf =
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from), ".*".prop_map(Value::from)];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let members = proptest::collection::vec((".*", inner.clone()), 0..6);
        let object = members.prop_map(|members| Value::Object(members.into_iter().collect()));
        prop_oneof![proptest::collection::vec(inner, 0..6).prop_map(Value::from), object]
    })
}

#[tokio::test]
async fn two_that_write_in_turn_keep_one_chain() {
    let state = tempfile::tempdir().unwrap();
    let logs = [open(state.path()).unwrap(), open(state.path()).unwrap()];
    for n in 1..=40 {
        let log = &logs[usize::try_from(n * n % 3 % 2).unwrap()];
        assert_eq!(log.append(entry(n), at(0)).await.unwrap().seq, n);
    }
    assert_eq!(found(state.path()), Finding::Ok);
    drop(logs);
    assert_eq!(open(state.path()).unwrap().append(entry(41), at(0)).await.unwrap().seq, 41);
    assert_eq!(found(state.path()), Finding::Ok);
}

#[tokio::test]
async fn an_entry_that_is_too_long_is_refused_and_those_written_with_it_stand() {
    let state = tempfile::tempdir().unwrap();
    let log = open(state.path()).unwrap();
    let long = "x".repeat(chain::LONGEST);
    let (a, b, c) = tokio::join!(log.append(entry(1), at(0)), log.append(failed_login(&long), at(0)), log.append(entry(2), at(0)));
    assert_eq!((a.unwrap().seq, c.unwrap().seq), (1, 2));
    assert!(matches!(b, Err(AuditError::TooLong { .. })), "{b:?}");
    assert_eq!(found(state.path()), Finding::Ok);
}

#[tokio::test]
async fn what_nobody_waits_for_is_signed_soon_though_nothing_else_comes() {
    let state = tempfile::tempdir().unwrap();
    let log = open(state.path()).unwrap();
    log.append(entry(1), at(0)).await.unwrap();
    log.leave(entry(2), at(0)).unwrap();
    assert_eq!(wait_for_signed(state.path(), 2).finding, Finding::Ok);
    // Much later, when the checkpoint is flushed too.
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    log.leave(entry(3), at(0)).unwrap();
    assert_eq!(wait_for_signed(state.path(), 3).finding, Finding::Ok);
}

#[tokio::test]
async fn entries_stand_in_the_order_in_which_they_were_given_whoever_waits_for_them() {
    let state = tempfile::tempdir().unwrap();
    let log = open(state.path()).unwrap();
    for n in 0..40 {
        log.leave(entry(3 * n), at(0)).unwrap();
        log.append(entry(3 * n + 1), at(0)).await.unwrap();
        log.leave(entry(3 * n + 2), at(0)).unwrap();
    }
    wait_for_signed(state.path(), 120);
    let locks: Vec<u64> =
        text(state.path()).lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["entry"]["lock"].as_u64().unwrap()).collect();
    assert_eq!(locks, (0..120).collect::<Vec<u64>>());
    assert_eq!(found(state.path()), Finding::Ok);
}

#[tokio::test]
async fn what_nobody_waits_for_is_bounded_and_what_is_left_is_written_at_the_end() {
    let state = tempfile::tempdir().unwrap();
    let log = open(state.path()).unwrap();
    let mut left = 0;
    while log.leave(entry(left), at(0)).is_ok() && left < 1_000_000 {
        left += 1;
    }
    assert!(left < 1_000_000, "there is always room");
    drop(log);
    let report = wait_for_signed(state.path(), left);
    assert_eq!((report.entries, report.signed, report.finding), (left, left, Finding::Ok));
}

#[tokio::test]
async fn alerts_are_marked() {
    let state = tempfile::tempdir().unwrap();
    let log = open(state.path()).unwrap();
    let session = crate::model::SessionId::new(1, 1);
    log.append(Entry::RecordingFailed { session, error: "disk full".into() }, at(0)).await.unwrap();
    log.append(entry(1), at(0)).await.unwrap();
    let (records, _) = last(&folder(state.path()), 9).unwrap();
    assert_eq!(records.iter().map(|r| r.alert).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn the_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let state = log_of(1).await;
    let rights = |path: &str| fs::metadata(state.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(rights("audit"), 0o700);
    assert_eq!(rights("audit/audit.ndjson"), 0o600);
    assert_eq!(rights("audit/checkpoint"), 0o600);
    assert_eq!(rights("keys/audit"), 0o600);
}

#[tokio::test]
async fn a_key_that_others_can_read_or_that_is_gone_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let state = log_of(1).await;
    let path = state.path().join("keys/audit");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(open(state.path()).unwrap_err(), AuditError::KeyExposed { path: path.clone() });
    fs::remove_file(&path).unwrap();
    assert_eq!(open(state.path()).unwrap_err(), AuditError::KeyMissing { path: path.clone() });
    assert!(!path.exists(), "a new key was made for an old log");
    assert_eq!(found(state.path()), Finding::Ok, "verifying needs the public key only");
}

#[tokio::test]
async fn the_last_entries_are_shown_and_then_those_that_come() {
    let state = log_of(300).await;
    let seqs = |records: &[Record]| records.iter().map(|r| r.seq).collect::<Vec<_>>();
    for (n, first) in [(0, 301), (1, 300), (7, 294), (299, 2), (300, 1), (9_999, 1)] {
        let (records, _) = last(&folder(state.path()), n).unwrap();
        assert_eq!(seqs(&records), (first..=300).collect::<Vec<u64>>(), "last {n}");
    }
    let (_, mut follow) = last(&folder(state.path()), 1).unwrap();
    assert_eq!(follow.more().unwrap(), []);
    let log = open(state.path()).unwrap();
    log.append(entry(301), at(0)).await.unwrap();
    assert_eq!(seqs(&follow.more().unwrap()), [301]);
    // A line that is still being written is shown once it is whole.
    let whole = text(state.path()).lines().last().unwrap().to_owned() + "\n";
    let (half, rest) = whole.split_at(50);
    let append = |part: &str| fs::write(log_path(state.path()), text(state.path()) + part).unwrap();
    append(half);
    assert_eq!(follow.more().unwrap(), []);
    append(rest);
    assert_eq!(follow.more().unwrap().len(), 1);
}

#[tokio::test]
async fn a_filter_takes_what_fits_all_of_it() {
    let state = tempfile::tempdir().unwrap();
    let log = open(state.path()).unwrap();
    let ok = Entry::LoginSucceeded {
        principal: "corp/alice".parse().unwrap(),
        principal_kind: crate::model::PrincipalKind::User,
        method: LoginMethod::Certificate,
        issuer: "corp".into(),
        source: "203.0.113.9".parse().unwrap(),
        key_fingerprint: None,
    };
    for (second, entry) in [(0, entry(1)), (10, ok), (20, failed_login("x"))] {
        log.append(entry, at(second)).await.unwrap();
    }
    let all = RecordFilter::default;
    let takes = |filter: RecordFilter| {
        let records = Records::open(&folder(state.path())).unwrap().map(Result::unwrap);
        records.filter(|record| filter.takes(record)).map(|record| record.seq).collect::<Vec<_>>()
    };
    assert_eq!(takes(all()), [1, 2, 3]);
    assert_eq!(takes(RecordFilter { kind: Some("login".into()), ..all() }), [2, 3]);
    assert_eq!(takes(RecordFilter { kind: Some("login.failed".into()), ..all() }), [3]);
    assert_eq!(takes(RecordFilter { kind: Some("log".into()), ..all() }), Vec::<u64>::new());
    assert_eq!(takes(RecordFilter { principal: Some("corp/alice".into()), ..all() }), [2]);
    assert_eq!(takes(RecordFilter { principal: Some("local:root".into()), ..all() }), [1]);
    assert_eq!(takes(RecordFilter { since: Some(at(10)), until: Some(at(20)), ..all() }), [2]);
}

#[test]
fn a_decision_written_before_groups_and_facts_were_kept_is_still_read() {
    let old = r#"{"action":"ssh.exec","kind":"decision","login":"deploy","operation":"exec id","policies":["p"],"principal":"corp/alice","principal_kind":"user","reason":"","session":null,"source":"192.0.2.1","target":"web-1","verdict":"allow"}"#;
    let Entry::Decision { groups, facts, .. } = serde_json::from_str(old).unwrap() else { panic!("it is a decision") };
    assert_eq!((groups, facts), (Vec::new(), None));
}

#[test]
fn what_policy_was_told_is_read_back_as_it_was_written() {
    let about = [
        About::Nothing,
        About::Command {
            text: "id -u".into(),
            words: vec!["id".into(), "-u".into()],
            redirects: vec![">/tmp/x".into()],
            environment: vec!["A".into()],
            patterns: true,
        },
        About::File { path: Some("/a".into()), to: Some("/b".into()), recursive: true },
        About::Key { fingerprint: "SHA256:x".into(), algorithm: "ssh-ed25519".into(), bits: 256 },
        About::Http {
            method: "POST".into(),
            path: "/v1/refunds".into(),
            query: "page=2".into(),
            content_type: Some("application/json".into()),
            headers: vec!["x-tenant: shop".into()],
            size: Some(17),
            body: false,
        },
        About::Api {
            request: Box::new(ApiRequest {
                verb: "create".into(),
                group: "apps".into(),
                version: "v1".into(),
                resource: "deployments".into(),
                namespace: Some("shop".into()),
                name: Some("web".into()),
                subresource: Some("scale".into()),
                container: Some("app".into()),
                dry_run: true,
            }),
            runs: Some(Box::new(About::Nothing)),
        },
        About::Path { verb: "get".into(), path: "/healthz".into() },
        About::Sql {
            statement: "delete".into(),
            has_where: true,
            in_transaction: true,
            setting: Some("work_mem".into()),
            estimated_rows: Some(7),
            on: Box::new(DbObject::Column(["orders", "public", "refunds", "id"].map(String::from))),
        },
        About::Unkept,
    ];
    for about in about {
        let facts = Facts { authenticated_at: Timestamp::UNIX_EPOCH, device_bound: true, reason: Some("why".into()), about };
        let line = canonical(&serde_json::to_value(&facts).unwrap());
        assert_eq!(serde_json::from_str::<Facts>(&line).unwrap(), facts, "{line}");
    }
}
