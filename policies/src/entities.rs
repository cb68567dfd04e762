//! Turns our plain data into Cedar's entities through its typed interface, never through JSON. Anything that
//! cannot be turned is reported, and the caller refuses.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema};

use crate::Action;
use crate::http::{Body, Places};
use crate::request::{Approval, Key, Kind, Principal, PrincipalKind, Resource, Route, Target, Visit};

/// The request cannot be put to Cedar. The answer to it is no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request cannot be put to policy")]
pub(crate) struct Unaskable;

const TYPES: &[&str] = &[
    "User",
    "Service",
    "Group",
    "Tag",
    "Target",
    "Database",
    "Schema",
    "Table",
    "Column",
    "Function",
    "Namespace",
    "Kind",
    "Route",
    "Session",
    "Recording",
    "Approval",
    "ServiceApproval",
    "Key",
    "BodyTexts",
    "BodyNumbers",
];

/// Ids of what a request's body is laid out in.
const TEXTS: (&str, &str) = ("BodyTexts", "texts");
const WORDS: (&str, &str) = ("BodyTexts", "words");
const LEAST: (&str, &str) = ("BodyNumbers", "least");
const MOST: (&str, &str) = ("BodyNumbers", "most");

/// Entity types and actions, parsed once: parsing a name costs more than a decision.
#[derive(Debug)]
pub(crate) struct Names {
    types: HashMap<&'static str, EntityTypeName>,
    actions: HashMap<Action, Entity>,
    lineages: HashMap<Action, Vec<EntityUid>>,
}

impl Names {
    /// Fails only if the shipped schema does not know one of our own names.
    pub(crate) fn new(schema: &Schema) -> Result<Self, Unaskable> {
        let types = TYPES.iter().map(|name| Ok((*name, name.parse().map_err(|_| Unaskable)?)));
        let entities = schema.action_entities().map_err(|_| Unaskable)?;
        let (mut actions, mut lineages) = (HashMap::new(), HashMap::new());
        for action in Action::ALL.iter().copied() {
            let entity = entities.iter().find(|entity| entity.uid().id().unescaped() == action.name()).ok_or(Unaskable)?;
            let groups = entities.ancestors(&entity.uid()).into_iter().flatten().cloned();
            lineages.insert(action, groups.chain([entity.uid()]).collect());
            actions.insert(action, entity.clone());
        }
        Ok(Names { types: types.collect::<Result<_, Unaskable>>()?, actions, lineages })
    }

    pub(crate) fn action(&self, action: Action) -> Result<&Entity, Unaskable> {
        self.actions.get(&action).ok_or(Unaskable)
    }

    /// The action itself and every group of actions it is in.
    pub(crate) fn action_lineage(&self, action: Action) -> Result<&[EntityUid], Unaskable> {
        self.lineages.get(&action).map(Vec::as_slice).ok_or(Unaskable)
    }

