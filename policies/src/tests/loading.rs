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

fn warnings(text: &str, known: &Known) -> Vec<String> {
    let set = PolicySet::load(vec![("p.cedar".to_owned(), text.to_owned())], known).expect("only warnings");
    assert!(set.warnings().iter().all(|warning| warning.gravity == Gravity::Warning));
    set.warnings().iter().map(ToString::to_string).collect()
}

#[test]
fn conditions_and_scopes_that_contradict_themselves_are_warnings() {
    for policy in [
        "permit (principal, action == Action::\"connect\", resource) when { false };",
        "permit (principal, action == Action::\"connect\", resource) when { principal is Service && principal is User };",
        "permit (principal is User, action == Action::\"connect\", resource) when { principal is Service };",
        "permit (principal, action == Action::\"connect\", resource is Table);",
        "permit (principal, action == Action::\"pg.select\", resource in Table::\"a/b.c\") when { resource is Column };",
        "permit (principal, action == Action::\"connect\", resource) unless { true };",
        "permit (principal == Group::\"corp/a\", action, resource);",
    ] {
        match PolicySet::load(vec![("p.cedar".to_owned(), format!("@id(\"a\")\n{policy}"))], &Known::default()) {
            Ok(set) => assert_eq!(set.warnings().len(), 1, "{policy}: {:?}", set.warnings()),
            // The last one is against the schema outright.
            Err(problems) => assert!(policy.contains("Group") && problems.len() == 1, "{policy}: {problems:?}"),
        }
    }
}

#[test]
fn an_annotation_written_twice_is_an_error_at_its_place() {
    let problems = problems("@id(\"a\")\n@id(\"b\")\npermit (principal, action, resource);");
    assert!(problems.len() == 1 && problems[0].starts_with("p.cedar:2:1:") && problems[0].contains("id"), "{problems:?}");
}

#[test]
fn a_policy_that_says_what_another_says_is_a_warning() {
    let text = "@id(\"a\") permit (principal, action, resource);\n\n@id(\"b\")\npermit(principal,action,resource); // again\n\
                @id(\"c\") @alert(\"x\") permit (principal, action, resource);";
    assert_eq!(
        warnings(text, &Known::default()),
        ["p.cedar:3:1: warning: this policy says the same as \"a\" at p.cedar:1; take one of them out"]
    );
}

