//! Tables of cases beside the policies (`*.test.toml`): who asks for what, and what the answer must be. They are run as the
//! bastion would decide, with nothing connected and nothing looked up; time and address come from the case.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use miette::SourceSpan;
use serde::{Deserialize, Serialize};

use crate::near::did_you_mean;
use crate::problem::{Problem, Source};
use crate::request::{
    Approval, Context, Facts, Key, Principal, PrincipalKind, Request, Resource, Table, Target,
    Visit,
};
use crate::rule::Mask;
use crate::{Action, Command, Decision, FactsKind, PolicySet, ResourceKind, Verdict};

/// What came of the cases of one file.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How many cases gave the answer they expect.
    pub passed: usize,
    /// Each case that did not, in order of the file.
    pub failures: Vec<Problem>,
    /// The `@id` of every policy that had a say in any case.
    pub exercised: BTreeSet<Arc<str>>,
}

/// Runs the cases of one file.
///
/// # Errors
/// What is wrong with the file itself, pointed at; then no case is run.
pub fn run_cases(set: &PolicySet, name: &str, text: &str) -> Result<Report, Problem> {
    let source = Arc::new(Source {
        name: name.to_owned(),
        text: text.to_owned(),
    });
    let file: File = toml::from_str(text).map_err(|error| {
        let span = error
            .span()
            .map_or_else(|| SourceSpan::from(0), SourceSpan::from);
        Problem::error(&source, span, error.message().to_owned(), None)
    })?;
    let mut report = Report {
        passed: 0,
        failures: Vec::new(),
        exercised: BTreeSet::new(),
    };
    for case in &file.cases {
        let span = SourceSpan::from(case.span());
        let case = case.get_ref();
        let decision = case.decide(&file, set).map_err(|unknown| {
            Problem::error(
                &source,
                span,
                format!("case \"{}\" {}", case.name, unknown.message),
                unknown.help,
            )
        })?;
        report.exercised.extend(decision.policies.iter().cloned());
        match case.complaint(&decision) {
            None => report.passed += 1,
            Some(message) => report.failures.push(Problem::error(
                &source,
                span,
                format!("case \"{}\": {message}", case.name),
                None,
            )),
        }
    }
    Ok(report)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "principal")]
    principals: BTreeMap<String, Who>,
    #[serde(default, rename = "target")]
    targets: BTreeMap<String, What>,
    #[serde(default, rename = "case")]
    cases: Vec<toml::Spanned<Case>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    id: String,
    #[serde(default)]
    service: bool,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    claims: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct What {
    kind: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    principal: String,
    action: String,
    /// The target, or the one that the session, recording or approval is about.
    target: Option<String>,
    #[serde(default)]
    login: String,
    command: Option<String>,
    path: Option<String>,
    to: Option<String>,
    /// Whose session or recording it is, who asks for the approval, or who is to be locked.
    owner: Option<String>,
    /// For `view_input`: the session itself, not its recording.
    #[serde(default)]
    live: bool,
    #[serde(default)]
    asks: Vec<String>,
    #[serde(default)]
    key: KeyForm,
    table: Option<TableForm>,
    #[serde(default)]
    statement: String,
    #[serde(default)]
    has_where: bool,
    #[serde(default)]
    in_transaction: bool,
    source_ip: Option<IpAddr>,
    time: Option<Timestamp>,
    authenticated_at: Option<Timestamp>,
    #[serde(default)]
    device_bound: bool,
    reason: Option<String>,
    expect: Expected,
    /// A policy that must have had a say.
    policy: Option<String>,
    mask: Option<MaskWord>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableForm {
    database: String,
    schema: String,
    name: String,
    #[serde(default)]
    column: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyForm {
    algorithm: String,
    bits: u32,
}

impl Default for KeyForm {
    fn default() -> Self {
        KeyForm {
            algorithm: "ssh-ed25519".to_owned(),
            bits: 256,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Allow,
    Hold,
    Deny,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct MaskWord(Mask);

impl TryFrom<String> for MaskWord {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        let found = Mask::WORDS.iter().find(|(name, _)| *name == word);
        found
            .map(|(_, mask)| MaskWord(*mask))
            .ok_or_else(|| format!("there is no mask \"{word}\""))
    }
}

/// What a case names or leaves out, so that it cannot be run.
struct Unknown {
    message: String,
    help: Option<String>,
}

fn missing(what: &str) -> Unknown {
    Unknown {
        message: format!("does not say {what}"),
        help: None,
    }
}

fn named<'a, T>(table: &'a BTreeMap<String, T>, what: &str, name: &str) -> Result<&'a T, Unknown> {
    table.get(name).ok_or_else(|| Unknown {
        message: format!("names a {what} \"{name}\" that the file does not describe"),
        help: did_you_mean(name, table.keys().map(String::as_str))
            .or_else(|| Some(format!("add [{what}.{name}]"))),
    })
}

impl File {
    fn principal(&self, name: &str) -> Result<Principal, Unknown> {
        let who = named(&self.principals, "principal", name)?;
        let kind = if who.service {
            PrincipalKind::Service
        } else {
            PrincipalKind::User
        };
        Ok(Principal {
            claims: who.claims.clone(),
            ..Principal::new(kind, &who.id, &who.groups)
        })
    }
}

impl Case {
    fn decide(&self, file: &File, set: &PolicySet) -> Result<Decision, Unknown> {
        let action: Action =
            self.action
                .parse()
                .map_err(|error: crate::UnknownAction| Unknown {
                    message: format!("asks for \"{}\", which is no action", error.given),
                    help: error.near.map(|near| format!("did you mean \"{near}\"?")),
                })?;
        let principal = file.principal(&self.principal)?;
        let context = self.context(self.facts(action)?);
        let about = About::new(self, file, &principal, action)?;
        Ok(set.decide(
            &principal,
            &Request {
                action,
                resource: about.resource(),
                context: &context,
            },
        ))
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
            FactsKind::Command => {
                let line = self
                    .command
                    .as_ref()
                    .ok_or_else(|| missing("the command"))?;
                Facts::Command {
                    login,
                    command: Command::read(line.as_bytes()),
                }
            }
            FactsKind::File => Facts::File {
                login,
                path: self.path.clone(),
                to: self.to.clone(),
            },
            FactsKind::Sql => Facts::Sql {
                statement: self.statement.clone(),
                has_where: self.has_where,
                in_transaction: self.in_transaction,
            },
        })
    }

    /// What is wrong with the answer, if anything.
    fn complaint(&self, decision: &Decision) -> Option<String> {
        let (got, sentence) = match &decision.verdict {
            Verdict::Allow => (Expected::Allow, None),
            Verdict::Hold(hold) => (Expected::Hold, Some(hold.to_string())),
            Verdict::Deny(refusal) => (Expected::Deny, Some(refusal.to_string())),
        };
        let because = sentence
            .and_then(|text| text.lines().next().map(|line| format!(": {line}")))
            .unwrap_or_default();
        let had_a_say = |policy: &String| decision.policies.iter().any(|id| **id == **policy);
        if got != self.expect {
            let expected = format!("{:?}", self.expect).to_lowercase();
            return Some(format!(
                "expected {expected}, got {}{because}",
                decision.verdict.word()
            ));
        }
        if self.mask.map(|word| word.0) != decision.mask {
            let word = |mask: Option<Mask>| mask.map_or("none".to_owned(), |mask| mask.to_string());
            return Some(format!(
                "expected mask {}, got {}",
                word(self.mask.map(|word| word.0)),
                word(decision.mask)
            ));
        }
        let silent = self.policy.as_ref().filter(|policy| !had_a_say(policy))?;
        Some(format!(
            "policy \"{silent}\" had no say; these had: {}",
            decision.policies.join(", ")
        ))
    }
}

