//! From the client to the server: every statement is read, decided and recorded before a byte of it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bartizan_policies::sql::{Answer, Catalog, schemas};
use bytes::{Bytes, BytesMut};
use russh::{ChannelMsg, ChannelReadHalf};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::enforce::{Decider, Ruling, SqlCase, Unruled};
use crate::frontdoor::Leaving;
use crate::gateways::ssh::Traffic;
use crate::record::{Piece, Tape};

use super::Library;
use super::analyst::{Analysts, Reading};
use super::codec::{self, Frame, Front, Kind, Side, Splitter};
use super::down::Over;
use super::ledger::{Awaited, Entry, Ledger, Run};
use super::masking::Shape;
use super::notes::{self, Decided};
use super::outlet::Words;
use super::refusal::{Denial, NAME, SURE_TO_FAIL};
use super::statements::{MOST, Portal, Prepared};

/// The longest statement that is read, with its message around it.
pub(super) const LONGEST: usize = (16 << 20) + 1_024;

/// Messages to the server that wait for each other.
const TOGETHER: usize = 64 << 10;

/// How often a client that waits for people is told that it still does.
const REMINDER: Duration = Duration::from_secs(15);

/// What the server is asked when code ran that cannot be seen.
const STATE: &str = "SELECT pg_catalog.current_setting('search_path'), current_user";

/// The name of the bastion's own question.
const OWN: &str = "bartizan state";

/// What is done with the pieces of a long message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passing {
    Forwarded,
    Dropped,
}

/// The direction's own state.
pub(super) struct Up<'a, W> {
    pub(super) client: &'a mut ChannelReadHalf,
    pub(super) server: W,
    pub(super) splitter: Splitter,
    pub(super) ledger: &'a Ledger,
    pub(super) words: &'a Words,
    pub(super) tape: &'a Tape,
    pub(super) traffic: &'a Traffic,
    pub(super) decider: Decider,
    pub(super) analysts: Analysts,
    pub(super) library: Arc<dyn Library>,
    pub(super) database: String,
    /// What the broker says while something is held.
    pub(super) said: mpsc::Receiver<String>,
    /// Whether something is held now.
    pub(super) holds: &'a AtomicBool,
    pub(super) leaving: Leaving,
    pub(super) catalog: Option<Arc<Catalog>>,
    pieces: Vec<Piece>,
    out: BytesMut,
    /// Messages of the extended protocol were sent since the last `Sync`.
    in_group: bool,
    /// One of them changes what statements mean.
    dirty: bool,
    passing: Passing,
    /// Something is masked for the principal: then nothing is read by a catalog that may be old.
    is_masked: bool,
    /// What is asked of a portal once all of it was sent.
    describing: Option<(Awaited, String)>,
    /// What was sent last copies data in, and the server has not said yet that it takes it.
    awaits_copy: bool,
}

/// Everything that a direction is made of beside its own state.
pub(super) struct Parts<'a, W> {
    pub(super) client: &'a mut ChannelReadHalf,
    pub(super) server: W,
    pub(super) ahead: Bytes,
    pub(super) ledger: &'a Ledger,
    pub(super) words: &'a Words,
    pub(super) tape: &'a Tape,
    pub(super) traffic: &'a Traffic,
    pub(super) decider: Decider,
    pub(super) analysts: Analysts,
    pub(super) library: Arc<dyn Library>,
    pub(super) database: String,
    pub(super) said: mpsc::Receiver<String>,
    pub(super) holds: &'a AtomicBool,
    pub(super) leaving: Leaving,
}

type Ruled<T> = Result<Result<T, Denial>, Over>;

impl<'a, W: AsyncWrite + Unpin> Up<'a, W> {
    pub(super) fn new(parts: Parts<'a, W>) -> Self {
        let Parts { client, server, ahead, ledger, words, tape, traffic, decider, analysts, library, database, said, holds, leaving } =
            parts;
        let mut splitter = Splitter::new(Side::Client(LONGEST));
        splitter.feed(ahead);
        Self {
            client,
            server,
            splitter,
            ledger,
            words,
            tape,
            traffic,
            decider,
            analysts,
            library,
            database,
            said,
            holds,
            leaving,
            catalog: None,
            pieces: Vec::new(),
            out: BytesMut::new(),
            in_group: false,
            dirty: false,
            passing: Passing::Dropped,
            // Until policy has said otherwise: the first statement is not read by a catalog that may be old either.
            is_masked: true,
            describing: None,
            awaits_copy: false,
        }
    }

