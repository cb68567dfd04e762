//! Which fields of an object are hidden. A field is permitted by what permits its request; forbids alone speak of it.

use cedar_policy::ResourceConstraint;

use crate::request::{Kind, Request};
use crate::rule::Mask;
use crate::{Action, ApiRequest, Context, Facts, Resource, Slice};

const ACTION: Action = Action::K8sReadField;

impl Slice {
    /// Whether a policy speaks of fields of objects of this kind: then an answer that cannot be read is not handed on. Looks at where
    /// policies stand, not at their conditions.
    #[must_use]
    pub fn may_hide_object_fields(&self, kind: &Kind) -> bool {
        let id = format!("{}/{}/{}", kind.target.name, kind.group_name(), kind.name);
        let is_here = |scope: &ResourceConstraint| match scope {
            ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) | ResourceConstraint::In(uid) => {
                match uid.type_name().basename() {
                    "Kind" => uid.id().unescaped() == id,
                    "Namespace" => kind.namespace.is_none() || namespace(uid.id().unescaped()) == kind.namespace.as_deref(),
                    _ => true,
                }
            }
            ResourceConstraint::Any | ResourceConstraint::Is(_) => true,
        };
        self.about_fields(ACTION).iter().any(is_here)
    }

    /// How one field of the answer to `request` is shown: `None` as it is. What is forbidden without a mask is shown as null. An answer
    /// from all namespaces is masked as any namespace's is of which a policy speaks.
    #[must_use]
    pub fn object_field_mask(&self, kind: &Kind, context: &Context, request: &ApiRequest, field: &str) -> Option<Mask> {
        let mut strongest = self.mask_in(kind, context, request, field);
        if kind.namespace.is_none() {
            for inside in self.guarded_namespaces() {
                let kind = Kind { namespace: Some(inside.clone()), ..kind.clone() };
                let request = ApiRequest { namespace: Some(inside), ..request.clone() };
                strongest = strongest.max(self.mask_in(&kind, context, &request, field));
            }
        }
        strongest
    }

    fn mask_in(&self, kind: &Kind, context: &Context, request: &ApiRequest, field: &str) -> Option<Mask> {
        let facts = Facts::ApiField { request: request.clone(), field: field.to_owned() };
        let context = Context { facts, ..context.clone() };
        self.shown(&Request { action: ACTION, resource: Resource::Kind(kind), context: &context })
    }

    /// The namespaces on which policies about fields stand.
    fn guarded_namespaces(&self) -> Vec<String> {
        let scopes = self.about_fields(ACTION).iter();
        let mut names: Vec<String> = scopes
            .filter_map(|scope| match scope {
                ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) | ResourceConstraint::In(uid)
                    if uid.type_name().basename() == "Namespace" =>
                {
                    namespace(uid.id().unescaped()).map(str::to_owned)
                }
                _ => None,
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// The namespace in the id of one: `prod/shop`.
fn namespace(id: &str) -> Option<&str> {
    id.split_once('/').map(|(_, name)| name)
}
