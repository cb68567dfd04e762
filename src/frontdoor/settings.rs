//! How russh is set up: keys, methods, limits, algorithms.

use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Certificate, PrivateKey};
use russh::{MethodKind, MethodSet, SshId, server};

use crate::config::Limits;
use crate::wire::ssh;

/// The bastion's host key and a certificate of it.
#[derive(Clone)]
pub struct DoorKeys {
    /// The host key.
    pub host: PrivateKey,
    /// What the host CA says of it, for the name the client asked for.
    pub certificate: Certificate,
}

/// Settings of the server that visitors connect to.
#[must_use]
pub fn outer_settings(keys: DoorKeys, limits: &Limits) -> Arc<server::Config> {
    let methods = [MethodKind::PublicKey, MethodKind::KeyboardInteractive, MethodKind::Password];
    Arc::new(settings(keys, &methods, limits))
}

/// Settings of the server inside a `-J` stream: whose it is was settled outside, so that `none` suffices.
#[must_use]
pub fn inner_settings(keys: DoorKeys, limits: &Limits) -> Arc<server::Config> {
    Arc::new(settings(keys, &[MethodKind::None], limits))
}

fn settings(keys: DoorKeys, methods: &[MethodKind], limits: &Limits) -> server::Config {
    server::Config {
        server_id: SshId::Standard(concat!("SSH-2.0-Bartizan_", env!("CARGO_PKG_VERSION")).into()),
        methods: MethodSet::from(methods),
        // The least that a refusal takes, as with OpenSSH's sshd (MIN_FAIL_DELAY_SECONDS in its auth2.c). Every login pays it whose
        // certificate lies beside its key: ssh shows the bare key first. The door counts attempts itself, and there is nothing to guess.
        auth_rejection_time: Duration::from_millis(5),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![keys.host],
        certificates: vec![keys.certificate],
        window_size: 2 << 20,
        maximum_packet_size: 32 << 10,
        channel_buffer_size: 100,
        event_buffer_size: 64,
        preferred: ssh::preferred(),
        max_auth_attempts: usize::try_from(limits.authentication_attempts).unwrap_or(usize::MAX),
        inactivity_timeout: None,
        keepalive_interval: Some(Duration::from_secs(15)),
        keepalive_max: 3,
        nodelay: true,
        ..server::Config::default()
    }
}
