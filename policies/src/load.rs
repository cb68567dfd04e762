//! From the text of policy files to a checked set: syntax, strict validation against the schema, annotations, ids. It takes
//! all files or none, reports every problem it finds, and reads no file itself.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{Policy, PolicyId, Schema, ValidationMode, Validator};
use miette::{Diagnostic, SourceSpan};
use sha2::{Digest, Sha256};

use crate::annotations;
use crate::asks::Asks;
use crate::doubts::{self, Placed};
use crate::entities::Names;
use crate::index::Index;
use crate::known::Known;
use crate::problem::{Gravity, Problem, Source};
use crate::rule::Rule;
use crate::set::{PolicySet, Shared};

/// The schema that every policy is checked against, in Cedar's schema language.
pub const SCHEMA: &str = include_str!("../schema.cedarschema");

pub(crate) fn load(files: Vec<(String, String)>, known: &Known) -> Result<PolicySet, Vec<Problem>> {
    let files: Vec<Arc<Source>> = files.into_iter().map(|(name, text)| Arc::new(Source::new(name, text))).collect();
    let (schema, names) = shipped().map_err(|message| vec![in_schema(message)])?;
    let validator = Validator::new(schema);
    let mut loader = Loader { validator, names: &names, known, rules: HashMap::new(), policies: Vec::new(), problems: Vec::new() };
    for file in &files {
        loader.file(file);
    }
    let Loader { rules, policies, mut problems, .. } = loader;
    problems.extend(doubts::of_all(&policies, &rules));
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    if problems.iter().any(|problem| problem.gravity == Gravity::Error) {
        return Err(problems);
    }
    let digest = digest(&policies);
    let policies: Vec<Policy> = policies.into_iter().map(|placed| placed.policy).collect();
    let index = Index::new(policies, &rules, &names).map_err(|unaskable| vec![in_schema(unaskable.to_string())])?;
    Ok(PolicySet { shared: Arc::new(Shared { names, rules, index, digest }), warnings: problems })
}

fn shipped() -> Result<(Schema, Names), String> {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|error| error.to_string())?;
    let names = Names::new(&schema).map_err(|error| error.to_string())?;
    Ok((schema, names))
}

/// A fault of the shipped schema rather than of any policy file; tests keep it from happening.
fn in_schema(message: String) -> Problem {
    let source = Arc::new(Source::new("schema.cedarschema", SCHEMA));
    Problem::error(&source, SourceSpan::from(0), message, Some("this is a fault in bartizan; please report it".to_owned()))
}

struct Loader<'a> {
    validator: Validator,
    names: &'a Names,
    known: &'a Known,
    rules: HashMap<Arc<str>, Arc<Rule>>,
    policies: Vec<Placed>,
    problems: Vec<Problem>,
}

impl Loader<'_> {
    fn file(&mut self, source: &Arc<Source>) {
        let parsed = match cedar_policy::PolicySet::from_str(&source.text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                return self.problems.extend(errors.iter().map(|error| from_cedar(source, error, Gravity::Error)));
            }
        };
        for template in parsed.templates() {
            let span = template.as_ref().loc().map_or_else(|| SourceSpan::from(0), |loc| loc.span);
            let help = "name the principal or the resource instead of ?principal or ?resource".to_owned();
            self.problems.push(Problem::error(source, span, "templates are not used here", Some(help)));
        }
        let mut of_file = cedar_policy::PolicySet::new();
        for policy in parsed.policies() {
            let Ok((asks, says)) = read_tree(policy) else {
                let help = "this is a fault in bartizan; please report it".to_owned();
                self.problems.push(Problem::error(source, annotations::span_of(policy), "this policy cannot be followed", Some(help)));
                continue;
            };
            if let Some(policy) = self.policy(policy, asks, source) {
                let rule = self.rules.get(AsRef::<str>::as_ref(policy.id())).map(AsRef::as_ref);
                self.problems.extend(doubts::of_one(&policy, rule, source, self.names, self.known));
                // Adding fails only for an id that is there already, and `policy` has just checked that.
                if of_file.add(policy.clone()).is_ok() {
                    self.policies.push(Placed { policy, source: Arc::clone(source), says });
                }
            }
        }
        let result = self.validator.validate(&of_file, ValidationMode::Strict);
        let errors = result.validation_errors();
        self.problems.extend(errors.map(|error| from_cedar(source, error, Gravity::Error)));
        if result.validation_passed() {
            // What Cedar warns of beside an error follows from it; of each policy the first warning is the most exact.
            let mut warned = HashSet::new();
            let warnings = result.validation_warnings();
            let first = warnings.filter(|warning| warned.insert(warning.policy_id().clone()));
            self.problems.extend(first.map(|warning| from_cedar(source, warning, Gravity::Warning)));
        }
    }

    /// The policy under its `@id`. One whose annotations are wrong is given back too, so that Cedar can say what it thinks of
    /// the rest of it; the problem keeps the set from being used.
    fn policy(&mut self, policy: &Policy, asks: Asks, source: &Arc<Source>) -> Option<Policy> {
        let rule = match annotations::read(policy, asks, source, self.known) {
            Ok(rule) => rule,
            Err(problems) => {
                self.problems.extend(problems);
                let id = policy.annotation("id").map_or_else(|| policy.id().clone(), PolicyId::new);
                return Some(policy.new_id(id));
            }
        };
        if let Some(first) = self.rules.get(&rule.id) {
            let message = format!("there are two policies with the @id \"{}\"", rule.id);
            let help = format!("the other one is at {}:{}; give each a name of its own", first.file, first.line);
            self.problems.push(Problem::error(source, annotations::span_of(policy), message, Some(help)));
            return None;
        }
        let renamed = policy.new_id(PolicyId::new(&*rule.id));
        self.rules.insert(Arc::clone(&rule.id), Arc::new(rule));
        Some(renamed)
    }
}

fn from_cedar(source: &Arc<Source>, error: &dyn Diagnostic, gravity: Gravity) -> Problem {
    let span = error.labels().and_then(|mut labels| labels.next()).map_or_else(|| SourceSpan::from(0), |label| *label.inner());
    Problem::new(gravity, source, span, error.to_string(), error.help().map(|help| help.to_string()))
}

/// What a policy asks for, and what it says: Cedar's JSON form of it without its `@id`, free of layout and comments. The tree is
/// made once, since Cedar parses the text again for it.
fn read_tree(policy: &Policy) -> Result<(Asks, String), Box<dyn std::error::Error>> {
    let tree = policy.to_pst()?;
    let asks = Asks::of(&tree);
    let mut json = Policy::from_pst(tree)?.to_json()?;
    if let Some(annotations) = json.get_mut("annotations").and_then(serde_json::Value::as_object_mut) {
        annotations.remove("id");
    }
    Ok((asks, json.to_string()))
}

/// SHA-256 over the schema and every policy's `@id` and what it says, in order of id: files, layout and comments do not matter.
fn digest(policies: &[Placed]) -> [u8; 32] {
    let mut sorted: Vec<&Placed> = policies.iter().collect();
    sorted.sort_by(|a, b| a.policy.id().cmp(b.policy.id()));
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(bytes);
    };
    part(b"bartizan policies 2");
    part(SCHEMA.as_bytes());
    for Placed { policy, says, .. } in sorted {
        part(AsRef::<str>::as_ref(policy.id()).as_bytes());
        part(says.as_bytes());
    }
    hash.finalize().into()
}
