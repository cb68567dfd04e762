use std::collections::BTreeSet;

use crate::request::{Database, DbSchema, Function, Key, Kind, Place, Route, Table};
use crate::suggest::{Terms, permits};
use crate::{Action, ApiRequest, Command, Context, Deed, Facts, HttpRequest, Known, PolicySet, Principal, Request, Target, Vague, Verdict};

fn load(text: &str) -> PolicySet {
    PolicySet::load(vec![("p.cedar".to_owned(), text.to_owned())], &Known::default())
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>()))
}

fn robot() -> Principal {
    Principal::service("ci/o'brien \"x\"", ["ci/robots"])
}

fn command(login: &str, line: &str) -> Facts {
    Facts::Command { login: login.to_owned(), command: Command::read(line.as_bytes()) }
}

fn file(path: &str, to: Option<&str>, recursive: bool) -> Facts {
    Facts::File { login: "deploy".to_owned(), path: Some(path.to_owned()), to: to.map(str::to_owned), recursive }
}

fn sql(statement: &str, has_where: bool, setting: Option<&str>) -> Facts {
    let (statement, setting) = (statement.to_owned(), setting.map(str::to_owned));
    Facts::Sql { statement, has_where, in_transaction: false, setting, estimated_rows: None }
}

fn api(verb: &str, namespace: Option<&str>, name: Option<&str>, subresource: Option<&str>) -> ApiRequest {
    let own = |text: Option<&str>| text.map(str::to_owned);
    ApiRequest {
        verb: verb.to_owned(),
        version: "v1".to_owned(),
        resource: "pods".to_owned(),
        namespace: own(namespace),
        name: own(name),
        subresource: own(subresource),
        ..ApiRequest::default()
    }
}

/// Things that policies should tell from each other, each from all others.
fn deeds(set: &PolicySet) -> Vec<Deed> {
    let (web, orders, prod, billing) =
        (Target::new("web-1", "ssh"), Target::new("orders", "postgres"), Target::new("prod", "kubernetes"), Target::new("billing", "http"));
    let table = |name: &str| Table { target: orders.clone(), database: "orders".into(), schema: "public".into(), name: name.into() };
    let kind = |request: &ApiRequest| Place::Kind(request.kind(prod.clone()));
    let mut all: Vec<(Action, Place, Facts)> = Vec::new();
    let on = |target: &Target| Place::Target(target.clone());
    for login in ["deploy", "root", ""] {
        all.push((Action::Connect, on(&web), Facts::Login(login.to_owned())));
    }
    all.push((Action::SshShell, on(&web), Facts::Login("deploy".to_owned())));
    for line in [
        "ls",
        "ls -l",
        "ls >/tmp/x",
        "ls >/tmp/y",
        "A=1 ls",
        "ls *.log",
        "eval \"$x\"",
        "echo 'it''s \"q\"' \\*",
        "systemctl restart nginx",
    ] {
        all.push((Action::SshExec, on(&web), command("deploy", line)));
    }
    all.push((Action::SshExec, on(&web), command("root", "ls")));
    for (action, facts) in [
        (Action::SftpRead, file("/srv/a", None, false)),
        (Action::SftpRead, file("/srv/a*\"b", None, false)),
        (Action::SftpWrite, file("/srv/a", None, false)),
        (Action::SftpRead, file("/var/tree", None, true)),
        (Action::SftpRename, file("/srv/a", Some("/srv/b"), false)),
        (Action::SftpRename, file("/srv/a", Some("/srv/c"), false)),
    ] {
        all.push((action, on(&web), facts));
    }
    for (action, place, facts) in [
        (Action::PgSelect, Place::Table(table("refunds")), sql("select", true, None)),
        (Action::PgSelect, Place::Table(table("odd.\"name")), sql("select", true, None)),
        (Action::PgDelete, Place::Table(table("refunds")), sql("delete", true, None)),
        (Action::PgReadColumn, Place::Column(table("refunds"), "card".into()), sql("select", false, None)),
        (Action::PgReadColumn, Place::Column(table("refunds"), "id".into()), sql("select", false, None)),
        (Action::PgFilterColumn, Place::Column(table("refunds"), "id".into()), sql("select", false, None)),
        (Action::PgDdl, Place::Table(table("refunds")), sql("drop table", false, None)),
        (Action::PgDdl, Place::Table(table("refunds")), sql("create index", false, None)),
        (
            Action::PgDdl,
            Place::Schema(DbSchema { target: orders.clone(), database: "orders".into(), name: "public".into() }),
            sql("create table", false, None),
        ),
        (
            Action::PgCall,
            Place::Function(Function { target: orders.clone(), database: "orders".into(), schema: "public".into(), name: "settle".into() }),
            sql("select", false, None),
        ),
        (Action::PgSet, Place::Database(Database { target: orders.clone(), name: "orders".into() }), sql("set", false, Some("timezone"))),
        (Action::PgSet, Place::Database(Database { target: orders.clone(), name: "orders".into() }), sql("set", false, Some("work_mem"))),
    ] {
        all.push((action, place, facts));
    }
    for request in [
        api("get", Some("shop"), Some("web"), None),
        api("get", Some("shop"), Some("db"), None),
        api("get", Some("other"), Some("web"), None),
        api("get", None, None, None),
        api("get", Some("shop"), Some("web"), Some("status")),
        api("list", Some("shop"), None, None),
        ApiRequest { container: Some("app".to_owned()), ..api("get", Some("shop"), Some("web"), Some("log")) },
        api("get", Some("shop"), Some("web"), Some("log")),
    ] {
        all.push((request.action().expect("an action"), kind(&request), Facts::ApiRequest(request)));
    }
    for line in ["ls", "sh"] {
        let request = api("create", Some("shop"), Some("web"), Some("exec"));
        all.push((Action::K8sExec, kind(&request), Facts::ApiExec { request, command: Command::read(line.as_bytes()) }));
    }
    for path in ["/version", "/healthz"] {
        all.push((Action::K8sNonResource, on(&prod), Facts::ApiPath { verb: "get".to_owned(), path: path.to_owned() }));
    }
    for (method, path) in
        [("GET", "/v1/refunds"), ("GET", "/v1/refunds/1"), ("POST", "/v1/refunds"), ("PURGE", "/v1/refunds"), ("GET", "/a \"b\"\\c")]
    {
        let request =
            HttpRequest { method: method.to_owned(), path: path.to_owned(), query: "page=2".to_owned(), ..HttpRequest::default() };
        let route = Route { target: billing.clone(), method: method.to_owned(), path: path.to_owned() };
        all.push((Action::of_http_method(method), Place::Route(route), Facts::HttpRequest(request)));
    }
    for algorithm in ["ssh-ed25519", "ssh-rsa"] {
        let key = Key { fingerprint: "SHA256:x".to_owned(), algorithm: algorithm.to_owned(), bits: 256 };
        all.push((Action::Issue, Place::Key(key), Facts::None));
    }
    all.into_iter()
        .map(|(action, place, facts)| set.deed(action, place, facts).unwrap_or_else(|vague| panic!("{action}: {vague}")))
        .collect()
}

