//! Answers the bastion's own commands.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use russh::ChannelMsg;
use russh::keys::{Certificate, PublicKey};
use zeroize::Zeroizing;

use crate::approvals::Said;
use crate::audit::Entry;
use crate::config::{Target, TargetAccess};
use crate::control::{self, Answer, DeskCommand, Reach, Scene};
use crate::frontdoor::Refusal;
use crate::identity::{Caller, certificate};
use crate::model::{ApprovalId, AuthorityKind, Secret, Wish};
use crate::store::{Approval, ApprovalFilter, ApprovalState, SessionFilter, Signed};

use super::rooms::Rooms;
use super::stage::Guest;
use super::walk::Visit;

/// The longest input that is read: a token has at most 16 KiB, an RSA key of 16,384 bits about 3.
const INPUT_MAX: usize = 17 << 10;

/// How long the key may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

impl Rooms {
    pub(super) async fn answer(self: &Arc<Self>, guest: Guest, wish: &Wish, mut visit: Visit) {
        let caller = &*Arc::clone(&guest.caller);
        let command = match DeskCommand::read(wish) {
            Ok(command) => command,
            Err(sentence) => return visit.refuse(&Refusal::denied(sentence, "unknown command")).await,
        };
        visit.accept().await;
        let answered = match self.identity.stands(caller, None).await {
            Ok(()) if command == DeskCommand::Control => return self.control(caller, visit.channel.into_stream()).await,
            Ok(()) if command == DeskCommand::Welcome && guest.terminal.is_some() => {
                return self.stage(guest, Scene::Picker, false, visit).await;
            }
            Ok(()) if let DeskCommand::Show { scene, plain } = command => return self.stage(guest, scene, plain, visit).await,
            Ok(()) if command == DeskCommand::Renew => self.renew(&guest, &mut visit).await,
            Ok(()) => self.text(caller, command, &mut visit).await,
            Err(refusal) => Err(refusal),
        };
        match answered {
            Ok(text) => visit.reply(&text, 0).await,
            Err(refusal) => visit.refuse(&refusal).await,
        }
    }

    async fn text(&self, caller: &Caller, command: DeskCommand, visit: &mut Visit) -> Result<String, Refusal> {
        let server = &self.config.server.name;
        match command {
            DeskCommand::Help | DeskCommand::Control | DeskCommand::Renew | DeskCommand::Show { .. } => Ok(control::help(server)),
            DeskCommand::Whoami { json } => Ok(control::whoami(caller, json)),
            DeskCommand::Targets { json: true } => Ok(control::targets_json(&self.reach(caller))),
            DeskCommand::Targets { json: false } => Ok(control::targets(server, &self.reach(caller))),
            DeskCommand::Welcome => {
                let name = caller.principal().id.as_str();
                Ok(format!("You are {name}. `ssh {server} help` shows what there is.\n\n{}", control::targets(server, &self.reach(caller))))
            }
            DeskCommand::Sessions { json } => self.sessions(caller, json).await,
            DeskCommand::Recordings { json } => {
                let listed = self.listed_recordings(caller, Default::default()).await?;
                Ok(control::recordings_text(&listed, json))
            }
            DeskCommand::Approvals { json } => self.approvals(caller, json).await,
            DeskCommand::Answer { id, answer, reason } => {
                self.review(caller, id, answer, reason, None).await.map(|a| control::answered(&a))
            }
            DeskCommand::Cert => self.certificate(caller, visit).await,
        }
    }

    /// The accounts of `target` that the caller may use; none where they may not use it.
    fn logins(&self, caller: &Caller, target: &Target) -> Option<Vec<String>> {
        let logins = match &target.access {
            TargetAccess::Ssh(ssh) => ssh.logins.clone(),
            TargetAccess::Postgres(postgres) => postgres.users.iter().map(|user| user.name.clone()).collect(),
            _ => Vec::new(),
        };
        self.enforcer.reachable(caller, target, &logins)
    }

    /// Whether the caller may use `target` at all.
    pub(super) fn may_reach(&self, caller: &Caller, target: &Target) -> bool {
        self.logins(caller, target).is_some()
    }

