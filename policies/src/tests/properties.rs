//! What holds for any set of policies: a forbid never allows more, a permit never lifts a condition, and the index leaves out
//! nothing that matters.

use std::collections::BTreeSet;
use std::str::FromStr;

use cedar_policy::{Authorizer, Entities};
use proptest::prelude::*;

use super::*;
use crate::combine::{Asked, Found, combine};
use crate::context::{Steady, context as cedar_context};
use crate::entities::Names;
use crate::sight::Sight;
use crate::{Effect, Mask, SCHEMA};

const PRINCIPALS: &[&str] = &[
    "principal",
    "principal is User",
    "principal == User::\"corp/alice\"",
    "principal == User::\"corp/bob\"",
    "principal == Service::\"corp/alice\"",
    "principal in Group::\"corp/a\"",
    "principal in Group::\"corp/b\"",
    "principal is User in Group::\"corp/a\"",
];
const ACTIONS: &[&str] = &[
    "action",
    "action == Action::\"connect\"",
    "action == Action::\"ssh.exec\"",
    "action in Action::\"ssh\"",
    "action in [Action::\"connect\", Action::\"pg\"]",
    "action == Action::\"pg.read_column\"",
];
const TARGETS: &[&str] = &[
    "resource",
    "resource == Target::\"one\"",
    "resource in Target::\"one\"",
    "resource in Target::\"two\"",
    "resource in Tag::\"env=prod\"",
    "resource is Target in Tag::\"env=dev\"",
];
const COLUMNS: &[&str] = &[
    "resource",
    "resource == Column::\"one/public.refunds.card\"",
    "resource in Table::\"one/public.refunds\"",
    "resource in Schema::\"two/public\"",
    "resource in Database::\"one/app\"",
    "resource in Target::\"one\"",
    "resource in Tag::\"env=prod\"",
];
const CONDITIONS: &[&str] = &[
    "",
    "",
    "when { principal in Group::\"corp/b\" }",
    "unless { context.device_bound }",
    "when { context.source_ip.isLoopback() }",
    // Overflows, and so fails, for every caller from the loopback address.
    "when { context.source_ip.isLoopback() && context.time.offset(duration(\"9223372036854775807ms\")) > context.time }",
];
/// Of policies about files: some can be told of a tree, some cannot.
const FILES: &[&str] = &[
    "when { context has path && context.path like \"/srv/*\" }",
    "unless { context has path && context.path like \"/srv/*\" }",
    "when { context has path && context.path like \"*.key\" }",
    "when { context.recursive }",
    "when { context has to && context.to == \"/srv/a\" }",
    // Overflows where the file is seen to be another.
    "when { context has path && (context.path like \"/srv/*\" || context.login == \"x\" || -9223372036854775808 - 1 == 0) }",
];
const APPROVALS: &[&str] = &[
    "@approve(\"corp/x\")",
    "@approve(\"corp/y\") @approvals(\"2\") @scope(\"session\")",
    "@approve(\"corp/z\") @valid(\"1h\") @scope(\"session\")",
];
const MASKS: &[&str] = &["@mask(\"email\")", "@mask(\"last4\")", "@mask(\"null\")"];

