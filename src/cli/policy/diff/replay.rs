//! From a recorded decision back to the question, and what two sets of policies say to it. Answers to the same question are kept,
//! and so are slices; both within bounds.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use bartizan_policies::{Action, Context, PolicySet, Principal, PrincipalKind, Request, Slice, Target};
use jiff::Timestamp;
use serde_json::Value;

use super::tally::{Change, Said, Tally};
use crate::audit::About;
use crate::config::Config;
use crate::enforce::as_target;
use crate::privilege::{Recorded, Skipped, facts, place};

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

impl<'a> Replay<'a> {
    pub(super) fn new(config: &Config, sets: &'a [PolicySet; 2], asks: Asks) -> Self {
        let targets = config.targets.iter().map(|target| (target.name.to_string(), as_target(target))).collect();
        let (places, grounds, answers, tally) = (HashMap::new(), Vec::new(), HashMap::new(), Tally::default());
        Self { sets, targets, asks, places, grounds, answers, tally }
    }

    /// Replays one entry of the log.
    pub(super) fn take(&mut self, time: Timestamp, entry: Value) {
        let asked = Recorded::of(entry).and_then(|mut recorded| Ok((recorded.facts.take().ok_or(Skipped::TooOld)?, recorded)));
        let (facts, Recorded { principal, service, groups, target, action, login, operation, source, .. }) = match asked {
            Ok(asked) => asked,
            Err(why) => return self.tally.skip(why),
        };
        let place = match self.place(Place { principal, service, groups, target }) {
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
        if !question.about.is_whole() {
            return Err(Skipped::Unkept);
        }
        let facts = facts(question.action, &question.login, &question.about)?;
        let on = place(&question.about, &facts, ground.target.as_ref()).ok_or(Skipped::Unreadable)?;
        let time = question.time.unwrap_or(Timestamp::UNIX_EPOCH);
        let context = Context {
            source_ip: question.source.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            time,
            authenticated_at: question.authenticated_at.unwrap_or(time),
            device_bound: question.device_bound.unwrap_or(false),
            reason: question.reason.clone(),
            facts,
        };
        let request = Request { action: question.action, resource: on.resource(), context: &context };
        let said = match &ground.slices {
            Some(slices) => slices.each_ref().map(|slice| Said::of(&slice.decide(&request))),
            None => self.sets.each_ref().map(|set| Said::of(&set.decide(&ground.principal, &request))),
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