    pub(super) fn reach(&self, caller: &Caller) -> Vec<Reach> {
        let mut all = Vec::new();
        for target in self.catalogue().iter() {
            if let Some(logins) = self.logins(caller, target) {
                let tags = target.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
                let databases = match &target.access {
                    TargetAccess::Postgres(postgres) => postgres.databases.clone(),
                    _ => Vec::new(),
                };
                let published = self.published(target);
                all.push(Reach { name: target.name.to_string(), kind: target.kind(), logins, databases, tags, published });
            }
        }
        all
    }

    async fn sessions(&self, caller: &Caller, json: bool) -> Result<String, Refusal> {
        let filter = SessionFilter { principal: Some(caller.principal().id.clone()), live: true, ..SessionFilter::default() };
        let found = self.store.sessions(filter).await;
        let sessions = found.map_err(|e| Refusal::unavailable("The bastion cannot list sessions now.", e.to_string()))?;
        Ok(control::own_sessions(&sessions, json))
    }

    async fn approvals(&self, caller: &Caller, json: bool) -> Result<String, Refusal> {
        let waiting = self.broker.list(ApprovalFilter { waiting: true, ..ApprovalFilter::default() }).await?;
        let shown: Vec<_> = waiting.into_iter().filter(|approval| self.enforcer.may_see_approval(caller, approval)).collect();
        Ok(control::approvals(&self.config.server.name, &shown, &caller.principal().id, self.clock.now(), json))
    }

    /// Does what somebody says to an approval. `signed` is their signature and the moment in it.
    pub(super) async fn review(
        &self,
        caller: &Caller,
        id: ApprovalId,
        answer: Answer,
        reason: String,
        signed: Option<(Timestamp, String)>,
    ) -> Result<Approval, Refusal> {
        let approval = self.broker.find(id).await?;
        let (me, who) = (&caller.principal().id, (caller.principal(), caller.source()));
        let signed = signed.map(|(at, signature)| by_key(caller, at, signature)).transpose()?;
        match answer {
            Answer::Withdraw if approval.asked.principal.id == *me => {
                let reason = if reason.is_empty() { "taken back by who asked".to_owned() } else { reason };
                self.broker.end(id, ApprovalState::Withdrawn, reason, Some(me.to_string())).await
            }
            Answer::Withdraw => {
                let sentence = "Only who asked for an approval can take it back; `deny` and `revoke` are for the others.";
                Err(Refusal::denied(sentence, sentence))
            }
            Answer::Revoke => {
                self.enforcer.permit_review(caller, &approval, false).await?;
                self.broker.end(id, ApprovalState::Revoked, format!("{me}: {reason}"), Some(me.to_string())).await
            }
            Answer::Approve(Some(Duration::ZERO)) => {
                let sentence = "An approval is for a second or longer.";
                Err(Refusal::denied(sentence, sentence))
            }
            Answer::Approve(valid) => {
                self.enforcer.permit_review(caller, &approval, true).await?;
                self.broker.review(who, id, Said { approve: true, reason, valid, signed }).await
            }
            Answer::Deny => {
                self.enforcer.permit_review(caller, &approval, false).await?;
                self.broker.review(who, id, Said { approve: false, reason, valid: None, signed }).await
            }
        }
    }

    async fn certificate(&self, caller: &Caller, visit: &mut Visit) -> Result<String, Refusal> {
        let key = match tokio::time::timeout(PATIENCE, read_key(visit)).await {
            Ok(key) => key?,
            Err(_) => {
                return Err(Refusal::denied("No public key came on standard input. Write: ssh bastion cert < KEY.pub", "no key in time"));
            }
        };
        self.issue_or_note(caller, &key).await.and_then(|certificate| text_of(&certificate))
    }

