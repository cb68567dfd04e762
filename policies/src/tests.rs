//! The engine as a whole: what is loaded, how it decides, and what no set of policies can do.

mod deciding;
mod loading;
mod manual;
mod properties;
mod schema;
mod seen;

use crate::{
    Action, ApiRequest, Approval, Command, Context, Database, DbSchema, Decision, Facts, FactsKind, Function, HttpRequest, Key, Kind,
    Known, PolicySet, Principal, Request, Resource, ResourceKind, Route, Table, Target, Verdict, Visit, Why,
};

fn load(text: &str) -> PolicySet {
    PolicySet::load(vec![("p.cedar".to_owned(), text.to_owned())], &Known::default())
        .unwrap_or_else(|problems| panic!("{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>()))
}

fn alice() -> Principal {
    Principal::user("corp/alice@example.com", ["corp/sre", "corp/all"])
}

fn web() -> Target {
    Target { tags: [("env".to_owned(), "prod".to_owned())].into(), ..Target::new("web-1", "ssh") }
}

fn context(facts: Facts) -> Context {
    Context {
        source_ip: "192.0.2.7".parse().expect("an address"),
        time: "2026-01-02T12:00:00Z".parse().expect("a time"),
        authenticated_at: "2026-01-02T11:50:00.5Z".parse().expect("a time"),
        device_bound: false,
        reason: None,
        facts,
    }
}

fn exec(line: &str) -> Context {
    context(Facts::Command { login: "deploy".to_owned(), command: Command::read(line.as_bytes()) })
}

fn login(login: &str) -> Context {
    context(Facts::Login(login.to_owned()))
}

/// Facts of a kind, as harmless as can be.
fn facts(kind: FactsKind) -> Facts {
    let login = "deploy".to_owned();
    match kind {
        FactsKind::None => Facts::None,
        FactsKind::Login => Facts::Login(login),
        FactsKind::Command => Facts::Command { login, command: Command::read(b"uptime -p") },
        FactsKind::File => Facts::File { login, path: Some("/srv/a".to_owned()), to: None, recursive: false },
        FactsKind::Sql => Facts::Sql {
            statement: "select".to_owned(),
            has_where: true,
            in_transaction: false,
            setting: Some("work_mem".to_owned()),
            estimated_rows: Some(7),
        },
        FactsKind::ApiRequest => Facts::ApiRequest(ApiRequest {
            verb: "get".to_owned(),
            group: "apps".to_owned(),
            version: "v1".to_owned(),
            resource: "deployments".to_owned(),
            namespace: Some("shop".to_owned()),
            name: Some("web".to_owned()),
            subresource: Some("scale".to_owned()),
            container: None,
            dry_run: false,
        }),
        FactsKind::ApiExec => match facts(FactsKind::ApiRequest) {
            Facts::ApiRequest(request) => Facts::ApiExec { request, command: Command::read(b"uptime -p") },
            other => other,
        },
        FactsKind::ApiField => match facts(FactsKind::ApiRequest) {
            Facts::ApiRequest(request) => Facts::ApiField { request, field: "/data/password".to_owned() },
            other => other,
        },
        FactsKind::ApiPath => Facts::ApiPath { verb: "get".to_owned(), path: "/healthz".to_owned() },
        FactsKind::HttpRequest => Facts::HttpRequest(http("GET")),
        FactsKind::HttpField => Facts::HttpField { request: http("GET"), field: "/items/*/card".to_owned() },
    }
}

/// The facts of an action, as harmless as can be.
fn facts_of(action: Action) -> Facts {
    match (action.facts(), action.name().strip_prefix("http.")) {
        (FactsKind::HttpRequest, Some(method)) => Facts::HttpRequest(http(method)),
        (kind, _) => facts(kind),
    }
}

fn http(method: &str) -> HttpRequest {
    HttpRequest {
        method: method.to_owned(),
        path: "/v1/refunds".to_owned(),
        query: "page=2".to_owned(),
        content_type: Some("application/json".to_owned()),
        headers: vec!["x-tenant: shop".to_owned()],
        size: Some(17),
        body: crate::http::Body::read(br#"{"amount":17}"#).expect("a body"),
    }
}

/// One of each thing a request can be about.
struct Things {
    target: Target,
    database: Database,
    schema: DbSchema,
    table: Table,
    function: Function,
    kind: Kind,
    route: Route,
    visit: Visit,
    approval: Approval,
    key: Key,
    other: Principal,
}

impl Things {
    fn new(owner: &Principal, target: &Target) -> Self {
        let (owner, target) = (owner.clone(), target.clone());
        let text = str::to_owned;
        Things {
            database: Database { target: target.clone(), name: text("app") },
            schema: DbSchema { target: target.clone(), database: text("app"), name: text("public") },
            function: Function { target: target.clone(), database: text("app"), schema: text("public"), name: text("settle") },
            kind: Kind { target: target.clone(), group: text("apps"), name: text("deployments"), namespace: Some(text("shop")) },
            route: Route { target: target.clone(), method: text("GET"), path: text("/v1/refunds") },
            table: Table { target: target.clone(), database: "app".to_owned(), schema: "public".to_owned(), name: "refunds".to_owned() },
            visit: Visit { id: "01J".to_owned(), owner: owner.clone(), target: target.clone(), login: "deploy".to_owned() },
            approval: Approval {
                id: "A1".to_owned(),
                requester: owner.clone(),
                target: target.clone(),
                action: Action::SshExec,
                asks: vec!["corp/leads".to_owned()],
            },
            key: Key { fingerprint: "SHA256:abc".to_owned(), algorithm: "ssh-ed25519".to_owned(), bits: 256 },
            other: owner,
            target,
        }
    }

    /// For an action: routes have its method.
    fn for_action(owner: &Principal, target: &Target, action: Action) -> Self {
        let mut things = Things::new(owner, target);
        if let (FactsKind::HttpRequest, Some(method)) = (action.facts(), action.name().strip_prefix("http.")) {
            things.route.method = method.to_owned();
        }
        things
    }

    fn of(&self, kind: ResourceKind) -> Resource<'_> {
        match kind {
            ResourceKind::Target => Resource::Target(&self.target),
            ResourceKind::Database => Resource::Database(&self.database),
            ResourceKind::Schema => Resource::Schema(&self.schema),
            ResourceKind::Function => Resource::Function(&self.function),
            ResourceKind::Kind => Resource::Kind(&self.kind),
            ResourceKind::Route => Resource::Route(&self.route),
            ResourceKind::Table => Resource::Table(&self.table),
            ResourceKind::Column => Resource::Column(&self.table, "card"),
            ResourceKind::Session => Resource::Session(&self.visit),
            ResourceKind::Recording => Resource::Recording(&self.visit),
            ResourceKind::Approval => Resource::Approval(&self.approval),
            ResourceKind::Key => Resource::Key(&self.key),
            ResourceKind::Principal => Resource::Principal(&self.other),
        }
    }
}

fn why(decision: &Decision) -> &Why {
    match &decision.verdict {
        Verdict::Deny(refusal) => &refusal.why,
        other => panic!("not refused: {other:?}"),
    }
}
