//! What of a database the policies let anybody have at all, told from their scopes: what the role needs that the bastion logs in as,
//! and which columns nobody sees as they are. Where conditions decide it takes them for met if they permit and for unmet if they
//! forbid, so that nothing which could be allowed is missing. It decides nothing.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{EntityUid, PrincipalConstraint, ResourceConstraint};

use super::catalog::{Catalog, ColumnId, Relation, RelationKind, is_system};
use super::judge::{DEEPEST, parts};
use super::script::{Answer, Concern, Name, On};
use crate::request::{Database, DbSchema, Function, Principal, Resource, Table, Target};
use crate::rule::{Effect, Rule};
use crate::set::PolicySet;
use crate::{Action, FactsKind};

/// What the policies of a target need in one of its databases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// What they need of relations; those they need nothing of are not here.
    pub tables: Vec<TableNeeds>,
    /// The functions and procedures of the database's own that they let somebody call.
    pub functions: Vec<Name>,
    /// Columns that somebody may read and nobody sees as they are.
    pub masked: Vec<MaskedColumn>,
}

/// What is needed of one relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableNeeds {
    /// The relation.
    pub relation: Arc<Relation>,
    /// The columns that somebody reads, masked ones not among them.
    pub columns: Vec<Arc<str>>,
    /// Rows may be read.
    pub select: bool,
    /// Rows may be added.
    pub insert: bool,
    /// Rows may be changed or locked.
    pub update: bool,
    /// Rows may be deleted.
    pub delete: bool,
    /// All rows may be deleted at once.
    pub truncate: bool,
    /// It may be maintained.
    pub maintain: bool,
    /// Its definition may be changed, which only its owner can.
    pub ddl: bool,
}

/// A column that is masked for everybody who may read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedColumn {
    /// Its relation.
    pub table: Name,
    /// Its name.
    pub column: Arc<str>,
    /// Which it is.
    pub id: ColumnId,
    /// The policies that mask it.
    pub policies: Vec<String>,
}

/// A policy as far as its scope goes.
#[derive(Debug)]
struct Scoped {
    rule: Arc<Rule>,
    principal: PrincipalConstraint,
    resource: ResourceConstraint,
    actions: u64,
}

/// The policies about databases over one catalog.
#[derive(Debug)]
pub struct Reach<'a> {
    set: &'a PolicySet,
    target: &'a Target,
    catalog: &'a Catalog,
    permits: Vec<Scoped>,
    /// Forbids that nothing but an unmet scope keeps from holding: bans, and masks.
    bans: Vec<Scoped>,
    lineages: RefCell<HashMap<On, Arc<[EntityUid]>>>,
    kin: RefCell<HashMap<ColumnId, Arc<[ColumnId]>>>,
}

impl<'a> Reach<'a> {
    /// Analyses views when it is used: call it on a stack as large as for [`super::analyse()`].
    #[must_use]
    pub fn new(set: &'a PolicySet, target: &'a Target, catalog: &'a Catalog) -> Self {
        let sql = FactsKind::Sql.actions().fold(0, |bits, action| bits | action.bit());
        let (mut permits, mut bans) = (Vec::new(), Vec::new());
        for (actions, policy) in set.shared.index.policies() {
            let Some(rule) = set.shared.rules.get(AsRef::<str>::as_ref(policy.id())) else { continue };
            let scoped = Scoped {
                rule: Arc::clone(rule),
                principal: policy.principal_constraint(),
                resource: policy.resource_constraint(),
                actions: actions & sql,
            };
            match rule.effect {
                _ if scoped.actions == 0 => {}
                Effect::Permit => permits.push(scoped),
                Effect::Forbid if policy.has_non_scope_constraint() || rule.approve.is_some() => {}
                Effect::Forbid => bans.push(scoped),
            }
        }
        Reach { set, target, catalog, permits, bans, lineages: RefCell::default(), kin: RefCell::default() }
    }

