//! A checked set of policies, the slice of it that one session needs, and the decisions taken with it. No IO, no clock: what
//! time it is comes with the request.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use cedar_policy::{Authorizer, Effect as CedarEffect, Entities, EntityUid, PolicyId, ResourceConstraint};

use crate::combine::{Asked, Found, bans, combine};
use crate::context::{Steady, context};
use crate::decision::{Decision, Obligations, Verdict, Why};
use crate::entities::{Names, Unaskable};
use crate::explain::{Explained, Explanation, Explanations};
use crate::facts::Facts;
use crate::index::{Bucket, INSIDE_TARGETS, Index};
use crate::kept::Kept;
use crate::known::Known;
use crate::problem::Problem;
use crate::questions::Question;
use crate::request::{Context, Principal, Request, Resource, Target};
use crate::rule::{Mask, Rule};
use crate::sight::Sight;
use crate::{Action, FactsKind};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) names: Names,
    pub(crate) rules: HashMap<Arc<str>, Arc<Rule>>,
    pub(crate) index: Index,
    pub(crate) digest: [u8; 32],
}

/// Policies that have passed every check. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PolicySet {
    pub(crate) shared: Arc<Shared>,
    pub(crate) warnings: Vec<Problem>,
}

impl PolicySet {
    /// Checks the policies of all files, given as pairs of name and text, and takes all of them or none.
    ///
    /// # Errors
    /// Every problem found, in order of file and line: syntax, schema, annotations, ids.
    pub fn load(files: Vec<(String, String)>, known: &Known) -> Result<PolicySet, Vec<Problem>> {
        crate::load::load(files, known)
    }

    /// What is probably not meant that way, though it can be used.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// How many policies there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.rules.len()
    }

    /// Whether there is none, and so everything is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.rules.is_empty()
    }

    /// SHA-256 over what the policies say; their layout, comments and files do not matter. It names the policy epoch.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.shared.digest
    }

    /// [`PolicySet::digest`] in lower-case hexadecimal.
    #[must_use]
    pub fn digest_hex(&self) -> String {
        hex::encode(self.shared.digest)
    }

    /// The policy with this `@id`.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.shared.rules.get(id).map(AsRef::as_ref)
    }

    /// Every policy, in no particular order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.shared.rules.values().map(AsRef::as_ref)
    }

    /// The part of the set that can matter to this principal on this target. Make one per session and policy epoch: verdicts
    /// must not outlive a reload, nor a change of the principal's groups or the target's tags.
    #[must_use]
    pub fn slice(&self, principal: &Principal, target: &Target) -> Slice {
        self.cut(principal, &Resource::Target(target))
    }

    /// Decides one operation that belongs to no open session, such as `issue`, `replay` or `lock`.
    #[must_use]
    pub fn decide(&self, principal: &Principal, request: &Request<'_>) -> Decision {
        self.cut(principal, &request.resource).decide(request)
    }

    /// Decides, and says which policies had a say and where they are written.
    #[must_use]
    pub fn explain(&self, principal: &Principal, request: &Request<'_>) -> Explanation {
        self.explained(principal, request, self.decide(principal, request))
    }

    /// Decides everything that one command line asks for (see [`crate::questions`]). Who asks from where and when is taken from
    /// `context`; its facts are not.
    #[must_use]
    pub fn explain_all(&self, principal: &Principal, target: &Target, context: &Context, questions: &[Question]) -> Explanations {
        let slice = self.slice(principal, target);
        let one = |question: &Question| {
            let context = Context { facts: question.facts.clone(), ..context.clone() };
            let request = Request { action: question.action, resource: Resource::Target(target), context: &context };
            let explanation = self.explained(principal, &request, slice.decide(&request));
            Explained { operation: question.operation.clone(), explanation }
        };
        let operations: Vec<Explained> = questions.iter().map(one).collect();
        let decisions = operations.iter().map(|explained| explained.explanation.decision.clone());
        let decision = decisions.reduce(Decision::and).unwrap_or_else(Decision::nothing_asked);
        Explanations { principal: principal.id.clone(), on: target.name.clone(), decision, operations }
    }

    fn explained(&self, principal: &Principal, request: &Request<'_>, decision: Decision) -> Explanation {
        let ids: BTreeSet<_> = decision.policies.iter().chain(decision.withheld.iter().map(|withheld| &withheld.policy)).collect();
        let rules = ids.into_iter().filter_map(|id| self.rule(id)).cloned().collect();
        Explanation { principal: principal.id.clone(), action: request.action, on: request.resource.to_string(), decision, rules }
    }

    /// Every policy as it is written, in no particular order.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.shared.index.policies().map(|(_, policy)| policy.to_string()).collect()
    }

    /// The policies that are not among these ids, sorted by place: what no case of a test exercised.
    #[must_use]
    pub fn rules_beside(&self, ids: &BTreeSet<Arc<str>>) -> Vec<&Rule> {
        let mut rules: Vec<&Rule> = self.rules().filter(|rule| !ids.contains(&rule.id)).collect();
        rules.sort_by(|a, b| (&a.file, a.line, &a.id).cmp(&(&b.file, b.line, &b.id)));
        rules
    }

    fn cut(&self, principal: &Principal, root: &Resource<'_>) -> Slice {
        let ground = Ground::new(&self.shared, principal, root);
        Slice {
            shared: Arc::clone(&self.shared),
            principal: principal.clone(),
            ground,
            steady: OnceLock::new(),
            about_fields: Default::default(),
            about_bodies: OnceLock::new(),
            about_estimates: OnceLock::new(),
            permits_sql: OnceLock::new(),
            about_time: OnceLock::new(),
            kept: Arc::default(),
        }
    }
}

