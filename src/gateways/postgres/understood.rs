//! What statements mean: they are read once everything before them that could change their meaning is acknowledged, with the catalog and
//! the settings that are in force then.

use std::sync::Arc;

use bartizan_policies::sql::{Catalog, schemas};
use tokio::io::AsyncWrite;

use super::analyst::Reading;
use super::codec::{self, Kind};
use super::down::Over;
use super::ledger::{Awaited, Entry, Run};
use super::named::Names;
use super::refusal::Denial;
use super::statements::Prepared;
use super::up::{Ruled, Up};

/// What the server is asked when code ran that cannot be seen.
const STATE: &str = "SELECT pg_catalog.current_setting('search_path'), current_user";

/// What a statement is refused with that names a prepared statement which SQL did not prepare.
const UNPREPARED: &str = "26000";

/// The name of the bastion's own question.
pub(super) const OWN: &str = "bartizan state";

impl<W: AsyncWrite + Unpin> Up<'_, W> {
    /// Reads a text, once everything before it that could change its meaning is acknowledged.
    pub(super) async fn understand(&mut self, text: &Arc<str>) -> Ruled<(Arc<Reading>, (u64, Arc<str>))> {
        let catalog = match self.settle(false).await? {
            Ok(catalog) => catalog,
            Err(denial) => return Ok(Err(denial)),
        };
        let failed = self.ledger.lock().has_failed();
        let mut catalog = catalog;
        let mut read = self.analysts.read(text, &catalog, &self.meaning(Names::Portals)).await;
        if matches!(&read, Err(refused) if refused.stale) {
            let number = catalog.number();
            catalog = match self.settle(true).await? {
                Ok(catalog) => catalog,
                Err(denial) => return Ok(Err(denial)),
            };
            if catalog.number() != number {
                read = self.analysts.read(text, &catalog, &self.meaning(Names::Portals)).await;
            }
        }
        if matches!(&read, Err(refused) if refused.code == UNPREPARED) {
            read = self.analysts.read(text, &catalog, &self.meaning(Names::All(catalog.number()))).await;
        }
        Ok(match read {
            Ok(reading) => {
                let key: Arc<str> = self.ledger.lock().state.key().into();
                Ok((reading, (catalog.number(), key)))
            }
            Err(refused) if failed && refused.code != "42601" => {
                Err(Denial::unserved("25P02", "current transaction is aborted, commands ignored until end of transaction block"))
            }
            Err(refused) => Err(Denial::of_analysis(&refused)),
        })
    }

    /// The same for a prepared statement: what was understood of it is good as long as names mean the same.
    pub(super) async fn understand_like(&mut self, prepared: &Prepared) -> Ruled<(Arc<Reading>, (u64, Arc<str>))> {
        let catalog = match self.settle(false).await? {
            Ok(catalog) => catalog,
            Err(denial) => return Ok(Err(denial)),
        };
        let same = {
            let book = self.ledger.lock();
            let by_name = prepared.reading.script.by_name;
            !by_name && prepared.read_with.0 == catalog.number() && *prepared.read_with.1 == *book.state.key()
        };
        if same {
            return Ok(Ok((Arc::clone(&prepared.reading), prepared.read_with.clone())));
        }
        Box::pin(self.understand(&prepared.text)).await
    }

    /// Waits for what could change the meaning of the next statement, and gives the catalog to read it with.
    pub(super) async fn settle(&mut self, now: bool) -> Ruled<Arc<Catalog>> {
        let settled = self.ledger.lock().is_settled();
        if !settled {
            self.flush_through().await?;
            self.ledger.until(|book| book.is_settled()).await;
        }
        let doubtful = {
            let book = self.ledger.lock();
            book.state.is_in_doubt() && book.status != b'E'
        };
        if doubtful {
            Box::pin(self.ask_for_state()).await?;
        }
        let (stale, open) = {
            let book = self.ledger.lock();
            (book.stale, book.state.in_transaction() || !book.awaited.is_empty() || self.in_group)
        };
        let mine = stale && !open;
        self.is_up_to_date = now || mine || self.decider.reads_names();
        let catalog = match self.library.catalog(self.is_up_to_date).await {
            Ok(catalog) => catalog,
            Err(refusal) => return Ok(Err(Denial::of_refusal(&refusal))),
        };
        let changed = self.catalog.as_ref().is_none_or(|known| known.number() != catalog.number());
        if changed || mine {
            let mut book = self.ledger.lock();
            if mine {
                book.stale = false;
            }
            if !open {
                book.state = Arc::new(book.state.refreshed());
            }
            if changed && self.catalog.is_some() {
                book.forget_prepared();
            }
        }
        self.catalog = Some(Arc::clone(&catalog));
        Ok(Ok(catalog))
    }

    /// Asks the server for search path and role.
    pub(super) async fn ask_for_state(&mut self) -> Result<(), Over> {
        let Some(told) = self.ask_server(STATE).await? else { return Ok(()) };
        let mut book = self.ledger.lock();
        let inside = self.in_group || book.status != b'I';
        match told.as_slice() {
            [Some(search_path), Some(role)] => {
                book.state = Arc::new(book.state.told(role.as_str(), schemas(search_path), inside));
                Ok(())
            }
            _ => Err(Over::Server("it does not tell the session's settings".to_owned())),
        }
    }

    /// Asks the server something of the bastion's own that has one row, between the client's messages. Nothing is asked in a
    /// transaction that has failed.
    pub(super) async fn ask_server(&mut self, sql: &str) -> Result<Option<Vec<Option<String>>>, Over> {
        self.flush_through().await?;
        self.ledger.until(|book| book.awaited.is_empty()).await;
        let (in_group, dirty) = (self.in_group, self.dirty);
        {
            let mut book = self.ledger.lock();
            if book.status == b'E' || book.skips {
                return Ok(None);
            }
            book.told = None;
            let parse = Awaited::Parse { name: OWN.to_owned(), taken: false };
            let run = Run::new(Vec::new(), None, 0);
            let closes = [Kind::Portal, Kind::Statement].map(|kind| Awaited::Close(kind, OWN.to_owned()));
            let all = [parse, Awaited::Bind { portal: OWN.to_owned() }, Awaited::Execute(run)].into_iter().chain(closes);
            book.awaited.extend(all.map(Entry::own));
            if !in_group {
                book.awaited.push_back(Entry::own(Awaited::Sync { dirty: false }));
            }
        }
        let messages = [
            codec::parse(OWN, sql),
            codec::bind_plain(OWN, OWN),
            codec::execute(OWN),
            codec::close(Kind::Portal, OWN),
            codec::close(Kind::Statement, OWN),
            if in_group { codec::flush() } else { codec::sync() },
        ];
        for message in messages {
            self.out.extend_from_slice(&message);
        }
        self.flush().await?;
        self.ledger.until(|book| book.awaited.is_empty()).await;
        (self.in_group, self.dirty) = (in_group, dirty);
        Ok(Some(self.ledger.lock().told.take().unwrap_or_default()))
    }
}
