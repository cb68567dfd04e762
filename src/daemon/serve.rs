//! Starts everything in order, waits for a signal, and stops everything in order.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bartizan_recorder::{Reason, Recordings};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::approvals::{Broker, Notifier};
use crate::audit::{AuditLog, Entry, signing_key};
use crate::config::Config;
use crate::control::protocol::Event;
use crate::enforce::{Enforcer, PoliciesInForce, load_dir};
use crate::exporters::Exporter;
use crate::frontdoor::{Gate, sentences};
use crate::gateways::postgres::{Analysts, RUNTIME_STACK, Worker};
use crate::identity::authority::{Authorities, open_host_key};
use crate::identity::oidc::Providers;
use crate::identity::{IdentityDesk, VOUCHER_KEY, Vouchers};
use crate::ledger::{self, Beginning, Courier, Ledger, Scribe};
use crate::model::{ApprovalId, Clock};
use crate::record::{Artist, Lanes, Recorder, RecorderSettings};
use crate::secrets::{SealedStore, Secrets};
use crate::store::{SessionFilter, SqliteStore, Store};
use crate::targets::Catalogue;
use crate::upstream::{CatalogDesk, Dialer, Planners, Roads};

use super::depot::Depot;
use super::live::{Live, Watch};
use super::names::Names;
use super::rails::RailsInForce;
use super::rooms::{Foyer, Rooms};
use super::{SystemClock, indexing, listen, metrics, recover, reload, retention, socket};

/// How many threads write recordings.
const LANES: usize = 2;

/// How many audit entries that nobody waits for may be under way.
const NOTES: usize = 1_024;

/// How many screens are drawn at a time for watchers.
const DRAWS: usize = 2;

/// Events that a client of the control protocol may be behind before it is cut off.
const BULLETIN: usize = 4_096;

/// How often all recordings are put on disk; a power cut loses no more than this.
const SYNC: Duration = Duration::from_millis(250);

/// How often keyframes that are missing are drawn.
const DRAW: Duration = Duration::from_secs(1);

/// Why the bastion did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// One of the things it needs to start is not as it must be.
    #[error("{0}")]
    Start(String),
}

fn cannot(what: &str) -> impl Fn(&dyn std::fmt::Display) -> ServeError {
    let what = what.to_owned();
    move |error| ServeError::Start(format!("{what}: {error}"))
}

/// The runtime to serve on: its threads read short statements, for which they need room.
///
/// # Errors
/// When the system lets it have no threads.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().thread_stack_size(RUNTIME_STACK).enable_all().build()
}

