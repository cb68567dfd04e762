//! Decides texts of SQL. Each is decided and recorded; that one is allowed is written to the audit log once for the session and the
//! policies in force, and not again for the same thing done to the same object. What is denied or held is written each time.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use bartizan_policies::sql::{Catalog, Judge, Judged, Meaning, Operation, Refused, Script, Statement, explains};
use bartizan_policies::{Facts, Slice, Verdict};
use jiff::{SignedDuration, Timestamp};

use crate::approvals::Grant;
use crate::audit::Entry;
use crate::frontdoor::{BoxFuture, Refusal};
use crate::store::Needed;

use super::Decider;
use super::calls::Kind;
use super::decider::{Allowed, Standing, changed, lock};
use super::enforcer::{refusal, wait_for_people, write_all};
use super::judge::{Asker, Judgement, settled};
use super::outlines;
use super::permit::Permit;
use super::questions::{Question, as_target, context};

/// How long a verdict that allowed something is good for texts that ask the same; a change of policy ends it at once.
const LATELY: SignedDuration = SignedDuration::from_millis(200);

/// Verdicts that are remembered so, and objects whose verdicts were written.
const MOST: usize = 4_096;

/// A text of SQL that is asked about, as it was understood.
#[derive(Debug)]
pub struct SqlCase {
    /// Its own: the same number always means the same text, understood alike.
    pub id: u64,
    /// That of all texts which policy is asked the same about, if it does not ask about their values.
    pub like: u64,
    /// What was understood of it.
    pub script: Arc<Script>,
    /// What the database held.
    pub catalog: Arc<Catalog>,
    /// The text.
    pub text: Arc<str>,
    /// Whether a transaction block is open.
    pub in_transaction: bool,
    /// What gives it its meaning beside the catalog, for whoever asks the planner about it; `None` where only the session itself does.
    pub meaning: Option<Meaning>,
    /// What the planner guesses of its statements, once it was asked.
    pub estimates: OnceLock<Arc<[Option<i64>]>>,
}

/// Asks the server's planner.
pub trait Planner: Send + Sync {
    /// For each EXPLAIN how many rows it tells of, where it can be told in time.
    fn estimates(&self, meaning: Meaning, explains: Vec<Option<String>>) -> BoxFuture<Vec<Option<i64>>>;
}

impl SqlCase {
    /// What the planner guesses of each statement, as far as it was asked and could tell.
    #[must_use]
    pub fn estimates(&self) -> &[Option<i64>] {
        self.estimates.get().map_or(&[], |estimates| estimates)
    }

    /// The number under which a verdict is remembered: what the planner guesses depends on the values in the text.
    fn number(&self, slice: &Slice) -> u64 {
        if slice.asks_for_estimates() { self.id } else { self.like }
    }

    /// Asks the planner, once.
    async fn estimate(&self, planner: &dyn Planner) {
        let (Some(meaning), None) = (&self.meaning, self.estimates.get()) else { return };
        let found = planner.estimates(meaning.clone(), explains(&self.script, &self.text, &self.catalog)).await;
        // Both of two who ask at once are told the same.
        let _ = self.estimates.set(found.into());
    }
}

/// A text that policy allowed.
#[derive(Debug)]
pub struct Ruling {
    /// The permission; keep it as long as it runs.
    pub allowed: Allowed,
    /// What is said of each statement: which columns are masked, and how.
    pub statements: Arc<[Judged]>,
    /// Whether anything is masked for the principal on this target.
    pub is_masked: bool,
    /// What the database held when it was understood.
    pub catalog: Arc<Catalog>,
    /// Whether policy wants its results recorded.
    pub records: bool,
    /// What each statement is counted with.
    pub(super) kinds: Arc<[Kind]>,
    /// When it was decided.
    pub(super) at: Timestamp,
}

/// Why a text is not let through.
#[derive(Debug)]
pub enum Unruled {
    /// Policy or people say no.
    Refusal(Refusal),
    /// A masked column is used otherwise than by being handed on.
    Masked(Refused),
}

