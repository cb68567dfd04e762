//! What of a session changes the meaning of a statement: search path, role, relations made and not yet committed, prepared
//! statements and cursors. Immutable: each acknowledged effect gives the next state, so that what fails leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::catalog::{Catalog, Relation};
use super::script::{Effect, Name, Statement};

/// The schema that stands for the session's own temporary one.
pub(crate) const TEMP: &str = "pg_temp";
/// The schema of everything that belongs to the server.
pub(crate) const SYSTEM: &str = "pg_catalog";

/// What a transaction can undo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Here {
    path: Setting<Vec<Arc<str>>>,
    role: Setting<Arc<str>>,
    made: BTreeMap<Name, Arc<Relation>>,
    dropped: BTreeSet<Name>,
}

/// A setting with what SET LOCAL puts over it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting<T> {
    session: Option<T>,
    local: Option<Option<T>>,
}

impl<T> Default for Setting<T> {
    fn default() -> Self {
        Setting { session: None, local: None }
    }
}

impl<T: Clone> Setting<T> {
    fn value(&self) -> Option<&T> {
        self.local.as_ref().unwrap_or(&self.session).as_ref()
    }

    fn set(&mut self, value: Option<T>, local: bool) {
        if local {
            self.local = Some(value);
        } else {
            (self.session, self.local) = (value, None);
        }
    }
}

/// The session as far as analysis cares. Make one when the session begins and take in every [`Effect`] that the server acknowledged.
#[derive(Debug, Clone)]
pub struct State {
    user: Arc<str>,
    default_path: Vec<Arc<str>>,
    here: Here,
    /// What to go back to: first what was when the transaction began, then each savepoint.
    saved: Vec<(Option<Arc<str>>, Here)>,
    prepared: BTreeMap<Arc<str>, Arc<Statement>>,
    cursors: BTreeMap<Arc<str>, Arc<Statement>>,
    in_doubt: bool,
    /// What the server told is good until the transaction ends in which it was asked: it may be local to that.
    told_inside: bool,
    made: u32,
    key: Arc<str>,
}

static NUMBERS: AtomicU64 = AtomicU64::new(1);

impl State {
    /// A session of the role `user`, of which `SHOW search_path` gives `path` (each schema as it is written there, `"$user"` as
    /// `$user`).
    #[must_use]
    pub fn new(user: impl Into<Arc<str>>, path: impl IntoIterator<Item = impl Into<Arc<str>>>) -> Self {
        let state = State {
            user: user.into(),
            default_path: path.into_iter().map(Into::into).collect(),
            here: Here::default(),
            saved: Vec::new(),
            prepared: BTreeMap::new(),
            cursors: BTreeMap::new(),
            in_doubt: false,
            told_inside: false,
            made: 0,
            key: "".into(),
        };
        state.keyed()
    }

