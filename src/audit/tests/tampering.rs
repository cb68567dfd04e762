//! Everything somebody can do to the files without the key, and that `verify` tells it and the writer stops at it.

use super::*;

fn rewrite(state: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let mut lines: Vec<String> = text(state).lines().map(str::to_owned).collect();
    change(&mut lines);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(log_path(state), text).unwrap();
}

/// Makes the chain fit again from line `from` (counted from 0) on, as somebody without the key can.
fn mend(lines: &mut [String], from: usize) {
    let mut hash = [0_u8; 32];
    for (n, line) in lines.iter_mut().enumerate() {
        if n >= from {
            let mut fields: Value = serde_json::from_str(line).unwrap();
            fields["seq"] = (n as u64 + 1).into();
            fields["prev"] = hex::encode(hash).into();
            *line = canonical(&fields);
        }
        hash = Sha256::new().chain_update(hash).chain_update(line.as_bytes()).finalize().into();
    }
}

fn tampered_at(state: &Path) -> u64 {
    match found(state) {
        Finding::Tampered { line, .. } => line,
        other => panic!("not noticed: {other:?}"),
    }
}

fn line_of_tampering(change: impl FnOnce(&mut Vec<String>)) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let state = runtime.block_on(log_of(9));
    rewrite(state.path(), change);
    tampered_at(state.path())
}

#[test]
fn an_edited_line_is_told() {
    assert_eq!(line_of_tampering(|lines| lines[3] = lines[3].replace("corp/alice", "corp/malice")), 5);
    assert_eq!(line_of_tampering(|lines| lines[8] = lines[8].replace("corp/alice", "corp/malice")), 9, "the last line");
    assert_eq!(line_of_tampering(|lines| lines[3] = lines[3].replace("\"entry\"", " \"entry\"")), 4, "only its form");
    assert_eq!(line_of_tampering(|lines| lines[3] = "garbage".into()), 4);
}

#[test]
fn an_edited_line_with_its_chain_made_to_fit_is_told() {
    let edited = |lines: &mut Vec<String>| {
        lines[3] = lines[3].replace("corp/alice", "corp/malice");
        mend(lines, 4);
    };
    assert_eq!(line_of_tampering(edited), 9, "at the line the checkpoint signed");
}

#[test]
fn a_removed_line_is_told() {
    assert_eq!(line_of_tampering(|lines| drop(lines.remove(0))), 1);
    assert_eq!(line_of_tampering(|lines| drop(lines.remove(4))), 5);
    let mended = |lines: &mut Vec<String>| {
        lines.remove(4);
        mend(lines, 4);
    };
    assert_eq!(line_of_tampering(mended), 9);
}

#[test]
fn lines_in_another_order_are_told() {
    assert_eq!(line_of_tampering(|lines| lines.swap(2, 6)), 3);
}

#[test]
fn an_inserted_line_is_told() {
    assert_eq!(line_of_tampering(|lines| lines.insert(3, lines[3].clone())), 5);
    let mended = |lines: &mut Vec<String>| {
        lines.insert(3, lines[3].clone());
        mend(lines, 3);
    };
    assert_eq!(line_of_tampering(mended), 9);
}

#[test]
fn a_piece_of_another_log_is_told() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let other = runtime.block_on(async {
        let state = tempfile::tempdir().unwrap();
        let log = open(state.path()).unwrap();
        for n in 1..=9 {
            log.append(entry(n + 100), at(0)).await.unwrap();
        }
        state
    });
    let theirs: Vec<String> = text(other.path()).lines().map(str::to_owned).collect();
    assert_eq!(line_of_tampering(|lines| lines[4..].clone_from_slice(&theirs[4..])), 5);
}

#[test]
fn a_log_cut_short_is_told() {
    assert_eq!(line_of_tampering(|lines| lines.truncate(8)), 9);
    assert_eq!(line_of_tampering(Vec::clear), 1);
}

#[tokio::test]
async fn a_log_cut_in_the_middle_of_a_line_is_told() {
    let state = log_of(9).await;
    let text = text(state.path());
    fs::write(log_path(state.path()), &text[..text.len() - 10]).unwrap();
    assert_eq!(tampered_at(state.path()), 9);
}