/// One random policy, without its id.
#[derive(Debug, Clone)]
struct Draft {
    effect: Effect,
    annotation: &'static str,
    scope: [&'static str; 3],
    condition: &'static str,
}

impl Draft {
    fn text(&self, id: usize) -> String {
        let effect = if self.effect == Effect::Permit { "permit" } else { "forbid" };
        format!("@id(\"p{id}\") {} {effect} ({}) {};\n", self.annotation, self.scope.join(", "), self.condition)
    }
}

fn draft(effect: Effect) -> impl Strategy<Value = Draft> {
    let select = proptest::sample::select::<&'static str>;
    let parts =
        (select(PRINCIPALS), select(ACTIONS), select(TARGETS), select(COLUMNS), select(CONDITIONS), select(APPROVALS), select(MASKS));
    (parts, select(FILES), 0..6u8, any::<bool>()).prop_map(move |(parts, files, kind, inside)| {
        let (principal, action, target, column, condition, approval, mask) = parts;
        let (action, annotation, condition) = match (kind, effect) {
            (0, _) => (action, approval, condition),
            (1, Effect::Forbid) => ("action == Action::\"pg.read_column\"", mask, condition),
            (2, _) => ("action in Action::\"sftp\"", if inside { approval } else { "" }, files),
            _ => (action, "", condition),
        };
        let columns = action.contains("read_column")
            || (inside && !action.contains("ssh") && !action.contains("sftp") && !action.starts_with("action == "));
        Draft { effect, annotation, scope: [principal, action, if columns { column } else { target }], condition }
    })
}

fn any_draft() -> impl Strategy<Value = Draft> {
    prop_oneof![draft(Effect::Permit), draft(Effect::Permit), draft(Effect::Forbid)]
}

fn text(drafts: &[Draft]) -> String {
    drafts.iter().enumerate().map(|(id, draft)| draft.text(id)).collect()
}

/// Runs every question there is: who, where from, what, on which target.
fn each_question(mut run: impl FnMut(&Principal, &Things, &Request<'_>)) {
    let none: [&str; 0] = [];
    let principals = [
        Principal::user("corp/alice", ["corp/a", "corp/b"]),
        Principal::user("corp/bob", ["corp/b"]),
        Principal::service("corp/alice", none),
    ];
    let target = |name: &str, env: &str| Target { tags: [("env".to_owned(), env.to_owned())].into(), ..Target::new(name, "ssh") };
    let actions = [
        Action::Connect,
        Action::SshShell,
        Action::SshExec,
        Action::SftpWrite,
        Action::SftpRename,
        Action::PgSelect,
        Action::PgReadColumn,
        Action::PgFilterColumn,
    ];
    let file = |path: Option<&str>, recursive| Facts::File {
        login: "deploy".to_owned(),
        path: path.map(str::to_owned),
        to: path.map(|_| "/srv/b".to_owned()),
        recursive,
    };
    let files = [file(Some("/srv"), true), file(Some("/srv/www"), true), file(Some("/etc"), true), file(None, false)];
    for (principal, target) in principals.iter().flat_map(|who| [(who, target("one", "prod")), (who, target("two", "dev"))]) {
        let things = Things::new(principal, &target);
        for (action, address) in actions.iter().flat_map(|action| [(*action, "127.0.0.1"), (*action, "192.0.2.7")]) {
            let unseen = files.iter().filter(|_| action.facts() == FactsKind::File).cloned();
            for facts in unseen.chain([facts(action.facts())]) {
                let mut context = context(facts);
                context.source_ip = address.parse().expect("an address");
                run(principal, &things, &Request { action, resource: things.of(action.resources()[0]), context: &context });
            }
        }
    }
}

fn all_decisions(drafts: &[Draft]) -> Vec<Decision> {
    let set = load(&text(drafts));
    let mut decisions = Vec::new();
    each_question(|principal, things, request| decisions.push(set.slice(principal, &things.target).decide(request)));
    decisions
}

fn rank(decision: &Decision) -> u8 {
    match decision.verdict {
        Verdict::Allow => 0,
        Verdict::Hold(_) => 1,
        Verdict::Deny(_) => 2,
    }
}

fn required(decision: &Decision) -> BTreeSet<String> {
    match &decision.verdict {
        Verdict::Hold(hold) => hold.requirements.iter().map(|requirement| requirement.policy.to_string()).collect(),
        Verdict::Allow | Verdict::Deny(_) => BTreeSet::new(),
    }
}

/// Decides without index or slices: every policy is put to Cedar by itself.
struct Plain {
    set: PolicySet,
    policies: Vec<(String, cedar_policy::PolicySet)>,
    schema: cedar_policy::Schema,
    names: Names,
}

impl Plain {
    fn new(text: &str) -> Self {
        let (schema, _) = cedar_policy::Schema::from_cedarschema_str(SCHEMA).expect("the schema is right");
        let alone = |policy: &cedar_policy::Policy| {
            let one = cedar_policy::PolicySet::from_policies([policy.clone()]).expect("one policy");
            (policy.annotation("id").expect("an id").to_owned(), one)
        };
        let policies = cedar_policy::PolicySet::from_str(text).expect("policies").policies().map(alone).collect();
        Plain { set: load(text), policies, names: Names::new(&schema).expect("the names are in the schema"), schema }
    }

    fn decide(&self, principal: &Principal, request: &Request<'_>) -> Decision {
        let (names, schema) = (&self.names, &self.schema);
        let resource = names.resource(&request.resource, principal).expect("entities");
        let actions = schema.action_entities().expect("actions");
        let everything = [names.principal(principal).expect("a principal")].into_iter().chain(resource).chain(actions);
        let entities = Entities::from_entities(everything, Some(schema)).expect("entities");
        let question = cedar_policy::Request::new(
            names.principal_uid(principal).expect("a principal"),
            names.action(request.action).expect("an action").uid(),
            names.resource_uid(&request.resource).expect("a resource"),
            cedar_context(request.context, &Steady::new(request.context), names).expect("a context"),
            Some(schema),
        )
        .expect("a request");
        let mut found = Found::default();
        for (id, policy) in &self.policies {
            let response = Authorizer::new().is_authorized(&question, policy, &entities);
            for _ in response.diagnostics().reason() {
                found.satisfied(self.set.rule(id).expect("a rule"), Sight::new(request));
            }
            found.failed.extend(response.diagnostics().errors().map(|_| id.as_str().into()));
            self.at_worst(id, policy, &question, &entities, request, &mut found);
        }
        combine(found, Asked { principal: &principal.id, action: request.action, on: request.resource.to_string() })
    }

    /// Takes in a forbid about files that are not seen.
    fn at_worst<'a>(
        &'a self,
        id: &str,
        policy: &cedar_policy::PolicySet,
        question: &cedar_policy::Request,
        entities: &Entities,
        request: &Request<'_>,
        found: &mut Found<'a>,
    ) {
        let (rule, sight) = (self.set.rule(id).expect("a rule"), Sight::new(request));
        if !sight.may_be_blind() || rule.effect == Effect::Permit || !rule.asks.names_files() {
            return;
        }
        let worst = policy.policies().map(|policy| crate::asks::at_worst(policy).expect("it can be written"));
        let worst = cedar_policy::PolicySet::from_policies(worst).expect("one policy");
        let response = Authorizer::new().is_authorized(question, &worst, entities);
        for _ in response.diagnostics().reason() {
            found.could_be_satisfied(rule, sight);
        }
        found.failed.extend(response.diagnostics().errors().map(|_| id.into()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn adding_a_forbid_never_allows_more(mut drafts in prop::collection::vec(any_draft(), 0..8), more in draft(Effect::Forbid)) {
        let before = all_decisions(&drafts);
        drafts.push(more);
        for (before, after) in before.iter().zip(&all_decisions(&drafts)) {
            prop_assert!(rank(after) >= rank(before), "{before:?} became {after:?}");
            prop_assert!(after.mask >= before.mask, "{before:?} became {after:?}");
            prop_assert!(rank(after) == 2 || required(after).is_superset(&required(before)), "{before:?} became {after:?}");
        }
    }

    #[test]
    fn adding_a_permit_never_weakens_a_mask_a_required_approval_or_a_ban(
        mut drafts in prop::collection::vec(any_draft(), 0..8),
        more in draft(Effect::Permit),
    ) {
        let before = all_decisions(&drafts);
        let forbids: BTreeSet<String> =
            drafts.iter().enumerate().filter(|(_, draft)| draft.effect == Effect::Forbid).map(|(id, _)| format!("p{id}")).collect();
        drafts.push(more);
        for (before, after) in before.iter().zip(&all_decisions(&drafts)) {
            prop_assert!(after.mask >= before.mask, "{before:?} became {after:?}");
            let kept: BTreeSet<String> = required(before).intersection(&forbids).cloned().collect();
            prop_assert!(rank(after) == 2 || required(after).is_superset(&kept), "{before:?} became {after:?}");
            if rank(before) == 2 && !matches!(why(before), Why::NothingPermits | Why::NotCovered(_)) {
                prop_assert_eq!(rank(after), 2, "{:?} became {:?}", before, after);
            }
        }
    }

    #[test]
    fn a_slice_decides_as_all_policies_together_would(drafts in prop::collection::vec(any_draft(), 1..7)) {
        let plain = Plain::new(&text(&drafts));
        let set = &plain.set;
        let mut wrong = Vec::new();
        each_question(|principal, things, request| {
            let expected = plain.decide(principal, request);
            for decision in [set.slice(principal, &things.target).decide(request), set.decide(principal, request)] {
                if decision != expected {
                    wrong.push((decision, expected.clone()));
                }
            }
        });
        prop_assert!(wrong.is_empty(), "{wrong:?}");
    }
}

/// The properties above would hold of a generator that only ever denies; this one does not.
#[test]
fn the_random_policies_bring_about_every_kind_of_answer() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut kinds = BTreeSet::new();
    let mut masks: BTreeSet<Option<Mask>> = BTreeSet::new();
    for _ in 0..24 {
        let drafts = prop::collection::vec(any_draft(), 0..8).new_tree(&mut runner).expect("policies").current();
        for decision in all_decisions(&drafts) {
            masks.insert(decision.mask);
            kinds.insert(match &decision.verdict {
                Verdict::Allow => "allow",
                Verdict::Hold(_) => "hold",
                Verdict::Deny(refusal) => match refusal.why {
                    Why::NothingPermits => "nothing permits it",
                    Why::ForbiddenBy { .. } => "forbidden",
                    Why::EvaluationError { .. } => "failed",
                    Why::Statement { .. } => "statement",
                    Why::Unfit => "unfit",
                    Why::NotCovered(_) => "not covered",
                    Why::Undecidable { .. } => "undecidable",
                },
            });
        }
    }
    assert_eq!(kinds, BTreeSet::from(["allow", "hold", "nothing permits it", "not covered", "forbidden", "undecidable", "failed"]));
    assert!(masks.len() > 1, "some field is masked");
}
