//! Recordings and the audit log go to a real object store while they are written, whatever happens on the way; nothing here is
//! removed before it was read back.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::evidence::{files, ids};
use crate::harness::{Fault, Faulty, Guarded, ObjectStore, SECRET, Setup, Visitor, WAYS, Way, World, wait_until, wait_until_within};
use crate::recordings_far_away::bartizan;
use crate::retention::old;

/// A bastion whose recordings go through `Faulty` to a store.
struct Away {
    world: World,
    store: ObjectStore,
    faulty: Faulty,
    alice: Visitor,
    _folder: tempfile::TempDir,
}

impl Away {
    fn start() -> Self {
        Self::with("")
    }

    /// With further lines of `[recordings]`.
    fn with(lines: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("bartizan-objects-").tempdir().unwrap();
        let store = ObjectStore::start(folder.path());
        let faulty = Faulty::before(store.port);
        let world = World::with(Setup { more: ObjectStore::section(faulty.port) + lines, ..Setup::default() });
        let alice = world.visitor("alice");
        Self { world, store, faulty, alice, _folder: folder }
    }

    fn local(&self) -> PathBuf {
        self.world.dir().join("state/recordings")
    }

    /// Channel files that lie here still.
    fn here(&self) -> usize {
        if self.local().exists() { files(&self.local(), "c0.brec").len() } else { 0 }
    }

    fn wait_until_stored(&self, seconds: u64) {
        wait_until_within(seconds, "all recordings in the store", || self.here() == 0);
    }

    /// Fetches everything of a recording, the channel file joined from its pieces, as anybody with other tools would.
    fn fetch(&self, id: &str) -> PathBuf {
        let dir = self.world.dir().join("fetched").join(id);
        fs::create_dir_all(&dir).unwrap();
        let mut names: Vec<String> = self.store.names().into_iter().filter(|name| name.contains(&format!("/{id}/"))).collect();
        names.sort();
        let mut channel = Vec::new();
        for name in names {
            let file = name.rsplit('/').next().unwrap();
            let content = self.store.get(&name);
            match file.strip_prefix("c0.brec.") {
                Some(offset) => {
                    assert_eq!(offset.parse::<usize>().unwrap(), channel.len(), "{name}");
                    channel.extend(content);
                }
                None => fs::write(dir.join(file), content).unwrap(),
            }
        }
        fs::write(dir.join("c0.brec"), channel).unwrap();
        dir
    }

    /// Every session of this node is in the store and holds.
    fn all_are_good(&self, ids: &[String]) {
        let key = self.world.dir().join("state/keys/recordings.pub");
        for id in ids {
            let dir = self.fetch(id);
            self.world.bastion.run(["recordings", "verify", "--key", key.to_str().unwrap(), dir.to_str().unwrap()]).ok();
        }
    }

    fn audit(&self) -> String {
        self.world.bastion.run(["audit", "tail", "-n", "1000", "--json"]).ok().text()
    }
}

#[test]
fn a_live_session_is_in_the_store_before_it_ends_and_is_removed_here_when_it_was_read_back() {
    let away = Away::start();
    let log = away.alice.dir.join("live.log");
    let go_on = away.alice.dir.join("go-on");
    let line = format!("echo begun-$((40+2)); until [ -e {} ]; do sleep 0.1; done; seq 30000", go_on.display());
    let mut session = Guarded::logged(away.alice.on_command(Way::At, "web-1", &["-n"], &line), &log);
    let up = |ending: &str| away.store.names().iter().any(|name| name.starts_with("recordings/") && name.contains(ending));
    wait_until_within(40, "the first piece of a live session", || up("c0.brec.00000000000000000000"));
    assert!(up("head.json") && !up("seal.json") && session.runs());
    fs::write(&go_on, "").unwrap();
    assert!(session.wait(Duration::from_secs(20)).unwrap().success());
    away.wait_until_stored(40);
    assert!(up("seal.json"));
    let all = ids(&away.world);
    away.all_are_good(&all);
    let text = fs::read_to_string(away.world.dir().join("fetched").join(&all[0]).join("head.json")).unwrap();
    assert!(text.contains("corp/alice@example.test"), "{text}");
    assert!(away.audit().contains("\"recording.stored\""), "{}", away.audit());
    let said = away.world.bastion.log();
    assert!(!said.contains(SECRET), "the store's key is in the log");
}