#[tokio::test]
async fn a_log_cut_back_to_the_checkpoint_before_is_not_taken_for_whole() {
    let state = log_of(9).await;
    let path = folder(state.path()).join("checkpoint");
    let whole = fs::read(&path).unwrap();
    rewrite(state.path(), |lines| lines.truncate(8));
    let later = whole.windows(8).position(|bytes| bytes == b"\"seq\":9,").unwrap() / 1024 * 1024;
    let mut spoilt = whole.clone();
    spoilt[later] = b'x';
    fs::write(&path, &spoilt).unwrap();
    assert!(matches!(found(state.path()), Finding::Incomplete { .. }), "{:?}", found(state.path()));
    let mut copied = whole.clone();
    copied.copy_within((1024 - later)..(2048 - later), later);
    fs::write(&path, &copied).unwrap();
    assert!(matches!(found(state.path()), Finding::Incomplete { .. }), "{:?}", found(state.path()));
}

#[tokio::test]
async fn a_checkpoint_that_is_gone_changed_or_by_another_key_is_told() {
    let state = log_of(9).await;
    let other = tempfile::tempdir().unwrap();
    AuditLog::open(other.path(), "one", [8; 32], at(0)).unwrap();
    let finding = verify(&folder(state.path()), &key(other.path())).unwrap().finding;
    assert!(matches!(finding, Finding::Tampered { .. }), "{finding:?}");

    let path = folder(state.path()).join("checkpoint");
    let forged = fs::read_to_string(&path).unwrap().replace("\"seq\":9,", "\"seq\":7,").replace("\"seq\":8,", "\"seq\":7,");
    fs::write(&path, forged).unwrap();
    assert_eq!(tampered_at(state.path()), 1);
    fs::remove_file(&path).unwrap();
    assert_eq!(tampered_at(state.path()), 1);
    assert!(matches!(open(state.path()), Err(AuditError::Tampered { .. })));
    fs::remove_file(&path).unwrap();
    fs::remove_file(log_path(state.path())).unwrap();
    assert!(matches!(found(state.path()), Finding::Incomplete { .. }));
}

#[tokio::test]
async fn a_log_that_is_gone_while_its_checkpoint_stays_is_told() {
    let state = log_of(2).await;
    fs::remove_file(log_path(state.path())).unwrap();
    assert_eq!(tampered_at(state.path()), 1);
    assert!(matches!(open(state.path()), Err(AuditError::Tampered { .. })));
}

#[tokio::test]
async fn lines_added_without_the_key_are_not_taken_for_signed_and_the_next_start_notes_them() {
    let state = log_of(9).await;
    rewrite(state.path(), |lines| {
        lines.push(lines[8].clone());
        mend(lines, 9);
    });
    let report = verify(&folder(state.path()), &key(state.path())).unwrap();
    assert!(matches!(report.finding, Finding::Incomplete { .. }), "{report:?}");
    assert_eq!((report.entries, report.signed), (10, 9));
    drop(open(state.path()).unwrap());
    let (records, _) = last(&folder(state.path()), 1).unwrap();
    assert_eq!(records[0].kind, "audit.recovered");
    assert_eq!(records[0].entry["lines_signed"], 1);
    assert!(records[0].alert);
    assert_eq!(found(state.path()), Finding::Ok);
}

#[tokio::test]
async fn the_writer_refuses_to_start_on_a_log_that_was_cut_or_changed() {
    for change in [|lines: &mut Vec<String>| lines.truncate(8), |lines: &mut Vec<String>| lines[8] = lines[8].replace("alice", "bobby")] {
        let state = log_of(9).await;
        rewrite(state.path(), change);
        let before = text(state.path());
        let error = open(state.path()).unwrap_err();
        assert!(matches!(error, AuditError::Tampered { .. }), "{error}");
        assert_eq!(text(state.path()), before, "evidence was changed");
    }
}

#[tokio::test]
async fn a_running_writer_stops_when_its_log_is_cut_changed_or_moved() {
    type Change = fn(&Path);
    let cut: Change = |state| rewrite(state, |lines| lines.truncate(2));
    let added: Change = |state| rewrite(state, |lines| lines.push("garbage".into()));
    let moved: Change = |state| fs::rename(log_path(state), state.join("elsewhere")).unwrap();
    for change in [cut, added, moved] {
        let state = log_of(0).await;
        let log = open(state.path()).unwrap();
        for n in 1..=5 {
            log.append(entry(n), at(0)).await.unwrap();
        }
        change(state.path());
        for _ in 0..2 {
            let error = log.append(entry(6), at(0)).await.unwrap_err();
            assert!(matches!(error, AuditError::Tampered { .. }), "{error}");
        }
    }
}