    /// Carries until the client leaves.
    pub(super) async fn run(&mut self) -> Result<(), Over> {
        loop {
            while let Some(frame) = self.splitter.next().map_err(|error| Over::Client(error.to_string()))? {
                if !self.frame(frame).await? {
                    return self.flush().await;
                }
            }
            self.flush().await?;
            match self.client.wait().await {
                Some(ChannelMsg::Data { data }) => {
                    self.traffic.add_up(data.len());
                    self.splitter.feed(data);
                }
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return Err(Over::Gone),
                Some(_) => {}
            }
        }
    }

    /// Records what was decided, then sends it.
    async fn flush(&mut self) -> Result<(), Over> {
        if !self.pieces.is_empty() {
            self.tape.write(std::mem::take(&mut self.pieces)).await?;
        }
        if !self.out.is_empty() {
            let bytes = self.out.split();
            self.server.write_all(&bytes).await.map_err(Over::Lost)?;
            self.server.flush().await.map_err(Over::Lost)?;
        }
        Ok(())
    }

    /// Has the server answer what it was sent, so that it can be waited for.
    async fn flush_through(&mut self) -> Result<(), Over> {
        if self.in_group {
            self.out.extend_from_slice(&codec::flush());
        }
        self.flush().await
    }

    async fn put(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.out.extend_from_slice(bytes);
        if self.out.len() >= TOGETHER { self.flush().await } else { Ok(()) }
    }

    /// Sends `bytes`, whose answer is `entry`. False when an error came meanwhile: the server skips everything up to the next `Sync`, so
    /// that nothing is sent and nothing is waited for.
    async fn send(&mut self, entry: Entry, bytes: &[u8]) -> Result<bool, Over> {
        // Recorded before it can be answered.
        if self.pieces.len() > 64 {
            self.flush().await?;
        }
        let ends = matches!(entry.awaited, Awaited::Query(_) | Awaited::Sync { .. });
        {
            let mut book = self.ledger.lock();
            // One look and one step: an error that comes between them would be missed.
            if matches!(entry.awaited, Awaited::Sync { .. }) {
                book.skips = false;
            } else if book.skips {
                book.forget(&entry.awaited);
                return Ok(false);
            }
            book.awaited.push_back(entry);
        }
        self.in_group = !ends;
        if ends {
            self.dirty = false;
        }
        self.put(bytes).await?;
        Ok(true)
    }

    /// Handles one message; false for the last.
    async fn frame(&mut self, frame: Frame) -> Result<bool, Over> {
        let (kind, bytes, whole) = match frame {
            Frame::More(bytes, last) => {
                if self.passing == Passing::Forwarded {
                    self.put(&bytes).await?;
                }
                if last {
                    self.describe_masked().await?;
                }
                return Ok(true);
            }
            Frame::TooLong(kind) => {
                let denial =
                    Denial::unserved("54000", "bartizan: the statement is longer than 16 MiB, so it cannot be read and is refused");
                self.refuse_text(kind, "(a statement of more than 16 MiB)", denial).await?;
                return Ok(true);
            }
            Frame::Whole(kind, bytes) => (kind, bytes, true),
            Frame::Begin(kind, bytes) => (kind, bytes, false),
        };
        self.passing = Passing::Dropped;
        if self.awaits_copy {
            self.wait_for_copy().await?;
        }
        if self.ledger.lock().copies_in {
            return self.copying(kind, &bytes).await;
        }
        let front = match codec::front(kind, &bytes) {
            Ok(front) => front,
            Err(_) if matches!(kind, b'Q' | b'P') => {
                let denial = Denial::unserved("22021", "bartizan: the statement is not UTF-8 text, so it cannot be read and is refused");
                self.refuse_text(kind, "(a statement that is not text)", denial).await?;
                return Ok(true);
            }
            Err(error) => return Err(Over::Client(error.to_string())),
        };
        // The server would skip it as well.
        if self.ledger.lock().skips && !matches!(front, Front::Sync | Front::Terminate) {
            return Ok(true);
        }
        self.message(front, &bytes, whole).await
    }