/// Runs the bastion until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start; it has served nobody then.
pub async fn serve(config: Config) -> Result<(), ServeError> {
    harden();
    let config = Arc::new(config);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let node = config.server.name.clone();
    make_state_dir(&config.server.state_dir).map_err(|e| cannot(&config.server.state_dir.display().to_string())(&e))?;

    let _alone = lock_state_dir(&config.server.state_dir)?;

    let audit = AuditLog::open(&config.server.state_dir, &node, rand::random(), clock.now()).map_err(|e| cannot("the audit log")(&e))?;
    let audit = Arc::new(audit);
    let store = SqliteStore::open(&config.store, clock.now()).map_err(|e| cannot("the store")(&e))?;
    let store: Arc<dyn Store> = Arc::new(store);
    let policies = load_dir(&config).map_err(|problems| ServeError::Start(problems.join("\n")))?;
    let listeners = bind(&config.server.listen).await?;
    let recordings = open_recordings(&config)?;
    let (ledger, scribe) = open_ledger(&config, &*store).await?;
    recover::recover(&recordings, &*store, &audit, &scribe, &*clock, &node).await.map_err(ServeError::Start)?;
    start_scribe(&config, scribe, &ledger, &audit, &clock)?;

    let tasks = TaskTracker::new();
    let rooms = build(&config, &clock, &node, audit, &ledger, store, policies, &recordings, tasks.clone()).await?;
    if let Some(listen) = config.metrics {
        metrics::serve(listen).map_err(|e| cannot("metrics")(&e))?;
    }
    let stop = rooms.stop.clone();
    let background = [
        tokio::spawn(watch(&rooms, &node).keep()),
        tokio::spawn(reload::follow(Arc::clone(&rooms))),
        tokio::spawn(Arc::clone(&rooms.secrets).tend()),
        tokio::spawn(retention::sweep(Arc::clone(&rooms))),
        tokio::spawn(indexing::keep(Arc::clone(&rooms))),
        tokio::spawn(pass_on(rooms.broker.changes(), rooms.bulletin.clone())),
    ];
    let exporting = export(&rooms);
    let depot = Depot::start(&config, &rooms.secrets, &rooms.store, &rooms.audit, &clock).map_err(|e| cannot("the object store")(&e))?;
    let socket = socket::bind(&config.server.state_dir).map_err(|e| cannot("the control socket")(&e))?;
    open_doors(&rooms, listeners, &stop).await?;
    tokio::spawn(socket::accept(socket, Arc::clone(&rooms), stop.clone()));
    wait_for_end().await?;
    drain(&rooms, &stop, config.server.drain_timeout).await;
    for task in background {
        task.abort();
    }
    if let Some(depot) = depot {
        depot.end().await;
    }
    let entry = Entry::ServerStopped { reason: "asked to stop".to_owned() };
    let receipt = rooms.audit.append(entry, clock.now()).await.map_err(|e| cannot("the audit log")(&e))?;
    ledger.holds(&receipt).await.map_err(|e| cannot("the transparency log")(&e))?;
    exporting.end().await;
    rooms.secrets.end().await;
    tracing::info!("stopped");
    Ok(())
}

/// What carries the audit log elsewhere.
struct Exporting {
    stop: CancellationToken,
    tasks: TaskTracker,
}

fn export(rooms: &Arc<Rooms>) -> Exporting {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let server = &rooms.config.server;
    for export in &rooms.config.audit_exports {
        let exporter = Exporter::new(export, &server.state_dir, &server.name, &rooms.secrets, &rooms.clock);
        tasks.spawn(exporter.run(stop.clone()));
    }
    tasks.close();
    Exporting { stop, tasks }
}

