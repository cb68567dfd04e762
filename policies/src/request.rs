//! What is asked of policy: who, what, on what, and what is known about it. Plain data; it decides nothing and reads no clock.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::facts::Facts;
use crate::{Action, ResourceKind};

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

/// A database of a PostgreSQL target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// The target it is in.
    pub target: Target,
    /// Its own name.
    pub name: String,
}

/// A schema of a PostgreSQL target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DbSchema {
    /// The target it is in.
    pub target: Target,
    /// Its database.
    pub database: String,
    /// Its own name.
    pub name: String,
}

/// A function or procedure of a PostgreSQL target: all of that name, whatever their arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The target it is in.
    pub target: Target,
    /// Its database.
    pub database: String,
    /// Its schema.
    pub schema: String,
    /// Its own name.
    pub name: String,
}

/// A kind of object of a Kubernetes target, as one request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// The target it is in.
    pub target: Target,
    /// Its API group; "" is the core group, which policies call `core`.
    pub group: String,
    /// Its name in the plural, as in the API's paths: `deployments`.
    pub name: String,
    /// The namespace the request names, if any.
    pub namespace: Option<String>,
}

/// A method on a path of an HTTP target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The target it is on.
    pub target: Target,
    /// The method as it was sent.
    pub method: String,
    /// The path, normalised, without query.
    pub path: String,
}

/// What an operation is about, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A target as a whole.
    Target(Target),
    /// A database.
    Database(Database),
    /// A schema.
    Schema(DbSchema),
    /// A table.
    Table(Table),
    /// A column of a table.
    Column(Table, String),
    /// A function.
    Function(Function),
    /// A kind of Kubernetes objects.
    Kind(Kind),
    /// A method on a path.
    Route(Route),
    /// A live session.
    Session(Visit),
    /// A recording.
    Recording(Visit),
    /// A held operation.
    Approval(Approval),
    /// A public key.
    Key(Key),
    /// A user or a service.
    Principal(Principal),
}

impl Place {
    /// Where on `target` an operation with these facts takes place, as far as they tell: what SQL is about they do not.
    #[must_use]
    pub fn of(facts: &Facts, target: Target) -> Self {
        match facts {
            Facts::HttpRequest(request) | Facts::HttpField { request, .. } => {
                Self::Route(Route { target, method: request.method.clone(), path: request.path.clone() })
            }
            Facts::ApiRequest(request) | Facts::ApiExec { request, .. } | Facts::ApiField { request, .. } => {
                Self::Kind(request.kind(target))
            }
            _ => Self::Target(target),
        }
    }

    /// As policy is asked about it.
    #[must_use]
    pub fn resource(&self) -> Resource<'_> {
        match self {
            Self::Target(target) => Resource::Target(target),
            Self::Database(database) => Resource::Database(database),
            Self::Schema(schema) => Resource::Schema(schema),
            Self::Table(table) => Resource::Table(table),
            Self::Column(table, column) => Resource::Column(table, column),
            Self::Function(function) => Resource::Function(function),
            Self::Kind(kind) => Resource::Kind(kind),
            Self::Route(route) => Resource::Route(route),
            Self::Session(visit) => Resource::Session(visit),
            Self::Recording(visit) => Resource::Recording(visit),
            Self::Approval(approval) => Resource::Approval(approval),
            Self::Key(key) => Resource::Key(key),
            Self::Principal(principal) => Resource::Principal(principal),
        }
    }
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
    /// A database.
    Database(&'a Database),
    /// A schema.
    Schema(&'a DbSchema),
    /// A table.
    Table(&'a Table),
    /// A column of a table.
    Column(&'a Table, &'a str),
    /// A function.
    Function(&'a Function),
    /// A kind of Kubernetes objects.
    Kind(&'a Kind),
    /// A method on a path.
    Route(&'a Route),
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
            Resource::Database(_) => ResourceKind::Database,
            Resource::Schema(_) => ResourceKind::Schema,
            Resource::Table(_) => ResourceKind::Table,
            Resource::Column(..) => ResourceKind::Column,
            Resource::Function(_) => ResourceKind::Function,
            Resource::Kind(_) => ResourceKind::Kind,
            Resource::Route(_) => ResourceKind::Route,
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
            Resource::Database(database) => write!(f, "{}/{}", database.target.name, database.name),
            Resource::Schema(schema) => write!(f, "{}/{}", schema.target.name, schema.name),
            Resource::Table(table) => {
                write!(f, "{}/{}.{}", table.target.name, table.schema, table.name)
            }
            Resource::Column(table, column) => write!(f, "{}/{}.{}.{column}", table.target.name, table.schema, table.name),
            Resource::Function(function) => write!(f, "{}/{}.{}()", function.target.name, function.schema, function.name),
            Resource::Kind(kind) => kind.fmt(f),
            Resource::Route(route) => write!(f, "{}/{} {}", route.target.name, route.method, route.path),
            Resource::Session(visit) => write!(f, "session {}", visit.id),
            Resource::Recording(visit) => write!(f, "recording {}", visit.id),
            Resource::Approval(approval) => write!(f, "approval {}", approval.id),
            Resource::Key(key) => write!(f, "key {}", key.fingerprint),
            Resource::Principal(principal) => f.write_str(&principal.id),
        }
    }
}

/// `prod/apps/deployments`, and the namespace if one is named.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.target.name, self.group_name(), self.name)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => Ok(()),
        }
    }
}

impl Kind {
    /// Its group as policies name it.
    pub(crate) fn group_name(&self) -> &str {
        if self.group.is_empty() { "core" } else { &self.group }
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

impl Request<'_> {
    /// Whether the parts belong together: the resource and the facts are of the action's kinds, and say the same where both say
    /// something.
    pub(crate) fn is_consistent(&self) -> bool {
        let kinds = self.action.resources().contains(&self.resource.kind()) && self.action.facts() == self.context.facts.kind();
        kinds
            && match (&self.resource, &self.context.facts) {
                (Resource::Kind(kind), Facts::ApiRequest(request) | Facts::ApiExec { request, .. } | Facts::ApiField { request, .. }) => {
                    kind.group == request.group && kind.name == request.resource && kind.namespace == request.namespace
                }
                (Resource::Route(route), Facts::HttpRequest(request)) => {
                    let same = route.method == request.method && route.path == request.path;
                    same && (self.action == Action::of_http_method(&request.method) || self.action == Action::HttpUpgrade)
                }
                (Resource::Route(route), Facts::HttpField { request, .. }) => route.method == request.method && route.path == request.path,
                _ => true,
            }
    }
}
