//! Statements about approvals.

use jiff::Timestamp;
use rusqlite::{Connection, Error, OptionalExtension, Row, named_params};

use super::super::{Approval, ApprovalEnd, ApprovalFilter, ApprovalState, NewApproval, Review, Signed, StoreError};
use super::columns::{address, list as read_list, listed, maybe_moment, maybe_number, maybe_read, maybe_word, moment, word, written};
use crate::model::{ApprovalId, Principal};

pub(super) fn open(connection: &Connection, new: &NewApproval) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO approvals (id, session, node, kind, principal, groups, target, login, action, operation, outline, digest, needs, reason,
            source, asked_at, deadline, state)
         VALUES (:id, :session, :node, :kind, :principal, :groups, :target, :login, :action, :operation, :outline, :digest, :needs, :reason,
            :source, :asked_at, :deadline, 'waiting')",
    )?;
    statement.execute(named_params! {
        ":id": new.id.to_string(),
        ":session": new.session.to_string(),
        ":node": new.node,
        ":kind": new.principal.kind.to_string(),
        ":principal": new.principal.id.as_str(),
        ":groups": listed(&new.principal.groups)?,
        ":target": new.target.as_str(),
        ":login": new.login.as_ref().map(|login| login.as_str()),
        ":action": new.action,
        ":operation": new.operation,
        ":outline": new.outline.as_ref().map(written).transpose()?,
        ":digest": new.digest,
        ":needs": listed(&new.needs)?,
        ":reason": new.reason,
        ":source": new.source.to_string(),
        ":asked_at": new.asked_at.as_microsecond(),
        ":deadline": new.deadline.as_microsecond(),
    })?;
    Ok(())
}

pub(super) fn review(connection: &Connection, id: ApprovalId, review: &Review) -> Result<Approval, StoreError> {
    let mut approval = must_find(connection, id)?;
    if approval.state != ApprovalState::Waiting {
        return Err(StoreError::Settled(id, approval.state));
    }
    if approval.reviewed_by(&review.by.id) {
        return Err(StoreError::Reviewed(id));
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO reviews (approval, kind, by, groups, approve, reason, valid_seconds, at, signed_at, signed_by, signature)
         VALUES (:approval, :kind, :by, :groups, :approve, :reason, :valid_seconds, :at, :signed_at, :signed_by, :signature)",
    )?;
    statement.execute(named_params! {
        ":approval": id.to_string(),
        ":kind": review.by.kind.to_string(),
        ":by": review.by.id.as_str(),
        ":groups": listed(&review.by.groups)?,
        ":approve": review.approve,
        ":reason": review.reason,
        ":valid_seconds": review.valid_seconds.and_then(|seconds| i64::try_from(seconds).ok()),
        ":at": review.at.as_microsecond(),
        ":signed_at": review.signed.as_ref().map(|signed| signed.at.as_microsecond()),
        ":signed_by": review.signed.as_ref().map(|signed| signed.key.as_str()),
        ":signature": review.signed.as_ref().map(|signed| signed.signature.as_str()),
    })?;
    approval.take(review.clone());
    save(connection, &approval)?;
    Ok(approval)
}

pub(super) fn end(connection: &Connection, id: ApprovalId, end: &ApprovalEnd) -> Result<Approval, StoreError> {
    let mut approval = must_find(connection, id)?;
    let may = match end.state {
        ApprovalState::Expired | ApprovalState::Withdrawn => approval.state == ApprovalState::Waiting,
        ApprovalState::Revoked => matches!(approval.state, ApprovalState::Waiting | ApprovalState::Approved),
        ApprovalState::Waiting | ApprovalState::Approved | ApprovalState::Denied => false,
    };
    if !may {
        return Err(StoreError::Settled(id, approval.state));
    }
    (approval.state, approval.end_reason, approval.ended_at) = (end.state, Some(end.reason.clone()), Some(end.at));
    save(connection, &approval)?;
    Ok(approval)
}