impl From<Refusal> for Unruled {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

/// What was allowed lately.
#[derive(Debug, Default)]
pub(super) struct Lately {
    epoch: u64,
    written: HashSet<String>,
    allowed: HashMap<(u64, bool), Arc<Known>>,
}

#[derive(Debug)]
struct Known {
    at: Timestamp,
    keys: Arc<[String]>,
    policies: Vec<String>,
    statements: Arc<[Judged]>,
    is_masked: bool,
    records: bool,
    kinds: Arc<[Kind]>,
}

/// What policy says at one moment.
struct Said {
    judgement: Judgement,
    keys: Vec<String>,
    kinds: Vec<Kind>,
    statements: Arc<[Judged]>,
    masked: Option<Refused>,
    is_masked: bool,
}

impl Lately {
    fn under(&mut self, epoch: u64) {
        if self.epoch != epoch {
            *self = Self { epoch, ..Self::default() };
        }
    }

    fn known(&self, id: (u64, bool), now: Timestamp) -> Option<Arc<Known>> {
        let known = self.allowed.get(&id)?;
        let age = now.duration_since(known.at);
        (age >= SignedDuration::ZERO && age <= LATELY).then(|| Arc::clone(known))
    }

    fn keep(&mut self, id: (u64, bool), known: Known) {
        if self.allowed.len() >= MOST {
            self.allowed.clear();
        }
        self.allowed.insert(id, Arc::new(known));
    }

    /// Whether the verdict on this has not been written yet; from now on it has.
    fn is_new(&mut self, key: &str) -> bool {
        self.written.len() >= MOST || self.written.insert(key.to_owned())
    }
}

impl Decider {
    /// The ruling on a text of SQL that was allowed a moment ago, or on one like it; none where it is to be decided. Nearly all texts go
    /// this way, and nobody is waited for.
    ///
    /// # Errors
    /// When the audit log takes nothing.
    pub async fn known_sql(&self, case: &Arc<SqlCase>) -> Result<Option<Ruling>, Unruled> {
        let (epoch, now) = (self.policies.epoch(), self.clock.now());
        let known = {
            let id = (case.number(&self.slice()), case.in_transaction);
            let mut lately = lock(&self.lately);
            lately.under(epoch);
            lately.known(id, now)
        };
        let Some(known) = known else { return Ok(None) };
        let due = self.again(known.keys.iter(), now);
        if !due.is_empty() {
            Box::pin(write_all(&self.audit, due, now)).await?;
        }
        let allowed = self.allowed(Standing::sql(Arc::clone(case), Vec::new()), known.policies.clone(), None);
        let (statements, catalog) = (Arc::clone(&known.statements), Arc::clone(&case.catalog));
        let Known { is_masked, records, .. } = *known;
        let kinds = Arc::clone(&known.kinds);
        Ok(Some(Ruling { allowed, statements, is_masked, catalog, records, kinds, at: now }))
    }

    /// Decides a text of SQL. People who are asked about it see `operation`, which has to be all of what will be done. The planner is
    /// asked only where a policy of the session's asks how many rows a statement is about.
    ///
    /// # Errors
    /// As [`Decider::decide`], and when a masked column is used otherwise than by being handed on.
    pub async fn decide_sql(&self, case: &Arc<SqlCase>, operation: &str, planner: &dyn Planner) -> Result<Ruling, Unruled> {
        let (epoch, now, slice) = (self.policies.epoch(), self.clock.now(), self.slice());
        let id = (case.number(&slice), case.in_transaction);
        if slice.asks_for_estimates() {
            case.estimate(planner).await;
        }
        let asker = Asker::of(self.permit.routed(), self.permit.session());
        let standing = |need: &Needed| self.permit.has_grant(need, now);
        let said = ask(&asker, &slice, now, (case, case.in_transaction), &standing);
        let said = self.unless_refused(said, now).await?;
        if said.judgement.needs.is_empty() {
            return self.allow(case, said, (epoch, now, id)).await;
        }
        write_all(&self.audit, said.judgement.entries.clone(), now).await?;
        // Whoever decides about it wants to know, whatever policy asks for.
        case.estimate(planner).await;
        let asking = asker.asking(&said.judgement, operation.to_owned(), Some(outlines::of_sql(case)));
        let grant = Arc::new(wait_for_people(&self.broker, &self.voice, asking, now).await?);
        self.permit.keep(&grant);
        self.decide_approved_sql(&asker, case, grant).await
    }

    /// Whether what the names in a text mean matters for policy, as it is now.
    #[must_use]
    pub fn reads_names(&self) -> bool {
        !self.slice().permits_all_sql()
    }

