//! The extended protocol: statements that are prepared, bound to values, described and run, each decided when its values are known and
//! refused before where no values could make it allowed.

use std::sync::Arc;

use tokio::io::AsyncWrite;

use super::codec::{self, Kind};
use super::down::Over;
use super::ledger::{Awaited, Entry, Run};
use super::masking::Shape;
use super::named::unknown;
use super::notes;
use super::refusal::{Denial, NAME};
use super::statements::{MOST, Portal, Prepared};
use super::understood::OWN;
use super::up::{Passing, Ruled, Up, copies};

impl<W: AsyncWrite + Unpin> Up<'_, W> {
    pub(super) async fn parse(&mut self, name: &str, text: &str, bytes: &[u8]) -> Result<(), Over> {
        let text: Arc<str> = text.into();
        if self.ledger.lock().names.statements.len() >= MOST {
            let words = "bartizan: too many prepared statements; close some";
            return self.refuse_text(b'P', &text, Denial::unserved("53000", words)).await;
        }
        if name == NAME || name == OWN {
            return self.refuse_text(b'P', &text, Denial::unserved("42602", "bartizan: this name is the bastion's own")).await;
        }
        let prepared = match self.may_be_prepared(&text).await? {
            Ok(prepared) => Arc::new(prepared),
            Err(denial) => {
                if name.is_empty() {
                    self.ledger.lock().names.statements.remove("");
                }
                return self.refuse_text(b'P', &text, denial).await;
            }
        };
        let (taken, doubled) = {
            let mut book = self.ledger.lock();
            (book.names.prepare(name, Arc::clone(&prepared)), book.state.prepared(name).is_some())
        };
        self.send(Entry::of(Awaited::Parse { name: name.to_owned(), taken }), bytes).await?;
        if doubled {
            // SQL prepared something of this name. Which of them stays is the server's to say, before anything names it.
            self.flush_through().await?;
            self.ledger.until(|book| !book.awaited.iter().any(|entry| matches!(entry.awaited, Awaited::Parse { .. }))).await;
        }
        Ok(())
    }

    /// A text that is understood, and that no policy denies whatever its values.
    async fn may_be_prepared(&mut self, text: &Arc<str>) -> Ruled<Prepared> {
        let (reading, read_with) = match self.understand(text).await? {
            Ok(found) => found,
            Err(denial) => return Ok(Err(denial)),
        };
        let prepared = Prepared { text: Arc::clone(text), reading, read_with };
        Ok(self.denied(&prepared, true).await?.map_or(Ok(prepared), Err))
    }

    pub(super) async fn bind(&mut self, portal: &str, statement: &str, rest: &[u8], bytes: &[u8], whole: bool) -> Result<(), Over> {
        let awaited = Awaited::Bind { portal: portal.to_owned() };
        let found = self.ledger.lock().names.statements.get(statement).cloned();
        let prepared = match found {
            Some(prepared) => match self.still_means(statement, prepared).await? {
                Ok(prepared) => prepared,
                Err(denial) => return self.refuse_recorded(awaited, "(a prepared statement that means something else now)", denial).await,
            },
            None => match Box::pin(self.prepared_by_sql(statement)).await? {
                Ok(prepared) => prepared,
                Err(denial) => return self.refuse_message(awaited, denial).await,
            },
        };
        let values: Arc<[String]> = notes::values(rest).into();
        match self.decide(&prepared.reading, &prepared.text, &values).await? {
            Ok(ruling) => {
                let (shape, statement) = (Shape::default(), prepared.reading.script.statements.first().cloned());
                let describing =
                    ruling.is_masked.then(|| Awaited::Shape { statement, ruling: Arc::clone(&ruling), shape: Arc::clone(&shape) });
                self.ledger.lock().names.portals.insert(portal.to_owned(), Portal { prepared, ruling, shape, sent: codec::length(bytes) });
                let describing = describing.map(|awaited| (awaited, portal.to_owned()));
                if !self.send(Entry::of(awaited), bytes).await? {
                    return Ok(());
                }
                self.passing = if whole { Passing::Dropped } else { Passing::Forwarded };
                self.describing = describing;
                if whole { self.describe_masked().await } else { Ok(()) }
            }
            Err(denial) => self.refuse_recorded(awaited, &prepared.text, denial).await,
        }
    }

    /// Asks what a portal gives that was just bound whole, where its rows are masked: the server reads a statement again when it is
    /// run, and sends rows without saying so.
    pub(super) async fn describe_masked(&mut self) -> Result<(), Over> {
        match self.describing.take() {
            Some((awaited, portal)) => self.send(Entry::own(awaited), &codec::describe_portal(&portal)).await.map(drop),
            None => Ok(()),
        }
    }

    /// A prepared statement, read again if names may mean something else now: the server does the same.
    pub(super) async fn still_means(&mut self, name: &str, prepared: Arc<Prepared>) -> Ruled<Arc<Prepared>> {
        let (reading, read_with) = match self.understand_like(&prepared).await? {
            Ok(found) => found,
            Err(denial) => return Ok(Err(denial)),
        };
        if read_with == prepared.read_with && !prepared.reading.script.by_name {
            return Ok(Ok(prepared));
        }
        let again = Arc::new(Prepared { text: Arc::clone(&prepared.text), reading, read_with });
        self.ledger.lock().names.statements.insert(name.to_owned(), Arc::clone(&again));
        Ok(Ok(again))
    }

    pub(super) async fn describe(&mut self, kind: Kind, name: &str, bytes: &[u8]) -> Result<(), Over> {
        if let Some(denial) = self.not_to_be_described(kind, name).await? {
            return self.refuse_message(Awaited::Describe, denial).await;
        }
        match self.is_known(kind, name).await? {
            Ok(true) => self.send(Entry::of(Awaited::Describe), bytes).await.map(drop),
            Ok(false) => self.refuse_message(Awaited::Describe, unknown(kind, name)).await,
            Err(denial) => self.refuse_message(Awaited::Describe, denial).await,
        }
    }

    /// Why the client may not be told what a statement of the protocol gives: names and types are told of what may be run. A portal was
    /// decided when it was bound.
    async fn not_to_be_described(&mut self, kind: Kind, name: &str) -> Result<Option<Denial>, Over> {
        let found = self.ledger.lock().names.statements.get(name).filter(|_| matches!(kind, Kind::Statement)).cloned();
        let Some(prepared) = found else { return Ok(None) };
        match self.still_means(name, prepared).await? {
            Ok(prepared) => self.denied(&prepared, false).await,
            Err(denial) => Ok(Some(denial)),
        }
    }

    pub(super) async fn execute(&mut self, name: &str, bytes: &[u8]) -> Result<(), Over> {
        let found = self.ledger.lock().names.portals.get(name).cloned();
        let portal = match found {
            Some(portal) if !portal.prepared.reading.script.by_name => Ok(portal),
            Some(portal) => Box::pin(self.still_does(portal)).await?,
            None => Box::pin(self.cursor_of_sql(name)).await?,
        };
        let portal = match portal {
            Ok(portal) => portal,
            Err(denial) => return self.refuse_message(Awaited::Execute(Run::new(Vec::new(), None, 0)), denial).await,
        };
        let mut run = Run::new(portal.prepared.reading.script.statements.clone(), Some(portal.ruling), portal.sent + codec::length(bytes));
        run.shape = portal.shape;
        self.dirty |= run.has_effects();
        self.awaits_copy = copies(&run);
        self.send(Entry::of(Awaited::Execute(run)), bytes).await.map(drop)
    }
}
