//! Files over the bastion: sftp, scp in both modes, rsync, git, ansible; by both ways in, byte for byte.

use std::fs;
use std::path::Path;

use crate::harness::{Run, Visitor, WAYS, Way, World};

fn alice() -> (World, Visitor) {
    let world = World::start();
    let alice = world.visitor("alice");
    (world, alice)
}

/// Bytes that no text mode and no compression leaves as they are.
fn bytes(count: u32) -> Vec<u8> {
    (0..count).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

fn same(a: &Path, b: &Path) {
    assert!(fs::read(a).unwrap() == fs::read(b).unwrap(), "{} and {} differ", a.display(), b.display());
}

/// `-e` for rsync and GIT_SSH_COMMAND: ssh with the visitor's configuration.
fn ssh_line(alice: &Visitor, way: Way) -> String {
    let (options, _) = way.name("deploy", "web-1");
    format!("ssh -F {} {}", alice.config().display(), options.join(" "))
}

#[test]
fn sftp_lists_fetches_puts_renames_and_removes() {
    let (world, alice) = alice();
    let home = world.target.home("deploy");
    fs::write(alice.dir.join("up"), bytes(300_000)).unwrap();
    for way in WAYS {
        let (options, destination) = way.name("deploy", "web-1");
        let batch = "put up a\nmkdir d\nrename a d/b\nget d/b down\nchmod 600 d/b\nls -l d\nrm d/b\nrmdir d\npwd\n";
        let arguments = [&options[..], &["-b".into(), "-".into(), destination]].concat();
        let done = Run::new(alice.openssh("sftp", arguments)).input(batch).ok();
        assert!(done.text().contains("d/b") && done.text().contains(home.to_str().unwrap()), "{done}");
        same(&alice.dir.join("up"), &alice.dir.join("down"));
        assert!(!home.join("d").exists(), "{way:?}");
        fs::remove_file(alice.dir.join("down")).unwrap();
    }
}

#[test]
fn scp_copies_both_ways_in_both_of_its_protocols() {
    let (world, alice) = alice();
    fs::write(alice.dir.join("up"), bytes(2_000_000)).unwrap();
    for way in WAYS {
        for protocol in ["-s", "-O"] {
            let (options, destination) = way.name("deploy", "web-1");
            let scp = |from: &str, to: &str| {
                let arguments = [&options[..], &[protocol.into(), "-q".into(), "-p".into(), from.into(), to.into()]].concat();
                Run::new(alice.openssh("scp", arguments)).ok()
            };
            scp("up", &format!("{destination}:there"));
            scp(&format!("{destination}:there"), "down");
            same(&alice.dir.join("up"), &alice.dir.join("down"));
            fs::remove_file(alice.dir.join("down")).unwrap();
            fs::remove_file(world.target.home("deploy").join("there")).unwrap();
        }
    }
}

#[test]
fn rsync_brings_a_tree_there_and_back() {
    let (world, alice) = alice();
    fs::create_dir_all(alice.dir.join("tree/deep")).unwrap();
    for n in 0..40 {
        fs::write(alice.dir.join(format!("tree/deep/{n}")), bytes(n * 3000)).unwrap();
    }
    for way in WAYS {
        let (_, destination) = way.name("deploy", "web-1");
        let rsync = |from: &str, to: &str| {
            let command = alice.command("rsync", ["-a", "--delete", "-e", &ssh_line(&alice, way), from, to]);
            Run::new(command).ok()
        };
        rsync("tree/", &format!("{destination}:there/"));
        // Again, with a change: now rsync's own protocol talks both ways.
        fs::write(alice.dir.join("tree/deep/39"), bytes(117_001)).unwrap();
        rsync("tree/", &format!("{destination}:there/"));
        rsync(&format!("{destination}:there/"), "back/");
        same(&alice.dir.join("tree/deep/39"), &alice.dir.join("back/deep/39"));
        assert_eq!(fs::read_dir(alice.dir.join("back/deep")).unwrap().count(), 40, "{way:?}");
        fs::remove_dir_all(world.target.home("deploy").join("there")).unwrap();
    }
}

#[test]
fn git_clones_and_pushes() {
    let (world, alice) = alice();
    let git = |arguments: &[&str], way: Way, folder: &Path| {
        let mut command = alice.command("git", ["-c", "user.name=a", "-c", "user.email=a@example.test", "-c", "init.defaultBranch=main"]);
        command.args(arguments).current_dir(folder).env("GIT_SSH_COMMAND", ssh_line(&alice, way)).env("GIT_CONFIG_NOSYSTEM", "1");
        Run::new(command).ok()
    };
    for way in WAYS {
        let (_, destination) = way.name("deploy", "web-1");
        let there = world.target.home("deploy").join(format!("repository-{way:?}"));
        alice.on_target(way, &[], &format!("git init --quiet --bare {}", there.display())).ok();
        let clone = format!("clone-{way:?}");
        git(&["clone", "--quiet", &format!("{destination}:{}", there.display()), &clone], way, &alice.dir);
        let folder = alice.dir.join(&clone);
        fs::write(folder.join("file"), bytes(1_000_000)).unwrap();
        git(&["add", "."], way, &folder);
        git(&["commit", "--quiet", "-m", "one"], way, &folder);
        git(&["push", "--quiet", "origin", "HEAD:main"], way, &folder);
        let log = alice.on_target(way, &[], &format!("git -C {} log --format=%s main", there.display()));
        assert_eq!(log.ok().text(), "one\n", "{way:?}");
    }
}

#[test]
fn ansible_pings_and_copies() {
    let (world, alice) = alice();
    fs::write(alice.dir.join("up"), bytes(10_000)).unwrap();
    fs::write(
        alice.dir.join("inventory"),
        format!(
            "[web]\nat ansible_host=bastion ansible_user=deploy@web-1\njump ansible_host=web-1 ansible_user=deploy ansible_ssh_extra_args='-J bastion'\n\
             [web:vars]\nansible_ssh_common_args='-F {}'\nansible_python_interpreter=/usr/bin/python3\n",
            alice.config().display()
        ),
    )
    .unwrap();
    fs::write(alice.dir.join("ansible.cfg"), "[defaults]\n").unwrap();
    let ansible = |arguments: &[&str]| {
        let program = crate::harness::repository(".deps/venv/bin/ansible");
        let mut command = alice.command(program, ["-i", "inventory", "web", "-f", "1"]);
        command.args(arguments).env("ANSIBLE_LOCAL_TEMP", alice.dir.join("ansible")).env("ANSIBLE_CONFIG", "/nonexistent/ansible.cfg");
        command.env("ANSIBLE_SSH_CONTROL_PATH_DIR", alice.dir.join("cp"));
        Run::new(command).within(120).ok().text()
    };
    let pinged = ansible(&["-m", "ping"]);
    assert_eq!(pinged.matches("\"ping\": \"pong\"").count(), 2, "{pinged}");
    // Ansible writes ~ as ~deploy, and the fixture's accounts are known to its sshd alone.
    let there = world.target.home("deploy").join("copied-{{ inventory_hostname }}");
    ansible(&["-m", "copy", "-a", &format!("src=up dest={}", there.display())]);
    for name in ["copied-at", "copied-jump"] {
        same(&alice.dir.join("up"), &world.target.home("deploy").join(name));
    }
}

#[test]
fn sftp_to_the_bastion_itself_is_refused() {
    let (world, alice) = alice();
    let done = Run::new(alice.openssh("sftp", ["-b", "-", "bastion"])).input("ls\nget /etc/passwd x\n").finish().refused();
    assert!(!done.text().contains("root:") && !alice.dir.join("x").exists(), "{done}");
    let done = Run::new(alice.openssh("scp", ["bastion:/etc/passwd", "x"])).finish().refused();
    assert!(!alice.dir.join("x").exists(), "{done}");
    assert_eq!(world.target.logins(), 0);
}
