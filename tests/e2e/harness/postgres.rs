//! A real PostgreSQL server, made and run by the scripts in `tests/fixtures/postgres`: role `app` logs in by SCRAM over TLS, role
//! `owner` by the server's own socket, as the one who is asked directly.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::wait_for_line;
use super::{Guarded, PASSWORD, Run, fixture, wait_until};

/// A running server.
pub(crate) struct Postgres {
    pub(crate) dir: PathBuf,
    pub(crate) port: u16,
    database: String,
    process: Guarded,
}

impl Postgres {
    /// Starts it in the new folder `dir`, with a database of role `app` and the statements of `setup` in it.
    /// By the programs in the folder `programs`, or by the newest of the machine.
    pub(crate) fn start(programs: Option<&Path>, dir: &Path, database: &str, setup: &str) -> Self {
        let mut make = Command::new(fixture("postgres/make"));
        make.arg(dir).envs(programs.map(|folder| ("BARTIZAN_TEST_PG_BIN", folder)));
        Run::new(make).ok();
        let process = serve(dir);
        let port = fs::read_to_string(dir.join("port")).unwrap().trim().parse().unwrap();
        let server = Self { dir: dir.to_owned(), port, database: database.to_owned(), process };
        server.wait_until_ready();
        server.psql("postgres", &["-c", &format!("CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")]).ok();
        server.psql("postgres", &["-c", &format!("CREATE DATABASE {database} OWNER app")]).ok();
        server.psql(database, &["-v", "ON_ERROR_STOP=1", "-f", "-"]).input(setup).ok();
        server
    }

    /// Starts it again, with a setting that it only takes then.
    pub(crate) fn restart_with(&mut self, setting: &str) {
        self.psql("postgres", &["-c", &format!("ALTER SYSTEM SET {setting}")]).ok();
        self.die();
        self.process = serve(&self.dir);
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        wait_until("the server takes connections", || self.psql("postgres", &["-c", "SELECT 1"]).finish().status.success());
    }

    /// `psql` straight to the server, as its owner.
    pub(crate) fn psql(&self, database: &str, arguments: &[&str]) -> Run {
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-U", "owner", "-d", database, "-h"]).arg(self.dir.join("socket")).args(["-p", &self.port.to_string()]);
        command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        Run::new(command)
    }

    /// What one statement gives the owner, without decoration.
    pub(crate) fn ask(&self, statement: &str) -> String {
        self.psql(&self.database, &["-At", "-c", statement]).ok().text().trim().to_owned()
    }

    /// A `[[target]]` of the bastion that leads here as role `app`.
    pub(crate) fn target(&self, name: &str, more: &str) -> String {
        let ca = self.dir.join("ca.crt");
        format!(
            "\n[[target]]\nname = \"{name}\"\nkind = \"postgres\"\naddress = \"127.0.0.1:{}\"\ndatabase = \"{}\"\nuser = \"app\"\n\
             password = {{ env = \"BARTIZAN_TEST_PASSWORD\" }}\nca = {{ file = \"{}\" }}\ntags = {{ env = \"test\" }}\n{more}\n",
            self.port,
            self.database,
            ca.display()
        )
    }

    /// Ends it as a machine that loses its power.
    pub(crate) fn die(&mut self) {
        self.process.kill();
    }
}

fn serve(dir: &Path) -> Guarded {
    let mut serve = Command::new(fixture("postgres/serve"));
    serve.arg(dir);
    let log = dir.join("postgres.log");
    let mut process = Guarded::logged(serve, &log);
    wait_for_line(&log, "starting PostgreSQL", &mut process);
    process
}
