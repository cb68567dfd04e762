//! What is asked of policy: who, what, on what, and what is known about it. Plain data; it decides nothing and reads no clock.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::command::Command;
use crate::{Action, FactsKind, ResourceKind};

/// Whether a principal is a person or a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A workload.
    Service,
}

/// A user or a service, as one OIDC issuer named it. Ids carry the issuer: `corp/alice@example.com`, `corp/sre`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Person or workload.
    pub kind: PrincipalKind,
    /// `issuer/name`.
    pub id: String,
    /// `issuer/group` of every group it is in.
    pub groups: Vec<String>,
    /// Further claims, each with its values; tags of the principal in policies.
    pub claims: BTreeMap<String, Vec<String>>,
}

impl Principal {
    /// A person without further claims.
    #[must_use]
    pub fn user(id: impl Into<String>, groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Principal::new(PrincipalKind::User, id, groups)
    }

    /// A workload without further claims.
    #[must_use]
    pub fn service(id: impl Into<String>, groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Principal::new(PrincipalKind::Service, id, groups)
    }

    /// A principal without further claims.
    #[must_use]
    pub fn new(kind: PrincipalKind, id: impl Into<String>, groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Principal { kind, id: id.into(), groups: groups.into_iter().map(Into::into).collect(), claims: BTreeMap::new() }
    }

    /// The issuer and the name it gave.
    pub(crate) fn parts(&self) -> (&str, &str) {
        self.id.split_once('/').unwrap_or(("", &self.id))
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// A target of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name, without `/`.
    pub name: String,
    /// `ssh`, `postgres`, `kubernetes` or `http`.
    pub kind: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Target {
    /// A target without tags.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Target { name: name.into(), kind: kind.into(), tags: BTreeMap::new() }
    }
}

/// A table of a PostgreSQL target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The target it is in.
    pub target: Target,
    /// Its database.
    pub database: String,
    /// Its schema.
    pub schema: String,
    /// Its own name.
    pub name: String,
}

/// A live session, or the recording of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// Session or recording id.
    pub id: String,
    /// Whose session it is or was.
    pub owner: Principal,
    /// On which target.
    pub target: Target,
    /// As which account; empty where the kind of target has none.
    pub login: String,
}

/// A held operation that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Its id.
    pub id: String,
    /// Who wants to do it.
    pub requester: Principal,
    /// On which target.
    pub target: Target,
    /// What it is.
    pub action: Action,
    /// The groups its policies ask.
    pub asks: Vec<String>,
}

/// A public key that wants a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `SHA256:…`, as OpenSSH prints it.
    pub fingerprint: String,
    /// The algorithm's name in the key file, such as `ssh-ed25519`.
    pub algorithm: String,
    /// Its size in bits.
    pub bits: u32,
}

/// What an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// A target as a whole.
    Target(&'a Target),
    /// A table.
    Table(&'a Table),
    /// A column of a table.
    Column(&'a Table, &'a str),
    /// A live session.
    Session(&'a Visit),
    /// A recording.
    Recording(&'a Visit),
    /// A held operation.
    Approval(&'a Approval),
    /// A public key.
    Key(&'a Key),
    /// A user or a service.
    Principal(&'a Principal),
}

impl Resource<'_> {
    /// What kind of thing it is.
    #[must_use]
    pub fn kind(&self) -> ResourceKind {
        match self {
            Resource::Target(_) => ResourceKind::Target,
            Resource::Table(_) => ResourceKind::Table,
            Resource::Column(..) => ResourceKind::Column,
            Resource::Session(_) => ResourceKind::Session,
            Resource::Recording(_) => ResourceKind::Recording,
            Resource::Approval(_) => ResourceKind::Approval,
            Resource::Key(_) => ResourceKind::Key,
            Resource::Principal(_) => ResourceKind::Principal,
        }
    }
}

/// As a caller would name it: `web-1`, `orders/public.refunds`.
impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::Target(target) => f.write_str(&target.name),
            Resource::Table(table) => {
                write!(f, "{}/{}.{}", table.target.name, table.schema, table.name)
            }
            Resource::Column(table, column) => write!(f, "{}/{}.{}.{column}", table.target.name, table.schema, table.name),
            Resource::Session(visit) => write!(f, "session {}", visit.id),
            Resource::Recording(visit) => write!(f, "recording {}", visit.id),
            Resource::Approval(approval) => write!(f, "approval {}", approval.id),
            Resource::Key(key) => write!(f, "key {}", key.fingerprint),
            Resource::Principal(principal) => f.write_str(&principal.id),
        }
    }
}

/// What the analysis of the operation proved, beyond who asks from where and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Facts {
    /// Nothing further.
    None,
    /// The account on the target, for `connect` and `ssh.shell`; empty where the kind of target has none.
    Login(String),
    /// For `ssh.exec`.
    Command {
        /// The account on the target.
        login: String,
        /// The command line.
        command: Command,
    },
    /// For `sftp.*`. Without `path` a whole SFTP session is asked about.
    File {
        /// The account on the target.
        login: String,
        /// The file, absolute and normalised.
        path: Option<String>,
        /// The new name of a rename.
        to: Option<String>,
        /// Whether everything beneath the path may be touched too, each file unseen.
        recursive: bool,
    },
    /// For `pg.*`.
    Sql {
        /// The kind of statement, such as `select`.
        statement: String,
        /// Whether it has a `where`.
        has_where: bool,
        /// Whether it runs inside a transaction block.
        in_transaction: bool,
    },
}

impl Facts {
    /// Which facts these are.
    #[must_use]
    pub fn kind(&self) -> FactsKind {
        match self {
            Facts::None => FactsKind::None,
            Facts::Login(_) => FactsKind::Login,
            Facts::Command { .. } => FactsKind::Command,
            Facts::File { .. } => FactsKind::File,
            Facts::Sql { .. } => FactsKind::Sql,
        }
    }
}

/// What is known about the asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The address the caller comes from.
    pub source_ip: IpAddr,
    /// Now.
    pub time: Timestamp,
    /// When the issuer last saw the caller.
    pub authenticated_at: Timestamp,
    /// Whether the caller's key is known to live in hardware.
    pub device_bound: bool,
    /// The reason the caller gave, if any.
    pub reason: Option<String>,
    /// What belongs to the action.
    pub facts: Facts,
}

/// One question to policy, beside who asks.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is wanted.
    pub action: Action,
    /// On what. It must be of a kind the action knows, or the answer is a refusal.
    pub resource: Resource<'a>,
    /// What is known about it. Its facts must be the action's, or the answer is a refusal.
    pub context: &'a Context,
}