impl Exporting {
    /// Has what is left exported, if that is soon done.
    async fn end(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

#[expect(clippy::too_many_arguments, reason = "the one place where everything is put together")]
async fn build(
    config: &Arc<Config>,
    clock: &Arc<dyn Clock>,
    node: &str,
    audit: Arc<AuditLog>,
    ledger: &Ledger,
    store: Arc<dyn Store>,
    policies: bartizan_policies::PolicySet,
    recordings: &Recordings,
    tasks: TaskTracker,
) -> Result<Arc<Rooms>, ServeError> {
    let state_dir = &config.server.state_dir;
    let sealed = SealedStore::new(Arc::clone(&store), config.sealing_key.clone());
    let secrets = Secrets::new(config.vault.clone(), Some(sealed));
    let providers = Providers::new(&config.issuers, &secrets, clock).map_err(|e| cannot("an issuer")(&e))?;
    let opened = Authorities::open(state_dir, &config.authorities, clock.now(), &mut rand::rng()).await;
    let authorities = Arc::new(opened.map_err(|e| cannot("the certificate authorities")(&e))?);
    let host = open_host_key(state_dir, &mut rand::rng()).map_err(|e| cannot("the host key")(&e))?;
    let identity = Arc::new(IdentityDesk::new(providers, Arc::clone(&authorities), Arc::clone(&store), Arc::clone(clock)));
    let in_force = Arc::new(PoliciesInForce::new(policies));
    let low_water = u64::from(config.recordings.low_water_mib) << 20;
    let lanes = start_lanes(recordings, clock, ledger, reserve_of(low_water)).map_err(|e| cannot("the recorder")(&e))?;
    let settings = RecorderSettings {
        server: config.server.name.clone(),
        node: node.to_owned(),
        dir: config.recordings.dir.clone(),
        mode: config.recordings.mode,
        low_water,
        session_budget: config.recordings.session_mib.map(|mib| u64::from(mib) << 20),
    };
    let (notifier, senders) = Notifier::new(&config.notify, &config.server.name, &secrets).map_err(|e| ServeError::Start(e.to_string()))?;
    for sender in senders {
        tokio::spawn(sender.run());
    }
    let catalogue = Arc::new(Catalogue::new(&config.targets));
    let roads = Arc::new(Roads::default());
    let broker = Broker::new(Arc::clone(&store), Arc::clone(&audit), Arc::clone(clock), node, config.approvals, rand::random, notifier);
    let broker = Arc::new(broker);
    broker.recover().await.map_err(|refusal| ServeError::Start(refusal.detail))?;
    Ok(Arc::new(Rooms {
        config: Arc::clone(config),
        ledger: ledger.clone(),
        catalogue: arc_swap::ArcSwap::new(Arc::clone(&catalogue)),
        enforcer: Enforcer::new(in_force, Arc::clone(&audit), Arc::clone(&broker), Arc::clone(&catalogue), Arc::clone(clock)),
        broker,
        recorder: Recorder::new(settings, lanes, Arc::clone(&store), Arc::clone(&audit), ledger.clone(), Arc::clone(clock)),
        dialer: Arc::new(Dialer::new(Arc::clone(&secrets), authorities, Arc::clone(&store), Arc::clone(clock), Arc::clone(&roads))),
        catalogs: Arc::new(CatalogDesk::new(state_dir, Arc::clone(&secrets), Arc::clone(&roads))),
        planners: Arc::new(Planners::new(Arc::clone(&secrets), Arc::clone(&roads))),
        roads,
        lines: Arc::default(),
        publishers: Arc::default(),
        analysts: start_analysts().map_err(|e| cannot("the readers of SQL")(&e))?,
        cancels: Arc::default(),
        mask_key: mask_key(state_dir).map_err(|e| cannot("the key of masks")(&e))?,
        vouchers: Arc::new(vouchers(state_dir, config.server.name.as_str()).map_err(|e| cannot("the key of identities")(&e))?),
        reports: tokio::sync::Semaphore::new(1),
        names: Names::new(host, Arc::clone(&identity), Arc::clone(config), Arc::clone(clock)),
        live: Arc::default(),
        bulletin: tokio::sync::broadcast::Sender::new(BULLETIN),
        index: Arc::default(),
        rails: Arc::new(RailsInForce::new(config.guard_rails.clone())),
        identity,
        secrets,
        store,
        audit,
        tasks,
        stages: TaskTracker::new(),
        stop: CancellationToken::new(),
        notes: Arc::new(tokio::sync::Semaphore::new(NOTES)),
        draws: Arc::new(tokio::sync::Semaphore::new(DRAWS)),
        clock: Arc::clone(clock),
    }))
}

/// Puts what happens to approvals on the bulletin.
async fn pass_on(mut changes: Receiver<ApprovalId>, bulletin: Sender<Event>) {
    loop {
        match changes.recv().await {
            // Nobody need listen.
            Ok(id) => drop(bulletin.send(Event::Approval(id))),
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "changes of approvals were not passed on"),
            Err(RecvError::Closed) => return,
        }
    }
}

/// No core dumps: they would hold keys and tokens. New files are for this user only.
fn harden() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Core, none) {
        tracing::warn!(%error, "core dumps cannot be switched off");
    }
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the process stays dumpable");
    }
}

fn make_state_dir(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mode = std::fs::metadata(dir)?.permissions().mode();
    if mode & 0o077 != 0 {
        let why = format!("others may enter it (mode {:o}); run chmod 700", mode & 0o777);
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, why));
    }
    Ok(())
}

/// Holds the state folder: a second bastion on it would seal the first one's live recordings.
fn lock_state_dir(dir: &Path) -> Result<std::fs::File, ServeError> {
    let path = dir.join("serve.lock");
    let shown = path.display().to_string();
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(|e| cannot(&shown)(&e))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| cannot(&shown)(&"another bastion serves from this state_dir; stop it first"))?;
    Ok(file)
}

async fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ServeError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.map_err(|e| cannot(&format!("cannot listen on {address}"))(&e))?);
    }
    Ok(listeners)
}

fn open_recordings(config: &Config) -> Result<Recordings, ServeError> {
    let dir = &config.recordings.dir;
    make_state_dir(dir).map_err(|e| cannot(&dir.display().to_string())(&e))?;
    let key = signing_key(&config.server.state_dir, "recordings", rand::random()).map_err(|e| cannot("the recording key")(&e))?;
    Ok(Recordings::new(dir, key).encrypting_to(config.recordings.encrypt_to.clone()))
}

/// Opens the transparency log and puts in what is missing.
async fn open_ledger(config: &Config, store: &dyn Store) -> Result<(Ledger, Scribe), ServeError> {
    let latest = store.sessions(SessionFilter { limit: 1, ..SessionFilter::default() }).await.map_err(|e| cannot("the store")(&e))?;
    let session = latest.first().map_or(1, |latest| latest.lease.number + 1);
    let beginning = Beginning { name: config.server.name.clone(), seed: rand::random(), session };
    let state_dir = config.server.state_dir.clone();
    let opened =
        tokio::task::spawn_blocking(move || Scribe::open(state_dir, beginning)).await.map_err(|e| ServeError::Start(e.to_string()))?;
    opened.map_err(|e| ServeError::Start(e.to_string()))
}

/// The thread that writes the transparency log, and the one that takes it to witnesses.
fn start_scribe(config: &Config, scribe: Scribe, ledger: &Ledger, audit: &Arc<AuditLog>, clock: &Arc<dyn Clock>) -> Result<(), ServeError> {
    let fail = cannot("the transparency log");
    let key = scribe.public_key().ok_or_else(|| fail(&"it has no key"))?;
    tracing::info!(%key, "the transparency log is open");
    let runtime = tokio::runtime::Handle::current();
    let dir = ledger::folder(&config.server.state_dir);
    if !config.witnesses.is_empty() {
        let courier = Courier::new(dir, key, &config.witnesses, Arc::clone(audit), Arc::clone(clock)).map_err(|e| fail(&e))?;
        let (alive, runtime) = (ledger.in_use(), runtime.clone());
        let started = std::thread::Builder::new().name("witnesses".to_owned()).spawn(move || courier.run(&runtime, alive));
        started.map_err(|e| fail(&e))?;
    }
    std::thread::Builder::new().name("ledger".to_owned()).spawn(move || scribe.run(&runtime)).map(drop).map_err(|e| fail(&e))
}

/// Of what must be free for sessions to begin, a quarter is kept for those that end on a full disk: some kilobytes each.
fn reserve_of(low_water: u64) -> u64 {
    (low_water / 4).clamp(256 << 10, 64 << 20)
}

fn start_lanes(recordings: &Recordings, clock: &Arc<dyn Clock>, ledger: &Ledger, reserve: u64) -> std::io::Result<Lanes> {
    let (lanes, workers) = Lanes::new(recordings, clock, LANES, ledger, reserve);
    for (n, worker) in workers.into_iter().enumerate() {
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new().name(format!("recorder-{n}")).spawn(move || worker.run(&runtime))?;
    }
    let (all, alive) = (recordings.clone(), lanes.in_use());
    let (artist, drawn) = (lanes.artist(clock), lanes.in_use());
    std::thread::Builder::new().name("recorder-keyframes".to_owned()).spawn(move || keep_drawn(&artist, drawn))?;
    std::thread::Builder::new().name("recorder-sync".to_owned()).spawn(move || keep_synced(&all, alive))?;
    Ok(lanes)
}

/// The key that makes hashes of masked values: kept with the others, so that equal values stay equal from one start to the next.
fn mask_key(state_dir: &Path) -> Result<Arc<[u8]>, crate::audit::AuditError> {
    let key = signing_key(state_dir, "masks", rand::random())?;
    Ok(Arc::from(key.to_bytes().as_slice()))
}

/// Says to HTTP servers who callers are.
fn vouchers(state_dir: &Path, name: &str) -> Result<Vouchers, crate::audit::AuditError> {
    Ok(Vouchers::new(signing_key(state_dir, VOUCHER_KEY, rand::random())?, name))
}

