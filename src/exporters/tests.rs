use std::sync::Mutex;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::audit::{AuditLog, Entry};
use crate::config::{Syslog, SyslogBy};
use crate::model::FixedClock;

async fn log(state: &Path, from: u64, to: u64) -> AuditLog {
    let log = AuditLog::open(state, "node one", [7; 32], Timestamp::UNIX_EPOCH).unwrap();
    for n in from..to {
        let entry = Entry::LockRemoved { lock: n, subject: "user corp/\"a]\\".into(), by: "local:root".into() };
        log.append(entry, Timestamp::UNIX_EPOCH).await.unwrap();
    }
    log
}

fn exporter(state: &Path, to: ExportTo) -> Exporter {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::at(Timestamp::UNIX_EPOCH));
    Exporter::new(&AuditExport { name: "x".into(), to }, state, "bastion", &Secrets::new(None, None), &clock)
}

async fn all(exporter: &mut Exporter) -> Result<(), String> {
    let mut tail = None;
    while exporter.round(&mut tail).await? {}
    Ok(())
}

fn numbers(file: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_file_gets_each_entry_from_where_it_was_and_a_torn_line_is_written_again() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("out.ndjson");
    drop(log(state.path(), 0, 150).await);
    all(&mut exporter(state.path(), ExportTo::File(file.clone()))).await.unwrap();
    assert_eq!(numbers(&file), (1..=150).collect::<Vec<_>>());
    drop(log(state.path(), 150, 160).await);
    // A crash in the middle of a line, before the place was kept.
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{whole}{{\"entry\":{{")).unwrap();
    all(&mut exporter(state.path(), ExportTo::File(file.clone()))).await.unwrap();
    assert_eq!(numbers(&file), (1..=160).collect::<Vec<_>>());
    std::fs::rename(&file, state.path().join("rotated")).unwrap();
    drop(log(state.path(), 160, 161).await);
    all(&mut exporter(state.path(), ExportTo::File(file.clone()))).await.unwrap();
    assert_eq!(numbers(&file), [161]);
}

#[tokio::test]
async fn a_place_that_is_not_in_the_log_is_told_and_nothing_is_sent() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("out.ndjson");
    drop(log(state.path(), 0, 5).await);
    for (text, why) in [
        (format!("9 {}\n", "00".repeat(32)), "entry 9 is not the one that it was"),
        (format!("3 {}\n", "00".repeat(32)), "entry 3 is not the one that it was"),
        ("3".to_owned(), "is not the place of an exporter"),
    ] {
        std::fs::create_dir_all(state.path().join("exports")).unwrap();
        std::fs::write(state.path().join("exports/x"), text).unwrap();
        let told = all(&mut exporter(state.path(), ExportTo::File(file.clone()))).await.unwrap_err();
        assert!(told.contains(why), "{told}");
        assert!(!file.exists());
    }
}

#[tokio::test]
async fn a_message_has_the_form_of_the_standard() {
    let state = tempfile::tempdir().unwrap();
    drop(log(state.path(), 0, 1).await);
    let key = audit::read_public_key(&audit::public_key_file(state.path())).unwrap();
    let lines = Tail::after(&audit::folder(state.path()), key, 0, [0; 32]).unwrap().more(9).unwrap();
    let text = syslog::message(10, &lines[0]);
    let hash = hex::encode(lines[0].hash);
    let start = format!(
        "<86>1 1970-01-01T00:00:00.000000Z node_one bartizan - lock.removed [bartizan@32473 seq=\"1\" hash=\"{hash}\" by=\"local:root\" \
         subject=\"user corp/\\\"a\\]\\\\\"] {{\""
    );
    assert!(text.starts_with(&start), "{text}\n{start}");
}

/// A server that reads everything of the connections that it takes, and ends some of them in the middle.
async fn flaky(taken: Arc<Mutex<Vec<u8>>>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        for turn in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            if turn % 2 == 0 {
                // Killed with something unread: the other side hears of it by a reset.
                let mut some = [0; 100];
                stream.read_exact(&mut some).await.unwrap();
                continue;
            }
            stream.read_to_end(&mut bytes).await.unwrap();
            taken.lock().unwrap().extend(bytes);
            stream.shutdown().await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn a_stream_counts_as_taken_only_when_the_server_has_read_it_to_its_end() {
    let state = tempfile::tempdir().unwrap();
    drop(log(state.path(), 0, 200).await);
    let taken = Arc::default();
    let by = SyslogBy::Tcp(flaky(Arc::clone(&taken)).await);
    let mut exporter = exporter(state.path(), ExportTo::Syslog(Syslog { by, ca: None, facility: 10 }));
    let mut failures = 0;
    while let Err(why) = all(&mut exporter).await {
        assert!(why.contains("in order") || why.contains("reset") || why.contains("pipe"), "{why}");
        failures += 1;
    }
    assert!(failures > 0);
    let bytes = taken.lock().unwrap().clone();
    let mut rest = bytes.as_slice();
    let mut seen = Vec::new();
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&rest[..space]).unwrap().parse().unwrap();
        let message = std::str::from_utf8(&rest[space + 1..space + 1 + length]).unwrap();
        seen.push(message.split("seq=\"").nth(1).unwrap().split('"').next().unwrap().parse::<u64>().unwrap());
        rest = &rest[space + 1 + length..];
    }
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
}
