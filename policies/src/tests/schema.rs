//! The shipped schema and the words in the code are the same, and what we put to Cedar is what the schema promises.

use std::collections::BTreeSet;

use cedar_policy::{Entities, Schema};

use super::*;
use crate::context::{Steady, context as cedar_context};
use crate::entities::Names;
use crate::{Known, PrincipalKind, SCHEMA};

fn schema() -> Schema {
    let (schema, warnings) = Schema::from_cedarschema_str(SCHEMA).expect("the schema is right");
    assert_eq!(warnings.map(|warning| warning.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    schema
}

#[test]
fn the_schema_and_the_code_know_the_same_actions() {
    let groups = ["ssh", "sftp", "pg", "pg.read", "pg.write", "k8s", "k8s.read", "k8s.write", "http", "http.read", "http.write"];
    let in_schema: BTreeSet<String> =
        schema().actions().map(|uid| uid.id().unescaped().to_owned()).filter(|name| !groups.contains(&name.as_str())).collect();
    let in_code: BTreeSet<String> = Action::ALL.iter().map(|action| action.name().to_owned()).collect();
    assert_eq!(in_schema, in_code);
    assert!(Action::ALL.len() <= 64, "a set of actions is kept in 64 bits");
}

#[test]
fn an_action_is_read_back_from_its_name_and_a_slip_is_told() {
    for action in Action::ALL {
        assert_eq!(action.to_string().parse(), Ok(*action));
    }
    let error = "ssh.exce".parse::<Action>().expect_err("no such action");
    assert_eq!(error.to_string(), "there is no action \"ssh.exce\"; did you mean \"ssh.exec\"?");
    assert_eq!("zzz".parse::<Action>().expect_err("no such action").to_string(), "there is no action \"zzz\"");
}

#[test]
fn every_request_and_entity_we_build_is_what_the_schema_promises() {
    let schema = schema();
    let names = Names::new(&schema).expect("the names are in the schema");
    let mut seen = 0;
    for action in Action::ALL.iter().copied() {
        for kind in action.resources().iter().copied() {
            for (caller_kind, owner_kind) in [(PrincipalKind::User, PrincipalKind::Service), (PrincipalKind::Service, PrincipalKind::User)]
            {
                let mut caller = Principal::new(caller_kind, "corp/caller", ["corp/a"]);
                caller.claims.insert("team".to_owned(), vec!["x".to_owned()]);
                let things = Things::for_action(&Principal::new(owner_kind, "corp/owner", ["corp/b"]), &web(), action);
                let resource = things.of(kind);
                let mut asked = context(facts_of(action));
                asked.reason = Some("because".to_owned());
                let question = cedar_policy::Request::new(
                    names.principal_uid(&caller).expect("a principal"),
                    names.action(action).expect("an action").uid(),
                    names.resource_uid(&resource).expect("a resource"),
                    cedar_context(&asked, &Steady::new(&asked), &names).expect("a context"),
                    Some(&schema),
                );
                assert!(question.is_ok(), "{action} on {kind:?}: {question:?}");
                let entities = names.resource(&resource, &caller).expect("entities").into_iter();
                let entities = entities.chain([names.principal(&caller).expect("a principal")]);
                let entities = Entities::from_entities(entities, Some(&schema));
                assert!(entities.is_ok(), "{action} on {kind:?}: {entities:?}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 2 * Action::ALL.len());
}

#[test]
fn a_request_that_no_action_knows_is_refused_even_where_all_is_permitted() {
    let set = load(
        "@id(\"all\") permit (principal, action, resource);
         @id(\"and-unseen\") permit (principal, action == Action::\"unrecorded\", resource);",
    );
    let kinds = [
        ResourceKind::Target,
        ResourceKind::Database,
        ResourceKind::Schema,
        ResourceKind::Function,
        ResourceKind::Kind,
        ResourceKind::Route,
        ResourceKind::Table,
        ResourceKind::Column,
        ResourceKind::Session,
        ResourceKind::Recording,
        ResourceKind::Approval,
        ResourceKind::Key,
        ResourceKind::Principal,
    ];
    let fact_kinds = [
        FactsKind::None,
        FactsKind::Login,
        FactsKind::Command,
        FactsKind::File,
        FactsKind::Sql,
        FactsKind::ApiRequest,
        FactsKind::ApiExec,
        FactsKind::ApiField,
        FactsKind::ApiPath,
        FactsKind::HttpRequest,
        FactsKind::HttpField,
    ];
    for action in Action::ALL.iter().copied() {
        let things = Things::for_action(&alice(), &web(), action);
        for kind in kinds {
            for fact_kind in fact_kinds {
                let context = context(if fact_kind == action.facts() { facts_of(action) } else { facts(fact_kind) });
                let decision = set.decide(&alice(), &Request { action, resource: things.of(kind), context: &context });
                if action.resources().contains(&kind) && action.facts() == fact_kind {
                    assert_eq!(decision.verdict, Verdict::Allow, "{action} {kind:?} {fact_kind:?}");
                } else {
                    assert_eq!(*why(&decision), Why::Unfit, "{action} {kind:?} {fact_kind:?}");
                }
            }
        }
    }
}

#[test]
fn the_starter_policies_are_right_and_hold_what_they_say() {
    let text = crate::STARTER.replace("ISSUER", "corp");
    let known = Known { issuers: Some(["corp".to_owned(), "local".to_owned()].into()), ..Known::default() };
    let set = PolicySet::load(vec![("starter.cedar".to_owned(), text)], &known).expect("the starter is right");
    assert_eq!(set.warnings().iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    let admin = Principal::user("corp/root@example.com", ["corp/admins"]);
    let refused = [Action::Approve, Action::Publish, Action::Unrecorded];
    for action in Action::ALL.iter().copied() {
        let context = context(facts_of(action));
        let things = Things::for_action(&alice(), &web(), action);
        let resource = things.of(action.resources()[0]);
        let verdict = |who: &Principal| set.decide(who, &Request { action, resource, context: &context }).verdict.word();
        assert_eq!(verdict(&admin), if refused.contains(&action) { "deny" } else { "allow" }, "{action}");
        assert_eq!(verdict(&alice()), "deny", "{action}");
    }
}
