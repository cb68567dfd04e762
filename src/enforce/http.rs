//! Decides whether the body of an HTTP request has to be read, and what of an answer over HTTP is shown.

use std::sync::Arc;

use bartizan_policies::{HttpRequest, Mask, Request, Resource, Slice};

use super::Decider;
use super::judge::Asker;
use super::kubernetes::Objects;
use super::questions::{Question, as_target, context, route};
use super::verdicts::Places;

/// Judges the fields of one answer. What was in force when the answer began holds to its end.
pub struct Fields {
    decider: Decider,
    slice: Arc<Slice>,
    of: Of,
}

/// What is answered.
enum Of {
    Http(HttpRequest, Places),
    Api(Box<Objects>),
}

impl Decider {
    /// Who judges the fields of the answer to `request`; `None` where no policy could hide any.
    #[must_use]
    pub fn fields(&self, request: &HttpRequest) -> Option<Fields> {
        let (epoch, slice) = (self.policies.epoch(), self.slice());
        let route = route(as_target(self.target()), request);
        slice.may_hide_fields(&route).then(|| {
            let places = self.places(&slice, epoch, request);
            Fields { decider: self.clone(), slice, of: Of::Http(request.clone(), places) }
        })
    }

    /// Whether policy has to be shown the body of `request`, which is not read yet, to decide it.
    #[must_use]
    pub fn asks_for_body(&self, request: &HttpRequest, upgrades: bool) -> bool {
        let asker = Asker::of(self.permit.routed(), self.permit.session());
        let (slice, now) = (self.slice(), self.clock.now());
        let route = route(as_target(asker.target), request);
        Question::of_http(request, upgrades).into_iter().any(|question| {
            let context = context(asker.caller, now, asker.ask.reason.clone(), question.facts);
            slice.asks_for_body(&Request { action: question.action, resource: Resource::Route(&route), context: &context })
        })
    }
}

impl Fields {
    pub(super) fn of_objects(decider: Decider, slice: Arc<Slice>, objects: Objects) -> Self {
        Self { decider, slice, of: Of::Api(Box::new(objects)) }
    }

    pub(super) fn objects(&self) -> Option<&Objects> {
        match &self.of {
            Of::Api(objects) => Some(objects),
            Of::Http(..) => None,
        }
    }

    /// How the field at `place` is shown; `None` as it is.
    #[must_use]
    pub fn mask(&self, place: &str) -> Option<Mask> {
        let (request, places) = match &self.of {
            Of::Http(request, places) => (request, places),
            Of::Api(objects) => return objects.mask(&self.decider, &self.slice, place),
        };
        places.of(place, || {
            let asker = Asker::of(self.decider.permit.routed(), self.decider.permit.session());
            let context = context(asker.caller, self.decider.clock.now(), asker.ask.reason.clone(), bartizan_policies::Facts::None);
            self.slice.field_mask(&route(as_target(asker.target), request), context, request.clone(), place)
        })
    }
}
