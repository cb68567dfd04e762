//! A `[[target]]` of kind `postgres`: where it is, which databases and roles it offers, and how the bastion logs in.

use std::path::{Path, PathBuf};

use crate::model::Login;

use super::reader::{Placed, Section};
use super::route::{Route, Way, read_address};
use super::{SecretSource, secret};

/// A PostgreSQL server.
#[derive(Debug, Clone)]
pub struct PostgresTarget {
    /// The way to it.
    pub route: Route,
    /// Its host, as its certificate names it.
    pub named: String,
    /// The databases that may be asked for; the first is had by who asks for none.
    pub databases: Vec<String>,
    /// The roles that the bastion logs in as; the first is had by who asks for none.
    pub users: Vec<PostgresUser>,
    /// How the connection is protected.
    pub tls: Tls,
    /// The server's certificate authority, PEM; without it, those of the system.
    pub ca: Option<PathBuf>,
    /// The bastion's own certificate and its key, PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Whether every session is read-only.
    pub read_only: bool,
    /// Whether a server may ask for the password's MD5 hash.
    pub allow_md5: bool,
}

/// A role of the server.
#[derive(Debug, Clone)]
pub struct PostgresUser {
    /// Its name.
    pub name: Login,
    /// Its password, where it has one.
    pub password: Option<SecretSource>,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Encrypted, by a trusted authority, and for the name in the address.
    VerifyFull,
    /// Encrypted, and by a trusted authority.
    VerifyCa,
    /// Not at all: for a private link.
    Disable,
}

impl Tls {
    /// As the configuration writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::VerifyFull => "verify-full",
            Self::VerifyCa => "verify-ca",
            Self::Disable => "disable",
        }
    }
}

impl PostgresTarget {
    /// The role of that name.
    #[must_use]
    pub fn user(&self, name: &Login) -> Option<&PostgresUser> {
        self.users.iter().find(|user| user.name == *name)
    }
}

pub(super) fn read(section: &Section<'_>, home: &Path, way: Way<'_>) -> Option<PostgresTarget> {
    let address = read_address(section, 5432, way);
    let databases = read_databases(section);
    let users = read_users(section, home);
    let words = [("verify-full", Tls::VerifyFull), ("verify-ca", Tls::VerifyCa), ("disable", Tls::Disable)];
    let tls = section.choice("tls", &words, Tls::VerifyFull);
    let ca = read_files(section, "ca", &["file"], home).map(|files| files.into_iter().next());
    let certificate = read_files(section, "certificate", &["file", "key"], home).map(|files| <[PathBuf; 2]>::try_from(files).ok());
    let read_only = section.flag("read_only", false);
    let allow_md5 = section.flag("allow_md5", false);
    let (route, named) = address?;
    Some(PostgresTarget {
        route,
        named,
        databases: databases?,
        users: users?,
        tls: tls?,
        ca: ca?,
        certificate: certificate?.map(|[certificate, key]| (certificate, key)),
        read_only: read_only?,
        allow_md5: allow_md5?,
    })
}

/// One of `one` and `many`: which was written, if any.
fn only_one(section: &Section<'_>, one: &'static str, many: &'static str) -> Option<()> {
    if let (true, Some(place)) = (section.has(one), section.place(many)) {
        section.problem(&place, format!("stands beside {one}"), "keep one of the two");
        return None;
    }
    Some(())
}

fn read_databases(section: &Section<'_>) -> Option<Vec<String>> {
    only_one(section, "database", "databases")?;
    let mend = "the database's name, or databases = [\"orders\", \"audit\"]";
    let found: Vec<Placed<String>> =
        if section.has("databases") { section.strings("databases")? } else { vec![section.need_string("database", mend)?] };
    if found.is_empty() {
        section.missing("databases", mend);
    }
    for placed in &found {
        if placed.value.is_empty() || placed.value.len() > 63 || placed.value.contains('\0') {
            section.problem(placed, "is not a database's name: it has 1 to 63 bytes", mend);
            return None;
        }
    }
    (!found.is_empty()).then(|| found.into_iter().map(|placed| placed.value).collect())
}

fn read_users(section: &Section<'_>, home: &Path) -> Option<Vec<PostgresUser>> {
    only_one(section, "user", "users")?;
    let mend = "the role that the bastion logs in as, or users = { app = { env = \"APP_PASSWORD\" } }";
    if !section.has("users") {
        let name = section.need_parsed::<Login>("user", mend);
        let password = match section.section("password") {
            Some(inner) => secret::read_login(&inner, home).map(Some),
            None if section.has("password") => None,
            None => Some(None),
        };
        return Some(vec![PostgresUser { name: name?.value, password: password? }]);
    }
    if let Some(place) = section.place("password") {
        section.problem(&place, "stands beside users", "write each role's password in users");
        return None;
    }
    let mut users = Vec::new();
    for (name, source) in section.section("users")?.named_sections() {
        match name.parse() {
            Ok(name) => users.push(PostgresUser { name, password: Some(secret::read_login(&source, home)?) }),
            Err(error) => {
                section.problem(&source.whole(), format!("{error}"), mend);
                return None;
            }
        }
    }
    if users.is_empty() {
        section.missing("users", mend);
        return None;
    }
    Some(users)
}

/// The paths of a table such as `{ file = "…", key = "…" }`: all of them, or none where the table is not there.
pub(super) fn read_files(section: &Section<'_>, key: &'static str, names: &[&'static str], home: &Path) -> Option<Vec<PathBuf>> {
    if !section.has(key) {
        return Some(Vec::new());
    }
    let inner = section.section(key)?;
    let found: Vec<_> = names.iter().map(|name| inner.need_string(name, "a path").map(|placed| home.join(placed.value))).collect();
    inner.finish();
    found.into_iter().collect()
}
