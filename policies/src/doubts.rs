//! What is right by the schema but probably not meant: names the configuration does not know, ids and paths that nothing has,
//! policies that can never apply, that say what another says, or that miss what they are about. It warns and refuses nothing.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{EntityUid, Policy, ResourceConstraint};
use miette::SourceSpan;

use crate::annotations::span_of;
use crate::entities::{Names, names_in, part};
use crate::index::{self, INSIDE_TARGETS};
use crate::known::{Known, Trouble};
use crate::problem::{Gravity, Problem, Source};
use crate::rule::{Effect, Rule};
use crate::{Action, FactsKind};

/// A policy, where it was read, and what it says whatever its `@id`.
pub(crate) struct Placed {
    pub(crate) policy: Policy,
    pub(crate) source: Arc<Source>,
    pub(crate) says: String,
}

/// What is doubtful about one policy.
pub(crate) fn of_one(policy: &Policy, rule: Option<&Rule>, source: &Arc<Source>, names: &Names, known: &Known) -> Vec<Problem> {
    let whole = span_of(policy);
    let warn =
        |needle: &str, (message, help): Trouble| Problem::new(Gravity::Warning, source, place(source, whole, needle), message, Some(help));
    let strangers = policy.entity_literals().into_iter().filter_map(|uid| Some(warn(&uid.to_string(), stranger(&uid, known)?)));
    let misfit = misfit(policy, names, known).map(|(uid, trouble)| warn(&uid.to_string(), trouble));
    let paths = rule.into_iter().flat_map(|rule| rule.asks.impossible_paths()).map(|path| {
        let message = format!("no path looks like \"{}\"", path.escape_debug());
        warn(
            &format!("\"{path}{}", if path.is_empty() { "\"" } else { "" }),
            (message, "paths are absolute and normalised: \"/srv/www\", \"/srv/*\"".to_owned()),
        )
    });
    let masks = rule.filter(|rule| rule.mask.is_some());
    let of_statement =
        ["statement", "has_where", "estimated_rows"].into_iter().filter(|attribute| masks.is_some_and(|rule| rule.asks.sees(attribute)));
    let passed_by = of_statement.map(|attribute| {
        let message = "this mask holds for some statements only: another kind may carry the value to where nothing hides it";
        let help = "let it depend on who asks, from where and when, not on what the statement is";
        warn(&format!("context.{attribute}"), (message.to_owned(), help.to_owned()))
    });
    strangers.chain(misfit).chain(paths).chain(passed_by).collect()
}

/// What is doubtful about the set as a whole.
pub(crate) fn of_all(policies: &[Placed], rules: &HashMap<Arc<str>, Arc<Rule>>) -> Vec<Problem> {
    let mut problems = doubles(policies, rules);
    let rule = |policy: &Policy| rules.get(AsRef::<str>::as_ref(policy.id()));
    let forbids =
        || policies.iter().filter_map(|placed| Some((placed, rule(&placed.policy)?))).filter(|(_, rule)| rule.effect == Effect::Forbid);
    if !forbids().any(|(_, rule)| rule.asks.sees("dynamic")) {
        let passed = forbids().filter(|(_, rule)| rule.asks.names("program") || rule.asks.names("args"));
        problems.extend(passed.map(|(Placed { policy, source, .. }, _)| {
            let message = "this forbid is passed by a command whose program is not known before it runs";
            let help = "forbid those too: when { context.dynamic }".to_owned();
            Problem::new(Gravity::Warning, source, span_of(policy), message, Some(help))
        }));
    }
    problems
}

/// Policies that are the same but for their `@id`.
fn doubles(policies: &[Placed], rules: &HashMap<Arc<str>, Arc<Rule>>) -> Vec<Problem> {
    let mut first: HashMap<&str, &Policy> = HashMap::new();
    let mut problems = Vec::new();
    for Placed { policy, source, says } in policies {
        let Some(other) = first.get(says.as_str()) else {
            first.insert(says, policy);
            continue;
        };
        let Some(rule) = rules.get(AsRef::<str>::as_ref(other.id())) else { continue };
        let message = format!("this policy says the same as \"{}\" at {}:{}", rule.id, rule.file, rule.line);
        problems.push(Problem::new(Gravity::Warning, source, span_of(policy), message, Some("take one of them out".to_owned())));
    }
    problems
}

