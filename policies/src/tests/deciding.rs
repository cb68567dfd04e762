//! Decisions of small sets of policies, one matter each.

use super::*;
use crate::Mask;

fn ask(text: &str, who: &Principal, action: Action, context: &Context) -> Decision {
    load(text).slice(who, &web()).decide(&Request { action, resource: Resource::Target(&web()), context })
}

#[test]
fn nothing_is_permitted_unless_a_policy_permits_it() {
    let set = load("");
    assert!(set.is_empty());
    for action in Action::ALL.iter().copied() {
        let things = Things::for_action(&alice(), &web(), action);
        for kind in action.resources() {
            let context = context(facts_of(action));
            let decision = set.decide(&alice(), &Request { action, resource: things.of(*kind), context: &context });
            assert_eq!(*why(&decision), Why::NothingPermits, "{action}");
        }
    }
}

#[test]
fn a_policy_that_fails_denies_and_is_named_whether_it_permits_or_forbids() {
    for effect in ["permit", "forbid"] {
        let text = format!(
            "@id(\"fine\") permit (principal, action, resource);
             @id(\"overflows\") {effect} (principal, action == Action::\"ssh.exec\", resource)
             when {{ context.args.count * 9223372036854775807 > 5 }};"
        );
        assert_eq!(ask(&text, &alice(), Action::SshExec, &exec("ls")).verdict, Verdict::Allow);
        let decision = ask(&text, &alice(), Action::SshExec, &exec("ls a b"));
        assert_eq!(*why(&decision), Why::EvaluationError { policies: vec!["overflows".into()] });
        assert_eq!(decision.obligations.alerts.iter().map(|alert| &*alert.policy).collect::<Vec<_>>(), ["overflows"]);
        assert_eq!(ask(&text, &alice(), Action::SshShell, &login("deploy")).verdict, Verdict::Allow, "its scope does not hold");
    }
}

#[test]
fn going_unrecorded_is_permitted_only_by_who_names_it_and_every_forbid_still_counts() {
    let said = |text: &str| ask(text, &alice(), Action::Unrecorded, &login("deploy")).verdict.word();
    let all = "@id(\"all\") permit (principal, action, resource);";
    let named = "@id(\"named\") permit (principal, action == Action::\"unrecorded\", resource in Target::\"web-1\");";
    let listed = "@id(\"listed\") permit (principal, action in [Action::\"connect\", Action::\"unrecorded\"], resource);";
    let not_root =
        "@id(\"not-deploy\") forbid (principal, action == Action::\"unrecorded\", resource) when { context.login == \"deploy\" };";
    let all_stop = "@id(\"stop\") forbid (principal, action, resource);";
    let asked = "@id(\"asked\") @approve(\"corp/leads\") forbid (principal, action == Action::\"unrecorded\", resource);";
    assert_eq!(ask(all, &alice(), Action::SshShell, &login("deploy")).verdict, Verdict::Allow);
    assert_eq!((said(all), said(named), said(listed)), ("deny", "allow", "allow"));
    for (more, expected) in [(not_root, "deny"), (all_stop, "deny"), (asked, "hold")] {
        for permits in [named.to_owned(), format!("{all} {named} {listed}")] {
            assert_eq!(said(&format!("{permits} {more}")), expected, "{permits} {more}");
        }
    }
}

#[test]
fn it_is_known_whether_any_policy_that_matters_asks_what_time_it_is() {
    let asks = |text: &str, who: &Principal| load(text).slice(who, &web()).asks_for_time();
    let plain = "@id(\"plain\") permit (principal, action, resource) when { context has login && context.login == \"time\" };";
    assert!(!asks(plain, &alice()));
    for condition in [
        "context.time < datetime(\"2027-01-01\")",
        "!(context.source_ip.isLoopback() && context.time.toTime() > duration(\"8h\"))",
        "if context.device_bound then context.time > context.authenticated_at else true",
        "[context].contains(context)",
    ] {
        for effect in ["permit", "forbid"] {
            let timed =
                format!("{plain} @id(\"timed\") {effect} (principal in Group::\"corp/sre\", action, resource) when {{ {condition} }};");
            assert!(asks(&timed, &alice()), "{timed}");
            assert!(!asks(&timed, &Principal::user("corp/bob@example.com", ["corp/all"])), "it does not matter to bob: {timed}");
        }
    }
}

#[test]
fn a_dynamic_command_matches_no_program() {
    let text = r#"
        @id("systemctl") permit (principal, action == Action::"ssh.exec", resource)
        when { !context.dynamic && context.program == "systemctl" && ["restart", "status"].contains(context.args.first) };
    "#;
    for (line, expected) in [
        ("systemctl restart nginx", "allow"),
        ("systemctl  'status'", "allow"),
        ("systemctl stop nginx", "deny"),
        ("systemctl", "deny"),
        ("systemctl restart nginx; id", "deny"),
        ("systemctl restart $(id)", "deny"),
        ("sudo systemctl restart nginx", "deny"),
    ] {
        assert_eq!(ask(text, &alice(), Action::SshExec, &exec(line)).verdict.word(), expected, "{line}");
    }
}

#[test]
fn everything_in_the_context_can_be_asked_about() {
    for (condition, holds) in [
        ("context.source_ip.isInRange(ip(\"192.0.2.0/24\"))", true),
        ("context.source_ip.isInRange(ip(\"10.0.0.0/8\"))", false),
        ("context.time.durationSince(context.authenticated_at) < duration(\"10m\")", true),
        ("context.time.durationSince(context.authenticated_at) < duration(\"9m29s\")", false),
        ("context.time.toTime() < duration(\"12h1s\") && context.time.toTime() > duration(\"11h59m\")", true),
        ("context.device_bound", false),
        ("context has reason", false),
        ("context.login == \"deploy\"", true),
        ("principal is User", true),
        ("principal.issuer == \"corp\" && principal.name == \"alice@example.com\"", true),
        ("principal.hasTag(\"team\") && principal.getTag(\"team\").contains(\"web\")", true),
        ("principal.hasTag(\"team\") && principal.getTag(\"team\").contains(\"db\")", false),
        ("resource in Tag::\"env=prod\"", true),
        ("resource in Tag::\"env=dev\"", false),
        ("resource.hasTag(\"env\") && resource.getTag(\"env\") == \"prod\"", true),
        ("resource.kind == \"ssh\" && resource.name == \"web-1\"", true),
        ("resource in Target::\"web-1\"", true),
        ("action in Action::\"ssh\"", true),
        ("action in Action::\"sftp\"", false),
    ] {
        let text = format!("@id(\"p\") permit (principal, action == Action::\"ssh.shell\", resource) when {{ {condition} }};");
        let mut who = alice();
        who.claims.insert("team".to_owned(), vec!["web".to_owned()]);
        let verdict = ask(&text, &who, Action::SshShell, &login("deploy")).verdict;
        assert_eq!(verdict.word(), if holds { "allow" } else { "deny" }, "{condition}");
    }
}

#[test]
fn a_group_is_another_group_when_another_issuer_names_it() {
    let text = "@id(\"p\") permit (principal in Group::\"corp/sre\", action, resource);";
    let fake = Principal::user("evil/alice@example.com", ["evil/sre"]);
    assert_eq!(ask(text, &fake, Action::SshShell, &login("deploy")).verdict.word(), "deny");
    assert_eq!(ask(text, &alice(), Action::SshShell, &login("deploy")).verdict.word(), "allow");
}

#[test]
fn a_user_and_a_service_of_the_same_name_are_two() {
    let text = "@id(\"p\") permit (principal == Service::\"corp/x\", action, resource);";
    let none: [&str; 0] = [];
    assert_eq!(ask(text, &Principal::user("corp/x", none), Action::Connect, &login("")).verdict.word(), "deny");
    assert_eq!(ask(text, &Principal::service("corp/x", none), Action::Connect, &login("")).verdict.word(), "allow");
}

#[test]
fn a_slice_answers_for_its_own_target_and_what_is_in_it() {
    let set = load("@id(\"all\") permit (principal, action, resource);");
    let slice = set.slice(&alice(), &web());
    let elsewhere = Target::new("web-2", "ssh");
    let context = login("deploy");
    let decision = slice.decide(&Request { action: Action::Connect, resource: Resource::Target(&elsewhere), context: &context });
    assert_eq!(*why(&decision), Why::Unfit);
    let own = Things::new(&alice(), &web());
    let foreign = Things::new(&alice(), &elsewhere);
    let sql = super::context(facts(FactsKind::Sql));
    for (things, expected) in [(&own, "allow"), (&foreign, "deny")] {
        let request = Request { action: Action::PgSelect, resource: Resource::Table(&things.table), context: &sql };
        assert_eq!(slice.decide(&request).verdict.word(), expected);
    }
}

#[test]
fn a_slice_does_not_remember_where_and_when_the_question_before_came_from() {
    let text = r#"
        @id("lan") permit (principal, action, resource) when { context.source_ip.isInRange(ip("192.0.2.0/24")) };
        @id("fresh") forbid (principal, action, resource)
        when { context.time.durationSince(context.authenticated_at) > duration("1h") };
    "#;
    let slice = load(text).slice(&alice(), &web());
    let decide =
        |context: &Context| slice.decide(&Request { action: Action::Connect, resource: Resource::Target(&web()), context }).verdict.word();
    let near = login("deploy");
    let far = Context { source_ip: "203.0.113.9".parse().expect("an address"), ..near.clone() };
    let old = Context { authenticated_at: "2026-01-02T10:00:00Z".parse().expect("a time"), ..near.clone() };
    let late = Context { time: "2026-01-02T15:00:00Z".parse().expect("a time"), ..near.clone() };
    assert_eq!([&near, &far, &near, &old, &late, &near].map(decide), ["allow", "deny", "allow", "deny", "deny", "allow"]);
}

#[test]
fn columns_are_masked_and_tables_held_by_policies_on_them() {
    let text = r#"
        @id("support-reads") permit (principal, action in Action::"pg", resource in Target::"orders");
        @id("no-cards") @mask("last4")
        forbid (principal, action == Action::"pg.read_column", resource == Column::"orders/public.refunds.card");
        @id("no-filter") forbid (principal, action == Action::"pg.filter_column", resource in Table::"orders/public.refunds");
        @id("two-eyes") @approve("corp/leads") forbid (principal, action == Action::"pg.update", resource in Schema::"orders/public");
    "#;
    let orders = Target::new("orders", "postgres");
    let things = Things::new(&alice(), &orders);
    let slice = load(text).slice(&alice(), &orders);
    let sql = context(facts(FactsKind::Sql));
    let decide = |action, resource| slice.decide(&Request { action, resource, context: &sql });
    let card = decide(Action::PgReadColumn, Resource::Column(&things.table, "card"));
    assert_eq!((card.verdict, card.mask), (Verdict::Allow, Some(Mask::Last4)));
    let other = decide(Action::PgReadColumn, Resource::Column(&things.table, "id"));
    assert_eq!((other.verdict, other.mask), (Verdict::Allow, None));
    assert_eq!(decide(Action::PgFilterColumn, Resource::Column(&things.table, "card")).verdict.word(), "deny");
    assert_eq!(decide(Action::PgSelect, Resource::Table(&things.table)).verdict, Verdict::Allow);
    let Verdict::Hold(hold) = decide(Action::PgUpdate, Resource::Table(&things.table)).verdict else { panic!("it is held") };
    assert_eq!(hold.requirements[0].approve.groups, ["corp/leads"]);
}

#[test]
fn names_do_not_matter_only_where_everything_is_permitted_without_conditions() {
    let orders = Target::new("orders", "postgres");
    let all = "@id(\"all\") permit (principal, action, resource);";
    let tells = |more: &str| load(&format!("{all} {more}")).slice(&alice(), &orders).permits_all_sql();
    for fine in [
        "",
        "@id(\"here\") permit (principal, action in Action::\"pg\", resource in Target::\"orders\");",
        "@id(\"no-ssh\") forbid (principal, action == Action::\"ssh.exec\", resource);",
        "@id(\"elsewhere\") forbid (principal, action, resource in Target::\"web-1\");",
        "@id(\"others\") forbid (principal == User::\"corp/bob\", action, resource);",
    ] {
        assert!(tells(fine), "{fine}");
    }
    for not in [
        "@id(\"table\") forbid (principal, action, resource in Table::\"orders/public.payroll\");",
        "@id(\"any\") forbid (principal, action == Action::\"pg.ddl\", resource);",
        "@id(\"mask\") @mask(\"null\") forbid (principal, action == Action::\"pg.read_column\", resource == Column::\"orders/public.a.b\");",
        "@id(\"when\") permit (principal, action == Action::\"pg.select\", resource) when { context.has_where };",
        "@id(\"some\") permit (principal, action == Action::\"pg.select\", resource in Schema::\"orders/public\");",
    ] {
        assert!(!tells(not), "{not}");
    }
    let some = load("@id(\"read\") permit (principal, action in Action::\"pg.read\", resource);");
    assert!(!some.slice(&alice(), &orders).permits_all_sql(), "what is not permitted at all depends on names too");
}

#[test]
fn names_with_dots_and_quotes_are_not_taken_for_others() {
    let orders = Target::new("orders", "postgres");
    let table = |schema: &str, name: &str| Table {
        target: orders.clone(),
        database: "app".to_owned(),
        schema: schema.to_owned(),
        name: name.to_owned(),
    };
    let set = load(
        r#"@id("t") permit (principal, action == Action::"pg.select", resource == Table::"orders/a.b");
           @id("q") permit (principal, action == Action::"pg.insert", resource == Table::"orders/\"a.b\".c");
           @id("c") permit (principal, action == Action::"pg.read_column", resource == Column::"orders/a.b.c");"#,
    );
    let sql = context(facts(FactsKind::Sql));
    let ask = |action, resource| set.decide(&alice(), &Request { action, resource, context: &sql }).verdict.word();
    let (plain, dotted, late, quoted) = (table("a", "b"), table("a.b", "c"), table("a", "b.c"), table("\"a", "b\""));
    assert_eq!(ask(Action::PgSelect, Resource::Table(&plain)), "allow");
    assert_eq!(ask(Action::PgSelect, Resource::Table(&quoted)), "deny");
    assert_eq!(ask(Action::PgInsert, Resource::Table(&dotted)), "allow");
    assert_eq!(ask(Action::PgInsert, Resource::Table(&late)), "deny");
    assert_eq!(ask(Action::PgReadColumn, Resource::Column(&plain, "c")), "allow");
    assert_eq!(ask(Action::PgReadColumn, Resource::Column(&dotted, "")), "deny");
    assert_eq!(ask(Action::PgReadColumn, Resource::Column(&late, "")), "deny");
}

#[test]
fn a_kind_is_in_the_namespace_that_the_request_names() {
    let text = r#"
        @id("all") permit (principal, action in Action::"k8s", resource in Target::"prod");
        @id("system") forbid (principal, action in Action::"k8s", resource in Namespace::"prod/kube-system");
        @id("no-secrets") forbid (principal, action in Action::"k8s", resource == Kind::"prod/core/secrets");
    "#;
    let prod = Target::new("prod", "kubernetes");
    let slice = load(text).slice(&alice(), &prod);
    for (group, name, namespace, expected) in [
        ("apps", "deployments", Some("shop"), "allow"),
        ("apps", "deployments", Some("kube-system"), "deny"),
        ("apps", "deployments", None, "allow"),
        ("", "secrets", Some("shop"), "deny"),
        ("", "secrets", None, "deny"),
        ("", "pods", Some("shop"), "allow"),
        ("secrets", "core", Some("shop"), "allow"),
    ] {
        let namespace = namespace.map(str::to_owned);
        let kind = Kind { target: prod.clone(), group: group.to_owned(), name: name.to_owned(), namespace: namespace.clone() };
        let (group, resource) = (kind.group.clone(), kind.name.clone());
        let request = ApiRequest { verb: "get".to_owned(), group, resource, namespace, ..ApiRequest::default() };
        let context = context(Facts::ApiRequest(request));
        let decision = slice.decide(&Request { action: Action::K8sGet, resource: Resource::Kind(&kind), context: &context });
        assert_eq!(decision.verdict.word(), expected, "{kind}");
    }
}

#[test]
fn a_request_that_says_two_things_at_once_is_refused_even_where_all_is_permitted() {
    let set = load("@id(\"all\") permit (principal, action, resource);");
    let things = Things::new(&alice(), &web());
    let ask = |action, resource, facts| {
        let context = context(facts);
        set.decide(&alice(), &Request { action, resource, context: &context }).verdict.word()
    };
    let (route, kind) = (Resource::Route(&things.route), Resource::Kind(&things.kind));
    assert_eq!(ask(Action::HttpGet, route, Facts::HttpRequest(http("GET"))), "allow");
    assert_eq!(ask(Action::HttpGet, route, Facts::HttpRequest(http("DELETE"))), "deny");
    assert_eq!(ask(Action::HttpPost, route, Facts::HttpRequest(http("GET"))), "deny");
    assert_eq!(ask(Action::HttpGet, route, Facts::HttpRequest(HttpRequest { path: "/other".to_owned(), ..http("GET") })), "deny");
    let Facts::ApiRequest(request) = facts(FactsKind::ApiRequest) else { panic!("it is one") };
    assert_eq!(ask(Action::K8sGet, kind, Facts::ApiRequest(request.clone())), "allow");
    for other in [
        ApiRequest { namespace: None, ..request.clone() },
        ApiRequest { group: String::new(), ..request.clone() },
        ApiRequest { resource: "pods".to_owned(), ..request },
    ] {
        assert_eq!(ask(Action::K8sGet, kind, Facts::ApiRequest(other)), "deny");
    }
}

#[test]
fn nobody_answers_his_own_request_and_those_asked_may_answer() {
    let text = r#"
        @id("asked") permit (principal, action == Action::"approve", resource) when { principal in resource.asks };
        @id("no-self-approval") forbid (principal, action == Action::"approve", resource) when { resource.requester == principal };
    "#;
    let set = load(text);
    let lead = Principal::user("corp/lead@example.com", ["corp/leads"]);
    let robot = Principal::service("corp/robot", ["corp/leads"]);
    let none = context(Facts::None);
    for (requester, approver, expected) in [
        (&alice(), &lead, "allow"),
        (&robot, &lead, "allow"),
        (&alice(), &robot, "allow"),
        (&lead, &lead, "deny"),
        (&robot, &robot, "deny"),
        (&lead, &alice(), "deny"),
    ] {
        let things = Things::new(requester, &web());
        let request = Request { action: Action::Approve, resource: Resource::Approval(&things.approval), context: &none };
        assert_eq!(set.decide(approver, &request).verdict.word(), expected, "{requester} asks {approver}");
    }
}

#[test]
fn ones_own_recordings_and_those_of_a_group_can_be_told() {
    let text = r#"
        @id("own") permit (principal, action == Action::"replay", resource) when { resource in principal };
        @id("audit") permit (principal in Group::"corp/auditors", action == Action::"replay", resource in Group::"corp/contractors");
        @id("web") permit (principal in Group::"corp/web", action == Action::"replay", resource in Tag::"env=prod");
    "#;
    let set = load(text);
    let none = context(Facts::None);
    let contractor = Principal::user("corp/con", ["corp/contractors"]);
    let auditor = Principal::user("corp/aud", ["corp/auditors"]);
    let webmaster = Principal::user("corp/wm", ["corp/web"]);
    for (owner, viewer, expected) in [
        (&contractor, &contractor, "allow"),
        (&contractor, &auditor, "allow"),
        (&alice(), &auditor, "deny"),
        (&alice(), &webmaster, "allow"),
        (&contractor, &alice(), "deny"),
    ] {
        let things = Things::new(owner, &web());
        let request = Request { action: Action::Replay, resource: Resource::Recording(&things.visit), context: &none };
        assert_eq!(set.decide(viewer, &request).verdict.word(), expected, "{viewer} looks at {owner}");
    }
}

#[test]
fn a_group_that_changed_since_the_session_began_does_not_break_the_answer() {
    let set = load("@id(\"own\") permit (principal, action == Action::\"end\", resource) when { resource in principal };");
    let mut then = alice();
    then.groups = vec!["corp/gone".to_owned()];
    let things = Things::new(&then, &web());
    let none = context(Facts::None);
    let request = Request { action: Action::End, resource: Resource::Session(&things.visit), context: &none };
    assert_eq!(set.decide(&alice(), &request).verdict, Verdict::Allow);
}

#[test]
fn keys_can_be_told_apart_when_a_certificate_is_asked_for() {
    let text = r#"
        @id("issue") @certificate_ttl("1h") permit (principal, action == Action::"issue", resource);
        @id("short-for-contractors") @certificate_ttl("10m") @pin_source_address
        permit (principal in Group::"corp/sre", action == Action::"issue", resource);
        @id("no-small-keys") forbid (principal, action == Action::"issue", resource)
        when { resource.algorithm == "ssh-rsa" && resource.bits < 3072 };
    "#;
    let set = load(text);
    let none = context(Facts::None);
    let key = |algorithm: &str, bits| Key { fingerprint: "SHA256:x".to_owned(), algorithm: algorithm.to_owned(), bits };
    let decide = |key: &Key| set.decide(&alice(), &Request { action: Action::Issue, resource: Resource::Key(key), context: &none });
    let decision = decide(&key("ssh-ed25519", 256));
    assert_eq!(decision.verdict, Verdict::Allow);
    assert_eq!(decision.obligations.certificate_ttl, Some(std::time::Duration::from_secs(600)));
    assert!(decision.obligations.pin_source_address);
    assert_eq!(decide(&key("ssh-rsa", 2048)).verdict.word(), "deny");
    assert_eq!(decide(&key("ssh-rsa", 4096)).verdict.word(), "allow");
}

#[test]
fn an_sftp_session_as_a_whole_is_not_let_in_by_a_permit_for_some_paths() {
    let text = r#"
        @id("srv") permit (principal, action == Action::"sftp.read", resource) when { context has path && context.path like "/srv/*" };
    "#;
    let file =
        |path: Option<&str>| context(Facts::File { login: "deploy".to_owned(), path: path.map(str::to_owned), to: None, recursive: false });
    assert_eq!(ask(text, &alice(), Action::SftpRead, &file(Some("/srv/x"))).verdict.word(), "allow");
    assert_eq!(ask(text, &alice(), Action::SftpRead, &file(Some("/etc/x"))).verdict.word(), "deny");
    assert_eq!(ask(text, &alice(), Action::SftpRead, &file(None)).verdict.word(), "deny");
}

#[test]
fn a_time_outside_the_calendar_of_cedar_is_refused() {
    let text = "@id(\"p\") permit (principal, action, resource);";
    let mut context = login("deploy");
    context.time = jiff::Timestamp::MIN;
    assert_eq!(*why(&ask(text, &alice(), Action::Connect, &context)), Why::Unfit);
}

#[test]
fn an_explanation_names_the_policies_and_where_they_are() {
    let set =
        load("@id(\"p\") permit (principal, action, resource);\n\n@id(\"f\") @reason(\"No.\")\nforbid (principal, action, resource);");
    let context = login("deploy");
    let request = Request { action: Action::Connect, resource: Resource::Target(&web()), context: &context };
    let explanation = set.explain(&alice(), &request);
    assert_eq!(
        explanation.to_string(),
        "deny: corp/alice@example.com connect on web-1\n\
         connect on web-1 is refused by policy \"f\": No.\n\
         If you need it, ask the people who write this bastion's policies and name that one.\n\
         \x20 forbid \"f\" at p.cedar:3 (No.)\n\
         \x20 permit \"p\" at p.cedar:1\n"
    );
    let json = serde_json::to_value(&explanation).expect("it is plain data");
    assert_eq!(json["verdict"]["deny"]["why"]["forbidden_by"]["policy"], "f");
    assert_eq!(json["action"], "connect");
    assert_eq!(json["rules"][0]["line"], 3);
}
