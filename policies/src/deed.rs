//! One thing that was done or could be done, and the narrowest words in which a policy can name it. Two operations that no such
//! policy tells apart are one deed. It decides nothing.

use std::fmt;

use serde::Serialize;

use crate::facts::{ApiRequest, Facts};
use crate::request::{Place, Resource};
use crate::set::PolicySet;
use crate::sight::is_normal;
use crate::{Action, Command};

/// One thing that was or could be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// What.
    pub action: Action,
    /// On what.
    pub place: Place,
    /// What is known about it.
    pub facts: Facts,
    words: Words,
    label: String,
}

/// What a policy says that permits a deed and nothing else that can be told from it. Sorted, such policies stand together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Words {
    action: Action,
    pub(crate) scope: Scope,
    pub(crate) conditions: Vec<String>,
    pub(crate) item: Option<Item>,
}

/// The scope of the resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// This one: `Target::"web-1"`.
    One(String),
    /// What is in it, of this type.
    Within(&'static str, String),
    /// Anything.
    Any,
}

/// What differs from one deed to the next that are otherwise alike: one policy names all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Item {
    pub(crate) of: &'static str,
    pub(crate) value: String,
}

/// Why no policy can name an operation and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Vague {
    /// Which file it was is not known.
    #[error("which file it was is not known")]
    File,
    /// It belongs to a person's work at the bastion itself, of which the log keeps the target and no more.
    #[error("the log does not say on what")]
    Unsaid,
    /// No policy permits such.
    #[error("it is not a question to policy")]
    Unfit,
}

impl Words {
    /// What is done.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// The same but for what differs from one deed to the next.
    pub(crate) fn frame(&self) -> (Action, &Scope, &[String], Option<&'static str>) {
        (self.action, &self.scope, &self.conditions, self.item.as_ref().map(|item| item.of))
    }
}

impl Deed {
    /// The narrowest words for it.
    #[must_use]
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// The target that it is about, or that what it is about is in.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        target(&self.place)
    }

    /// On what, as people read it beside the action: `/v1/refunds`, `public.refunds.card`, `systemctl restart nginx`.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl PolicySet {
    /// What policy is asked by `action` on `place` with these facts, as a deed.
    ///
    /// # Errors
    /// When no policy can name it and nothing else.
    pub fn deed(&self, action: Action, place: Place, facts: Facts) -> Result<Deed, Vague> {
        let uid = self.shared.names.resource_uid(&place.resource()).map_err(|_| Vague::Unfit)?;
        let kinds = action.resources().contains(&place.resource().kind()) && action.facts() == facts.kind();
        if !kinds || action.is_field_level() && !matches!(facts, Facts::Sql { .. }) {
            return Err(Vague::Unfit);
        }
        let mut narrow = Narrow { scope: Scope::One(uid.to_string()), conditions: Vec::new(), item: None };
        narrow.place(&place, &uid.to_string());
        narrow.facts(action, &facts)?;
        let Narrow { scope, conditions, item } = narrow;
        let label = Label { action, place: &place, facts: &facts }.to_string();
        Ok(Deed { action, words: Words { action, scope, conditions, item }, place, facts, label })
    }
}

/// The words while they are looked for.
struct Narrow {
    scope: Scope,
    conditions: Vec<String>,
    item: Option<Item>,
}

impl Narrow {
    fn place(&mut self, place: &Place, uid: &str) {
        let kind = match place {
            Place::Database(_) => "Database",
            Place::Schema(_) => "Schema",
            Place::Table(_) => "Table",
            Place::Column(..) => "Column",
            Place::Function(_) => "Function",
            Place::Route(_) => "Route",
            Place::Key(key) => {
                self.scope = Scope::Any;
                // A key lives as long as its certificate: the next one has another name.
                return self.item("resource.algorithm", text(&key.algorithm));
            }
            _ => return,
        };
        if let Some(target) = target(place) {
            self.scope = Scope::Within(kind, format!("Target::{}", text(target)));
            self.item("resource", uid.to_owned());
        }
    }

