//! The tables, in the order in which versions of Bartizan made them. A step that was released is never edited; new ones are added.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::super::StoreError;

/// "Bart", so that no other program's database is taken for ours (`PRAGMA application_id`).
const APPLICATION_ID: i64 = 0x4261_7274;

pub(super) const STEPS: &[&str] = &[FIRST, APPROVALS, FROZEN, SIGNED, OUTLINED, SEALED];

/// The first tables. `AUTOINCREMENT` keeps numbers dense and never gives one twice: what is rolled back gives its number back,
/// what is deleted does not. The triggers change `generation`, so no code path can forget to.
const FIRST: &str = "
CREATE TABLE meta (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    generation INTEGER NOT NULL,
    fence INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES (1, 0, 0);

CREATE TABLE certificates (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    authority TEXT NOT NULL CHECK (authority IN ('user', 'host', 'target')),
    key_id TEXT NOT NULL,
    principal TEXT,
    kind TEXT CHECK (kind IN ('user', 'service')),
    key_fingerprint TEXT NOT NULL,
    valid_after INTEGER NOT NULL,
    valid_before INTEGER NOT NULL,
    issued_at INTEGER NOT NULL,
    ca_fingerprint TEXT NOT NULL,
    source_address TEXT,
    session TEXT
) STRICT;
CREATE INDEX certificates_by_principal ON certificates (principal, serial);

CREATE TABLE revocations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    authority TEXT,
    serial INTEGER,
    fingerprint TEXT,
    principal TEXT,
    before INTEGER,
    reason TEXT NOT NULL,
    by TEXT NOT NULL,
    at INTEGER NOT NULL,
    CHECK ((authority IS NULL) = (serial IS NULL)),
    CHECK ((principal IS NULL) = (before IS NULL)),
    CHECK ((serial IS NOT NULL) + (fingerprint IS NOT NULL) + (principal IS NOT NULL) = 1)
) STRICT;
CREATE INDEX revocations_by_serial ON revocations (serial) WHERE serial IS NOT NULL;
CREATE INDEX revocations_by_fingerprint ON revocations (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX revocations_by_principal ON revocations (principal) WHERE principal IS NOT NULL;

CREATE TABLE locks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    word TEXT NOT NULL,
    name TEXT NOT NULL,
    reason TEXT NOT NULL,
    by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;

CREATE TABLE sessions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    token INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('user', 'service')),
    principal TEXT NOT NULL,
    groups TEXT NOT NULL,
    target TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    login TEXT,
    wish TEXT NOT NULL,
    source TEXT NOT NULL,
    certificate INTEGER,
    node TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    recording TEXT NOT NULL,
    policies TEXT NOT NULL,
    ended_at INTEGER,
    end_reason TEXT,
    exit_status INTEGER,
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
) STRICT;
CREATE INDEX sessions_live ON sessions (node) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_principal ON sessions (principal, number);
CREATE INDEX sessions_by_target ON sessions (target, number);

CREATE TABLE orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL REFERENCES sessions (id),
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    taken_at INTEGER
) STRICT;
CREATE INDEX orders_waiting ON orders (id) WHERE taken_at IS NULL;

CREATE TRIGGER lock_added AFTER INSERT ON locks BEGIN UPDATE meta SET generation = generation + 1; END;
CREATE TRIGGER lock_changed AFTER UPDATE ON locks BEGIN UPDATE meta SET generation = generation + 1; END;
CREATE TRIGGER lock_removed AFTER DELETE ON locks BEGIN UPDATE meta SET generation = generation + 1; END;
CREATE TRIGGER trust_revoked AFTER INSERT ON revocations BEGIN UPDATE meta SET generation = generation + 1; END;
CREATE TRIGGER order_given AFTER INSERT ON orders BEGIN UPDATE meta SET generation = generation + 1; END;
";

