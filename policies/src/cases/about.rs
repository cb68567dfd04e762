//! What a case is about, made of the names in it.

use crate::request::{Approval, Key, Principal, Resource, Table, Target, Visit};
use crate::{Action, ResourceKind};

use super::form::{Case, File};
use super::{Unknown, missing, named};

/// What a case is about, owned, so that a [`Resource`] can be lent.
pub(super) enum About {
    Target(Target),
    Table(Table),
    Column(Table, String),
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

/// What an action is asked on, where it could be several things: a target unless an owner is named, what was recorded unless
/// the session is said to be live.
fn kind(case: &Case, action: Action) -> Option<ResourceKind> {
    let meant = |kind: &ResourceKind| match kind {
        ResourceKind::Target => case.owner.is_none(),
        ResourceKind::Principal => case.owner.is_some(),
        ResourceKind::Session => case.live,
        ResourceKind::Recording => !case.live,
        ResourceKind::Table | ResourceKind::Column | ResourceKind::Approval | ResourceKind::Key => true,
    };
    let kinds = action.resources();
    kinds.iter().copied().find(meant).or_else(|| kinds.first().copied())
}
