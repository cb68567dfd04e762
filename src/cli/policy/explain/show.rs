//! Shows what policy said, for people and for programs. What comes from outside is escaped.

use bartizan_policies::{Action, ApiRequest, Command, Copier, Effect, Facts, Hold, Line, PolicySet, Verdict};
use serde_json::{Value, json};

use super::question::Asked;
use super::sql::Said;
use super::{Answer, Args};
use crate::cli::Exit;
use crate::cli::print::Page;
use crate::model::Printable;

pub(super) fn show(
    args: &Args,
    asked: &Asked,
    set: &PolicySet,
    answers: &[Answer<'_>],
    said: Option<&Said>,
    verdict: &Verdict,
) -> Result<(), Exit> {
    let mut page = Page::stdout();
    if args.json {
        page.json(&as_json(args, asked, set, answers, said, verdict))?;
    } else {
        told(&mut page, args, asked, set, answers, said, verdict)?;
    }
    page.flush()
}

/// A verdict's word in its colour, as wide as the widest.
pub(in crate::cli::policy) fn coloured(page: &Page, word: &str) -> String {
    let wide = format!("{word:<5}");
    match word {
        "allow" => page.pleasing(&wide),
        "hold" => page.warning(&wide),
        _ => page.alarming(&wide),
    }
}

fn told(
    page: &mut Page,
    args: &Args,
    asked: &Asked,
    set: &PolicySet,
    answers: &[Answer<'_>],
    said: Option<&Said>,
    verdict: &Verdict,
) -> Result<(), Exit> {
    let word = coloured(page, verdict.word());
    page.line(&format!("{} {}{}", word.trim_end(), asked.principal.id, place(asked)))?;
    for answer in answers {
        page.line("")?;
        operation(page, asked, answer)?;
    }
    page.line("")?;
    if let Some(line) = &asked.line {
        page.line(&sent(line))?;
    }
    if let Some(said) = said {
        said.lines().iter().try_for_each(|line| page.line(line))?;
    }
    if let Some(remark) = guarded(asked, set, answers) {
        page.line(remark)?;
    }
    let assumed = args.circumstances.assumed();
    if assumed.is_empty() { Ok(()) } else { page.line(&format!("assumed: {}", assumed.join(", "))) }
}

/// ` at deploy@web-1`
fn place(asked: &Asked) -> String {
    match (&asked.target, &asked.login) {
        (Some(target), Some(login)) => format!(" at {}@{}", Printable(login), target.name),
        (Some(target), None) => format!(" at {}", target.name),
        (None, _) => String::new(),
    }
}

fn operation(page: &mut Page, asked: &Asked, answer: &Answer<'_>) -> Result<(), Exit> {
    let decision = &answer.explanation.decision;
    let word = coloured(page, decision.verdict.word());
    let name = page.strong(answer.question.action.name());
    page.line(&format!("{word} {name}{}", words(answer)))?;
    for line in facts(asked, &answer.question.facts) {
        page.line(&format!("      {line}"))?;
    }
    for line in sentence(&decision.verdict).lines() {
        page.line(&format!("      {}", Printable(line)))?;
    }
    if let Some(mask) = decision.mask {
        page.line(&format!("      masked: {mask}"))?;
    }
    for alert in &decision.obligations.alerts {
        page.line(&format!("      alerts operators: {}", Printable(&alert.text)))?;
    }
    for rule in &answer.explanation.rules {
        let effect = match rule.effect {
            Effect::Permit => "permit",
            Effect::Forbid => "forbid",
        };
        let withheld = decision.withheld.iter().find(|withheld| withheld.policy == rule.id);
        let but = withheld.map(|withheld| format!(", which permits it {}", withheld.because)).unwrap_or_default();
        page.line(&format!("      {effect} \"{}\" at {}:{}{but}", rule.id, Printable(&rule.file), rule.line))?;
    }
    Ok(())
}

/// What the operation is, beside the action's name.
fn words(answer: &Answer<'_>) -> String {
    let text = match &answer.question.facts {
        Facts::Command { command, .. } | Facts::ApiExec { command, .. } => command.text().to_owned(),
        Facts::File { path, to, .. } => [path, to].into_iter().flatten().cloned().collect::<Vec<_>>().join(" to "),
        Facts::None | Facts::HttpRequest(_) | Facts::ApiRequest(_) => answer.explanation.on.clone(),
        Facts::ApiPath { verb, path } => format!("{verb} {path}"),
        Facts::Sql { setting: Some(setting), .. } => format!("{} {setting}", answer.explanation.on),
        Facts::Sql { .. } => answer.explanation.on.clone(),
        _ => String::new(),
    };
    if text.is_empty() { text } else { format!("  {}", Printable(&text)) }
}

/// What policy saw beyond that.
fn facts(asked: &Asked, facts: &Facts) -> Vec<String> {
    let list = |all: &[String]| all.iter().map(|one| format!("\"{}\"", Printable(one))).collect::<Vec<_>>().join(" ");
    match facts {
        Facts::Command { command, .. } | Facts::ApiExec { command, .. } if command.is_dynamic() => {
            let why = asked.line.as_ref().and_then(Line::why_dynamic).unwrap_or("what this runs cannot be known before it runs");
            vec![format!("dynamic: {}; policy sees no program and no arguments", Printable(why))]
        }
        Facts::Command { command, .. } | Facts::ApiExec { command, .. } => {
            let program = Printable(command.program().unwrap_or_default()).to_string();
            let mut lines = vec![format!("program {program}, {} arguments {}", command.arguments().len(), list(command.arguments()))];
            if !command.redirects().is_empty() {
                lines.push(format!("redirects {}", list(command.redirects())));
            }
            if !command.environment().is_empty() {
                lines.push(format!("sets {}", list(command.environment())));
            }
            if command.has_patterns() {
                lines.push("patterns: the target expands an argument".to_owned());
            }
            lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
        }
        Facts::File { recursive: true, .. } => vec!["recursive: everything beneath it too".to_owned()],
        _ => Vec::new(),
    }
}

/// Why it is not simply allowed.
fn sentence(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow => String::new(),
        Verdict::Hold(hold) => waits(hold),
        Verdict::Deny(refusal) => refusal.to_string(),
    }
}

fn waits(hold: &Hold) -> String {
    let wanted: Vec<String> = hold.requirements.iter().map(ToString::to_string).collect();
    format!("waits for {}", wanted.join(", and for "))
}

fn sent(line: &Line) -> String {
    if line.transfer().is_some_and(|transfer| transfer.copier() == Copier::Scp) {
        return "this begins a transfer by scp: each file is decided as it comes".to_owned();
    }
    let resolved = if line.transfer().is_some() { ", with its paths as the target has them" } else { "" };
    match line.canonical() {
        Some(canonical) => format!("would be sent as: {}{resolved}", Printable(canonical)),
        None => "would be sent as it came: it cannot be written again from what is known of it".to_owned(),
    }
}

/// Whoever may run commands but has no ordinary shell gets the guarded one.
fn guarded(asked: &Asked, set: &PolicySet, answers: &[Answer<'_>]) -> Option<&'static str> {
    let shell = answers.iter().find(|answer| answer.question.action == Action::SshShell)?;
    let refused = matches!(shell.explanation.decision.verdict, Verdict::Deny(_));
    let instead = refused && set.slice(&asked.principal, asked.target.as_ref()?).may_permit(Action::SshExec);
    instead.then_some("a shell that is asked for is a guarded one instead: some ssh.exec may be permitted, and each line is decided")
}

fn as_json(args: &Args, asked: &Asked, set: &PolicySet, answers: &[Answer<'_>], said: Option<&Said>, verdict: &Verdict) -> Value {
    let mut policies: Vec<&str> = answers.iter().flat_map(|a| a.explanation.decision.policies.iter().map(AsRef::as_ref)).collect();
    policies.sort_unstable();
    policies.dedup();
    let requirements = match verdict {
        Verdict::Hold(hold) => json!(hold.requirements),
        _ => json!([]),
    };
    let kind = match asked.principal.kind {
        bartizan_policies::PrincipalKind::User => "user",
        bartizan_policies::PrincipalKind::Service => "service",
    };
    json!({
        "verdict": verdict.word(),
        "principal": { "kind": kind, "id": asked.principal.id, "groups": asked.principal.groups },
        "target": asked.target.as_ref().map(|target| &target.name),
        "login": asked.login,
        "operations": answers.iter().map(one).collect::<Vec<_>>(),
        "policies": policies,
        "requirements": requirements,
        "why_dynamic": asked.line.as_ref().and_then(Line::why_dynamic),
        "results": said.map(Said::results),
        "refused": said.and_then(Said::refusal),
        "canonical": asked.line.as_ref().and_then(|line| line.canonical()),
        "guarded_shell_instead": guarded(asked, set, answers).is_some(),
        "assumed": args.circumstances.assumed(),
        "digest": set.digest_hex(),
    })
}

fn one(answer: &Answer<'_>) -> Value {
    let decision = &answer.explanation.decision;
    let sentence = sentence(&decision.verdict);
    json!({
        "action": answer.question.action,
        "operation": answer.question.operation,
        "on": answer.explanation.on,
        "facts": facts_json(&answer.question.facts),
        "verdict": decision.verdict.word(),
        "why": if sentence.is_empty() { Value::Null } else { sentence.into() },
        "mask": decision.mask,
        "policies": decision.policies,
        "withheld": decision.withheld,
        "obligations": decision.obligations,
        "rules": answer.explanation.rules,
    })
}

fn facts_json(facts: &Facts) -> Value {
    match facts {
        Facts::Command { command, .. } => command_json(command),
        Facts::ApiExec { request, command } => {
            let mut whole = request_json(request);
            if let (Value::Object(whole), Value::Object(command)) = (&mut whole, command_json(command)) {
                whole.extend(command);
            }
            whole
        }
        Facts::File { path, to, recursive, .. } => json!({ "path": path, "to": to, "recursive": recursive }),
        Facts::HttpRequest(request) => json!({ "method": request.method, "path": request.path, "query": request.query }),
        Facts::ApiPath { verb, path } => json!({ "verb": verb, "path": path }),
        Facts::Sql { statement, has_where, in_transaction, setting, estimated_rows } => json!({
            "statement": statement,
            "has_where": has_where,
            "in_transaction": in_transaction,
            "setting": setting,
            "estimated_rows": estimated_rows,
        }),
        Facts::ApiRequest(request) => request_json(request),
        _ => Value::Null,
    }
}

fn command_json(command: &Command) -> Value {
    json!({
        "command": command.text(),
        "program": command.program(),
        "args": command.arguments(),
        "redirects": command.redirects(),
        "environment": command.environment(),
        "patterns": command.has_patterns(),
        "dynamic": command.is_dynamic(),
    })
}

fn request_json(request: &ApiRequest) -> Value {
    json!({
        "verb": request.verb,
        "api_group": request.group,
        "api_version": request.version,
        "api_resource": request.resource,
        "namespace": request.namespace,
        "name": request.name,
        "subresource": request.subresource,
        "container": request.container,
        "dry_run": request.dry_run,
    })
}
