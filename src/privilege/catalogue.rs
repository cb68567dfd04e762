//! Everything known that could be done on a target: what anybody did or tried, with everything else that can be done to the same things;
//! what databases hold; what policies name; and of each kind one thing that nobody ever saw. Decides nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bartizan_policies::sql::Rows;
use bartizan_policies::{Action, Command, Deed, Facts, FactsKind, Literals, Place, PolicySet, Table, Target, Words};

use super::recorded::{facts, place};
use super::usage::Form;
use crate::audit::{About, ApiRequest, DbObject};
use crate::config::{self, TargetAccess};
use crate::enforce::{FILE_ACTIONS, SQL_ACTIONS, SQL_COLUMN_ACTIONS};

/// A name that nobody has: what is granted of it is granted of all that is not known.
const UNSEEN: &str = "bartizan-never-seen";
/// Things that are tried out on one target at most.
const MOST: usize = 1 << 16;

const METHODS: [&str; 8] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"];
/// Verbs for one object, and for all of a kind.
const ON_ONE: [&str; 4] = ["get", "update", "patch", "delete"];
const ON_ALL: [&str; 4] = ["list", "watch", "create", "deletecollection"];
const INTO_PODS: [&str; 5] = ["exec", "attach", "portforward", "log", "proxy"];

/// Something that could be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) deed: Deed,
    /// It stands for all that is not known.
    pub(super) unseen: bool,
}

/// What is known of a target beside its use.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Everything that could be done, each once.
    pub(super) candidates: Vec<Candidate>,
    /// There was more than is tried out.
    pub(super) cut: bool,
}

/// The catalogue while it is made.
pub(super) struct Maker<'a> {
    set: &'a PolicySet,
    target: &'a Target,
    logins: Vec<String>,
    found: HashSet<Words>,
    known: Known,
}

impl<'a> Maker<'a> {
    /// For a target of the configuration.
    pub(super) fn new(set: &'a PolicySet, target: &'a Target, configured: &config::Target) -> Self {
        let logins = match &configured.access {
            TargetAccess::Ssh(ssh) => ssh.logins.iter().map(ToString::to_string).collect(),
            TargetAccess::Postgres(access) => access.users.iter().map(|user| user.name.to_string()).collect(),
            TargetAccess::Http(_) | TargetAccess::Kubernetes(_) => vec![String::new()],
        };
        Self { set, target, logins, found: HashSet::new(), known: Known::default() }
    }

    /// All of it.
    pub(super) fn make(mut self, seen: &[&Form], databases: &[Rows], literals: &[Literals]) -> Known {
        for form in seen {
            self.add(form.action, &form.login, &form.about, false);
        }
        for form in seen {
            self.around(&form.login, &form.about, false);
        }
        self.everywhere();
        match self.target.kind.as_str() {
            "ssh" => self.ssh(literals),
            "postgres" => self.postgres(databases, literals),
            "http" => self.http(literals),
            "kubernetes" => self.kubernetes(literals),
            _ => {}
        }
        self.known
    }

    fn add(&mut self, action: Action, login: &str, about: &About, unseen: bool) {
        let Ok(facts) = facts(action, login, about) else { return };
        if let Some(place) = place(about, &facts, Some(self.target)) {
            self.deed(action, place, facts, unseen);
        }
    }

    fn deed(&mut self, action: Action, place: Place, facts: Facts, unseen: bool) {
        let Ok(deed) = self.set.deed(action, place, facts) else { return };
        if self.found.contains(deed.words()) {
            return;
        }
        if self.known.candidates.len() >= MOST {
            self.known.cut = true;
            return;
        }
        self.found.insert(deed.words().clone());
        self.known.candidates.push(Candidate { deed, unseen });
    }

