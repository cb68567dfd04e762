//! A lock on a user, a service, a group, a certificate, an address or a target ends what is open on every path within a second, and
//! keeps out what is new; others go on.

use std::fs;
use std::path::PathBuf;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use serde_json::json;

use crate::harness::{Control, Guarded, Postgres, Run, Setup, Terminal, Visitor, Way, World, free_port, passable_folder, wait_until};

const POLICIES: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("all-use-everything")
permit (principal, action in [Action::"connect", Action::"ssh", Action::"sftp", Action::"pg", Action::"watch", Action::"publish"], resource);
"#;

/// How long what is open may take to end: the promise is a second, the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(6);

struct Site {
    server: Postgres,
    world: World,
    _folder: tempfile::TempDir,
}

impl Site {
    fn start() -> Self {
        let folder = passable_folder();
        let server = Postgres::start(None, &folder.path().join("server"), "orders", "CREATE TABLE t (n int)");
        let attic = "\n[[target]]\nname = \"attic\"\nkind = \"http\"\nroute = \"reverse\"\nupstream = \"http://attic\"\n";
        let more = server.target("orders", "") + attic;
        let world = World::with(Setup { policies: Some(POLICIES), more, ..Setup::default() });
        Self { server, world, _folder: folder }
    }

    /// Waits until there are so many live sessions of `who`.
    fn live(&self, who: &str, count: usize) {
        let list = || self.world.bastion.run(["sessions", "list", "--json"]).ok().json();
        let own = |list: serde_json::Value| list.as_array().unwrap().iter().filter(|one| one["principal"]["id"] == who).count();
        wait_until(&format!("{count} sessions of {who}"), || own(list()) == count);
    }
}

/// Somebody's open programs: each by its name, with the file that has what it said.
struct Open {
    all: Vec<(&'static str, Guarded, PathBuf)>,
    _inputs: Vec<ChildStdin>,
    control: Control,
    screen: Terminal,
}

/// Everything that one can have open. `sessions` counts those of the bastion's that run then.
fn open(site: &Site, person: &Visitor, round: usize) -> Open {
    let mut open = Open { all: Vec::new(), _inputs: Vec::new(), control: Control::open(person), screen: tui(person) };
    let mut add = |name: &'static str, command: Command| {
        let log = person.dir.join(format!("{name}-{round}.log"));
        let (process, input) = Guarded::fed(command, &log);
        open._inputs.push(input);
        open.all.push((name, process, log));
    };
    add("exec", person.on_command(Way::At, "web-1", &[], "sleep 600"));
    add("exec-by-jump", person.on_command(Way::Jump, "web-1", &[], "sleep 600"));
    add("shell", person.on_command(Way::At, "web-1", &["-tt"], ""));
    // A copy that takes its time.
    fs::File::create(person.dir.join("big")).unwrap().set_len(1 << 30).unwrap();
    add("sftp", person.openssh("scp", ["-q", "-l", "8000", "big", "deploy@web-1@bastion:big"]));
    let port = free_port();
    let forward = format!("{port}:orders:5432");
    add("forward", person.openssh("ssh", ["-N", "-L", &forward, "bastion"]));
    wait_until("the forward is open", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let mut psql = person.command("psql", ["-X", "-q", "-At", "-h", "127.0.0.1", "-U", "app", "-d", "orders", "-p"]);
    psql.arg(port.to_string()).args(["-c", "SELECT pg_sleep(600)"]);
    add("statement", psql);
    add("publisher", person.openssh("ssh", ["-N", "-R", "attic:0:127.0.0.1:9", "bastion"]));
    let (_, _, log) = open.all.last().unwrap();
    wait_until("it is published", || fs::read_to_string(log).unwrap().contains("Allocated port"));
    open.control.ask("whoami", json!({}));
    open.screen.wait_for("Inbox");
    assert_eq!(site.server.ask("SELECT 1"), "1");
    open
}

fn tui(person: &Visitor) -> Terminal {
    let line = format!("cd {}; ssh -F {} -t bastion tui", person.dir.display(), person.config().display());
    Terminal::open(&person.dir, &line, 100, 30)
}

/// All of it ends; gives what each had said.
fn ends(mut open: Open, what: &str) {
    for (name, process, log) in &mut open.all {
        assert!(process.wait(SOON).is_some(), "{what}: {name} goes on: {}", fs::read_to_string(log).unwrap());
    }
    open.control.lines.recv_timeout(SOON).unwrap_or_else(|error| panic!("{what}: the control connection says nothing: {error}"));
    open.screen.wait_for("locked");
}

#[test]
fn a_lock_on_a_user_a_group_a_certificate_or_an_address_ends_what_is_open_on_every_path() {
    let site = Site::start();
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let serial = bob.ssh(["bastion", "whoami", "--json"]).ok().json()["certificate"].to_string();
    let mut other = Guarded::logged(alice.on_command(Way::Jump, "web-1", &["-n"], "sleep 600"), &alice.dir.join("other.log"));
    let subjects =
        [["--user", "corp/bob@example.test"], ["--group", "corp/developers"], ["--certificate", &serial], ["--source", "127.0.0.0/8"]];
    for (round, subject) in subjects.iter().enumerate() {
        let what = subject.join(" ");
        let held = open(&site, &bob, round);
        site.live("corp/bob@example.test", 5);
        assert!(other.runs(), "{what}");
        let lock = site.world.bastion.run([&["lock"], &subject[..], &["--reason", "lost laptop", "--json"]].concat()).ok().json();
        ends(held, &what);
        site.live("corp/bob@example.test", 0);
        for way in [Way::At, Way::Jump] {
            bob.on_target(way, &["-n", "-o", "BatchMode=yes"], "true").finish().refused();
        }
        bob.ssh(["-o", "BatchMode=yes", "bastion", "whoami"]).finish().refused();
        if subject[0] == "--source" {
            assert!(other.wait(SOON).is_some(), "everybody comes from there");
        }
        site.world.bastion.run(["unlock", &lock["id"].to_string()]).ok();
        bob.on_target(Way::At, &["-n"], "true").ok();
    }
    site.world.bastion.run(["recordings", "verify"]).ok();
    site.world.bastion.run(["audit", "verify"]).ok();
}

#[test]
fn a_lock_on_a_target_ends_its_sessions_on_every_path_and_no_others() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let mut held = open(&site, &bob, 0);
    site.live("corp/bob@example.test", 5);
    let names = |held: &mut Open| held.all.iter_mut().filter_map(|(name, process, _)| process.runs().then_some(*name)).collect::<Vec<_>>();
    let lock = |target: &str| site.world.bastion.run(["lock", "--target", target, "--reason", "maintenance"]).ok().text().trim().to_owned();
    let orders = lock("orders");
    wait_until("the statement ends", || !names(&mut held).contains(&"statement"));
    site.live("corp/bob@example.test", 4);
    let web = lock("web-1");
    site.live("corp/bob@example.test", 0);
    wait_until("its sessions end", || names(&mut held) == ["forward", "publisher"]);
    lock("attic");
    wait_until("its publisher ends", || names(&mut held) == ["forward"]);
    let refused = bob.on_target(Way::At, &["-n"], "true").finish().refused();
    assert!(refused.err.contains("Access is locked (maintenance)"), "{refused}");
    // Who may come may come for what is not locked.
    bob.on(Way::At, "web-ca", &["-n"], "true").ok();
    held.screen.wait_for("Inbox");
    for id in [orders, web] {
        site.world.bastion.run(["unlock", &id]).ok();
    }
    bob.on_target(Way::At, &["-n"], "true").ok();
}