/// What can matter to one principal on one target: a handful of policies out of any number. Cheap to keep with a session.
#[derive(Debug, Clone)]
pub struct Slice {
    shared: Arc<Shared>,
    principal: Principal,
    /// On a failure every decision is a refusal.
    ground: Result<Ground, Unaskable>,
    steady: OnceLock<Steady>,
    /// On what the policies stand that speak of fields of answers: of HTTP servers, of API servers.
    about_fields: [OnceLock<Vec<ResourceConstraint>>; 2],
    /// Whether any policy speaks of the bodies of requests.
    about_bodies: OnceLock<bool>,
    /// Whether any policy asks how many rows a statement is about.
    about_estimates: OnceLock<bool>,
    /// Whether every operation on a database is permitted, whatever it is about.
    permits_sql: OnceLock<bool>,
    /// Whether any policy asks what time it is.
    about_time: OnceLock<bool>,
    kept: Arc<Kept>,
}

/// What all decisions of a slice stand on.
#[derive(Debug, Clone)]
struct Ground {
    principal: EntityUid,
    root: EntityUid,
    entities: Entities,
    buckets: Vec<Arc<Bucket>>,
}

impl Ground {
    fn new(shared: &Shared, caller: &Principal, root: &Resource<'_>) -> Result<Self, Unaskable> {
        let names = &shared.names;
        let (principal, root_uid) = (names.principal_uid(caller)?, names.resource_uid(root)?);
        let all = std::iter::once(names.principal(caller)?).chain(names.resource(root, caller)?);
        let entities = Entities::from_entities(all, None).map_err(|_| Unaskable)?;
        let lineage =
            |uid: &EntityUid| -> Vec<EntityUid> { entities.ancestors(uid).into_iter().flatten().cloned().chain([uid.clone()]).collect() };
        let buckets = shared.index.find(&lineage(&principal), &lineage(&root_uid));
        Ok(Ground { principal, root: root_uid, entities, buckets })
    }
}