    pub(crate) fn uid(&self, kind: &str, id: &str) -> Result<EntityUid, Unaskable> {
        let kind = self.types.get(kind).ok_or(Unaskable)?;
        Ok(EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id)))
    }

    pub(crate) fn principal_uid(&self, principal: &Principal) -> Result<EntityUid, Unaskable> {
        self.uid(principal_type(principal), &principal.id)
    }

    pub(crate) fn principal(&self, principal: &Principal) -> Result<Entity, Unaskable> {
        let (issuer, name) = principal.parts();
        let groups = principal.groups.iter().map(|group| self.uid("Group", group)).collect::<Result<Vec<_>, _>>()?;
        let claims = principal
            .claims
            .iter()
            .map(|(key, values)| (key.clone(), RestrictedExpression::new_set(values.iter().map(|value| text(value)))));
        let attributes = [("issuer".to_owned(), text(issuer)), ("name".to_owned(), text(name))];
        Entity::new_with_tags(self.principal_uid(principal)?, attributes, groups, claims).map_err(|_| Unaskable)
    }

    fn target(&self, target: &Target) -> Result<Entity, Unaskable> {
        let attributes = [("kind".to_owned(), text(&target.kind)), ("name".to_owned(), text(&target.name))];
        let tags = target.tags.iter().map(|(key, value)| (key.clone(), text(value)));
        let parents = target.tags.iter().map(|(key, value)| self.uid("Tag", &format!("{key}={value}"))).collect::<Result<Vec<_>, _>>()?;
        Entity::new_with_tags(self.uid("Target", &target.name)?, attributes, parents, tags).map_err(|_| Unaskable)
    }

    /// The resource's id.
    pub(crate) fn resource_uid(&self, resource: &Resource<'_>) -> Result<EntityUid, Unaskable> {
        match resource {
            Resource::Target(target) => self.uid("Target", &target.name),
            Resource::Database(database) => self.database(&database.target, &database.name),
            Resource::Schema(schema) => self.uid("Schema", &inside(&schema.target, &part(&schema.name))),
            Resource::Table(table) => self.uid("Table", &in_schema(&table.target, &table.schema, &table.name)),
            Resource::Column(table, column) => {
                self.uid("Column", &format!("{}.{}", in_schema(&table.target, &table.schema, &table.name), part(column)))
            }
            Resource::Function(function) => self.uid("Function", &in_schema(&function.target, &function.schema, &function.name)),
            Resource::Kind(kind) => self.uid("Kind", &inside(&kind.target, &format!("{}/{}", kind.group_name(), kind.name))),
            Resource::Route(route) => self.uid("Route", &inside(&route.target, &format!("{} {}", route.method, route.path))),
            Resource::Session(visit) => self.uid("Session", &visit.id),
            Resource::Recording(visit) => self.uid("Recording", &visit.id),
            Resource::Approval(approval) => match approval.requester.kind {
                PrincipalKind::User => self.uid("Approval", &approval.id),
                PrincipalKind::Service => self.uid("ServiceApproval", &approval.id),
            },
            Resource::Key(key) => self.uid("Key", &key.fingerprint),
            Resource::Principal(principal) => self.principal_uid(principal),
        }
    }

    /// The resource and everything it is in, but nothing that is `caller`.
    pub(crate) fn resource(&self, resource: &Resource<'_>, caller: &Principal) -> Result<Vec<Entity>, Unaskable> {
        let uid = self.resource_uid(resource)?;
        let other = |principal: &Principal| -> Result<Option<Entity>, Unaskable> {
            if principal.id == caller.id && principal.kind == caller.kind { Ok(None) } else { self.principal(principal).map(Some) }
        };
        match resource {
            Resource::Target(target) => Ok(vec![self.target(target)?]),
            Resource::Database(database) => self.below(&database.target, &[uid]),
            Resource::Schema(schema) => self.below(&schema.target, &[self.database(&schema.target, &schema.database)?, uid]),
            Resource::Table(table) => self.in_schema(&table.target, &table.database, &table.schema, &[uid]),
            Resource::Column(table, _) => {
                let parent = self.resource_uid(&Resource::Table(table))?;
                self.in_schema(&table.target, &table.database, &table.schema, &[parent, uid])
            }
            Resource::Function(function) => self.in_schema(&function.target, &function.database, &function.schema, &[uid]),
            Resource::Kind(kind) => self.kind(uid, kind),
            Resource::Route(route) => self.route(uid, route),
            Resource::Session(visit) | Resource::Recording(visit) => {
                let owner = other(&visit.owner)?;
                Ok([self.visit(uid, visit)?, self.target(&visit.target)?].into_iter().chain(owner).collect())
            }
            Resource::Approval(approval) => {
                let requester = other(&approval.requester)?;
                Ok([self.approval(uid, approval)?, self.target(&approval.target)?].into_iter().chain(requester).collect())
            }
            Resource::Key(key) => Ok(vec![key_entity(uid, key)?]),
            Resource::Principal(principal) => Ok(other(principal)?.into_iter().collect()),
        }
    }

    /// The target, and below it each of `path` in the one before.
    fn below(&self, target: &Target, path: &[EntityUid]) -> Result<Vec<Entity>, Unaskable> {
        let mut parent = self.uid("Target", &target.name)?;
        let mut entities = vec![self.target(target)?];
        for uid in path {
            entities.push(Entity::new_no_attrs(uid.clone(), HashSet::from([parent])));
            parent = uid.clone();
        }
        Ok(entities)
    }

    fn database(&self, target: &Target, name: &str) -> Result<EntityUid, Unaskable> {
        self.uid("Database", &inside(target, name))
    }

    fn in_schema(&self, target: &Target, database: &str, schema: &str, path: &[EntityUid]) -> Result<Vec<Entity>, Unaskable> {
        let above = [self.database(target, database)?, self.uid("Schema", &inside(target, &part(schema)))?];
        self.below(target, &[&above[..], path].concat())
    }

    /// A kind is in the namespace that the request names, as long as the request is decided.
    fn kind(&self, uid: EntityUid, kind: &Kind) -> Result<Vec<Entity>, Unaskable> {
        let target = &kind.target;
        let namespace = kind.namespace.as_ref().map(|name| self.uid("Namespace", &inside(target, name))).transpose()?;
        let mut entities = self.below(target, namespace.as_slice())?;
        let parent = namespace.map_or_else(|| self.uid("Target", &target.name), Ok)?;
        let attributes = [("group".to_owned(), text(kind.group_name())), ("name".to_owned(), text(&kind.name))];
        entities.push(Entity::new(uid, attributes.into(), HashSet::from([parent])).map_err(|_| Unaskable)?);
        Ok(entities)
    }

    fn route(&self, uid: EntityUid, route: &Route) -> Result<Vec<Entity>, Unaskable> {
        let parent = self.uid("Target", &route.target.name)?;
        let attributes = [("method".to_owned(), text(&route.method)), ("path".to_owned(), text(&route.path))];
        let entity = Entity::new(uid, attributes.into(), HashSet::from([parent])).map_err(|_| Unaskable)?;
        Ok(vec![self.target(&route.target)?, entity])
    }

    fn visit(&self, uid: EntityUid, visit: &Visit) -> Result<Entity, Unaskable> {
        let target = self.uid("Target", &visit.target.name)?;
        let parents = HashSet::from([target.clone(), self.principal_uid(&visit.owner)?]);
        let attributes = [("target".to_owned(), RestrictedExpression::new_entity_uid(target)), ("login".to_owned(), text(&visit.login))];
        Entity::new(uid, attributes.into(), parents).map_err(|_| Unaskable)
    }

    fn approval(&self, uid: EntityUid, approval: &Approval) -> Result<Entity, Unaskable> {
        let target = self.uid("Target", &approval.target.name)?;
        let asks = approval.asks.iter().map(|group| self.uid("Group", group)).collect::<Result<Vec<_>, _>>()?;
        let attributes = [
            ("requester".to_owned(), RestrictedExpression::new_entity_uid(self.principal_uid(&approval.requester)?)),
            ("target".to_owned(), RestrictedExpression::new_entity_uid(target.clone())),
            ("action".to_owned(), text(approval.action.name())),
            ("asks".to_owned(), RestrictedExpression::new_set(asks.into_iter().map(RestrictedExpression::new_entity_uid))),
        ];
        Entity::new(uid, attributes.into(), HashSet::from([target])).map_err(|_| Unaskable)
    }
}