#[test]
fn the_audit_log_is_in_the_store_and_verifies_there() {
    let away = Away::start();
    away.alice.on_target(Way::At, &[], "echo pelican").ok();
    let fetch = || {
        let mut names = away.store.names();
        names.sort();
        let dir = away.world.dir().join("fetched-audit");
        drop(fs::remove_dir_all(&dir));
        fs::create_dir_all(&dir).unwrap();
        let mut log = Vec::new();
        for name in names.iter().filter(|name| name.starts_with("audit/bastion/audit.ndjson.")) {
            log.extend(away.store.get(name));
        }
        let last = names.iter().rfind(|name| name.starts_with("audit/bastion/checkpoint."));
        let whole = last.is_some_and(|name| name.ends_with(&format!("{:020}", log.len())));
        if let Some(last) = last {
            fs::write(dir.join("checkpoint"), away.store.get(last)).unwrap();
        }
        fs::write(dir.join("audit.ndjson"), &log).unwrap();
        (String::from_utf8(log).unwrap(), whole, dir)
    };
    let mut found = fetch();
    wait_until_within(40, "the session in the store's audit log", || {
        found = fetch();
        found.0.contains("pelican") && found.1
    });
    let key = away.world.dir().join("state/keys/audit.pub");
    let verify = ["audit", "verify", "--folder", found.2.to_str().unwrap(), "--key", key.to_str().unwrap()];
    away.world.bastion.run(verify).ok();
    fs::write(found.2.join("audit.ndjson"), found.0.replacen("alice@", "mallo@", 1)).unwrap();
    assert_eq!(away.world.bastion.run(verify).finish().code(), 1);
}

#[test]
fn whatever_fails_on_the_way_everything_gets_there_whole() {
    let away = Away::start();
    let slow = Fault::Slow(Duration::from_millis(700));
    let kinds = [
        Fault::Status(500),
        Fault::Status(503),
        Fault::Reset,
        Fault::AnswerLost,
        Fault::AnswerCut,
        Fault::AnswerChanged,
        Fault::UploadChanged,
        slow,
    ];
    // Each kind meets each kind of request sooner or later: they come in another order each time.
    for round in 0..6 {
        away.faulty.next(kinds.iter().cycle().skip(round).take(kinds.len()).copied());
        for way in WAYS {
            away.alice.on_target(way, &[], "head -c 60000 /dev/urandom | base64; echo done").ok();
        }
    }
    wait_until_within(240, "all faults have happened", || away.faulty.left() == 0);
    away.wait_until_stored(120);
    let all = ids(&away.world);
    assert_eq!(all.len(), 12);
    away.all_are_good(&all);
    assert!(away.faulty.counted().1 >= 48, "{:?}", away.faulty.counted());
    away.world.bastion.run(["audit", "verify"]).ok();
}

#[test]
fn while_the_store_is_down_nothing_is_lost_nothing_is_deleted_and_sessions_go_on() {
    let away = Away::start();
    for fault in [Fault::Status(503), Fault::Reset] {
        away.faulty.always(Some(fault));
        let begun = away.faulty.counted().1;
        for way in WAYS {
            away.alice.on_target(way, &[], "seq 2000").ok();
        }
        // As many failures as hours of it would bring: their number counts, not their time.
        wait_until_within(120, "many failures", || away.faulty.counted().1 > begun + 12);
        assert!(away.here() >= 2, "something was removed that is not in the store");
        for channel in files(&away.local(), "c0.brec") {
            away.world.bastion.run(["recordings", "verify", channel.parent().unwrap().to_str().unwrap()]).ok();
        }
        // What lies here is listed, and that this may not be all of it is said.
        let list = away.world.bastion.run(["recordings", "list", "--json"]).finish();
        let known = list.json().as_array().unwrap().len();
        assert!(list.code() == 3 && known >= 2 && list.err.contains("only what lies here is listed"), "{list}");
        // What lies only in the store cannot be told now, and so all of them cannot be verified.
        let all = away.world.bastion.run(["recordings", "verify"]).finish();
        assert!(all.code() == 3 && all.err.contains("the object store"), "{all}");
    }
    wait_until_within(60, "an alert", || away.audit().contains("\"depot.failed\""));
    away.faulty.always(None);
    away.wait_until_stored(120);
    let all = ids(&away.world);
    assert_eq!(all.len(), 4);
    away.all_are_good(&all);
    wait_until("the store is back", || away.audit().contains("\"depot.recovered\""));
}

