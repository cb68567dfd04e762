//! What a slice has made for earlier questions and would make alike again: a statement of SQL asks many, about a few things, in the same
//! circumstances. Keeps no verdict, and only what is found again by everything that it was made of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cedar_policy::{Context as CedarContext, Entities, EntityUid};

use crate::Action;
use crate::entities::Unaskable;
use crate::request::{Context, Request, Resource};

/// Things whose entities are kept at most; then all are forgotten.
const THINGS: usize = 1_024;

/// Circumstances that are kept: those of a statement, and those in which its masks are looked for.
const CIRCUMSTANCES: usize = 4;

/// All that the entities of a question follow from, within a slice: what is done, to what, in which database.
type Thing = (Action, EntityUid, String);

/// Behind locks that are held for a look only.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    entities: Mutex<HashMap<Thing, Arc<Entities>>>,
    contexts: Mutex<Vec<(Context, CedarContext)>>,
}

impl Kept {
    /// The entities of a question about `uid`.
    pub(crate) fn entities(
        &self,
        request: &Request<'_>,
        uid: &EntityUid,
        make: impl FnOnce() -> Result<Entities, Unaskable>,
    ) -> Result<Arc<Entities>, Unaskable> {
        let Some(database) = database(&request.resource) else { return make().map(Arc::new) };
        let thing = (request.action, uid.clone(), database.to_owned());
        if let Some(known) = lock(&self.entities).get(&thing) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(make()?);
        let mut kept = lock(&self.entities);
        if kept.len() >= THINGS {
            kept.clear();
        }
        kept.insert(thing, Arc::clone(&made));
        Ok(made)
    }

    /// The context of a question in these circumstances.
    pub(crate) fn context(
        &self,
        context: &Context,
        make: impl FnOnce() -> Result<CedarContext, Unaskable>,
    ) -> Result<CedarContext, Unaskable> {
        if let Some((_, known)) = lock(&self.contexts).iter().find(|(known, _)| known == context) {
            return Ok(known.clone());
        }
        let made = make()?;
        let mut kept = lock(&self.contexts);
        if kept.len() >= CIRCUMSTANCES {
            kept.remove(0);
        }
        kept.push((context.clone(), made.clone()));
        Ok(made)
    }
}

/// The database that a thing is in, for those of which target, names and database are all there is to them. The target is the slice's,
/// or the question is refused before its entities are kept.
fn database<'a>(resource: &Resource<'a>) -> Option<&'a str> {
    match resource {
        Resource::Database(database) => Some(&database.name),
        Resource::Schema(schema) => Some(&schema.database),
        Resource::Table(table) | Resource::Column(table, _) => Some(&table.database),
        Resource::Function(function) => Some(&function.database),
        Resource::Target(_)
        | Resource::Kind(_)
        | Resource::Route(_)
        | Resource::Session(_)
        | Resource::Recording(_)
        | Resource::Approval(_)
        | Resource::Key(_)
        | Resource::Principal(_) => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
