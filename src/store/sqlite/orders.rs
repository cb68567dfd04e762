//! Statements about orders.

use jiff::Timestamp;
use rusqlite::{Connection, Error, Row};

use super::super::{NewOrder, Order, StoreError};
use super::columns::{moment, number, word};
use super::sessions;

pub(super) fn give(connection: &Connection, new: &NewOrder) -> Result<u64, StoreError> {
    let session = sessions::find(connection, new.session)?.ok_or_else(|| StoreError::NotFound(format!("session {}", new.session)))?;
    if !session.is_live() {
        return Err(StoreError::Ended(new.session));
    }
    let mut statement = connection.prepare_cached("INSERT INTO orders (session, by, reason, at) VALUES (?1, ?2, ?3, ?4) RETURNING id")?;
    let values = (new.session.to_string(), &new.by, &new.reason, new.at.as_microsecond());
    Ok(statement.query_row(values, |row| number(row, "id"))?)
}

pub(super) fn take(connection: &Connection, node: &str, now: Timestamp) -> Result<Vec<Order>, StoreError> {
    let mut statement = connection.prepare_cached(
        "UPDATE orders SET taken_at = ?2
         WHERE taken_at IS NULL AND session IN (SELECT id FROM sessions WHERE node = ?1) RETURNING id, session, by, reason, at",
    )?;
    let rows = statement.query_map((node, now.as_microsecond()), read)?;
    let mut orders = rows.collect::<Result<Vec<Order>, Error>>()?;
    // RETURNING promises no order (sqlite.org/lang_returning.html).
    orders.sort_unstable_by_key(|order| order.id);
    Ok(orders)
}

fn read(row: &Row<'_>) -> Result<Order, Error> {
    let order = NewOrder { session: word(row, "session")?, by: row.get("by")?, reason: row.get("reason")?, at: moment(row, "at")? };
    Ok(Order { id: number(row, "id")?, order })
}
