//! The manual page names every action and every annotation there is, and no annotation there is not.

use std::collections::BTreeSet;

use super::*;
use crate::annotations::KEYS;

const MANUAL: &str = include_str!("../../../man/bartizan-policy.7");

/// The page as it reads: font changes and escaped hyphens taken out.
fn plain() -> String {
    MANUAL.replace("\\fR", "").replace("\\fP", "").replace("\\-", "-").replace("\\(dq", "\"")
}

#[test]
fn the_manual_names_every_action() {
    let text = plain();
    let (_, actions) = text.split_once(".SH ACTIONS").expect("it has that section");
    let (actions, _) = actions.split_once("\n.SH ").expect("another follows");
    let words: BTreeSet<&str> = actions.split([' ', ',', '\n']).collect();
    for action in Action::ALL {
        assert!(words.contains(action.name()), "{action} is not in it");
    }
}

#[test]
fn the_manual_names_every_annotation_and_no_other() {
    let text = plain();
    let named: BTreeSet<&str> = text
        .split('@')
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && c != '_').next())
        .filter(|key| !key.is_empty() && *key != "example" && *key != "openssh")
        .collect();
    assert_eq!(named, KEYS.iter().copied().collect());
}
