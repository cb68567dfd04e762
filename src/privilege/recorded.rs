//! From an entry of the audit log back to the question that policy was asked. What cannot be asked again is named, never guessed.

use std::net::{IpAddr, Ipv4Addr};

use bartizan_policies::http::Body;
use bartizan_policies::{
    Action, Command, Database, DbSchema, Facts, FactsKind, Function, HttpRequest, Key, Place, Principal, PrincipalKind, Table, Target,
};
use serde::Serialize;
use serde_json::Value;

use crate::audit::{self, About, DbObject, Entry, Verdict};
use crate::model::{self, SessionId};

/// Why a decision cannot be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Skipped {
    /// An early version wrote it.
    TooOld,
    /// Its target is not in the configuration any more.
    NoTarget,
    /// What policy was told is not kept of such operations.
    Unkept,
    /// It is not as this version writes decisions.
    Unreadable,
}

impl Skipped {
    /// What such entries are like; reads after their number.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::TooOld => "do not say what policy was told: an early version wrote them, or no single question was asked",
            Self::NoTarget => "are about targets that the configuration does not have any more",
            Self::Unkept => "are of a kind whose facts are not kept",
            Self::Unreadable => "are not as this version writes them",
        }
    }
}

/// A decision as it was recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Who asked.
    pub principal: String,
    /// Whether it is a service.
    pub service: bool,
    /// The groups it was in.
    pub groups: Vec<String>,
    /// The target, where it is about one.
    pub target: Option<String>,
    /// What was wanted.
    pub action: Action,
    /// The account on the target, or "".
    pub login: String,
    /// As people read it.
    pub operation: String,
    /// What policy said.
    pub verdict: Verdict,
    /// Whether people answered what it was held for.
    pub approved: bool,
    /// The policies that had a say.
    pub policies: Vec<String>,
    /// From where.
    pub source: IpAddr,
    /// In which session.
    pub session: Option<SessionId>,
    /// What policy was told; `None` where that was not kept.
    pub facts: Option<audit::Facts>,
}

impl Recorded {
    /// What an entry says, if it is a decision.
    ///
    /// # Errors
    /// [`Skipped::Unreadable`].
    pub fn of(entry: Value) -> Result<Self, Skipped> {
        let Ok(Entry::Decision {
            principal,
            principal_kind,
            target,
            login,
            action,
            operation,
            verdict,
            policies,
            reason,
            source,
            session,
            groups,
            facts,
        }) = serde_json::from_value(entry)
        else {
            return Err(Skipped::Unreadable);
        };
        Ok(Self {
            principal: principal.to_string(),
            service: principal_kind == model::PrincipalKind::Service,
            groups,
            target: target.map(|target| target.to_string()),
            action: action.parse().map_err(|_| Skipped::Unreadable)?,
            login: login.map(|login| login.to_string()).unwrap_or_default(),
            operation,
            verdict,
            approved: verdict == Verdict::Allow && reason == "approved",
            policies,
            source: source.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            session,
            facts,
        })
    }
}

/// The principal as policies name it.
pub(super) fn principal(id: &str, service: bool, groups: &[String]) -> Principal {
    Principal::new(if service { PrincipalKind::Service } else { PrincipalKind::User }, id, groups)
}

/// The facts as they were told to policy then, but for the body of a request ([`About::is_whole`]).
///
/// # Errors
/// When they were not kept, or are not the action's.
pub fn facts(action: Action, login: &str, about: &About) -> Result<Facts, Skipped> {
    let login = || login.to_owned();
    match (about, action.facts()) {
        (About::Nothing, FactsKind::Login) => Ok(Facts::Login(login())),
        (About::Nothing | About::Key { .. }, FactsKind::None) => Ok(Facts::None),
        (About::File { path, to, recursive }, FactsKind::File) => {
            Ok(Facts::File { login: login(), path: path.clone(), to: to.clone(), recursive: *recursive })
        }
        (About::Command { .. }, FactsKind::Command) => Ok(Facts::Command { login: login(), command: command(about)? }),
        (About::Sql { statement, has_where, in_transaction, setting, estimated_rows, on: _ }, FactsKind::Sql) => Ok(Facts::Sql {
            statement: statement.clone(),
            has_where: *has_where,
            in_transaction: *in_transaction,
            setting: setting.clone(),
            estimated_rows: *estimated_rows,
        }),
        (About::Http { method, path, query, content_type, headers, size, body: _ }, FactsKind::HttpRequest) => {
            Ok(Facts::HttpRequest(HttpRequest {
                method: method.clone(),
                path: path.clone(),
                query: query.clone(),
                content_type: content_type.clone(),
                headers: headers.clone(),
                size: *size,
                body: Body::Absent,
            }))
        }
        (About::Api { request, runs: None }, FactsKind::ApiRequest) => Ok(Facts::ApiRequest(api_request(request))),
        (About::Api { request, runs: Some(runs) }, FactsKind::ApiExec) => {
            Ok(Facts::ApiExec { request: api_request(request), command: command(runs)? })
        }
        (About::Path { verb, path }, FactsKind::ApiPath) => Ok(Facts::ApiPath { verb: verb.clone(), path: path.clone() }),
        (About::Unkept, _) => Err(Skipped::Unkept),
        _ => Err(Skipped::Unreadable),
    }
}

/// What it was about; `None` where that needs a target and there is none.
#[must_use]
pub fn place(about: &About, facts: &Facts, target: Option<&Target>) -> Option<Place> {
    if let About::Key { fingerprint, algorithm, bits } = about {
        return Some(Place::Key(Key { fingerprint: fingerprint.clone(), algorithm: algorithm.clone(), bits: *bits }));
    }
    let target = target?.clone();
    let About::Sql { on, .. } = about else { return Some(Place::of(facts, target)) };
    let table = |target, database: &String, schema: &String, name: &String| Table {
        target,
        database: database.clone(),
        schema: schema.clone(),
        name: name.clone(),
    };
    Some(match &**on {
        DbObject::Database(name) => Place::Database(Database { target, name: name.clone() }),
        DbObject::Schema([database, name]) => Place::Schema(DbSchema { target, database: database.clone(), name: name.clone() }),
        DbObject::Table([database, schema, name]) => Place::Table(table(target, database, schema, name)),
        DbObject::Column([database, schema, name, column]) => Place::Column(table(target, database, schema, name), column.clone()),
        DbObject::Function([database, schema, name]) => {
            Place::Function(Function { target, database: database.clone(), schema: schema.clone(), name: name.clone() })
        }
    })
}

fn command(about: &About) -> Result<Command, Skipped> {
    let About::Command { text, words, redirects, environment, patterns } = about else { return Err(Skipped::Unreadable) };
    Ok(Command::recorded(text.clone(), words.clone(), redirects.clone(), environment.clone(), *patterns))
}

fn api_request(request: &audit::ApiRequest) -> bartizan_policies::ApiRequest {
    let audit::ApiRequest { verb, group, version, resource, namespace, name, subresource, container, dry_run } = request.clone();
    bartizan_policies::ApiRequest { verb, group, version, resource, namespace, name, subresource, container, dry_run }
}
