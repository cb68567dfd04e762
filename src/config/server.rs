//! `[server]`, `[store]` and `[metrics]`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::defaults;
use super::reader::Section;

/// Who this bastion is and where it listens.
#[derive(Debug, Clone)]
pub struct Server {
    /// The name clients know it by; host certificates carry it.
    pub name: String,
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// CA and host keys, SQLite, audit log, and recordings unless set elsewhere.
    pub state_dir: PathBuf,
    /// How long live sessions may go on after SIGTERM.
    pub drain_timeout: Duration,
}

pub(super) fn read(root: &Section<'_>, home: &Path) -> Option<Server> {
    let Some(section) = root.section("server") else {
        root.missing("server", "add a [server] section with name, listen and state_dir; `bartizan init` writes one");
        return None;
    };
    let name = read_name(&section);
    let listen = read_listen(&section);
    let state_dir = section.need_string("state_dir", "name a folder that only Bartizan's user can read, as in \"/var/lib/bartizan\"");
    let limit = Duration::from_secs(3600);
    let drain_timeout = section.duration("drain_timeout", Duration::ZERO..=limit, defaults::DRAIN_TIMEOUT);
    section.finish();
    Some(Server { name: name?, listen: listen?, state_dir: home.join(state_dir?.value), drain_timeout: drain_timeout? })
}

fn read_name(section: &Section<'_>) -> Option<String> {
    let mend = "the host name users type, as in \"bastion.example.com\"";
    let placed = section.need_string("name", mend)?;
    let fits = placed.value.len() <= 253 && placed.value.chars().all(|c| c.is_ascii_alphanumeric() || "-.:".contains(c));
    if !fits {
        section.problem(&placed, "is not a host name", mend);
    }
    fits.then_some(placed.value)
}

fn read_listen(section: &Section<'_>) -> Option<Vec<SocketAddr>> {
    let found = section.strings("listen")?;
    if found.is_empty() {
        return defaults::LISTEN.parse().ok().map(|address| vec![address]);
    }
    let mut addresses = Vec::new();
    for placed in found {
        match placed.value.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => {
                section.problem(&placed, "is not an address and port", "as in \"127.0.0.1:2222\" or \"[::]:22\"");
                return None;
            }
        }
    }
    Some(addresses)
}

pub(super) fn read_store(root: &Section<'_>, state_dir: &Path) -> Option<PathBuf> {
    let Some(section) = root.section("store") else {
        return Some(state_dir.join(defaults::STORE_URL.trim_start_matches("sqlite:")));
    };
    let url = section.string("url");
    section.finish();
    let Some(placed) = url else {
        return Some(state_dir.join(defaults::STORE_URL.trim_start_matches("sqlite:")));
    };
    let path = placed.value.strip_prefix("sqlite:").filter(|p| !p.is_empty());
    if path.is_none() {
        let what = if placed.value.starts_with("postgres") { "PostgreSQL as the store is not in this version" } else { "is not a store" };
        section.problem(&placed, what, "write \"sqlite:state.db\"; the path is relative to state_dir");
    }
    path.map(|p| state_dir.join(p))
}

pub(super) fn read_metrics(root: &Section<'_>) -> Option<Option<SocketAddr>> {
    let Some(section) = root.section("metrics") else {
        return Some(None);
    };
    let listen = section.address("listen");
    section.finish();
    listen.ok()
}
