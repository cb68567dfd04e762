//! Begins and ends recordings: store, head, audit entry and its leaf in the transparency log first; the target is dialled only after.

use std::path::PathBuf;
use std::sync::Arc;

use bartizan_recorder::{Event, Head, Reason, Terminal, Typed};
use tokio::sync::oneshot;

use crate::audit::{AuditLog, Entry};
use crate::config::RecordingMode;
use crate::enforce::{Mode, Permit};
use crate::frontdoor::{Ask, Refusal};
use crate::ledger::Ledger;
use crate::model::{Clock, Wish};
use crate::store::{Lease, Opening, SessionEnd, Store};

use super::alarm::Alarm;
use super::lanes::{Job, Lanes, Piece, Reel, Room};
use super::tape::{Closing, PATIENCE, Rules, Tape, Taped};

const NOT_RECORDED: &str = "This session cannot be recorded, so it is not begun; tell the operator.";

/// What the operator set.
#[derive(Debug, Clone)]
pub struct RecorderSettings {
    /// The bastion's name.
    pub server: String,
    /// This node's name.
    pub node: String,
    /// The folder of recordings.
    pub dir: PathBuf,
    /// What to do when writing fails.
    pub mode: RecordingMode,
    /// Free bytes below which no session begins.
    pub low_water: u64,
    /// Bytes that the recording of one session may fill.
    pub session_budget: Option<u64>,
}

/// Begins and ends recordings.
pub struct Recorder {
    settings: RecorderSettings,
    lanes: Lanes,
    store: Arc<dyn Store>,
    audit: Arc<AuditLog>,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    alarm: Arc<Alarm>,
}

/// A session that does not begin.
struct NotBegun {
    refusal: Refusal,
    /// SHA-256 of the seal of its recording, if it has one.
    seal: Option<[u8; 32]>,
    /// Whether it has a recording that could not be sealed.
    unsealed: bool,
}

impl From<Refusal> for NotBegun {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, seal: None, unsealed: false }
    }
}

impl Recorder {
    /// A recorder that writes through `lanes`.
    #[must_use]
    pub fn new(
        settings: RecorderSettings,
        lanes: Lanes,
        store: Arc<dyn Store>,
        audit: Arc<AuditLog>,
        ledger: Ledger,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let alarm = Arc::new(Alarm::new(Arc::clone(&audit), Arc::clone(&clock)));
        Self { settings, lanes, store, audit, ledger, clock, alarm }
    }

    /// Begins the recording of a permitted session.
    ///
    /// # Errors
    /// When store, disk or audit log refuse: then the session does not run, unless it is the disk and policy or mode let it.
    pub async fn tape(&self, permit: Permit) -> Result<Taped, Refusal> {
        let permit = Arc::new(permit);
        let refuse = |e: &dyn std::fmt::Display| Refusal::unavailable(NOT_RECORDED, e.to_string());
        let opening = self.opening(&permit);
        let lease = self.store.open_session(opening.clone()).await.map_err(|e| refuse(&e))?;
        match Box::pin(self.begin(&permit, lease.number, &opening)).await {
            Ok(tape) => Ok(Taped { permit, tape, lease }),
            Err(failed) => {
                self.account_for(&opening, lease, &failed).await;
                Err(failed.refusal)
            }
        }
    }

    /// Says what became of the number that was given to a session that does not begin, or the next start does.
    async fn account_for(&self, opening: &Opening, lease: Lease, failed: &NotBegun) {
        let (session, number, reason) = (opening.id, lease.number, failed.refusal.detail.clone());
        let entry = Entry::SessionVoid { session, number, reason: reason.clone(), seal: failed.seal.map(hex::encode) };
        if let Err(error) = self.audit.append(entry, self.clock.now()).await {
            return tracing::error!(%error, %session, "a session that did not begin could not be audited; the next start will");
        }
        if failed.unsealed {
            return;
        }
        let end = SessionEnd { at: self.clock.now(), reason, exit_status: None };
        if let Err(error) = self.store.close_session(session, lease.token, end).await {
            tracing::error!(%error, %session, "a session that did not begin stays open in the store");
        }
    }

    async fn begin(&self, permit: &Arc<Permit>, number: u64, opening: &Opening) -> Result<Tape, NotBegun> {
        let reel = match self.create(permit, number).await {
            Ok(reel) => Some(reel),
            Err(failed) => {
                self.without(permit, number, failed).await?;
                None
            }
        };
        let rules = Rules { mode: self.settings.mode, budget: self.settings.session_budget };
        let typing = columns(permit).filter(|_| reel.is_some()).map(Typed::new);
        let tape = Tape::new(self.lanes.clone(), number, reel, rules, Arc::clone(permit), Arc::clone(&self.alarm), typing);
        match self.announce(permit, number, opening, &tape).await {
            Ok(()) => Ok(tape),
            Err(refusal) => match tape.finish(Reason::Failed, None).await {
                Ok(seal) => Err(NotBegun { refusal, seal, unsealed: false }),
                Err(error) => {
                    tracing::error!(%error, session = %opening.id, "the recording of a session that did not begin is left unsealed");
                    Err(NotBegun { refusal, seal: None, unsealed: true })
                }
            },
        }
    }

