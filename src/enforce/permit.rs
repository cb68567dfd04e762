//! The proof that policy allows a session. Only `enforce` makes one.

use std::sync::{Arc, Mutex};

use bartizan_policies::{Action, Line, PolicySet, Slice, Transfer, Verdict};
use jiff::Timestamp;

use crate::approvals::Grant;
use crate::frontdoor::Refusal;
use crate::model::SessionId;
use crate::store::Needed;
use crate::targets::Routed;

use super::calls::Tally;
use super::decider::{Ongoing, lock, recheck, recheck_ongoing};
use super::judge::Asker;
use super::moderation::Moderation;
use super::questions::Question;
use super::repeats::Repeats;

/// What a session was permitted to be. What is not decided at its beginning is decided as it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// An ordinary shell, recorded; what is typed is watched, not decided.
    Shell,
    /// The bastion's own prompt: every line is decided.
    GuardedShell,
    /// One command line, every command of which was decided.
    Exec(Line),
    /// The original scp protocol: every file is decided.
    Scp(Line),
    /// rsync: the trees it may touch are decided before it starts.
    Rsync(Line),
    /// SFTP: every file is decided.
    Sftp,
    /// A PostgreSQL database: every statement is decided.
    Postgres,
    /// An HTTP server: every request is decided.
    Http,
    /// A Kubernetes API server: every request is decided.
    Kubernetes,
}

/// Everything that touches a file.
pub const FILE_ACTIONS: [Action; 5] = [Action::SftpList, Action::SftpRead, Action::SftpWrite, Action::SftpRemove, Action::SftpRename];

/// Everything that a statement can do to something other than a column.
pub const SQL_ACTIONS: [Action; 12] = [
    Action::PgSelect,
    Action::PgInsert,
    Action::PgUpdate,
    Action::PgDelete,
    Action::PgTruncate,
    Action::PgDdl,
    Action::PgCall,
    Action::PgCopyIn,
    Action::PgCopyOut,
    Action::PgSet,
    Action::PgDo,
    Action::PgMaintain,
];

/// And to a column.
pub const SQL_COLUMN_ACTIONS: [Action; 2] = [Action::PgReadColumn, Action::PgFilterColumn];

fn sql_actions() -> impl Iterator<Item = Action> {
    SQL_ACTIONS.into_iter().chain(SQL_COLUMN_ACTIONS)
}

/// Every request.
const HTTP_ACTIONS: [Action; 8] = [
    Action::HttpGet,
    Action::HttpHead,
    Action::HttpOptions,
    Action::HttpPost,
    Action::HttpPut,
    Action::HttpPatch,
    Action::HttpDelete,
    Action::HttpOther,
];

/// Every request to a Kubernetes API server.
const K8S_ACTIONS: [Action; 14] = [
    Action::K8sGet,
    Action::K8sList,
    Action::K8sWatch,
    Action::K8sCreate,
    Action::K8sUpdate,
    Action::K8sPatch,
    Action::K8sDelete,
    Action::K8sDeleteCollection,
    Action::K8sExec,
    Action::K8sAttach,
    Action::K8sLogs,
    Action::K8sPortForward,
    Action::K8sProxy,
    Action::K8sNonResource,
];

/// What leaves the rows of a database as they are: `SET` is about the session alone.
const SQL_READS: [Action; 5] = [Action::PgSelect, Action::PgCopyOut, Action::PgReadColumn, Action::PgFilterColumn, Action::PgSet];

impl Mode {
    /// What a copying program is to do, if the session is one.
    #[must_use]
    pub fn transfer(&self) -> Option<&Transfer> {
        match self {
            Self::Scp(line) | Self::Rsync(line) => line.transfer(),
            _ => None,
        }
    }

    /// Whether any policy could permit anything in a session of this mode.
    pub(super) fn may_be(&self, slice: &Slice) -> bool {
        match self {
            Self::Shell => true,
            // A line that runs no program (`cd /tmp`) is asked nothing; it is for those who may run something.
            Self::Exec(line) => !line.operations().is_empty() || slice.may_permit(Action::SshExec),
            Self::GuardedShell => slice.may_permit(Action::SshExec),
            Self::Scp(_) | Self::Rsync(_) | Self::Sftp => FILE_ACTIONS.iter().any(|action| slice.may_permit(*action)),
            Self::Postgres => sql_actions().any(|action| slice.may_permit(action)),
            Self::Http => HTTP_ACTIONS.iter().any(|action| slice.may_permit(*action)),
            Self::Kubernetes => K8S_ACTIONS.iter().any(|action| slice.may_permit(*action)),
        }
    }

    /// Whether nothing but reading could be permitted.
    pub(super) fn reads_only(&self, slice: &Slice) -> bool {
        let changes = |action: &Action| !SQL_READS.contains(action);
        *self == Self::Postgres && !sql_actions().filter(changes).any(|action| slice.may_permit(action))
    }

