//! Targets that are published by reverse tunnels (`ssh -R`): real publishers that carry, refuse, die, are cut off, locked and hostile;
//! psql, ssh and curl on the other side.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Control, Done, Guarded, Postgres, Run, Setup, Visitor, World, passable_folder, wait_until};

mod ending;
mod failing;
mod hostile;
mod kinds;
mod refused;

/// bob publishes what is reached so; alice, an admin, uses it and may publish nothing.
const POLICIES: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("admins-use-everything")
permit (
  principal in Group::"corp/admins",
  action in [Action::"connect", Action::"ssh", Action::"sftp", Action::"pg", Action::"http", Action::"k8s"],
  resource
);

@id("developers-publish")
permit (principal in Group::"corp/developers", action == Action::"publish", resource);

@id("not-this-one")
@reason("The vault is published by nobody.")
forbid (principal, action == Action::"publish", resource == Target::"vault");
"#;

/// A database that nobody dials, a machine likewise, and the bastion.
struct Site {
    server: Postgres,
    world: World,
    _folder: tempfile::TempDir,
}

impl Site {
    fn start() -> Self {
        Self::with("", POLICIES)
    }

    fn with(limits: &'static str, policies: &'static str) -> Self {
        Self::set_up(limits, policies, None)
    }

    fn with_ttl(ttl: &'static str) -> Self {
        Self::set_up("", POLICIES, Some(ttl))
    }

    fn set_up(limits: &'static str, policies: &'static str, ttl: Option<&'static str>) -> Self {
        let folder = passable_folder();
        let server = Postgres::start(
            None,
            &folder.path().join("server"),
            "orders",
            "CREATE TABLE t (n int); GRANT ALL ON t TO app; INSERT INTO t VALUES (7);",
        );
        // The address is what its certificate names; nothing is there that could be dialled.
        let more = ["orders", "vault"].map(|name| server.target(name, "route = \"reverse\"")).concat();
        let more = more.replace(&format!("127.0.0.1:{}", server.port), "127.0.0.1:9");
        let world = World::with(Setup { policies: Some(policies), more, limits, ttl, ..Setup::default() });
        Self { server, world, _folder: folder }
    }

    /// Publishes `orders` by stock ssh and waits until it is.
    fn publish(&self, visitor: &Visitor) -> Publisher {
        let publisher = Publisher::start(visitor, &format!("orders:0:127.0.0.1:{}", self.server.port));
        publisher.is_there();
        publisher
    }

    /// What `psql` of `visitor` gets through a forward of its own.
    fn ask(&self, visitor: &Visitor, statement: &str) -> Done {
        self.forward(visitor).ask(visitor, statement)
    }

    fn forward(&self, visitor: &Visitor) -> Forward {
        Forward::open(visitor, "orders:5432")
    }

    fn audited(&self, kind: &str) -> Vec<Value> {
        let text = self.world.bastion.run(["audit", "export", "--kind", kind]).ok().text();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// How many publish `orders`, as the operator is told.
    fn publishers(&self) -> u64 {
        let listed = self.world.bastion.run(["targets", "orders", "--json"]).ok().json();
        listed[0]["published"]["publishers"].as_u64().unwrap()
    }
}

/// `ssh -N -R`.
struct Publisher {
    process: Guarded,
    log: std::path::PathBuf,
}

impl Publisher {
    fn start(visitor: &Visitor, forward: &str) -> Self {
        Self::by(visitor, visitor.openssh("ssh", ["-N", "-R", forward, "bastion"]))
    }

    fn by(visitor: &Visitor, command: Command) -> Self {
        let log = visitor.dir.join(format!("publish-{}.log", rand::random::<u32>()));
        Self { process: Guarded::logged(command, &log), log }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn is_there(&self) {
        wait_until("it is published", || self.said().contains("Allocated port"));
    }

    /// What it had said when it ended, which is soon.
    fn ended(&mut self) -> String {
        assert!(self.process.wait(Duration::from_secs(20)).is_some(), "it goes on: {}", self.said());
        self.said()
    }
}

/// `ssh -N -L` to a target.
struct Forward {
    port: u16,
    _process: Guarded,
}

impl Forward {
    fn open(visitor: &Visitor, to: &str) -> Self {
        let (port, _process) = visitor.forward(to);
        Self { port, _process }
    }

