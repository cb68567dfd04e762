use std::path::Path;
use std::sync::Arc;

use bartizan_recorder::tlog::{Leaf, LogError, LogFiles, LoggedSessions};
use jiff::Timestamp;

use super::*;
use crate::audit::{self, AuditError, AuditLog, Entry};
use crate::model::SessionId;

fn beginning() -> Beginning {
    Beginning { name: "bastion.test".into(), seed: [5; 32], session: 1 }
}

fn audit_log(state: &Path) -> AuditLog {
    AuditLog::open(state, "one", [7; 32], Timestamp::UNIX_EPOCH).unwrap()
}

fn session() -> SessionId {
    "01JD0000000000000000000001".parse().unwrap()
}

fn opened(number: u64) -> Entry {
    Entry::SessionOpened {
        session: session(),
        number,
        principal: "corp/alice@example.test".parse().unwrap(),
        target: "web-1".parse().unwrap(),
        login: None,
        wish: "shell".into(),
        source: "192.0.2.7".parse().unwrap(),
        head: Some("11".repeat(32)),
    }
}

fn lock(lock: u64) -> Entry {
    Entry::LockRemoved { lock, subject: "user corp/alice".into(), by: "local:root".into() }
}

async fn write(log: &AuditLog, entries: impl IntoIterator<Item = Entry>) {
    for entry in entries {
        log.append(entry, Timestamp::UNIX_EPOCH).await.unwrap();
    }
}

/// All leaves of the log on disk, compared with its tiles and its checkpoint.
fn leaves(state: &Path) -> Vec<Leaf> {
    let key = read_public_key(&public_key_file(state)).unwrap();
    let (_, checkpoint) = LogFiles::checkpoint(&folder(state), &key).unwrap().unwrap();
    let mut leaves = Vec::new();
    let files = LogFiles::new(&folder(state), checkpoint.size);
    files.scan(&checkpoint.root, &mut |_, leaf| leaves.push(Leaf::read(leaf).unwrap())).unwrap();
    leaves
}

fn entries(leaves: &[Leaf]) -> Vec<u64> {
    leaves.iter().filter_map(|leaf| if let Leaf::Audit { seq, .. } = leaf { Some(*seq) } else { None }).collect()
}

#[tokio::test]
async fn sessions_have_leaves_by_their_numbers_and_nothing_that_names_anybody() {
    let state = tempfile::tempdir().unwrap();
    let log = audit_log(state.path());
    let seal = Some("22".repeat(32));
    let ended = Entry::RecordingRecovered { session: session(), bytes_cut: 0, detail: String::new(), number: Some(1), seal: seal.clone() };
    let void = Entry::SessionVoid { session: session(), number: 2, reason: "disk full".into(), seal };
    let deleted = Entry::RecordingDeleted { session: session(), number: 1, reason: "kept 90 days".into(), by: "local:root".into() };
    write(&log, [opened(1), ended, void, deleted, lock(1)]).await;
    Keeper::open(state.path(), &beginning()).unwrap().advance(&[Leaf::Commit { number: 1, bytes: 9, chain: [3; 32] }]).unwrap();
    let leaves = leaves(state.path());
    let kinds: Vec<String> = leaves.iter().map(|leaf| leaf.to_string().split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "begin bartizan-log/1",
        "commit 1",
        "audit 1",
        "opened 1",
        "audit 2",
        "closed 1",
        "audit 3",
        "void 2",
        "closed 2",
        "audit 4",
        "deleted 1",
        "audit 5",
    ];
    assert_eq!(kinds, expected);
    let mut sessions = LoggedSessions::default();
    (0..).zip(&leaves).for_each(|(index, leaf)| sessions.take(index, leaf));
    assert_eq!(sessions.faults(), Vec::<String>::new());
    for leaf in &leaves {
        let text = leaf.to_string();
        assert!(!["alice", "web-1", "192.0.2", "root", "disk"].iter().any(|name| text.contains(name)), "{text}");
    }
}

#[tokio::test]
async fn what_a_crash_kept_out_of_the_log_is_put_in_by_the_next_start() {
    let state = tempfile::tempdir().unwrap();
    let log = audit_log(state.path());
    let mut expected = 0;
    for round in 1..=12_u64 {
        let count = round * 37 % 90;
        write(&log, (0..count).map(lock)).await;
        expected += count;
        let mut keeper = Keeper::open(state.path(), &beginning()).unwrap();
        assert_eq!(keeper.entries(), expected - count, "what was there before is not put in twice");
        keeper.advance(&[]).unwrap();
        // A crash in the middle of an append: tiles are there, their checkpoint is not.
        let checkpoint = folder(state.path()).join("checkpoint");
        let before = std::fs::read(&checkpoint).unwrap();
        write(&log, [lock(0), opened(round)]).await;
        keeper.advance(&[]).unwrap();
        drop(keeper);
        if round % 2 == 0 {
            std::fs::write(&checkpoint, before).unwrap();
        }
        Keeper::open(state.path(), &beginning()).unwrap().advance(&[]).unwrap();
        expected += 2;
        let leaves = leaves(state.path());
        assert_eq!(entries(&leaves), (1..=expected).collect::<Vec<_>>(), "round {round}");
    }
}