    async fn create(&self, permit: &Permit, number: u64) -> Result<Arc<Reel>, NotBegun> {
        let refuse = |e: &dyn std::fmt::Display| Refusal::unavailable(NOT_RECORDED, e.to_string());
        let head = self.head(permit, number).map_err(|e| refuse(&e))?;
        let lane = self.lanes.of(number).ok_or_else(|| refuse(&"no lane"))?;
        let (reply, answer) = oneshot::channel();
        let asked = async {
            lane.send(Job::Create(Box::new(head), columns(permit).is_some(), self.room(), reply)).await.map_err(|e| refuse(&e))?;
            answer.await.map_err(|e| refuse(&e))?.map_err(|e| refuse(&e))
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(created) => Ok(created?),
            Err(_) => {
                let refusal = refuse(&format!("the disk has not answered for {} seconds", PATIENCE.as_secs()));
                // It may yet be made; the next start closes it then.
                Err(NotBegun { refusal, seal: None, unsealed: true })
            }
        }
    }

    /// Whether a session begins all the same that cannot be recorded: the alert is written before it does.
    async fn without(&self, permit: &Permit, number: u64, failed: NotBegun) -> Result<(), NotBegun> {
        let allowed_by = match self.settings.mode {
            RecordingMode::BestEffort => Some(vec!["mode = \"best-effort\"".to_owned()]),
            RecordingMode::Strict => permit.may_go_unrecorded(),
        };
        let why = &failed.refusal.detail;
        let Some(allowed_by) = allowed_by else {
            self.alarm.failed(permit, why.clone()).await;
            return Err(failed);
        };
        let written = self.alarm.unrecorded(permit, why, allowed_by, Some(number)).await;
        written.map_err(|error| Refusal::unavailable(NOT_RECORDED, error.to_string()).into())
    }

    /// Writes what comes before the target is dialled: the first events, the audit entry, and its leaf.
    async fn announce(&self, permit: &Permit, number: u64, opening: &Opening, tape: &Tape) -> Result<(), Refusal> {
        let refuse = |e: &dyn std::fmt::Display| Refusal::unavailable(NOT_RECORDED, e.to_string());
        tape.write(first_pieces(permit)).await.map_err(|e| refuse(&e))?;
        let entry = Entry::SessionOpened {
            session: opening.id,
            number,
            principal: opening.principal.id.clone(),
            target: opening.target.clone(),
            login: opening.login.clone(),
            wish: opening.wish.clone(),
            source: opening.source,
            head: tape.head_hash().map(hex::encode),
        };
        let receipt = self.audit.append(entry, self.clock.now()).await.map_err(|e| refuse(&e))?;
        if self.settings.mode == RecordingMode::Strict {
            self.ledger.holds(&receipt).await.map_err(|e| refuse(&e))?;
        }
        Ok(())
    }

    /// Seals the recording and closes the session in store and audit log. What fails is logged: the next start mends it.
    pub async fn close(&self, taped: &Taped, closing: Closing, traffic: (u64, u64)) {
        let session = taped.permit.session();
        let sealed = taped.tape.finish(closing.reason, closing.exit.clone()).await;
        if let Err(error) = &sealed {
            tracing::error!(%error, %session, alert = true, "a recording could not be sealed; the next start will");
        }
        taped.tape.watchable().feed.end(&closing.sentence);
        let now = self.clock.now();
        let exit_status = closing.exit.as_ref().and_then(|exit| exit.status);
        let end = SessionEnd { at: now, reason: closing.sentence.clone(), exit_status };
        let duration = now.duration_since(taped.permit.started_at());
        let identified = taped.permit.routed().identified();
        let entry = Entry::SessionClosed {
            session,
            number: Some(taped.lease.number),
            seal: sealed.as_ref().ok().copied().flatten().map(hex::encode),
            principal: identified.caller().principal().id.clone(),
            target: identified.ask().target.clone(),
            bytes_in: traffic.0,
            bytes_out: traffic.1,
            exit_status,
            reason: closing.sentence,
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(0),
        };
        for counted in taped.permit.repeated(now, true) {
            if let Err(error) = self.audit.append(counted, now).await {
                tracing::error!(%error, %session, "how often things were done could not be audited");
            }
        }
        if let Err(error) = self.audit.append(entry, now).await {
            return tracing::error!(%error, %session, alert = true, "the end of a session could not be audited; the next start will");
        }
        // Only a session that the store still holds open is sealed, and its end told, at the next start.
        if sealed.is_ok()
            && let Err(error) = self.store.close_session(session, taped.lease.token, end).await
        {
            tracing::error!(%error, %session, "a session could not be closed in the store");
        }
    }

