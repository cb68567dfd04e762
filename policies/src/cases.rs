//! Tables of cases beside the policies (`*.test.toml`): who asks for what, and what the answer must be. They are run as the
//! bastion would decide, with nothing connected and nothing looked up; time and address come from the case.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use miette::SourceSpan;
use serde::Serialize;

use self::about::About;
use self::form::{Case, File};
use crate::facts::{ApiRequest, Facts, HttpRequest};
use crate::http::Body;
use crate::kubernetes::exec_commands;
use crate::near::did_you_mean;
use crate::problem::{Problem, Source};
use crate::questions::questions;
use crate::request::{Context, Principal, PrincipalKind, Request};
use crate::rule::Mask;
use crate::{Action, Command, Decision, FactsKind, Line, PolicySet, Verdict};

pub use self::form::Answer;

mod about;
mod form;
mod sql;
#[cfg(test)]
mod tests;

/// What came of the cases of one file.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How many cases gave the answer they expect.
    pub passed: usize,
    /// Each case that did not, in order of the file.
    pub failures: Vec<Problem>,
    /// The `@id` of every policy that had a say in any case. [`PolicySet::rules_beside`] tells the others.
    pub exercised: BTreeSet<Arc<str>>,
    /// Every case, in order of the file.
    pub cases: Vec<Ran>,
}

/// One case, after it was run.
#[derive(Debug, Clone, Serialize)]
pub struct Ran {
    /// Its `name`.
    pub name: String,
    /// The line of the file it begins on, counted from 1.
    pub line: usize,
    /// What it expects.
    pub expected: Answer,
    /// What came.
    pub got: Answer,
    /// The mask it expects.
    pub expected_mask: Option<Mask>,
    /// The mask that came.
    pub got_mask: Option<Mask>,
    /// What is wrong with the answer; nothing when it is the expected one.
    pub failure: Option<Problem>,
    /// The `@id` of every policy that had a say.
    pub exercised: Vec<Arc<str>>,
}

/// Runs the cases of one file.
///
/// # Errors
/// What is wrong with the file itself, pointed at; then no case is run.
pub fn run_cases(set: &PolicySet, name: &str, text: &str) -> Result<Report, Problem> {
    let source = Arc::new(Source::new(name, text));
    let file: File = toml::from_str(text).map_err(|error| {
        let span = error.span().map_or_else(|| SourceSpan::from(0), SourceSpan::from);
        Problem::error(&source, span, error.message().to_owned(), None)
    })?;
    let mut report = Report { passed: 0, failures: Vec::new(), exercised: BTreeSet::new(), cases: Vec::new() };
    for case in &file.cases {
        let span = SourceSpan::from(case.span());
        let case = case.get_ref();
        let decision = case
            .decide(&file, set)
            .map_err(|unknown| Problem::error(&source, span, format!("case \"{}\" {}", case.name, unknown.message), unknown.help))?;
        report.exercised.extend(decision.policies.iter().cloned());
        let complaint = case.complaint(&decision);
        let failure = complaint.map(|message| Problem::error(&source, span, format!("case \"{}\": {message}", case.name), None));
        report.passed += usize::from(failure.is_none());
        report.failures.extend(failure.clone());
        let line = source.position(span.offset()).0;
        report.cases.push(case.ran(line, decision, failure));
    }
    Ok(report)
}

/// What a case names or leaves out, so that it cannot be run.
struct Unknown {
    message: String,
    help: Option<String>,
}

fn missing(what: &str) -> Unknown {
    Unknown { message: format!("does not say {what}"), help: None }
}

fn named<'a, T>(table: &'a BTreeMap<String, T>, what: &str, name: &str) -> Result<&'a T, Unknown> {
    table.get(name).ok_or_else(|| Unknown {
        message: format!("names a {what} \"{name}\" that the file does not describe"),
        help: did_you_mean(name, table.keys().map(String::as_str)).or_else(|| Some(format!("add [{what}.{name}]"))),
    })
}

