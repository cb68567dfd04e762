//! Requests that take trust away: policy's action `revoke`, asked about whose certificates or keys they are.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::audit::Entry;
use crate::control::protocol::{RevokeTrust, RotateAuthority};
use crate::frontdoor::Refusal;
use crate::identity::authority::{self, AuthorityError};
use crate::model::Principal;
use crate::store::{CertificateFilter, NewRevocation, Revoked};

use super::sessions::no_store;
use super::{Client, written};

impl Client<'_> {
    pub(super) async fn revoke_trust(&self, request: RevokeTrust) -> Result<Value, Refusal> {
        // To the microsecond, as the store keeps it.
        let now = self.rooms.clock.now();
        let at = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        let (what, told) = request.what(at).map_err(|sentence| Refusal::denied(sentence.clone(), sentence))?;
        let holder = self.holder_of(&what).await?;
        self.rooms.enforcer.permit_revoke(self.caller, holder.as_ref(), format!("revoke {told}")).await?;
        let by = self.caller.principal().id.to_string();
        let revocation = NewRevocation { what, reason: request.reason, by, at };
        // The revocation first: should the audit log fail, somebody is kept out and the caller is told.
        let id = self.rooms.store.revoke(revocation.clone()).await.map_err(no_store)?;
        let entry = Entry::TrustRevoked { what: told.clone(), reason: revocation.reason.clone(), by: revocation.by.clone() };
        self.note(entry, at, "It is revoked, but").await?;
        written(&json!({ "id": id, "what": told, "revocation": revocation }))
    }

    pub(super) async fn rotate_authority(&self, request: RotateAuthority) -> Result<Value, Refusal> {
        let RotateAuthority { authority: kind, overlap_seconds } = request;
        let overlap = Duration::from_secs(overlap_seconds);
        if overlap > authority::LONGEST_OVERLAP {
            let sentence = format!("`overlap_seconds` is at most {}.", authority::LONGEST_OVERLAP.as_secs());
            return Err(Refusal::denied(sentence.clone(), sentence));
        }
        self.rooms.enforcer.permit_revoke(self.caller, None, format!("rotate the {kind} authority")).await?;
        let (config, now, runtime) = (self.rooms.config.clone(), self.rooms.clock.now(), Handle::current());
        let rotating = tokio::task::spawn_blocking(move || {
            let mut rng = rand::rng();
            runtime.block_on(authority::rotate(&config.server.state_dir, &config.authorities, kind, overlap, now, &mut rng))
        });
        let keys = rotating.await.map_err(|error| Refusal::unavailable("The key was not changed.", error.to_string()))?.map_err(failed)?;
        let fingerprint = |key: &russh::keys::PublicKey| key.fingerprint(Default::default()).to_string();
        let (old, new) = (keys.old.first().map(|old| fingerprint(&old.key)), fingerprint(&keys.current));
        let by = self.caller.principal().id.to_string();
        self.note(Entry::CaRotated { authority: kind, old: old.clone(), new: new.clone(), by }, now, "The key was changed, but").await?;
        Ok(json!({ "authority": kind, "old": old, "new": new }))
    }

    /// Whose it is that is to be revoked; none where it is nobody's.
    async fn holder_of(&self, what: &Revoked) -> Result<Option<Principal>, Refusal> {
        let certificate = match what {
            Revoked::IssuedBefore { principal, .. } => return self.last_seen(self.kind_of(principal), principal.clone()).await.map(Some),
            Revoked::Certificate { serial, .. } => {
                // One that the store does not know may be good all the same, where a store was lost.
                self.rooms.store.certificate(*serial).await.map_err(no_store)?
            }
            Revoked::Key(key) => {
                let filter = CertificateFilter { key_fingerprint: Some(key.clone()), limit: 1, ..CertificateFilter::default() };
                self.rooms.store.certificates(filter).await.map_err(no_store)?.into_iter().next()
            }
        };
        match certificate.and_then(|found| found.certificate.principal) {
            Some(id) => self.last_seen(self.kind_of(&id), id).await.map(Some),
            None => Ok(None),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn failed(error: AuthorityError) -> Refusal {
    let sentence = error.to_string();
    if error.is_the_operators() { Refusal::denied(sentence.clone(), sentence) } else { Refusal::unavailable(sentence.clone(), sentence) }
}
