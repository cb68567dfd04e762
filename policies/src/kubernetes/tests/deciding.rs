//! Policies × verbs × subresources: what of a request permits and forbids see.

use super::*;
use crate::kubernetes::{Query, Streams};
use crate::{Context, Facts, Kind, Known, Mask, PolicySet, Principal, Request, Resource, Slice, Target};

fn slice(text: &str) -> Slice {
    let set = PolicySet::load(vec![("k.cedar".to_owned(), text.to_owned())], &Known::default()).expect("policies");
    set.slice(&Principal::user("corp/ann@example.com", ["corp/dev"]), &prod())
}

fn prod() -> Target {
    Target::new("prod", "kubernetes")
}

fn context(facts: Facts) -> Context {
    let time = "2026-01-02T12:00:00Z".parse().expect("a time");
    Context { source_ip: "192.0.2.7".parse().expect("an address"), time, authenticated_at: time, device_bound: false, reason: None, facts }
}

/// The verdict on a request; the worst one where it is several questions.
fn verdict(slice: &Slice, method: &str, target: &str) -> &'static str {
    let read = http::read(target).expect("a target");
    match resolve(method, &read, false).expect("a request") {
        Resolved::Path { verb, path } => {
            let context = context(Facts::ApiPath { verb, path });
            slice.decide(&Request { action: Action::K8sNonResource, resource: Resource::Target(&prod()), context: &context }).verdict.word()
        }
        Resolved::Resource(request) => {
            let (action, kind) = (request.action().expect("an action"), request.kind(prod()));
            let facts = if action == Action::K8sExec {
                let streams = Streams::of(&Query::read(&read.query).expect("a query")).expect("streams");
                let commands = exec_commands(&streams.command).expect("a command");
                commands.into_iter().map(|command| Facts::ApiExec { request: request.clone(), command }).collect()
            } else {
                vec![Facts::ApiRequest(request)]
            };
            let answers = facts.into_iter().map(|facts| {
                let context = context(facts);
                slice.decide(&Request { action, resource: Resource::Kind(&kind), context: &context }).verdict.word()
            });
            answers.fold("allow", |worst, word| if word == "allow" { worst } else { word })
        }
    }
}

const POLICIES: &str = r#"
    @id("read") permit (principal, action in Action::"k8s.read", resource in Namespace::"prod/shop");
    @id("deploy") permit (principal, action in Action::"k8s.write", resource == Kind::"prod/apps/deployments")
      when { context has namespace && context.namespace == "shop" };
    @id("try") permit (principal, action in Action::"k8s.write", resource in Target::"prod") when { context.dry_run };
    @id("logs") permit (principal, action == Action::"k8s.logs", resource == Kind::"prod/core/pods");
    @id("ps") permit (principal, action == Action::"k8s.exec", resource == Kind::"prod/core/pods") when { context.program == "ps" };
    @id("version") permit (principal, action == Action::"k8s.nonresource", resource) when { context.verb == "get" };
    @id("no-secrets") forbid (principal, action in Action::"k8s", resource == Kind::"prod/core/secrets");
    @id("no-status") forbid (principal, action in Action::"k8s.write", resource)
      when { context has subresource && context.subresource == "status" };
    @id("sidecars") forbid (principal, action == Action::"k8s.exec", resource) when { context has container && context.container == "proxy" };
    @id("deletes") @approve("corp/leads") forbid (principal, action == Action::"k8s.delete", resource);
"#;