    /// What else can be done to a thing.
    fn around(&mut self, login: &str, about: &About, unseen: bool) {
        match about {
            About::Command { .. } => {
                for login in self.logins.clone() {
                    self.add(Action::SshExec, &login, about, unseen);
                }
            }
            About::File { path: Some(path), .. } => self.file(login, path, unseen),
            About::Http { path, .. } => self.path(path, unseen),
            About::Sql { on, .. } => self.object(on, unseen),
            About::Api { request, .. } => self.api(request, unseen),
            About::Path { path, .. } => {
                self.add(Action::K8sNonResource, login, &About::Path { verb: "get".to_owned(), path: path.clone() }, unseen)
            }
            About::File { path: None, .. } | About::Nothing | About::Key { .. } | About::Unkept => {}
        }
    }

    fn everywhere(&mut self) {
        for login in self.logins.clone() {
            let shell = (self.target.kind == "ssh").then_some(Action::SshShell);
            for action in [Action::Connect, Action::Unrecorded].into_iter().chain(shell) {
                self.add(action, &login, &About::Nothing, false);
            }
        }
    }

    fn command(&mut self, line: &str, unseen: bool) {
        let command = Command::read(line.as_bytes());
        for login in self.logins.clone() {
            let facts = Facts::Command { login, command: command.clone() };
            self.deed(Action::SshExec, Place::Target(self.target.clone()), facts, unseen);
        }
    }

    fn file(&mut self, login: &str, path: &str, unseen: bool) {
        for recursive in [false, true] {
            let about = About::File { path: Some(path.to_owned()), to: None, recursive };
            // To rename takes two names.
            for action in FILE_ACTIONS.into_iter().filter(|action| *action != Action::SftpRename) {
                self.add(action, login, &about, unseen);
            }
        }
        let about =
            About::File { path: Some(path.to_owned()), to: Some(format!("{}.{UNSEEN}", path.trim_end_matches('/'))), recursive: false };
        self.add(Action::SftpRename, login, &about, unseen);
    }

    fn ssh(&mut self, literals: &[Literals]) {
        for text in literals.iter().flat_map(|literals| &literals.texts) {
            self.command(text, false);
            self.command(&format!("{text} {UNSEEN}"), false);
            for login in self.logins.clone().iter().filter(|_| text.starts_with('/')) {
                self.file(login, text, false);
            }
        }
        self.command(UNSEEN, true);
        self.command(&format!("eval \"${UNSEEN}\""), true);
        for login in self.logins.clone() {
            self.file(&login, &format!("/{UNSEEN}"), true);
        }
    }

    fn object(&mut self, on: &DbObject, unseen: bool) {
        let actions = if matches!(on, DbObject::Column(_)) { &SQL_COLUMN_ACTIONS[..] } else { &SQL_ACTIONS[..] };
        for action in actions {
            let (statement, setting) = match action {
                Action::PgDdl => ("create table", None),
                Action::PgMaintain => ("vacuum", None),
                Action::PgDo => ("do", None),
                Action::PgSet => ("set", Some(UNSEEN.to_owned())),
                _ => ("select", None),
            };
            let forms: &[bool] = if matches!(action, Action::PgUpdate | Action::PgDelete) { &[true, false] } else { &[false] };
            for has_where in forms {
                let (statement, setting) = (statement.to_owned(), setting.clone());
                let about = About::Sql {
                    statement,
                    has_where: *has_where,
                    in_transaction: false,
                    setting,
                    estimated_rows: None,
                    on: Box::new(on.clone()),
                };
                self.add(*action, "", &about, unseen);
            }
        }
    }

    fn table(&mut self, table: &Table, columns: &[String], unseen: bool) {
        let names = [&table.database, &table.schema, &table.name].map(String::clone);
        self.object(&DbObject::Table(names.clone()), unseen);
        for column in columns {
            let [database, schema, name] = names.clone();
            self.object(&DbObject::Column([database, schema, name, column.clone()]), unseen);
        }
    }

