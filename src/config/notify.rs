//! `[[notify]]`: who is told that an operation waits for approval, and what became of it.

use std::path::{Path, PathBuf};

use super::reader::{Placed, Section};
use super::{SecretSource, secret};

/// One place that is told.
#[derive(Debug, Clone)]
pub struct Notify {
    /// Its name, for logs and metrics.
    pub name: String,
    /// How it is told.
    pub sink: Sink,
}

/// How somebody is told.
#[derive(Debug, Clone)]
pub enum Sink {
    /// An HTTP POST.
    Webhook {
        /// Where to.
        url: String,
        /// Of what.
        format: Format,
        /// The key that signs it (Standard Webhooks 1.0.0).
        secret: Option<SecretSource>,
        /// Extra trust anchors for its TLS certificate, PEM.
        ca: Option<PathBuf>,
    },
    /// A program that reads JSON on standard input.
    Command(Vec<String>),
}

/// The body of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The event as JSON.
    Json,
    /// `{"text": …}`, as Slack, Mattermost and others take it.
    Slack,
}

pub(super) fn read_all(root: &Section<'_>, home: &Path) -> Option<Vec<Notify>> {
    let sections = root.sections("notify");
    let read: Vec<_> = sections.iter().map(|section| read_one(section, home)).collect();
    let mut all: Vec<Notify> = Vec::new();
    for (section, notify) in sections.iter().zip(read) {
        let notify = notify?;
        if all.iter().any(|known| known.name == notify.name) {
            section.problem(&section.whole(), format!("a second notification is named `{}`", notify.name), "give each its own name");
            return None;
        }
        all.push(notify);
    }
    Some(all)
}

fn read_one(section: &Section<'_>, home: &Path) -> Option<Notify> {
    let name = section.need_string("name", "a short name, as in \"pager\"").filter(|name| check_name(section, name));
    let command: Vec<String> = section.strings("command")?.into_iter().map(|word| word.value).collect();
    let url = section.string("url");
    let format = section.choice("format", &[("json", Format::Json), ("slack", Format::Slack)], Format::Json);
    let secret = if section.has("secret") { secret::read(section, "secret", home).map(Some) } else { Some(None) };
    let ca = section.path("ca", home);
    section.finish();
    let sink = match (url, command.is_empty()) {
        (Some(url), true) if check_url(section, &url) => Sink::Webhook { url: url.value, format: format?, secret: secret?, ca },
        (Some(_), true) => return None,
        (None, false) => Sink::Command(command),
        _ => {
            section.problem(&section.whole(), "names no place to tell, or two", "either url = \"https://…\" or command = [\"PROGRAM\"]");
            return None;
        }
    };
    Some(Notify { name: name?.value, sink })
}

pub(super) fn check_name(section: &Section<'_>, name: &Placed<String>) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = !name.value.is_empty() && name.value.len() <= 64 && name.value.chars().all(plain);
    if !fits {
        section.problem(name, "is not a name", "letters, digits, `-`, `_` and `.`, at most 64");
    }
    fits
}

/// Plain http only to the machine itself: what waits for approval is nobody else's business.
fn check_url(section: &Section<'_>, url: &Placed<String>) -> bool {
    let fits = super::issuer::is_https_or_loopback(&url.value);
    if !fits {
        section.problem(url, "is not an https URL", "use https (plain http is taken to loopback addresses only)");
    }
    fits
}
