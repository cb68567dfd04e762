//! Waits for verdicts. While people are asked, the client is told that it waits and why, and nothing waits for longer than the server
//! lets the session idle.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::Instant;

use crate::enforce::{Ruling, SqlCase};

use super::down::Over;
use super::notes;
use super::refusal::Denial;
use super::up::{Ruled, Up};

/// How often a client that waits for people is told that it still does.
const REMINDER: Duration = Duration::from_secs(15);

/// How many milliseconds the server lets this transaction idle from now on.
const IN_TRANSACTION: &str = "SELECT pg_catalog.min(CASE name WHEN 'transaction_timeout' \
    THEN setting::int8 - (1000 * extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.now()))::int8 ELSE setting::int8 END) \
  FROM pg_catalog.pg_settings WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout') AND setting <> '0'";

/// The same of a session without a transaction.
const OUTSIDE: &str = "SELECT nullif(setting, '0') FROM pg_catalog.pg_settings WHERE name = 'idle_session_timeout'";

/// What a hold has come to know.
#[derive(Debug, Default)]
struct Limit {
    known: bool,
    /// When the statement is taken back, and after how long a wait.
    end: Option<(Instant, Duration)>,
}

impl<W: AsyncWrite + Unpin> Up<'_, W> {
    /// The verdict. Most texts are known, and nothing is waited for then; what it takes to wait is large, and boxed.
    pub(super) async fn verdict(&mut self, case: &Arc<SqlCase>, values: &[String]) -> Ruled<Ruling> {
        match self.decider.known_sql(case).await {
            Ok(Some(ruling)) => Ok(Ok(ruling)),
            Ok(None) => Box::pin(self.wait_for_verdict(case, values)).await,
            Err(unruled) => Ok(Err(Denial::of_unruled(unruled))),
        }
    }

    /// Waits for the verdict; as long as people are waited for, the client is told.
    async fn wait_for_verdict(&mut self, case: &Arc<SqlCase>, values: &[String]) -> Ruled<Ruling> {
        let operation = format!("{}{}", case.text.trim(), notes::beneath(values));
        let decider = self.decider.clone();
        let library = Arc::clone(&self.library);
        let deciding = decider.decide_sql(case, &operation, &*library);
        tokio::pin!(deciding);
        let leaving = self.leaving.clone();
        let left = leaving.wait();
        tokio::pin!(left);
        let mut reminder = tokio::time::interval_at(Instant::now() + REMINDER, REMINDER);
        let ledger = self.ledger;
        let mut limit = Limit::default();
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
                // Only then does it answer at once.
                () = ledger.until(|book| book.awaited.is_empty()), if held && !limit.known => limit = self.limit(case.in_transaction).await?,
                _ = reminder.tick(), if held => self.words.notice("bartizan: the statement still waits for approval; cancel it to give up"),
                () = &mut left => {
                    self.holds.store(false, Ordering::SeqCst);
                    return Err(Over::Gone);
                }
                wait = ended(limit.end), if limit.end.is_some() => {
                    self.holds.store(false, Ordering::SeqCst);
                    return Ok(Err(too_late(wait, case.in_transaction)));
                }
            }
        };
        self.holds.store(false, Ordering::SeqCst);
        while let Ok(text) = self.said.try_recv() {
            self.words.notice(&text);
        }
        Ok(decided.map_err(Denial::of_unruled))
    }

    /// How long the server lets the session wait: asking begins its count anew.
    async fn limit(&mut self, in_transaction: bool) -> Result<Limit, Over> {
        let told = self.ask_server(if in_transaction { IN_TRANSACTION } else { OUTSIDE }).await?.unwrap_or_default();
        let idle = told.into_iter().flatten().next().and_then(|text| text.parse::<i64>().ok());
        let Some(idle) = idle else { return Ok(Limit { known: true, end: None }) };
        // Before the server does: what it ends, it ends with the whole session.
        let wait = Duration::from_millis(u64::try_from(idle).unwrap_or(0)) * 9 / 10;
        let what = if in_transaction { "transaction" } else { "session" };
        let seconds = wait.as_secs();
        self.words.notice(&format!(
            "bartizan: the server ends a {what} that idles, so the statement is taken back if nobody answers within {seconds} s"
        ));
        Ok(Limit { known: true, end: Some((Instant::now() + wait, wait)) })
    }
}

async fn ended(end: Option<(Instant, Duration)>) -> Duration {
    match end {
        Some((at, wait)) => {
            tokio::time::sleep_until(at).await;
            wait
        }
        None => std::future::pending().await,
    }
}

fn too_late(wait: Duration, in_transaction: bool) -> Denial {
    let (what, settings) = match in_transaction {
        true => ("transaction", "idle_in_transaction_session_timeout or transaction_timeout"),
        false => ("session", "idle_session_timeout"),
    };
    let message = format!("bartizan: nobody approved it within {} s, and the server would have ended the idle {what}", wait.as_secs());
    let hint = format!("The limit is the server's own: {settings}. Set it higher, or run the statement outside of a transaction.");
    Denial { hint, verdict: "hold", ..Denial::unserved("57014", &message) }
}