    fn postgres(&mut self, databases: &[Rows], literals: &[Literals]) {
        let names: BTreeSet<&String> = databases.iter().map(|rows| &rows.database).collect();
        for place in literals.iter().flat_map(|literals| &literals.places) {
            match place {
                Place::Schema(schema) => self.object(&DbObject::Schema([schema.database.clone(), schema.name.clone()]), false),
                Place::Table(table) => self.table(table, &[], false),
                Place::Column(table, column) => self.table(table, std::slice::from_ref(column), false),
                Place::Function(of) => {
                    self.object(&DbObject::Function([of.database.clone(), of.schema.clone(), of.name.clone()]), false);
                }
                _ => {}
            }
        }
        for rows in databases {
            self.rows(rows);
        }
        for database in if names.is_empty() { vec![UNSEEN.to_owned()] } else { names.into_iter().cloned().collect() } {
            self.object(&DbObject::Database(database.clone()), false);
            let table =
                Table { target: self.target.clone(), database: database.clone(), schema: UNSEEN.to_owned(), name: UNSEEN.to_owned() };
            self.table(&table, &[UNSEEN.to_owned()], true);
            self.object(&DbObject::Schema([database.clone(), UNSEEN.to_owned()]), true);
            self.object(&DbObject::Function([database, UNSEEN.to_owned(), UNSEEN.to_owned()]), true);
        }
    }

    /// What a database holds; what is PostgreSQL's own is left out.
    fn rows(&mut self, rows: &Rows) {
        let own = |schema: &str| !schema.starts_with("pg_") && schema != "information_schema";
        for relation in rows.relations.iter().filter(|relation| own(&relation.schema)) {
            let table = Table {
                target: self.target.clone(),
                database: rows.database.clone(),
                schema: relation.schema.to_string(),
                name: relation.name.to_string(),
            };
            let columns: Vec<String> = relation.columns.iter().map(|column| column.name.to_string()).collect();
            self.table(&table, &columns, false);
        }
        for schema in rows.schemas.iter().filter(|schema| own(schema)) {
            self.object(&DbObject::Schema([rows.database.clone(), schema.to_string()]), false);
        }
        for routine in rows.functions.iter().filter(|routine| own(&routine.schema)) {
            let on = DbObject::Function([rows.database.clone(), routine.schema.to_string(), routine.name.to_string()]);
            self.object(&on, false);
        }
    }

    fn path(&mut self, path: &str, unseen: bool) {
        for method in METHODS {
            let about = About::Http {
                method: method.to_owned(),
                path: path.to_owned(),
                query: String::new(),
                content_type: None,
                headers: Vec::new(),
                size: None,
                body: false,
            };
            self.add(Action::of_http_method(method), "", &about, unseen);
            if method == "GET" {
                self.add(Action::HttpUpgrade, "", &about, unseen);
            }
        }
    }

    fn http(&mut self, literals: &[Literals]) {
        for literals in literals {
            for place in &literals.places {
                if let Place::Route(route) = place {
                    self.path(&route.path, false);
                }
            }
            for text in literals.texts.iter().filter(|text| text.starts_with('/')) {
                self.path(text, false);
                self.path(&format!("{}/{UNSEEN}", text.trim_end_matches('/')), false);
            }
        }
        self.path(&format!("/{UNSEEN}"), true);
    }

    /// Everything that can be done to the object that a request names, and to its kind.
    fn api(&mut self, request: &ApiRequest, unseen: bool) {
        let plain = ApiRequest { subresource: None, container: None, dry_run: false, ..request.clone() };
        let with = |verb: &str, name: Option<String>, subresource: Option<String>| ApiRequest {
            verb: verb.to_owned(),
            name,
            subresource,
            ..plain.clone()
        };
        let mut all: Vec<ApiRequest> = ON_ALL.iter().map(|verb| with(verb, None, None)).collect();
        let name = plain.name.clone().unwrap_or_else(|| UNSEEN.to_owned());
        for subresource in
            std::iter::once(None).chain(request.subresource.clone().filter(|part| !INTO_PODS.contains(&part.as_str())).map(Some))
        {
            all.extend(ON_ONE.iter().map(|verb| with(verb, Some(name.clone()), subresource.clone())));
        }
        if plain.group.is_empty() && plain.resource == "pods" {
            all.extend(
                INTO_PODS
                    .iter()
                    .map(|part| with(if *part == "log" { "get" } else { "create" }, Some(name.clone()), Some((*part).to_owned()))),
            );
        }
        for request in all {
            self.request(request, unseen);
        }
    }

