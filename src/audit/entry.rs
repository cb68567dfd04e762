//! Everything that is ever written to the audit log. The list is closed: what happens and is not here is not audited, so a
//! new kind of event begins with a new entry. Texts from outside are kept as they came; the line escapes them.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Calls, Facts, Repeated};
use crate::model::{ApprovalId, AuthorityKind, Login, PrincipalId, PrincipalKind, RailAction, SessionId, TargetName};

/// What policy said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Go on.
    Allow,
    /// Wait for somebody's approval.
    Hold,
    /// No.
    Deny,
}

/// How somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginMethod {
    /// A code typed at the provider (RFC 8628).
    Device,
    /// Authorization code with PKCE in a browser (RFC 7636, RFC 8252).
    Browser,
    /// A workload token as a password.
    Token,
    /// A certificate of our user authority.
    Certificate,
    /// The socket on the bastion's own machine.
    Local,
    /// Nothing we take: none, a bare key, a password.
    Other,
}

/// One event. `by` is a principal, or `local:` and the name of an account on the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind")]
#[expect(missing_docs, reason = "a field is documented by its name; units are in it")]
pub enum Entry {
    /// The server accepts visitors.
    #[serde(rename = "server.started")]
    ServerStarted { version: String, listen: Vec<String> },
    /// The server accepts no more visitors.
    #[serde(rename = "server.stopped")]
    ServerStopped { reason: String },
    /// A changed configuration is in force.
    #[serde(rename = "config.reloaded")]
    ConfigReloaded { file: String },
    /// A changed configuration has problems; the old one stays in force.
    #[serde(rename = "config.rejected")]
    ConfigRejected { file: String, problems: Vec<String> },
    /// A set of policies is in force.
    #[serde(rename = "policies.reloaded")]
    PoliciesReloaded { digest: String, policies: u64 },
    /// Changed policies have problems; the old ones stay in force.
    #[serde(rename = "policies.rejected")]
    PoliciesRejected { problems: Vec<String> },

    /// Somebody is who they say.
    #[serde(rename = "login.succeeded")]
    LoginSucceeded {
        principal: PrincipalId,
        principal_kind: PrincipalKind,
        method: LoginMethod,
        issuer: String,
        source: IpAddr,
        key_fingerprint: Option<String>,
    },
    /// Somebody could not show who they are. `user` is what they called themselves; `reason` what they were told; `detail`
    /// what the operator needs besides.
    #[serde(rename = "login.failed")]
    LoginFailed { user: String, method: LoginMethod, reason: String, source: IpAddr, detail: String },

    /// A certificate was signed.
    #[serde(rename = "certificate.issued")]
    CertificateIssued {
        authority: AuthorityKind,
        serial: u64,
        key_id: String,
        principal: Option<PrincipalId>,
        key_fingerprint: String,
        ca_fingerprint: String,
        valid_after: Timestamp,
        valid_before: Timestamp,
        source_address: Option<String>,
        source: Option<IpAddr>,
    },
    /// A certificate was asked for and not given.
    #[serde(rename = "certificate.refused")]
    CertificateRefused {
        authority: AuthorityKind,
        principal: Option<PrincipalId>,
        key_fingerprint: Option<String>,
        source: Option<IpAddr>,
        reason: String,
    },
    /// A certificate, a key or a principal's past is no longer trusted.
    #[serde(rename = "trust.revoked")]
    TrustRevoked { what: String, reason: String, by: String },
    /// An authority has a new key; `old` verifies until its certificates have run out.
    #[serde(rename = "ca.rotated")]
    CaRotated { authority: AuthorityKind, old: Option<String>, new: String, by: String },

    /// Policy decided. Written before the decision takes effect.
    #[serde(rename = "decision")]
    Decision {
        principal: PrincipalId,
        principal_kind: PrincipalKind,
        target: Option<TargetName>,
        login: Option<Login>,
        action: String,
        operation: String,
        verdict: Verdict,
        policies: Vec<String>,
        reason: String,
        source: Option<IpAddr>,
        session: Option<SessionId>,
        /// The groups the principal was in.
        #[serde(default)]
        groups: Vec<String>,
        /// What policy was told besides; none in entries of early versions, and where no single question was asked.
        #[serde(default)]
        facts: Option<Facts>,
    },
    /// A request over HTTP that was let through is over: answered, cut short, or not answered at all. Its decision stands before it.
    #[serde(rename = "call.ended")]
    CallEnded {
        session: SessionId,
        principal: PrincipalId,
        principal_kind: PrincipalKind,
        /// The groups the principal was in; none in entries of early versions.
        #[serde(default)]
        groups: Vec<String>,
        target: TargetName,
        /// The number of the request in its session, as the recording has it.
        request: u64,
        operation: String,
        policies: Vec<String>,
        status: u16,
        /// The body of the request, as far as its length was said or it was read before it was decided.
        bytes_in: Option<u64>,
        /// The body of the answer, as the server sent it.
        bytes_out: u64,
        duration_ms: u64,
        /// Where in the recording the request stands.
        recording_ms: u64,
        /// Why it was cut short.
        cut: Option<String>,
    },
    /// Statements of SQL that were let through are over, so many of each kind since this was last written.
    #[serde(rename = "calls.ended")]
    CallsEnded {
        session: SessionId,
        principal: PrincipalId,
        principal_kind: PrincipalKind,
        /// The groups the principal was in.
        groups: Vec<String>,
        target: TargetName,
        login: Option<Login>,
        calls: Vec<Calls>,
    },
    /// Something was asked for by its protocol name (`direct-tcpip`, `auth-agent-req@openssh.com`) that is not served.
    #[serde(rename = "refused")]
    Refused { what: String, principal: Option<PrincipalId>, source: IpAddr, detail: String },