#[test]
fn a_lock_on_a_service_is_for_a_time_where_it_says_so() {
    let world = World::with(Setup { policies: Some(POLICIES), ..Setup::default() });
    let robot = world.stranger("robot");
    let mut cert = robot.command("sshpass", ["-e", "ssh", "-F"]);
    cert.arg(robot.config()).args(["-o", "PubkeyAuthentication=no", "jwt@bastion", "cert"]).env("SSHPASS", world.provider.service_token());
    let done = Run::new(cert).input(fs::read(robot.dir.join("id.pub")).unwrap()).ok();
    fs::write(robot.certificate(), &done.out).unwrap();
    let me = robot.ssh(["bastion", "whoami", "--json"]).ok().json()["principal"].as_str().unwrap().to_owned();
    let mut running = Guarded::logged(robot.on_command(Way::At, "web-1", &["-n"], "sleep 600"), &robot.dir.join("running.log"));
    wait_until("it runs", || !world.bastion.run(["sessions", "list", "--json"]).ok().json().as_array().unwrap().is_empty());
    // A lock on a person of that name is another.
    world.bastion.run(["lock", "--user", &me]).ok();
    robot.on_target(Way::Jump, &["-n"], "true").ok();
    assert!(running.runs());
    let lock = world.bastion.run(["lock", "--service", &me, "--for", "8s", "--json"]).ok().json();
    assert!(running.wait(SOON).is_some(), "a locked service's session goes on");
    robot.on_target(Way::At, &["-n", "-o", "BatchMode=yes"], "true").finish().refused();
    let listed = world.bastion.run(["lock", "--list", "--json"]).ok().json();
    assert!(listed.as_array().unwrap().iter().any(|one| one["id"] == lock["id"] && one["expires_at"] == lock["expires_at"]), "{listed}");
    wait_until("it is over", || robot.on_target(Way::At, &["-n", "-o", "BatchMode=yes"], "true").finish().status.success());
    assert_eq!(world.bastion.run(["locks", "--json"]).ok().json().as_array().unwrap().len(), 1);
}

#[test]
fn an_idle_connection_of_somebody_locked_out_or_revoked_is_ended_and_says_why() {
    let world = World::with(Setup { policies: Some(POLICIES), ..Setup::default() });
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let idle = |person: &Visitor, name: &str| {
        let log = person.dir.join(name);
        let port = free_port();
        let ssh = person.openssh("ssh", ["-N", "-L", &format!("{port}:orders:5432"), "bastion"]);
        let process = Guarded::logged(ssh, &log);
        wait_until("the forward is open", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        (process, log)
    };
    let (mut other, _) = idle(&alice, "other.log");
    let (mut tunnel, log) = idle(&bob, "locked.log");
    let id = world.bastion.run(["lock", "corp/bob@example.test", "--reason", "lost laptop"]).ok().text();
    assert!(tunnel.wait(Duration::from_secs(20)).is_some(), "it goes on");
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("Access is locked (lost laptop)"), "{said}");
    world.bastion.run(["unlock", id.trim()]).ok();
    let (mut tunnel, log) = idle(&bob, "revoked.log");
    world.bastion.run(["ca", "revoke", "--principal", "corp/bob@example.test"]).ok();
    assert!(tunnel.wait(Duration::from_secs(20)).is_some(), "it goes on");
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("Your certificate was revoked"), "{said}");
    assert!(other.runs());
}
