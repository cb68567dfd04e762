//! What the configuration knows, so that a policy that names something else is found while it is loaded. It looks nothing up.

use std::collections::{BTreeMap, BTreeSet};

use crate::near;

/// Names the caller knows of. `None` means "not known here", and then nothing is said about such names.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Names of the configured issuers.
    pub issuers: Option<BTreeSet<String>>,
    /// Every group there is, as `issuer/group`. Issuers seldom tell; leave it `None` then.
    pub groups: Option<BTreeSet<String>>,
    /// Names of the configured targets.
    pub targets: Option<BTreeSet<String>>,
    /// The kind of each configured target: `ssh`, `postgres`, `kubernetes` or `http`.
    pub kinds: Option<BTreeMap<String, String>>,
    /// Tags of the configured targets, as `key=value`.
    pub tags: Option<BTreeSet<String>>,
}

/// What is wrong, and how to mend it.
pub(crate) type Trouble = (String, String);

impl Known {
    /// What is wrong with `issuer/group`, if anything.
    pub(crate) fn group_trouble(&self, group: &str) -> Option<Trouble> {
        self.qualified_trouble("group", group).or_else(|| self.unlisted("group", group, self.groups.as_ref()))
    }

    /// What is wrong with the id of a user, a service or a group, as far as its issuer goes.
    pub(crate) fn qualified_trouble(&self, what: &str, id: &str) -> Option<Trouble> {
        let (issuer, name) = id.split_once('/').unwrap_or(("", id));
        if issuer.is_empty() || name.is_empty() {
            return Some((
                format!("\"{}\" does not say which issuer names that {what}", id.escape_debug()),
                format!("write it as \"issuer/{name}\""),
            ));
        }
        self.unlisted("issuer", issuer, self.issuers.as_ref())
    }

    pub(crate) fn target_trouble(&self, target: &str) -> Option<Trouble> {
        self.unlisted("target", target, self.targets.as_ref())
    }

    pub(crate) fn tag_trouble(&self, tag: &str) -> Option<Trouble> {
        self.unlisted("target with the tag", tag, self.tags.as_ref())
    }

    fn unlisted(&self, what: &str, name: &str, list: Option<&BTreeSet<String>>) -> Option<Trouble> {
        let list = list?;
        if list.contains(name) {
            return None;
        }
        let help = near::did_you_mean(name, list.iter().map(String::as_str))
            .unwrap_or_else(|| "correct it, or add it to the configuration".to_owned());
        Some((format!("there is no {what} \"{}\"", name.escape_debug()), help))
    }
}
