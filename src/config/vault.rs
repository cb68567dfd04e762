//! `[vault]`: a server that speaks Vault's API (OpenBao, HashiCorp Vault), and how the bastion logs in there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reader::Section;
use super::{SecretSource, defaults, issuer, secret};

/// The server.
#[derive(Debug, Clone)]
pub struct Vault {
    /// Its URL.
    pub address: String,
    /// Extra trust anchors for its TLS certificate, PEM.
    pub ca: Option<PathBuf>,
    /// The namespace of all paths.
    pub namespace: Option<String>,
    /// How the bastion logs in.
    pub auth: VaultAuth,
    /// How long one request may take.
    pub timeout: Duration,
}

/// How the bastion logs in.
#[derive(Debug, Clone)]
pub enum VaultAuth {
    /// With a token that somebody else provides.
    Token(SecretSource),
    /// With a role's id and secret.
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// The role's id.
        role_id: String,
        /// The role's secret.
        secret_id: SecretSource,
    },
    /// With a JWT of a Kubernetes service account or of any issuer that the server trusts.
    Jwt {
        /// Where the method is mounted.
        mount: String,
        /// The role to log in as.
        role: String,
        /// The JWT.
        jwt: SecretSource,
    },
}

/// Where Kubernetes puts a pod's token.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

pub(super) fn read(root: &Section<'_>, home: &Path) -> Option<Option<Vault>> {
    let Some(section) = root.section("vault") else {
        return if root.has("vault") { None } else { Some(None) };
    };
    let mend = "its URL, as in \"https://vault.example.com:8200\"";
    let address = section.need_string("address", mend);
    let ca = section.path("ca", home);
    let namespace = section.string("namespace").map(|placed| placed.value.trim_matches('/').to_owned());
    let auth = read_auth(&section, home);
    let timeout = section.duration("timeout", Duration::from_secs(1)..=Duration::from_secs(15), defaults::VAULT_TIMEOUT);
    section.finish();
    let (address, auth, timeout) = (address?, auth?, timeout?);
    if !issuer::is_https_or_loopback(&address.value) {
        section.problem(&address, "is not an https URL", "use https (plain http is taken to loopback addresses only)");
        return None;
    }
    Some(Some(Vault { address: address.value.trim_end_matches('/').to_owned(), ca, namespace, auth, timeout }))
}

fn read_auth(section: &Section<'_>, home: &Path) -> Option<VaultAuth> {
    let mend = "one of { token = { file = \"PATH\" } }, { approle = {…} }, { kubernetes = {…} }, { jwt = {…} }";
    if !section.has("auth") {
        section.missing("auth", mend);
        return None;
    }
    let inner = section.section("auth")?;
    let token = inner.has("token").then(|| secret::read_local(&inner, "token", home).map(VaultAuth::Token));
    let role = inner.has("approle").then(|| read_approle(&inner.section("approle")?, home));
    let pod = inner.has("kubernetes").then(|| read_jwt(&inner.section("kubernetes")?, home, "kubernetes"));
    let jwt = inner.has("jwt").then(|| read_jwt(&inner.section("jwt")?, home, "jwt"));
    inner.finish();
    let mut found: Vec<_> = [token, role, pod, jwt].into_iter().flatten().collect();
    if found.len() != 1 {
        inner.problem(&inner.whole(), "is not one way of logging in", mend);
        return None;
    }
    found.pop()?
}

fn read_approle(inner: &Section<'_>, home: &Path) -> Option<VaultAuth> {
    let role_id = inner.need_string("role_id", "the role's id, as `bao read auth/approle/role/NAME/role-id` shows it");
    if !inner.has("secret_id") {
        inner.missing("secret_id", "where the role's secret is, as in { file = \"PATH\" }");
    }
    let secret_id = secret::read_local(inner, "secret_id", home);
    let mount = read_mount(inner, "approle");
    inner.finish();
    Some(VaultAuth::AppRole { mount: mount?, role_id: role_id?.value, secret_id: secret_id? })
}

fn read_jwt(inner: &Section<'_>, home: &Path, usual: &'static str) -> Option<VaultAuth> {
    let role = inner.need_string("role", "the role to log in as");
    let jwt = if inner.has("jwt") || usual == "jwt" {
        if !inner.has("jwt") {
            inner.missing("jwt", "where the token is, as in { file = \"PATH\" }");
        }
        secret::read_local(inner, "jwt", home)
    } else {
        Some(SecretSource::file(Path::new(POD_TOKEN)))
    };
    let mount = read_mount(inner, usual);
    inner.finish();
    Some(VaultAuth::Jwt { mount: mount?, role: role?.value, jwt: jwt? })
}

fn read_mount(inner: &Section<'_>, usual: &str) -> Option<String> {
    let Some(placed) = inner.string("mount") else { return Some(usual.to_owned()) };
    let mount = placed.value.trim_matches('/').to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if mount.is_empty() || !mount.chars().all(plain) || mount.split('/').any(|part| matches!(part, "" | "." | "..")) {
        inner.problem(&placed, "is not a mount", format!("the path under auth/, as in \"{usual}\""));
        return None;
    }
    Some(mount)
}
