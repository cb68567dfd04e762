//! Puts what is asked into policy's words.

use bartizan_policies::http::Body;
use bartizan_policies::sql::{Operation, Statement};
use bartizan_policies::{Action, ApiRequest, Command, Context, Facts, HttpRequest, Key, Line, Place, PrincipalKind as Kind, Route, Table};
use jiff::Timestamp;

use crate::audit::{self, About, DbObject};
use crate::config;
use crate::identity::Caller;
use crate::model::{Principal, PrincipalKind, Printable, Wish};

/// The principal as policies name it.
#[must_use]
pub fn as_principal(principal: &Principal) -> bartizan_policies::Principal {
    let kind = match principal.kind {
        PrincipalKind::User => Kind::User,
        PrincipalKind::Service => Kind::Service,
    };
    bartizan_policies::Principal::new(kind, principal.id.as_str(), principal.groups.iter().map(|g| g.as_str().to_owned()))
}

/// The target as policies name it.
#[must_use]
pub fn as_target(target: &config::Target) -> bartizan_policies::Target {
    let mut known = bartizan_policies::Target::new(target.name.as_str(), target.kind().to_string());
    known.tags.clone_from(&target.tags);
    known
}

/// One question about a session.
#[derive(Debug, Clone)]
pub struct Question {
    /// What is wanted.
    pub(super) action: Action,
    /// What is known about it.
    pub(super) facts: Facts,
    /// The operation as the audit log shows it.
    pub(super) operation: String,
    /// What it is about, where its facts do not tell.
    pub(super) place: Option<Place>,
    /// What a refusal adds for whoever asked: which part of what they wrote it is about, and why it could not be read further.
    pub(super) about: Option<String>,
}

impl Question {
    /// What is wanted.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// What is known about it.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The operation as the audit log shows it.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// One thing that a statement of SQL does, as it is written down; `text` is the statement.
    pub(super) fn of_sql(
        statement: &Statement,
        operation: &Operation,
        (in_transaction, estimated_rows): (bool, Option<i64>),
        place: Place,
        text: &str,
    ) -> Self {
        let facts = Facts::Sql {
            statement: statement.kind.to_owned(),
            has_where: statement.has_where,
            in_transaction,
            setting: operation.setting.as_ref().map(ToString::to_string),
            estimated_rows,
        };
        Self { action: operation.action, facts, operation: text.to_owned(), place: Some(place), about: None }
    }

    /// May the target be used at all as `login`?
    #[must_use]
    pub fn connect(login: &str, wish: &Wish) -> Self {
        Self { action: Action::Connect, facts: Facts::Login(login.to_owned()), operation: wish.to_string(), place: None, about: None }
    }

    /// May there be an ordinary shell?
    #[must_use]
    pub fn shell(login: &str) -> Self {
        Self {
            action: Action::SshShell,
            facts: Facts::Login(login.to_owned()),
            operation: Wish::Shell.to_string(),
            place: None,
            about: None,
        }
    }

    /// May the session go on, or begin, while it cannot be recorded?
    #[must_use]
    pub(super) fn unrecorded(login: &str) -> Self {
        let facts = Facts::Login(login.to_owned());
        Self { action: Action::Unrecorded, facts, operation: "go unrecorded".to_owned(), place: None, about: None }
    }

    /// One question for each thing that `line` would do.
    #[must_use]
    pub fn of_line(login: &str, line: &Line) -> Vec<Self> {
        let one = |asked: bartizan_policies::Question| match &asked.facts {
            Facts::Command { command, .. } => Self {
                operation: Wish::Exec(command.text().to_owned()).to_string(),
                about: Some(explained(line, command)),
                place: None,
                action: asked.action,
                facts: asked.facts,
            },
            _ => Self {
                about: Some(format!("Refused: {}", asked.operation)),
                place: None,
                action: asked.action,
                facts: asked.facts,
                operation: asked.operation,
            },
        };
        bartizan_policies::questions(login, line).into_iter().map(one).collect()
    }

    /// A request to an HTTP server, and whether it turns the connection into one of another protocol.
    #[must_use]
    pub fn of_http(request: &HttpRequest, upgrades: bool) -> Vec<Self> {
        let operation = Printable(&format!("{} {}", request.method, request.target())).to_string();
        let upgrade = upgrades.then_some(Action::HttpUpgrade);
        let actions = std::iter::once(Action::of_http_method(&request.method)).chain(upgrade);
        let about = format!("Refused: {}", operation.chars().take(ABOUT_MAX).collect::<String>());
        let question = |action| {
            let facts = Facts::HttpRequest(request.clone());
            Self { action, facts, operation: operation.clone(), place: None, about: Some(about.clone()) }
        };
        actions.map(question).collect()
    }

