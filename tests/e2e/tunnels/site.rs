//! A bastion with a database behind it that the service `ci` may use, and tunnels.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Bastion, Guarded, Postgres, Run, Setup, World, bartizan, passable_folder, wait_for_line, wait_until};

/// Services of the group robots may read and write orders; nothing else is for them.
pub(super) const POLICIES: &str = r#"
@id("admins-may-everything")
permit (principal in Group::"corp/admins", action, resource);

@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("robots-use-orders")
permit (
  principal in Group::"robots/robots",
  action in [Action::"connect", Action::"pg.read", Action::"pg.write", Action::"pg.set", Action::"pg.call"],
  resource in Target::"orders"
);

@id("robots-empty-nothing")
@reason("Orders are kept.")
forbid (principal in Group::"robots/robots", action == Action::"pg.truncate", resource);
"#;

pub(super) const TABLES: &str = "
CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL);
INSERT INTO orders SELECT n, 'customer ' || n FROM generate_series(1, 100) n;
CREATE TABLE calls (id serial PRIMARY KEY, body text NOT NULL);
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app;
";

/// The bastion and the database.
pub(super) struct Site {
    pub(super) world: World,
    pub(super) server: Postgres,
    folder: tempfile::TempDir,
}

impl Site {
    pub(super) fn start() -> Self {
        Self::with(Setup::default())
    }

    /// One that is otherwise as `setup` says. The bastion's port stays the same when it starts again.
    pub(super) fn with(setup: Setup) -> Self {
        let folder = passable_folder();
        let server = Postgres::start(None, &folder.path().join("server"), "orders", TABLES);
        let more = server.target("orders", "") + &setup.more;
        let policies = Some(setup.policies.unwrap_or(POLICIES));
        Self { world: pinned(Setup { policies, more, ..setup }), server, folder }
    }

    /// The same with a password that the bastion reads in a file, and nothing that robots have done yet.
    pub(super) fn by_password_in(password: &Path, targets: &str, setup: Setup) -> Self {
        let folder = passable_folder();
        let server = Postgres::start(None, &folder.path().join("server"), "orders", TABLES);
        let more = by_file(&server, password) + targets;
        Self { world: pinned(Setup { more, ..setup }), server, folder }
    }

    /// Another bastion before the same database.
    pub(super) fn another(&self, password: &Path, targets: &str, setup: Setup) -> World {
        let more = by_file(&self.server, password) + targets;
        pinned(Setup { more, ..setup })
    }

    /// A new folder for one tunnel, with a fresh token in it.
    pub(super) fn seat(&self, name: &str) -> PathBuf {
        let dir = self.folder.path().join(name);
        fs::create_dir(&dir).unwrap();
        token_in(&dir.join("token"), &self.world.provider.service_token());
        dir
    }

    /// A tunnel to `orders` at a free port, which is connected.
    pub(super) fn tunnel(&self, name: &str, options: &[&str]) -> Tunnel {
        let dir = self.seat(name);
        let mut tunnel = self.tunnel_in(&dir, &[options, &["orders=0"]].concat());
        tunnel.wait_until_ready();
        tunnel
    }

    /// A tunnel that may not be connected yet; `arguments` beside the bastion, how it is known, the token and the health.
    pub(super) fn tunnel_in(&self, dir: &Path, arguments: &[&str]) -> Tunnel {
        let mut command = self.command(dir);
        command.args(arguments);
        Tunnel::start(dir, command)
    }

    /// The command line up to where it listens.
    pub(super) fn command(&self, dir: &Path) -> Command {
        let mut command = bartizan(&self.world.dir());
        command.args(["tunnel", "--name", "bastion", "--host-ca", &self.world.host_ca]);
        command.args(["--bastion", &format!("127.0.0.1:{}", self.world.bastion.port)]);
        command.arg("--token-file").arg(dir.join("token")).args(["--health", "127.0.0.1:0"]);
        // It has no use for the bastion's own configuration.
        command.env("BARTIZAN_CONFIG", "/nonexistent");
        command
    }

    /// Starts the bastion again, at the same port.
    pub(super) fn start_again(&mut self) {
        self.world.bastion = Bastion::start(&self.world.dir());
    }

    /// The audit log's entries of one kind.
    pub(super) fn audited(&self, kind: &str) -> Vec<Value> {
        let text = self.world.bastion.run(["audit", "export", "--kind", kind]).ok().text();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["entry"].take()).collect()
    }
}

/// The target `orders` with its password in a file.
fn by_file(server: &Postgres, password: &Path) -> String {
    server.target("orders", "").replace("{ env = \"BARTIZAN_TEST_PASSWORD\" }", &format!("{{ file = \"{}\" }}", password.display()))
}

