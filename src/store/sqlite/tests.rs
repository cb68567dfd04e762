use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use futures_util::FutureExt;

use super::super::OrderKind;
use super::super::conformance::{Open, at, certificate, id, opening, suite};
use super::*;

async fn with_new_file(test: impl AsyncFnOnce(Open<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    test(&|| Box::new(SqliteStore::open(&path, at(0)).unwrap())).await;
}

suite!(with_new_file);

fn new_file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    (folder, path)
}

#[tokio::test]
async fn the_file_and_its_side_files_are_their_owners_alone() {
    let (folder, path) = new_file();
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let store = SqliteStore::open(&path, at(0)).unwrap();
    store.issue(certificate("corp/alice")).await.unwrap();
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn a_file_that_a_newer_version_wrote_is_refused() {
    let (_folder, path) = new_file();
    drop(connect(&path, at(0)).unwrap());
    Connection::open(&path).unwrap().execute("INSERT INTO migrations VALUES (99, 0)", []).unwrap();
    let error = SqliteStore::open(&path, at(0)).unwrap_err();
    assert_eq!(error, StoreError::Newer { path: path.clone(), found: 99, known: i64::try_from(super::schema::STEPS.len()).unwrap() });
    assert!(error.to_string().contains("install the newer Bartizan"), "{error}");
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_with_what_is_in_it() {
    let (_folder, path) = new_file();
    schema::first_version(&path);
    let old = Connection::open(&path).unwrap();
    let session =
        "INSERT INTO sessions VALUES (1, ?1, 1, 'user', 'corp/alice', '[]', 'web-1', 'ssh', 'deploy', 'shell', '203.0.113.9', NULL,
        'one', 0, 'x', '[]', NULL, NULL, NULL)";
    old.execute(session, [id(1).to_string()]).unwrap();
    old.execute("INSERT INTO orders VALUES (1, ?1, 'local:root', 'maintenance', 0, NULL)", [id(1).to_string()]).unwrap();
    drop(old);
    let store = SqliteStore::open(&path, at(1)).unwrap();
    assert_eq!(store.session(id(1)).await.unwrap().unwrap().frozen, None);
    let orders = store.take_orders("one", at(2)).await.unwrap();
    assert_eq!(orders.iter().map(|order| order.order.kind).collect::<Vec<_>>(), [OrderKind::End]);
}

#[test]
fn another_programs_database_is_refused_untouched() {
    let (_folder, path) = new_file();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(SqliteStore::open(&path, at(0)).unwrap_err(), StoreError::Foreign { path: path.clone() });
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_an_error_that_names_it() {
    let (_folder, path) = new_file();
    std::fs::write(&path, "hello ".repeat(1000)).unwrap();
    assert!(SqliteStore::open(&path, at(0)).unwrap_err().to_string().contains("not a database"));
    let error = SqliteStore::open(&path.join("x"), at(0)).unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
}

#[tokio::test]
async fn opening_again_keeps_what_is_there() {
    let (_folder, path) = new_file();
    SqliteStore::open(&path, at(0)).unwrap().issue(certificate("corp/alice")).await.unwrap();
    let store = SqliteStore::open(&path, at(1)).unwrap();
    assert!(store.certificate(1).await.unwrap().is_some());
}

#[test]
fn two_that_begin_one_file_at_once_both_succeed() {
    for _ in 0..10 {
        let (_folder, path) = new_file();
        std::thread::scope(|scope| {
            let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| SqliteStore::open(&path, at(0)).map(drop))).collect();
            for start in starts {
                start.join().unwrap().unwrap();
            }
        });
    }
}

/// Makes the store's thread wait until the sender goes, so that requests gather behind it.
fn hold_up(store: &SqliteStore) -> (std::sync::mpsc::Sender<()>, Answer<'_, ()>) {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let mut answer = store.0.ask(Access::Read, move |_| {
        let _released = held.recv();
        Ok(())
    });
    assert!((&mut answer).now_or_never().is_none());
    (release, answer)
}

#[tokio::test]
async fn a_request_that_fails_leaves_those_committed_with_it_alone() {
    let (_folder, path) = new_file();
    let store = SqliteStore::open(&path, at(0)).unwrap();
    store.open_session(opening(1, "corp/alice", "web-1")).await.unwrap();
    let (release, held) = hold_up(&store);
    let mut before = store.issue(certificate("corp/alice"));
    let mut fails = store.open_session(opening(1, "corp/alice", "web-1"));
    let mut after = store.open_session(opening(2, "corp/alice", "web-1"));
    assert!((&mut before).now_or_never().is_none());
    assert!((&mut fails).now_or_never().is_none());
    assert!((&mut after).now_or_never().is_none());
    drop(release);
    held.await.unwrap();
    assert_eq!(before.await, Ok(1));
    assert_eq!(fails.await, Err(StoreError::Duplicate(id(1))));
    let lease = after.await.unwrap();
    assert_eq!((lease.number, lease.token), (2, 2), "the failed request used up numbers");
}

