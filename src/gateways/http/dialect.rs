//! What sets one kind of server behind the gateway apart from another: what a request means to it, what is asked of policy about that,
//! and in which form its clients are refused.

use bartizan_policies::HttpRequest;
use hyper::Response;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::enforce::{Decider, Fields, Question};

use super::body::Body;
use super::problem::Problem;
use super::upgrade::Relay;

/// A kind of server.
pub trait Dialect: Send + Sync {
    /// Reads what a request means.
    ///
    /// # Errors
    /// When it cannot be told for certain.
    fn read<'a>(&self, seen: Seen<'a>) -> Result<Box<dyn Meant + 'a>, Problem>;

    /// Whether what stands in the bodies of requests may be decided on.
    fn decides_bodies(&self) -> bool;

    /// What a client is told instead of an answer.
    fn tell(&self, problem: &Problem) -> Response<Body>;
}

/// A request as it came, in the one form in which it is decided.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Its line, and what policy sees of it.
    pub request: &'a HttpRequest,
    /// Everything that was said beside it.
    pub headers: &'a HeaderMap,
    /// The protocol that the connection is to become another's of.
    pub upgrade: Option<&'a HeaderValue>,
    /// Whether a body comes with it.
    pub has_body: bool,
}

/// What a request means.
pub trait Meant: Send + Sync {
    /// What policy is asked.
    fn questions(&self) -> Vec<Question>;

    /// How it passes once policy has allowed it.
    ///
    /// # Errors
    /// Why it does not, in a sentence.
    fn passage(&self, decider: &Decider) -> Result<Passage, String>;

    /// What the recording says of it beside its line.
    fn told(&self) -> Map<String, Value>;
}

/// How a request and its answer pass.
#[derive(Default)]
pub struct Passage {
    /// Who judges the fields of the answer, where any may be hidden.
    pub fields: Option<Fields>,
    /// What the server is asked to answer in, instead of what the client said.
    pub accept: Option<HeaderValue>,
    /// Whether the answer is many JSON texts, whatever it calls itself.
    pub many: bool,
    /// Who hands on what is said once the connection is another protocol's; nobody looks into it otherwise.
    pub relay: Option<Relay>,
    /// What the server is offered of that protocol, instead of what the client said.
    pub offer: Option<(HeaderName, HeaderValue)>,
}

/// A server of which nothing is known but that it speaks HTTP.
pub struct Plain;

/// A request to it.
struct Asked<'a> {
    request: &'a HttpRequest,
    upgrades: bool,
}

impl Dialect for Plain {
    fn read<'a>(&self, seen: Seen<'a>) -> Result<Box<dyn Meant + 'a>, Problem> {
        Ok(Box::new(Asked { request: seen.request, upgrades: seen.upgrade.is_some() }))
    }

    fn decides_bodies(&self) -> bool {
        true
    }

    fn tell(&self, problem: &Problem) -> Response<Body> {
        problem.answer()
    }
}

impl Meant for Asked<'_> {
    fn questions(&self) -> Vec<Question> {
        Question::of_http(self.request, self.upgrades)
    }

    fn passage(&self, decider: &Decider) -> Result<Passage, String> {
        let fields = decider.fields(self.request);
        if self.upgrades && fields.is_some() {
            return Err(NOT_MASKED.to_owned());
        }
        Ok(Passage { fields, ..Passage::default() })
    }

    fn told(&self) -> Map<String, Value> {
        Map::new()
    }
}

/// Why a connection cannot be turned.
pub(in crate::gateways) const NOT_MASKED: &str =
    "Fields of these answers may be masked for you, so that the connection cannot be turned into another protocol's.";
