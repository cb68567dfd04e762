//! The shipped examples hold what their cases say, and a case that does not hold is told with its place.

use super::*;
use crate::Known;

fn load(text: &str) -> PolicySet {
    PolicySet::load(vec![("p.cedar".to_owned(), text.to_owned())], &Known::default())
        .unwrap_or_else(|problems| panic!("{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>()))
}

macro_rules! example {
    ($test:ident, $name:literal) => {
        #[test]
        fn $test() {
            let set = load(include_str!(concat!("../../examples/", $name, ".cedar")));
            let warnings: Vec<_> = set.warnings().iter().map(ToString::to_string).collect();
            assert_eq!(warnings, Vec::<String>::new());
            let cases = include_str!(concat!("../../examples/", $name, ".test.toml"));
            let report = run_cases(&set, $name, cases).unwrap_or_else(|problem| panic!("{problem}"));
            let failures: Vec<_> = report.failures.iter().map(ToString::to_string).collect();
            assert_eq!(failures, Vec::<String>::new());
            assert!(report.passed > 0);
            let silent = set.rules_beside(&report.exercised);
            assert!(silent.is_empty(), "no case exercises {silent:?}");
        }
    };
}

example!(the_starter_example_holds_its_cases, "starter");
example!(the_team_example_holds_its_cases, "team");
example!(the_on_call_example_holds_its_cases, "on-call");
example!(the_contractor_example_holds_its_cases, "contractor");
example!(the_ci_service_example_holds_its_cases, "ci-service");
example!(the_auditor_example_holds_its_cases, "auditor");
example!(the_support_example_holds_its_cases, "support-postgres");
example!(the_http_example_holds_its_cases, "support-http");
example!(the_developers_example_holds_its_cases, "developers-postgres");

const HEAD: &str = "[principal.ann]\nid = \"corp/ann\"\n[target.web-1]\nkind = \"ssh\"\n[[case]]\nname = \"c\"\n";

fn run(case: &str) -> Result<Report, String> {
    let set = load(
        "@id(\"p\") permit (principal, action == Action::\"connect\", resource);
         @id(\"m\") @mask(\"hash\") forbid (principal, action == Action::\"pg.read_column\", resource);
         @id(\"r\") permit (principal, action == Action::\"pg.read_column\", resource);",
    );
    run_cases(&set, "c.test.toml", &format!("{HEAD}{case}")).map_err(|problem| problem.to_string())
}

#[test]
fn a_case_that_does_not_hold_says_what_was_expected_and_what_came() {
    let failure = |case: &str| run(case).expect("it runs").failures.first().map(ToString::to_string);
    let connect = "principal = \"ann\"\naction = \"connect\"\ntarget = \"web-1\"\n";
    assert_eq!(failure(&format!("{connect}expect = \"allow\"")), None);
    assert_eq!(failure(&format!("{connect}expect = \"deny\"")).as_deref(), Some("c.test.toml:5:1: case \"c\": expected deny, got allow"));
    assert_eq!(
        failure(&format!("{connect}expect = \"allow\"\npolicy = \"q\"")).as_deref(),
        Some("c.test.toml:5:1: case \"c\": policy \"q\" had no say; these had: p")
    );
    let shell = connect.replace("connect", "ssh.shell");
    assert_eq!(
        failure(&format!("{shell}expect = \"hold\"")).as_deref(),
        Some("c.test.toml:5:1: case \"c\": expected hold, got deny: ssh.shell on web-1 is refused: no policy permits it to corp/ann.")
    );
    let column = "principal = \"ann\"\naction = \"pg.read_column\"\ntarget = \"web-1\"\nexpect = \"allow\"\n\
                  table = { database = \"d\", schema = \"s\", name = \"t\", column = \"c\" }\n";
    assert_eq!(failure(&format!("{column}mask = \"hash\"")), None);
    assert_eq!(failure(column).as_deref(), Some("c.test.toml:5:1: case \"c\": expected mask none, got hash"));
}

#[test]
fn a_file_that_is_wrong_is_told_with_its_place() {
    for (case, expected) in [
        (
            "principal = \"ann\"\naction = \"conect\"\nexpect = \"allow\"",
            ":5:1: case \"c\" asks for \"conect\", which is no action; did you mean \"connect\"?",
        ),
        (
            "principal = \"anne\"\naction = \"connect\"\nexpect = \"allow\"",
            "names a principal \"anne\" that the file does not describe; did you mean \"ann\"?",
        ),
        (
            "principal = \"ann\"\naction = \"connect\"\ntarget = \"zzz\"\nexpect = \"allow\"",
            "names a target \"zzz\" that the file does not describe; add [target.zzz]",
        ),
        ("principal = \"ann\"\naction = \"connect\"\nexpect = \"allow\"", "does not say on which target"),
        ("principal = \"ann\"\naction = \"ssh.exec\"\ntarget = \"web-1\"\nexpect = \"allow\"", "does not say the command"),
        ("principal = \"ann\"\naction = \"pg.select\"\ntarget = \"web-1\"\nexpect = \"allow\"", "does not say on which table"),
        ("principal = \"ann\"\nacton = \"connect\"\nexpect = \"allow\"", ":8:1: unknown field `acton`"),
        ("principal = \"ann\"\naction = \"connect\"\nexpect = \"alow\"", ":9:10: unknown variant `alow`"),
        ("principal = \"ann\"\naction = \"connect\"\nexpect = \"deny\"\nmask = \"last5\"", "there is no mask \"last5\""),
        ("principal = ", ":7:"),
    ] {
        let problem = run(case).expect_err("it is wrong");
        assert!(problem.starts_with("c.test.toml:") && problem.contains(expected), "{case}: {problem}");
    }
}

const KINDS: &str = r#"
    @id("shop") permit (principal, action in Action::"k8s.read", resource == Kind::"prod/apps/deployments")
    when { resource in Namespace::"prod/shop" && context.api_group == "apps" && context.verb == "get" && !context.dry_run };
    @id("health") permit (principal, action == Action::"k8s.nonresource", resource) when { context.path == "/healthz" && context.verb == "get" };
    @id("refunds") permit (principal, action in Action::"http", resource == Route::"billing/POST /v1/refunds")
    when { context has size && context.size < 1000 && context.headers.contains("x-tenant: shop") && context.query == "" };
    @id("fields") permit (principal, action in Action::"http.read", resource in Target::"billing");
    @id("cards") @mask("redact") forbid (principal, action == Action::"http.read_field", resource) when { context.field like "*/card" };
    @id("ddl") permit (principal, action == Action::"pg.ddl", resource in Schema::"orders/public") when { context.statement == "alter table" };
    @id("settings") permit (principal, action == Action::"pg.set", resource == Database::"orders/app")
    when { context has setting && context.setting == "work_mem" };
    @id("settle") permit (principal, action in [Action::"pg.call", Action::"pg.do"], resource == Function::"orders/public.settle");
    @id("ls") permit (principal, action == Action::"ssh.exec", resource) when { ["ls", "wc"].contains(context.program) };
    @id("wait") @approve("corp/leads") permit (principal, action == Action::"ssh.exec", resource) when { context.program == "reboot" };
    @id("tree") permit (principal, action == Action::"sftp.write", resource) when { context has path && context.path like "/srv/*" };
"#;

/// Runs one case about the target `x`, of any kind.
fn one(target: &str, case: &str) -> Result<Ran, String> {
    let text = format!(
        "[principal.ann]\nid = \"corp/ann\"\n[target.{target}]\nkind = \"x\"\n[[case]]\nname = \"c\"\nprincipal = \"ann\"\ntarget = \"{target}\"\n{case}"
    );
    let mut report = run_cases(&load(KINDS), "c.test.toml", &text).map_err(|problem| problem.to_string())?;
    report.cases.pop().ok_or_else(|| "no case".to_owned())
}

#[test]
fn a_case_can_describe_every_kind_of_request() {
    let deployment =
        "kubernetes = { group = \"apps\", version = \"v1\", resource = \"deployments\", namespace = \"shop\", name = \"web\" }";
    let refund = "http = { path = \"/v1/refunds\", size = 17, headers = [\"x-tenant: shop\"] }";
    for (target, action, what, expected) in [
        ("prod", "k8s.get", deployment.to_owned(), "allow shop"),
        ("prod", "k8s.list", deployment.to_owned(), "deny"),
        ("prod", "k8s.get", deployment.replace("\"shop\"", "\"mail\""), "deny"),
        ("prod", "k8s.get", deployment.replace(" namespace = \"shop\",", ""), "deny"),
        ("prod", "k8s.get", deployment.replace("name = \"web\"", "dry_run = true"), "deny"),
        ("prod", "k8s.get", deployment.replace("apps", ""), "deny"),
        ("prod", "k8s.nonresource", "kubernetes = { path = \"/healthz\" }".to_owned(), "allow health"),
        ("prod", "k8s.nonresource", "kubernetes = { path = \"/metrics\" }".to_owned(), "deny"),
        ("prod", "k8s.nonresource", "kubernetes = { path = \"/healthz\", verb = \"post\" }".to_owned(), "deny"),
        ("billing", "http.POST", refund.to_owned(), "allow refunds"),
        ("billing", "http.POST", refund.replace("17", "1700"), "deny"),
        ("billing", "http.POST", refund.replace("size", "query = \"x\", size"), "deny"),
        ("billing", "http.PUT", refund.to_owned(), "deny"),
        ("billing", "http.GET", refund.to_owned(), "allow fields"),
        ("billing", "http.other", refund.replace("size", "method = \"BREW\", size"), "deny"),
        ("billing", "http.read_field", "http = { path = \"/v1/x\", field = \"/name\" }".to_owned(), "allow fields"),
        (
            "billing",
            "http.read_field",
            "mask = \"redact\"\nhttp = { path = \"/v1/x\", field = \"/*/card\" }".to_owned(),
            "allow cards fields",
        ),
        ("orders", "pg.ddl", "schema = { database = \"app\", name = \"public\" }\nstatement = \"alter table\"".to_owned(), "allow ddl"),
        (
            "orders",
            "pg.ddl",
            "table = { database = \"app\", schema = \"public\", name = \"t\" }\nstatement = \"alter table\"".to_owned(),
            "allow ddl",
        ),
        ("orders", "pg.ddl", "database = \"app\"\nstatement = \"alter table\"".to_owned(), "deny"),
        ("orders", "pg.set", "database = \"app\"\nsetting = \"work_mem\"".to_owned(), "allow settings"),
        ("orders", "pg.set", "database = \"app\"\nsetting = \"role\"".to_owned(), "deny"),
        ("orders", "pg.call", "function = { database = \"app\", schema = \"public\", name = \"settle\" }".to_owned(), "allow settle"),
        ("orders", "pg.do", "function = { database = \"app\", schema = \"public\", name = \"other\" }".to_owned(), "deny"),
        ("orders", "pg.do", "database = \"app\"".to_owned(), "deny"),
        ("web-1", "ssh.exec", "command = \"ls | wc -l\"".to_owned(), "allow ls"),
        ("web-1", "ssh.exec", "command = \"ls; id\"".to_owned(), "deny ls"),
        ("web-1", "ssh.exec", "command = \"ls; reboot\"".to_owned(), "hold ls wait"),
        ("web-1", "ssh.exec", "command = \"cd /tmp\"".to_owned(), "allow"),
        ("web-1", "sftp.write", "path = \"/srv/x\"\nrecursive = true".to_owned(), "allow tree"),
        ("web-1", "sftp.write", "path = \"/\"\nrecursive = true".to_owned(), "deny"),
    ] {
        let ran = one(target, &format!("action = \"{action}\"\n{what}\nexpect = \"{}\"", expected.split(' ').next().unwrap_or_default()));
        let ran = ran.unwrap_or_else(|problem| panic!("{action} {what}: {problem}"));
        let got = [vec![ran.got.to_string()], ran.exercised.iter().map(ToString::to_string).collect()].concat().join(" ");
        assert_eq!((got.as_str(), ran.failure.is_none()), (expected, true), "{action} {what}: {:?}", ran.failure);
    }
}

#[test]
fn a_case_that_leaves_out_what_it_is_about_says_so() {
    for (action, expected) in [
        ("k8s.get", "does not say the request: kubernetes = {"),
        ("k8s.nonresource", "does not say the request: kubernetes = {"),
        ("http.GET", "does not say the request: http = {"),
        ("pg.ddl", "does not say on which database"),
        ("pg.call", "does not say on which function"),
        ("pg.set", "does not say on which database"),
    ] {
        let problem = one("x", &format!("action = \"{action}\"\nexpect = \"deny\"")).expect_err("it leaves something out");
        assert!(problem.contains(expected), "{action}: {problem}");
    }
    let problem = one("x", "action = \"http.read_field\"\nhttp = { path = \"/\" }\nexpect = \"deny\"").expect_err("no field");
    assert!(problem.contains("does not say which field"), "{problem}");
}

#[test]
fn a_report_tells_of_each_case_and_of_policies_that_none_exercised() {
    let set = load(KINDS);
    let case = |name: &str, command: &str, expect: &str| {
        format!(
            "[[case]]\nname = \"{name}\"\nprincipal = \"ann\"\naction = \"ssh.exec\"\ntarget = \"web-1\"\ncommand = \"{command}\"\nexpect = \"{expect}\"\n"
        )
    };
    let head = "[principal.ann]\nid = \"corp/ann\"\n[target.web-1]\nkind = \"ssh\"\n";
    let text = format!("{head}{}{}{}", case("one", "ls", "allow"), case("two", "reboot", "allow"), case("three", "ls > x", "deny"));
    let report = run_cases(&set, "c.test.toml", &text).expect("it runs");
    let told: Vec<_> = report.cases.iter().map(|ran| (ran.name.as_str(), ran.line, ran.expected, ran.got, ran.failure.is_some())).collect();
    assert_eq!(
        told,
        [
            ("one", 5, Answer::Allow, Answer::Allow, false),
            ("two", 12, Answer::Allow, Answer::Hold, true),
            ("three", 19, Answer::Deny, Answer::Deny, false)
        ]
    );
    assert_eq!((report.passed, report.failures.len()), (2, 1));
    assert_eq!(report.exercised.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["ls", "wait"]);
    let silent: Vec<&str> = set.rules_beside(&report.exercised).iter().map(|rule| &*rule.id).collect();
    assert_eq!(silent, ["shop", "health", "refunds", "fields", "cards", "ddl", "settings", "settle", "tree"], "in order of the file");
    let json = serde_json::to_value(&report).expect("it is plain data");
    assert_eq!((&json["cases"][1]["expected"], &json["cases"][1]["got"]), (&"allow".into(), &"hold".into()));
}