    async fn message(&mut self, front: Front<'_>, bytes: &[u8], whole: bool) -> Result<bool, Over> {
        match front {
            Front::Query(text) => self.query(text, bytes).await?,
            Front::Parse(name, text) => self.parse(name, text, bytes).await?,
            Front::Bind(portal, statement, rest) => self.bind(portal, statement, rest, bytes, whole).await?,
            Front::Describe(kind, name) => self.describe(kind, name, bytes).await?,
            Front::Execute(portal, _) => self.execute(portal, bytes).await?,
            Front::Close(kind, name) => {
                {
                    let names = &mut self.ledger.lock().names;
                    match kind {
                        Kind::Statement => drop(names.statements.remove(name)),
                        Kind::Portal => drop(names.portals.remove(name)),
                    }
                }
                self.send(Entry::of(Awaited::Close(kind, name.to_owned())), bytes).await?;
            }
            Front::Flush => self.put(bytes).await?,
            Front::Sync => {
                let dirty = self.dirty;
                self.send(Entry::of(Awaited::Sync { dirty }), bytes).await?;
            }
            // The server ignores what is left of a copy that failed.
            Front::CopyData | Front::CopyDone | Front::CopyFail => {}
            Front::FunctionCall => {
                let words = "bartizan: calling a function by its number (FunctionCall) is not served: it names nothing that can be decided";
                self.refuse_text(b'Q', "(a function call by number)", Denial::unserved("0A000", words)).await?;
            }
            Front::Terminate => {
                self.put(bytes).await?;
                return Ok(false);
            }
            Front::Other => return Err(Over::Client("a message that does not belong here".to_owned())),
        }
        Ok(true)
    }

    /// Waits until the server has said whether it takes data.
    async fn wait_for_copy(&mut self) -> Result<(), Over> {
        self.awaits_copy = false;
        self.flush_through().await?;
        let decided = |entry: &Entry| !matches!(&entry.awaited, Awaited::Query(run) | Awaited::Execute(run) if copies(run));
        self.ledger.until(|book| book.copies_in || book.awaited.iter().all(decided)).await;
        Ok(())
    }

    async fn copying(&mut self, kind: u8, bytes: &[u8]) -> Result<bool, Over> {
        match kind {
            b'd' => {
                self.passing = Passing::Forwarded;
                self.put(bytes).await?;
            }
            b'c' | b'f' => {
                self.ledger.lock().copies_in = false;
                self.put(bytes).await?;
                // Several statements of one text may each copy.
                self.awaits_copy = self.ledger.lock().awaited.iter().any(|entry| matches!(&entry.awaited, Awaited::Query(_)));
                if self.awaits_copy {
                    self.after_copy().await?;
                }
            }
            // The server ignores both while it takes data.
            b'H' | b'S' => {}
            b'X' => {
                self.put(bytes).await?;
                return Ok(false);
            }
            _ => return Err(Over::Client("something else than data came while data was copied in".to_owned())),
        }
        Ok(true)
    }

    /// After the end of data: the next that comes may be the data of the next statement, once the server takes it.
    async fn after_copy(&mut self) -> Result<(), Over> {
        self.awaits_copy = false;
        self.flush().await?;
        self.ledger.until(|book| book.copies_in || !book.awaited.iter().any(|entry| matches!(entry.awaited, Awaited::Query(_)))).await;
        Ok(())
    }

    async fn query(&mut self, text: &str, bytes: &[u8]) -> Result<(), Over> {
        {
            let mut book = self.ledger.lock();
            // The server forgets both when a text comes.
            book.names.statements.remove("");
            book.names.portals.remove("");
        }
        let text: Arc<str> = text.into();
        let reading = match self.understand(&text).await? {
            Ok((reading, _)) => reading,
            Err(denial) => return self.refuse_text(b'Q', &text, denial).await,
        };
        match self.decide(&reading, &text, &[]).await? {
            Ok(ruling) => {
                let run = Run::new(reading.script.statements.clone(), Some(ruling));
                self.awaits_copy = copies(&run);
                self.send(Entry::of(Awaited::Query(run)), bytes).await.map(drop)
            }
            Err(denial) => self.refuse_text(b'Q', &text, denial).await,
        }
    }

    async fn parse(&mut self, name: &str, text: &str, bytes: &[u8]) -> Result<(), Over> {
        let text: Arc<str> = text.into();
        if self.ledger.lock().names.statements.len() >= MOST {
            let words = "bartizan: too many prepared statements; close some";
            return self.refuse_text(b'P', &text, Denial::unserved("53000", words)).await;
        }
        if name == NAME || name == OWN {
            return self.refuse_text(b'P', &text, Denial::unserved("42602", "bartizan: this name is the bastion's own")).await;
        }
        let (reading, read_with) = match self.understand(&text).await? {
            Ok(found) => found,
            Err(denial) => {
                if name.is_empty() {
                    self.ledger.lock().names.statements.remove("");
                }
                return self.refuse_text(b'P', &text, denial).await;
            }
        };
        let prepared = Arc::new(Prepared { text, reading, read_with });
        let taken = self.ledger.lock().names.prepare(name, Arc::clone(&prepared));
        self.send(Entry::of(Awaited::Parse { name: name.to_owned(), taken }), bytes).await.map(drop)
    }