    /// Whether policy denies it, as things stand or, with `always`, in a transaction as well as outside of one. What is held or allowed
    /// is not: that is decided, and written down, when it is to be run.
    ///
    /// # Errors
    /// When it is denied, or when a masked column is used otherwise than by being handed on. That is in the audit log then.
    pub async fn denies_sql(&self, case: &Arc<SqlCase>, always: bool, planner: &dyn Planner) -> Result<(), Unruled> {
        let (epoch, now, slice) = (self.policies.epoch(), self.clock.now(), self.slice());
        let ways: &[bool] = if always { &[true, false] } else { &[case.in_transaction] };
        {
            let mut lately = lock(&self.lately);
            lately.under(epoch);
            if ways.iter().any(|in_transaction| lately.known((case.number(&slice), *in_transaction), now).is_some()) {
                return Ok(());
            }
        }
        if slice.asks_for_estimates() {
            case.estimate(planner).await;
        }
        let asker = Asker::of(self.permit.routed(), self.permit.session());
        let mut denied = None;
        for in_transaction in ways {
            let said = ask(&asker, &slice, now, (case, *in_transaction), &|_| false);
            if said.judgement.refused.is_none() && said.masked.is_none() {
                return Ok(());
            }
            denied = Some(said);
        }
        match denied {
            Some(said) => self.unless_refused(said, now).await.map(drop),
            None => Ok(()),
        }
    }

    /// Gives back what is not refused; a refusal is written down.
    async fn unless_refused(&self, mut said: Said, now: Timestamp) -> Result<Said, Unruled> {
        if let Some(refusal) = said.judgement.refused.take() {
            write_all(&self.audit, said.judgement.entries, now).await?;
            return Err(refusal.into());
        }
        if let Some(masked) = said.masked.take() {
            self.refused("pg", &masked.message).await?;
            return Err(Unruled::Masked(masked));
        }
        Ok(said)
    }

    async fn allow(&self, case: &Arc<SqlCase>, said: Said, (epoch, now, id): (u64, Timestamp, (u64, bool))) -> Result<Ruling, Unruled> {
        let Said { judgement, keys, kinds, statements, is_masked, .. } = said;
        let kinds: Arc<[Kind]> = kinds.into();
        let compares = statements.iter().any(|judged| !judged.equalities.is_empty());
        let lasting = judgement.answered.is_empty() && !compares;
        // Made first, so that a change of policy that comes while the verdicts are written finds it.
        let allowed = self.allowed(Standing::sql(Arc::clone(case), judgement.answered), judgement.policies.clone(), None);
        let (new, again): (Vec<_>, Vec<_>) = {
            let mut lately = lock(&self.lately);
            lately.under(epoch);
            judgement.entries.into_iter().zip(&keys).partition(|(_, key)| lately.is_new(key))
        };
        for (entry, key) in &new {
            lock(&self.permit.repeats).first(key, entry);
        }
        write_all(&self.audit, new.into_iter().map(|(entry, _)| entry).collect(), now).await?;
        write_all(&self.audit, self.again(again.into_iter().map(|(_, key)| key), now), now).await?;
        for name in statements.iter().flat_map(|judged| &judged.equalities) {
            self.refused("pg.equality", &format!("allowed by its mask: {name} was compared for equality")).await?;
        }
        let records = judgement.record_results;
        // What people answered is theirs to answer each time, and each comparison with what is masked is written down.
        if lasting {
            let (keys, kinds, statements) = (keys.into(), Arc::clone(&kinds), Arc::clone(&statements));
            let known = Known { at: now, keys, policies: judgement.policies, statements, is_masked, records, kinds };
            let mut lately = lock(&self.lately);
            lately.under(epoch);
            lately.keep(id, known);
        }
        Ok(Ruling { allowed, statements, is_masked, catalog: Arc::clone(&case.catalog), records, kinds, at: now })
    }

    /// Counts what is done again; gives the counts that are due.
    fn again<'a>(&self, keys: impl Iterator<Item = &'a String>, now: Timestamp) -> Vec<Entry> {
        lock(&self.permit.repeats).again(keys, now);
        self.permit.repeated(now, false)
    }