#[tokio::test]
async fn a_request_whose_asker_has_gone_is_carried_out_all_the_same() {
    let (_folder, path) = new_file();
    let store = SqliteStore::open(&path, at(0)).unwrap();
    let (release, held) = hold_up(&store);
    let mut gone = store.issue(certificate("corp/alice"));
    assert!((&mut gone).now_or_never().is_none());
    drop(gone);
    drop(release);
    held.await.unwrap();
    assert_eq!(store.issue(certificate("corp/bob")).await, Ok(2));
}

#[tokio::test]
async fn a_lock_that_cannot_be_read_is_an_error_and_not_an_open_door() {
    let (_folder, path) = new_file();
    let store = SqliteStore::open(&path, at(0)).unwrap();
    Connection::open(&path).unwrap().execute("INSERT INTO locks VALUES (1, 'planet', 'mars', '', '', 0, NULL)", []).unwrap();
    assert!(matches!(store.locks(at(0)).await, Err(StoreError::Unavailable(_))));
}

/// Not a test of its own: the body of the processes that the tests below start. Issues certificates until it is killed or has
/// made as many as it was told, and prints each serial once it is acknowledged.
#[tokio::test]
#[ignore = "started by other tests"]
async fn child() {
    let Ok(path) = std::env::var("BARTIZAN_TEST_STORE") else { return };
    let most: usize = std::env::var("BARTIZAN_TEST_COUNT").unwrap().parse().unwrap();
    let store = SqliteStore::open(Path::new(&path), at(0)).unwrap();
    for _ in 0..most {
        match store.issue(certificate("corp/alice")).await {
            Ok(serial) => println!("\nserial {serial}"),
            Err(error) => return println!("\nerror {error}"),
        }
    }
}

fn start_child(path: &Path, count: usize, limit: &str) -> Child {
    let name = format!("{}::child", module_path!().split_once("::").unwrap().1);
    // Who ignores SIGXFSZ gets EFBIG past the limit, as from a full disk.
    let script = format!("trap '' XFSZ; {limit} exec \"$0\" --exact {name} --ignored --nocapture");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(std::env::current_exe().unwrap());
    command.env("BARTIZAN_TEST_STORE", path).env("BARTIZAN_TEST_COUNT", count.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// What the child printed with this word before it, until it ends or has printed `most` of them.
fn printed(child: &mut Child, word: &str, most: usize) -> Vec<String> {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(|line| line.strip_prefix(word).map(|rest| rest.trim().to_owned())).take(most).collect()
}

#[tokio::test]
async fn two_processes_share_one_line_of_serials() {
    let (_folder, path) = new_file();
    let mut children = [start_child(&path, 60, ""), start_child(&path, 60, "")];
    let mut serials: Vec<u64> = children.iter_mut().flat_map(|child| printed(child, "serial", 60)).map(|s| s.parse().unwrap()).collect();
    for mut child in children {
        child.wait().unwrap();
    }
    serials.sort_unstable();
    assert_eq!(serials, (1..=120).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_killed_process_loses_nothing_it_acknowledged() {
    let (_folder, path) = new_file();
    let mut acknowledged = 0;
    for round in 0..8 {
        let mut child = start_child(&path, 1_000_000, "");
        let serials = printed(&mut child, "serial", 3 + round * 7 % 20);
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged = serials.last().unwrap().parse().unwrap();
        let store = SqliteStore::open(&path, at(0)).unwrap();
        assert!(store.certificate(acknowledged).await.unwrap().is_some());
        let listed = store.certificates(CertificateFilter { limit: u32::MAX, ..CertificateFilter::default() }).await.unwrap();
        let serials: Vec<u64> = listed.iter().rev().map(|c| c.serial).collect();
        assert_eq!(serials, (1..=serials.len() as u64).collect::<Vec<_>>(), "serials are not dense");
    }
    assert!(acknowledged > 30);
    let sound: String = Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[tokio::test]
async fn on_a_full_disk_requests_fail_and_what_was_acknowledged_stays() {
    let (_folder, path) = new_file();
    // In units of 512 bytes: room for the tables and some hundred rows in the write-ahead log.
    let mut child = start_child(&path, 1_000_000, "ulimit -f 1000;");
    let output = printed(&mut child, "", usize::MAX);
    child.wait().unwrap();
    let serials: Vec<u64> = output.iter().filter_map(|line| line.strip_prefix("serial ")?.parse().ok()).collect();
    let errors: Vec<_> = output.iter().filter_map(|line| line.strip_prefix("error ")).collect();
    assert!(!serials.is_empty() && errors.len() == 1, "{} serials, errors {errors:?}", serials.len());
    let store = SqliteStore::open(&path, at(0)).unwrap();
    let last = *serials.last().unwrap();
    assert!(store.certificate(last).await.unwrap().is_some());
    assert_eq!(store.issue(certificate("corp/bob")).await, Ok(last + 1));
}
