//! From a recorded decision back to the question, and what two sets of policies say to it. Answers to the same question are kept,
//! and so are slices; both within bounds.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use bartizan_policies::{
    Action, Command, Context, Facts, FactsKind, Key, Place as On, PolicySet, Principal, PrincipalKind, Request, Resource, Slice, Target,
};
use jiff::Timestamp;
use serde_json::Value;

use super::tally::{Change, Said, Skipped, Tally};
use crate::audit::{self, About, Entry};
use crate::config::Config;
use crate::enforce::as_target;
use crate::model;

/// How many answers are kept.
const ANSWERS: usize = 1 << 17;
/// How many principals on targets are kept.
const PLACES: usize = 1 << 12;

/// Whether any policy could ask about what differs from one asking to the next. Where none does, an answer holds for all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asks {
    time: bool,
    authenticated_at: bool,
    source_ip: bool,
    device_bound: bool,
    reason: bool,
}

impl Asks {
    /// Looks for the words; a comment that has one costs time and nothing else.
    pub(super) fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut asks = Self::default();
        for text in texts {
            // Any backslash could be the beginning of a name in disguise, as in context["\u{74}ime"].
            let disguised = text.contains("[\"") && text.contains('\\');
            let has = |word: &str| disguised || text.contains(word);
            asks.time |= has("time");
            asks.authenticated_at |= has("authenticated_at");
            asks.source_ip |= has("source_ip");
            asks.device_bound |= has("device_bound");
            asks.reason |= has("reason");
        }
        asks
    }
}

/// Who, where: what a pair of slices is for.
#[derive(PartialEq, Eq, Hash)]
struct Place {
    principal: String,
    service: bool,
    groups: Vec<String>,
    target: Option<String>,
}

/// A question, as far as an answer depends on it.
#[derive(PartialEq, Eq, Hash)]
struct Question {
    place: usize,
    action: Action,
    login: String,
    about: About,
    time: Option<Timestamp>,
    authenticated_at: Option<Timestamp>,
    source: Option<IpAddr>,
    device_bound: Option<bool>,
    reason: Option<String>,
}

/// A place, and what of both sets matters there.
struct Ground {
    principal: Principal,
    target: Option<Target>,
    slices: Option<[Slice; 2]>,
}

/// Asks both sets, and counts.
pub(super) struct Replay<'a> {
    sets: &'a [PolicySet; 2],
    targets: HashMap<String, Target>,
    asks: Asks,
    places: HashMap<Place, usize>,
    grounds: Vec<Ground>,
    /// What came of a question: a change of the tally, or none.
    answers: HashMap<Question, Result<Option<usize>, Skipped>>,
    pub(super) tally: Tally,
}

/// The fields of a recorded decision that are needed.
struct Recorded {
    place: Place,
    action: Action,
    login: String,
    operation: String,
    source: IpAddr,
    facts: crate::audit::Facts,
}

impl<'a> Replay<'a> {
    pub(super) fn new(config: &Config, sets: &'a [PolicySet; 2], asks: Asks) -> Self {
        let targets = config.targets.iter().map(|target| (target.name.to_string(), as_target(target))).collect();
        let (places, grounds, answers, tally) = (HashMap::new(), Vec::new(), HashMap::new(), Tally::default());
        Self { sets, targets, asks, places, grounds, answers, tally }
    }

    /// Replays one entry of the log.
    pub(super) fn take(&mut self, time: Timestamp, entry: Value) {
        let recorded = match recorded(entry) {
            Ok(recorded) => recorded,
            Err(why) => return self.tally.skip(why),
        };
        let Recorded { place, action, login, operation, source, facts } = recorded;
        let place = match self.place(place) {
            Ok(place) => place,
            Err(why) => return self.tally.skip(why),
        };
        let asks = self.asks;
        let question = Question {
            place,
            action,
            login,
            about: facts.about,
            time: asks.time.then_some(time),
            authenticated_at: asks.authenticated_at.then_some(facts.authenticated_at),
            source: asks.source_ip.then_some(source),
            device_bound: asks.device_bound.then_some(facts.device_bound),
            reason: facts.reason.filter(|_| asks.reason),
        };
        let answer = match self.answers.get(&question) {
            Some(answer) => *answer,
            None => {
                let answer = self.ask(&question, &operation);
                if self.answers.len() >= ANSWERS {
                    self.answers.clear();
                }
                self.answers.insert(question, answer);
                answer
            }
        };
        match answer {
            Ok(change) => self.tally.count(change, time),
            Err(why) => self.tally.skip(why),
        }
    }

    fn place(&mut self, place: Place) -> Result<usize, Skipped> {
        if let Some(at) = self.places.get(&place) {
            return Ok(*at);
        }
        let target = match &place.target {
            Some(name) => Some(self.targets.get(name).ok_or(Skipped::NoTarget)?.clone()),
            None => None,
        };
        let kind = if place.service { PrincipalKind::Service } else { PrincipalKind::User };
        let principal = Principal::new(kind, &place.principal, &place.groups);
        let slices = target.as_ref().map(|target| self.sets.each_ref().map(|set| set.slice(&principal, target)));
        if self.grounds.len() >= PLACES {
            self.places.clear();
            self.grounds.clear();
            self.answers.clear();
        }
        let at = self.grounds.len();
        self.grounds.push(Ground { principal, target, slices });
        self.places.insert(place, at);
        Ok(at)
    }