impl File {
    fn principal(&self, name: &str) -> Result<Principal, Unknown> {
        let who = named(&self.principals, "principal", name)?;
        let kind = if who.service { PrincipalKind::Service } else { PrincipalKind::User };
        Ok(Principal { claims: who.claims.clone(), ..Principal::new(kind, &who.id, &who.groups) })
    }
}

impl Case {
    fn decide(&self, file: &File, set: &PolicySet) -> Result<Decision, Unknown> {
        let principal = file.principal(&self.principal)?;
        if let Some(text) = &self.sql {
            return self.statement(file, set, &principal, text);
        }
        if self.action.is_empty() {
            return Err(missing("the action"));
        }
        let action: Action = self.action.parse().map_err(|error: crate::UnknownAction| Unknown {
            message: format!("asks for \"{}\", which is no action", error.given),
            help: error.near.map(|near| format!("did you mean \"{near}\"?")),
        })?;
        let about = About::new(self, file, &principal, action)?;
        let decide = |action, facts| set.decide(&principal, &Request { action, resource: about.resource(), context: &self.context(facts) });
        if action.facts() == FactsKind::ApiExec {
            let request = self.api_request(action)?;
            let words = self.kubernetes.as_ref().map(|form| form.command.as_slice()).unwrap_or_default();
            let commands = exec_commands(words).map_err(|_| missing("what is run: kubernetes = { command = [\"ls\"] }"))?;
            let asked = commands.into_iter().map(|command| Facts::ApiExec { request: request.clone(), command });
            return Ok(asked.map(|facts| decide(action, facts)).reduce(Decision::and).unwrap_or_else(Decision::nothing_asked));
        }
        if action.facts() != FactsKind::Command {
            return Ok(decide(action, self.facts(action)?));
        }
        // A line is all that it would do, and gets the worst of the answers.
        let line = self.command.as_ref().ok_or_else(|| missing("the command"))?;
        let asked = questions(&self.login, &Line::read(line.as_bytes())).into_iter();
        let answers = asked.map(|question| decide(question.action, question.facts));
        Ok(answers.reduce(Decision::and).unwrap_or_else(Decision::nothing_asked))
    }

    fn context(&self, facts: Facts) -> Context {
        let time = self.time.unwrap_or(Timestamp::UNIX_EPOCH);
        Context {
            source_ip: self.source_ip.unwrap_or(IpAddr::from([192, 0, 2, 1])),
            time,
            authenticated_at: self.authenticated_at.unwrap_or(time),
            device_bound: self.device_bound,
            reason: self.reason.clone(),
            facts,
        }
    }

    fn facts(&self, action: Action) -> Result<Facts, Unknown> {
        let login = self.login.clone();
        Ok(match action.facts() {
            FactsKind::None => Facts::None,
            FactsKind::Login => Facts::Login(login),
            FactsKind::Command => Facts::Command { login, command: Command::read(self.command.as_deref().unwrap_or_default().as_bytes()) },
            FactsKind::File => Facts::File { login, path: self.path.clone(), to: self.to.clone(), recursive: self.recursive },
            FactsKind::Sql => Facts::Sql {
                statement: self.statement.clone(),
                has_where: self.has_where,
                in_transaction: self.in_transaction,
                setting: self.setting.clone(),
                estimated_rows: self.estimated_rows,
            },
            FactsKind::ApiRequest => Facts::ApiRequest(self.api_request(action)?),
            // One question of several: they are asked one by one.
            FactsKind::ApiExec => return Err(missing("what is run: kubernetes = { command = [\"ls\"] }")),
            FactsKind::ApiField => {
                let field = self.kubernetes.as_ref().and_then(|form| form.field.clone());
                Facts::ApiField {
                    request: self.api_request(action)?,
                    field: field.ok_or_else(|| missing("which field: kubernetes = { field }"))?,
                }
            }
            FactsKind::ApiPath => {
                let form = self.kubernetes.as_ref().ok_or_else(|| missing("the request: kubernetes = { verb, path }"))?;
                Facts::ApiPath { verb: form.verb.clone().unwrap_or_else(|| "get".to_owned()), path: form.path.clone() }
            }
            FactsKind::HttpRequest => Facts::HttpRequest(self.http_request(action)?),
            FactsKind::HttpField => {
                let field = self.http.as_ref().and_then(|form| form.field.clone());
                Facts::HttpField {
                    request: self.http_request(action)?,
                    field: field.ok_or_else(|| missing("which field: http = { field }"))?,
                }
            }
        })
    }

