//! Asks a server's planner how many rows statements are about, on a connection of the bastion's own: in a transaction that only reads,
//! with limits of time. Nothing is run, and whoever wants the statement run never sees the answer. What cannot be told in time is not
//! guessed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bartizan_policies::sql::{Meaning, estimate};
use postgres_protocol::escape::{escape_identifier, escape_literal};

use crate::config::{PostgresTarget, PostgresUser};
use crate::model::TargetName;
use crate::secrets::Secrets;
use crate::upstream::roads::Roads;

use super::connection::Connection;
use super::{DatabaseError, Means, connect_for_long};

/// How long all statements of a text may take together, with waiting for the connection.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the server itself lets one of them take, in milliseconds.
const STATEMENT_MS: &str = "1000";

/// How long it waits for a lock, in milliseconds: who holds one of a table may be the very session that asks.
const LOCK_MS: &str = "200";

/// One database of one target, as one role.
type Key = (TargetName, String, String);

/// A connection, while nobody asks on it.
type Seat = Arc<tokio::sync::Mutex<Option<Connection>>>;

/// The connections to planners, one for each database and role that is asked about.
pub struct Planners {
    secrets: Arc<Secrets>,
    seats: Mutex<HashMap<Key, Seat>>,
    roads: Arc<Roads>,
}

impl Planners {
    /// Nobody is asked yet.
    #[must_use]
    pub fn new(secrets: Arc<Secrets>, roads: Arc<Roads>) -> Self {
        Self { secrets, seats: Mutex::default(), roads }
    }

    /// Ends the connections to `target` on which nothing is asked just now, as [`super::CatalogDesk::let_go`] does.
    pub fn let_go(&self, target: &TargetName) {
        let seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, seat) in seats.iter().filter(|((name, ..), _)| name == target) {
            drop(seat.try_lock().map(|mut seat| seat.take()));
        }
    }

    /// For each EXPLAIN the rows that it tells of; `None` where it was none or tells of none.
    pub async fn estimates(
        &self,
        (name, target, user, database): (&TargetName, &PostgresTarget, &PostgresUser, &str),
        meaning: &Meaning,
        explains: &[Option<String>],
    ) -> Vec<Option<i64>> {
        let nothing = || vec![None; explains.len()];
        if explains.iter().all(Option::is_none) {
            return nothing();
        }
        let seat = self.seat(name, user, database);
        let asking = async {
            let mut seat = seat.lock().await;
            let was_open = seat.is_some();
            // Taken out while it is used: an asking that is given up leaves no connection in the middle of an answer.
            let means = Means { roads: &self.roads, secrets: &self.secrets };
            let mut asked = ask(seat.take(), means, target, user, database, meaning, explains).await;
            if was_open && asked.is_err() {
                asked = ask(None, means, target, user, database, meaning, explains).await;
            }
            let (connection, estimates) = asked?;
            *seat = Some(connection);
            Ok::<_, DatabaseError>(estimates)
        };
        match tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Err(DatabaseError::Slow)) {
            Ok(estimates) => estimates,
            Err(error) => {
                tracing::warn!(%error, target = %name, "the planner of a database could not be asked");
                nothing()
            }
        }
    }

    fn seat(&self, name: &TargetName, user: &PostgresUser, database: &str) -> Seat {
        let key = (name.clone(), user.name.to_string(), database.to_owned());
        Arc::clone(self.seats.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
    }
}

async fn ask(
    connection: Option<Connection>,
    means: Means<'_>,
    target: &PostgresTarget,
    user: &PostgresUser,
    database: &str,
    meaning: &Meaning,
    explains: &[Option<String>],
) -> Result<(Connection, Vec<Option<i64>>), DatabaseError> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => {
            let settings = [("application_name", "bartizan"), ("standard_conforming_strings", "on"), ("client_encoding", "UTF8")];
            let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
            connect_for_long(means, target, user, database, &settings).await?
        }
    };
    let mut estimates = Vec::with_capacity(explains.len());
    for explain in explains {
        estimates.push(match explain {
            Some(explain) => one(&mut connection, meaning, explain).await?,
            None => None,
        });
    }
    Ok((connection, estimates))
}

/// Each in a transaction of its own, which a statement that fails takes with it.
async fn one(connection: &mut Connection, meaning: &Meaning, explain: &str) -> Result<Option<i64>, DatabaseError> {
    connection.rows("BEGIN READ ONLY").await?;
    let explained = match connection.rows(&settings(meaning)).await {
        Ok(_) => connection.rows(explain).await,
        Err(error) => Err(error),
    };
    connection.rows("ROLLBACK").await?;
    match explained {
        Ok(rows) => Ok(rows.into_iter().flatten().flatten().next().and_then(|plan| estimate(&plan))),
        // A statement that cannot be planned is the session's own to hear of.
        Err(DatabaseError::Server { code, message }) => {
            tracing::debug!(code, message, "a statement could not be planned");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What the session's statements mean there, and how long they may take.
fn settings(meaning: &Meaning) -> String {
    let path: Vec<String> = meaning.path.iter().map(|schema| escape_identifier(schema)).collect();
    let path = path.join(", ");
    let own = [
        ("search_path", path.as_str()),
        // Its text is read as the session reads it, and is one statement, or what follows it would be run.
        ("standard_conforming_strings", "on"),
        ("statement_timeout", STATEMENT_MS),
        ("lock_timeout", LOCK_MS),
    ];
    let chosen = meaning.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let calls =
        chosen.chain(own).map(|(name, value)| format!("pg_catalog.set_config({}, {}, true)", escape_literal(name), escape_literal(value)));
    format!("SELECT {}", calls.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_of_a_session_cannot_end_what_they_stand_in() {
        let meaning = Meaning {
            path: vec!["$user".into(), "a\"b, c".into()],
            settings: vec![("DateStyle".to_owned(), "ISO', true); DROP TABLE x; --".to_owned())],
        };
        let sql = settings(&meaning);
        assert!(sql.contains("'\"$user\", \"a\"\"b, c\"'"), "{sql}");
        assert!(sql.contains("'ISO'', true); DROP TABLE x; --'"), "{sql}");
    }
}
