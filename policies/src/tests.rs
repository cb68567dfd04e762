//! The engine as a whole: what is loaded, how it decides, and what no set of policies can do.

mod deciding;
mod loading;
mod manual;
mod properties;
mod schema;

use crate::{
    Action, Approval, Command, Context, Decision, Facts, FactsKind, Key, Known, PolicySet, Principal, Request, Resource, ResourceKind,
    Table, Target, Verdict, Visit, Why,
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
        FactsKind::Sql => Facts::Sql { statement: "select".to_owned(), has_where: true, in_transaction: false },
    }
}

/// One of each thing a request can be about.
struct Things {
    target: Target,
    table: Table,
    visit: Visit,
    approval: Approval,
    key: Key,
    other: Principal,
}

impl Things {
    fn new(owner: &Principal, target: &Target) -> Self {
        let (owner, target) = (owner.clone(), target.clone());
        Things {
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

    fn of(&self, kind: ResourceKind) -> Resource<'_> {
        match kind {
            ResourceKind::Target => Resource::Target(&self.target),
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
