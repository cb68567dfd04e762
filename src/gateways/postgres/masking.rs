//! Masks the rows of a result. What was predicted of the statement is held against what the server says of its columns; only if both
//! agree is a row handed on, with the masked values replaced.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bartizan_policies::Mask;
use bartizan_policies::sql::mask::{Format, masked};
use bartizan_policies::sql::{Answer, Catalog, ColumnId, Judged, On, Statement};
use bytes::Bytes;

use super::codec::{self, CodecError, Column};

/// What is done to each column of a result.
#[derive(Debug, Default)]
pub(super) struct Plan {
    columns: Vec<(Option<Mask>, Column)>,
}

/// The plan of a portal, once the server has described it.
pub(super) type Shape = Arc<OnceLock<Plan>>;

impl Plan {
    /// What the server says of a result, held against what was predicted; none if they differ.
    pub(super) fn of(statement: &Statement, judged: &Judged, catalog: &Catalog, described: Vec<Column>) -> Option<Self> {
        let outputs = match &statement.answer {
            // Nothing of a table is in it.
            Answer::Report => return Some(Self { columns: described.into_iter().map(|column| (None, column)).collect() }),
            Answer::Rows(outputs) => outputs,
            Answer::Nothing | Answer::CopyOut(..) | Answer::CopyIn | Answer::Unknown => return None,
        };
        if outputs.len() != described.len() || outputs.len() != judged.masks.len() {
            return None;
        }
        let fits = |(output, column): (&bartizan_policies::sql::Output, &Column)| {
            let reported = ColumnId { relation: column.table, number: column.attribute.cast_signed() };
            // An attribute of a row that nothing is masked of may turn out to be a column of that table.
            let plain = !judged.scrub && statement.operations.iter().any(|operation| is_about(&operation.on, column.table));
            plain || output.admits(reported, catalog.numbered(column.table).is_some())
        };
        if !outputs.iter().zip(&described).all(fits) {
            return None;
        }
        Some(Self { columns: judged.masks.iter().copied().zip(described).collect() })
    }

    /// Whether any column is masked.
    pub(super) fn masks(&self) -> bool {
        self.columns.iter().any(|(mask, _)| mask.is_some())
    }

    /// The row as the client may see it.
    pub(super) fn row(&self, frame: &Bytes, key: &[u8]) -> Result<Bytes, CodecError> {
        let values = codec::row(frame)?;
        if values.len() != self.columns.len() {
            return Err(CodecError::Malformed('D'));
        }
        if !self.masks() {
            return Ok(frame.clone());
        }
        let shown = values.into_iter().zip(&self.columns).map(|(value, (mask, column))| match mask {
            Some(mask) => {
                let format = if column.binary { Format::Binary } else { Format::Text };
                masked(*mask, column.type_oid, format, value, key)
            }
            None => value.map(Cow::Borrowed),
        });
        Ok(codec::data_row(shown))
    }
}

/// Whether an operation is about this relation or a column of it.
fn is_about(on: &On, relation: u32) -> bool {
    match on {
        On::Table(_, oid) => *oid == Some(relation),
        On::Column(_, _, id) => id.relation == relation,
        On::Database | On::Schema(_) | On::Function(_) => false,
    }
}