fn save(connection: &Connection, approval: &Approval) -> Result<(), StoreError> {
    let mut statement = connection
        .prepare_cached("UPDATE approvals SET state = :state, until = :until, end_reason = :reason, ended_at = :ended_at WHERE id = :id")?;
    statement.execute(named_params! {
        ":id": approval.asked.id.to_string(),
        ":state": approval.state.to_string(),
        ":until": approval.until.map(Timestamp::as_microsecond),
        ":reason": approval.end_reason,
        ":ended_at": approval.ended_at.map(Timestamp::as_microsecond),
    })?;
    Ok(())
}

fn must_find(connection: &Connection, id: ApprovalId) -> Result<Approval, StoreError> {
    find(connection, id)?.ok_or_else(|| StoreError::NotFound(format!("approval {id}")))
}

pub(super) fn find(connection: &Connection, id: ApprovalId) -> Result<Option<Approval>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT * FROM approvals WHERE id = ?1")?;
    let found = statement.query_row([id.to_string()], read).optional()?;
    found.map(|approval| with_reviews(connection, approval)).transpose()
}

pub(super) fn list(connection: &Connection, filter: &ApprovalFilter) -> Result<Vec<Approval>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT * FROM approvals
         WHERE (NOT :waiting OR state = 'waiting') AND (:principal IS NULL OR principal = :principal) AND (:node IS NULL OR node = :node)
         ORDER BY id DESC LIMIT :limit",
    )?;
    let values = named_params! {
        ":waiting": filter.waiting,
        ":principal": filter.principal.as_ref().map(|p| p.as_str()),
        ":node": filter.node,
        ":limit": filter.limit,
    };
    let found = statement.query_map(values, read)?.collect::<Result<Vec<_>, Error>>()?;
    found.into_iter().map(|approval| with_reviews(connection, approval)).collect()
}

fn with_reviews(connection: &Connection, mut approval: Approval) -> Result<Approval, StoreError> {
    let mut statement = connection.prepare_cached("SELECT * FROM reviews WHERE approval = ?1 ORDER BY id")?;
    let rows = statement.query_map([approval.asked.id.to_string()], read_review)?;
    approval.reviews = rows.collect::<Result<_, Error>>()?;
    Ok(approval)
}

fn read_review(row: &Row<'_>) -> Result<Review, Error> {
    Ok(Review {
        by: Principal { kind: word(row, "kind")?, id: word(row, "by")?, groups: read_list(row, "groups")? },
        approve: row.get("approve")?,
        reason: row.get("reason")?,
        valid_seconds: maybe_number(row, "valid_seconds")?,
        at: moment(row, "at")?,
        signed: read_signed(row)?,
    })
}

fn read_signed(row: &Row<'_>) -> Result<Option<Signed>, Error> {
    let Some(at) = maybe_moment(row, "signed_at")? else { return Ok(None) };
    Ok(Some(Signed { at, key: row.get("signed_by")?, signature: row.get("signature")? }))
}

fn read(row: &Row<'_>) -> Result<Approval, Error> {
    let asked = NewApproval {
        id: word(row, "id")?,
        session: word(row, "session")?,
        node: row.get("node")?,
        principal: Principal { kind: word(row, "kind")?, id: word(row, "principal")?, groups: read_list(row, "groups")? },
        target: word(row, "target")?,
        login: maybe_word(row, "login")?,
        action: row.get("action")?,
        operation: row.get("operation")?,
        outline: maybe_read(row, "outline")?,
        digest: row.get("digest")?,
        needs: read_list(row, "needs")?,
        reason: row.get("reason")?,
        source: address(row, "source")?,
        asked_at: moment(row, "asked_at")?,
        deadline: moment(row, "deadline")?,
    };
    Ok(Approval {
        asked,
        reviews: Vec::new(),
        state: row.get::<_, String>("state")?.parse().map_err(|()| Error::InvalidColumnName("approvals.state".into()))?,
        until: maybe_moment(row, "until")?,
        end_reason: row.get("end_reason")?,
        ended_at: maybe_moment(row, "ended_at")?,
    })
}