    /// A file operation: `path` and `to` are absolute and normalised, as the target sees them.
    #[must_use]
    pub fn of_file(login: &str, action: Action, path: Option<&str>, to: Option<&str>, recursive: bool) -> Self {
        let mut operation = action.to_string();
        for part in [path, to].into_iter().flatten() {
            operation.push(' ');
            operation.push_str(&Printable(part).to_string());
        }
        let facts = Facts::File { login: login.to_owned(), path: path.map(str::to_owned), to: to.map(str::to_owned), recursive };
        Self { action, facts, place: None, about: Some(format!("Refused: {operation}")), operation }
    }
}

/// The command, and what it is that keeps it from being known.
fn explained(line: &Line, command: &Command) -> String {
    let mut text: String = Printable(command.text()).to_string().chars().take(ABOUT_MAX).collect();
    text.insert_str(0, "Refused: ");
    if let (true, Some(why)) = (command.is_dynamic(), line.why_dynamic()) {
        text.push_str(&format!("\nIt is dynamic: {}.", Printable(why).to_string().trim_end_matches('.')));
    }
    text
}

/// How much of a command a refusal repeats, in characters.
pub(super) const ABOUT_MAX: usize = 300;

/// The route of a request, as policies name it.
pub(super) fn route(target: bartizan_policies::Target, request: &HttpRequest) -> Route {
    Route { target, method: request.method.clone(), path: request.path.clone() }
}

/// What is known about the asking.
pub(super) fn context(caller: &Caller, now: Timestamp, reason: Option<String>, facts: Facts) -> Context {
    Context {
        source_ip: caller.source(),
        time: now,
        authenticated_at: caller.authenticated_at(),
        device_bound: caller.device_bound(),
        reason,
        facts,
    }
}

/// What policy is told, as the audit log keeps it.
pub(super) fn told(caller: &Caller, reason: Option<String>, about: About) -> audit::Facts {
    audit::Facts { authenticated_at: caller.authenticated_at(), device_bound: caller.device_bound(), reason, about }
}

/// What belongs to an action on a target, as the audit log keeps it. `place` is what it is about, where the facts do not tell.
pub(super) fn kept(facts: &Facts, place: Option<&Place>) -> About {
    match facts {
        Facts::Sql { statement, has_where, in_transaction, setting, estimated_rows } => match place.and_then(kept_object) {
            Some(on) => About::Sql {
                statement: statement.clone(),
                has_where: *has_where,
                in_transaction: *in_transaction,
                setting: setting.clone(),
                estimated_rows: *estimated_rows,
                on: Box::new(on),
            },
            None => About::Unkept,
        },
        Facts::None | Facts::Login(_) => About::Nothing,
        Facts::Command { command, .. } => kept_command(command),
        Facts::File { path, to, recursive, .. } => About::File { path: path.clone(), to: to.clone(), recursive: *recursive },
        Facts::HttpRequest(HttpRequest { method, path, query, content_type, headers, size, body }) => About::Http {
            method: method.clone(),
            path: path.clone(),
            query: query.clone(),
            content_type: content_type.clone(),
            headers: headers.clone(),
            size: *size,
            body: *body != Body::Absent,
        },
        Facts::ApiRequest(request) => About::Api { request: Box::new(kept_request(request)), runs: None },
        Facts::ApiExec { request, command } => {
            About::Api { request: Box::new(kept_request(request)), runs: Some(Box::new(kept_command(command))) }
        }
        Facts::ApiPath { verb, path } => About::Path { verb: verb.clone(), path: path.clone() },
        _ => About::Unkept,
    }
}

fn kept_object(place: &Place) -> Option<DbObject> {
    let table = |Table { database, schema, name, .. }: &Table| [database.clone(), schema.clone(), name.clone()];
    Some(match place {
        Place::Database(database) => DbObject::Database(database.name.clone()),
        Place::Schema(schema) => DbObject::Schema([schema.database.clone(), schema.name.clone()]),
        Place::Table(of) => DbObject::Table(table(of)),
        Place::Column(of, column) => {
            let [database, schema, name] = table(of);
            DbObject::Column([database, schema, name, column.clone()])
        }
        Place::Function(of) => DbObject::Function([of.database.clone(), of.schema.clone(), of.name.clone()]),
        _ => return None,
    })
}

fn kept_command(command: &Command) -> About {
    About::Command {
        text: command.text().to_owned(),
        words: command.program().into_iter().map(str::to_owned).chain(command.arguments().iter().cloned()).collect(),
        redirects: command.redirects().to_vec(),
        environment: command.environment().to_vec(),
        patterns: command.has_patterns(),
    }
}

fn kept_request(request: &ApiRequest) -> audit::ApiRequest {
    let ApiRequest { verb, group, version, resource, namespace, name, subresource, container, dry_run } = request.clone();
    audit::ApiRequest { verb, group, version, resource, namespace, name, subresource, container, dry_run }
}

/// A key that wants a certificate, as the audit log keeps it.
pub(super) fn kept_key(key: &Key) -> About {
    About::Key { fingerprint: key.fingerprint.clone(), algorithm: key.algorithm.clone(), bits: key.bits }
}