    /// Whether any policy masks anything on the target for somebody, whatever its conditions.
    #[must_use]
    pub fn masks(set: &PolicySet, target: &Target) -> bool {
        let here = |resource: &ResourceConstraint| match resource {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => true,
            ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) => {
                let id = uid.id().unescaped();
                uid.type_name().basename() == "Tag" || id == target.name || id.split_once('/').is_some_and(|(name, _)| name == target.name)
            }
        };
        set.shared.index.policies().any(|(actions, policy)| {
            let masks = set.rule(AsRef::<str>::as_ref(policy.id())).is_some_and(|rule| rule.mask.is_some());
            masks && actions & Action::PgReadColumn.bit() != 0 && here(&policy.resource_constraint())
        })
    }

    /// The columns and tables that policies with a mask name on the target and the database does not have, each with its policy.
    #[must_use]
    pub fn absent(&self) -> Vec<(String, String)> {
        let mut absent = BTreeSet::new();
        for (_, policy) in self.set.shared.index.policies() {
            let Some(rule) = self.set.rule(AsRef::<str>::as_ref(policy.id())).filter(|rule| rule.mask.is_some()) else { continue };
            let (ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid)) =
                policy.resource_constraint()
            else {
                continue;
            };
            let id = uid.id().unescaped();
            let there = match (uid.type_name().basename(), parts(&self.target.name, id).as_slice()) {
                ("Column", [schema, table, column]) => {
                    self.catalog.relation(schema, table).is_some_and(|relation| relation.column(column).is_some())
                }
                ("Table", [schema, table]) => self.catalog.relation(schema, table).is_some(),
                _ => true,
            };
            if !there {
                absent.insert((id.to_owned(), rule.id.to_string()));
            }
        }
        absent.into_iter().collect()
    }

    /// All that is needed.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        for relation in &self.catalog.rows().relations {
            let counts = !matches!(relation.kind, RelationKind::Index | RelationKind::Composite);
            if counts && !is_system(&relation.schema) && !relation.schema.starts_with("pg_") {
                let (table, masked) = self.table(relation);
                needs.masked.extend(masked);
                let some = table.select || table.insert || table.update || table.delete || table.truncate || table.maintain || table.ddl;
                needs.tables.extend(some.then_some(table));
            }
        }
        for routine in &self.catalog.rows().functions {
            let name = Name::new(Arc::clone(&routine.schema), Arc::clone(&routine.name));
            let on = On::Function(name.clone());
            if !is_system(&name.schema) && (self.permits(Action::PgCall, &on, &[]) || self.permits(Action::PgDo, &on, &[])) {
                needs.functions.push(name);
            }
        }
        needs
    }

    fn table(&self, relation: &Arc<Relation>) -> (TableNeeds, Vec<MaskedColumn>) {
        let on = table_of(relation);
        let above: Vec<On> = self.catalog.ancestors(relation.oid).into_iter().map(|parent| table_of(parent)).collect();
        let may = |action| self.permits(action, &on, &above);
        let select = may(Action::PgSelect) || may(Action::PgCopyOut);
        let (mut columns, mut masked) = (Vec::new(), Vec::new());
        for column in relation.columns.iter().filter(|_| select) {
            let id = relation.id(column);
            let readers: Vec<&Scoped> =
                self.permits.iter().filter(|permit| self.covers(permit, Action::PgReadColumn, &self.on(relation, id))).collect();
            let sees = |permit: &&Scoped| self.hides(permit, id).is_none() && !self.refuses(permit, relation.oid);
            if readers.iter().any(sees) {
                columns.push(Arc::clone(&column.name));
                continue;
            }
            let hiding: BTreeSet<String> = readers.iter().filter_map(|permit| self.hides(permit, id)).collect();
            if !hiding.is_empty() {
                masked.push(MaskedColumn {
                    table: Name::new(Arc::clone(&relation.schema), Arc::clone(&relation.name)),
                    column: Arc::clone(&column.name),
                    id,
                    policies: hiding.into_iter().collect(),
                });
            }
        }
        let needs = TableNeeds {
            relation: Arc::clone(relation),
            // A table of which no column is read may still be counted.
            select: select && (!columns.is_empty() || relation.columns.is_empty()),
            columns,
            insert: may(Action::PgInsert) || may(Action::PgCopyIn),
            update: may(Action::PgUpdate),
            delete: may(Action::PgDelete),
            truncate: may(Action::PgTruncate),
            maintain: may(Action::PgMaintain),
            ddl: may(Action::PgDdl),
        };
        (needs, masked)
    }

    /// Whether any permit holds what `on` is and is not banned there or `above` for all that it permits it to.
    fn permits(&self, action: Action, on: &On, above: &[On]) -> bool {
        self.permits.iter().any(|permit| {
            let banned = |ban: &Scoped| ban.rule.mask.is_none() && within(&permit.principal, &ban.principal);
            let anywhere = |ban: &Scoped| std::iter::once(on).chain(above).any(|on| self.covers(ban, action, on));
            self.covers(permit, action, on) && !self.bans.iter().any(|ban| banned(ban) && anywhere(ban))
        })
    }

    /// The policy by which nobody whom `permit` permits reads this column as it is, if there is one that is sure.
    fn hides(&self, permit: &Scoped, id: ColumnId) -> Option<String> {
        let kin = self.kin(id);
        let covered = |ban: &&Scoped| {
            let everybody = within(&permit.principal, &ban.principal);
            everybody && kin.iter().any(|id| self.named(*id).is_some_and(|on| self.covers(ban, Action::PgReadColumn, &on)))
        };
        self.bans.iter().find(covered).map(|ban| ban.rule.id.to_string())
    }

    /// Whether a view does something with what is hidden from all whom `permit` permits, so that it is refused to them.
    fn refuses(&self, permit: &Scoped, oid: u32) -> bool {
        let (mut open, mut seen) = (vec![oid], HashSet::new());
        while let Some(oid) = open.pop() {
            let Some(view) = self.catalog.view(oid).filter(|_| seen.insert(oid)) else { continue };
            let Ok(view) = view else { return self.is_masked(permit) };
            let hit = |concern: &Concern| match concern {
                Concern::Column(id) => self.hides(permit, *id).is_some(),
                Concern::Relation(oid) => self
                    .catalog
                    .numbered(*oid)
                    .is_some_and(|relation| relation.columns.iter().any(|column| self.hides(permit, relation.id(column)).is_some())),
                Concern::Session => self.is_masked(permit),
            };
            if view.hazards.iter().any(|hazard| hit(&hazard.concern)) {
                return true;
            }
            open.extend(view.operations.iter().filter_map(|operation| match &operation.on {
                On::Table(_, oid) => *oid,
                On::Column(_, _, id) => Some(id.relation),
                On::Database | On::Schema(_) | On::Function(_) => None,
            }));
        }
        false
    }

    /// Whether something is masked for all whom `permit` permits anything.
    fn is_masked(&self, permit: &Scoped) -> bool {
        self.bans.iter().filter(|ban| ban.rule.mask.is_some() && within(&permit.principal, &ban.principal)).any(|ban| {
            let relations = self.catalog.rows().relations.iter().filter(|relation| !is_system(&relation.schema));
            let mut columns = relations.flat_map(|relation| relation.columns.iter().map(move |column| (relation, relation.id(column))));
            columns.any(|(relation, id)| self.covers(ban, Action::PgReadColumn, &self.on(relation, id)))
        })
    }

    fn covers(&self, policy: &Scoped, action: Action, on: &On) -> bool {
        if policy.actions & action.bit() == 0 {
            return false;
        }
        let lineage = self.lineage(on);
        let Some(own) = lineage.first() else { return false };
        match &policy.resource {
            ResourceConstraint::Any => true,
            ResourceConstraint::Eq(uid) => own == uid,
            ResourceConstraint::In(uid) => lineage.contains(uid),
            ResourceConstraint::Is(kind) => own.type_name() == kind,
            ResourceConstraint::IsIn(kind, uid) => own.type_name() == kind && lineage.contains(uid),
        }
    }

    /// What it is, and all that it is in. Empty if policy cannot be asked about it.
    fn lineage(&self, on: &On) -> Arc<[EntityUid]> {
        if let Some(known) = self.lineages.borrow().get(on) {
            return Arc::clone(known);
        }
        let found: Arc<[EntityUid]> = self.find_lineage(on).unwrap_or_default().into();
        self.lineages.borrow_mut().insert(on.clone(), Arc::clone(&found));
        found
    }

    fn find_lineage(&self, on: &On) -> Option<Vec<EntityUid>> {
        let names = &self.set.shared.names;
        let (target, database) = (|| self.target.clone(), || self.catalog.rows().database.clone());
        let table =
            |name: &Name| Table { target: target(), database: database(), schema: name.schema.to_string(), name: name.name.to_string() };
        let nobody = Principal::user("", Vec::<String>::new());
        let all = |resource: Resource<'_>| -> Option<Vec<EntityUid>> {
            let own = names.resource_uid(&resource).ok()?;
            let above = names.resource(&resource, &nobody).ok()?;
            let tags = self.target.tags.iter().map(|(key, value)| names.uid("Tag", &format!("{key}={value}")).ok());
            let above = above.iter().map(|entity| Some(entity.uid())).chain(tags);
            std::iter::once(Some(own)).chain(above).collect()
        };
        match on {
            On::Database => all(Resource::Database(&Database { target: target(), name: database() })),
            On::Schema(schema) => all(Resource::Schema(&DbSchema { target: target(), database: database(), name: schema.to_string() })),
            On::Table(name, _) => all(Resource::Table(&table(name))),
            On::Column(name, column, _) => all(Resource::Column(&table(name), column)),
            On::Function(name) => {
                let (schema, name) = (name.schema.to_string(), name.name.to_string());
                all(Resource::Function(&Function { target: target(), database: database(), schema, name }))
            }
        }
    }

    fn on(&self, relation: &Relation, id: ColumnId) -> On {
        let column = relation.numbered(id.number).map(|column| Arc::clone(&column.name)).unwrap_or_else(|| "".into());
        On::Column(Name::new(Arc::clone(&relation.schema), Arc::clone(&relation.name)), column, id)
    }

    fn named(&self, id: ColumnId) -> Option<On> {
        self.catalog.numbered(id.relation).map(|relation| self.on(relation, id))
    }

    /// The column itself, those of its name that its table inherits from or that inherit from it, and those that a view hands on in it.
    fn kin(&self, id: ColumnId) -> Arc<[ColumnId]> {
        if let Some(known) = self.kin.borrow().get(&id) {
            return Arc::clone(known);
        }
        let mut found = Vec::new();
        self.gather(id, 0, &mut found);
        let found: Arc<[ColumnId]> = found.into();
        self.kin.borrow_mut().insert(id, Arc::clone(&found));
        found
    }

    fn gather(&self, id: ColumnId, depth: usize, found: &mut Vec<ColumnId>) {
        let Some(relation) = self.catalog.numbered(id.relation).filter(|_| depth < DEEPEST && !found.contains(&id)) else { return };
        found.push(id);
        let Some(column) = relation.numbered(id.number) else { return };
        let family = self.catalog.ancestors(relation.oid).into_iter().chain(self.catalog.descendants(relation.oid));
        found.extend(family.filter_map(|other| Some(other.id(other.column(&column.name)?))));
        let Some(Ok(view)) = self.catalog.view(id.relation) else { return };
        let Answer::Rows(outputs) = &view.answer else { return };
        let place = relation.columns.iter().position(|column| column.number == id.number);
        let flows = place.and_then(|place| outputs.get(place)).map(|output| output.flows.clone()).unwrap_or_default();
        flows.into_iter().for_each(|flow| self.gather(flow, depth + 1, found));
    }
}

fn table_of(relation: &Relation) -> On {
    On::Table(Name::new(Arc::clone(&relation.schema), Arc::clone(&relation.name)), Some(relation.oid))
}

/// Whether everybody whom the scope `narrow` holds is surely held by `wide`.
fn within(narrow: &PrincipalConstraint, wide: &PrincipalConstraint) -> bool {
    use PrincipalConstraint::{Any, Eq, In, Is, IsIn};
    match (narrow, wide) {
        (_, Any) => true,
        (Eq(one), Eq(other)) | (Eq(one), In(other)) | (In(one) | IsIn(_, one), In(other)) => one == other,
        (Eq(one), Is(kind)) => one.type_name() == kind,
        (Is(one) | IsIn(one, _), Is(kind)) => one == kind,
        (IsIn(one, group), IsIn(kind, other)) => one == kind && group == other,
        _ => false,
    }
}
