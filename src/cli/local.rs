//! What commands for the operator on the machine share: they open the state folder themselves, those that the bastion answers only
//! where none runs.
//! Also a stack for what recurses, who the operator is, what time it is, and how a moment or a span is written on the command line.

use std::future::Future;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use nix::unistd::Uid;

use super::{Common, Exit, print};
use crate::audit::{AuditError, AuditLog, Entry};
use crate::config::{Config, PlacedSecret, Problems, SealingKey, SecretPlace};
use crate::daemon::account;
use crate::ledger::{self, Beginning, LedgerError};
use crate::model::{PrincipalKind, Printable};
use crate::secrets::{SealedStore, Secrets};
use crate::store::{SessionFilter, SqliteStore, Store, StoreError};

/// How long is waited for something to be in the transparency log.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);

/// Runs what reads SQL, on a stack that is large enough for it.
pub(super) fn on_a_big_stack<T: Send>(run: impl FnOnce() -> T + Send) -> Result<T, Exit> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(bartizan_policies::sql::STACK).spawn_scoped(scope, run);
        let thread = thread.map_err(|error| Exit::incomplete(format!("a thread could not be started: {error}")))?;
        thread.join().map_err(|_| Exit::incomplete("the analysis failed; please report the statement"))
    })
}

/// The state folder, opened.
pub(super) struct Local {
    config: Config,
    /// Its store.
    pub(super) store: SqliteStore,
}

impl Local {
    /// Opens the store that the configuration names.
    pub(super) fn open(common: &Common) -> Result<Self, Exit> {
        let config = common.load()?;
        check_owner(&config.server.state_dir)?;
        let store = SqliteStore::open(&config.store, now())?;
        Ok(Self { config, store })
    }

    /// The same where no bastion runs that could be asked; says so.
    pub(super) fn instead(common: &Common) -> Result<Self, Exit> {
        let local = Self::open(common)?;
        print::note("no bastion runs on this machine, so its store is used, as it is");
        Ok(local)
    }

    /// Where the key of sealed secrets is.
    pub(super) fn sealing_key(&self) -> &SealingKey {
        &self.config.sealing_key
    }

    /// Whether the issuer of that name names programs, not people.
    pub(super) fn names_services(&self, issuer: &str) -> bool {
        self.config.issuers.iter().any(|known| known.name.as_str() == issuer && known.kind == PrincipalKind::Service)
    }

    /// Opens the audit log.
    pub(super) fn audit(&self) -> Result<AuditLog, Exit> {
        let server = &self.config.server;
        Ok(AuditLog::open(&server.state_dir, &server.name, rand::random(), now())?)
    }

    /// Opens the audit log and writes `entry` to it, now. A bastion that runs puts it into the transparency log; where none
    /// runs, this does.
    pub(super) async fn note(&self, entry: Entry) -> Result<(), Exit> {
        self.audit()?.append(entry, now()).await?;
        if let Err(exit) = self.catch_up().await {
            print::note(&format!("the entry is in the audit log, but not in the transparency log yet: {}", exit.sentence()));
        }
        Ok(())
    }

    /// The same, and waits until the entry is in the transparency log: for what must not happen before.
    ///
    /// # Errors
    /// When it is not there after some seconds: then it must not happen.
    pub(super) async fn note_in_log(&self, entry: Entry) -> Result<(), Exit> {
        let receipt = self.audit()?.append(entry, now()).await?;
        if self.catch_up().await? { Ok(()) } else { wait_for_leaf(&self.config.server.state_dir, receipt.seq) }
    }

    async fn catch_up(&self) -> Result<bool, Exit> {
        let latest = self.store.sessions(SessionFilter { limit: 1, ..SessionFilter::default() }).await?;
        let session = latest.first().map_or(1, |latest| latest.lease.number + 1);
        let server = &self.config.server;
        let beginning = Beginning { name: server.name.clone(), seed: rand::random(), session };
        Ok(ledger::catch_up(&server.state_dir, &beginning)?)
    }
}

