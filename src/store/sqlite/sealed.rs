//! Statements about sealed secrets.

use rusqlite::{Connection, Error, OptionalExtension, Row};

use super::super::{Sealed, StoreError};
use super::columns::moment;

pub(super) fn put(connection: &Connection, new: &Sealed) -> Result<(), StoreError> {
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO sealed (name, key, bytes, by, at) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    statement.execute((&new.name, &new.key, &new.bytes, &new.by, new.at.as_microsecond()))?;
    Ok(())
}

pub(super) fn find(connection: &Connection, name: &str) -> Result<Option<Sealed>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT * FROM sealed WHERE name = ?1")?;
    Ok(statement.query_row([name], read).optional()?)
}

pub(super) fn list(connection: &Connection) -> Result<Vec<Sealed>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT * FROM sealed ORDER BY name")?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, Error>>()?)
}

pub(super) fn remove(connection: &Connection, name: &str) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("DELETE FROM sealed WHERE name = ?1")?;
    match statement.execute([name])? {
        0 => Err(StoreError::NotFound(format!("sealed secret {name}"))),
        _ => Ok(()),
    }
}

fn read(row: &Row<'_>) -> Result<Sealed, Error> {
    Ok(Sealed { name: row.get("name")?, key: row.get("key")?, bytes: row.get("bytes")?, by: row.get("by")?, at: moment(row, "at")? })
}
