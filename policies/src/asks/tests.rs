//! What is read from conditions, in every spelling Cedar has, and what trees a policy speaks for.

use std::str::FromStr;

use super::*;

fn policy(conditions: &str) -> Policy {
    Policy::from_str(&format!("permit (principal, action, resource) {conditions};")).unwrap_or_else(|error| panic!("{conditions}: {error}"))
}

fn asks(conditions: &str) -> Asks {
    Asks::of(&policy(conditions).to_pst().expect("a syntax tree"))
}

#[test]
fn every_spelling_of_a_question_about_the_command_is_seen() {
    for conditions in [
        "when { context.program == \"ls\" }",
        "when { context[\"program\"] == \"ls\" }",
        "when { context[\"pro\\u{67}ram\"] == \"ls\" }",
        "when { context has program }",
        "when { context has \"args\" }",
        "when { context has args.first }",
        "when { context.args.first == \"-l\" }",
        "when { context[\"args\"][\"all\"].contains(\"-l\") }",
        "unless { context.command like \"rm*\" }",
        "when { true } unless { false } when { if context.login == \"x\" then context.command == \"ls\" else true }",
        "when { [context.program].contains(\"ls\") }",
        "when { {a: context.program}.a == \"ls\" }",
        "when { {a: context}.a.program == \"ls\" }",
        "when { (if true then context else context).program == \"ls\" }",
        "when { context == {program: \"ls\"} }",
        "when { principal is User in [User::\"a\"].contains(principal) || context.program == \"ls\" }",
        "when { resource.hasTag(context.program) }",
        "when { principal.getTag(\"may\").contains(context.program) }",
    ] {
        assert!(asks(conditions).names_command(), "{conditions}");
    }
    for conditions in
        ["", "when { context.login == \"program\" }", "when { resource.program == \"ls\" }", "when { {program: 1}.program == 1 }"]
    {
        assert!(!asks(conditions).names_command(), "{conditions}");
    }
}

#[test]
fn looking_at_redirections_takes_their_value_and_not_only_their_name() {
    for (conditions, sees) in [
        ("when { context.redirects.isEmpty() }", true),
        ("when { context[\"redirects\"].containsAny([\">/tmp/x\"]) }", true),
        ("unless { context.program == \"x\" && !context.redirects.isEmpty() }", true),
        ("when { context has redirects }", false),
        ("when { context.login == \"redirects\" }", false),
        ("when { {a: context}.a.redirects.isEmpty() }", false),
        ("when { context.redirects.isEmpty() && {a: context}.a.program == \"ls\" }", false),
    ] {
        assert_eq!(asks(conditions).sees("redirects"), sees, "{conditions}");
    }
}

/// Whether a policy with these conditions speaks for the whole tree, as a permit and as a forbid.
fn speaks(conditions: &str, root: &str) -> (bool, bool) {
    let asks = asks(conditions);
    assert!(asks.names_files(), "{conditions}");
    let holds = |effect| asks.holds_beneath(effect, Some(root), None);
    (holds(Effect::Permit), holds(Effect::Forbid))
}

