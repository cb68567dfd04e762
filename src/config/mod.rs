//! The configuration: TOML in, a validated [`Config`] out, or every problem at once, each with file, line, key and mend.
//! Reads files; starts nothing. One file per section; every default stands in `defaults.rs`.

mod approvals;
mod authorities;
mod bucket;
pub mod defaults;
mod export;
mod guard_rail;
mod http;
mod issuer;
mod kubernetes;
mod limits;
mod notify;
mod policies;
mod postgres;
mod problem;
mod reader;
mod recordings;
mod retention;
mod route;
mod sealing;
mod secret;
mod server;
mod target;
mod vault;
mod witness;

use std::path::{Path, PathBuf};

pub use approvals::Approvals;
pub use authorities::{Authorities, KeyHome};
pub use bucket::Bucket;
pub use export::{AuditExport, ExportTo, Syslog, SyslogBy};
pub use guard_rail::GuardRail;
pub use http::{Http2, HttpTarget};
pub use issuer::{Issuer, is_https_or_loopback};
pub use kubernetes::KubernetesTarget;
pub use limits::Limits;
pub use notify::{Format, Notify, Sink};
pub use policies::Policies;
pub use postgres::{PostgresTarget, PostgresUser, Tls};
pub use problem::{Problem, Problems};
pub use recordings::{RecordingMode, Recordings};
pub use retention::Retention;
pub use route::{Route, RouteKind};
pub use sealing::SealingKey;
pub use secret::{PlacedSecret, SecretPlace, SecretSource, is_sealed_name};
pub use server::Server;
pub use target::{HostTrust, SshCredential, SshTarget, Target, TargetAccess};
pub use vault::{Vault, VaultAuth};
pub use witness::Witness;

use reader::Document;

/// Everything the operator decided, checked. Paths are absolute or relative to the current folder.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file this came from.
    pub file: PathBuf,
    /// `[server]`
    pub server: Server,
    /// `[store] url`, as the path of the SQLite file.
    pub store: PathBuf,
    /// `[recordings]`
    pub recordings: Recordings,
    /// `[policies]`
    pub policies: Policies,
    /// `[metrics] listen`
    pub metrics: Option<std::net::SocketAddr>,
    /// `[limits]`
    pub limits: Limits,
    /// `[approvals]`
    pub approvals: Approvals,
    /// `[[notify]]`
    pub notify: Vec<Notify>,
    /// `[ca]`
    pub authorities: Authorities,
    /// `[[issuer]]`
    pub issuers: Vec<Issuer>,
    /// `[[target]]`
    pub targets: Vec<Target>,
    /// `[[guard_rail]]`
    pub guard_rails: Vec<GuardRail>,
    /// `[[retention]]`
    pub retention: Vec<Retention>,
    /// `[[witness]]`
    pub witnesses: Vec<Witness>,
    /// `[[audit_export]]`
    pub audit_exports: Vec<AuditExport>,
    /// `[vault]`
    pub vault: Option<Vault>,
    /// `[secrets] key`
    pub sealing_key: SealingKey,
    /// Every source of a secret that stands in the file. Whether the secrets are there is not known yet.
    pub secrets: Vec<PlacedSecret>,
}

impl Config {
    /// Reads and checks the file at `path`. Fetches no secret.
    ///
    /// # Errors
    /// All problems found, in the order of the file.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let text = std::fs::read_to_string(path).map_err(|error| Problems::unreadable(path, &error))?;
        Self::parse(path, &text)
    }

    /// Checks `text` as if it were the contents of `path`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, Problems> {
        let document = Document::parse(path, text)?;
        let root = document.root();
        let home = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();

        let server = server::read(&root, &home);
        let state_dir = server.as_ref().map_or_else(|| home.clone(), |s| s.state_dir.clone());
        let config = Self::assemble(&root, path, &home, server, &state_dir);
        root.finish();
        if !root.has("vault") {
            let lost = document.secrets().into_iter().filter(|placed| matches!(placed.source.place, SecretPlace::Vault { .. }));
            lost.for_each(|placed| document.refuse(placed.problem("there is no [vault]", "write a [vault] section with address and auth")));
        }
        let secrets = document.secrets();
        document.conclude(config.map(|config| Self { secrets, ..config }))
    }

    fn assemble(root: &reader::Section<'_>, path: &Path, home: &Path, server: Option<Server>, state_dir: &Path) -> Option<Self> {
        let store = server::read_store(root, state_dir);
        let recordings = recordings::read(root, home, state_dir);
        let policies = policies::read(root, home);
        let metrics = server::read_metrics(root);
        let limits = limits::read(root);
        let approvals = approvals::read(root);
        let notify = notify::read_all(root, home);
        let authorities = authorities::read(root, home);
        let issuers = issuer::read_all(root, home);
        let targets = target::read_all(root, home);
        let guard_rails = guard_rail::read_all(root, targets.as_deref());
        let retention = retention::read_all(root);
        let witnesses = witness::read_all(root, home);
        let audit_exports = export::read_all(root, home);
        let vault = vault::read(root, home);
        let sealing_key = sealing::read(root, home, state_dir);
        Some(Self {
            file: path.to_owned(),
            server: server?,
            store: store?,
            recordings: recordings?,
            policies,
            metrics: metrics?,
            limits: limits?,
            approvals: approvals?,
            notify: notify?,
            authorities: authorities?,
            issuers: issuers?,
            targets: targets?,
            guard_rails: guard_rails?,
            retention: retention?,
            witnesses: witnesses?,
            audit_exports: audit_exports?,
            vault: vault?,
            sealing_key: sealing_key?,
            secrets: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests;
