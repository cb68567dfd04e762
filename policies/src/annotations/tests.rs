//! Each mistake in an annotation, with the place it is pointed at and what is said about it.

use super::*;
use crate::PolicySet;

fn load(text: &str, known: &Known) -> Result<PolicySet, Vec<String>> {
    PolicySet::load(vec![("p.cedar".to_owned(), text.to_owned())], known)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn complaint(text: &str) -> String {
    match load(text, &Known::default()) {
        Ok(_) => panic!("{text} was taken"),
        Err(problems) => problems.join("\n"),
    }
}

const REST: &str = "(principal, action == Action::\"connect\", resource);";

#[test]
fn a_mistyped_key_is_an_error_that_points_at_it_and_says_what_was_meant() {
    assert_eq!(
        complaint(&format!("// first line\n@id(\"a\")  @aprove(\"corp/sre\")\npermit {REST}")),
        "p.cedar:2:11: there is no annotation @aprove; did you mean @approve?"
    );
    assert_eq!(
        complaint(&format!("@id(\"a\") @zebra permit {REST}")),
        "p.cedar:1:10: there is no annotation @zebra; the annotations are @id, @reason, @approve, @approvals, @valid, @scope, \
         @signed, @moderated, @mask, @mask_use, @alert, @record, @certificate_ttl, @pin_source_address"
    );
}

#[test]
fn a_policy_without_an_id_or_with_the_id_of_another_is_an_error() {
    assert_eq!(
        complaint(&format!("@id(\"a\") permit {REST}\n\n  permit {REST}")),
        "p.cedar:3:3: this policy has no @id; begin it with @id(\"a-name-of-its-own\")"
    );
    assert_eq!(
        complaint(&format!("@id(\"a\") permit {REST}\n@id(\"a\") permit {REST}")),
        "p.cedar:2:1: there are two policies with the @id \"a\"; the other one is at p.cedar:1; give each a name of its own"
    );
    let files = ["one", "two"].map(|file| (format!("{file}.cedar"), format!("\n@id(\"a\") permit {REST}")));
    let problems = PolicySet::load(files.into(), &Known::default()).expect_err("ids are unique among all files");
    assert_eq!(
        problems[0].to_string(),
        "two.cedar:2:1: there are two policies with the @id \"a\"; the other one is at one.cedar:2; give each a name of its own"
    );
}

#[test]
fn bad_values_are_errors_that_say_what_is_right() {
    for (annotations, expected) in [
        ("@approve(\"corp/x\") @valid(\"soon\")", "1:29: @valid cannot be \"soon\"; write a duration from 1m to 24h"),
        ("@approve(\"corp/x\") @valid(\"25h\")", "@valid cannot be \"25h\""),
        ("@approve(\"corp/x\") @valid(\"59s\")", "@valid cannot be \"59s\""),
        ("@approve(\"corp/x\") @valid", "@valid cannot be \"\""),
        ("@approve(\"corp/x\") @scope(\"sesion\")", "@scope cannot be \"sesion\"; did you mean \"session\"?"),
        ("@approve(\"corp/x\") @scope(\"day\")", "@scope cannot be \"day\"; it can be \"operation\", \"session\""),
        ("@approve(\"corp/x\") @approvals(\"0\")", "@approvals cannot be \"0\"; write a number of people from 1 to 9"),
        ("@approve(\"corp/x\") @approvals(\"10\")", "@approvals cannot be \"10\""),
        ("@approve(\"sre\")", "\"sre\" does not say which issuer names that group; write it as \"issuer/sre\""),
        ("@approve(\"\")", "does not say which issuer"),
        ("@approve(\"corp/x,\")", "does not say which issuer"),
        ("@reason(\"\")", "@reason is empty, too long or not one line"),
        ("@reason(\"a\\nb\")", "@reason is empty, too long or not one line"),
        ("@alert", "@alert is empty, too long or not one line"),
        ("@record(\"result\")", "@record cannot be \"result\"; did you mean \"results\"?"),
        ("@record(\"results,\")", "@record cannot be \"results,\""),
    ] {
        let complaint = complaint(&format!("@id(\"a\") {annotations} permit {REST}"));
        assert!(complaint.contains(expected), "{annotations}: {complaint}");
        assert_eq!(complaint.lines().count(), 1, "{annotations}: {complaint}");
    }
    for id in ["", "a b", "ä", "a/b", "\\u{1b}", &"x".repeat(65)] {
        let complaint = complaint(&format!("@id(\"{id}\") permit {REST}"));
        assert!(complaint.contains("cannot be an @id; use 1 to 64 letters"), "{id}: {complaint}");
    }
}

#[test]
fn an_annotation_where_it_means_nothing_is_an_error() {
    let column = "(principal, action == Action::\"pg.read_column\", resource);";
    let issue = "(principal, action == Action::\"issue\", resource);";
    for (policy, expected) in [
        (format!("@scope(\"session\") permit {REST}"), "@scope means nothing without @approve"),
        (format!("@valid(\"15m\") permit {REST}"), "@valid means nothing without @approve"),
        (format!("@approvals(\"2\") permit {REST}"), "@approvals means nothing without @approve"),
        (format!("@mask(\"null\") permit {column}"), "@mask means nothing on a permit"),
        (format!("@mask(\"null\") forbid {REST}"), "@mask hides one field, and this policy is about more"),
        ("@mask(\"null\") forbid (principal, action, resource);".to_owned(), "@mask hides one field"),
        (format!("@mask(\"null\") @approve(\"corp/x\") forbid {column}"), "@mask cannot stand beside @approve"),
        (format!("@mask(\"nul\") forbid {column}"), "@mask cannot be \"nul\"; did you mean \"null\"?"),
        (format!("@record(\"results\") forbid {column}"), "@record means nothing on a forbid"),
        (format!("@certificate_ttl(\"5m\") permit {REST}"), "@certificate_ttl is about certificates, and this policy about more"),
        (format!("@certificate_ttl(\"5m\") forbid {issue}"), "@certificate_ttl means nothing on a forbid"),
        (format!("@pin_source_address(\"yes\") permit {issue}"), "@pin_source_address takes no value; write just @pin_source_address"),
    ] {
        let complaint = complaint(&format!("@id(\"a\") {policy}"));
        assert!(complaint.contains(expected), "{policy}: {complaint}");
        assert_eq!(complaint.lines().count(), 1, "{policy}: {complaint}");
    }
}

#[test]
fn an_approver_the_configuration_does_not_know_is_an_error() {
    let set = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let known = Known { issuers: set(&["corp", "ci"]), ..Known::default() };
    let policy = format!("@id(\"a\") @approve(\"copr/sre\") permit {REST}");
    assert_eq!(
        load(&policy, &known).expect_err("there is no such issuer"),
        ["p.cedar:1:10: there is no issuer \"copr\"; did you mean \"corp\"?"]
    );
    let known = Known { groups: set(&["corp/sre", "corp/leads"]), ..known };
    let policy = format!("@id(\"a\") @approve(\"corp/leads, corp/sra\") permit {REST}");
    assert_eq!(
        load(&policy, &known).expect_err("there is no such group"),
        ["p.cedar:1:10: there is no group \"corp/sra\"; did you mean \"corp/sre\"?"]
    );
    assert!(load(&format!("@id(\"a\") @approve(\"corp/leads, corp/sre\") permit {REST}"), &known).is_ok());
}

#[test]
fn right_annotations_become_types() {
    let text = format!(
        "@id(\"two\") @reason(\"Because.\") @approve(\"corp/a, corp/b\") @approvals(\"2\") @valid(\"1h30m\") @scope(\"session\") \
         @alert(\"Look.\") @record(\"results\") permit {REST}\n\
         @id(\"keys\") @record(\"input, results\") permit {REST}\n\
         @id(\"one\") @approve(\"corp/a\") permit {REST}\n\
         @id(\"cert\") @certificate_ttl(\"15m\") @pin_source_address permit (principal, action == Action::\"issue\", resource);\n\
         @id(\"mask\") @mask(\"last4\") forbid (principal, action == Action::\"pg.read_column\", resource);"
    );
    let set = load(&text, &Known::default()).expect("all is right");
    let two = set.rule("two").expect("it is there");
    assert_eq!((two.reason.as_deref(), two.alert.as_deref(), two.record_results, two.line), (Some("Because."), Some("Look."), true, 1));
    assert!(!two.record_input);
    let keys = set.rule("keys").expect("it is there");
    assert!(keys.record_input && keys.record_results);
    let approve = Approve {
        groups: vec!["corp/a".to_owned(), "corp/b".to_owned()],
        approvals: 2,
        valid: Duration::from_secs(5400),
        scope: Scope::Session,
        signed: false,
        moderated: false,
    };
    assert_eq!(two.approve, Some(approve));
    let approve = Approve {
        groups: vec!["corp/a".to_owned()],
        approvals: 1,
        valid: Duration::from_secs(900),
        scope: Scope::Operation,
        signed: false,
        moderated: false,
    };
    assert_eq!(set.rule("one").expect("it is there").approve, Some(approve));
    let cert = set.rule("cert").expect("it is there");
    assert_eq!((cert.certificate_ttl, cert.pin_source_address), (Some(Duration::from_secs(900)), true));
    assert_eq!(set.rule("mask").expect("it is there").mask, Some(Mask::Last4));
}

#[test]
fn durations_are_whole_numbers_with_units_from_large_to_small() {
    for (text, seconds) in [("90s", 90), ("15m", 900), ("1h30m", 5400), ("2d", 172_800), ("0s", 0)] {
        assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
    }
    for text in ["", "15", "m", "-1m", "1.5h", "1m1h", "1m1m", "1 m", "1w", "99999999999999999999s", "999999999999999999d", "1µ"] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
}

#[test]
fn moderation_and_signatures_become_types_where_they_mean_something() {
    let text = "@id(\"watched\") @moderated(\"corp/a, corp/b\") forbid (principal, action == Action::\"ssh.shell\", resource);\n\
         @id(\"signed\") @approve(\"corp/a\") @signed forbid (principal, action == Action::\"ssh.exec\", resource);";
    let set = load(text, &Known::default()).expect("all is right");
    let approve = |id: &str| set.rule(id).expect("it is there").approve.clone().expect("it asks");
    let watched = approve("watched");
    assert_eq!((watched.groups.len(), watched.moderated, watched.signed, watched.scope), (2, true, false, Scope::Session));
    let signed = approve("signed");
    assert_eq!((signed.moderated, signed.signed), (false, true));
    for (bad, why) in [
        ("@moderated(\"corp/a\") permit (principal, action, resource);", "about more"),
        ("@moderated(\"corp/a\") forbid (principal, action == Action::\"pg.update\", resource);", "about more"),
        ("@moderated(\"corp/a\") @approve(\"corp/b\") forbid (principal, action == Action::\"ssh.shell\", resource);", "beside @approve"),
        ("@moderated(\"admins\") forbid (principal, action == Action::\"ssh.shell\", resource);", "which issuer"),
        ("@moderated(\"corp/a\") @valid(\"5m\") forbid (principal, action == Action::\"ssh.shell\", resource);", "without @approve"),
        ("@signed forbid (principal, action == Action::\"ssh.shell\", resource);", "without @approve"),
        ("@approve(\"corp/a\") @signed(\"yes\") forbid (principal, action == Action::\"ssh.shell\", resource);", "takes no value"),
    ] {
        let problems = load(&format!("@id(\"x\") {bad}"), &Known::default()).expect_err(bad);
        assert!(problems.iter().any(|problem| problem.to_string().contains(why)), "{bad}: {problems:?}");
    }
}
