//! What is not seen when it is decided is not permitted by a policy about it, and does not slip past a forbid about it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::Unseen;

const EVERYWHERE: &str = "@id(\"all\") permit (principal, action, resource);\n";

fn file(path: Option<&str>, to: Option<&str>, recursive: bool) -> Context {
    context(Facts::File { login: "deploy".to_owned(), path: path.map(str::to_owned), to: to.map(str::to_owned), recursive })
}

fn decide(set: &PolicySet, action: Action, context: &Context) -> Decision {
    set.slice(&alice(), &web()).decide(&Request { action, resource: Resource::Target(&web()), context })
}

fn write(text: &str, path: Option<&str>, recursive: bool) -> String {
    let decision = decide(&load(text), Action::SftpWrite, &file(path, None, recursive));
    match &decision.verdict {
        Verdict::Deny(refusal) => match &refusal.why {
            Why::NotCovered(withheld) => format!("not covered: {:?}", withheld.because),
            Why::Undecidable { because, .. } => format!("undecidable: {because:?}"),
            Why::NothingPermits => "nothing".to_owned(),
            Why::ForbiddenBy { .. } => "forbidden".to_owned(),
            Why::EvaluationError { .. } => "failed".to_owned(),
            Why::Statement { .. } => "statement".to_owned(),
            Why::Unfit => "unfit".to_owned(),
        },
        other => other.word().to_owned(),
    }
}

#[test]
fn a_permit_about_files_covers_a_tree_only_if_it_covers_every_file_in_it() {
    for (conditions, root, expected) in [
        ("", "/srv", "allow"),
        ("when { context.recursive }", "/srv", "allow"),
        ("when { !context.recursive }", "/srv", "nothing"),
        ("when { context has path && context.path like \"/srv/*\" }", "/srv/www", "allow"),
        ("when { context has path && context.path like \"/srv/*\" }", "/srv", "nothing"),
        ("when { context has path && context.path like \"/srv/*\" }", "/", "nothing"),
        ("when { context has path && context.path like \"/srv*\" }", "/srv", "allow"),
        ("when { context has path && (context.path like \"/srv/*\" || context.path like \"/opt/*\") }", "/opt/x", "allow"),
        ("when { context has path && context.path == \"/srv\" }", "/srv", "not covered: Files"),
        ("when { context has path && context.path like \"/srv/*.html\" }", "/srv/x.html", "not covered: Files"),
        ("unless { context has path && context.path like \"/srv/secret/*\" }", "/srv", "not covered: Files"),
        ("unless { context has path && context.path like \"/srv/secret/*\" }", "/srv/www", "allow"),
        ("when { context has path && [\"/srv\"].contains(context.path) }", "/srv", "not covered: Files"),
        ("when { if context has path then context.path like \"/srv*\" else true }", "/srv", "allow"),
        ("when { context has path && (if context.path like \"/srv*\" then true else false) }", "/srv", "not covered: Files"),
    ] {
        let text = format!("@id(\"p\") permit (principal, action == Action::\"sftp.write\", resource) {conditions};");
        assert_eq!(write(&text, Some(root), true), expected, "{conditions} at {root}");
    }
}