#[tokio::test]
async fn an_audit_log_that_was_put_back_behind_the_log_is_not_followed() {
    let state = tempfile::tempdir().unwrap();
    let log = audit_log(state.path());
    write(&log, (0..20).map(lock)).await;
    let folder = audit::folder(state.path());
    let old: Vec<_> = ["audit.ndjson", "checkpoint"].map(|name| (folder.join(name), std::fs::read(folder.join(name)).unwrap())).into();
    write(&log, (0..5).map(lock)).await;
    Keeper::open(state.path(), &beginning()).unwrap().advance(&[]).unwrap();
    drop(log);
    for (path, bytes) in old {
        std::fs::write(path, bytes).unwrap();
    }
    let refused = Keeper::open(state.path(), &beginning()).unwrap_err();
    assert!(matches!(&refused, LedgerError::Audit(AuditError::Tampered { .. })), "{refused}");
    assert!(refused.to_string().contains("entry 25"), "{refused}");
}

#[tokio::test]
async fn the_log_keeps_its_name_and_key_when_the_bastion_is_renamed() {
    let state = tempfile::tempdir().unwrap();
    write(&audit_log(state.path()), [lock(1)]).await;
    let key = Keeper::open(state.path(), &beginning()).unwrap().public_key().unwrap();
    assert_eq!(key.name(), "bastion.test/log");
    let renamed = Beginning { name: "other".into(), seed: [6; 32], session: 9 };
    let mut keeper = Keeper::open(state.path(), &renamed).unwrap();
    assert_eq!(keeper.public_key().unwrap(), key);
    assert!(matches!(Keeper::open(state.path(), &renamed), Err(LedgerError::Log { error: LogError::InUse, .. })));
    assert!(!catch_up(state.path(), &renamed).unwrap(), "who has it open does it");
    keeper.advance(&[]).unwrap();
    drop(keeper);
    assert!(catch_up(state.path(), &renamed).unwrap());
    assert_eq!(leaves(state.path())[0], Leaf::Begin { session: 1 });
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_begin_the_log_at_once_begin_one() {
    for _ in 0..10 {
        let state = tempfile::tempdir().unwrap();
        write(&audit_log(state.path()), [lock(1)]).await;
        let begin = |n: u8| {
            let (path, beginning) = (state.path().to_owned(), Beginning { seed: [n; 32], ..beginning() });
            std::thread::spawn(move || catch_up(&path, &beginning).unwrap())
        };
        let threads: Vec<_> = (1..=4).map(begin).collect();
        let done = threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>();
        assert!(done.contains(&true), "nobody did it");
        assert_eq!(entries(&leaves(state.path())), [1]);
    }
}

#[tokio::test]
async fn a_log_whose_checkpoint_is_gone_is_not_begun_anew() {
    let state = tempfile::tempdir().unwrap();
    write(&audit_log(state.path()), [lock(1)]).await;
    Keeper::open(state.path(), &beginning()).unwrap().advance(&[]).unwrap();
    std::fs::remove_file(folder(state.path()).join("checkpoint")).unwrap();
    let refused = Keeper::open(state.path(), &beginning()).unwrap_err();
    assert!(matches!(refused, LedgerError::Log { error: LogError::Damaged, .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_answered_when_the_leaf_is_in_the_log_and_many_share_one_append() {
    let state = tempfile::tempdir().unwrap();
    let log = Arc::new(audit_log(state.path()));
    write(&log, [lock(0)]).await;
    let (ledger, scribe) = Scribe::open(state.path().to_owned(), beginning()).unwrap();
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::spawn(move || scribe.run(&runtime));
    let waiting = (0..100).map(|n| {
        let (log, ledger) = (Arc::clone(&log), ledger.clone());
        tokio::spawn(async move {
            let receipt = log.append(opened(n), Timestamp::UNIX_EPOCH).await.unwrap();
            ledger.holds(&receipt).await.unwrap();
            receipt
        })
    });
    let waiting: Vec<_> = waiting.collect();
    for task in waiting {
        let receipt = task.await.unwrap();
        let wanted = Leaf::Audit { seq: receipt.seq, hash: receipt.hash };
        assert!(leaves(state.path()).contains(&wanted), "{wanted}");
    }
    ledger.commits(vec![Leaf::Commit { number: 3, bytes: 1, chain: [0; 32] }]);
    drop(ledger);
    thread.join().unwrap();
    let leaves = leaves(state.path());
    assert_eq!(entries(&leaves), (1..=101).collect::<Vec<_>>());
    assert!(leaves.contains(&Leaf::Commit { number: 3, bytes: 1, chain: [0; 32] }), "the last words are written at the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_log_cannot_be_written_who_waits_is_refused_and_later_nothing_is_missing() {
    let state = tempfile::tempdir().unwrap();
    let log = audit_log(state.path());
    write(&log, [lock(0)]).await;
    let (ledger, scribe) = Scribe::open(state.path().to_owned(), beginning()).unwrap();
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::spawn(move || scribe.run(&runtime));
    // Where a folder should be there is a file: even root cannot write there.
    let tiles = folder(state.path()).join("tile");
    std::fs::rename(&tiles, state.path().join("aside")).unwrap();
    std::fs::write(&tiles, "").unwrap();
    let receipt = log.append(opened(1), Timestamp::UNIX_EPOCH).await.unwrap();
    assert!(matches!(ledger.holds(&receipt).await, Err(LedgerError::Unwritten(_))));
    std::fs::remove_file(&tiles).unwrap();
    std::fs::rename(state.path().join("aside"), &tiles).unwrap();
    ledger.holds(&receipt).await.unwrap();
    drop(ledger);
    thread.join().unwrap();
    assert_eq!(entries(&leaves(state.path())), [1, 2]);
}
