//! Kills, torn lines and full disks: nothing acknowledged is lost, nothing is acknowledged that is not on disk.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::*;

#[tokio::test]
async fn a_torn_last_line_is_cut_at_start_and_noted() {
    let state = log_of(3).await;
    let whole = text(state.path());
    let mut file = fs::OpenOptions::new().append(true).open(log_path(state.path())).unwrap();
    file.write_all(b"{\"entry\":{\"ki").unwrap();
    assert!(matches!(found(state.path()), Finding::Incomplete { .. }));
    let log = open(state.path()).unwrap();
    assert!(text(state.path()).starts_with(&whole));
    let (records, _) = last(&folder(state.path()), 1).unwrap();
    assert_eq!((records[0].seq, records[0].kind.as_str()), (4, "audit.recovered"));
    assert_eq!(records[0].entry["bytes_cut"], 13);
    assert_eq!(log.append(entry(5), at(0)).await.unwrap().seq, 5);
    assert_eq!(found(state.path()), Finding::Ok);
}

#[tokio::test]
async fn what_another_process_left_torn_is_cut_by_the_next_that_writes() {
    let state = tempfile::tempdir().unwrap();
    let log = open(state.path()).unwrap();
    log.append(entry(1), at(0)).await.unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(log_path(state.path())).unwrap();
    file.write_all(b"{\"torn").unwrap();
    assert_eq!(log.append(entry(2), at(0)).await.unwrap().seq, 3, "a note comes before it");
    assert_eq!(found(state.path()), Finding::Ok);
}

#[tokio::test]
async fn a_spoilt_checkpoint_is_noted_and_made_good_at_start() {
    let state = log_of(9).await;
    let path = folder(state.path()).join("checkpoint");
    let mut bytes = fs::read(&path).unwrap();
    let later = bytes.windows(8).position(|bytes| bytes == b"\"seq\":9,").unwrap() / 1024 * 1024;
    bytes[later..later + 512].fill(0);
    fs::write(&path, bytes).unwrap();
    let log = open(state.path()).unwrap();
    let (records, _) = last(&folder(state.path()), 1).unwrap();
    assert_eq!(records[0].entry["lines_signed"], 1);
    assert_eq!(records[0].entry["checkpoint_spoilt"], true);
    assert_eq!(found(state.path()), Finding::Ok);
    log.append(entry(1), at(0)).await.unwrap();
    assert_eq!(found(state.path()), Finding::Ok);
}

#[test]
fn a_start_that_was_cut_short_before_the_first_line_is_made_good() {
    let state = tempfile::tempdir().unwrap();
    drop(open(state.path()).unwrap());
    fs::write(folder(state.path()).join("checkpoint"), "").unwrap();
    drop(open(state.path()).unwrap());
    assert_eq!(found(state.path()), Finding::Ok);
}

#[tokio::test]
async fn a_process_that_keeps_the_lock_makes_appending_fail_and_not_hang() {
    let state = log_of(1).await;
    let log = open(state.path()).unwrap();
    let other = fs::File::open(log_path(state.path())).unwrap();
    rustix::fs::flock(&other, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let error = log.append(entry(2), at(0)).await.unwrap_err();
    assert!(error.to_string().contains("another process holds its lock"), "{error}");
    drop(other);
    assert_eq!(log.append(entry(2), at(0)).await.unwrap().seq, 2);
}

/// Not a test of its own: the body of the processes that the tests below start. Appends until it is killed or has written as
/// many as it was told, and prints each number once it is acknowledged.
#[tokio::test]
#[ignore = "started by other tests"]
async fn child() {
    let Ok(state) = std::env::var("BARTIZAN_TEST_AUDIT") else { return };
    let most: u64 = std::env::var("BARTIZAN_TEST_COUNT").unwrap().parse().unwrap();
    let log = open(Path::new(&state)).unwrap();
    for n in 0..most {
        let (one, two) = tokio::join!(log.append(entry(n), at(0)), log.append(entry(n), at(0)));
        for receipt in [one, two] {
            match receipt {
                Ok(receipt) => println!("\nseq {}", receipt.seq),
                Err(error) => return println!("\nerror {error}"),
            }
        }
    }
}

fn start_child(state: &Path, count: u64, limit: &str) -> Child {
    let name = format!("{}::child", module_path!().split_once("::").unwrap().1);
    // Who ignores SIGXFSZ gets EFBIG past the limit, as from a full disk.
    let script = format!("trap '' XFSZ; {limit} exec \"$0\" --exact {name} --ignored --nocapture");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(std::env::current_exe().unwrap());
    command.env("BARTIZAN_TEST_AUDIT", state).env("BARTIZAN_TEST_COUNT", count.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn printed(child: &mut Child, word: &str, most: usize) -> Vec<String> {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(|line| line.strip_prefix(word).map(|rest| rest.trim().to_owned())).take(most).collect()
}

#[tokio::test]
async fn processes_that_write_at_once_keep_one_chain() {
    let state = tempfile::tempdir().unwrap();
    let mut children: Vec<Child> = (0..3).map(|_| start_child(state.path(), 25, "")).collect();
    let mut seqs: Vec<u64> = children.iter_mut().flat_map(|child| printed(child, "seq ", 50)).map(|s| s.parse().unwrap()).collect();
    for mut child in children {
        child.wait().unwrap();
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=150).collect::<Vec<u64>>());
    assert_eq!(found(state.path()), Finding::Ok);
}

#[tokio::test]
async fn a_killed_process_loses_nothing_it_acknowledged_and_the_next_start_makes_the_log_good() {
    let state = tempfile::tempdir().unwrap();
    let running = open(state.path()).unwrap();
    for round in 0..8 {
        let mut child = start_child(state.path(), u64::MAX, "");
        let acknowledged = printed(&mut child, "seq ", 3 + round * 7 % 20);
        child.kill().unwrap();
        child.wait().unwrap();
        let report = verify(&folder(state.path()), &key(state.path())).unwrap();
        assert!(!matches!(report.finding, Finding::Tampered { .. }), "{report:?}");
        assert!(report.entries >= acknowledged.last().unwrap().parse().unwrap());
        // In turn, a process that went on running and one that starts.
        let log = if round % 2 == 0 { open(state.path()).unwrap() } else { running.clone() };
        log.append(entry(0), at(0)).await.unwrap();
        assert_eq!(found(state.path()), Finding::Ok);
    }
}

#[tokio::test]
async fn on_a_full_disk_appending_fails_and_the_log_stays_whole() {
    let state = tempfile::tempdir().unwrap();
    // In units of 512 bytes: 16 KiB.
    let mut child = start_child(state.path(), u64::MAX, "ulimit -f 32;");
    let output = printed(&mut child, "", usize::MAX);
    child.wait().unwrap();
    let seqs: Vec<u64> = output.iter().filter_map(|line| line.strip_prefix("seq ")?.parse().ok()).collect();
    let errors: Vec<_> = output.iter().filter_map(|line| line.strip_prefix("error ")).collect();
    assert!(seqs.len() > 10 && errors.len() == 1 && errors[0].contains("cannot be written"), "{} entries, errors {errors:?}", seqs.len());
    let report = verify(&folder(state.path()), &key(state.path())).unwrap();
    assert_eq!((report.finding, report.entries), (Finding::Ok, *seqs.last().unwrap()), "part of a group that failed was kept");
    assert_eq!(open(state.path()).unwrap().append(entry(0), at(0)).await.unwrap().seq, report.entries + 1);
}