    /// A session begins; its target is not dialled yet.
    #[serde(rename = "session.opened")]
    SessionOpened {
        session: SessionId,
        number: u64,
        principal: PrincipalId,
        target: TargetName,
        login: Option<Login>,
        wish: String,
        source: IpAddr,
        /// SHA-256 of the recording's head.json, hexadecimal; none in entries of early versions.
        #[serde(default)]
        head: Option<String>,
    },
    /// A number was given to a session that then never began: its recording or its first entry could not be written.
    #[serde(rename = "session.void")]
    SessionVoid {
        session: SessionId,
        number: u64,
        reason: String,
        /// SHA-256 of the recording's seal.json, hexadecimal, where there is a recording.
        seal: Option<String>,
    },
    /// A session has ended. Bytes are those of the visitor: sent to the target, received from it.
    #[serde(rename = "session.closed")]
    SessionClosed {
        session: SessionId,
        /// None in entries of early versions.
        #[serde(default)]
        number: Option<u64>,
        /// SHA-256 of the recording's seal.json, hexadecimal; none when it could not be sealed.
        #[serde(default)]
        seal: Option<String>,
        principal: PrincipalId,
        target: TargetName,
        bytes_in: u64,
        bytes_out: u64,
        exit_status: Option<u32>,
        reason: String,
        duration_ms: u64,
    },
    /// What policy allowed in a session was done again, so many times since this was last written.
    #[serde(rename = "session.repeated")]
    SessionRepeated { session: SessionId, principal: PrincipalId, target: TargetName, login: Option<Login>, operations: Vec<Repeated> },
    /// Somebody ordered a session to end.
    #[serde(rename = "session.end_ordered")]
    SessionEndOrdered { session: SessionId, reason: String, by: String },

    /// Those watch a moderated session who have to: it begins, or goes on.
    #[serde(rename = "session.watched")]
    SessionWatched { session: SessionId },
    /// Nobody watches a moderated session who has to: it stands still.
    #[serde(rename = "session.unwatched")]
    SessionUnwatched { session: SessionId },
    /// Somebody watches a session no longer; that they began to is a decision.
    #[serde(rename = "watch.ended")]
    WatchEnded { session: SessionId, by: String },

    /// Somebody publishes a target through their connection; that they may is a decision. `publication` counts them, from each start anew.
    #[serde(rename = "target.published")]
    TargetPublished { target: TargetName, principal: PrincipalId, source: IpAddr, publication: u64 },
    /// A target is not published any more by somebody who did.
    #[serde(rename = "target.withdrawn")]
    TargetWithdrawn { target: TargetName, principal: PrincipalId, publication: u64, reason: String },

    /// An operation waits for people to answer. `digest` is what the answer is bound to.
    #[serde(rename = "approval.asked")]
    ApprovalAsked {
        approval: ApprovalId,
        session: SessionId,
        principal: PrincipalId,
        target: TargetName,
        action: String,
        operation: String,
        digest: String,
        policies: Vec<String>,
        groups: Vec<String>,
        reason: String,
        source: IpAddr,
        deadline: Timestamp,
    },
    /// Somebody answered; written before the answer counts.
    #[serde(rename = "approval.reviewed")]
    ApprovalReviewed {
        approval: ApprovalId,
        by: PrincipalId,
        approve: bool,
        reason: String,
        valid_seconds: Option<u64>,
        source: IpAddr,
        /// What the answer is bound to; none in entries of early versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        /// The answer as its approver signed it: an SSH signature, the fingerprint of its key, and the moment that is in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed_by: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed_at: Option<Timestamp>,
    },
    /// Nobody answered in time, the caller took it back or left, or an approval was taken back.
    #[serde(rename = "approval.ended")]
    ApprovalEnded { approval: ApprovalId, state: String, reason: String, by: Option<String> },

    /// Somebody ordered a frozen session to go on.
    #[serde(rename = "session.resume_ordered")]
    SessionResumeOrdered { session: SessionId, reason: String, by: String },

    /// A guard rail saw what it looks for; this is no decision of a policy. `line` is what was seen, cut short.
    #[serde(rename = "guard_rail.triggered")]
    GuardRailTriggered {
        session: SessionId,
        guard_rail: String,
        action: RailAction,
        principal: PrincipalId,
        target: TargetName,
        line: String,
    },
    /// A session that a guard rail had frozen goes on.
    #[serde(rename = "guard_rail.resumed")]
    GuardRailResumed { session: SessionId, guard_rail: String, by: String },
    /// Changed guard rails are in force.
    #[serde(rename = "guard_rails.reloaded")]
    GuardRailsReloaded { file: String, guard_rails: u64 },

