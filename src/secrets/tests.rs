use std::path::Path;

use super::*;

fn exec(script: &str, keep: u64, stale: u64) -> SecretSource {
    let words = ["sh", "-c", script].map(str::to_owned).to_vec();
    let place = SecretPlace::Exec { words, timeout: Duration::from_secs(1) };
    SecretSource { place, keep: Duration::from_secs(keep), stale: Duration::from_secs(stale) }
}

fn counting(dir: &Path, then: &str) -> String {
    format!("echo run >> {0}/runs; sleep 0.1; {then}", dir.display())
}

fn runs(dir: &Path) -> usize {
    std::fs::read_to_string(dir.join("runs")).unwrap_or_default().lines().count()
}

#[tokio::test]
async fn a_program_that_hangs_fails_floods_or_says_nothing_gives_no_secret_and_leaves_nothing_running() {
    let secrets = Secrets::new(None, None);
    let cases = [
        ("sleep 60 & sleep 60; echo planted", "longer than 1 s"),
        ("echo planted; exit 3", "exit status: 3"),
        ("yes planted", "more than 64 KiB"),
        ("true", "is empty"),
        ("printf '\\377planted'", "not UTF-8"),
        ("echo planted; kill -9 $$", "signal: 9"),
    ];
    for (script, why) in cases {
        let error = secrets.get(&exec(script, 0, 0)).await.unwrap_err().to_string();
        assert!(error.contains(why) && error.starts_with("exec sh: ") && !error.contains("planted"), "{script}: {error}");
    }
    let missing = SecretSource {
        place: SecretPlace::Exec { words: vec!["/no/such/program".into()], timeout: Duration::from_secs(1) },
        ..exec("", 0, 0)
    };
    assert!(secrets.get(&missing).await.unwrap_err().to_string().contains("cannot be started"));
}

#[tokio::test]
async fn many_who_ask_at_once_have_it_fetched_once_and_share_a_failure() {
    let (secrets, dir) = (Secrets::new(None, None), tempfile::tempdir().unwrap());
    let source = exec(&counting(dir.path(), "echo s3cret"), 60, 0);
    let all = join_all((0..50).map(|_| secrets.get(&source))).await;
    assert!(all.iter().all(|got| got.as_ref().unwrap().reveal() == "s3cret"));
    assert_eq!(runs(dir.path()), 1);
    let failing = exec(&counting(dir.path(), "exit 1"), 60, 0);
    let all = join_all((0..50).map(|_| secrets.get(&failing))).await;
    assert!(all.iter().all(Result::is_err));
    assert_eq!(runs(dir.path()), 2);
}

#[tokio::test]
async fn an_old_secret_is_given_only_where_its_age_is_allowed() {
    let (secrets, dir) = (Secrets::new(None, None), tempfile::tempdir().unwrap());
    let file = dir.path().join("secret");
    let never = SecretSource::file(&file);
    let for_a_while = SecretSource { stale: Duration::from_secs(60), ..never.clone() };
    std::fs::write(&file, "first\r\n").unwrap();
    for source in [&never, &for_a_while] {
        assert_eq!(secrets.get(source).await.unwrap().reveal(), "first");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(secrets.get(&never).await.unwrap_err().to_string().contains("No such file"));
    assert_eq!(secrets.get(&for_a_while).await.unwrap().reveal(), "first");
    std::fs::write(&file, "second\n").unwrap();
    for source in [&never, &for_a_while] {
        assert_eq!(secrets.get(source).await.unwrap().reveal(), "second");
    }
}

#[tokio::test]
async fn a_secret_that_a_target_refused_is_fetched_again_once() {
    let (secrets, dir) = (Secrets::new(None, None), tempfile::tempdir().unwrap());
    let file = dir.path().join("secret");
    std::fs::write(&file, "first").unwrap();
    let source = exec(&counting(dir.path(), &format!("cat {}", file.display())), 60, 0);
    let shown = secrets.credential(&source).await.unwrap();
    std::fs::write(&file, "second").unwrap();
    assert_eq!(secrets.credential(&source).await.unwrap().secret.reveal(), "first", "it is kept");
    let others = join_all((0..20).map(|_| secrets.other_than(&shown, &source))).await;
    assert!(others.into_iter().all(|other| other.unwrap().unwrap().secret.reveal() == "second"));
    assert_eq!(runs(dir.path()), 2);
    let shown = secrets.credential(&source).await.unwrap();
    assert!(secrets.other_than(&shown, &source).await.unwrap().is_none(), "it was fetched a moment ago");
    assert_eq!(runs(dir.path()), 2);
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_told_at_its_place() {
    let text = "[server]\nname = \"b\"\nstate_dir = \"s\"\n[[issuer]]\nname = \"corp\"\nurl = \"https://idp\"\nclient_id = \"b\"\n\
                client_secret = { env = \"BARTIZAN_NO_SUCH_VARIABLE\" }\n[[notify]]\nname = \"n\"\nurl = \"https://x\"\nsecret = { file = \"/no/such\" }\n";
    let config = Config::parse(Path::new("b.toml"), text).unwrap();
    let problems = Secrets::new(None, None).unreadable(&config).await;
    let told: Vec<_> = problems.iter().map(|p| (p.line, p.key.as_str(), p.what.as_str())).collect();
    assert_eq!((told[0].0, told[0].1), (8, "issuer[0].client_secret"));
    assert_eq!(told[0].2, "the secret cannot be read: env BARTIZAN_NO_SUCH_VARIABLE: is not set");
    assert!(told[1].2.contains("No such file") && problems.iter().all(|p| !p.mend.is_empty()), "{told:?}");
}
