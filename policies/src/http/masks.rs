//! Which fields of an answer are hidden. A field is permitted by what permits its request; forbids alone speak of it.

use cedar_policy::ResourceConstraint;

use crate::request::{Request, Route};
use crate::rule::Mask;
use crate::{Action, Context, Facts, HttpRequest, Resource, Slice};

impl Slice {
    /// Whether a policy speaks of fields of the answers of this route: then an answer that cannot be read is not handed on. Looks at
    /// where policies stand, not at their conditions.
    #[must_use]
    pub fn may_hide_fields(&self, route: &Route) -> bool {
        let id = format!("{}/{} {}", route.target.name, route.method, route.path);
        let is_here = |scope: &ResourceConstraint| match scope {
            ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) | ResourceConstraint::In(uid)
                if uid.type_name().basename() == "Route" =>
            {
                uid.id().unescaped() == id
            }
            _ => true,
        };
        self.about_fields(Action::HttpReadField).iter().any(is_here)
    }

    /// How one field of the answer to `request` is shown: `None` as it is. What is forbidden without a mask is shown as null.
    #[must_use]
    pub fn field_mask(&self, route: &Route, mut context: Context, request: HttpRequest, field: &str) -> Option<Mask> {
        context.facts = Facts::HttpField { request, field: field.to_owned() };
        self.shown(&Request { action: Action::HttpReadField, resource: Resource::Route(route), context: &context })
    }
}