#[test]
fn a_killed_bastion_goes_on_where_the_store_says_and_closes_what_it_left_open() {
    let mut away = Away::start();
    let log = away.alice.dir.join("killed.log");
    let line = "i=0; while :; do i=$((i+1)); echo seen-$i.; sleep 0.01; done";
    let mut session = Guarded::logged(away.alice.on_command(Way::Jump, "web-1", &["-n"], line), &log);
    let up = |away: &Away| away.store.names().iter().any(|name| name.contains("c0.brec."));
    wait_until_within(40, "a piece in the store", || up(&away));
    away.world.bastion.kill();
    assert!(session.wait(Duration::from_secs(20)).is_some());
    let text = fs::read_to_string(&log).unwrap();
    let seen = text.lines().rev().find_map(|line| line.strip_prefix("seen-")?.strip_suffix('.')).unwrap().to_owned();
    away.world.restart();
    away.wait_until_stored(60);
    let all = ids(&away.world);
    away.all_are_good(&all);
    let dir = away.world.dir().join("fetched").join(&all[0]);
    let shown = away.world.bastion.run(["recordings", "cat", dir.to_str().unwrap()]).ok().text();
    assert!(shown.contains(&format!("seen-{seen}.")), "line {seen} was seen and is not in the store");
}

#[test]
fn an_object_that_was_changed_in_the_store_is_told_and_the_copy_here_stays() {
    let away = Away::start();
    let log = away.alice.dir.join("live.log");
    let go_on = away.alice.dir.join("go-on");
    let line = format!("seq 3000; until [ -e {} ]; do sleep 0.1; done", go_on.display());
    let mut session = Guarded::logged(away.alice.on_command(Way::At, "web-1", &["-n"], &line), &log);
    let piece = || away.store.names().into_iter().find(|name| name.contains("c0.brec."));
    wait_until_within(40, "the first piece", || piece().is_some());
    let name = piece().unwrap();
    let mut content = away.store.get(&name);
    let middle = content.len() / 2;
    content[middle] ^= 1;
    away.store.delete(&name);
    away.store.put(&name, &content);
    fs::write(&go_on, "").unwrap();
    assert!(session.wait(Duration::from_secs(20)).unwrap().success());
    wait_until_within(40, "the alert", || away.audit().contains("is not what was sent"));
    assert_eq!(away.here(), 1);
    assert!(!away.store.names().iter().any(|name| name.ends_with("seal.json")));
    away.store.delete(&name);
    away.wait_until_stored(120);
    away.all_are_good(&ids(&away.world));
}

#[test]
fn a_bucket_that_cannot_be_reached_is_told_by_check_in_a_sentence_and_the_bastion_starts_all_the_same() {
    let mut away = Away::start();
    away.world.bastion.run(["check"]).ok();
    let config = away.world.dir().join("bartizan.toml");
    let good = fs::read_to_string(&config).unwrap();
    for (from, to) in [(SECRET, "another-key"), ("s3://evidence/", "s3://no-such-bucket/")] {
        fs::write(&config, good.replace(from, to)).unwrap();
        let told = away.world.bastion.run(["check"]).finish();
        assert!(told.code() == 3 && told.err.contains("cannot be listed") && !told.err.contains("another-key"), "{told}");
    }
    away.world.restart();
    away.alice.point_to(away.world.bastion.port);
    away.alice.on_target(Way::At, &[], "true").ok();
    assert_eq!(away.here(), 1);
}

#[test]
fn what_lies_only_in_the_store_is_listed_read_searched_exported_and_verified_like_any_other() {
    let away = Away::start();
    let line = "echo pelican-$((40+2)); seq 20000";
    away.alice.on_target(Way::At, &[], line).ok();
    away.wait_until_stored(40);
    let id = ids(&away.world).pop().unwrap();
    let run = |arguments: &[&str]| away.world.bastion.run(arguments.iter().copied()).ok().text();
    let same_as_ever = |whose: &str| {
        let list = run(&["recordings", "list", "--json"]);
        assert!(list.contains(&id) && list.contains("corp/alice@example.test") && !list.contains("\"bytes\":0"), "{whose}: {list}");
        assert!(run(&["recordings", "cat", &id]).contains("pelican-42"), "{whose}");
        assert!(run(&["recordings", "export", &id[..20]]).contains("pelican-42"), "{whose}");
        assert!(run(&["recordings", "verify"]).contains("seal       signed"), "{whose}");
        assert!(run(&["recordings", "verify", &id]).contains("chain unbroken"), "{whose}");
    };
    same_as_ever("head and seal are here");
    let hits = away.world.bastion.run(["recordings", "search", "pelican-42", "--json"]).ok().json();
    assert_eq!(hits.as_array().unwrap().len(), 1, "{hits}");
    // Nothing of it is here any more, as on another machine.
    fs::remove_dir_all(away.local()).unwrap();
    same_as_ever("all of it is away");
    let changed = away.store.names().into_iter().find(|name| name.contains("c0.brec.")).unwrap();
    let mut content = away.store.get(&changed);
    let middle = content.len() / 2;
    content[middle] ^= 1;
    away.store.put(&changed, &content);
    assert_eq!(away.world.bastion.run(["recordings", "verify", &id]).finish().code(), 1);
}