/// Waits until the transparency log has entry `seq` of the audit log, which the bastion that runs puts there.
pub(super) fn wait_for_leaf(state_dir: &Path, seq: u64) -> Result<(), Exit> {
    let key = ledger::read_public_key(&ledger::public_key_file(state_dir))?;
    let until = Instant::now() + PATIENCE;
    while ledger::entries_logged(&ledger::folder(state_dir), &key)? < seq {
        if Instant::now() >= until {
            return Err(Exit::incomplete(format!(
                "the transparency log does not have entry {seq} of the audit log yet; see the bastion's own log"
            )));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Files made here by another account would lock the server out of its own state.
fn check_owner(state_dir: &Path) -> Result<(), Exit> {
    let found = std::fs::metadata(state_dir);
    let owner = found.map_err(|error| Exit::incomplete(format!("the state folder {} cannot be read: {error}", state_dir.display())))?.uid();
    if owner == Uid::effective().as_raw() {
        return Ok(());
    }
    let name = account(owner);
    Err(Exit::incomplete(format!(
        "the state folder {} belongs to {name}; run this as that account: sudo -u {name} bartizan …",
        state_dir.display()
    )))
}

/// Waits for `work`; commands have nothing else to do meanwhile.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Exit>>) -> Result<T, Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Exit::incomplete(error.to_string()))?.block_on(work)
}

/// The secrets of a configuration, for one thing that is done with them. The store is opened only where one is sealed in it.
pub(super) fn secrets(config: &Config) -> Arc<Secrets> {
    let is_sealed = |placed: &PlacedSecret| matches!(placed.source.place, SecretPlace::Sealed(_));
    let sealed = config.secrets.iter().any(is_sealed).then(|| SqliteStore::open(&config.store, now()).ok()).flatten();
    let sealed = sealed.map(|store| SealedStore::new(Arc::new(store), config.sealing_key.clone()));
    Secrets::new(config.vault.clone(), sealed)
}

/// The configuration, if all its secrets can be read.
pub(super) fn readable(config: Config) -> Result<Config, Problems> {
    let secrets = secrets(&config);
    let looked = block_on(async {
        let problems = secrets.unreadable(&config).await;
        secrets.end().await;
        Ok(problems)
    });
    match looked {
        Ok(problems) if problems.is_empty() => Ok(config),
        Ok(problems) => Err(Problems(problems)),
        Err(exit) => Err(Problems::whole(&config.file, exit.sentence())),
    }
}

/// The present moment, to the microsecond, as the store and the audit log keep it.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// Who gives this command, as audit entries name it: `local:` and the account that logged in on this machine, even behind
/// `sudo` or `su`: the kernel's login id (proc(5)), or what sudo says, or the account this runs as.
pub(super) fn operator() -> String {
    let sudo = || std::env::var("SUDO_UID").ok()?.parse().ok();
    format!("local:{}", account(login_uid().or_else(sudo).unwrap_or_else(|| Uid::current().as_raw())))
}

fn login_uid() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/self/loginuid").ok()?;
    // All bits set: the process descends from no login.
    text.trim().parse().ok().filter(|uid| *uid != u32::MAX)
}

/// A moment given as one (`2026-11-22T12:00:00Z`, `2026-11-22 12:00`, `2026-11-22`; UTC) or as a span before now (`2h`, `7d`).
pub(super) fn past(text: &str) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    if let Ok(civil) = text.parse::<DateTime>() {
        return civil.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|error| error.to_string());
    }
    let ago = span(text)
        .map_err(|_| "write a span before now, as in \"2h\" or \"7d\", or a moment in UTC, as in \"2026-11-22T12:00:00Z\"".to_owned())?;
    now().to_zoned(TimeZone::UTC).checked_sub(ago).map(|zoned| zoned.timestamp()).map_err(|error| error.to_string())
}

/// The moment a span such as `2h` from now.
pub(super) fn from_now(text: &str) -> Result<Timestamp, String> {
    let ahead = span(text)?;
    now().to_zoned(TimeZone::UTC).checked_add(ahead).map(|zoned| zoned.timestamp()).map_err(|error| error.to_string())
}

fn span(text: &str) -> Result<Span, String> {
    let mend = || "write a number and s, m, h, d or w, as in \"2h\" or \"1h30m\"".to_owned();
    let span: Span = text.parse().map_err(|_| mend())?;
    if span.is_positive() { Ok(span) } else { Err(mend()) }
}

impl From<StoreError> for Exit {
    fn from(error: StoreError) -> Self {
        let shown = Printable(&error.to_string()).to_string();
        match error {
            StoreError::NotFound(_)
            | StoreError::Ended(_)
            | StoreError::NotFrozen(_)
            | StoreError::Settled(..)
            | StoreError::Reviewed(_) => Self::refused(shown),
            _ => Self::incomplete(shown),
        }
    }
}

impl From<LedgerError> for Exit {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Audit(error) => error.into(),
            error => Self::incomplete(Printable(&error.to_string()).to_string()),
        }
    }
}

impl From<AuditError> for Exit {
    fn from(error: AuditError) -> Self {
        let shown = Printable(&error.to_string()).to_string();
        match error {
            AuditError::Tampered { .. } => Self::refused(shown),
            _ => Self::incomplete(shown),
        }
    }
}
