//! scp in its original protocol and rsync: every file, and every tree, is decided where it really lies.

use std::fs;

use crate::clients::{putty, putty_key};
use crate::harness::{Done, Run, Setup, Visitor, WAYS, Way, World};

const POLICIES: &str = r#"
@id("certificates")
permit (principal, action == Action::"issue", resource);

@id("connect")
permit (principal, action == Action::"connect", resource);

@id("files")
permit (principal in Group::"corp/admins", action in Action::"sftp", resource);

@id("not-the-secrets")
@reason("Secrets stay there.")
forbid (principal, action in Action::"sftp", resource) when { context has path && context.path like "*/secret*" };
"#;

fn world() -> (World, Visitor) {
    let world = World::with(Setup { policies: Some(POLICIES), ..Setup::default() });
    let alice = world.visitor("alice");
    (world, alice)
}

/// `scp -O` with these arguments; `:` at the start of one stands for the target.
fn scp(alice: &Visitor, way: Way, arguments: &[&str]) -> Done {
    let (options, destination) = way.name("deploy", "web-1");
    let named = arguments.iter().map(|one| if one.starts_with(':') { format!("{destination}{one}") } else { (*one).to_owned() });
    let all: Vec<String> = options.into_iter().chain(["-O".to_owned(), "-q".to_owned()]).chain(named).collect();
    Run::new(alice.openssh("scp", all)).finish()
}

fn rsync(alice: &Visitor, way: Way, arguments: &[&str]) -> Done {
    let (options, destination) = way.name("deploy", "web-1");
    let ssh = format!("ssh -F {} {}", alice.config().display(), options.join(" "));
    let named = arguments.iter().map(|one| if one.starts_with(':') { format!("{destination}{one}") } else { (*one).to_owned() });
    let all: Vec<String> = ["-e".to_owned(), ssh].into_iter().chain(named).collect();
    Run::new(alice.command("rsync", all)).finish()
}

