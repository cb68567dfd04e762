//! The rules of a redaction, read from a file, and the manifest that says what they took out of which recording.

use std::path::{Path, PathBuf};

use bartizan_recorder::{Recording, Redaction};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::cli::Exit;
use crate::cli::local::{now, operator};
use crate::model::Printable;

/// More than rules for people take, in bytes.
const LONGEST: u64 = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: Option<String>,
    regex: Option<String>,
    class: Option<String>,
}

/// Rules as they were read.
pub(super) struct Rules {
    pub(super) redaction: Redaction,
    /// SHA-256 of their file.
    hash: [u8; 32],
}

impl Rules {
    /// Reads the rules in `path`.
    pub(super) fn read(path: &Path) -> Result<Self, Exit> {
        let shown = Printable(&path.display().to_string()).to_string();
        let bad = |why: &dyn std::fmt::Display| Exit::usage(format!("{shown}: {}", Printable(&why.to_string())));
        let mut text = String::new();
        let opened = std::fs::File::open(path).map_err(|error| bad(&error))?;
        std::io::Read::read_to_string(&mut std::io::Read::take(opened, LONGEST), &mut text).map_err(|error| bad(&error))?;
        let file: File = toml::from_str(&text).map_err(|error| Exit::usage(format!("{shown}: {error}")))?;
        let mut redaction = Redaction::default();
        for (number, rule) in file.rule.iter().enumerate() {
            let place = |why: String| bad(&format!("rule {}: {why}", number + 1));
            match (&rule.regex, &rule.class) {
                (Some(pattern), None) => redaction.add_pattern(rule.name.as_deref().unwrap_or(pattern), pattern).map_err(place)?,
                (None, Some(class)) if rule.name.is_none() => redaction.add_class(class).map_err(place)?,
                (None, Some(_)) => return Err(place("a class has its own name: leave `name` out".to_owned())),
                _ => return Err(place("write regex = \"…\" or class = \"…\", one of them".to_owned())),
            }
        }
        if file.rule.is_empty() {
            return Err(bad(&"there is no rule in it; write [[rule]] and below it class = \"email\", say"));
        }
        Ok(Self { redaction, hash: Sha256::digest(text.as_bytes()).into() })
    }

    /// Writes beside `output` what was taken out of it, and what it was made of.
    pub(super) fn write_manifest(&self, recording: &Recording, output: &Path, format: &str) -> Result<PathBuf, Exit> {
        let unreadable = |error: std::io::Error| Exit::incomplete(format!("{}: {error}", output.display()));
        let (mut hash, mut bytes) = (Sha256::new(), std::fs::File::open(output).map_err(unreadable)?);
        let length = std::io::copy(&mut bytes, &mut Hashing(&mut hash)).map_err(unreadable)?;
        let channels: Vec<_> = recording.seal().iter().flat_map(|seal| &seal.channels).collect();
        let manifest = json!({
            "derived": { "bytes": length, "format": format, "sha256": hex::encode(hash.finalize()) },
            "made": { "at": now(), "by": operator(), "program": concat!("bartizan ", env!("CARGO_PKG_VERSION")) },
            "original": {
                "channels": channels,
                "seal_sha256": recording.seal_hash().map(hex::encode),
                "session": recording.head().session.as_str(),
            },
            "rules": {
                "met": self.redaction.hits().map(|(name, hits)| json!({ "hits": hits, "name": name })).collect::<Vec<_>>(),
                "sha256": hex::encode(self.hash),
            },
        });
        let mut name = output.as_os_str().to_owned();
        name.push(".manifest.json");
        let path = PathBuf::from(name);
        let mut file = super::create(&path)?;
        let text = crate::audit::canonical(&manifest);
        std::io::Write::write_all(&mut file, format!("{text}\n").as_bytes())
            .map_err(|error| Exit::incomplete(format!("{}: {error}", path.display())))?;
        Ok(path)
    }
}

/// Takes in what is copied.
struct Hashing<'a>(&'a mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