    /// What has to be allowed, beside the target itself, before a session of this mode begins.
    pub(super) fn questions(&self, login: &str) -> Vec<Question> {
        match self {
            Self::Shell => vec![Question::shell(login)],
            Self::Exec(line) => Question::of_line(login, line),
            Self::GuardedShell | Self::Scp(_) | Self::Rsync(_) | Self::Sftp | Self::Postgres | Self::Http | Self::Kubernetes => Vec::new(),
        }
    }
}

/// A routed ask that every policy question allowed, each verdict written to the audit log.
#[derive(Debug)]
pub struct Permit {
    pub(super) routed: Routed,
    pub(super) session: SessionId,
    pub(super) mode: Mode,
    pub(super) started_at: Timestamp,
    pub(super) policies: Vec<String>,
    pub(super) digest: String,
    pub(super) reads_only: bool,
    pub(super) record_input: bool,
    pub(super) ongoing: Mutex<Ongoing>,
    /// What people approved for it to begin.
    pub(super) begun_by: Option<Arc<Grant>>,
    /// What people approved for the whole of it.
    pub(super) grants: Mutex<Vec<Arc<Grant>>>,
    /// The policies that let it go on, or begin, while it cannot be recorded; none where nothing does.
    pub(super) unrecorded: Mutex<Option<Vec<String>>>,
    pub(super) moderation: Arc<Moderation>,
    /// How often what was allowed was done again.
    pub(super) repeats: Mutex<Repeats>,
    /// What its statements came to.
    pub(super) tally: Mutex<Tally>,
}

impl Permit {
    /// What was routed.
    #[must_use]
    pub fn routed(&self) -> &Routed {
        &self.routed
    }

    /// The session's id.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// What the session is.
    #[must_use]
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// When it was permitted.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Whether no policy could permit it to change anything on a database: it is opened read-only there.
    #[must_use]
    pub fn reads_only(&self) -> bool {
        self.reads_only
    }

    /// The ids of the policies that allowed it.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        &self.policies
    }

    /// The digest of the policy set that allowed it, hex SHA-256.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether what is typed is to be recorded, as the policies said that it began under.
    #[must_use]
    pub fn records_input(&self) -> bool {
        self.record_input
    }

    /// The approval that it began with, if it was held.
    #[must_use]
    pub fn grant(&self) -> Option<&Grant> {
        self.begun_by.as_deref()
    }

    /// The ids of the policies that let the session go on, or begin, while it cannot be recorded; none where it must not. Nothing
    /// is written: whoever makes use of it raises an alert.
    #[must_use]
    pub fn may_go_unrecorded(&self) -> Option<Vec<String>> {
        lock(&self.unrecorded).clone()
    }

    /// Asks that again under another set.
    pub(super) fn ask_unrecorded(&self, slice: &Slice, now: Timestamp) {
        let asker = Asker::of(&self.routed, self.session);
        let decision = asker.ask(slice, now, &Question::unrecorded(asker.ask.account()));
        // There is nobody to wait for when a disk fails: what would have to be approved first is not allowed.
        let allowed = matches!(decision.verdict, Verdict::Allow);
        *lock(&self.unrecorded) = allowed.then(|| decision.policies.iter().map(ToString::to_string).collect());
    }

    /// Who has to watch it, and who does.
    #[must_use]
    pub fn moderation(&self) -> &Arc<Moderation> {
        &self.moderation
    }

    /// Whether a grant answers `need` in any operation of this session at `now`.
    pub(super) fn has_grant(&self, need: &Needed, now: Timestamp) -> bool {
        lock(&self.grants).iter().any(|grant| grant.answers_all(need, now))
    }

    /// Keeps a grant that is for the whole session.
    pub(super) fn keep(&self, grant: &Arc<Grant>) {
        if grant.lapses().is_some() {
            lock(&self.grants).push(Arc::clone(grant));
        }
    }

    /// When the approval that it began with is over, if it began with one for the whole session.
    #[must_use]
    pub fn lapses(&self) -> Option<Timestamp> {
        self.begun_by.as_ref().and_then(|grant| grant.lapses())
    }

    /// Asks all questions again under `set`, also those about what goes on in it now: live sessions obey today's policy.
    ///
    /// # Errors
    /// When today's policy would not let it begin or go on.
    pub fn recheck(&self, set: &PolicySet, now: Timestamp) -> Result<(), Refusal> {
        let ask = self.routed.identified().ask();
        let slice = Asker::of(&self.routed, self.session).slice(set);
        self.ask_unrecorded(&slice, now);
        let mut questions = vec![Question::connect(ask.account(), &ask.wish)];
        questions.extend(self.mode.questions(ask.account()));
        let answered = |need: &Needed| self.grant().is_some_and(|grant| grant.answers(need)) || self.moderation.keeps(need);
        recheck(self, &slice, now, &questions, &answered)?;
        if !self.mode.may_be(&slice) {
            let sentence = format!("No policy permits anything there any more, so the {} ends.", ask.wish);
            return Err(Refusal::denied(sentence.clone(), sentence));
        }
        recheck_ongoing(self, &slice, now)
    }
}
