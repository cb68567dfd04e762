//! Reads and checks the annotations of one policy. Cedar's validator does not look at them, so `@aprove` would pass it and
//! silently permit: every key and every value is checked here, and each mistake points at its place in the file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::{ActionConstraint, Policy};
use miette::SourceSpan;

use crate::Action;
use crate::asks::Asks;
use crate::known::Known;
use crate::near;
use crate::problem::{Problem, Source};
use crate::rule::{Approve, Effect, Mask, Rule, Scope};

/// Every annotation there is.
pub(crate) const KEYS: &[&str] = &[
    "id",
    "reason",
    "approve",
    "approvals",
    "valid",
    "scope",
    "signed",
    "moderated",
    "mask",
    "mask_use",
    "alert",
    "record",
    "certificate_ttl",
    "pin_source_address",
];
/// Longest `@id`, in characters.
const MAX_ID: usize = 64;
/// Longest `@reason` and `@alert`, in characters: they are shown in one line of a terminal.
const MAX_SENTENCE: usize = 300;
/// Most approvals one policy can ask for.
const MAX_APPROVALS: u8 = 9;
/// Where `@moderated` may stand.
const MODERATED: &str = "narrow it to connect, ssh.shell, ssh.exec or actions that begin with sftp.";
const DEFAULT_VALID: Duration = Duration::from_secs(15 * 60);
/// Shortest and longest `@valid` and `@certificate_ttl`.
const SPAN: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(24 * 3600);

/// Reads `policy`'s annotations; `policy` must have been parsed from the text of `source`.
pub(crate) fn read(policy: &Policy, asks: Asks, source: &Arc<Source>, known: &Known) -> Result<Rule, Vec<Problem>> {
    let mut reader = Reader::new(policy, source, known);
    let rule = reader.rule(asks);
    if reader.problems.is_empty() { rule.ok_or(reader.problems) } else { Err(reader.problems) }
}

/// The place of a whole policy in its file.
pub(crate) fn span_of(policy: &Policy) -> SourceSpan {
    // Positions are kept only in Cedar's own syntax tree, which its public type lends out.
    policy.as_ref().loc().map_or_else(|| SourceSpan::from(0), |loc| loc.span)
}