    fn facts(&mut self, action: Action, facts: &Facts) -> Result<(), Vague> {
        match facts {
            Facts::None if action == Action::Issue => {}
            Facts::None => return Err(Vague::Unsaid),
            Facts::Login(login) if login.is_empty() => {}
            Facts::Login(login) => self.item("context.login", text(login)),
            Facts::Command { login, command } => {
                self.login(login);
                self.command(command);
            }
            Facts::File { login, path, to, recursive } => {
                self.login(login);
                self.file(path.as_deref(), to.as_deref(), *recursive)?;
            }
            Facts::Sql { statement, has_where, setting, .. } => self.sql(action, statement, *has_where, setting.as_deref()),
            Facts::ApiRequest(request) => {
                self.request(request);
                if let Some(name) = &request.name {
                    self.conditions.push("context has name".to_owned());
                    self.item("context.name", text(name));
                }
            }
            Facts::ApiExec { request, command } => {
                self.request(request);
                self.optional("name", request.name.as_deref());
                self.command(command);
            }
            Facts::ApiPath { verb, path } => {
                self.is("context.verb", verb);
                self.item("context.path", text(path));
            }
            Facts::HttpRequest(_) => {}
            Facts::HttpField { .. } | Facts::ApiField { .. } => return Err(Vague::Unfit),
        }
        Ok(())
    }

    fn command(&mut self, command: &Command) {
        for (of, all) in [("context.redirects", command.redirects()), ("context.environment", command.environment())] {
            if !all.is_empty() {
                let all: Vec<String> = all.iter().map(|one| text(one)).collect();
                self.conditions.push(format!("{of} == [{}]", all.join(", ")));
            }
        }
        for (of, is_so) in [("context.patterns", command.has_patterns()), ("context.dynamic", command.is_dynamic())] {
            self.conditions.extend(is_so.then(|| of.to_owned()));
        }
        self.item("context.command", text(command.text()));
    }

    fn file(&mut self, path: Option<&str>, to: Option<&str>, recursive: bool) -> Result<(), Vague> {
        let path = path.filter(|path| is_normal(path)).ok_or(Vague::File)?;
        self.conditions.push("context has path".to_owned());
        if let Some(to) = to {
            if !is_normal(to) {
                return Err(Vague::File);
            }
            self.conditions.push(format!("context has to && context.to == {}", text(to)));
        }
        if recursive {
            // A tree is permitted only by what holds for all of it.
            self.conditions.push(format!("context.recursive && context.path like \"{}*\"", pattern(path)));
        } else {
            self.conditions.push("!context.recursive".to_owned());
            self.item("context.path", text(path));
        }
        Ok(())
    }

    fn sql(&mut self, action: Action, statement: &str, has_where: bool, setting: Option<&str>) {
        // All of a table or some rows of it; to make a thing or to drop it.
        if has_where && matches!(action, Action::PgUpdate | Action::PgDelete) {
            self.conditions.push("context.has_where".to_owned());
        }
        if matches!(action, Action::PgDdl | Action::PgMaintain | Action::PgDo) {
            self.is("context.statement", statement);
        }
        if let Some(setting) = setting {
            self.conditions.push(format!("context has setting && context.setting == {}", text(setting)));
        }
    }

    fn request(&mut self, request: &ApiRequest) {
        self.optional("namespace", request.namespace.as_deref());
        self.optional("subresource", request.subresource.as_deref());
        self.optional("container", request.container.as_deref());
        if request.name.is_none() {
            self.conditions.push("!(context has name)".to_owned());
        }
        self.conditions.extend(request.dry_run.then(|| "context.dry_run".to_owned()));
    }

    fn optional(&mut self, attribute: &str, value: Option<&str>) {
        self.conditions.push(match value {
            Some(value) => format!("context has {attribute} && context.{attribute} == {}", text(value)),
            None => format!("!(context has {attribute})"),
        });
    }

    fn login(&mut self, login: &str) {
        if !login.is_empty() {
            self.is("context.login", login);
        }
    }

    fn is(&mut self, of: &str, value: &str) {
        self.conditions.push(format!("{of} == {}", text(value)));
    }

    /// What differs is what was named last; what was named before becomes a condition.
    fn item(&mut self, of: &'static str, value: String) {
        if let Some(Item { of, value }) = self.item.replace(Item { of, value }) {
            self.conditions.push(format!("{of} == {value}"));
        }
    }
}

