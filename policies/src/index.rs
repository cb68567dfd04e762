//! Finds the policies whose scope can hold a given principal and resource, so that a decision does not slow as policies grow.
//! Leaving out the others changes no answer: Cedar looks at a policy's conditions only when its scope holds.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{ActionConstraint, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

use crate::entities::{Names, Unaskable};
use crate::rule::Rule;
use crate::{Action, asks};

/// Stands for "any principal" and "any resource".
const ANY: u32 = 0;

/// Policies with the same scope; permits and forbids apart, since Cedar names the permits only where no forbid is satisfied.
#[derive(Debug)]
pub(crate) struct Bucket {
    actions: u64,
    sets: Vec<cedar_policy::PolicySet>,
    /// The forbids that ask for files, at their worst; for operations whose files are not seen.
    at_worst: Vec<cedar_policy::PolicySet>,
}

impl Bucket {
    /// The policies to be asked about this action.
    pub(crate) fn sets(&self, action: Action) -> &[cedar_policy::PolicySet] {
        if self.actions & action.bit() == 0 { &[] } else { &self.sets }
    }

    /// All of them.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.sets.iter().flat_map(cedar_policy::PolicySet::policies)
    }

    /// The forbids to be asked about this action if its files are not seen.
    pub(crate) fn at_worst(&self, action: Action) -> &[cedar_policy::PolicySet] {
        if self.actions & action.bit() == 0 { &[] } else { &self.at_worst }
    }
}

/// Every policy, by scope.
#[derive(Debug)]
pub(crate) struct Index {
    scopes: HashMap<EntityUid, u32>,
    buckets: HashMap<(u32, u32), Vec<Arc<Bucket>>>,
}

impl Index {
    pub(crate) fn new(policies: Vec<Policy>, rules: &HashMap<Arc<str>, Arc<Rule>>, names: &Names) -> Result<Self, Unaskable> {
        let mut scopes = HashMap::new();
        let mut grouped: HashMap<(u32, u32, u64), [cedar_policy::PolicySet; 3]> = HashMap::new();
        for policy in policies {
            let key = (
                number(&mut scopes, principal_scope(&policy)),
                number(&mut scopes, resource_scope(&policy, names)?),
                actions(&policy, names)?,
            );
            let [permits, forbids, at_worst] = grouped.entry(key).or_default();
            let forbid = policy.effect() == cedar_policy::Effect::Forbid;
            let rule = rules.get(AsRef::<str>::as_ref(policy.id())).ok_or(Unaskable)?;
            if forbid && rule.asks.names_files() {
                at_worst.add(asks::at_worst(&policy).ok_or(Unaskable)?).map_err(|_| Unaskable)?;
            }
            let set = if forbid { forbids } else { permits };
            set.add(policy).map_err(|_| Unaskable)?;
        }
        let mut buckets: HashMap<(u32, u32), Vec<Arc<Bucket>>> = HashMap::new();
        let filled = |set: &cedar_policy::PolicySet| !set.is_empty();
        for ((principal, resource, actions), [permits, forbids, at_worst]) in grouped {
            let sets = [permits, forbids].into_iter().filter(filled).collect();
            let at_worst = [at_worst].into_iter().filter(filled).collect();
            buckets.entry((principal, resource)).or_default().push(Arc::new(Bucket { actions, sets, at_worst }));
        }
        Ok(Index { scopes, buckets })
    }

    /// The policies whose principal scope is any of `principals` or open, and whose resource scope any of `resources` or open.
    pub(crate) fn find(&self, principals: &[EntityUid], resources: &[EntityUid]) -> Vec<Arc<Bucket>> {
        let (principals, resources) = (self.numbers(principals), self.numbers(resources));
        let pairs = principals.iter().flat_map(|principal| resources.iter().map(move |resource| (*principal, *resource)));
        pairs.filter_map(|pair| self.buckets.get(&pair)).flatten().cloned().collect()
    }

    /// Every policy with the actions that its scope can hold, in no particular order.
    pub(crate) fn policies(&self) -> impl Iterator<Item = (u64, &Policy)> {
        let buckets = self.buckets.values().flatten();
        buckets.flat_map(|bucket| bucket.policies().map(|policy| (bucket.actions, policy)))
    }

    fn numbers(&self, uids: &[EntityUid]) -> Vec<u32> {
        let mut numbers: Vec<u32> = uids.iter().filter_map(|uid| self.scopes.get(uid).copied()).chain([ANY]).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

fn number(scopes: &mut HashMap<EntityUid, u32>, uid: Option<EntityUid>) -> u32 {
    let Some(uid) = uid else { return ANY };
    let next = u32::try_from(scopes.len()).unwrap_or(u32::MAX).saturating_add(1);
    *scopes.entry(uid).or_insert(next)
}

fn principal_scope(policy: &Policy) -> Option<EntityUid> {
    match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
        PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) | PrincipalConstraint::IsIn(_, uid) => Some(uid),
    }
}

fn resource_scope(policy: &Policy, names: &Names) -> Result<Option<EntityUid>, Unaskable> {
    match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => Ok(None),
        ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) => root(uid, names).map(Some),
    }
}

/// Types of what is inside a target.
pub(crate) const INSIDE_TARGETS: &[&str] = &["Database", "Schema", "Table", "Column", "Function", "Namespace", "Kind", "Route"];

/// What is inside a target is found under its target, whose name its id begins with.
fn root(uid: EntityUid, names: &Names) -> Result<EntityUid, Unaskable> {
    if !INSIDE_TARGETS.contains(&uid.type_name().basename()) {
        return Ok(uid);
    }
    let id = uid.id().unescaped();
    names.uid("Target", id.split_once('/').map_or(id, |(target, _)| target))
}

/// The actions a policy's scope can hold, groups resolved.
pub(crate) fn actions(policy: &Policy, names: &Names) -> Result<u64, Unaskable> {
    let permit = policy.effect() == cedar_policy::Effect::Permit;
    let scope = match policy.action_constraint() {
        ActionConstraint::Any if permit => {
            let named = Action::ALL.iter().filter(|action| !action.is_in_any());
            return Ok(named.fold(u64::MAX, |bits, action| bits & !action.bit()));
        }
        ActionConstraint::Any => return Ok(u64::MAX),
        ActionConstraint::Eq(uid) => vec![uid],
        ActionConstraint::In(uids) => uids,
    };
    let mut bits = 0;
    for action in Action::ALL.iter().copied() {
        if names.action_lineage(action)?.iter().any(|uid| scope.contains(uid)) {
            bits |= action.bit();
        }
    }
    Ok(bits)
}