/// A world whose bastion keeps its port when it starts again.
fn pinned(setup: Setup) -> World {
    let world = World::with(setup);
    let file = world.dir().join("bartizan.toml");
    let text = fs::read_to_string(&file).unwrap().replacen("127.0.0.1:0", &format!("127.0.0.1:{}", world.bastion.port), 1);
    fs::write(file, text).unwrap();
    world
}

/// Puts a token where a tunnel reads it, at once, as whoever rotates such files does.
pub(super) fn token_in(file: &Path, token: &str) {
    let new = file.with_extension("new");
    fs::write(&new, format!("{token}\n")).unwrap();
    fs::rename(new, file).unwrap();
}

/// A running tunnel.
pub(super) struct Tunnel {
    pub(super) log: PathBuf,
    pub(super) health: String,
    pub(super) process: Guarded,
    dir: PathBuf,
}

impl Tunnel {
    pub(super) fn start(dir: &Path, command: Command) -> Self {
        let log = dir.join("tunnel.log");
        let mut process = Guarded::logged(command, &log);
        let address = wait_for_line(&log, "health at http://", &mut process);
        let health = format!("http://{}", address.trim_end_matches("/readyz"));
        Self { log, health, process, dir: dir.to_owned() }
    }

    pub(super) fn wait_until_ready(&mut self) {
        wait_for_line(&self.log, "ready: connected to", &mut self.process);
    }

    pub(super) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has said so.
    pub(super) fn wait_for(&mut self, words: &str) {
        wait_for_line(&self.log, words, &mut self.process);
    }

    /// The port at which it listens for a target.
    pub(super) fn port(&mut self, target: &str) -> u16 {
        let log = self.log.clone();
        wait_for_line(&log, "listening at 127.0.0.1:", &mut self.process);
        let said = self.said();
        let place = said.lines().filter_map(|line| line.strip_suffix(&format!(" for {target}"))).find_map(|line| line.rsplit_once(':'));
        place.unwrap_or_else(|| panic!("it does not listen for {target}:\n{said}")).1.parse().unwrap()
    }

    /// Status and body of one of its pages.
    pub(super) fn page(&self, path: &str) -> (u16, String) {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--noproxy", "*", "--max-time", "20", "--write-out", "\n%{http_code}", &format!("{}{path}", self.health)]);
        let text = Run::new(curl).ok().text();
        let (body, code) = text.rsplit_once('\n').unwrap();
        (code.parse().unwrap(), body.to_owned())
    }

    pub(super) fn is_ready(&self) -> bool {
        self.page("/readyz").0 == 200
    }

    /// One figure of its metrics.
    pub(super) fn figure(&self, line: &str) -> f64 {
        let text = self.page("/metrics").1;
        text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok()).unwrap_or(0.0)
    }

    pub(super) fn psql(&mut self, statement: &str) -> Run {
        Run::new(self.psql_command(statement)).within(120)
    }

    pub(super) fn psql_command(&mut self, statement: &str) -> Command {
        let port = self.port("orders").to_string();
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-At", "-h", "127.0.0.1", "-U", "app", "-d", "orders", "-p", &port, "-c", statement]);
        command.env("HOME", &self.dir).env("PGCONNECT_TIMEOUT", "60");
        command
    }

    /// `psql` that runs beside the test, and what it says.
    pub(super) fn psql_beside(&mut self, name: &str, statement: &str) -> (Guarded, PathBuf) {
        let log = self.dir.join(name);
        (Guarded::logged(self.psql_command(statement), &log), log)
    }

    pub(super) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// The exit code, once it has ended by itself.
    pub(super) fn ended(&mut self) -> i32 {
        let status = self.process.wait(Duration::from_secs(60));
        status.unwrap_or_else(|| panic!("the tunnel goes on:\n{}", self.said())).code().unwrap()
    }
}

/// How a program beside the test ended, and what it said.
pub(super) fn end_of((mut program, log): (Guarded, PathBuf)) -> (bool, String) {
    let status = program.wait(Duration::from_secs(120)).expect("it goes on");
    let mut said = String::new();
    fs::File::open(log).unwrap().read_to_string(&mut said).unwrap();
    (status.success(), said)
}

/// Waits until the database runs a statement with these words.
pub(super) fn wait_until_runs(server: &Postgres, words: &str) {
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%{words}%' AND usename = 'app' AND state = 'active'");
    wait_until("the statement runs", || server.ask(&count) != "0");
}