    fn psql(&self, visitor: &Visitor, arguments: &[&str]) -> Command {
        let mut command = visitor.command("psql", ["-X", "-q", "-At", "-h", "127.0.0.1", "-U", "app", "-d", "orders", "-p"]);
        command.arg(self.port.to_string()).args(arguments).env("PGCONNECT_TIMEOUT", "40");
        command
    }

    fn ask(&self, visitor: &Visitor, statement: &str) -> Done {
        Run::new(self.psql(visitor, &["-c", statement])).finish()
    }

    /// A session that lasts: a statement that runs until its end.
    fn lasting(&self, visitor: &Visitor, log: &Path) -> Guarded {
        Guarded::logged(self.psql(visitor, &["-c", "SELECT 'begun'", "-c", "SELECT pg_sleep(600)"]), log)
    }
}

#[test]
fn a_database_behind_nat_is_published_used_recorded_and_withdrawn() {
    let site = Site::start();
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    // Nobody publishes it yet, and that is told.
    let none = site.ask(&alice, "SELECT n FROM t");
    assert!(!none.status.success() && none.err.contains("Nobody publishes orders now"), "{none}");
    assert_eq!(site.publishers(), 0);
    assert!(alice.ssh(["bastion", "targets"]).ok().text().contains("nobody publishes it now"));

    let mut publisher = site.publish(&bob);
    assert!(publisher.said().contains("Allocated port 5432 for remote forward"), "{}", publisher.said());
    let done = site.ask(&alice, "SELECT n FROM t").ok();
    assert_eq!(done.text().trim(), "7");
    assert_eq!(site.publishers(), 1);
    let listed = site.world.bastion.run(["targets"]).ok().text();
    assert!(listed.contains("1 publisher, since 20") && listed.contains("by corp/bob@example.test from 127.0.0.1"), "{listed}");
    let told = alice.ssh(["bastion", "targets", "--json"]).ok().json();
    let orders = told.as_array().unwrap().iter().find(|one| one["name"] == "orders").unwrap();
    assert_eq!(orders["published"]["publishers"], 1, "{orders}");

    // Who publishes is told to whoever does, and to those who may read of them in the audit log.
    let asked = |person: &Visitor| Control::open(person).ask("published", json!({}))["ok"].clone();
    let (hers, his) = (asked(&alice), asked(&bob));
    assert_eq!((&hers["targets"]["orders"]["publishers"], &hers["publishers"]), (&json!(1), &json!([])), "{hers}");
    assert_eq!((&his["publishers"][0]["target"], his["publishers"].as_array().unwrap().len()), (&json!("orders"), 1), "{his}");

    publisher.process.signal(rustix::process::Signal::TERM);
    publisher.ended();
    wait_until("it is withdrawn", || site.publishers() == 0);
    let again = site.ask(&alice, "SELECT n FROM t");
    assert!(again.err.contains("Nobody publishes orders now"), "{again}");

    let published = site.audited("target.published");
    assert_eq!((published.len(), &published[0]["entry"]["principal"]), (1, &"corp/bob@example.test".into()), "{published:?}");
    let withdrawn = site.audited("target.withdrawn");
    assert_eq!((withdrawn.len(), &withdrawn[0]["entry"]["publication"]), (1, &published[0]["entry"]["publication"]), "{withdrawn:?}");
    let decided = site.audited("decision");
    let asked =
        |one: &&Value| one["entry"]["action"] == "publish" && one["entry"]["verdict"] == "allow" && one["entry"]["target"] == "orders";
    assert_eq!(decided.iter().filter(asked).count(), 1);
    // What went through it is recorded as ever.
    let list = site.world.bastion.run(["recordings", "list", "--json"]).ok().json();
    let ids = list.as_array().unwrap().iter().filter_map(|one| one["id"].as_str());
    let recorded: Vec<String> = ids.map(|id| site.world.bastion.run(["recordings", "export", id, "--v3"]).ok().text()).collect();
    let through = |one: &&String| one.contains("orders is reached through its publisher corp/bob@example.test from 127.0.0.1");
    let used: Vec<_> = recorded.iter().filter(through).collect();
    assert!(used.len() == 1 && used[0].contains("SELECT n FROM t"), "{recorded:?}");
    site.world.bastion.run(["audit", "verify"]).ok();
}