    async fn bind(&mut self, portal: &str, statement: &str, rest: &[u8], bytes: &[u8], whole: bool) -> Result<(), Over> {
        let awaited = Awaited::Bind { portal: portal.to_owned() };
        let found = self.ledger.lock().names.statements.get(statement).cloned();
        let Some(prepared) = found else {
            let words = format!("prepared statement \"{}\" does not exist", crate::model::Printable(statement));
            return self.refuse_message(awaited, Denial::unserved("26000", &words)).await;
        };
        let prepared = match self.still_means(statement, prepared).await? {
            Ok(prepared) => prepared,
            Err(denial) => return self.refuse_recorded(awaited, "(a prepared statement that means something else now)", denial).await,
        };
        let values: Arc<[String]> = notes::values(rest).into();
        match self.decide(&prepared.reading, &prepared.text, &values).await? {
            Ok(ruling) => {
                let (shape, statement) = (Shape::default(), prepared.reading.script.statements.first().cloned());
                let describing =
                    ruling.is_masked.then(|| Awaited::Shape { statement, ruling: Arc::clone(&ruling), shape: Arc::clone(&shape) });
                self.ledger.lock().names.portals.insert(portal.to_owned(), Portal { prepared, ruling, shape });
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
    async fn describe_masked(&mut self) -> Result<(), Over> {
        match self.describing.take() {
            Some((awaited, portal)) => self.send(Entry::own(awaited), &codec::describe_portal(&portal)).await.map(drop),
            None => Ok(()),
        }
    }

    /// A prepared statement, read again if names may mean something else now: the server does the same.
    async fn still_means(&mut self, name: &str, prepared: Arc<Prepared>) -> Ruled<Arc<Prepared>> {
        let (reading, read_with) = match self.understand_like(&prepared).await? {
            Ok(found) => found,
            Err(denial) => return Ok(Err(denial)),
        };
        if read_with == prepared.read_with {
            return Ok(Ok(prepared));
        }
        let again = Arc::new(Prepared { text: Arc::clone(&prepared.text), reading, read_with });
        self.ledger.lock().names.statements.insert(name.to_owned(), Arc::clone(&again));
        Ok(Ok(again))
    }

    async fn describe(&mut self, kind: Kind, name: &str, bytes: &[u8]) -> Result<(), Over> {
        let known = {
            let book = self.ledger.lock();
            match kind {
                Kind::Statement => book.names.statements.contains_key(name),
                Kind::Portal => book.names.portals.contains_key(name),
            }
        };
        if known {
            return self.send(Entry::of(Awaited::Describe), bytes).await.map(drop);
        }
        self.refuse_message(Awaited::Describe, unknown(kind, name)).await
    }

    async fn execute(&mut self, name: &str, bytes: &[u8]) -> Result<(), Over> {
        let found = self.ledger.lock().names.portals.get(name).cloned();
        let Some(portal) = found else {
            return self.refuse_message(Awaited::Execute(Run::new(Vec::new(), None)), unknown(Kind::Portal, name)).await;
        };
        let mut run = Run::new(portal.prepared.reading.script.statements.clone(), Some(portal.ruling));
        run.shape = portal.shape;
        self.dirty |= run.has_effects();
        self.awaits_copy = copies(&run);
        self.send(Entry::of(Awaited::Execute(run)), bytes).await.map(drop)
    }

    /// Reads a text, once everything before it that could change its meaning is acknowledged.
    async fn understand(&mut self, text: &Arc<str>) -> Ruled<(Arc<Reading>, (u64, Arc<str>))> {
        let catalog = match self.settle(false).await? {
            Ok(catalog) => catalog,
            Err(denial) => return Ok(Err(denial)),
        };
        let (state, failed) = {
            let book = self.ledger.lock();
            (Arc::clone(&book.state), book.has_failed())
        };
        let mut catalog = catalog;
        let mut read = self.analysts.read(text, &catalog, &state).await;
        if matches!(&read, Err(refused) if refused.stale) {
            let number = catalog.number();
            catalog = match self.settle(true).await? {
                Ok(catalog) => catalog,
                Err(denial) => return Ok(Err(denial)),
            };
            if catalog.number() != number {
                let state = Arc::clone(&self.ledger.lock().state);
                read = self.analysts.read(text, &catalog, &state).await;
            }
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
    async fn understand_like(&mut self, prepared: &Prepared) -> Ruled<(Arc<Reading>, (u64, Arc<str>))> {
        let catalog = match self.settle(false).await? {
            Ok(catalog) => catalog,
            Err(denial) => return Ok(Err(denial)),
        };
        let same = {
            let book = self.ledger.lock();
            prepared.read_with.0 == catalog.number() && *prepared.read_with.1 == *book.state.key()
        };
        if same {
            return Ok(Ok((Arc::clone(&prepared.reading), prepared.read_with.clone())));
        }
        self.understand(&prepared.text).await
    }

    /// Waits for what could change the meaning of the next statement, and gives the catalog to read it with.
    async fn settle(&mut self, now: bool) -> Ruled<Arc<Catalog>> {
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
            self.ask_for_state().await?;
        }
        let (stale, open) = {
            let book = self.ledger.lock();
            (book.stale, book.state.in_transaction() || !book.awaited.is_empty() || self.in_group)
        };
        let mine = stale && !open;
        let catalog = match self.library.catalog(now || mine || self.is_masked).await {
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

    /// Asks the server for search path and role, between the client's own messages.
    async fn ask_for_state(&mut self) -> Result<(), Over> {
        self.flush_through().await?;
        self.ledger.until(|book| book.awaited.is_empty()).await;
        let (in_group, dirty) = (self.in_group, self.dirty);
        {
            let mut book = self.ledger.lock();
            if book.status == b'E' || book.skips {
                return Ok(());
            }
            book.told = None;
            let parse = Awaited::Parse { name: OWN.to_owned(), taken: false };
            let run = Run::new(Vec::new(), None);
            let closes = [Kind::Portal, Kind::Statement].map(|kind| Awaited::Close(kind, OWN.to_owned()));
            let all = [parse, Awaited::Bind { portal: OWN.to_owned() }, Awaited::Execute(run)].into_iter().chain(closes);
            book.awaited.extend(all.map(Entry::own));
            if !in_group {
                book.awaited.push_back(Entry::own(Awaited::Sync { dirty: false }));
            }
        }
        let messages = [
            codec::parse(OWN, STATE),
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
        let mut book = self.ledger.lock();
        let inside = in_group || book.status != b'I';
        match book.told.take().unwrap_or_default().as_slice() {
            [Some(search_path), Some(role)] => {
                book.state = Arc::new(book.state.told(role.as_str(), schemas(search_path), inside));
                Ok(())
            }
            _ => Err(Over::Server("it does not tell the session's settings".to_owned())),
        }
    }

    /// Asks policy about everything that a text does, and people where policy wants it. What is decided is recorded.
    async fn decide(&mut self, reading: &Arc<Reading>, text: &Arc<str>, values: &[String]) -> Ruled<Arc<Ruling>> {
        let in_transaction = {
            let book = self.ledger.lock();
            book.state.in_transaction() || book.status != b'I'
        };
        let Some(catalog) = self.catalog.clone() else { return Err(Over::Server("its catalogs were not read".to_owned())) };
        let case = SqlCase { id: reading.id, script: Arc::clone(&reading.script), catalog, text: Arc::clone(text), in_transaction };
        let ruling = match self.wait_for_verdict(&Arc::new(case), values).await? {
            Ok(ruling) => ruling,
            Err(denial) => return Ok(Err(denial)),
        };
        let begins = ruling.is_masked && !std::mem::replace(&mut self.is_masked, ruling.is_masked);
        if begins {
            let words = "bartizan: policies have changed while the statement was read, and something is masked for you now; send it again";
            return Ok(Err(Denial::unserved("40001", words)));
        }
        let copies_masked = reading
            .script
            .statements
            .iter()
            .zip(ruling.statements.iter())
            .any(|(statement, judged)| matches!(statement.answer, Answer::CopyOut(_)) && judged.masks.iter().any(Option::is_some));
        if copies_masked {
            let words = "bartizan: a column is masked for you and cannot be copied out by COPY; SELECT it instead";
            return Ok(Err(Denial::unserved("42501", words)));
        }
        if ruling.statements.iter().any(|judged| judged.scrub) {
            self.ledger.lock().scrubs = true;
        }
        let kinds: Vec<&'static str> = reading.script.statements.iter().map(|statement| statement.kind).collect();
        let approval = ruling.allowed.grant().map(|grant| grant.approval().to_string());
        // A value may be what is masked.
        let hidden: Vec<String>;
        let values = if ruling.statements.iter().any(|judged| judged.scrub) {
            hidden = values.iter().map(|_| "(masked)".to_owned()).collect();
            hidden.as_slice()
        } else {
            values
        };
        let policies = ruling.allowed.policies();
        let about = Decided { database: &self.database, text, values, kinds, policies, approval, denial: None };
        self.pieces.extend(notes::decided(&about));
        super::count("allow");
        Ok(Ok(Arc::new(ruling)))
    }

    /// Waits for the verdict; as long as people are waited for, the client is told.
    async fn wait_for_verdict(&mut self, case: &Arc<SqlCase>, values: &[String]) -> Ruled<Ruling> {
        let mut operation = case.text.trim().to_owned();
        if !values.is_empty() {
            let shown: Vec<_> = values.iter().enumerate().map(|(n, value)| format!("${} = {value}", n + 1)).collect();
            operation.push_str(&format!("\n-- {}", shown.join(", ")));
        }
        let decider = self.decider.clone();
        let deciding = decider.decide_sql(case, &operation);
        tokio::pin!(deciding);
        let leaving = self.leaving.clone();
        let left = leaving.wait();
        tokio::pin!(left);
        let mut reminder = tokio::time::interval_at(tokio::time::Instant::now() + REMINDER, REMINDER);
        let decided = loop {
            let held = self.holds.load(Ordering::SeqCst);
            tokio::select! {
                decided = &mut deciding => break decided,
                Some(text) = self.said.recv() => {
                    if !self.holds.swap(true, Ordering::SeqCst) {
                        // What came before it need not wait with it.
                        self.flush_through().await?;
                    }
                    self.words.notice(&text);
                    if !held && case.in_transaction {
                        self.words.notice("bartizan: your transaction stays open meanwhile, with its locks");
                    }
                }
                _ = reminder.tick(), if held => self.words.notice("bartizan: the statement still waits for approval; cancel it to give up"),
                () = &mut left => {
                    self.holds.store(false, Ordering::SeqCst);
                    return Err(Over::Gone);
                }
            }
        };
        self.holds.store(false, Ordering::SeqCst);
        while let Ok(text) = self.said.try_recv() {
            self.words.notice(&text);
        }
        Ok(decided.map_err(|unruled| match unruled {
            Unruled::Refusal(refusal) => Denial::of_refusal(&refusal),
            Unruled::Masked(refused) => Denial::of_analysis(&refused),
        }))
    }

    /// Puts something sure to fail in the place of a text (`Q`) or of a statement to be prepared (`P`).
    async fn refuse_text(&mut self, kind: u8, text: &str, denial: Denial) -> Result<(), Over> {
        if kind == b'Q' {
            self.note_denial(text, &denial);
            let awaited = Awaited::Query(Run::new(Vec::new(), None));
            return self.send(Entry::denied(awaited, denial), &codec::query(SURE_TO_FAIL)).await.map(drop);
        }
        self.refuse_recorded(Awaited::Parse { name: NAME.to_owned(), taken: false }, text, denial).await
    }

    async fn refuse_recorded(&mut self, awaited: Awaited, text: &str, denial: Denial) -> Result<(), Over> {
        self.note_denial(text, &denial);
        self.refuse_message(awaited, denial).await
    }

    /// Puts something sure to fail in the place of any message of the extended protocol.
    async fn refuse_message(&mut self, awaited: Awaited, denial: Denial) -> Result<(), Over> {
        self.send(Entry::denied(awaited, denial), &codec::parse(NAME, SURE_TO_FAIL)).await.map(drop)
    }

    fn note_denial(&mut self, text: &str, denial: &Denial) {
        super::count(denial.verdict);
        let about =
            Decided { database: &self.database, text, values: &[], kinds: Vec::new(), policies: &[], approval: None, denial: Some(denial) };
        self.pieces.extend(notes::decided(&about));
    }
}

fn copies(run: &Run) -> bool {
    run.statements.iter().any(|statement| statement.answer == Answer::CopyIn)
}

fn unknown(kind: Kind, name: &str) -> Denial {
    let name = crate::model::Printable(name);
    match kind {
        Kind::Statement => Denial::unserved("26000", &format!("prepared statement \"{name}\" does not exist")),
        Kind::Portal => Denial::unserved("34000", &format!("portal \"{name}\" does not exist")),
    }
}
