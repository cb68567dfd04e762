//! What a case is about, made of the names in it.

use crate::request::{Approval, Database, DbSchema, Function, Key, Kind, Principal, Resource, Route, Table, Target, Visit};
use crate::{Action, ApiRequest, HttpRequest, ResourceKind};

use super::form::{Case, File};
use super::{Unknown, missing, named};

/// What a case is about, owned, so that a [`Resource`] can be lent.
pub(super) enum About {
    Target(Target),
    Database(Database),
    Schema(DbSchema),
    Table(Table),
    Column(Table, String),
    Function(Function),
    Kind(Kind),
    Route(Route),
    Session(Visit),
    Recording(Visit),
    Approval(Approval),
    Key(Key),
    Principal(Principal),
}

impl About {
    pub(super) fn new(case: &Case, file: &File, principal: &Principal, action: Action) -> Result<Self, Unknown> {
        let target = || -> Result<Target, Unknown> {
            let name = case.target.as_ref().ok_or_else(|| missing("on which target"))?;
            let what = named(&file.targets, "target", name)?;
            Ok(Target { name: name.clone(), kind: what.kind.clone(), tags: what.tags.clone() })
        };
        let owner = || case.owner.as_ref().map_or_else(|| Ok(principal.clone()), |name| file.principal(name));
        let visit = || -> Result<Visit, Unknown> {
            Ok(Visit { id: "the-one".to_owned(), owner: owner()?, target: target()?, login: case.login.clone() })
        };
        let table = || -> Result<(Table, String), Unknown> {
            let form = case.table.as_ref().ok_or_else(|| missing("on which table"))?;
            let (database, schema, name) = (form.database.clone(), form.schema.clone(), form.name.clone());
            Ok((Table { target: target()?, database, schema, name }, form.column.clone()))
        };
        Ok(match kind(case, action).ok_or_else(|| missing("on what"))? {
            ResourceKind::Target => About::Target(target()?),
            ResourceKind::Database => {
                let name = case.database.clone().ok_or_else(|| missing("on which database"))?;
                About::Database(Database { target: target()?, name })
            }
            ResourceKind::Schema => {
                let form = case.schema.as_ref().ok_or_else(|| missing("on which schema"))?;
                About::Schema(DbSchema { target: target()?, database: form.database.clone(), name: form.name.clone() })
            }
            ResourceKind::Function => {
                let form = case.function.as_ref().ok_or_else(|| missing("on which function"))?;
                let (database, schema, name) = (form.database.clone(), form.schema.clone(), form.name.clone());
                About::Function(Function { target: target()?, database, schema, name })
            }
            ResourceKind::Kind => {
                let ApiRequest { group, resource, namespace, .. } = case.api_request(action)?;
                About::Kind(Kind { target: target()?, group, name: resource, namespace })
            }
            ResourceKind::Route => {
                let HttpRequest { method, path, .. } = case.http_request(action)?;
                About::Route(Route { target: target()?, method, path })
            }
            ResourceKind::Table => About::Table(table()?.0),
            ResourceKind::Column => {
                let (table, column) = table()?;
                About::Column(table, column)
            }
            ResourceKind::Session => About::Session(visit()?),
            ResourceKind::Recording => About::Recording(visit()?),
            ResourceKind::Approval => About::Approval(Approval {
                id: "the-one".to_owned(),
                requester: owner()?,
                target: target()?,
                action: Action::SshExec,
                asks: case.asks.clone(),
            }),
            ResourceKind::Key => {
                About::Key(Key { fingerprint: "SHA256:the-one".to_owned(), algorithm: case.key.algorithm.clone(), bits: case.key.bits })
            }
            ResourceKind::Principal => About::Principal(owner()?),
        })
    }

    pub(super) fn resource(&self) -> Resource<'_> {
        match self {
            About::Target(target) => Resource::Target(target),
            About::Database(database) => Resource::Database(database),
            About::Schema(schema) => Resource::Schema(schema),
            About::Function(function) => Resource::Function(function),
            About::Kind(kind) => Resource::Kind(kind),
            About::Route(route) => Resource::Route(route),
            About::Table(table) => Resource::Table(table),
            About::Column(table, column) => Resource::Column(table, column),
            About::Session(visit) => Resource::Session(visit),
            About::Recording(visit) => Resource::Recording(visit),
            About::Approval(approval) => Resource::Approval(approval),
            About::Key(key) => Resource::Key(key),
            About::Principal(principal) => Resource::Principal(principal),
        }
    }
}

/// What an action is asked on, where it could be several things: what the case describes; a target unless an owner is named;
/// what was recorded unless the session is said to be live.
fn kind(case: &Case, action: Action) -> Option<ResourceKind> {
    let kinds = action.resources();
    let meant = |kind: &ResourceKind| match kind {
        ResourceKind::Target => case.owner.is_none(),
        ResourceKind::Principal => case.owner.is_some(),
        ResourceKind::Session => case.live,
        ResourceKind::Recording => !case.live,
        ResourceKind::Database => case.database.is_some(),
        ResourceKind::Schema => case.schema.is_some(),
        ResourceKind::Table => case.table.is_some(),
        ResourceKind::Function => case.function.is_some(),
        ResourceKind::Column | ResourceKind::Kind | ResourceKind::Route | ResourceKind::Approval | ResourceKind::Key => true,
    };
    kinds.iter().copied().find(meant).or_else(|| kinds.first().copied())
}