    /// What both sets say: the change it makes, if any.
    fn ask(&mut self, question: &Question, operation: &str) -> Result<Option<usize>, Skipped> {
        let ground = self.grounds.get(question.place).ok_or(Skipped::Unreadable)?;
        let facts = facts(question)?;
        let time = question.time.unwrap_or(Timestamp::UNIX_EPOCH);
        let context = Context {
            source_ip: question.source.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            time,
            authenticated_at: question.authenticated_at.unwrap_or(time),
            device_bound: question.device_bound.unwrap_or(false),
            reason: question.reason.clone(),
            facts,
        };
        let said = match (&question.about, &ground.slices, &ground.target) {
            (About::Key { fingerprint, algorithm, bits }, _, _) => {
                let key = Key { fingerprint: fingerprint.clone(), algorithm: algorithm.clone(), bits: *bits };
                let request = Request { action: question.action, resource: Resource::Key(&key), context: &context };
                self.sets.each_ref().map(|set| Said::of(&set.decide(&ground.principal, &request)))
            }
            (_, Some(slices), Some(target)) => {
                let on = On::of(&context.facts, target.clone());
                let request = Request { action: question.action, resource: on.resource(), context: &context };
                slices.each_ref().map(|slice| Said::of(&slice.decide(&request)))
            }
            _ => return Err(Skipped::Unreadable),
        };
        let [old, new] = said;
        if old.same(&new) {
            return Ok(None);
        }
        let (principal, target) = (ground.principal.id.clone(), ground.target.as_ref().map(|target| target.name.clone()));
        let change = Change { principal, target, action: question.action, old, new };
        Ok(Some(self.tally.change(change, operation)))
    }
}

/// What an entry says, if the question can be asked again.
fn recorded(entry: Value) -> Result<Recorded, Skipped> {
    let Ok(Entry::Decision { principal, principal_kind, target, login, action, operation, source, groups, facts, .. }) =
        serde_json::from_value(entry)
    else {
        return Err(Skipped::Unreadable);
    };
    let facts = facts.ok_or(Skipped::TooOld)?;
    Ok(Recorded {
        place: Place {
            principal: principal.to_string(),
            service: principal_kind == model::PrincipalKind::Service,
            groups,
            target: target.map(|target| target.to_string()),
        },
        action: action.parse().map_err(|_| Skipped::Unreadable)?,
        login: login.map(|login| login.to_string()).unwrap_or_default(),
        operation,
        source: source.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        facts,
    })
}

/// The facts as they were told to policy then.
fn facts(question: &Question) -> Result<Facts, Skipped> {
    let login = question.login.clone();
    match (&question.about, question.action.facts()) {
        (About::Nothing, FactsKind::Login) => Ok(Facts::Login(login)),
        (About::Nothing | About::Key { .. }, FactsKind::None) => Ok(Facts::None),
        (About::File { path, to, recursive }, FactsKind::File) => {
            Ok(Facts::File { login, path: path.clone(), to: to.clone(), recursive: *recursive })
        }
        (About::Command { text, words, redirects, environment, patterns }, FactsKind::Command) => {
            let command = Command::recorded(text.clone(), words.clone(), redirects.clone(), environment.clone(), *patterns);
            Ok(Facts::Command { login, command })
        }
        (About::Http { method, path, query, content_type, headers, size }, FactsKind::HttpRequest) => {
            Ok(Facts::HttpRequest(bartizan_policies::HttpRequest {
                method: method.clone(),
                path: path.clone(),
                query: query.clone(),
                content_type: content_type.clone(),
                headers: headers.clone(),
                size: *size,
                body: bartizan_policies::http::Body::Absent,
            }))
        }
        (About::Api { request, runs: None }, FactsKind::ApiRequest) => Ok(Facts::ApiRequest(api_request(request))),
        (About::Api { request, runs: Some(runs) }, FactsKind::ApiExec) => match &**runs {
            About::Command { text, words, redirects, environment, patterns } => {
                let command = Command::recorded(text.clone(), words.clone(), redirects.clone(), environment.clone(), *patterns);
                Ok(Facts::ApiExec { request: api_request(request), command })
            }
            _ => Err(Skipped::Unreadable),
        },
        (About::Path { verb, path }, FactsKind::ApiPath) => Ok(Facts::ApiPath { verb: verb.clone(), path: path.clone() }),
        (About::Unkept, _) => Err(Skipped::Unkept),
        _ => Err(Skipped::Unreadable),
    }
}

fn api_request(request: &audit::ApiRequest) -> bartizan_policies::ApiRequest {
    let audit::ApiRequest { verb, group, version, resource, namespace, name, subresource, container, dry_run } = request.clone();
    bartizan_policies::ApiRequest { verb, group, version, resource, namespace, name, subresource, container, dry_run }
}
