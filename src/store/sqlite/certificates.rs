//! Statements about certificates.

use rusqlite::{Connection, Error, OptionalExtension, Row, named_params};

use super::super::{Certificate, CertificateFilter, NewCertificate, StoreError};
use super::columns::{kept, maybe_word, moment, number, word};

pub(super) fn issue(connection: &Connection, new: &NewCertificate) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO certificates (authority, key_id, principal, kind, key_fingerprint, valid_after, valid_before, issued_at,
            ca_fingerprint, source_address, session)
         VALUES (:authority, :key_id, :principal, :kind, :key, :after, :before, :issued, :ca, :source, :session) RETURNING serial",
    )?;
    let values = named_params! {
        ":authority": new.authority.to_string(),
        ":key_id": new.key_id,
        ":principal": new.principal.as_ref().map(|p| p.as_str()),
        ":kind": new.kind.map(|k| k.to_string()),
        ":key": new.key_fingerprint,
        ":after": new.valid_after.as_microsecond(),
        ":before": new.valid_before.as_microsecond(),
        ":issued": new.issued_at.as_microsecond(),
        ":ca": new.ca_fingerprint,
        ":source": new.source_address,
        ":session": new.session.map(|s| s.to_string()),
    };
    Ok(statement.query_row(values, |row| number(row, "serial"))?)
}

pub(super) fn find(connection: &Connection, serial: u64) -> Result<Option<Certificate>, StoreError> {
    let Ok(serial) = kept(serial) else { return Ok(None) };
    let mut statement = connection.prepare_cached("SELECT * FROM certificates WHERE serial = ?1")?;
    Ok(statement.query_row([serial], read).optional()?)
}

pub(super) fn list(connection: &Connection, filter: &CertificateFilter) -> Result<Vec<Certificate>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT * FROM certificates
         WHERE (:authority IS NULL OR authority = :authority) AND (:principal IS NULL OR principal = :principal)
           AND (:key IS NULL OR key_fingerprint = :key)
           AND (:at IS NULL OR (valid_after <= :at AND :at < valid_before))
         ORDER BY serial DESC LIMIT :limit",
    )?;
    let values = named_params! {
        ":authority": filter.authority.map(|a| a.to_string()),
        ":principal": filter.principal.as_ref().map(|p| p.as_str()),
        ":key": filter.key_fingerprint,
        ":at": filter.valid_at.map(|t| t.as_microsecond()),
        ":limit": filter.limit,
    };
    let rows = statement.query_map(values, read)?;
    Ok(rows.collect::<Result<_, Error>>()?)
}

fn read(row: &Row<'_>) -> Result<Certificate, Error> {
    Ok(Certificate {
        serial: number(row, "serial")?,
        certificate: NewCertificate {
            authority: word(row, "authority")?,
            key_id: row.get("key_id")?,
            principal: maybe_word(row, "principal")?,
            kind: maybe_word(row, "kind")?,
            key_fingerprint: row.get("key_fingerprint")?,
            valid_after: moment(row, "valid_after")?,
            valid_before: moment(row, "valid_before")?,
            issued_at: moment(row, "issued_at")?,
            ca_fingerprint: row.get("ca_fingerprint")?,
            source_address: row.get("source_address")?,
            session: maybe_word(row, "session")?,
        },
    })
}