#[test]
fn each_request_gets_the_verdict_that_its_verb_kind_and_place_ask_for() {
    let slice = slice(POLICIES);
    let shop = "/api/v1/namespaces/shop";
    let deployments = "/apis/apps/v1/namespaces/shop/deployments";
    for (method, target, expected) in [
        ("GET", format!("{shop}/pods"), "allow"),
        ("GET", format!("{shop}/pods?watch=1"), "allow"),
        ("GET", format!("{shop}/pods/web"), "allow"),
        ("HEAD", format!("{shop}/pods/web"), "allow"),
        ("GET", "/api/v1/watch/namespaces/shop/pods".to_owned(), "allow"),
        ("GET", "/api/v1/pods".to_owned(), "deny"),
        ("GET", "/api/v1/namespaces/mail/pods".to_owned(), "deny"),
        ("GET", "/api/v1/namespaces/shop/../mail/pods".to_owned(), "deny"),
        ("GET", "/api/v1/namespaces/shop".to_owned(), "allow"),
        ("GET", format!("{shop}/secrets"), "deny"),
        ("GET", format!("{shop}/secrets/db"), "deny"),
        ("GET", format!("{shop}/%73ecrets/db"), "deny"),
        ("GET", "/api/v1/watch/namespaces/shop/secrets".to_owned(), "deny"),
        ("GET", "/api/v1/secrets?fieldSelector=metadata.name%3Ddb".to_owned(), "deny"),
        ("GET", format!("{shop}/pods/web/log"), "allow"),
        ("GET", format!("{shop}/pods/web/log?follow=true"), "allow"),
        ("GET", "/api/v1/namespaces/mail/pods/web/log".to_owned(), "allow"),
        ("POST", format!("{shop}/pods"), "deny"),
        ("POST", format!("{shop}/pods?dryRun=All"), "allow"),
        ("POST", deployments.to_owned(), "allow"),
        ("PUT", format!("{deployments}/web"), "allow"),
        ("PATCH", format!("{deployments}/web"), "allow"),
        ("PATCH", format!("{deployments}/web/scale"), "allow"),
        ("PATCH", format!("{deployments}/web/status"), "deny"),
        ("DELETE", format!("{deployments}/web"), "hold"),
        ("DELETE", deployments.to_owned(), "allow"),
        ("DELETE", format!("{shop}/pods/web"), "deny"),
        ("POST", "/apis/apps/v1/namespaces/mail/deployments".to_owned(), "deny"),
        ("POST", format!("{shop}/pods/web/exec?command=ps&command=-ef"), "allow"),
        ("GET", format!("{shop}/pods/web/exec?command=ps"), "allow"),
        ("POST", format!("{shop}/pods/web/exec?command=ps&container=proxy"), "deny"),
        ("POST", format!("{shop}/pods/web/exec?command=rm&command=x"), "deny"),
        ("POST", format!("{shop}/pods/web/exec?command=sh&command=-c&command=ps%3Brm+x"), "deny"),
        ("POST", format!("{shop}/pods/web/exec?command=sh"), "deny"),
        ("POST", format!("{shop}/pods/web/attach"), "deny"),
        ("POST", format!("{shop}/pods/web/portforward"), "deny"),
        ("GET", format!("{shop}/pods/web/portforward"), "deny"),
        ("GET", format!("{shop}/pods/web/proxy/"), "deny"),
        ("GET", format!("{shop}/services/web/proxy/metrics"), "deny"),
        ("GET", "/version".to_owned(), "allow"),
        ("GET", "/apis/apps/v1".to_owned(), "allow"),
        ("POST", "/version".to_owned(), "deny"),
    ] {
        assert_eq!(verdict(&slice, method, &target), expected, "{method} {target}");
    }
}

#[test]
fn fields_are_hidden_by_kind_and_namespace_and_what_is_asked_of_all_namespaces_is_hidden_as_in_any() {
    let slice = slice(
        r#"
        @id("all") permit (principal, action in Action::"k8s", resource in Target::"prod");
        @id("secret") @mask("redact") forbid (principal, action == Action::"k8s.read_field", resource == Kind::"prod/core/secrets")
          when { context.field like "/data/*" };
        @id("shop") @mask("null") forbid (principal, action == Action::"k8s.read_field", resource in Namespace::"prod/shop")
          when { context.field like "*/password" };
    "#,
    );
    let ask = |resource: &str, namespace: Option<&str>, field: &str| {
        let (version, namespace) = ("v1".to_owned(), namespace.map(str::to_owned));
        let request = ApiRequest { verb: "list".to_owned(), version, resource: resource.to_owned(), namespace, ..ApiRequest::default() };
        let kind: Kind = request.kind(prod());
        (slice.may_hide_object_fields(&kind), slice.object_field_mask(&kind, &context(Facts::None), &request, field))
    };
    assert_eq!(ask("secrets", Some("mail"), "/data/password"), (true, Some(Mask::Redact)));
    assert_eq!(ask("secrets", Some("mail"), "/metadata/name"), (true, None));
    assert_eq!(ask("secrets", Some("shop"), "/data/password"), (true, Some(Mask::Null)));
    assert_eq!(ask("secrets", None, "/data/password"), (true, Some(Mask::Null)));
    assert_eq!(ask("configmaps", Some("shop"), "/data/password"), (true, Some(Mask::Null)));
    assert_eq!(ask("configmaps", None, "/data/password"), (true, Some(Mask::Null)));
    assert_eq!(ask("configmaps", Some("mail"), "/data/password"), (false, None));
}
