//! Rotations that end in the middle.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

const STATE: &str = "BARTIZAN_TEST_ROTATES_FOR_EVER_IN";

/// Not a test: the program that `a_rotation_killed_at_any_point…` kills. Prints a line per rotation.
#[tokio::test]
#[ignore = "the victim of a_rotation_killed_at_any_point_leaves_an_authority_that_works"]
async fn rotates_for_ever() {
    let state = PathBuf::from(std::env::var(STATE).unwrap());
    loop {
        rotate_user(&state, DAY, noon()).await;
        println!("rotated");
    }
}

#[tokio::test]
async fn a_rotation_killed_at_any_point_leaves_an_authority_that_works() {
    let state = tempfile::tempdir().unwrap();
    let mut certs = vec![issue(&open(state.path()).await, noon(), DAY).await.unwrap()];
    for round in 0..20_u64 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "identity::authority::tests::crash::rotates_for_ever", "--nocapture"])
            .env(STATE, state.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.take_while(|line| !line.contains("rotated")).count() < 100);
        std::thread::sleep(Duration::from_micros(rand::random_range(0..20_000) + round));
        victim.kill().unwrap();
        victim.wait().unwrap();

        let authorities = open(state.path()).await;
        certs.push(issue(&authorities, noon(), DAY).await.unwrap());
        let trusted = authorities.public_keys(AuthorityKind::User, noon());
        for cert in &certs {
            assert!(
                check(cert, &trusted, [192, 0, 2, 1].into(), noon()).is_ok(),
                "round {round}: a certificate in its overlap is not believed"
            );
        }
        assert!(!state.path().join("ca/user.new").exists() && !state.path().join("ca/user.gone").exists());
        assert_eq!(mode(&state.path().join("ca/user")), 0o600);
    }
}

/// The same, one by one: every state of the folder that the steps of a rotation pass through.
#[tokio::test]
async fn each_step_of_a_rotation_can_be_the_last() {
    let (before, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cert = issue(&open(before.path()).await, noon(), DAY).await.unwrap();
    copy(before.path(), after.path());
    let keys = rotate_user(after.path(), DAY, noon()).await;
    let new_key = fs::read(after.path().join("ca/user")).unwrap();
    let record = fs::read(record_path(after.path())).unwrap();

    let step = |extra: &[(&str, &[u8])]| {
        let state = tempfile::tempdir().unwrap();
        copy(before.path(), state.path());
        for (name, content) in extra {
            fs::write(state.path().join("ca").join(name), content).unwrap();
            fs::set_permissions(state.path().join("ca").join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        state
    };
    let old_key = fs::read(before.path().join("ca/user")).unwrap();
    let old_pub = fs::read(after.path().join("ca/user.old-1.pub")).unwrap();
    let unrecorded: [&[(&str, &[u8])]; 3] = [
        &[("user.new.tmp", &new_key[..50])],
        &[("user.new", &new_key)],
        &[("user.new", &new_key), ("user.old-1.pub", &old_pub), ("authorities.json.tmp", &record[..9])],
    ];
    let recorded: [&[(&str, &[u8])]; 4] = [
        &[("user.new", &new_key), ("authorities.json", &record)],
        &[("user.new", &new_key), ("user.gone", &old_key), ("authorities.json", &record)],
        &[("user", &new_key), ("user.gone", &old_key), ("authorities.json", &record)],
        &[("user", &new_key), ("waste", &[0; 99]), ("authorities.json", &record)],
    ];
    for (files, trusted) in unrecorded.into_iter().map(|f| (f, 1)).chain(recorded.into_iter().map(|f| (f, 2))) {
        let state = step(files);
        let authorities = open(state.path()).await;
        let found = authorities.public_keys(AuthorityKind::User, noon());
        assert_eq!(found.len(), trusted);
        assert_eq!(found[0] == keys.current, trusted == 2);
        assert!(check(&cert, &found, [192, 0, 2, 1].into(), noon()).is_ok());
        let again = issue(&authorities, noon(), DAY).await.unwrap();
        assert!(check(&again, &found, [192, 0, 2, 1].into(), noon()).is_ok());
        let names: Vec<_> = fs::read_dir(state.path().join("ca")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        assert!(!names.iter().any(|n| ["user.new", "user.gone", "user.new.tmp", "waste"].contains(&n.as_str())), "{names:?}");
    }
}

#[tokio::test]
async fn the_current_key_is_not_destroyed_for_its_second_name() {
    let state = tempfile::tempdir().unwrap();
    let before = open(state.path()).await.public_keys(AuthorityKind::User, noon());
    fs::hard_link(state.path().join("ca/user"), state.path().join("ca/user.gone")).unwrap();
    assert_eq!(open(state.path()).await.public_keys(AuthorityKind::User, noon()), before);
    assert!(!state.path().join("ca/user.gone").exists());
    assert!(issue(&open(state.path()).await, noon(), DAY).await.is_ok());
}

#[tokio::test]
async fn a_rotation_in_another_process_is_waited_for_and_then_told() {
    let state = tempfile::tempdir().unwrap();
    let daemon = open(state.path()).await;
    let lock = fs::File::open(state.path().join("ca/lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(daemon.reload(), Err(AuthorityError::Busy)));
    drop(lock);
    daemon.reload().unwrap();
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from.join("ca")).arg(to).status().unwrap();
    assert!(done.success());
}