    fn request(&mut self, request: ApiRequest, unseen: bool) {
        let runs = (request.subresource.as_deref() == Some("exec")).then(|| {
            let (text, words) = (UNSEEN.to_owned(), vec![UNSEEN.to_owned()]);
            Box::new(About::Command { text, words, redirects: Vec::new(), environment: Vec::new(), patterns: false })
        });
        let about = About::Api { request: Box::new(request), runs };
        let asked = |action: &Action| {
            facts(*action, "", &about).ok().and_then(|facts| match &facts {
                Facts::ApiRequest(request) | Facts::ApiExec { request, .. } => request.action(),
                _ => None,
            })
        };
        let kinds = [Action::K8sGet, Action::K8sExec];
        let action = kinds.iter().find_map(asked);
        if let Some(action) = action {
            self.add(action, "", &about, unseen);
        }
    }

    fn kubernetes(&mut self, literals: &[Literals]) {
        let of = |group: &str, resource: &str, namespace: Option<&str>| ApiRequest {
            verb: "get".to_owned(),
            group: group.to_owned(),
            version: "v1".to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: None,
            subresource: None,
            container: None,
            dry_run: false,
        };
        for literals in literals {
            for place in &literals.places {
                let Place::Kind(kind) = place else { continue };
                let texts = literals.texts.iter().map(|text| Some(text.as_str()));
                for namespace in texts.chain([None, Some(UNSEEN)]) {
                    self.api(&of(&kind.group, &kind.name, namespace), false);
                }
            }
            for text in literals.texts.iter().filter(|text| text.starts_with('/')) {
                self.add(Action::K8sNonResource, "", &About::Path { verb: "get".to_owned(), path: text.clone() }, false);
            }
        }
        for (group, resource) in [("", "pods"), ("", "secrets"), (UNSEEN, UNSEEN)] {
            for namespace in [None, Some(UNSEEN)] {
                self.api(&of(group, resource, namespace), true);
            }
        }
        self.add(Action::K8sNonResource, "", &About::Path { verb: "get".to_owned(), path: format!("/{UNSEEN}") }, true);
    }
}

/// How unseen things are told of: all of a kind at once.
pub(super) fn unseen_label(deed: &Deed) -> String {
    let kind = match deed.action.facts() {
        FactsKind::Command if matches!(&deed.facts, Facts::Command { command, .. } if command.is_dynamic()) => {
            "any other command that is not known before it runs"
        }
        FactsKind::Command => "any other command",
        FactsKind::File if matches!(deed.facts, Facts::File { recursive: true, .. }) => "any other tree",
        FactsKind::File => "any other file",
        FactsKind::Sql => match &deed.place {
            Place::Column(..) => "any other column",
            Place::Function(_) => "any other function",
            Place::Schema(_) => "any other schema",
            _ => "any other table",
        },
        FactsKind::ApiRequest | FactsKind::ApiExec => "any other object",
        _ => "any other path",
    };
    let login = match &deed.facts {
        Facts::Command { login, .. } | Facts::File { login, .. } if !login.is_empty() => format!(" as {login}"),
        _ => String::new(),
    };
    format!("{kind}{login}")
}

/// Databases by the target that they are in.
pub(super) fn databases<'a>(all: &'a BTreeMap<String, Vec<Rows>>, target: &str) -> &'a [Rows] {
    all.get(target).map_or(&[], Vec::as_slice)
}