    /// Whether a transaction block is open.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        !self.saved.is_empty()
    }

    /// Whether code ran that cannot be seen, so that search path and role are not known ([`Effect::InDoubt`]). Unqualified names are
    /// refused until [`State::told`].
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Two states of one key give every statement the same meaning, but for the names of prepared statements and cursors.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The statement prepared under this name, by SQL or by the protocol.
    #[must_use]
    pub fn prepared(&self, name: &str) -> Option<&Arc<Statement>> {
        self.prepared.get(name)
    }

    /// The cursor of this name.
    #[must_use]
    pub fn cursor(&self, name: &str) -> Option<&Arc<Statement>> {
        self.cursors.get(name)
    }

    /// The same session, after the server was asked for its search path and `current_user`; `inside`: within something that will end
    /// as one, a transaction block or a group of messages.
    #[must_use]
    pub fn told(&self, role: impl Into<Arc<str>>, path: impl IntoIterator<Item = impl Into<Arc<str>>>, inside: bool) -> Self {
        let mut next = self.clone();
        next.here.path = Setting { session: Some(path.into_iter().map(Into::into).collect()), local: None };
        next.here.role = Setting { session: Some(role.into()), local: None };
        (next.in_doubt, next.told_inside) = (false, inside);
        next.keyed()
    }

    /// The same session, with these cursors and statements of the protocol beside its own: there is one namespace for both. A cursor
    /// replaces one of its name.
    #[must_use]
    pub fn knowing(
        &self,
        prepared: impl IntoIterator<Item = (Arc<str>, Arc<Statement>)>,
        cursors: impl IntoIterator<Item = (Arc<str>, Arc<Statement>)>,
    ) -> Self {
        let mut next = self.clone();
        next.prepared.extend(prepared);
        next.cursors.extend(cursors);
        next
    }

    /// What it was `before` a failure, but for what no failure undoes: statements that were prepared or given up, and cursors.
    #[must_use]
    pub fn undone(&self, before: &State) -> Self {
        State { prepared: self.prepared.clone(), cursors: self.cursors.clone(), ..before.clone() }
    }

    /// The same session, now that the server is ready and no transaction block is open: what was local to the one statement, or the one
    /// group, is over. `None`: nothing was.
    #[must_use]
    pub fn alone(&self) -> Option<Self> {
        let local = self.here.path.local.is_some() || self.here.role.local.is_some();
        if self.in_transaction() || !(local || self.told_inside) {
            return None;
        }
        let mut next = self.clone();
        next.end(false, false);
        Some(next.keyed())
    }

    /// The same session, after a catalog was read that has everything the session committed: what it made stays only if it is
    /// temporary.
    #[must_use]
    pub fn refreshed(&self) -> Self {
        if self.in_transaction() {
            return self.clone();
        }
        let mut next = self.clone();
        next.here.made.retain(|name, _| *name.schema == *TEMP);
        next.here.dropped.clear();
        next.keyed()
    }

    /// The session after the effect.
    #[must_use]
    pub fn apply(&self, effect: &Effect) -> Self {
        let mut next = self.clone();
        match effect {
            Effect::SearchPath { path, local } => next.here.path.set(path.clone(), *local),
            Effect::Role { role, local } => next.here.role.set(role.clone(), *local),
            Effect::Begin => next.begin(),
            Effect::Commit { chain } => next.end(false, *chain),
            Effect::Rollback { chain } => next.end(true, *chain),
            Effect::Savepoint(name) => {
                if next.in_transaction() {
                    next.saved.push((Some(Arc::clone(name)), next.here.clone()));
                }
            }
            Effect::Release(name) => next.release(name),
            Effect::RollbackTo(name) => next.roll_back_to(name),
            Effect::Prepare(name, statement) => drop(next.prepared.insert(Arc::clone(name), Arc::clone(statement))),
            Effect::Deallocate(name) => forget(&mut next.prepared, name.as_ref()),
            Effect::Declare(name, statement) => drop(next.cursors.insert(Arc::clone(name), Arc::clone(statement))),
            Effect::Close(name) => forget(&mut next.cursors, name.as_ref()),
            Effect::Make(relation) => next.make(relation),
            Effect::Drop(name) => {
                next.here.made.remove(name);
                next.here.dropped.insert(name.clone());
            }
            Effect::CatalogChanged => {}
            Effect::InDoubt => next.in_doubt = true,
            Effect::Discard => {
                next.here = Here::default();
                (next.prepared, next.cursors, next.in_doubt) = (BTreeMap::new(), BTreeMap::new(), false);
            }
        }
        next.keyed()
    }

    fn begin(&mut self) {
        if !self.in_transaction() {
            self.saved.push((None, self.here.clone()));
        }
    }

    fn end(&mut self, undo: bool, chain: bool) {
        if let Some((_, before)) = self.saved.first().filter(|_| undo) {
            self.here = before.clone();
        }
        self.saved.clear();
        (self.here.path.local, self.here.role.local) = (None, None);
        self.in_doubt |= std::mem::take(&mut self.told_inside);
        if chain {
            self.begin();
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.saved.iter().rposition(|(savepoint, _)| savepoint.as_deref() == Some(name))
    }

    fn release(&mut self, name: &str) {
        if let Some(place) = self.place(name) {
            self.saved.truncate(place);
        }
    }

    fn roll_back_to(&mut self, name: &str) {
        if let Some(place) = self.place(name) {
            self.saved.truncate(place.saturating_add(1));
            if let Some((_, before)) = self.saved.last() {
                self.here = before.clone();
            }
        }
    }

    fn make(&mut self, relation: &Arc<Relation>) {
        // What was only altered keeps its number.
        let oid = if relation.oid == 0 { u32::MAX.saturating_sub(self.made) } else { relation.oid };
        self.made = self.made.saturating_add(1);
        let numbered = Relation { oid, ..Relation::clone(relation) };
        let name = Name::new(Arc::clone(&relation.schema), Arc::clone(&relation.name));
        self.here.dropped.remove(&name);
        self.here.made.insert(name, Arc::new(numbered));
    }

    fn keyed(mut self) -> Self {
        let (path, role) = (self.path().collect::<Vec<_>>(), self.role());
        let made = if self.here.made.is_empty() && self.here.dropped.is_empty() { 0 } else { NUMBERS.fetch_add(1, Ordering::Relaxed) };
        self.key = format!("{path:?} {role:?} {} {made}", self.in_doubt).into();
        self
    }

    /// The search path under which another session of the same role gives a statement the meaning that it has in this one; `None` where
    /// none does: this one has relations of its own, another role, or settings that are not known.
    #[must_use]
    pub fn shared_path(&self) -> Option<Vec<Arc<str>>> {
        let own = self.in_doubt || *self.role() != self.user || !self.here.made.is_empty() || !self.here.dropped.is_empty();
        (!own).then(|| self.path().cloned().collect())
    }

    fn path(&self) -> impl Iterator<Item = &Arc<str>> {
        self.here.path.value().unwrap_or(&self.default_path).iter()
    }

    fn role(&self) -> &Arc<str> {
        self.here.role.value().unwrap_or(&self.user)
    }

    /// The temporary relations of the session.
    pub(crate) fn temporary(&self) -> impl Iterator<Item = &Name> {
        self.here.made.keys().filter(|name| *name.schema == *TEMP)
    }

    /// The schemas in which an unqualified relation or type is looked for, in order.
    pub(crate) fn schemas(&self, catalog: &Catalog) -> Vec<Arc<str>> {
        let mut schemas: Vec<Arc<str>> = Vec::new();
        let lists = |name: &str| self.path().any(|schema| **schema == *name);
        schemas.extend((!lists(TEMP)).then(|| TEMP.into()));
        schemas.extend((!lists(SYSTEM)).then(|| SYSTEM.into()));
        for schema in self.path() {
            let schema = if **schema == *"$user" { self.role() } else { schema };
            let there = **schema == *TEMP || **schema == *SYSTEM || catalog.has_schema(schema);
            if there && !schemas.contains(schema) {
                schemas.push(Arc::clone(schema));
            }
        }
        schemas
    }

    /// The schema in which an unqualified new object is made.
    pub(crate) fn home(&self, catalog: &Catalog) -> Option<Arc<str>> {
        let implicit = |schema: &Arc<str>| (**schema == *TEMP || **schema == *SYSTEM) && !self.path().any(|listed| listed == schema);
        self.schemas(catalog).into_iter().find(|schema| !implicit(schema))
    }

    /// A relation, made in this session or in the catalog.
    pub(crate) fn relation(&self, catalog: &Catalog, schema: &str, name: &str) -> Option<Arc<Relation>> {
        let key = Name::new(schema, name);
        if let Some(made) = self.here.made.get(&key) {
            return Some(Arc::clone(made));
        }
        if self.here.dropped.contains(&key) { None } else { catalog.relation(schema, name).cloned() }
    }
}

/// A search path as `SHOW search_path` gives it: names separated by commas, in double quotes where they need them.
#[must_use]
pub fn schemas(text: &str) -> Vec<Arc<str>> {
    let (mut all, mut chars) = (Vec::new(), text.chars().peekable());
    while chars.peek().is_some() {
        let (mut name, mut quoted) = (String::new(), false);
        while let Some(char) = chars.next_if(|char| quoted || *char != ',') {
            match char {
                '"' if quoted && chars.next_if_eq(&'"').is_some() => name.push('"'),
                '"' => quoted = !quoted,
                char if quoted => name.push(char),
                char if char.is_whitespace() => {}
                char => name.extend(char.to_lowercase()),
            }
        }
        chars.next();
        if !name.is_empty() {
            all.push(name.into());
        }
    }
    all
}

fn forget(map: &mut BTreeMap<Arc<str>, Arc<Statement>>, name: Option<&Arc<str>>) {
    match name {
        Some(name) => drop(map.remove(name)),
        None => map.clear(),
    }
}