impl Slice {
    /// The digest of the policies it was cut from.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.shared.digest
    }

    /// Whose slice it is.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether any policy could ever permit this action here, whatever is asked. Says nothing about one operation.
    #[must_use]
    pub fn may_permit(&self, action: Action) -> bool {
        self.policies(action).any(|policy| policy.effect() == CedarEffect::Permit)
    }

    fn buckets(&self) -> impl Iterator<Item = &Arc<Bucket>> {
        self.ground.iter().flat_map(|ground| &ground.buckets)
    }

    /// All policies that matter here.
    fn all_policies(&self) -> impl Iterator<Item = &cedar_policy::Policy> {
        self.buckets().flat_map(|bucket| bucket.policies())
    }

    /// The policies that matter here and whose scope holds this action.
    pub(crate) fn policies(&self, action: Action) -> impl Iterator<Item = &cedar_policy::Policy> {
        self.buckets().flat_map(move |bucket| bucket.sets(action)).flat_map(cedar_policy::PolicySet::policies)
    }

    /// Decides one operation on the slice's target, or on something in it. A question about anything else is refused.
    #[must_use]
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        self.combined(request, combine)
    }

    /// What forbids say of an operation: it is permitted by what permits the operation that it is a part of.
    pub(crate) fn bans(&self, request: &Request<'_>) -> Decision {
        self.combined(request, bans)
    }

    /// How what `request` asks about is shown: `None` as it is. What is forbidden without a mask is shown as null.
    pub(crate) fn shown(&self, request: &Request<'_>) -> Option<Mask> {
        let decision = self.bans(request);
        match decision.verdict {
            Verdict::Allow => decision.mask,
            Verdict::Hold(_) | Verdict::Deny(_) => Some(Mask::Null),
        }
    }

    fn combined(&self, request: &Request<'_>, combine: impl FnOnce(Found<'_>, Asked<'_>) -> Decision) -> Decision {
        let asked = Asked { principal: &self.principal.id, action: request.action, on: request.resource.to_string() };
        match self.found(request) {
            Ok(found) => combine(found, asked),
            Err(Unaskable) => {
                let (policies, withheld, obligations) = (Vec::new(), Vec::new(), Obligations::default());
                Decision { verdict: asked.refusal(Why::Unfit), mask: None, mask_equality: false, policies, withheld, obligations }
            }
        }
    }

    /// On what the policies with a mask stand that matter here and whose scope holds this action.
    pub(crate) fn masks(&self, action: Action) -> impl Iterator<Item = ResourceConstraint> {
        let masks = |policy: &&cedar_policy::Policy| self.rule(policy.id()).is_ok_and(|rule| rule.mask.is_some());
        self.policies(action).filter(masks).map(cedar_policy::Policy::resource_constraint)
    }

    /// On what the policies stand that speak of fields of answers: those with a mask, and forbids that name the action or the
    /// attribute. A forbid about requests as such (`action in Action::"http"`) has said its word when the request was decided. Found out
    /// once: each request asks for it.
    pub(crate) fn about_fields(&self, action: Action) -> &[ResourceConstraint] {
        let [of_http, of_objects] = &self.about_fields;
        let found = if action == Action::K8sReadField { of_objects } else { of_http };
        let names_fields = |policy: &&cedar_policy::Policy| policy.effect() == CedarEffect::Forbid && policy.to_string().contains("field");
        let forbids = || self.policies(action).filter(names_fields).map(cedar_policy::Policy::resource_constraint);
        found.get_or_init(|| self.masks(action).chain(forbids()).collect())
    }

    /// Whether policies speak of the body of a request that is [`crate::http::Body::Unread`]: then it has to be read before the request
    /// can be decided. Looks at their conditions: a policy about another path does not ask for this body.
    #[must_use]
    pub fn asks_for_body(&self, request: &Request<'_>) -> bool {
        let speaks = |id: &str| self.shared.rules.get(id).is_some_and(|rule| rule.asks.names_body());
        let is_spoken_of = *self.about_bodies.get_or_init(|| self.all_policies().any(|policy| speaks(policy.id().as_ref())));
        is_spoken_of && self.found(request).is_ok_and(|found| found.failed.iter().any(|id| speaks(id)))
    }

    /// Whether any policy that matters here asks how many rows a statement is about. Found out once: each statement asks for it.
    #[must_use]
    pub fn asks_for_estimates(&self) -> bool {
        let asks = |policy: &cedar_policy::Policy| self.rule(policy.id()).is_ok_and(|rule| rule.asks.names("estimated_rows"));
        *self.about_estimates.get_or_init(|| FactsKind::Sql.actions().any(|action| self.policies(action).any(asks)))
    }

    /// Whether every operation on a database here is permitted whatever it is about: all policies that matter permit them without
    /// conditions on all of the target. Then it does not matter for a verdict what the names in a statement mean. Found out once: each
    /// statement asks for it.
    #[must_use]
    pub fn permits_all_sql(&self) -> bool {
        let on_all = |policy: &cedar_policy::Policy| match policy.resource_constraint() {
            ResourceConstraint::Any => true,
            ResourceConstraint::In(uid) => !INSIDE_TARGETS.contains(&uid.type_name().basename()),
            ResourceConstraint::Eq(_) | ResourceConstraint::Is(_) | ResourceConstraint::IsIn(..) => false,
        };
        let plain =
            |policy: &cedar_policy::Policy| policy.effect() == CedarEffect::Permit && !policy.has_non_scope_constraint() && on_all(policy);
        *self.permits_sql.get_or_init(|| {
            FactsKind::Sql.actions().all(|action| self.policies(action).next().is_some() && self.policies(action).all(plain))
        })
    }

    /// Whether any policy that matters here asks what time it is, or may: only then can the same question be answered otherwise later.
    /// Found out once.
    #[must_use]
    pub fn asks_for_time(&self) -> bool {
        let asks = |policy: &cedar_policy::Policy| self.rule(policy.id()).map_or(true, |rule| rule.asks.names("time"));
        *self.about_time.get_or_init(|| self.all_policies().any(asks))
    }

    fn found(&self, request: &Request<'_>) -> Result<Found<'_>, Unaskable> {
        let ground = self.ground.as_ref().map_err(|unaskable| *unaskable)?;
        let action = request.action;
        if !request.is_consistent() {
            return Err(Unaskable);
        }
        let names = &self.shared.names;
        let resource = names.resource_uid(&request.resource)?;
        let entities = self.kept.entities(request, &resource, || self.entities(ground, &resource, request))?;
        let steady = self.steady.get_or_init(|| Steady::new(request.context));
        let context = self.kept.context(request.context, || context(request.context, steady, names))?;
        let question = cedar_policy::Request::new(ground.principal.clone(), names.action(action)?.uid(), resource, context, None)
            .map_err(|_| Unaskable)?;
        let (authorizer, sight) = (Authorizer::new(), Sight::new(request));
        let mut found = Found::default();
        for set in ground.buckets.iter().flat_map(|bucket| bucket.sets(action)) {
            let response = authorizer.is_authorized(&question, set, &entities);
            for id in response.diagnostics().reason() {
                found.satisfied(self.rule(id)?, sight);
            }
            found.failed.extend(response.diagnostics().errors().map(failed));
        }
        if sight.may_be_blind() {
            for set in ground.buckets.iter().flat_map(|bucket| bucket.at_worst(action)) {
                let response = authorizer.is_authorized(&question, set, &entities);
                for id in response.diagnostics().reason() {
                    found.could_be_satisfied(self.rule(id)?, sight);
                }
                found.failed.extend(response.diagnostics().errors().map(failed));
            }
        }
        Ok(found)
    }

    fn rule(&self, id: &PolicyId) -> Result<&Rule, Unaskable> {
        self.shared.rules.get(AsRef::<str>::as_ref(id)).map(AsRef::as_ref).ok_or(Unaskable)
    }

    /// The slice's entities, with the action's groups and what lies between the resource and the target.
    fn entities(&self, ground: &Ground, resource: &EntityUid, request: &Request<'_>) -> Result<Entities, Unaskable> {
        let names = &self.shared.names;
        let mut more = vec![names.action(request.action)?.clone()];
        if *resource != ground.root {
            more.extend(names.resource(&request.resource, &self.principal)?);
        }
        if let Facts::HttpRequest(asked) | Facts::HttpField { request: asked, .. } = &request.context.facts {
            more.extend(names.body_entities(&asked.body)?);
        }
        let entities = ground.entities.clone().add_entities(more, None).map_err(|_| Unaskable)?;
        let inside = *resource == ground.root || entities.is_ancestor_of(&ground.root, resource);
        if inside { Ok(entities) } else { Err(Unaskable) }
    }
}

fn failed(error: &cedar_policy::AuthorizationError) -> Arc<str> {
    let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
    Arc::from(AsRef::<str>::as_ref(error.policy_id()))
}
