//! Statements about revocations.

use jiff::Timestamp;
use rusqlite::{Connection, Error, OptionalExtension, Row, named_params};

use super::super::{NewRevocation, Revocation, Revoked, Shown, StoreError};
use super::columns::{kept, maybe_moment, maybe_number, maybe_word, moment, number};

pub(super) fn revoke(connection: &Connection, new: &NewRevocation) -> Result<u64, StoreError> {
    let (mut authority, mut serial, mut fingerprint, mut principal, mut before) = (None, None, None, None, None);
    match &new.what {
        Revoked::Certificate { authority: a, serial: s } => (authority, serial) = (Some(a.to_string()), Some(kept(*s)?)),
        Revoked::Key(key) => fingerprint = Some(key),
        Revoked::IssuedBefore { principal: p, before: b } => (principal, before) = (Some(p.as_str()), Some(b.as_microsecond())),
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO revocations (authority, serial, fingerprint, principal, before, reason, by, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING id",
    )?;
    let values = (authority, serial, fingerprint, principal, before, &new.reason, &new.by, new.at.as_microsecond());
    Ok(statement.query_row(values, |row| number(row, "id"))?)
}

pub(super) fn covering(connection: &Connection, shown: &Shown) -> Result<Option<Revocation>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT * FROM revocations
         WHERE (serial = :serial AND authority = :authority)
            OR fingerprint IN (:key, :ca)
            OR (principal = :principal AND before > :issued)
         ORDER BY id LIMIT 1",
    )?;
    let values = named_params! {
        // A serial above SQLite's largest number was never issued here and so not revoked by number.
        ":serial": kept(shown.serial).ok(),
        ":authority": shown.authority.to_string(),
        ":key": shown.key_fingerprint,
        ":ca": shown.ca_fingerprint,
        ":principal": shown.principal.as_ref().map(|p| p.as_str()),
        ":issued": shown.issued_at.as_microsecond(),
    };
    Ok(statement.query_row(values, read).optional()?)
}

pub(super) fn list(connection: &Connection) -> Result<Vec<Revocation>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT * FROM revocations ORDER BY id")?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, Error>>()?)
}

fn read(row: &Row<'_>) -> Result<Revocation, Error> {
    Ok(Revocation {
        id: number(row, "id")?,
        revocation: NewRevocation { what: what(row)?, reason: row.get("reason")?, by: row.get("by")?, at: moment(row, "at")? },
    })
}

fn what(row: &Row<'_>) -> Result<Revoked, Error> {
    if let (Some(authority), Some(serial)) = (maybe_word(row, "authority")?, maybe_number(row, "serial")?) {
        return Ok(Revoked::Certificate { authority, serial });
    }
    let before: Option<Timestamp> = maybe_moment(row, "before")?;
    if let (Some(principal), Some(before)) = (maybe_word(row, "principal")?, before) {
        return Ok(Revoked::IssuedBefore { principal, before });
    }
    Ok(Revoked::Key(row.get("fingerprint")?))
}