#[test]
fn a_forbid_about_files_refuses_a_tree_it_could_forbid_something_in() {
    for (conditions, root, expected) in [
        ("when { context has path && context.path like \"/etc/*\" }", "/srv", "allow"),
        ("when { context has path && context.path like \"/etc/*\" }", "/etcetera", "allow"),
        ("when { context has path && context.path like \"/etc/*\" }", "/", "undecidable: Files"),
        ("when { context has path && context.path like \"/etc/*\" }", "/etc", "undecidable: Files"),
        ("when { context has path && context.path like \"/etc/*\" }", "/etc/ssh", "forbidden"),
        ("when { context has path && context.path like \"*/.ssh/*\" }", "/srv", "undecidable: Files"),
        ("when { context has path && context.path == \"/etc/passwd\" }", "/srv", "allow"),
        ("when { context has path && context.path == \"/etc/passwd\" }", "/etc", "undecidable: Files"),
        ("when { context has path && [\"/etc/passwd\"].contains(context.path) }", "/srv", "undecidable: Files"),
        ("unless { context has path && context.path like \"/srv/*\" }", "/srv/www", "allow"),
        ("unless { context has path && context.path like \"/srv/*\" }", "/etc", "forbidden"),
        ("unless { context has path && context.path like \"/srv/*.html\" }", "/srv/www", "forbidden"),
        ("unless { context has path && context.path == \"/srv\" }", "/srv", "undecidable: Files"),
        // What does not depend on the files still decides.
        ("when { context.login == \"root\" && context has path && context.path like \"/etc/*\" }", "/", "allow"),
        ("when { context.login == \"deploy\" && context has path && context.path like \"/etc/*\" }", "/", "undecidable: Files"),
        ("when { context has to && context.to like \"/etc/*\" }", "/", "allow"),
    ] {
        let forbid = format!("@id(\"f\") forbid (principal, action == Action::\"sftp.write\", resource) {conditions};");
        assert_eq!(write(&format!("{EVERYWHERE}{forbid}"), Some(root), true), expected, "{conditions} at {root}");
        for scope in ["principal in Group::\"corp/others\", action in Action::\"sftp\"", "principal, action == Action::\"sftp.read\""] {
            let elsewhere = forbid.replace("principal, action == Action::\"sftp.write\"", scope);
            assert_eq!(write(&format!("{EVERYWHERE}{elsewhere}"), Some(root), true), "allow", "{elsewhere}");
        }
    }
}

