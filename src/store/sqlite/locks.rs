//! Statements about locks.

use jiff::Timestamp;
use rusqlite::{Connection, Error, OptionalExtension, Row};

use super::super::{Lock, LockSubject, NewLock, StoreError};
use super::columns::{kept, maybe_moment, moment, number};

pub(super) fn add(connection: &Connection, new: &NewLock) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO locks (word, name, reason, by, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
    )?;
    let (word, name) = (new.subject.word(), new.subject.name());
    let expires = new.expires_at.map(|t| t.as_microsecond());
    let values = (word, name, &new.reason, &new.by, new.created_at.as_microsecond(), expires);
    Ok(statement.query_row(values, |row| number(row, "id"))?)
}

pub(super) fn remove(connection: &Connection, id: u64) -> Result<Lock, StoreError> {
    let mut statement = connection.prepare_cached("DELETE FROM locks WHERE id = ?1 RETURNING *")?;
    let found = statement.query_row([kept(id)?], read).optional()?;
    found.ok_or_else(|| StoreError::NotFound(format!("lock {id}")))
}

pub(super) fn active(connection: &Connection, now: Timestamp) -> Result<Vec<Lock>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT * FROM locks WHERE expires_at IS NULL OR expires_at > ?1 ORDER BY id")?;
    let rows = statement.query_map([now.as_microsecond()], read)?;
    Ok(rows.collect::<Result<_, Error>>()?)
}

fn read(row: &Row<'_>) -> Result<Lock, Error> {
    Ok(Lock {
        id: number(row, "id")?,
        lock: NewLock {
            subject: subject(row)?,
            reason: row.get("reason")?,
            by: row.get("by")?,
            created_at: moment(row, "created_at")?,
            expires_at: maybe_moment(row, "expires_at")?,
        },
    })
}

/// A lock that cannot be read is an error for the whole list: to skip it would let somebody in.
fn subject(row: &Row<'_>) -> Result<LockSubject, Error> {
    let (word, name): (String, String) = (row.get("word")?, row.get("name")?);
    LockSubject::read(&word, &name).ok_or_else(|| Error::InvalidColumnName("locks.word, locks.name".into()))
}