#[test]
fn a_policy_speaks_for_a_tree_only_where_its_tests_cannot_change_on_the_way_down() {
    let (both, permit, forbid, neither) = ((true, true), (true, false), (false, true), (false, false));
    for (conditions, root, expected) in [
        // A pattern that is open at its end: what matches once matches all beneath.
        ("when { context has path && context.path like \"/srv/*\" }", "/srv/www", both),
        ("when { context has path && context.path like \"/srv/*\" }", "/", permit),
        ("when { context has path && context.path like \"/srv/*\" }", "/srv", permit),
        ("when { context has path && context.path like \"/srv/*\" }", "/etc", both),
        ("when { context has path && context.path like \"/srv/*/www*\" }", "/srv/a", permit),
        ("when { context has path && context.path like \"*\" }", "/", both),
        // Under a negation it is the other way round.
        ("unless { context has path && context.path like \"/srv/*\" }", "/", forbid),
        ("unless { context has path && context.path like \"/srv/*\" }", "/srv/www", both),
        ("when { !(context has path && context.path like \"/srv/*\") }", "/", forbid),
        ("unless { !(context has path && context.path like \"/srv/*\") }", "/", permit),
        // A pattern that is closed at its end, or one path.
        ("when { context has path && context.path like \"/srv/*.conf\" }", "/srv", neither),
        ("when { context has path && context.path like \"/srv/*.conf\" }", "/etc", both),
        ("when { context has path && context.path like \"*.conf\" }", "/etc", neither),
        ("when { context has path && context.path == \"/srv/x\" }", "/srv", neither),
        ("when { context has path && context.path == \"/srv/x\" }", "/srv/x", neither),
        ("when { context has path && context.path == \"/srv/x\" }", "/srv/x/y", both),
        ("when { context has path && context.path == \"/srv/x\" }", "/srv/xy", both),
        ("when { context has path && context.path != \"/srv/x\" }", "/srv", neither),
        ("when { context has path && \"/srv/x\" == context.path }", "/etc", both),
        ("when { context has path && context.path like \"/srv/x\" }", "/srv", neither),
        ("when { context has path && context.path like \"/srv/x\" }", "/etc", both),
        // Names that only begin alike.
        ("when { context has path && context.path like \"/srv/www-old/*.x\" }", "/srv/www", both),
        ("when { context has path && context.path like \"/srv/www*.x\" }", "/srv/www", neither),
        ("when { context has path && context.path like \"/srv/www\\*\" }", "/srv", neither),
        ("when { context has path && context.path like \"/srv/www\\*\" }", "/srv/www", both),
        // Anywhere else than below && || and !.
        ("when { context has path && [\"/srv/x\"].contains(context.path) }", "/etc", neither),
        ("when { context has path && (if context.path like \"/srv/*\" then true else false) }", "/etc", neither),
        ("when { context has path && (context.path like \"/srv/*\") == true }", "/etc", neither),
        ("when { context has path && context.path == context.login }", "/etc", neither),
        ("when { context has path && context.path == context.path }", "/etc", neither),
        ("when { {a: context}.a has path }", "/etc", neither),
        ("when { context has path }", "/etc", both),
        // A choice that is the same for every file.
        ("when { if context has path then context.path like \"/srv/*\" else true }", "/", permit),
        ("when { if context.recursive then context.login == \"x\" else context has path && context.path == \"/srv/x\" }", "/srv", neither),
        ("when { if context has to then context.to like \"*.x\" else context has path }", "/etc", both),
        // Every test counts.
        ("when { context has path && (context.path like \"/srv/*\" || context.path like \"*.x\") }", "/srv/a", neither),
        ("when { context has path && (context.path like \"/srv/*\" || context.path like \"/opt/*\") }", "/", permit),
        // There is no new name.
        ("when { context has to && context.to like \"*.x\" }", "/etc", both),
    ] {
        assert_eq!(speaks(conditions, root), expected, "{conditions} at {root}");
    }
}

#[test]
fn at_its_worst_a_policy_is_what_it_is_for_some_file() {
    for (conditions, expected) in [
        ("when { context has path && context.path like \"/srv/*\" }", "when { true && true }"),
        ("unless { context has path && context.path like \"/srv/*\" }", "unless { false && false }"),
        (
            "when { context.login == \"root\" && !(context has to && context.to == \"/x\") }",
            "when { context.login == \"root\" && !(false && false) }",
        ),
        ("when { context.recursive || [\"/x\"].contains(context.path) }", "when { context.recursive || true }"),
        ("when { context.recursive } unless { {a: context}.a has path }", "when { context.recursive } unless { false }"),
    ] {
        let worst = at_worst(&policy(conditions)).expect("it can be written");
        assert_eq!(worst.to_json().ok(), policy(expected).to_json().ok(), "{conditions}");
    }
}