#[test]
fn what_lies_only_in_the_store_is_held_released_and_deleted_by_whom_policy_lets() {
    let away = Away::start();
    away.alice.on_target(Way::At, &[], "echo pelican").ok();
    away.wait_until_stored(40);
    let id = ids(&away.world).pop().unwrap();
    fs::remove_dir_all(away.local()).unwrap();
    let there = |file: &str| away.store.names().iter().any(|name| name.contains(&format!("/{id}/{file}")));
    let bob = away.world.visitor("bob");
    for what in ["hold", "delete"] {
        let refused = bartizan(&bob, &["recordings", what, &id, "--reason", "curious"]);
        assert_eq!(refused.code(), 1, "{refused}");
        // Root on the machine is asked about as anyone, while the bastion runs.
        assert_eq!(away.world.bastion.run(["recordings", what, &id, "--reason", "curious"]).finish().code(), 1);
    }
    bartizan(&away.alice, &["recordings", "hold", &id, "--reason", "case 4711"]).ok();
    assert!(there("held.json"));
    let kept = bartizan(&away.alice, &["recordings", "delete", &id, "--reason", "asked to"]);
    assert!(kept.code() == 1 && kept.err.contains("is held by corp/alice@example.test: case 4711"), "{kept}");
    bartizan(&away.alice, &["recordings", "release", &id]).ok();
    assert!(!there("held.json") && there("c0.brec"));
    bartizan(&away.alice, &["recordings", "delete", &id, "--reason", "asked to"]).ok();
    assert!(!there(""), "{:?}", away.store.names());
    let audit = away.audit();
    for entry in ["recording.held", "recording.released", "recording.deleted"] {
        assert!(audit.contains(entry), "{entry}: {audit}");
    }
    // It was deleted and not removed: its leaf says so.
    away.world.bastion.run(["recordings", "verify"]).ok();
    assert_eq!(bartizan(&away.alice, &["recordings", "delete", &id, "--reason", "again"]).code(), 1);
}

#[test]
fn what_is_due_goes_from_the_store_too_and_what_is_held_there_stays() {
    let mut away = Away::start();
    let (due, _) = old(&away.world, 1, "test");
    let (held, _) = old(&away.world, 2, "test");
    let (half, half_dir) = old(&away.world, 3, "test");
    // What is so old is looked for at the start and then once an hour.
    away.world.restart();
    away.wait_until_stored(60);
    let there = |away: &Away, id: &str| away.store.names().iter().any(|name| name.contains(id));
    let place = |id: &str| away.store.names().into_iter().find(|name| name.contains(id)).unwrap().rsplit_once('/').unwrap().0.to_owned();
    away.store.put(&format!("{}/held.json", place(&held)), br#"{"by":"corp/alice","reason":"case 4711","since_us":0}"#);
    // Two of which nothing is here any more, and one whose head and seal are.
    for id in [&due, &held] {
        fs::remove_dir_all(half_dir.parent().unwrap().join(id)).unwrap();
    }
    let path = away.world.dir().join("bartizan.toml");
    let rules = "\n[[retention]]\ntags = { env = \"test\" }\nkeep = \"1d\"\n";
    fs::write(&path, fs::read_to_string(&path).unwrap() + rules).unwrap();
    away.world.restart();
    wait_until_within(60, "the sweep", || !there(&away, &due) && !there(&away, &half));
    assert!(there(&away, &held) && !half_dir.exists());
    let audit = away.audit();
    assert!([&due, &half].iter().all(|id| audit.lines().any(|line| line.contains("recording.deleted") && line.contains(*id))), "{audit}");
    assert!(!audit.lines().any(|line| line.contains("recording.deleted") && line.contains(&held)), "{audit}");
}
