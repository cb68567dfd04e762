//! `[[witness]]`: who watches over the transparency log.

use std::path::{Path, PathBuf};

use bartizan_recorder::tlog::NoteKey;

use super::reader::{Placed, Section};

/// One witness.
#[derive(Debug, Clone)]
pub struct Witness {
    /// Where it is asked (C2SP tlog-witness, the submission prefix).
    pub url: String,
    /// Its public key; its name is in it.
    pub key: NoteKey,
    /// Whether that is this machine.
    pub loopback: bool,
    /// Extra trust anchors for its TLS certificate, PEM.
    pub ca: Option<PathBuf>,
}

pub(super) fn read_all(root: &Section<'_>, home: &Path) -> Option<Vec<Witness>> {
    let sections = root.sections("witness");
    let read: Vec<_> = sections.iter().map(|section| read_one(section, home)).collect();
    let mut all: Vec<Witness> = Vec::new();
    for (section, witness) in sections.iter().zip(read) {
        let witness = witness?;
        if all.iter().any(|known| known.key == witness.key) {
            section.problem(&section.whole(), "a second witness has this key", "remove one of the two");
            return None;
        }
        all.push(witness);
    }
    Some(all)
}

fn read_one(section: &Section<'_>, home: &Path) -> Option<Witness> {
    let url =
        section.need_string("url", "where it is asked, as in \"https://witness.example.org\"").and_then(|url| read_url(section, &url));
    let mend = "the line that `bartizan witness` prints, as in \"witness.example.org+1a2b3c4d+BASE64\"";
    let key = section.need_string("key", mend).and_then(|key| read_key(section, &key, mend));
    let ca = section.path("ca", home);
    section.finish();
    let (url, loopback) = url?;
    Some(Witness { url, key: key?, loopback, ca })
}

fn read_key(section: &Section<'_>, placed: &Placed<String>, mend: &str) -> Option<NoteKey> {
    let key = NoteKey::parse(&placed.value).ok().filter(NoteKey::is_witness);
    if key.is_none() {
        section.problem(placed, "is not the public key of a witness", mend);
    }
    key
}

/// The address, and whether it is this machine's. Plain http does: what goes there names nobody, and what comes back is signed.
fn read_url(section: &Section<'_>, url: &Placed<String>) -> Option<(String, bool)> {
    let parsed = reqwest::Url::parse(&url.value).ok();
    let good = parsed.filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host() && url.query().is_none());
    if good.is_none() {
        section.problem(url, "is not an http or https URL", "as in \"https://witness.example.org\"");
    }
    let loopback = ["127.0.0.1", "localhost", "[::1]"].contains(&good?.host_str().unwrap_or_default());
    Some((url.value.clone(), loopback))
}