struct Reader<'a> {
    policy: &'a Policy,
    source: &'a Arc<Source>,
    known: &'a Known,
    values: BTreeMap<String, (String, SourceSpan)>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn new(policy: &'a Policy, source: &'a Arc<Source>, known: &'a Known) -> Self {
        let whole = span_of(policy);
        let values = policy
            .as_ref()
            .annotations()
            .map(|(key, value)| {
                let span = value.loc.as_ref().map_or(whole, |loc| loc.span);
                (key.to_string(), (value.val.to_string(), span))
            })
            .collect();
        Reader { policy, source, known, values, problems: Vec::new() }
    }

    fn rule(&mut self, asks: Asks) -> Option<Rule> {
        self.unknown_keys();
        self.misplaced_keys();
        let record = self.record();
        let rule = Rule {
            id: self.id().unwrap_or_default().into(),
            effect: self.effect(),
            file: self.source.name.as_str().into(),
            line: self.source.position(span_of(self.policy).offset()).0,
            reason: self.sentence("reason").map(Into::into),
            approve: self.approve().or_else(|| self.moderated()),
            mask: self.word("mask", &Mask::WORDS),
            mask_equality: self.word("mask_use", &[("eq", true)]).unwrap_or(false),
            alert: self.sentence("alert").map(Into::into),
            record_results: record.contains(&"results"),
            record_input: record.contains(&"input"),
            asks,
            certificate_ttl: self.duration("certificate_ttl"),
            pin_source_address: self.flag("pin_source_address"),
        };
        (!rule.id.is_empty()).then_some(rule)
    }

    fn effect(&self) -> Effect {
        match self.policy.effect() {
            cedar_policy::Effect::Permit => Effect::Permit,
            cedar_policy::Effect::Forbid => Effect::Forbid,
        }
    }

    fn problem(&mut self, span: SourceSpan, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::error(self.source, span, message, Some(help.into())));
    }

    fn unknown_keys(&mut self) {
        let unknown: Vec<_> =
            self.values.iter().filter(|(key, _)| !KEYS.contains(&key.as_str())).map(|(key, (_, span))| (key.clone(), *span)).collect();
        for (key, span) in unknown {
            let help = near::nearest(&key, KEYS.iter().copied())
                .map_or_else(|| format!("the annotations are @{}", KEYS.join(", @")), |near| format!("did you mean @{near}?"));
            self.problem(span, format!("there is no annotation @{key}"), help);
        }
    }

    /// Keys that are right in themselves but have no meaning on this policy.
    fn misplaced_keys(&mut self) {
        let approve = self.values.contains_key("approve");
        let permit = self.effect() == Effect::Permit;
        let field_only = self.only_actions(Action::is_field_level);
        let issue_only = self.only_actions(|action| action == Action::Issue);
        let watched_only = self.only_actions(Action::is_watched);
        let moderated = self.values.contains_key("moderated");
        let who = "say who is asked: @approve(\"issuer/group\")";
        let masks = self.values.contains_key("mask");
        let rules: [(&[&str], bool, &str, &str); 10] = [
            (&["mask_use"], masks, "means nothing without @mask", "say how the column is hidden, too: @mask(\"redact\")"),
            (&["approvals", "valid", "scope", "signed"], approve, "means nothing without @approve", who),
            (&["moderated"], !approve, "cannot stand beside @approve", "write two policies: one that is moderated, one that waits"),
            (&["moderated"], watched_only, "is for sessions that can be watched, and this policy is about more", MODERATED),
            (&["mask"], !moderated, "cannot stand beside @moderated", "write two policies: one that masks, one that is moderated"),
            (&["mask"], !approve, "cannot stand beside @approve", "write two policies: one that masks, one that waits"),
            (&["mask"], !permit, "means nothing on a permit", "put it on a forbid, so that no permit can lift it"),
            (
                &["mask"],
                field_only,
                "hides one field, and this policy is about more",
                "narrow it to pg.read_column, k8s.read_field or http.read_field",
            ),
            (&["certificate_ttl", "pin_source_address", "record"], permit, "means nothing on a forbid", "put it on a permit"),
            (
                &["certificate_ttl", "pin_source_address"],
                issue_only,
                "is about certificates, and this policy about more",
                "narrow it to action == Action::\"issue\"",
            ),
        ];
        for (keys, fits, message, help) in rules {
            for key in keys.iter().filter(|_| !fits) {
                if let Some((_, span)) = self.values.get(*key) {
                    self.problem(*span, format!("@{key} {message}"), help);
                }
            }
        }
    }

    /// Whether the policy's scope holds nothing but actions of this kind.
    fn only_actions(&self, kind: impl Fn(Action) -> bool) -> bool {
        let fits = |uid: &cedar_policy::EntityUid| uid.id().unescaped().parse::<Action>().is_ok_and(&kind);
        match self.policy.action_constraint() {
            ActionConstraint::Any => false,
            ActionConstraint::Eq(uid) => fits(&uid),
            ActionConstraint::In(uids) => uids.iter().all(fits),
        }
    }

    fn id(&mut self) -> Option<String> {
        let Some((id, span)) = self.values.get("id").cloned() else {
            self.problem(span_of(self.policy), "this policy has no @id", "begin it with @id(\"a-name-of-its-own\")");
            return None;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if id.is_empty() || id.len() > MAX_ID || !id.chars().all(plain) {
            let help = format!("use 1 to {MAX_ID} letters, digits, \"-\", \"_\" or \".\"");
            self.problem(span, format!("\"{}\" cannot be an @id", id.escape_debug()), help);
            return None;
        }
        Some(id)
    }

    fn sentence(&mut self, key: &str) -> Option<String> {
        let (text, span) = self.values.get(key).cloned()?;
        if text.trim().is_empty() || text.chars().count() > MAX_SENTENCE || text.chars().any(char::is_control) {
            let help = format!("write one sentence of at most {MAX_SENTENCE} characters, without control characters");
            self.problem(span, format!("@{key} is empty, too long or not one line"), help);
            return None;
        }
        Some(text)
    }

    fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let (text, span) = self.values.get(key).cloned()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let help = near::did_you_mean(&text, all.iter().copied()).unwrap_or_else(|| format!("it can be \"{}\"", all.join("\", \"")));
            self.problem(span, format!("@{key} cannot be \"{}\"", text.escape_debug()), help);
        }
        found
    }

    /// What is recorded beside what always is; commas stand between words.
    fn record(&mut self) -> Vec<&'static str> {
        const WORDS: [&str; 2] = ["results", "input"];
        let Some((text, span)) = self.values.get("record").cloned() else { return Vec::new() };
        let mut found = Vec::new();
        for word in text.split(',').map(str::trim) {
            match WORDS.into_iter().find(|known| *known == word) {
                Some(known) => found.push(known),
                None => {
                    let help = near::did_you_mean(word, WORDS)
                        .unwrap_or_else(|| "it can be \"results\", \"input\" or \"results, input\"".to_owned());
                    self.problem(span, format!("@record cannot be \"{}\"", text.escape_debug()), help);
                }
            }
        }
        found
    }

    fn flag(&mut self, key: &str) -> bool {
        let Some((text, span)) = self.values.get(key).cloned() else {
            return false;
        };
        if !text.is_empty() {
            self.problem(span, format!("@{key} takes no value"), format!("write just @{key}"));
        }
        text.is_empty()
    }

    fn duration(&mut self, key: &str) -> Option<Duration> {
        let (text, span) = self.values.get(key).cloned()?;
        let duration = parse_duration(&text).filter(|duration| SPAN.contains(duration));
        if duration.is_none() {
            let message = format!("@{key} cannot be \"{}\"", text.escape_debug());
            self.problem(span, message, "write a duration from 1m to 24h, such as \"15m\" or \"1h30m\"");
        }
        duration
    }

    fn approve(&mut self) -> Option<Approve> {
        let groups = self.groups("approve");
        let approvals = self.approvals();
        let valid = self.duration("valid").unwrap_or(DEFAULT_VALID);
        let scope = self.word("scope", &[("operation", Scope::Operation), ("session", Scope::Session)]).unwrap_or(Scope::Operation);
        let signed = self.flag("signed");
        Some(Approve { groups: groups?, approvals, valid, scope, signed, moderated: false })
    }

    fn moderated(&mut self) -> Option<Approve> {
        let groups = self.groups("moderated")?;
        let (valid, scope) = (*SPAN.end(), Scope::Session);
        Some(Approve { groups, approvals: 1, valid, scope, signed: false, moderated: true })
    }

    fn approvals(&mut self) -> u8 {
        let Some((text, span)) = self.values.get("approvals").cloned() else {
            return 1;
        };
        match text.parse::<u8>() {
            Ok(count) if (1..=MAX_APPROVALS).contains(&count) => count,
            _ => {
                let message = format!("@approvals cannot be \"{}\"", text.escape_debug());
                self.problem(span, message, format!("write a number of people from 1 to {MAX_APPROVALS}"));
                1
            }
        }
    }

    fn groups(&mut self, key: &str) -> Option<Vec<String>> {
        let (text, span) = self.values.get(key).cloned()?;
        let groups: Vec<String> = text.split(',').map(|group| group.trim().to_owned()).collect();
        for group in &groups {
            if let Some((message, help)) = self.known.group_trouble(group) {
                self.problem(span, message, help);
            }
        }
        Some(groups)
    }
}

/// `90s`, `15m`, `1h30m`, `2d`: whole numbers with a unit, largest unit first, each unit at most once.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut last_unit = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let mut tail = tail.chars();
        let unit = match tail.next()? {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        if unit >= last_unit {
            return None;
        }
        last_unit = unit;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = tail.as_str();
    }
    (last_unit != u64::MAX).then(|| Duration::from_secs(total))
}

#[cfg(test)]
mod tests;