impl Names {
    /// A request's body as the context has it; `None` where there is none. One that is not read has no attributes, so that whatever
    /// looks into it fails.
    pub(crate) fn body(&self, body: &Body) -> Result<Option<RestrictedExpression>, Unaskable> {
        let places = match body {
            Body::Absent => return Ok(None),
            Body::Unread => return RestrictedExpression::new_record([]).map(Some).map_err(|_| Unaskable),
            Body::Read(places) => places,
        };
        let mut fields = vec![("places".to_owned(), RestrictedExpression::new_set(places.all.iter().map(|place| text(place))))];
        for (kind, id) in [TEXTS, WORDS, LEAST, MOST] {
            fields.push((id.to_owned(), RestrictedExpression::new_entity_uid(self.uid(kind, id)?)));
        }
        RestrictedExpression::new_record(fields).map(Some).map_err(|_| Unaskable)
    }

    /// What the attributes of [`Names::body`] name.
    pub(crate) fn body_entities(&self, body: &Body) -> Result<Vec<Entity>, Unaskable> {
        let Body::Read(places) = body else { return Ok(Vec::new()) };
        let Places { all: _, texts, words, least, most } = &**places;
        let tags = |values: Vec<(String, RestrictedExpression)>, (kind, id): (&'static str, &str)| {
            Entity::new_with_tags(self.uid(kind, id)?, [], [], values).map_err(|_| Unaskable)
        };
        let mut entities = Vec::new();
        for (values, name) in [(texts, TEXTS), (words, WORDS)] {
            let set = |all: &BTreeSet<String>| RestrictedExpression::new_set(all.iter().map(|one| text(one)));
            entities.push(tags(values.iter().map(|(place, all)| (place.clone(), set(all))).collect(), name)?);
        }
        for (values, name) in [(least, LEAST), (most, MOST)] {
            let number = |(place, value): (&String, &i64)| (place.clone(), RestrictedExpression::new_long(*value));
            entities.push(tags(values.iter().map(number).collect(), name)?);
        }
        Ok(entities)
    }
}

fn principal_type(principal: &Principal) -> &'static str {
    match principal.kind {
        PrincipalKind::User => "User",
        PrincipalKind::Service => "Service",
    }
}

fn key_entity(uid: EntityUid, key: &Key) -> Result<Entity, Unaskable> {
    let attributes =
        [("algorithm".to_owned(), text(&key.algorithm)), ("bits".to_owned(), RestrictedExpression::new_long(i64::from(key.bits)))];
    Entity::new(uid, attributes.into(), HashSet::new()).map_err(|_| Unaskable)
}

/// The id of something in a target: it begins with the target's name, in which there is no `/`.
fn inside(target: &Target, name: &str) -> String {
    format!("{}/{name}", target.name)
}

fn in_schema(target: &Target, schema: &str, name: &str) -> String {
    format!("{}/{}.{}", target.name, part(schema), part(name))
}

/// A name with dots or quotes is quoted as in SQL, so that two names never make one id.
pub(crate) fn part(name: &str) -> Cow<'_, str> {
    if name.contains(['.', '"']) { format!("\"{}\"", name.replace('"', "\"\"")).into() } else { name.into() }
}

/// The names of which `rest` is made, as [`part`] writes them, with dots between them.
pub(crate) fn names_in(rest: &str) -> Vec<String> {
    let (mut names, mut chars, mut quoted) = (vec![String::new()], rest.chars().peekable(), false);
    while let Some(char) = chars.next() {
        let Some(last) = names.last_mut() else { break };
        match char {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => last.push('"'),
            '"' => quoted = !quoted,
            '.' if !quoted => names.push(String::new()),
            char => last.push(char),
        }
    }
    names
}

pub(crate) fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}
