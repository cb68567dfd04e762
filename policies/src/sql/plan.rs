//! How many rows a statement is about, as the server's planner guesses: what the planner is asked, and what its answer says. A
//! statement is asked about only where planning it runs nothing of a user's own. Asks nobody itself.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::catalog::{Catalog, RelationKind};
use super::script::{Effect, On, Operation, Script, Statement};
use crate::Action;

/// The first server that plans a statement without the values of its parameters.
const GENERIC_PLANS: u16 = 16;

/// Plans are trees; deeper than this nothing is looked for.
const DEEPEST: usize = 200;

/// What another session of the same role has to be told for statements to mean the same in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// The search path.
    pub path: Vec<Arc<str>>,
    /// Settings that literals are read by.
    pub settings: Vec<(String, String)>,
}

/// The EXPLAIN of each statement, which does not run it; `None` where it must not be asked: planning would call functions of the
/// database, or what came before it in the text gives it another meaning. `text` is what the script was made of.
#[must_use]
pub fn explains(script: &Script, text: &str, catalog: &Catalog) -> Vec<Option<String>> {
    let mut settled = !script.by_name;
    let mut explain = |statement: &Statement| {
        let asked = settled && statement.planned && is_quiet(&statement.operations, catalog);
        settled &= statement.effects.iter().all(is_harmless);
        let generic = match (statement.has_parameters, catalog.rows().major >= GENERIC_PLANS) {
            (false, _) => "",
            (true, true) => ", GENERIC_PLAN",
            (true, false) => return None,
        };
        let text = text.get(statement.range.clone()).filter(|_| asked)?;
        Some(format!("EXPLAIN (FORMAT JSON{generic}) {text}"))
    };
    script.statements.iter().map(|statement| explain(statement)).collect()
}

/// Whether statements after it mean what they meant before.
fn is_harmless(effect: &Effect) -> bool {
    matches!(effect, Effect::Begin | Effect::Commit { chain: _ } | Effect::Savepoint(_) | Effect::Release(_))
}

/// Whether planning runs no code of a user's: no function that policy would be asked about, neither here nor in the views that are
/// read, and no foreign server.
fn is_quiet(operations: &[Operation], catalog: &Catalog) -> bool {
    let calls = |operations: &[Operation]| operations.iter().any(|one| matches!(one.action, Action::PgCall | Action::PgDo));
    let relations = |operations: &[Operation]| operations.iter().filter_map(|one| relation_of(&one.on)).collect::<Vec<u32>>();
    let (mut seen, mut open) = (HashSet::new(), relations(operations));
    if calls(operations) {
        return false;
    }
    while let Some(oid) = open.pop() {
        if !seen.insert(oid) {
            continue;
        }
        if catalog.numbered(oid).is_none_or(|relation| relation.kind == RelationKind::Foreign) {
            return false;
        }
        match catalog.view(oid) {
            None => {}
            Some(Ok(view)) if !calls(&view.operations) => open.extend(relations(&view.operations)),
            Some(_) => return false,
        }
    }
    true
}

fn relation_of(on: &On) -> Option<u32> {
    match on {
        On::Table(_, oid) => *oid,
        On::Column(_, _, id) => Some(id.relation),
        On::Database | On::Schema(_) | On::Function(_) => None,
    }
}

/// The rows that a plan in JSON says: the most of what it answers with and what any of its parts changes.
#[must_use]
pub fn estimate(plan: &str) -> Option<i64> {
    let plans: Value = serde_json::from_str(plan).ok()?;
    let top = plans.get(0)?.get("Plan")?;
    let changed = changed(top, 0);
    // What changes rows without answering with them says that it gives none.
    Some(rows(top)?.max(changed))
}

fn rows(node: &Value) -> Option<i64> {
    let rows = node.get("Plan Rows")?;
    // The planner's numbers may be larger than any that counts.
    Some(rows.as_i64().unwrap_or(i64::MAX))
}

fn changed(node: &Value, depth: usize) -> i64 {
    let parts = node.get("Plans").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let beneath = parts.iter().filter(|_| depth < DEEPEST).map(|part| changed(part, depth + 1)).max().unwrap_or(0);
    if node.get("Node Type").and_then(Value::as_str) != Some("ModifyTable") {
        return beneath;
    }
    let is_source = |part: &&Value| matches!(part.get("Parent Relationship").and_then(Value::as_str), Some("Outer" | "Member"));
    let own = parts.iter().filter(is_source).filter_map(rows).fold(0, i64::saturating_add);
    own.max(beneath)
}
