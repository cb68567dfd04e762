//! Cases with an SQL statement: it is analysed as the gateway would, over the tables that the file describes.

use std::sync::Arc;

use super::form::{Case, File};
use super::{Unknown, missing, named};
use crate::decision::Decision;
use crate::facts::Facts;
use crate::request::{Principal, Target};
use crate::set::PolicySet;
use crate::sql::{Catalog, Column, Judge, Limits, Relation, RelationKind, Rows, State, analyse};

/// The role that statements run as, where the case says none.
const ROLE: &str = "app";

impl File {
    /// A catalog with the tables of the file, each `schema.name = [columns]`.
    fn catalog(&self) -> Result<Catalog, Unknown> {
        let mut rows = Rows { major: 18, database: ROLE.to_owned(), ..Rows::default() };
        for (oid, (name, columns)) in (16_384..).zip(&self.tables) {
            let (schema, table) = name.split_once('.').ok_or_else(|| Unknown {
                message: format!("is about SQL, and the file describes a table \"{name}\" without its schema"),
                help: Some(format!("write it as \"public.{name}\"")),
            })?;
            let columns = (1..).zip(columns).map(|(number, name)| Column { number, name: name.as_str().into(), type_oid: 0 }).collect();
            let (schema, name) = (schema.into(), table.into());
            let (kind, parents, definition, rules) = (RelationKind::Table, Vec::new(), None, false);
            rows.relations.push(Arc::new(Relation { oid, schema, name, kind, columns, parents, definition, rules }));
        }
        Ok(Catalog::new(rows))
    }
}

impl Case {
    /// The worst answer to anything that the statement does, and the strongest mask on what it gives.
    pub(super) fn statement(&self, file: &File, set: &PolicySet, principal: &Principal, text: &str) -> Result<Decision, Unknown> {
        let name = self.target.as_ref().ok_or_else(|| missing("on which target"))?;
        let what = named(&file.targets, "target", name)?;
        let target = Target { name: name.clone(), kind: what.kind.clone(), tags: what.tags.clone() };
        let catalog = file.catalog()?;
        let role = if self.login.is_empty() { ROLE } else { &self.login };
        let state = State::new(role, ["$user", "public"]);
        let (slice, context) = (set.slice(principal, &target), self.context(Facts::None));
        let judge = Judge::new(&slice, &target, &catalog, &context).in_transaction(self.in_transaction);
        Ok(match analyse(text.as_bytes(), &catalog, &state, &Limits::default()) {
            Ok(script) => {
                let estimates = vec![self.estimated_rows; script.statements.len()];
                let judgement = judge.estimating(&estimates).judge(&script, text);
                let mask = judgement.statements.iter().flat_map(|judged| judged.masks.iter().flatten()).max().copied();
                Decision { mask, ..judgement.decision }
            }
            Err(refused) => judge.denial(&refused),
        })
    }
}
