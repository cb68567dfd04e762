use proptest::prelude::*;

use super::*;

struct Item;

impl Filtered for Item {
    fn any(&self, field: Field, does: &dyn Fn(&str) -> bool) -> bool {
        let fields = [
            (Field::User, "corp/Alice@example.com"),
            (Field::Target, "db-prod-3"),
            (Field::Kind, "postgres"),
            (Field::Text, "DROP TABLE orders"),
            (Field::State, "ok"),
        ];
        fields.iter().any(|(own, text)| (field == *own || field == Field::Any) && does(text))
    }

    fn at(&self) -> Option<Timestamp> {
        "2026-11-22T10:30:00Z".parse().ok()
    }
}

fn passes(text: &str) -> bool {
    Filter::parse(text, "2026-11-22T12:00:00Z".parse().unwrap()).passes(&Item)
}

#[test]
fn all_words_must_fit_and_a_hyphen_turns_one_round() {
    assert!(passes("user:alice target:db-* kind:pg since:2h text:\"drop table\""));
    assert!(passes(""));
    assert!(passes("alice prod"));
    assert!(!passes("-ok"));
    assert!(passes("-user:bob -nothing"));
    assert!(!passes("user:bob"));
    assert!(passes("target:db"));
    assert!(!passes("target:prod*"));
    assert!(passes("target:*prod*"));
    assert!(!passes("since:1h"));
    assert!(!passes("until:2h"));
    assert!(passes("until:2026-11-23"));
    assert!(!passes("text:\"drop  table\""));
}

#[test]
fn what_is_not_understood_is_said_and_filters_nothing() {
    let filter = Filter::parse("colour:red alice since:soon", Timestamp::UNIX_EPOCH);
    assert!(filter.problem.is_some());
    assert!(filter.passes(&Item));
    assert!(Filter::parse("user:", Timestamp::UNIX_EPOCH).is_empty());
}

#[test]
fn a_bastion_is_asked_for_what_is_wanted_not_for_what_is_not() {
    let filter = Filter::parse("user:alice -target:web-1 text:x", Timestamp::UNIX_EPOCH);
    assert_eq!(filter.wanted(Field::User), Some("alice"));
    assert_eq!(filter.wanted(Field::Target), None);
    assert_eq!(filter.without(Field::Text).wanted(Field::Text), None);
}

proptest! {
    #[test]
    fn no_filter_panics(text in "\\PC{0,60}", odd in "[-:*\" a-z]{0,30}") {
        passes(&text);
        passes(&odd);
    }
}