    /// The room that a recording needs to begin; in best-effort mode it begins without.
    fn room(&self) -> Option<Room> {
        let strict = self.settings.mode == RecordingMode::Strict;
        strict.then(|| Room { dir: self.settings.dir.clone(), free: self.settings.low_water })
    }

    fn opening(&self, permit: &Permit) -> Opening {
        let identified = permit.routed().identified();
        let (caller, ask) = (identified.caller(), identified.ask());
        Opening {
            id: permit.session(),
            principal: caller.principal().clone(),
            target: ask.target.clone(),
            target_kind: permit.routed().target().kind(),
            login: ask.login.clone(),
            wish: ask.wish.to_string(),
            source: caller.source(),
            certificate: caller.certificate(),
            node: self.settings.node.clone(),
            started_at: permit.started_at(),
            recording: format!("{}/{}", permit.started_at().strftime("%Y/%m/%d"), permit.session()),
            policies: permit.policies().to_vec(),
        }
    }

    fn head(&self, permit: &Permit, number: u64) -> Result<Head, bartizan_recorder::BadHead> {
        let identified = permit.routed().identified();
        let (caller, ask) = (identified.caller(), identified.ask());
        Ok(Head {
            client: String::new(),
            command: command(&ask.wish),
            first_key: String::new(),
            input_key: String::new(),
            groups: caller.principal().groups.iter().map(ToString::to_string).collect(),
            kind: kind(permit.mode()).to_owned(),
            login: ask.login.as_ref().map(ToString::to_string),
            number,
            policy_digest: permit.digest().to_owned(),
            principal: caller.principal().id.to_string(),
            recipients: Vec::new(),
            server: self.settings.server.clone(),
            session: permit.session().to_string().parse()?,
            source_address: caller.source().to_string(),
            started_us: permit.started_at().as_microsecond(),
            tags: permit.routed().target().tags.clone(),
            target: ask.target.to_string(),
            terminal: terminal(ask),
            version: 0,
        })
    }
}

/// The width of the terminal where what is typed is recorded; none where it is not.
fn columns(permit: &Permit) -> Option<u16> {
    let ask = Some(permit.routed().identified().ask()).filter(|_| permit.records_input())?;
    terminal(ask).map(|terminal| terminal.cols)
}

fn kind(mode: &Mode) -> &'static str {
    match mode {
        Mode::Shell => "ssh.shell",
        Mode::GuardedShell => "ssh.guarded_shell",
        Mode::Exec(_) => "ssh.exec",
        Mode::Scp(_) => "ssh.scp",
        Mode::Rsync(_) => "ssh.rsync",
        Mode::Sftp => "ssh.sftp",
        Mode::Postgres => "postgres",
        Mode::Http => "http",
        Mode::Kubernetes => "kubernetes",
    }
}

fn command(wish: &Wish) -> Option<String> {
    match wish {
        Wish::Shell => None,
        Wish::Exec(line) => Some(line.clone()),
        Wish::Subsystem(name) => Some(name.clone()),
        Wish::Database(name) => Some(format!("database {name}")),
        Wish::Http | Wish::Kubernetes => None,
    }
}

/// A terminal without a size is drawn as 80×24, as OpenSSH's own `-tt` without a terminal has it 0×0.
#[must_use]
pub fn terminal(ask: &Ask) -> Option<Terminal> {
    let asked = ask.terminal.as_ref()?;
    let cell = |n: u32, default: u16| u16::try_from(n).ok().filter(|n| *n > 0).unwrap_or(default);
    Some(Terminal { cols: cell(asked.size.0, 80), rows: cell(asked.size.1, 24), term: asked.term.clone() })
}

fn first_pieces(permit: &Permit) -> Vec<Piece> {
    let ask = permit.routed().identified().ask();
    let mut pieces: Vec<Piece> =
        ask.environment.iter().map(|(name, value)| Piece::Event(Event::environment(name.clone(), value.clone()).into_owned())).collect();
    let operation = serde_json::json!({
        "action": kind(permit.mode()),
        "text": ask.wish.to_string(),
        "verdict": "allow",
        "policies": permit.policies(),
        "approval": permit.grant().map(|grant| grant.approval()),
        "approved_by": permit.grant().map(|grant| grant.by()),
    });
    pieces.push(Piece::operation(&operation));
    if permit.records_input() && ask.terminal.is_none() {
        // Without a terminal there is no echo, and so no telling what is secret.
        pieces.push(Tape::note("input is not recorded: the session has no terminal".to_owned()));
    }
    pieces
}