/// What a case is about, owned, so that a [`Resource`] can be lent.
enum About {
    Target(Target),
    Table(Table),
    Column(Table, String),
    Session(Visit),
    Recording(Visit),
    Approval(Approval),
    Key(Key),
    Principal(Principal),
}

impl About {
    fn new(
        case: &Case,
        file: &File,
        principal: &Principal,
        action: Action,
    ) -> Result<Self, Unknown> {
        let target = || -> Result<Target, Unknown> {
            let name = case
                .target
                .as_ref()
                .ok_or_else(|| missing("on which target"))?;
            let what = named(&file.targets, "target", name)?;
            Ok(Target {
                name: name.clone(),
                kind: what.kind.clone(),
                tags: what.tags.clone(),
            })
        };
        let owner = || {
            case.owner
                .as_ref()
                .map_or_else(|| Ok(principal.clone()), |name| file.principal(name))
        };
        let visit = || -> Result<Visit, Unknown> {
            Ok(Visit {
                id: "the-one".to_owned(),
                owner: owner()?,
                target: target()?,
                login: case.login.clone(),
            })
        };
        let table = || -> Result<(Table, String), Unknown> {
            let form = case
                .table
                .as_ref()
                .ok_or_else(|| missing("on which table"))?;
            let (database, schema, name) = (
                form.database.clone(),
                form.schema.clone(),
                form.name.clone(),
            );
            Ok((
                Table {
                    target: target()?,
                    database,
                    schema,
                    name,
                },
                form.column.clone(),
            ))
        };
        Ok(
            match kind(case, action).ok_or_else(|| missing("on what"))? {
                ResourceKind::Target => About::Target(target()?),
                ResourceKind::Table => About::Table(table()?.0),
                ResourceKind::Column => {
                    let (table, column) = table()?;
                    About::Column(table, column)
                }
                ResourceKind::Session => About::Session(visit()?),
                ResourceKind::Recording => About::Recording(visit()?),
                ResourceKind::Approval => About::Approval(Approval {
                    id: "the-one".to_owned(),
                    requester: owner()?,
                    target: target()?,
                    action: Action::SshExec,
                    asks: case.asks.clone(),
                }),
                ResourceKind::Key => About::Key(Key {
                    fingerprint: "SHA256:the-one".to_owned(),
                    algorithm: case.key.algorithm.clone(),
                    bits: case.key.bits,
                }),
                ResourceKind::Principal => About::Principal(owner()?),
            },
        )
    }

    fn resource(&self) -> Resource<'_> {
        match self {
            About::Target(target) => Resource::Target(target),
            About::Table(table) => Resource::Table(table),
            About::Column(table, column) => Resource::Column(table, column),
            About::Session(visit) => Resource::Session(visit),
            About::Recording(visit) => Resource::Recording(visit),
            About::Approval(approval) => Resource::Approval(approval),
            About::Key(key) => Resource::Key(key),
            About::Principal(principal) => Resource::Principal(principal),
        }
    }
}

/// What an action is asked on, where it could be several things: a target unless an owner is named, what was recorded unless
/// the session is said to be live.
fn kind(case: &Case, action: Action) -> Option<ResourceKind> {
    let meant = |kind: &ResourceKind| match kind {
        ResourceKind::Target => case.owner.is_none(),
        ResourceKind::Principal => case.owner.is_some(),
        ResourceKind::Session => case.live,
        ResourceKind::Recording => !case.live,
        ResourceKind::Table | ResourceKind::Column | ResourceKind::Approval | ResourceKind::Key => {
            true
        }
    };
    let kinds = action.resources();
    kinds
        .iter()
        .copied()
        .find(meant)
        .or_else(|| kinds.first().copied())
}

#[cfg(test)]
mod tests;