/// As Cedar writes a string.
pub(crate) fn text(value: &str) -> String {
    format!("\"{}\"", value.escape_debug())
}

/// The same in a pattern, where a `*` would stand for anything.
fn pattern(value: &str) -> String {
    value.split('*').map(|part| part.escape_debug().to_string()).collect::<Vec<_>>().join("\\*")
}

/// The target that something is, or is in.
fn target(place: &Place) -> Option<&str> {
    match place.resource() {
        Resource::Target(target) => Some(&target.name),
        Resource::Database(database) => Some(&database.target.name),
        Resource::Schema(schema) => Some(&schema.target.name),
        Resource::Table(table) | Resource::Column(table, _) => Some(&table.target.name),
        Resource::Function(function) => Some(&function.target.name),
        Resource::Kind(kind) => Some(&kind.target.name),
        Resource::Route(route) => Some(&route.target.name),
        Resource::Session(visit) | Resource::Recording(visit) => Some(&visit.target.name),
        Resource::Approval(approval) => Some(&approval.target.name),
        Resource::Key(_) | Resource::Principal(_) => None,
    }
}

/// What a deed is about, in words beside its action.
struct Label<'a> {
    action: Action,
    place: &'a Place,
    facts: &'a Facts,
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.facts {
            Facts::None => match self.place {
                Place::Key(key) => write!(f, "a key of type {}", key.algorithm),
                place => write!(f, "{}", place.resource()),
            },
            Facts::Login(login) => as_login(f, "", login),
            Facts::Command { login, command } => {
                f.write_str(command.text())?;
                f.write_str(if command.is_dynamic() { " (dynamic)" } else { "" })?;
                as_login(f, " ", login)
            }
            Facts::File { login, path, to, recursive } => {
                f.write_str(path.as_deref().unwrap_or("an unknown file"))?;
                to.as_deref().map_or(Ok(()), |to| write!(f, " to {to}"))?;
                f.write_str(if *recursive { " and all beneath" } else { "" })?;
                as_login(f, " ", login)
            }
            Facts::Sql { statement, has_where, setting, .. } => {
                // The target's name stands elsewhere.
                let name = self.place.resource().to_string();
                f.write_str(name.split_once('/').map_or(name.as_str(), |(_, rest)| rest))?;
                match (setting, self.action) {
                    (Some(setting), _) => write!(f, " {setting}"),
                    (None, Action::PgUpdate | Action::PgDelete) if *has_where => f.write_str(" where …"),
                    (None, Action::PgDdl | Action::PgMaintain | Action::PgDo) => write!(f, " ({statement})"),
                    _ => Ok(()),
                }
            }
            Facts::ApiRequest(request) => object(f, request),
            Facts::ApiExec { request, command } => {
                object(f, request)?;
                write!(f, ": {}", command.text())
            }
            Facts::ApiPath { verb, path } => write!(f, "{verb} {path}"),
            Facts::HttpRequest(request) if self.action == Action::HttpOther => write!(f, "{} {}", request.method, request.path),
            Facts::HttpRequest(request) => f.write_str(&request.path),
            Facts::HttpField { field, .. } | Facts::ApiField { field, .. } => f.write_str(field),
        }
    }
}

fn as_login(f: &mut fmt::Formatter<'_>, before: &str, login: &str) -> fmt::Result {
    if login.is_empty() { Ok(()) } else { write!(f, "{before}as {login}") }
}

/// `apps/deployments shop/web scale`
fn object(f: &mut fmt::Formatter<'_>, request: &ApiRequest) -> fmt::Result {
    let group = if request.group.is_empty() { String::new() } else { format!("{}/", request.group) };
    let namespace = request.namespace.as_deref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    write!(f, "{group}{} {namespace}{}", request.resource, request.name.as_deref().unwrap_or("*"))?;
    let container = request.container.as_deref().map(|container| format!("container {container}"));
    for part in request.subresource.iter().chain(&container) {
        write!(f, " {part}")?;
    }
    f.write_str(if request.dry_run { " (dry run)" } else { "" })
}

#[cfg(test)]
mod tests;
