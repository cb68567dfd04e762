//! Statements about sessions.

use jiff::Timestamp;
use rusqlite::{Connection, Error, ErrorCode, OptionalExtension, Row, named_params};

use super::super::{Frozen, Lease, Opening, Session, SessionEnd, SessionFilter, StoreError};
use super::columns::{address, list as read_list, listed, maybe_moment, maybe_number, maybe_word, moment, number, word};
use crate::model::{Principal, SessionId};

pub(super) fn open(connection: &Connection, new: &Opening) -> Result<Lease, StoreError> {
    let token = next_token(connection)?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO sessions (id, token, kind, principal, groups, target, target_kind, login, wish, source, certificate, node,
            started_at, recording, policies)
         VALUES (:id, :token, :kind, :principal, :groups, :target, :target_kind, :login, :wish, :source, :certificate, :node,
            :started_at, :recording, :policies)
         RETURNING number, token",
    )?;
    let values = named_params! {
        ":id": new.id.to_string(),
        ":token": token,
        ":kind": new.principal.kind.to_string(),
        ":principal": new.principal.id.as_str(),
        ":groups": listed(&new.principal.groups)?,
        ":target": new.target.as_str(),
        ":target_kind": new.target_kind.to_string(),
        ":login": new.login.as_ref().map(|l| l.as_str()),
        ":wish": new.wish,
        ":source": new.source.to_string(),
        ":certificate": new.certificate.and_then(|n| i64::try_from(n).ok()),
        ":node": new.node,
        ":started_at": new.started_at.as_microsecond(),
        ":recording": new.recording,
        ":policies": listed(&new.policies)?,
    };
    statement.query_row(values, lease).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => StoreError::Duplicate(new.id),
        _ => error.into(),
    })
}

/// Larger than every token given before, so that a later holder is always told from an earlier one.
fn next_token(connection: &Connection) -> Result<i64, StoreError> {
    let mut statement = connection.prepare_cached("UPDATE meta SET fence = fence + 1 RETURNING fence")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

pub(super) fn close(connection: &Connection, id: SessionId, token: u64, end: &SessionEnd) -> Result<(), StoreError> {
    held(connection, id, token)?;
    let mut statement = connection.prepare_cached(
        "UPDATE sessions SET ended_at = ?2, end_reason = ?3, exit_status = ?4, frozen_at = NULL, frozen_by = NULL WHERE id = ?1",
    )?;
    statement.execute((id.to_string(), end.at.as_microsecond(), &end.reason, end.exit_status))?;
    Ok(())
}

/// Fails unless the session lives and `token` is its holder's.
fn held(connection: &Connection, id: SessionId, token: u64) -> Result<(), StoreError> {
    let session = find(connection, id)?.ok_or_else(|| StoreError::NotFound(format!("session {id}")))?;
    if session.lease.token != token {
        return Err(StoreError::Fenced(id));
    }
    if session.end.is_some() { Err(StoreError::Ended(id)) } else { Ok(()) }
}

pub(super) fn freeze(connection: &Connection, id: SessionId, token: u64, frozen: Option<&Frozen>) -> Result<(), StoreError> {
    held(connection, id, token)?;
    let mut statement = connection.prepare_cached("UPDATE sessions SET frozen_at = ?2, frozen_by = ?3 WHERE id = ?1")?;
    statement.execute((id.to_string(), frozen.map(|f| f.at.as_microsecond()), frozen.map(|f| &f.guard_rail)))?;
    Ok(())
}

pub(super) fn close_orphans(connection: &Connection, node: &str, now: Timestamp, reason: &str) -> Result<Vec<SessionId>, StoreError> {
    let token = next_token(connection)?;
    let mut statement = connection.prepare_cached(
        "UPDATE sessions SET ended_at = ?2, end_reason = ?3, token = ?4, frozen_at = NULL, frozen_by = NULL
         WHERE node = ?1 AND ended_at IS NULL RETURNING id",
    )?;
    let rows = statement.query_map((node, now.as_microsecond(), reason, token), |row| word(row, "id"))?;
    let mut closed = rows.collect::<Result<Vec<SessionId>, Error>>()?;
    closed.sort_unstable();
    Ok(closed)
}

pub(super) fn find(connection: &Connection, id: SessionId) -> Result<Option<Session>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT * FROM sessions WHERE id = ?1")?;
    Ok(statement.query_row([id.to_string()], read).optional()?)
}

pub(super) fn list(connection: &Connection, filter: &SessionFilter) -> Result<Vec<Session>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT * FROM sessions
         WHERE (:principal IS NULL OR principal = :principal) AND (:target IS NULL OR target = :target)
           AND (:node IS NULL OR node = :node) AND (NOT :live OR ended_at IS NULL)
           AND (:since IS NULL OR ended_at IS NULL OR ended_at >= :since)
         ORDER BY number DESC LIMIT :limit",
    )?;
    let values = named_params! {
        ":principal": filter.principal.as_ref().map(|p| p.as_str()),
        ":target": filter.target.as_ref().map(|t| t.as_str()),
        ":node": filter.node,
        ":live": filter.live,
        ":since": filter.since.map(|t| t.as_microsecond()),
        ":limit": filter.limit,
    };
    let rows = statement.query_map(values, read)?;
    Ok(rows.collect::<Result<_, Error>>()?)
}

fn lease(row: &Row<'_>) -> Result<Lease, Error> {
    Ok(Lease { number: number(row, "number")?, token: number(row, "token")? })
}

fn read(row: &Row<'_>) -> Result<Session, Error> {
    Ok(Session { lease: lease(row)?, opening: opening(row)?, frozen: frozen(row)?, end: end(row)? })
}

fn opening(row: &Row<'_>) -> Result<Opening, Error> {
    Ok(Opening {
        id: word(row, "id")?,
        principal: Principal { kind: word(row, "kind")?, id: word(row, "principal")?, groups: read_list(row, "groups")? },
        target: word(row, "target")?,
        target_kind: word(row, "target_kind")?,
        login: maybe_word(row, "login")?,
        wish: row.get("wish")?,
        source: address(row, "source")?,
        certificate: maybe_number(row, "certificate")?,
        node: row.get("node")?,
        started_at: moment(row, "started_at")?,
        recording: row.get("recording")?,
        policies: read_list(row, "policies")?,
    })
}

fn frozen(row: &Row<'_>) -> Result<Option<Frozen>, Error> {
    let Some(at) = maybe_moment(row, "frozen_at")? else { return Ok(None) };
    Ok(Some(Frozen { at, guard_rail: row.get("frozen_by")? }))
}

fn end(row: &Row<'_>) -> Result<Option<SessionEnd>, Error> {
    let Some(at) = maybe_moment(row, "ended_at")? else { return Ok(None) };
    Ok(Some(SessionEnd { at, reason: row.get("end_reason")?, exit_status: row.get("exit_status")? }))
}