#[test]
fn a_forbid_for_another_kind_of_principal_does_not_stand_in_the_way_of_a_tree() {
    let forbid = "@id(\"f\") forbid (principal is Service, action in Action::\"sftp\", resource)
                  when { context has path && context.path like \"*.key\" };";
    assert_eq!(write(&format!("{EVERYWHERE}{forbid}"), Some("/srv"), true), "allow");
    assert_eq!(write(&format!("{EVERYWHERE}{}", forbid.replace("Service", "User")), Some("/srv"), true), "undecidable: Files");
}

#[test]
fn an_approval_that_some_file_of_a_tree_would_need_is_asked_for_the_tree() {
    let forbid = "@id(\"f\") @approve(\"corp/leads\") forbid (principal, action in Action::\"sftp\", resource)
                  when { context has path && context.path like \"*.key\" };";
    assert_eq!(write(&format!("{EVERYWHERE}{forbid}"), Some("/srv"), true), "hold");
    assert_eq!(write(&format!("{EVERYWHERE}{forbid}"), Some("/srv/a"), false), "allow");
    assert_eq!(write(&format!("{EVERYWHERE}{forbid}"), Some("/srv/a.key"), true), "hold", "once, though it is satisfied already");
}

#[test]
fn a_file_that_is_not_known_could_be_any() {
    let permit = "@id(\"p\") permit (principal, action in Action::\"sftp\", resource)";
    let forbid = "@id(\"f\") forbid (principal, action in Action::\"sftp\", resource)";
    for path in [None, Some("www"), Some("/srv/../etc"), Some("/etc/"), Some("~/x")] {
        assert_eq!(write(EVERYWHERE, path, false), "allow", "{path:?}");
        assert_eq!(
            write(&format!("{permit} unless {{ context has path && context.path like \"/boot/*\" }};"), path, false),
            "not covered: File",
            "{path:?}"
        );
        let etc = format!("{EVERYWHERE}{forbid} when {{ context has path && context.path like \"/boot/*\" }};");
        assert_eq!(write(&etc, path, false), "undecidable: File", "{path:?}");
        assert_eq!(write(&etc, path, true), "undecidable: File", "{path:?}");
        let to = format!("{EVERYWHERE}{forbid} when {{ context has to && context.to like \"/boot/*\" }};");
        assert_eq!(write(&to, path, false), "allow", "it is not renamed: {path:?}");
    }
}

#[test]
fn a_new_name_that_is_not_known_could_be_any() {
    let forbid = "@id(\"f\") forbid (principal, action, resource) when { context has to && context.to like \"/etc/*\" };"
        .replace("action,", "action == Action::\"sftp.rename\",");
    let set = load(&format!("{EVERYWHERE}{forbid}"));
    for (to, recursive, expected) in [
        (Some("/srv/b"), false, "allow"),
        (Some("/etc/b"), false, "deny"),
        (None, false, "deny"),
        (Some("b"), false, "deny"),
        (Some("/srv/b"), true, "allow"),
        (Some("/"), true, "deny"),
    ] {
        let decision = decide(&set, Action::SftpRename, &file(Some("/srv/a"), to, recursive));
        assert_eq!(decision.verdict.word(), expected, "{to:?} {recursive}");
    }
}

#[test]
fn a_permit_for_one_program_does_not_cover_what_is_not_known_before_it_runs() {
    let ask = |conditions: &str| {
        let set = load(&format!("@id(\"p\") permit (principal, action == Action::\"ssh.exec\", resource) when {{ {conditions} }};"));
        let decision = decide(&set, Action::SshExec, &exec("$X -rf /"));
        (decision.verdict.word(), decision.withheld)
    };
    for conditions in ["context.program != \"rm\"", "context.command like \"$X*\"", "!(context.args.all.contains(\"/\"))"] {
        let (word, withheld) = ask(conditions);
        assert_eq!((word, withheld.len(), withheld[0].because), ("deny", 1, Unseen::Dynamic), "{conditions}");
        assert_eq!(ask(&format!("{conditions} && context.dynamic")), ("allow", Vec::new()), "{conditions}");
    }
}

#[test]
fn a_permit_for_one_program_does_not_cover_redirections_and_variables_it_does_not_look_at() {
    let ask = |conditions: &str, line: &str| {
        let set = load(&format!("@id(\"p\") permit (principal, action == Action::\"ssh.exec\", resource) {conditions};"));
        let decision = decide(&set, Action::SshExec, &exec(line));
        let because = decision.withheld.first().map(|withheld| withheld.because);
        (decision.verdict.word(), because)
    };
    let cat = "when { context.program == \"cat\" }";
    let quiet = "when { context.program == \"cat\" && context.redirects.isEmpty() }";
    let to = "when { context.program == \"cat\" && [\">/tmp/x\"].containsAll(context.redirects) }";
    let lang = "when { context.program == \"cat\" && [\"LANG\"].containsAll(context.environment) }";
    let first = "when { context.program == \"cat\" && context.args.first == \"a\" }";
    let globs = "when { context.program == \"cat\" && context.args.first == \"a\" && (context.patterns || !context.patterns) }";
    for (conditions, line, expected) in [
        ("", "cat a > /tmp/x", ("allow", None)),
        ("", "LANG=C cat a", ("allow", None)),
        ("when { context.login == \"deploy\" }", "LANG=C cat a > /tmp/x", ("allow", None)),
        (cat, "cat a", ("allow", None)),
        (cat, "cat a 2> /dev/null", ("allow", None)),
        (cat, "cat a > /tmp/x", ("deny", Some(Unseen::Redirections))),
        (cat, "cat < /etc/shadow", ("deny", Some(Unseen::Redirections))),
        (cat, "TZ=UTC cat a", ("deny", Some(Unseen::Environment))),
        (quiet, "cat a", ("allow", None)),
        (quiet, "cat a > /tmp/x", ("deny", None)),
        (quiet, "LANG=C cat a", ("deny", Some(Unseen::Environment))),
        (to, "cat a > /tmp/x", ("allow", None)),
        (to, "cat a >> /tmp/x", ("deny", None)),
        (to, "cat a > /tmp/x 2> /tmp/y", ("deny", None)),
        (cat, "cat *.log", ("allow", None)),
        (first, "cat a b", ("allow", None)),
        (first, "cat a *", ("deny", Some(Unseen::Patterns))),
        (globs, "cat a *", ("allow", None)),
        (lang, "LANG=C cat a", ("allow", None)),
        (lang, "LANG=C TZ=UTC cat a", ("deny", None)),
        (lang, "LANG=C cat a > /tmp/x", ("deny", Some(Unseen::Redirections))),
    ] {
        assert_eq!(ask(conditions, line), expected, "{conditions}: {line}");
    }
}

#[test]
fn a_refusal_for_what_is_not_seen_says_which_policy_and_what_to_do() {
    let say = |text: &str, context: &Context, action| match decide(&load(text), action, context).verdict {
        Verdict::Deny(refusal) => (refusal.policy().map(str::to_owned), refusal.to_string()),
        other => panic!("{other:?}"),
    };
    let tree = file(Some("/srv"), None, true);
    let permit =
        "@id(\"html\") permit (principal, action, resource == Target::\"web-1\") when { context has path && context.path like \"*v\" };"
            .replace("action,", "action in Action::\"sftp\",");
    assert_eq!(
        say(&permit, &tree, Action::SftpWrite),
        (
            Some("html".to_owned()),
            "sftp.write on web-1 is refused: policy \"html\" permits it file by file, and single files cannot be seen in this kind of \
             copy.\nUse sftp or scp instead: there each file is decided by itself."
                .to_owned()
        )
    );
    let forbid = "@id(\"no-keys\") @reason(\"Keys stay.\") forbid (principal, action in Action::\"sftp\", resource)
                  when { context has path && context.path like \"*.key\" };";
    assert_eq!(
        say(&format!("{EVERYWHERE}{forbid}"), &tree, Action::SftpRead),
        (
            Some("no-keys".to_owned()),
            "sftp.read on web-1 is refused: policy \"no-keys\" is about certain files, and single files cannot be seen in this kind of \
             copy (Keys stay).\nUse sftp or scp instead: there each file is decided by itself."
                .to_owned()
        )
    );
}

#[test]
fn an_explanation_of_a_line_tells_of_each_operation_and_of_permits_that_do_not_cover_it() {
    let set = load(
        "@id(\"cat\") permit (principal, action == Action::\"ssh.exec\", resource) when { context.program == \"cat\" };
         @id(\"sort\") @approve(\"corp/leads\") permit (principal, action == Action::\"ssh.exec\", resource) when { context.program == \"sort\" };",
    );
    let explain = |line: &str| {
        let asked = crate::questions("deploy", &crate::Line::read(line.as_bytes()));
        set.explain_all(&alice(), &web(), &login("deploy"), &asked)
    };
    assert_eq!(explain("cat a").decision.verdict.word(), "allow");
    assert_eq!(explain("cat a | sort").decision.verdict.word(), "hold");
    assert_eq!(explain("cd /tmp").decision.verdict.word(), "allow", "it runs nothing");
    let explained = explain("cat a | sort > /tmp/x");
    let words: Vec<_> = explained.operations.iter().map(|one| (one.operation.as_str(), one.explanation.decision.verdict.word())).collect();
    assert_eq!((explained.decision.verdict.word(), words), ("deny", vec![("cat a", "allow"), ("sort", "deny")]));
    assert_eq!(
        explained.to_string(),
        "deny: corp/alice@example.com on web-1, 2 operations\n\n\
         1. cat a\n\
         allow: corp/alice@example.com ssh.exec on web-1\n\
         \x20 permit \"cat\" at p.cedar:1\n\n\
         2. sort\n\
         deny: corp/alice@example.com ssh.exec on web-1\n\
         ssh.exec on web-1 is refused: policy \"sort\" permits it without redirections.\n\
         If you need it so, ask the people who write this bastion's policies and name that one.\n\
         \x20 permit \"sort\" at p.cedar:2, which permits it without redirections\n"
    );
    let json = serde_json::to_value(&explained).expect("it is plain data");
    assert_eq!(json["operations"][1]["verdict"]["deny"]["why"]["not_covered"]["because"], "redirections");
    assert_eq!(json["operations"][1]["withheld"][0]["policy"], "sort");
    assert_eq!(json["operations"][0]["operation"], "cat a");
    assert_eq!(json["withheld"][0]["because"], "redirections");
}

const PATHS: &[&str] = &[
    "context has path && context.path like \"/a/*\"",
    "context has path && context.path like \"/a/b/*\"",
    "context has path && context.path like \"/a*\"",
    "context has path && context.path like \"*\"",
    "context has path && context.path like \"*/c\"",
    "context has path && context.path like \"/a/*/c*\"",
    "context has path && context.path == \"/a/b\"",
    "context has path && context.path != \"/a/b/c\"",
    "context has path && \"/b\" == context.path",
    "context has path && [\"/a/b\", \"/b/c\"].contains(context.path)",
    "context has path && (if context.path like \"/a/*\" then context.device_bound else true)",
    "context has to && context.to like \"/b*\"",
    "context has to && context.to == \"/b/c\"",
    "context has to",
    "if context has to then context.to like \"/b*\" else true",
    "context has path",
    "context.device_bound",
    "context.login == \"deploy\"",
    "context has path && context has to && context.path == context.to",
];

/// A condition over paths: tests joined by `&&`, `||` and `!`.
fn condition() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select::<&'static str>(PATHS).prop_map(str::to_owned);
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

fn about_files() -> impl Strategy<Value = String> {
    let effect = prop_oneof![Just("permit"), Just("permit"), Just("@approve(\"corp/x\") forbid"), Just("forbid")];
    (effect, prop_oneof![Just("when"), Just("unless")], condition()).prop_map(|(effect, word, condition)| {
        format!("{effect} (principal, action in Action::\"sftp\", resource) {word} {{ {condition} }};")
    })
}

/// Every path of up to three names out of three.
fn paths() -> Vec<String> {
    let mut paths = vec![String::new()];
    for depth in 0..3 {
        let deeper = |path: &String| ["a", "b", "c"].map(|name| format!("{path}/{name}"));
        let new: Vec<String> = paths.iter().filter(|path| path.matches('/').count() == depth).flat_map(deeper).collect();
        paths.extend(new);
    }
    paths.into_iter().map(|path| if path.is_empty() { "/".to_owned() } else { path }).collect()
}

fn is_in(path: &str, root: &str) -> bool {
    path == root || path.starts_with(&format!("{}/", root.trim_end_matches('/')))
}

/// Each decision on a tree that is allowed, and on each file in it.
fn trees_and_files(policies: &[String]) -> (usize, Vec<String>) {
    let text: String = policies.iter().enumerate().map(|(n, policy)| format!("@id(\"p{n}\") {policy}\n")).collect();
    // A condition that can never hold is a warning, and there may be some.
    let set = load(&text);
    let slice = set.slice(&alice(), &web());
    let ask = |action, path: &str, to: Option<&str>, recursive| {
        let context = file(Some(path), to, recursive);
        matches!(slice.decide(&Request { action, resource: Resource::Target(&web()), context: &context }).verdict, Verdict::Allow)
    };
    let (paths, mut allowed, mut wrong) = (paths(), 0, Vec::new());
    for (action, to) in [(Action::SftpWrite, None), (Action::SftpRename, Some("/b")), (Action::SftpRename, Some("/b/c"))] {
        for root in paths.iter().filter(|root| ask(action, root, to, true)) {
            allowed += 1;
            for path in paths.iter().filter(|path| is_in(path, root)) {
                let beneath = path.strip_prefix(root.trim_end_matches('/')).filter(|_| path != root).unwrap_or_default();
                let moved = to.map(|to| format!("{to}{beneath}"));
                if !ask(action, path, moved.as_deref(), false) {
                    wrong.push(format!("{action} {root} is allowed, {path} to {moved:?} is not, by {text}"));
                }
            }
        }
    }
    (allowed, wrong)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn where_a_tree_is_allowed_every_file_in_it_is(policies in prop::collection::vec(about_files(), 1..5)) {
        let (_, wrong) = trees_and_files(&policies);
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// The property above would hold if no tree were ever allowed.
#[test]
fn some_of_the_random_policies_allow_some_trees() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut counts = BTreeSet::new();
    for _ in 0..24 {
        let policies = prop::collection::vec(about_files(), 1..5).new_tree(&mut runner).expect("policies").current();
        counts.insert(trees_and_files(&policies).0);
    }
    let all = 3 * paths().len();
    assert!(counts.iter().any(|count| *count > 0 && *count < all), "{counts:?}");
}
