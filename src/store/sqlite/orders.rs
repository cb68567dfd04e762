//! Statements about orders.

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Row};

use super::super::{NewOrder, Order, OrderKind, StoreError};
use super::columns::{moment, number, word};
use super::sessions;

pub(super) fn give(connection: &Connection, new: &NewOrder) -> Result<u64, StoreError> {
    let session = sessions::find(connection, new.session)?.ok_or_else(|| StoreError::NotFound(format!("session {}", new.session)))?;
    if !session.is_live() {
        return Err(StoreError::Ended(new.session));
    }
    if new.kind == OrderKind::Resume && session.frozen.is_none() {
        return Err(StoreError::NotFrozen(new.session));
    }
    let mut statement =
        connection.prepare_cached("INSERT INTO orders (kind, session, by, reason, at) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id")?;
    let values = (kept(new.kind), new.session.to_string(), &new.by, &new.reason, new.at.as_microsecond());
    Ok(statement.query_row(values, |row| number(row, "id"))?)
}

pub(super) fn take(connection: &Connection, node: &str, now: Timestamp) -> Result<Vec<Order>, StoreError> {
    let mut statement = connection.prepare_cached(
        "UPDATE orders SET taken_at = ?2
         WHERE taken_at IS NULL AND session IN (SELECT id FROM sessions WHERE node = ?1) RETURNING id, kind, session, by, reason, at",
    )?;
    let rows = statement.query_map((node, now.as_microsecond()), read)?;
    let mut orders = rows.collect::<Result<Vec<Order>, Error>>()?;
    // RETURNING promises no order (sqlite.org/lang_returning.html).
    orders.sort_unstable_by_key(|order| order.id);
    Ok(orders)
}

fn kept(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::End => "end",
        OrderKind::Resume => "resume",
    }
}

/// What is neither is nothing that may be guessed at.
fn kind(row: &Row<'_>) -> Result<OrderKind, Error> {
    match row.get::<_, String>("kind")?.as_str() {
        "end" => Ok(OrderKind::End),
        "resume" => Ok(OrderKind::Resume),
        other => Err(Error::FromSqlConversionFailure(0, Type::Text, format!("`{other}` is no kind of order").into())),
    }
}

fn read(row: &Row<'_>) -> Result<Order, Error> {
    let (kind, session) = (kind(row)?, word(row, "session")?);
    let order = NewOrder { kind, session, by: row.get("by")?, reason: row.get("reason")?, at: moment(row, "at")? };
    Ok(Order { id: number(row, "id")?, order })
}
