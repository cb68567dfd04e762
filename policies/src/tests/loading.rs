//! What the loader takes and refuses, beyond annotations.

use miette::Diagnostic;

use super::*;
use crate::Gravity;

fn problems(text: &str) -> Vec<String> {
    match PolicySet::load(vec![("p.cedar".to_owned(), text.to_owned())], &Known::default()) {
        Ok(_) => panic!("{text} was taken"),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_is_against_the_schema_is_an_error_that_points_at_it() {
    for (policy, place, expected) in [
        ("permit (principal, action == Action::\"ssh.exce\", resource);", "2:30:", "Action::\"ssh.exce\""),
        ("permit (principal == Usr::\"x\", action, resource);", "2:22:", "Usr"),
        ("permit (principal, action == Action::\"ssh.exec\", resource) when { context.progam == \"ls\" };", "2:67:", "progam"),
        ("permit (principal, action == Action::\"ssh.exec\", resource) when { context.program == 1 };", "2:67:", "String"),
        ("permit (principal, action == Action::\"ssh.exec\", resource) when { context.reason like \"*\" };", "2:67:", "reason"),
        ("permit (principal, action == Action::\"connect\", resource) when { context.program == \"ls\" };", "2:66:", "program"),
        ("permit (principal, action == Action::\"connect\", resource) when { ip(context.login).isLoopback() };", "2:66:", "literal"),
    ] {
        let problems = problems(&format!("@id(\"a\")\n{policy}"));
        assert!(problems[0].starts_with(&format!("p.cedar:{place}")) && problems[0].contains(expected), "{policy}: {problems:?}");
        assert_eq!(problems.len(), 1, "{policy}: {problems:?}");
    }
}

#[test]
fn a_syntax_error_points_at_its_place_and_does_not_hide_other_files() {
    let files = vec![
        ("a.cedar".to_owned(), "// ünïcode\n@id(\"a\") permit (principal, action resource);".to_owned()),
        ("b.cedar".to_owned(), "permit (principal, action, resource);".to_owned()),
    ];
    let problems = PolicySet::load(files, &Known::default()).expect_err("both are wrong");
    assert_eq!((problems[0].file.as_str(), problems[0].line, problems[0].column), ("a.cedar", 2, 36));
    assert!(problems[1].to_string().starts_with("b.cedar:1:1: this policy has no @id"), "{}", problems[1]);
}

#[test]
fn columns_are_counted_in_characters() {
    let problems = problems("@id(\"a\") @reason(\"ü\") @nope permit (principal, action, resource);");
    assert!(problems[0].starts_with("p.cedar:1:23: "), "{problems:?}");
}

#[test]
fn templates_are_refused() {
    let problems = problems("@id(\"a\")\npermit (principal == ?principal, action, resource);");
    assert_eq!(
        problems,
        ["p.cedar:1:1: templates are not used here; name the principal or the resource instead of ?principal or ?resource"]
    );
}

#[test]
fn a_policy_that_can_never_apply_is_a_warning() {
    let set = load("@id(\"a\") permit (principal, action == Action::\"issue\", resource is Target);");
    let warnings: Vec<_> = set.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].starts_with("p.cedar:1:1: warning: ") && warnings[0].contains("unable to find an applicable action"),
        "{warnings:?}"
    );
}

#[test]
fn names_the_configuration_does_not_know_are_warnings() {
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let known = Known { issuers: names(&["corp"]), groups: None, targets: names(&["web-1"]), tags: names(&["env=prod"]) };
    let text = "@id(\"a\")\npermit (principal in Group::\"crp/sre\", action, resource == Target::\"web-2\")\n\
                when { resource in Tag::\"env=prd\" || principal == User::\"alice\" };";
    let set = PolicySet::load(vec![("p.cedar".to_owned(), text.to_owned())], &known).expect("only warnings");
    let mut warnings: Vec<_> = set.warnings().iter().filter(|w| w.gravity == Gravity::Warning).map(ToString::to_string).collect();
    warnings.retain(|warning| warning.contains("there is no") || warning.contains("does not say"));
    assert_eq!(
        warnings,
        [
            "p.cedar:2:22: warning: there is no issuer \"crp\"; did you mean \"corp\"?",
            "p.cedar:2:60: warning: there is no target \"web-2\"; did you mean \"web-1\"?",
            "p.cedar:3:20: warning: there is no target with the tag \"env=prd\"; did you mean \"env=prod\"?",
            "p.cedar:3:51: warning: \"alice\" does not say which issuer names that user; write it as \"issuer/alice\"",
        ]
    );
}

#[test]
fn a_problem_shows_its_place_in_the_file() {
    let text = "@id(\"a\") @aprove(\"corp/sre\")\npermit (principal, action, resource);";
    let problems = PolicySet::load(vec![("p.cedar".to_owned(), text.to_owned())], &Known::default()).expect_err("mistyped");
    let label = problems[0].labels().and_then(|mut labels| labels.next()).expect("a label");
    assert_eq!(&text[label.offset()..label.offset() + label.len()], "@aprove(\"corp/sre\")");
    assert!(problems[0].source_code().is_some());
}

#[test]
fn the_digest_is_of_what_the_policies_say_and_not_of_how_they_are_laid_out() {
    let one = "@id(\"a\") permit (principal, action, resource); @id(\"b\") forbid (principal, action == Action::\"lock\", resource);";
    let same =
        "// comment\n@id(\"b\")\nforbid(principal,action==Action::\"lock\",resource);\n@id(\"a\")\npermit (principal, action, resource);\n";
    assert_eq!(load(one).digest(), load(same).digest());
    for other in [
        one.replace("@id(\"a\")", "@id(\"c\")"),
        one.replace("\"lock\"", "\"watch\""),
        one.replace("permit (principal, action", "permit (principal, action == Action::\"lock\""),
        one.replace("@id(\"b\")", "@id(\"b\") @reason(\"x\")"),
        one.replace("forbid", "permit"),
        String::new(),
    ] {
        assert_ne!(load(one).digest(), load(&other).digest(), "{other}");
    }
    assert_eq!(load(one).digest_hex().len(), 64);
}

#[test]
fn the_examples_of_the_design_are_right() {
    let text = r#"
@id("oncall-restarts")
permit (principal in Group::"corp/sre", action == Action::"ssh.exec", resource in Target::"web")
when { !context.dynamic && context.program == "systemctl" && ["restart","status"].contains(context.args.first) };

@id("refunds-need-a-second-pair-of-eyes")
@approve("corp/payments-leads") @approvals("1") @valid("15m") @scope("operation")
forbid (principal, action == Action::"pg.update", resource == Table::"orders/public.refunds");

@id("contractors-may-ask")
@approve("corp/sre") @valid("30m") @scope("session")
permit (principal in Group::"corp/contractors", action == Action::"connect", resource == Target::"web-1");

@id("support-sees-no-card-numbers")
@mask("last4")
forbid (principal in Group::"corp/support", action == Action::"pg.read_column", resource == Column::"orders/public.payments.card");

@id("no-self-approval")
forbid (principal, action == Action::"approve", resource) when { resource.requester == principal };
"#;
    let set = load(text);
    assert_eq!((set.len(), set.warnings().len()), (5, 0));
}