/// Operations that wait for people to answer.
const APPROVALS: &str = "
CREATE TABLE approvals (
    id TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    node TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('user', 'service')),
    principal TEXT NOT NULL,
    groups TEXT NOT NULL,
    target TEXT NOT NULL,
    login TEXT,
    action TEXT NOT NULL,
    operation TEXT NOT NULL,
    digest TEXT NOT NULL,
    needs TEXT NOT NULL,
    reason TEXT,
    source TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'denied', 'expired', 'withdrawn', 'revoked')),
    until INTEGER,
    end_reason TEXT,
    ended_at INTEGER
) STRICT;
CREATE INDEX approvals_waiting ON approvals (node) WHERE state = 'waiting';
CREATE INDEX approvals_by_principal ON approvals (principal, id);

CREATE TABLE reviews (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    approval TEXT NOT NULL REFERENCES approvals (id),
    kind TEXT NOT NULL CHECK (kind IN ('user', 'service')),
    by TEXT NOT NULL,
    groups TEXT NOT NULL,
    approve INTEGER NOT NULL,
    reason TEXT NOT NULL,
    valid_seconds INTEGER,
    at INTEGER NOT NULL,
    UNIQUE (approval, by)
) STRICT;

CREATE TRIGGER approval_asked AFTER INSERT ON approvals BEGIN UPDATE meta SET generation = generation + 1; END;
CREATE TRIGGER approval_changed AFTER UPDATE ON approvals BEGIN UPDATE meta SET generation = generation + 1; END;
";

/// What a held operation does, taken apart.
const OUTLINED: &str = "
ALTER TABLE approvals ADD COLUMN outline TEXT;
";

/// Secrets that the bastion keeps itself, encrypted.
const SEALED: &str = "
CREATE TABLE sealed (
    name TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    bytes BLOB NOT NULL,
    by TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
";

/// Guard rails freeze sessions, and orders let them go on.
const FROZEN: &str = "
ALTER TABLE sessions ADD COLUMN frozen_at INTEGER;
ALTER TABLE sessions ADD COLUMN frozen_by TEXT CHECK ((frozen_by IS NULL) = (frozen_at IS NULL));
ALTER TABLE orders ADD COLUMN kind TEXT NOT NULL DEFAULT 'end' CHECK (kind IN ('end', 'resume'));
";

/// Answers may be signed.
const SIGNED: &str = "
ALTER TABLE reviews ADD COLUMN signed_at INTEGER;
ALTER TABLE reviews ADD COLUMN signed_by TEXT CHECK ((signed_by IS NULL) = (signed_at IS NULL));
ALTER TABLE reviews ADD COLUMN signature TEXT CHECK ((signature IS NULL) = (signed_at IS NULL));
";

/// Brings the tables up to this program's version, or refuses a file that is newer than it or not ours.
pub(super) fn bring_up(connection: &mut Connection, path: &Path, now: Timestamp) -> Result<(), StoreError> {
    if version(connection, path)? == known() {
        return Ok(());
    }
    // Looked at again under the write lock: two processes may start on a new file at once.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction, path)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.execute_batch("CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT")?;
    apply_after(&transaction, found, now)?;
    transaction.commit()?;
    Ok(())
}

/// Refuses a file that is newer than this program or not ours, before anything in it is changed.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    version(connection, path).map(drop)
}

fn known() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

fn version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 && application == 0 {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    let found: Option<i64> = connection.query_row("SELECT max(version) FROM migrations", [], |row| row.get(0)).optional()?.flatten();
    let found = found.unwrap_or(0);
    if found > known() {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: known() });
    }
    Ok(found)
}

fn apply_after(transaction: &Transaction<'_>, found: i64, now: Timestamp) -> Result<(), StoreError> {
    for (version, step) in (1_i64..).zip(STEPS) {
        if version > found {
            transaction.execute_batch(step)?;
            transaction.execute("INSERT INTO migrations VALUES (?1, ?2)", (version, now.as_microsecond()))?;
        }
    }
    Ok(())
}

/// Makes a file as the first version did.
#[cfg(test)]
pub(super) fn first_version(path: &Path) {
    let mut connection = Connection::open(path).unwrap();
    let transaction = connection.transaction().unwrap();
    transaction.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    transaction.execute_batch("CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT").unwrap();
    transaction.execute_batch(FIRST).unwrap();
    transaction.execute("INSERT INTO migrations VALUES (1, 0)", []).unwrap();
    transaction.commit().unwrap();
}
