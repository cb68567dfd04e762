//! What policy and people say of statements, and what stands in for those that are not let through. All of it is recorded.

use std::sync::{Arc, OnceLock};

use tokio::io::AsyncWrite;

use crate::enforce::{Ruling, SqlCase};

use super::analyst::Reading;
use super::codec;
use super::down::Over;
use super::ledger::{Awaited, Entry, Run};
use super::notes::{self, Decided};
use super::refusal::{Denial, NAME, SURE_TO_FAIL};
use super::statements::Prepared;
use super::up::{Ruled, Up};

impl<W: AsyncWrite + Unpin> Up<'_, W> {
    /// Asks policy about everything that a text does, and people where policy wants it. What is decided is recorded.
    pub(super) async fn decide(&mut self, reading: &Arc<Reading>, text: &Arc<str>, values: &[String]) -> Ruled<Arc<Ruling>> {
        let case = self.case(reading, text)?;
        let ruling = match self.verdict(&case, values).await? {
            Ok(ruling) => ruling,
            Err(denial) => return Ok(Err(denial)),
        };
        if !self.is_up_to_date && self.decider.reads_names() {
            let words = "bartizan: policies have changed while the statement was read; send it again";
            return Ok(Err(Denial::unserved("40001", words)));
        }
        let scrubs = ruling.statements.iter().any(|judged| judged.scrub);
        if scrubs {
            self.ledger.lock().scrubs = true;
        }
        let kinds: Vec<&'static str> = reading.script.statements.iter().map(|statement| statement.kind).collect();
        let approval = ruling.allowed.grant().map(|grant| grant.approval().to_string());
        // A value may be what is masked.
        let hidden: Vec<String>;
        let values = if scrubs {
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

    /// The text as policy is asked about it now.
    fn case(&self, reading: &Arc<Reading>, text: &Arc<str>) -> Result<Arc<SqlCase>, Over> {
        let (in_transaction, meaning) = {
            let book = self.ledger.lock();
            (book.state.in_transaction() || book.status != b'I', book.meaning())
        };
        let Some(catalog) = self.catalog.clone() else { return Err(Over::Server("its catalogs were not read".to_owned())) };
        let (script, text) = (Arc::clone(&reading.script), Arc::clone(text));
        let Reading { id, like, .. } = **reading;
        Ok(Arc::new(SqlCase { id, like, script, catalog, text, in_transaction, meaning, estimates: OnceLock::new() }))
    }

    /// Whether policy denies a text now, whatever its values: then the server is not even asked what it would give. `always`: only what is
    /// denied outside of a transaction as well as within one.
    pub(super) async fn denied(&mut self, prepared: &Prepared, always: bool) -> Result<Option<Denial>, Over> {
        let case = self.case(&prepared.reading, &prepared.text)?;
        let denied = self.decider.denies_sql(&case, always, &*self.library).await;
        Ok(denied.err().map(Denial::of_unruled))
    }

    /// Puts something sure to fail in the place of a text (`Q`) or of a statement to be prepared (`P`).
    pub(super) async fn refuse_text(&mut self, kind: u8, text: &str, denial: Denial) -> Result<(), Over> {
        if kind == b'Q' {
            self.note_denial(text, &denial);
            let awaited = Awaited::Query(Run::new(Vec::new(), None, 0));
            return Box::pin(self.send(Entry::denied(awaited, denial), &codec::query(SURE_TO_FAIL))).await.map(drop);
        }
        self.refuse_recorded(Awaited::Parse { name: NAME.to_owned(), taken: false }, text, denial).await
    }

    pub(super) async fn refuse_recorded(&mut self, awaited: Awaited, text: &str, denial: Denial) -> Result<(), Over> {
        self.note_denial(text, &denial);
        self.refuse_message(awaited, denial).await
    }

    /// Puts something sure to fail in the place of any message of the extended protocol.
    pub(super) async fn refuse_message(&mut self, awaited: Awaited, denial: Denial) -> Result<(), Over> {
        Box::pin(self.send(Entry::denied(awaited, denial), &codec::parse(NAME, SURE_TO_FAIL))).await.map(drop)
    }

    pub(super) fn note_denial(&mut self, text: &str, denial: &Denial) {
        super::count(denial.verdict);
        let about =
            Decided { database: &self.database, text, values: &[], kinds: Vec::new(), policies: &[], approval: None, denial: Some(denial) };
        self.pieces.extend(notes::decided(&about));
    }
}