    /// Decides once more after people have answered: policy may have changed while they thought.
    async fn decide_approved_sql(&self, asker: &Asker<'_>, case: &Arc<SqlCase>, grant: Arc<Grant>) -> Result<Ruling, Unruled> {
        let now = self.clock.now();
        let standing = |need: &Needed| grant.answers(need) || self.permit.has_grant(need, now);
        let said = ask(asker, &self.slice(), now, (case, case.in_transaction), &standing);
        let said = self.unless_refused(said, now).await?;
        if !said.judgement.needs.is_empty() {
            write_all(&self.audit, said.judgement.entries, now).await?;
            return Err(changed().into());
        }
        let standing = Standing::sql(Arc::clone(case), said.judgement.answered);
        let allowed = self.allowed(standing, said.judgement.policies, Some(Arc::clone(&grant)));
        write_all(&self.audit, said.judgement.entries, now).await?;
        // Kept in use by now: what was taken back before is seen here, what is taken back later ends the session.
        self.broker.stands(&grant).await?;
        let Said { statements, is_masked, kinds, .. } = said;
        let kinds = kinds.into_iter().map(|kind| kind.approved(&grant)).collect();
        let (catalog, records) = (Arc::clone(&case.catalog), said.judgement.record_results);
        Ok(Ruling { allowed, statements, is_masked, catalog, records, kinds, at: now })
    }
}

/// Asks policy about all of a text.
fn ask(
    asker: &Asker<'_>,
    slice: &Slice,
    now: Timestamp,
    (case, in_transaction): (&SqlCase, bool),
    answered: &dyn Fn(&Needed) -> bool,
) -> Said {
    let target = as_target(asker.target);
    let context = context(asker.caller, now, asker.ask.reason.clone(), Facts::None);
    let judge = Judge::new(slice, &target, &case.catalog, &context).in_transaction(in_transaction).estimating(case.estimates());
    let found = judge.judge(&case.script, &case.text);
    let (mut judgement, mut keys, mut kinds) = (Judgement::default(), Vec::new(), Vec::new());
    for (place, (statement, judged)) in case.script.statements.iter().zip(&found.statements).enumerate() {
        let estimated_rows = case.estimates().get(place).copied().flatten();
        let mine = keys.len();
        for (operation, decision) in &judged.asked {
            if judgement.refused.is_some() {
                break;
            }
            let place = operation.on.place(&target, &case.catalog.rows().database);
            let question = Question::of_sql(statement, operation, (in_transaction, estimated_rows), place, part(case, statement));
            judgement.take(asker, &question, decision, answered);
            keys.push(key(statement, operation));
        }
        kinds.push(Kind::of(statement, judged, keys.get(mine..).unwrap_or_default(), part(case, statement)));
    }
    judgement.policies.sort();
    judgement.policies.dedup();
    Said { judgement, keys, kinds, statements: found.statements.into(), masked: found.refused, is_masked: judge.is_masked() }
}

fn part<'a>(case: &'a SqlCase, statement: &Statement) -> &'a str {
    case.text.get(statement.range.clone()).unwrap_or(&case.text).trim()
}

fn key(statement: &Statement, operation: &Operation) -> String {
    format!("{} {} {} {:?} {:?}", statement.kind, statement.has_where, operation.action, operation.on, operation.setting)
}

/// Asks again; holds that people answered are answered, if policy asks for the same still.
pub(super) fn recheck(
    permit: &Permit,
    slice: &Slice,
    now: Timestamp,
    case: &SqlCase,
    answered: &dyn Fn(&Needed) -> bool,
) -> Result<(), Refusal> {
    let asker = Asker::of(permit.routed(), permit.session());
    let target = as_target(asker.target);
    let context = context(asker.caller, now, asker.ask.reason.clone(), Facts::None);
    let judge = Judge::new(slice, &target, &case.catalog, &context).in_transaction(case.in_transaction).estimating(case.estimates());
    let found = judge.judge(&case.script, &case.text);
    if let Some(masked) = found.refused {
        return Err(Refusal::denied(masked.message.clone(), masked.message));
    }
    match &found.decision.verdict {
        Verdict::Allow => Ok(()),
        Verdict::Hold(hold) if settled(hold, answered) => Ok(()),
        Verdict::Hold(_) | Verdict::Deny(_) => Err(refusal(&found.decision)),
    }
}