/// Statements are read on threads of their own: their grammar needs big stacks, of which only what is used takes memory.
fn start_analysts() -> std::io::Result<Analysts> {
    let count = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 8);
    let (analysts, workers) = Analysts::new(count);
    for (n, worker) in workers.into_iter().enumerate() {
        std::thread::Builder::new().name(format!("sql-{n}")).stack_size(Worker::STACK).spawn(move || worker.run())?;
    }
    Ok(analysts)
}

/// Seeking wants a keyframe now and then, nobody waits for one.
fn keep_drawn(artist: &Artist, alive: impl Fn() -> bool) {
    while alive() {
        artist.draw();
        std::thread::sleep(DRAW);
    }
}

/// One call serves every session, and none waits for it.
fn keep_synced(recordings: &Recordings, alive: impl Fn() -> bool) {
    while alive() {
        let begun = Instant::now();
        if let Err(error) = recordings.sync() {
            tracing::error!(%error, alert = true, "the recordings cannot be put on disk");
        }
        std::thread::sleep(SYNC.saturating_sub(begun.elapsed()).max(Duration::from_millis(10)));
    }
}

fn watch(rooms: &Arc<Rooms>, node: &str) -> Watch {
    Watch {
        live: Arc::clone(&rooms.live),
        lines: Arc::clone(&rooms.lines),
        publishers: Arc::clone(&rooms.publishers),
        store: Arc::clone(&rooms.store),
        audit: Arc::clone(&rooms.audit),
        identity: Arc::clone(&rooms.identity),
        broker: Arc::clone(&rooms.broker),
        policies: Arc::clone(rooms.enforcer.policies()),
        clock: Arc::clone(&rooms.clock),
        node: node.to_owned(),
    }
}

async fn open_doors(rooms: &Arc<Rooms>, listeners: Vec<TcpListener>, stop: &CancellationToken) -> Result<(), ServeError> {
    // Whatever could keep visitors out is found before the first comes.
    rooms.names.outer().await.map_err(|refusal| ServeError::Start(format!("no host certificate: {}", refusal.detail)))?;
    let addresses: Vec<String> = listeners.iter().filter_map(|l| l.local_addr().ok()).map(|a| a.to_string()).collect();
    let entry = Entry::ServerStarted { version: env!("CARGO_PKG_VERSION").to_owned(), listen: addresses.clone() };
    rooms.audit.append(entry, rooms.clock.now()).await.map_err(|e| cannot("the audit log")(&e))?;
    let hall = Arc::new(Foyer(Arc::clone(rooms)));
    let gate = Gate::new(rooms.config.limits);
    for listener in listeners {
        tokio::spawn(listen::accept(listener, Arc::clone(&hall), Arc::clone(&gate), stop.clone()));
    }
    for address in addresses {
        tracing::info!("listening on {address}");
    }
    Ok(())
}

async fn wait_for_end() -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| cannot("SIGTERM")(&e))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| cannot("SIGINT")(&e))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// No new sessions; a notice to the live ones; then their end.
async fn drain(rooms: &Arc<Rooms>, stop: &CancellationToken, patience: Duration) {
    stop.cancel();
    rooms.stages.close();
    let live: &Arc<Live> = &rooms.live;
    let waited = rooms.broker.close().await;
    tracing::info!(sessions = live.count(), waited, seconds = patience.as_secs(), "draining");
    live.tell_all(&sentences::draining(patience));
    wait_until_empty(live, patience).await;
    live.end_all("the bastion is shutting down", Reason::Drained);
    wait_until_empty(live, Duration::from_secs(5)).await;
    // Who has the terminal UI open gets their terminal back, and who waited for an approval reads that it is over.
    if tokio::time::timeout(Duration::from_secs(3), rooms.stages.wait()).await.is_ok() || waited > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn wait_until_empty(live: &Arc<Live>, patience: Duration) {
    let deadline = tokio::time::Instant::now() + patience;
    while live.count() > 0 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