/// Makes files in the account's home, which it may change.
fn make(world: &World, script: &str) {
    let home = world.target.home("deploy");
    let done = std::process::Command::new("sh").args(["-c", script]).current_dir(&home).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let done = std::process::Command::new("chmod").args(["-R", "a+rwX"]).arg(&home).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn scp_goes_on_with_the_next_file_when_one_is_refused() {
    let (world, alice) = world();
    let home = world.target.home("deploy");
    for name in ["one", "secret", "two"] {
        fs::write(alice.dir.join(name), name.repeat(50_000)).unwrap();
    }
    for way in WAYS {
        let done = scp(&alice, way, &["one", "secret", "two", ":"]);
        assert_eq!(done.code(), 1, "{done}");
        assert!(done.err.contains("secret") && done.err.contains("not-the-secrets") && done.err.contains("Secrets stay"), "{done}");
        for name in ["one", "two"] {
            assert_eq!(fs::read_to_string(home.join(name)).unwrap(), name.repeat(50_000), "{way:?}");
            fs::remove_file(home.join(name)).unwrap();
        }
        assert!(!home.join("secret").exists(), "{way:?}");
    }
}

#[test]
fn scp_fetches_a_tree_without_what_is_refused() {
    let (world, alice) = world();
    make(
        &world,
        "mkdir -p tree/deep/secrets; echo a > tree/a; echo b > 'tree/deep/b c'; echo s > tree/secret; echo s > tree/deep/secrets/x",
    );
    for way in WAYS {
        let done = scp(&alice, way, &["-r", "-p", ":tree", "back"]);
        assert_eq!(done.code(), 1, "{done}");
        let back = alice.dir.join("back");
        assert_eq!(fs::read_to_string(back.join("a")).unwrap(), "a\n", "{way:?}");
        assert_eq!(fs::read_to_string(back.join("deep/b c")).unwrap(), "b\n", "{way:?}");
        assert!(!back.join("secret").exists() && !back.join("deep/secrets").exists(), "{way:?}");
        fs::remove_dir_all(&back).unwrap();
    }
}

#[test]
fn scp_brings_a_tree_there_with_times_and_modes() {
    let (world, alice) = world();
    fs::create_dir_all(alice.dir.join("t/in 'side'/empty")).unwrap();
    fs::write(alice.dir.join("t/in 'side'/x"), "x").unwrap();
    fs::write(alice.dir.join("t/none"), "").unwrap();
    for way in WAYS {
        let done = scp(&alice, way, &["-r", "-p", "t", ":there"]).ok();
        let there = world.target.home("deploy").join("there");
        assert_eq!(fs::read(there.join("in 'side'/x")).unwrap(), b"x", "{done}");
        assert!(there.join("in 'side'/empty").is_dir() && fs::read(there.join("none")).unwrap().is_empty());
        let seconds = |path: std::path::PathBuf| {
            fs::metadata(path).unwrap().modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
        };
        assert_eq!(seconds(there.join("none")), seconds(alice.dir.join("t/none")), "{way:?}");
        fs::remove_dir_all(&there).unwrap();
    }
}

#[test]
fn a_link_on_the_target_leads_scp_past_no_rule() {
    let (world, alice) = world();
    make(&world, "mkdir secrets; echo s > secrets/x; ln -s secrets open; ln -s secrets/x plain; ln -s secrets/new dangling");
    fs::write(alice.dir.join("up"), "up").unwrap();
    for way in WAYS {
        for path in [":open/x", ":plain", ":secrets/../open/x", ":./secrets/x"] {
            let done = scp(&alice, way, &[path, "got"]).refused();
            assert!(!alice.dir.join("got").exists() && done.err.contains("not-the-secrets"), "{done}");
        }
        for path in [":open", ":open/new", ":dangling", ":plain"] {
            scp(&alice, way, &["up", path]).refused();
        }
        let secrets = world.target.home("deploy").join("secrets");
        assert_eq!(fs::read_dir(&secrets).unwrap().count(), 1, "{way:?}");
        assert_eq!(fs::read_to_string(secrets.join("x")).unwrap(), "s\n", "{way:?}");
    }
}

#[test]
fn names_with_spaces_quotes_and_shell_syntax_are_names() {
    let (world, alice) = world();
    let home = world.target.home("deploy");
    let name = "it's `touch pwned` $(touch pwned) \"x\"; é";
    fs::write(alice.dir.join(name), "n").unwrap();
    for way in WAYS {
        scp(&alice, way, &[name, ":"]).ok();
        assert_eq!(fs::read(home.join(name)).unwrap(), b"n");
        let quoted = format!(":'{}'", name.replace('\'', "'\\''"));
        scp(&alice, way, &["-T", &quoted, "back"]).ok();
        assert_eq!(fs::read(alice.dir.join("back")).unwrap(), b"n");
        // Not quoted, it is a command: nothing here permits one.
        scp(&alice, way, &["-T", ":x`touch pwned`", "y"]).refused();
        assert!(!home.join("pwned").exists(), "{way:?}");
        fs::remove_file(alice.dir.join("back")).unwrap();
        fs::remove_file(home.join(name)).unwrap();
    }
}

#[test]
fn a_pattern_fetches_what_matches_and_is_permitted() {
    let (world, alice) = world();
    make(&world, "mkdir logs; for n in a b secret; do echo $n > logs/$n.log; done; echo no > logs/c.txt");
    for way in WAYS {
        let into = format!("into-{way:?}");
        fs::create_dir(alice.dir.join(&into)).unwrap();
        scp(&alice, way, &[":logs/*.log", &into]).refused();
        let mut names: Vec<_> =
            fs::read_dir(alice.dir.join(&into)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["a.log", "b.log"], "{way:?}");
    }
}

#[test]
fn rsync_is_decided_by_the_trees_it_may_touch() {
    let (world, alice) = world();
    make(&world, "mkdir secrets; echo s > secrets/x; ln -s secrets open");
    fs::create_dir(alice.dir.join("t")).unwrap();
    fs::write(alice.dir.join("t/x"), "t").unwrap();
    for way in WAYS {
        for arguments in [&["-a", "t/", ":secrets/"], &["-a", "t/", ":open/"], &["-a", ":secrets/", "got"], &["-a", ":open/x", "got"]] {
            let done = rsync(&alice, way, arguments).refused();
            assert!(done.err.contains("bartizan:") && !alice.dir.join("got").exists(), "{done}");
        }
        assert_eq!(fs::read_to_string(world.target.home("deploy").join("secrets/x")).unwrap(), "s\n", "{way:?}");
    }
}

#[test]
fn who_may_run_commands_but_touch_no_file_copies_nothing() {
    let world = World::start();
    let bob = world.visitor("bob");
    fs::write(bob.dir.join("f"), "f").unwrap();
    for way in WAYS {
        bob.on_target(way, &[], "true").ok();
        let before = world.target.logins();
        assert!(scp(&bob, way, &["f", ":"]).refused().err.contains("permits"));
        assert!(rsync(&bob, way, &["-a", "f", ":"]).refused().err.contains("permits"));
        assert_eq!(world.target.logins(), before, "{way:?}");
    }
}

#[test]
fn putty_is_refused_file_by_file_like_everybody() {
    let (world, alice) = world();
    make(&world, "mkdir secrets; echo s > secrets/x; echo o > open; ln -s secrets/x link");
    putty_key(&alice);
    fs::write(alice.dir.join("up"), "up").unwrap();
    let web = "deploy%web-1@127.0.0.1";
    let at = |path: &str| format!("{web}:{path}");
    for protocol in ["-scp", "-sftp"] {
        putty(&alice, "pscp", &[protocol, "-q", &at("open"), "down"]).ok();
        putty(&alice, "pscp", &[protocol, "-q", "up", &at("there")]).ok();
        assert_eq!(fs::read_to_string(alice.dir.join("down")).unwrap(), "o\n", "{protocol}");
        assert_eq!(fs::read_to_string(world.target.home("deploy").join("there")).unwrap(), "up", "{protocol}");
        fs::remove_file(alice.dir.join("down")).unwrap();
        fs::remove_file(world.target.home("deploy").join("there")).unwrap();
        for (from, to) in [(at("secrets/x"), "got".to_owned()), (at("link"), "got".to_owned()), ("up".to_owned(), at("secrets/x"))] {
            let done = putty(&alice, "pscp", &[protocol, "-q", &from, &to]).finish().refused();
            assert!(done.err.contains("not-the-secrets"), "{protocol}: {done}");
        }
    }
    fs::write(alice.dir.join("batch"), "get secrets/x got\nput up secrets/new\nrm secrets/x\nmv open secrets/open\nget open down\n")
        .unwrap();
    let done = putty(&alice, "psftp", &["-be", "-b", "batch", web]).finish();
    assert!(done.err.matches("not-the-secrets").count() >= 4, "{done}");
    assert_eq!(fs::read_to_string(alice.dir.join("down")).unwrap(), "o\n", "{done}");
    let secrets = world.target.home("deploy").join("secrets");
    assert_eq!((fs::read_to_string(secrets.join("x")).unwrap().as_str(), fs::read_dir(&secrets).unwrap().count()), ("s\n", 1));
    assert!(!alice.dir.join("got").exists());
}