    /// A certificate for the key of this connection, on the word of a token that says the same of who it is. What goes on under the
    /// certificate before goes on under this one.
    async fn renew(&self, guest: &Guest, visit: &mut Visit) -> Result<String, Refusal> {
        let late = |_| Refusal::denied("No token came on standard input. Write: ssh bastion renew < TOKEN", "no token in time");
        let input = tokio::time::timeout(PATIENCE, read_input(visit)).await.map_err(late)?;
        let token = Secret::new(input?.trim().to_owned());
        let fresh = self.identity.token(&guest.visitor, token).await;
        let fresh = fresh.and_then(|fresh| self.identity.recognise(&guest.caller, &fresh).map(|()| fresh));
        let fresh = self.admit(fresh).await.inspect_err(|refusal| self.note_failed_login(&guest.visitor, "token", &refusal.detail))?;
        let Some(key) = &guest.visitor.key else { return Err(Refusal::denied("This connection has no key.", "no key")) };
        let certificate = self.issue_or_note(&fresh, key).await?;
        self.identity.renew(&guest.caller, &guest.visitor, &certificate).await?;
        text_of(&certificate)
    }

    async fn issue_or_note(&self, caller: &Caller, key: &PublicKey) -> Result<Certificate, Refusal> {
        let issued = self.issue(caller, key).await;
        if let Err(refusal) = &issued {
            self.note(Entry::CertificateRefused {
                authority: AuthorityKind::User,
                principal: Some(caller.principal().id.clone()),
                key_fingerprint: Some(key.fingerprint(Default::default()).to_string()),
                source: Some(caller.source()),
                reason: refusal.detail.clone(),
            });
        }
        issued
    }

    async fn issue(&self, caller: &Caller, key: &PublicKey) -> Result<Certificate, Refusal> {
        let grant = self.enforcer.permit_issue(caller, key).await?;
        let ttl = grant.ttl.map_or(caller.certificate_ttl(), |most| most.min(caller.certificate_ttl()));
        let (certificate, entry) = self.identity.issue(caller, key, ttl, grant.pin_source).await?;
        // Written before it is given away: a certificate that nobody knows of must not exist outside.
        let written = self.audit.append(entry, self.clock.now()).await;
        written.map_err(|e| {
            Refusal::unavailable("The bastion cannot write its audit log, so no certificate is given; tell the operator.", e.to_string())
        })?;
        Ok(certificate)
    }
}

fn text_of(certificate: &Certificate) -> Result<String, Refusal> {
    let line = certificate.to_openssh().map_err(|e| Refusal::unavailable("The certificate could not be written.", e.to_string()))?;
    Ok(format!("{line}\n"))
}

/// A signature has to be by the key that the caller proved to hold.
fn by_key(caller: &Caller, at: Timestamp, signature: String) -> Result<Signed, Refusal> {
    let Some(key) = caller.key() else {
        let sentence = "A signed answer needs a login with a certificate: then it is known which key is yours. See `cert`.";
        return Err(Refusal::denied(sentence, "a signature without a key"));
    };
    Ok(Signed { at, key: key.to_owned(), signature })
}

/// Reads the visitor's standard input: a few lines of text.
async fn read_input(visit: &mut Visit) -> Result<Zeroizing<String>, Refusal> {
    let mut input = Zeroizing::new(Vec::new());
    while let Some(message) = visit.channel.wait().await {
        match message {
            ChannelMsg::Data { data } if input.len() + data.len() <= INPUT_MAX => input.extend_from_slice(&data),
            ChannelMsg::Data { .. } => {
                return Err(Refusal::denied("What came on standard input is too long.", "oversize input"));
            }
            ChannelMsg::Eof | ChannelMsg::Close => break,
            _ => {}
        }
        // A terminal sends no end of file: one whole line will do there.
        if visit.has_terminal && input.contains(&b'\r') {
            break;
        }
    }
    Ok(Zeroizing::new(String::from_utf8_lossy(&input).into_owned()))
}

/// Reads one public key line from the visitor's standard input.
async fn read_key(visit: &mut Visit) -> Result<PublicKey, Refusal> {
    let text = read_input(visit).await?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    let bad = |why: String| {
        Refusal::denied(
            format!("Standard input holds no public key that can have a certificate ({why}). Write: ssh bastion cert < KEY.pub"),
            why,
        )
    };
    certificate::read_key(line).map_err(|e| bad(e.to_string()))
}
