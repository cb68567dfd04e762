//! The manual page names every action, entity, attribute of the context and annotation there is, and no annotation there is not.

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
    let words = words_of(".SH ACTIONS");
    for action in Action::ALL {
        assert!(words.contains(action.name()), "{action} is not in it");
    }
}

/// The words of one section.
fn words_of(section: &str) -> BTreeSet<String> {
    let text = plain();
    let (_, rest) = text.split_once(section).expect("it has that section");
    let (section, _) = rest.split_once("\n.SH ").expect("another follows");
    section.split([' ', ',', '\n', '"', ';', '(', ')']).map(str::to_owned).collect()
}

#[test]
fn the_manual_names_every_attribute_of_the_context_and_every_entity() {
    let (fragment, _) = cedar_policy::SchemaFragment::from_cedarschema_str(crate::SCHEMA).expect("the schema is right");
    let schema = fragment.to_json_value().expect("it can be written")[""].clone();
    let keys = |value: &serde_json::Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let context = words_of(".SH CONTEXT");
    let types = keys(&schema["commonTypes"]);
    assert!(types.len() > 5, "{types:?}");
    for name in types {
        for attribute in keys(&schema["commonTypes"][&name]["attributes"]) {
            assert!(context.contains(&attribute), "{attribute} of {name} is not in it");
        }
    }
    let entities: BTreeSet<String> = words_of(".SH WHO").union(&words_of(".SH ON WHAT")).cloned().collect();
    for name in keys(&schema["entityTypes"]) {
        assert!(entities.contains(&name), "{name} is not in it");
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
