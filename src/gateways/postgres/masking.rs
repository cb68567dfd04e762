//! Masks the rows of a result. What was predicted of the statement is held against what the server says of its columns; only if both
//! agree is a row handed on, with the masked values replaced.

use std::sync::{Arc, OnceLock};

use bartizan_policies::Mask;
use bartizan_policies::sql::mask::{Format, masked};
use bartizan_policies::sql::{Answer, Catalog, ColumnId, Judged, On, Statement};
use bytes::{Bytes, BytesMut};

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

    /// Whole rows, one behind the other, as the client may see them.
    pub(super) fn rows(&self, frames: &Bytes, key: &[u8]) -> Result<Bytes, CodecError> {
        if !self.masks() {
            return Ok(frames.clone());
        }
        let mut shown = BytesMut::with_capacity(frames.len() + frames.len() / 4);
        for frame in codec::frames(frames) {
            self.row(frame, key, &mut shown)?;
        }
        Ok(shown.freeze())
    }

    fn row(&self, frame: &[u8], key: &[u8], shown: &mut BytesMut) -> Result<(), CodecError> {
        let wanted = u16::try_from(self.columns.len()).map_err(|_| CodecError::Malformed('D'))?;
        let mut columns = self.columns.iter();
        let told = codec::append_row(shown, wanted, |body| {
            codec::each_value(frame, |value| match columns.next() {
                Some((Some(mask), column)) => {
                    let format = if column.binary { Format::Binary } else { Format::Text };
                    codec::put_value(body, masked(*mask, column.type_oid, format, value, key).as_deref());
                }
                Some((None, _)) => codec::put_value(body, value),
                // More values than columns: the count below is another one.
                None => {}
            })
        })?;
        if told == wanted { Ok(()) } else { Err(CodecError::Malformed('D')) }
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