    /// A lock is in force.
    #[serde(rename = "lock.added")]
    LockAdded { lock: u64, subject: String, reason: String, by: String, expires_at: Option<Timestamp> },
    /// A lock is no longer in force.
    #[serde(rename = "lock.removed")]
    LockRemoved { lock: u64, subject: String, by: String },

    /// A secret was sealed in the bastion's own store, or another one in its place.
    #[serde(rename = "secret.sealed")]
    SecretSealed { name: String, key: String, by: String },
    /// A sealed secret was taken away.
    #[serde(rename = "secret.removed")]
    SecretRemoved { name: String, by: String },

    /// Somebody watched a recording.
    #[serde(rename = "recording.replayed")]
    RecordingReplayed { session: SessionId, by: String },
    /// Somebody took a copy of a recording.
    #[serde(rename = "recording.exported")]
    RecordingExported { session: SessionId, format: String, by: String },
    /// Somebody checked a recording.
    #[serde(rename = "recording.verified")]
    RecordingVerified { session: SessionId, result: String, by: String },
    /// Somebody searched what was recorded; written before they see what was found.
    #[serde(rename = "recordings.searched")]
    RecordingsSearched { text: String, hits: u64, by: String },
    /// Somebody reads the audit log; written before they see any of it.
    #[serde(rename = "audit.read")]
    AuditRead { by: String, filter: String },
    /// Somebody reads a list over the control protocol; written once for each list and connection, before they see any of it.
    #[serde(rename = "control.read")]
    ControlRead { by: String, what: String, source: IpAddr },
    /// A recording is kept whatever its age.
    #[serde(rename = "recording.held")]
    RecordingHeld { session: SessionId, reason: String, by: String },
    /// A recording is kept no longer than others.
    #[serde(rename = "recording.released")]
    RecordingReleased { session: SessionId, by: String },
    /// A recording that a crash left open was closed.
    #[serde(rename = "recording.recovered")]
    RecordingRecovered {
        session: SessionId,
        bytes_cut: u64,
        detail: String,
        /// None in entries of early versions.
        #[serde(default)]
        number: Option<u64>,
        /// SHA-256 of the seal.json that it has now, hexadecimal.
        #[serde(default)]
        seal: Option<String>,
    },
    /// A recording is about to be deleted; its leaf is in the transparency log before it is.
    #[serde(rename = "recording.deleted")]
    RecordingDeleted { session: SessionId, number: u64, reason: String, by: String },
    /// A recording is in the object store whole, and was read back; its channel file here is removed after this.
    #[serde(rename = "recording.stored")]
    RecordingStored { session: SessionId, bytes: u64, objects: u64, sha256: String, place: String },
    /// The object store has failed for some time, or what is in it is not what was sent.
    #[serde(rename = "depot.failed")]
    DepotFailed { what: String, detail: String, waiting_bytes: u64 },
    /// The object store takes what comes again.
    #[serde(rename = "depot.recovered")]
    DepotRecovered { what: String, since: Timestamp },
    /// A session begins or goes on although it cannot be recorded: policy or the mode of recordings lets it.
    #[serde(rename = "session.unrecorded")]
    SessionUnrecorded {
        session: SessionId,
        principal: PrincipalId,
        target: TargetName,
        login: Option<Login>,
        why: String,
        allowed_by: Vec<String>,
        /// Its number, where it has no recording at all.
        #[serde(default)]
        number: Option<u64>,
    },
    /// So much of a session was carried and not recorded, in so much time.
    #[serde(rename = "recording.gap")]
    RecordingGap { session: SessionId, bytes: u64, milliseconds: u64, why: String },
    /// A recording could not be written.
    #[serde(rename = "recording.failed")]
    RecordingFailed { session: SessionId, error: String },

    /// A witness would not cosign the transparency log: to it, the log was set back or rewritten; or it does not know the log.
    #[serde(rename = "witness.refused")]
    WitnessRefused { witness: String, detail: String },
    /// A witness that had refused cosigns again.
    #[serde(rename = "witness.accepted")]
    WitnessAccepted { witness: String },

    /// A crash left the log with a torn last line, with whole lines that no checkpoint had signed yet, or with one of the two
    /// checkpoints spoilt.
    #[serde(rename = "audit.recovered")]
    AuditRecovered { bytes_cut: u64, lines_signed: u64, checkpoint_spoilt: bool },
}

impl Entry {
    /// Whether somebody should be woken: evidence is missing, the operator's will is not in force, or what they look out for
    /// has come.
    #[must_use]
    pub fn is_alert(&self) -> bool {
        matches!(
            self,
            Self::RecordingFailed { .. }
                | Self::SessionUnrecorded { .. }
                | Self::RecordingGap { .. }
                | Self::DepotFailed { .. }
                | Self::ConfigRejected { .. }
                | Self::PoliciesRejected { .. }
                | Self::AuditRecovered { .. }
                | Self::GuardRailTriggered { .. }
                | Self::WitnessRefused { .. }
        )
    }
}
