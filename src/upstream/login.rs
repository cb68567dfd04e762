//! Logs in at a target: with a certificate for a key made for this one session, a stored key, or a stored password.

use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Handle};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, ssh_key};

use crate::config::{SecretSource, SshCredential};
use crate::identity::authority::{Authorities, Stamp, TargetGrant};
use crate::identity::certificate::Permits;
use crate::model::{AuthorityKind, Clock, Login, Secret};
use crate::record::Taped;
use crate::secrets::Secrets;
use crate::store::{NewCertificate, Store};
use crate::wire::outbound::{NoForwards, Outbound};

use super::dial::DialError;

/// How long a certificate shown to a target is good: enough for one login over a slow link.
const TTL: Duration = Duration::from_secs(60);

/// Logs in with the secret at `source`. One that the target refuses is fetched again, and another one tried.
pub(super) async fn with_secret(
    handle: &mut Handle<Outbound<NoForwards>>,
    taped: &Taped,
    credential: &SshCredential,
    secrets: &Secrets,
    source: &SecretSource,
) -> Result<(), DialError> {
    let shown = secrets.credential(source).await?;
    let first = show(handle, taped, credential, &shown.secret).await;
    if !matches!(first, Err(DialError::Refused | DialError::Credential(_))) {
        return first;
    }
    match secrets.other_than(&shown, source).await? {
        Some(other) => show(handle, taped, credential, &other.secret).await,
        None => first,
    }
}

async fn show(
    handle: &mut Handle<Outbound<NoForwards>>,
    taped: &Taped,
    credential: &SshCredential,
    secret: &Secret,
) -> Result<(), DialError> {
    let login = login_of(taped)?.to_string();
    if matches!(credential, SshCredential::Password(_)) {
        return done(&handle.authenticate_password(login, secret.reveal()).await?);
    }
    let key = ssh_key::PrivateKey::from_openssh(secret.reveal())
        .map_err(|e| DialError::Credential(format!("the stored key cannot be read: {e}")))?;
    // Only of RSA are there several kinds of signature, and a server that does not tell which it knows is waited for.
    let hash = if key.algorithm().is_rsa() { handle.best_supported_rsa_hash().await?.flatten() } else { None };
    done(&handle.authenticate_publickey(login, PrivateKeyWithHashAlg::new(Arc::new(key), hash)).await?)
}

fn done(outcome: &AuthResult) -> Result<(), DialError> {
    match outcome {
        AuthResult::Success => Ok(()),
        AuthResult::Failure { .. } => Err(DialError::Refused),
    }
}

/// The account that was asked for; a session on an SSH target is not routed without one.
fn login_of(taped: &Taped) -> Result<&Login, DialError> {
    let login = taped.permit().routed().identified().ask().login.as_ref();
    login.ok_or_else(|| DialError::Credential("the session has no login".to_owned()))
}

/// Logs in with a certificate made for this session.
pub(super) async fn with_certificate(
    handle: &mut Handle<Outbound<NoForwards>>,
    taped: &Taped,
    authorities: &Authorities,
    store: &dyn Store,
    clock: &dyn Clock,
) -> Result<(), DialError> {
    let permit = taped.permit();
    let identified = permit.routed().identified();
    let principal = identified.caller().principal();
    let login = login_of(taped)?;
    let key = PrivateKey::random(&mut rand::rng(), ssh_key::Algorithm::Ed25519).map_err(|e| DialError::Credential(e.to_string()))?;
    let now = clock.now();
    let ca = authorities.public_keys(AuthorityKind::Target, now);
    let record = NewCertificate {
        authority: AuthorityKind::Target,
        key_id: format!("{} session {}", principal.id, permit.session()),
        principal: Some(principal.id.clone()),
        kind: Some(principal.kind),
        key_fingerprint: key.fingerprint(Default::default()).to_string(),
        valid_after: now,
        valid_before: now.saturating_add(TTL).unwrap_or(now),
        issued_at: now,
        ca_fingerprint: ca.first().map(|key| key.fingerprint(Default::default()).to_string()).unwrap_or_default(),
        source_address: None,
        session: Some(permit.session()),
    };
    let serial = store.issue(record).await.map_err(|e| DialError::Credential(e.to_string()))?;
    let grant = TargetGrant {
        session: permit.session(),
        principal: &principal.id,
        login,
        public_key: key.public_key(),
        valid_for: TTL,
        permits: Permits { pty: true, port_forwarding: false, agent_forwarding: false },
    };
    let stamp = Stamp::new(serial, now, &mut rand::rng());
    let certificate = authorities.issue_target(&grant, &stamp).await.map_err(|e| DialError::Credential(e.to_string()))?;
    done(&handle.authenticate_openssh_cert(login.as_str(), Arc::new(key), certificate).await?)
}