fn verdict(set: &PolicySet, who: &Principal, deed: &Deed) -> Verdict {
    let now = "2026-01-02T12:00:00Z".parse().expect("a time");
    let source_ip = "192.0.2.7".parse().expect("an address");
    let context = Context { source_ip, time: now, authenticated_at: now, device_bound: false, reason: None, facts: deed.facts.clone() };
    set.decide(who, &Request { action: deed.action, resource: deed.place.resource(), context: &context }).verdict
}

#[test]
fn a_suggested_policy_permits_one_deed_and_no_other_and_nobody_else() {
    let all = deeds(&load(""));
    let words: BTreeSet<_> = all.iter().map(|deed| deed.words().clone()).collect();
    assert_eq!(words.len(), all.len(), "each can be told from each other");
    for deed in &all {
        let text = permits(&robot(), &[(deed.clone(), Terms::default())]);
        let set = load(&text);
        assert!(set.len() == 1 && set.warnings().is_empty(), "{text} {:?}", set.warnings());
        for other in &all {
            // With no condition on the account it would be for all: a target without accounts has none.
            let same = other.words() == deed.words() || (deed.label().is_empty() && other.action == deed.action);
            assert_eq!(verdict(&set, &robot(), other) == Verdict::Allow, same, "{text}\n{other:?}");
        }
        assert_ne!(verdict(&set, &Principal::service("ci/other", ["ci/robots"]), deed), Verdict::Allow);
    }
}

#[test]
fn a_suggestion_for_many_deeds_is_few_policies_that_permit_exactly_these() {
    let all = deeds(&load(""));
    let (taken, left): (Vec<_>, Vec<_>) =
        all.into_iter().filter(|deed| !deed.label().is_empty()).enumerate().partition(|(n, _)| n % 2 == 0);
    let wanted: Vec<_> = taken.iter().map(|(_, deed)| (deed.clone(), Terms::default())).collect();
    let text = permits(&robot(), &wanted);
    let set = load(&text);
    assert!(set.len() < wanted.len(), "things of one kind stand together: {text}");
    assert!(set.warnings().is_empty(), "{:?}", set.warnings());
    for (_, deed) in &taken {
        assert_eq!(verdict(&set, &robot(), deed), Verdict::Allow, "{text}\n{deed:?}");
    }
    for (_, deed) in &left {
        assert_ne!(verdict(&set, &robot(), deed), Verdict::Allow, "{text}\n{deed:?}");
    }
}

#[test]
fn whether_rows_are_chosen_tells_deletes_apart_in_one_direction() {
    let set = load("");
    let orders = Target::new("orders", "postgres");
    let table = || Place::Table(Table { target: orders.clone(), database: "o".into(), schema: "public".into(), name: "t".into() });
    let some = set.deed(Action::PgDelete, table(), sql("delete", true, None)).expect("a deed");
    let all = set.deed(Action::PgDelete, table(), sql("delete", false, None)).expect("a deed");
    let only_some = load(&permits(&robot(), &[(some.clone(), Terms::default())]));
    assert_eq!(verdict(&only_some, &robot(), &some), Verdict::Allow);
    assert_ne!(verdict(&only_some, &robot(), &all), Verdict::Allow, "a DELETE of all rows is another thing");
}

#[test]
fn what_no_policy_can_name_alone_is_said_to_be_so() {
    let set = load("");
    let web = Target::new("web-1", "ssh");
    let unknown = Facts::File { login: "deploy".to_owned(), path: None, to: None, recursive: false };
    assert_eq!(set.deed(Action::SftpRead, Place::Target(web.clone()), unknown), Err(Vague::File));
    assert_eq!(set.deed(Action::SshExec, Place::Target(web.clone()), Facts::Login(String::new())), Err(Vague::Unfit));
    assert_eq!(set.deed(Action::Publish, Place::Target(web), Facts::None), Err(Vague::Unsaid));
    let kind = Kind { target: Target::new("prod", "kubernetes"), group: String::new(), name: "pods".to_owned(), namespace: None };
    assert_eq!(set.deed(Action::K8sGet, Place::Kind(kind), Facts::None), Err(Vague::Unfit));
}