#[test]
fn ids_and_paths_that_nothing_has_are_warnings() {
    for (resource, expected) in [
        ("Table::\"refunds\"", "no Table is called \"refunds\"; write it as Table::\"target/schema.name\""),
        ("Table::\"orders/refunds\"", "no Table is called \"orders/refunds\""),
        ("Schema::\"/public\"", "no Schema is called \"/public\"; write it as Schema::\"target/name\""),
        ("Tag::\"prod\"", "no Tag is called \"prod\"; write it as Tag::\"key=value\""),
        ("Kind::\"prod/pods\"", "no Kind is called \"prod/pods\"; write it as Kind::\"target/group/resources\""),
        ("Route::\"billing/v1\"", "no Route is called \"billing/v1\"; write it as Route::\"target/METHOD /path\""),
        ("Column::\"orders/public.card\"", "no Column is called \"orders/public.card\""),
        (r#"Column::"orders/public.\"payments\".\"card\"""#, r#"write it as Column::"orders/public.payments.card""#),
        (r#"Table::"orders/public.a.b""#, "no Table is called"),
        (r#"Table::"orders/\"public\".refunds""#, r#"write it as Table::"orders/public.refunds""#),
        (r#"Schema::"orders/a.b""#, "no Schema is called"),
    ] {
        let text = format!("@id(\"a\") permit (principal, action, resource)\nwhen {{ resource in {resource} }};");
        let warnings = warnings(&text, &Known::default());
        assert!(warnings[0].starts_with("p.cedar:2:20: warning: ") && warnings[0].contains(expected), "{resource}: {warnings:?}");
        assert_eq!(warnings.len(), 1, "{resource}: {warnings:?}");
    }
    for resource in
        [r#"Table::"orders/public.\"a.b\"""#, r#"Column::"orders/Public.Pay ments.\"ca\"\"rd\"""#, r#"Schema::"orders/\"a.b\"""#]
    {
        let text = format!("@id(\"a\") permit (principal, action, resource)\nwhen {{ resource in {resource} }};");
        assert_eq!(warnings(&text, &Known::default()), Vec::<String>::new(), "{resource}");
    }
    for (test, wrong) in [
        ("like \"srv/*\"", true),
        ("like \"/srv/../*\"", true),
        ("like \"/srv//x*\"", true),
        ("== \"/srv/\"", true),
        ("== \"\"", true),
        ("like \"/srv/*\"", false),
        ("like \"/*\"", false),
        ("like \"*/.ssh/*\"", false),
        ("like \"/srv/.*\"", false),
        ("== \"/\"", false),
    ] {
        let text = format!(
            "@id(\"a\") permit (principal, action in Action::\"sftp\", resource) when {{ context has path &&\ncontext.path {test} }};"
        );
        let warnings = warnings(&text, &Known::default());
        assert_eq!(warnings.len(), usize::from(wrong), "{test}: {warnings:?}");
        assert!(warnings.iter().all(|warning| warning.starts_with("p.cedar:2:") && warning.contains("no path looks like")), "{warnings:?}");
    }
}

#[test]
fn a_mask_that_depends_on_what_the_statement_is_is_a_warning() {
    for (condition, expected) in [
        ("when { context.statement == \"select\" }", 1),
        ("unless { context.has_where }", 1),
        ("when { context has estimated_rows && context.estimated_rows < 9 }", 1),
        ("when { context.in_transaction }", 0),
    ] {
        let text = format!(
            "@id(\"a\") @mask(\"null\") forbid (principal, action == Action::\"pg.read_column\", resource == Column::\"t/s.t.c\")\n{condition};"
        );
        let warnings = warnings(&text, &Known::default());
        assert_eq!(warnings.len(), expected, "{condition}: {warnings:?}");
        assert!(warnings.iter().all(|warning| warning.contains("holds for some statements only")), "{warnings:?}");
    }
}

#[test]
fn a_target_of_a_kind_that_the_action_never_has_is_a_warning() {
    let kinds = [("web-1", "ssh"), ("orders", "postgres"), ("prod", "kubernetes"), ("billing", "http")];
    let kinds = Some(kinds.into_iter().map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect());
    let known = Known { kinds, ..Known::default() };
    for (scope, expected) in [
        (
            "action == Action::\"pg.select\", resource in Target::\"web-1\"",
            Some("web-1 is a target of kind ssh, on which pg.select is never asked"),
        ),
        (
            "action in Action::\"ssh\", resource == Target::\"orders\"",
            Some("orders is a target of kind postgres, on which ssh.shell is never"),
        ),
        ("action in Action::\"http.read\", resource in Target::\"prod\"", Some("prod is a target of kind kubernetes, on which http.GET")),
        (
            "action in Action::\"pg\", resource in Database::\"billing/x\"",
            Some("there is no Database in billing, which is a target of kind http"),
        ),
        ("action in Action::\"k8s\", resource in Namespace::\"web-1/x\"", Some("there is no Namespace in web-1")),
        ("action in [Action::\"connect\", Action::\"pg\"], resource in Target::\"web-1\"", None),
        ("action, resource in Target::\"orders\"", None),
        ("action in Action::\"pg.read\", resource in Target::\"orders\"", None),
        ("action in Action::\"sftp\", resource in Target::\"unheard-of\"", None),
        ("action == Action::\"http.GET\", resource == Route::\"billing/GET /v1\"", None),
    ] {
        let warnings = warnings(&format!("@id(\"a\")\npermit (principal, {scope});"), &known);
        assert_eq!(warnings.len(), usize::from(expected.is_some()), "{scope}: {warnings:?}");
        let fits = |warning: &String| warning.starts_with("p.cedar:2:") && expected.is_some_and(|expected| warning.contains(expected));
        assert!(warnings.iter().all(fits), "{scope}: {warnings:?}");
    }
}

#[test]
fn a_forbid_for_a_program_that_an_unknown_command_passes_is_a_warning() {
    let forbid =
        |id: &str, when: &str| format!("@id(\"{id}\") forbid (principal, action == Action::\"ssh.exec\", resource) when {{ {when} }};\n");
    let rm = forbid("rm", "context.program == \"rm\"");
    assert_eq!(
        warnings(&rm, &Known::default()),
        ["p.cedar:1:1: warning: this forbid is passed by a command whose program is not known before it runs; \
          forbid those too: when { context.dynamic }"]
    );
    for fine in [
        forbid("rm", "context.dynamic || context.program == \"rm\""),
        format!("{rm}{}", forbid("unknown", "context.dynamic")),
        forbid("text", "context.command like \"*shadow*\""),
        rm.replace("forbid (", "permit ("),
    ] {
        assert_eq!(warnings(&fine, &Known::default()), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn names_the_configuration_does_not_know_are_warnings() {
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let known = Known { issuers: names(&["corp"]), targets: names(&["web-1"]), tags: names(&["env=prod"]), ..Known::default() };
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
