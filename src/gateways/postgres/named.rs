//! Names that SQL and the protocol share: what one of them prepared or opened, the other may run. Nothing is run under a name by what
//! the name meant before.

use std::sync::Arc;

use bartizan_policies::sql::{State, Statement};
use postgres_protocol::escape::escape_identifier;
use tokio::io::AsyncWrite;

use super::codec::{self, Kind};
use super::ledger::{Awaited, Entry};
use super::masking::Shape;
use super::refusal::Denial;
use super::statements::{Portal, Prepared};
use super::up::{Ruled, Up};

/// Which of the protocol's names a text is read with, beside those of SQL.
#[derive(Debug, Clone, Copy)]
pub(super) enum Names {
    /// Portals.
    Portals,
    /// Portals, and statements that were read with the catalog of this number.
    All(u64),
}

impl<W: AsyncWrite + Unpin> Up<'_, W> {
    /// The state that a text is read with.
    pub(super) fn meaning(&self, names: Names) -> Arc<State> {
        let book = self.ledger.lock();
        let first = |prepared: &Prepared| prepared.reading.script.statements.first().cloned();
        let named = |name: &str, prepared: &Prepared| -> Option<(Arc<str>, Arc<Statement>)> {
            first(prepared).filter(|_| !name.is_empty()).map(|statement| (name.into(), statement))
        };
        let portals: Vec<_> = book.names.portals.iter().filter_map(|(name, portal)| named(name, &portal.prepared)).collect();
        let statements: Vec<_> = match names {
            Names::Portals => Vec::new(),
            Names::All(catalog) => {
                let now = |prepared: &Prepared| prepared.read_with.0 == catalog && *prepared.read_with.1 == *book.state.key();
                let known = book.names.statements.iter().filter(|(_, prepared)| now(prepared));
                known.filter_map(|(name, prepared)| named(name, prepared)).collect()
            }
        };
        if portals.is_empty() && statements.is_empty() {
            return Arc::clone(&book.state);
        }
        Arc::new(book.state.knowing(statements, portals))
    }

    /// What SQL prepared under this name, for `Bind`.
    pub(super) async fn prepared_by_sql(&mut self, name: &str) -> Ruled<Arc<Prepared>> {
        if name.is_empty() {
            return Ok(Err(unknown(Kind::Statement, name)));
        }
        self.as_text(format!("EXECUTE {}", escape_identifier(name))).await
    }

    /// A cursor that SQL declared, for `Execute`: decided like the FETCH that it stands for.
    pub(super) async fn cursor_of_sql(&mut self, name: &str) -> Ruled<Portal> {
        if name.is_empty() {
            return Ok(Err(unknown(Kind::Portal, name)));
        }
        let prepared = match self.as_text(format!("FETCH ALL FROM {}", escape_identifier(name))).await? {
            Ok(prepared) => prepared,
            Err(denial) => return Ok(Err(denial)),
        };
        let ruling = match self.decide(&prepared.reading, &prepared.text, &[]).await? {
            Ok(ruling) => ruling,
            Err(denial) => {
                self.note_denial(&prepared.text, &denial);
                return Ok(Err(denial));
            }
        };
        let shape = Shape::default();
        if ruling.is_masked {
            let statement = prepared.reading.script.statements.first().cloned();
            let awaited = Awaited::Shape { statement, ruling: Arc::clone(&ruling), shape: Arc::clone(&shape) };
            self.send(Entry::own(awaited), &codec::describe_portal(name)).await?;
        }
        Ok(Ok(Portal { prepared, ruling, shape, sent: 0 }))
    }

    async fn as_text(&mut self, text: String) -> Ruled<Arc<Prepared>> {
        let text: Arc<str> = text.into();
        let understood = self.understand(&text).await?;
        Ok(understood.map(|(reading, read_with)| Arc::new(Prepared { text, reading, read_with })))
    }

    /// A portal as it was bound, if it still does what it did then: for EXECUTE and FETCH, which look their names up when they run.
    pub(super) async fn still_does(&mut self, portal: Portal) -> Ruled<Portal> {
        let now = match self.understand(&portal.prepared.text).await? {
            Ok((reading, _)) => reading,
            Err(denial) => return Ok(Err(denial)),
        };
        if now.script == portal.prepared.reading.script {
            return Ok(Ok(portal));
        }
        let words = "bartizan: the name in this statement has come to mean something else since it was bound; bind it again";
        Ok(Err(Denial::unserved("0A000", words)))
    }

    /// Whether the server may have a statement or portal of this name: by the protocol, or by SQL.
    pub(super) async fn is_known(&mut self, kind: Kind, name: &str) -> Ruled<bool> {
        let protocol = {
            let book = self.ledger.lock();
            match kind {
                Kind::Statement => book.names.statements.contains_key(name),
                Kind::Portal => book.names.portals.contains_key(name),
            }
        };
        if protocol {
            return Ok(Ok(true));
        }
        if let Err(denial) = self.settle(false).await? {
            return Ok(Err(denial));
        }
        let state = Arc::clone(&self.ledger.lock().state);
        Ok(Ok(match kind {
            Kind::Statement => state.prepared(name).is_some(),
            Kind::Portal => state.cursor(name).is_some(),
        }))
    }
}

pub(super) fn unknown(kind: Kind, name: &str) -> Denial {
    let name = crate::model::Printable(name);
    match kind {
        Kind::Statement => Denial::unserved("26000", &format!("prepared statement \"{name}\" does not exist")),
        Kind::Portal => Denial::unserved("34000", &format!("portal \"{name}\" does not exist")),
    }
}