    /// The Kubernetes request it describes; the verb, unless it is said, is the action's.
    fn api_request(&self, action: Action) -> Result<ApiRequest, Unknown> {
        let form = self.kubernetes.as_ref().ok_or_else(|| missing("the request: kubernetes = { group, version, resource, … }"))?;
        // What is no verb of the API server's own is known by its subresource.
        let (verb, subresource) = match action {
            Action::K8sExec => ("create", Some("exec")),
            Action::K8sAttach => ("create", Some("attach")),
            Action::K8sPortForward => ("create", Some("portforward")),
            Action::K8sLogs => ("get", Some("log")),
            Action::K8sProxy => ("get", Some("proxy")),
            Action::K8sReadField => ("get", None),
            _ => (action.name().strip_prefix("k8s.").unwrap_or_default(), None),
        };
        Ok(ApiRequest {
            verb: form.verb.clone().unwrap_or_else(|| verb.to_owned()),
            group: form.group.clone(),
            version: form.version.clone(),
            resource: form.resource.clone(),
            namespace: form.namespace.clone(),
            name: form.name.clone(),
            subresource: form.subresource.clone().or_else(|| subresource.map(str::to_owned)),
            container: form.container.clone(),
            dry_run: form.dry_run,
        })
    }

    /// The HTTP request it describes; the method, unless it is said, is the action's.
    fn http_request(&self, action: Action) -> Result<HttpRequest, Unknown> {
        let form = self.http.as_ref().ok_or_else(|| missing("the request: http = { path, … }"))?;
        let method = action.name().strip_prefix("http.").filter(|_| !action.is_field_level()).unwrap_or("GET");
        let text = form.body.as_deref();
        let body = Body::read(text.unwrap_or_default().as_bytes())
            .map_err(|why| Unknown { message: format!("has a body that is refused: {why}"), help: None })?;
        Ok(HttpRequest {
            method: form.method.clone().unwrap_or_else(|| method.to_owned()),
            path: form.path.clone(),
            query: form.query.clone(),
            content_type: form.content_type.clone().or_else(|| text.map(|_| "application/json".to_owned())),
            headers: form.headers.clone(),
            size: form.size.or_else(|| text.map(|text| text.len() as u64)),
            body,
        })
    }

    fn ran(&self, line: usize, decision: Decision, failure: Option<Problem>) -> Ran {
        Ran {
            name: self.name.clone(),
            line,
            expected: self.expect,
            got: Answer::from(&decision.verdict),
            expected_mask: self.mask.map(|word| word.0),
            got_mask: decision.mask,
            failure,
            exercised: decision.policies,
        }
    }

    /// What is wrong with the answer, if anything.
    fn complaint(&self, decision: &Decision) -> Option<String> {
        let sentence = match &decision.verdict {
            Verdict::Allow => None,
            Verdict::Hold(hold) => Some(hold.to_string()),
            Verdict::Deny(refusal) => Some(refusal.to_string()),
        };
        let because = sentence.and_then(|text| text.lines().next().map(|line| format!(": {line}"))).unwrap_or_default();
        let had_a_say = |policy: &String| decision.policies.iter().any(|id| **id == **policy);
        if Answer::from(&decision.verdict) != self.expect {
            return Some(format!("expected {}, got {}{because}", self.expect, decision.verdict.word()));
        }
        if self.mask.map(|word| word.0) != decision.mask {
            let word = |mask: Option<Mask>| mask.map_or("none".to_owned(), |mask| mask.to_string());
            return Some(format!("expected mask {}, got {}", word(self.mask.map(|word| word.0)), word(decision.mask)));
        }
        let silent = self.policy.as_ref().filter(|policy| !had_a_say(policy))?;
        Some(format!("policy \"{silent}\" had no say; these had: {}", decision.policies.join(", ")))
    }
}