/// A name that the configuration does not know, or an id that nothing has.
fn stranger(uid: &EntityUid, known: &Known) -> Option<Trouble> {
    let id = uid.id().unescaped();
    match uid.type_name().basename() {
        "User" => known.qualified_trouble("user", id),
        "Service" => known.qualified_trouble("service", id),
        "Group" => known.group_trouble(id),
        "Target" => known.target_trouble(id),
        "Tag" => malformed("Tag", id).or_else(|| known.tag_trouble(id)),
        kind if INSIDE_TARGETS.contains(&kind) => malformed(kind, id).or_else(|| inside_trouble(kind, id, known)),
        _ => None,
    }
}

fn inside_trouble(kind: &str, id: &str, known: &Known) -> Option<Trouble> {
    let (target, _) = id.split_once('/')?;
    known.target_trouble(target).or_else(|| {
        let (wanted, is) = (family_of_entity(kind), known.kinds.as_ref()?.get(target)?);
        (wanted != is).then(|| (format!("there is no {kind} in {target}, which is a target of kind {is}"), format!("it would be {wanted}")))
    })
}

/// An id of a form that nothing of that type has.
fn malformed(kind: &str, id: &str) -> Option<Trouble> {
    let (target, rest) = id.split_once('/').unwrap_or_default();
    let two = |separator: char| rest.split_once(separator).is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
    let names = names_in(rest);
    let named = |count: usize| names.len() == count && !names.iter().any(String::is_empty);
    let (fits, form) = match kind {
        "Tag" => (id.split_once('=').is_some_and(|(key, _)| !key.is_empty()), "key=value"),
        "Schema" => (named(1), "target/name"),
        "Table" | "Function" => (named(2), "target/schema.name"),
        "Column" => (named(3), "target/schema.table.column"),
        "Kind" => (two('/'), "target/group/resources"),
        "Route" => (rest.split_once(' ').is_some_and(|(method, path)| !method.is_empty() && path.starts_with('/')), "target/METHOD /path"),
        _ => (!rest.is_empty(), "target/name"),
    };
    let fits = fits && (kind == "Tag" || !target.is_empty());
    let trouble = |form: &str| (format!("no {kind} is called \"{}\"", id.escape_debug()), format!("write it as {kind}::\"{form}\""));
    if !fits {
        return Some(trouble(form));
    }
    // Quotes stand around a name that needs them, and around no other: ids are compared letter by letter.
    let right = names.iter().map(|name| part(name)).collect::<Vec<_>>().join(".");
    let differs = matches!(kind, "Schema" | "Table" | "Function" | "Column") && right != rest;
    differs.then(|| trouble(&format!("{target}/{right}").escape_debug().to_string()))
}

/// A scope that holds a target of one kind and only actions of another.
fn misfit(policy: &Policy, names: &Names, known: &Known) -> Option<(EntityUid, Trouble)> {
    let uid = match policy.resource_constraint() {
        ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) => uid,
        ResourceConstraint::Any | ResourceConstraint::Is(_) => return None,
    };
    if uid.type_name().basename() != "Target" {
        return None;
    }
    let kind = known.kinds.as_ref()?.get(uid.id().unescaped())?.as_str();
    let bits = index::actions(policy, names).ok()?;
    let mut actions = Action::ALL.iter().filter(|action| bits & action.bit() != 0);
    let example = actions.clone().next()?;
    let never = actions.all(|action| family(*action).is_some_and(|family| family != kind));
    let message =
        format!("{} is a target of kind {kind}, on which {example} is never asked, so this policy never applies", uid.id().unescaped());
    never.then(|| (uid, (message, "correct the target or the action".to_owned())))
}

/// The only kind of target on which an action is ever asked.
fn family(action: Action) -> Option<&'static str> {
    match action.facts() {
        FactsKind::Command | FactsKind::File => Some("ssh"),
        FactsKind::Sql => Some("postgres"),
        FactsKind::ApiRequest | FactsKind::ApiExec | FactsKind::ApiField | FactsKind::ApiPath => Some("kubernetes"),
        FactsKind::HttpRequest | FactsKind::HttpField => Some("http"),
        FactsKind::Login => (action == Action::SshShell).then_some("ssh"),
        FactsKind::None => None,
    }
}

/// The kind of target that a type of entity is in.
fn family_of_entity(kind: &str) -> &'static str {
    match kind {
        "Namespace" | "Kind" => "kubernetes",
        "Route" => "http",
        _ => "postgres",
    }
}

/// Where `needle` stands within the policy at `whole`, or the policy itself if it is written differently there.
fn place(source: &Source, whole: SourceSpan, needle: &str) -> SourceSpan {
    let end = whole.offset().saturating_add(whole.len());
    let found = source.text.get(whole.offset()..end).and_then(|policy| policy.find(needle));
    found.map_or(whole, |at| (whole.offset().saturating_add(at), needle.len()).into())
}
