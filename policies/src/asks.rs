//! What the conditions of a policy ask for, read from its syntax tree in whichever of Cedar's spellings it is written. A permit
//! counts only for what it asked about, and a forbid about single files is not passed by where files are not seen. It evaluates
//! nothing; what it cannot follow it takes for the worst.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, PatternElem, StaticPolicy, Template, UnaryOp, Var};
use cedar_policy::{Policy, pst};

use crate::rule::Effect;
use crate::sight::is_normal;

/// The attributes of the context that matter here.
const WATCHED: [&str; 14] = [
    "program",
    "args",
    "command",
    "redirects",
    "environment",
    "dynamic",
    "patterns",
    "path",
    "to",
    "statement",
    "has_where",
    "estimated_rows",
    "body",
    "time",
];

/// What a policy asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asks {
    /// Attributes it names in any way.
    named: BTreeSet<&'static str>,
    /// Attributes whose value it looks at.
    valued: BTreeSet<&'static str>,
    paths: Paths,
    /// It takes the context as a whole, and what becomes of it is not followed.
    somehow: bool,
}

/// How a policy asks for the path of a file and its new name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Paths {
    /// Only in tests that can be followed.
    Tests(Vec<Test>),
    /// In some other way.
    Somehow,
}

impl Default for Paths {
    fn default() -> Self {
        Paths::Tests(Vec::new())
    }
}

/// `context.path like "…"` or `context.path == "…"`, somewhere below nothing but `&&`, `||` and `!`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Test {
    /// Of the new name rather than of the path.
    of_new_name: bool,
    /// Below an even number of negations.
    positive: bool,
    /// What comes before the first `*`.
    prefix: String,
    rest: Rest,
}

/// What follows the prefix of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Nothing: it is one path.
    Nothing,
    /// One `*`, the last character.
    Anything,
    /// More, but the last character is a `*`.
    EndsOpen,
    /// More, and the last character is not a `*`.
    EndsClosed,
}

impl Asks {
    /// What the policy with this syntax tree asks for.
    pub(crate) fn of(tree: &pst::Policy) -> Self {
        let mut reader = Reader::default();
        for clause in tree.body().clauses() {
            let (expr, positive) = condition(clause);
            reader.test(expr, positive);
        }
        reader.asks
    }

    fn everything() -> Self {
        Asks { somehow: true, paths: Paths::Somehow, ..Asks::default() }
    }

    /// Whether it asks for the body of a request.
    pub(crate) fn names_body(&self) -> bool {
        self.names("body")
    }

    /// Whether it asks which command is run.
    pub(crate) fn names_command(&self) -> bool {
        self.names("program") || self.names("args") || self.names("command")
    }

    /// Whether it asks what the command's arguments are.
    pub(crate) fn names_arguments(&self) -> bool {
        self.names("args") || self.names("command")
    }

    /// Whether it asks which file it is, or what its new name is.
    pub(crate) fn names_files(&self) -> bool {
        self.names("path") || self.names("to")
    }

    /// Whether it names this attribute of the context, or may.
    pub(crate) fn names(&self, attribute: &str) -> bool {
        self.somehow || self.named.contains(attribute)
    }

    /// Whether it looks at the value of this attribute for certain.
    pub(crate) fn sees(&self, attribute: &str) -> bool {
        !self.somehow && self.valued.contains(attribute)
    }

    /// What it compares paths with that no path looks like, up to the first `*`.
    pub(crate) fn impossible_paths(&self) -> impl Iterator<Item = &str> {
        let tests = match &self.paths {
            Paths::Tests(tests) => tests.as_slice(),
            Paths::Somehow => &[],
        };
        tests.iter().filter(|test| test.is_impossible()).map(|test| test.prefix.as_str())
    }

    /// Whether the answer for the tree at `path`, moved to `to` if it is, says enough about each file in it: a permit that is
    /// satisfied there is satisfied beneath, a forbid that is not satisfied there is not beneath either.
    pub(crate) fn holds_beneath(&self, effect: Effect, path: Option<&str>, to: Option<&str>) -> bool {
        let Paths::Tests(tests) = &self.paths else { return false };
        tests.iter().all(|test| {
            let root = if test.of_new_name { to } else { path };
            test.widens(effect) || root.is_none_or(|root| test.is_same_throughout(root))
        })
    }
}

impl Test {
    fn new(of_new_name: bool, positive: bool, pattern: &[PatternElem]) -> Self {
        let literal = pattern.iter().map_while(|elem| match elem {
            PatternElem::Char(c) => Some(*c),
            PatternElem::Wildcard => None,
        });
        let prefix: String = literal.collect();
        let rest = match pattern.get(prefix.chars().count()..).unwrap_or_default() {
            [] => Rest::Nothing,
            [_] => Rest::Anything,
            [.., PatternElem::Wildcard] => Rest::EndsOpen,
            [.., PatternElem::Char(_)] => Rest::EndsClosed,
        };
        Test { of_new_name, positive, prefix, rest }
    }

    /// Whether no absolute and normalised path is or begins so.
    fn is_impossible(&self) -> bool {
        if self.rest == Rest::Nothing {
            return !is_normal(&self.prefix);
        }
        let whole_names = self.prefix.rsplit_once('/').map_or("", |(names, _)| names);
        let begins = self.prefix.is_empty() || self.prefix.starts_with('/');
        !begins || !(whole_names.is_empty() || is_normal(whole_names))
    }

    /// Whether going deeper can only help: a pattern that ends in `*` and matches a path matches whatever begins with it.
    fn widens(&self, effect: Effect) -> bool {
        self.positive == (effect == Effect::Permit) && matches!(self.rest, Rest::Anything | Rest::EndsOpen)
    }

    /// Whether the test gives the same answer for `root` and for everything beneath it.
    fn is_same_throughout(&self, root: &str) -> bool {
        let beneath = format!("{}/", root.trim_end_matches('/'));
        let prefix = self.prefix.as_str();
        match self.rest {
            Rest::Nothing => prefix != root && !prefix.starts_with(&beneath),
            Rest::Anything if root.starts_with(prefix) => true,
            Rest::Anything | Rest::EndsOpen | Rest::EndsClosed => !beneath.starts_with(prefix) && !prefix.starts_with(&beneath),
        }
    }
}

fn condition(clause: &Clause) -> (&Expr, bool) {
    match clause {
        Clause::When(expr) => (expr, true),
        Clause::Unless(expr) => (expr, false),
    }
}

/// The attribute of the context that `expr` is.
fn attribute(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::GetAttr { expr, attr } if matches!(**expr, Expr::Var(Var::Context)) => Some(attr.as_str()),
        _ => None,
    }
}

/// Whether `expr` is the new name (`true`) or the path (`false`) of a file.
fn file(expr: &Expr) -> Option<bool> {
    match attribute(expr)? {
        "path" => Some(false),
        "to" => Some(true),
        _ => None,
    }
}

/// A file's path or new name, and what it is compared with.
fn comparison(expr: &Expr) -> Option<(bool, Vec<PatternElem>)> {
    let literal = |text: &Expr| match text {
        Expr::Literal(Literal::String(text)) => Some(text.chars().map(PatternElem::Char).collect()),
        _ => None,
    };
    match expr {
        Expr::Like { expr, pattern } => Some((file(expr)?, pattern.clone())),
        Expr::BinaryOp { op: BinaryOp::Eq | BinaryOp::NotEq, left, right } => match (file(left), file(right)) {
            (Some(of), None) => Some((of, literal(right)?)),
            (None, Some(of)) => Some((of, literal(left)?)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the value of `expr` depends on which file it is.
fn takes_files(expr: &Expr) -> bool {
    let mut reader = Reader::default();
    reader.value(expr);
    reader.asks.paths == Paths::Somehow
}

#[derive(Default)]
struct Reader {
    asks: Asks,
}

impl Reader {
    /// Reads an expression whose truth is the condition's, or its opposite.
    fn test(&mut self, expr: &Expr, positive: bool) {
        match expr {
            Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => {
                self.test(left, positive);
                self.test(right, positive);
            }
            Expr::UnaryOp { op: UnaryOp::Not, expr } => self.test(expr, !positive),
            // What chooses is the same for every file, so the tests in what it chooses from can be followed.
            Expr::IfThenElse { cond, then_expr, else_expr } if !takes_files(cond) => {
                self.value(cond);
                self.test(then_expr, positive);
                self.test(else_expr, positive);
            }
            _ => match (comparison(expr), &mut self.asks.paths) {
                (Some((of_new_name, pattern)), Paths::Tests(tests)) => {
                    tests.push(Test::new(of_new_name, positive, &pattern));
                    self.asks.named.insert(if of_new_name { "to" } else { "path" });
                }
                _ => self.value(expr),
            },
        }
    }

    /// Reads an expression that stands anywhere.
    fn value(&mut self, expr: &Expr) {
        match expr {
            Expr::GetAttr { expr: of, attr } => match attribute(expr) {
                Some(_) => self.named(attr, true),
                None => self.value(of),
            },
            Expr::HasAttr { expr, attrs } if matches!(**expr, Expr::Var(Var::Context)) => self.named(attrs.first(), false),
            _ => match parts(expr) {
                Some(parts) => parts.into_iter().for_each(|part| self.value(part)),
                None => self.asks = Asks::everything(),
            },
        }
    }

    fn named(&mut self, attribute: &str, its_value: bool) {
        let Some(word) = WATCHED.iter().find(|word| **word == attribute) else { return };
        self.asks.named.insert(word);
        if its_value {
            self.asks.valued.insert(word);
            if matches!(*word, "path" | "to") {
                self.asks.paths = Paths::Somehow;
            }
        }
    }
}

/// What an expression is made of. `None` for the context itself, which can be taken anywhere, and for what is not known here.
fn parts(expr: &Expr) -> Option<Vec<&Expr>> {
    Some(match expr {
        Expr::Literal(_) | Expr::Var(Var::Principal | Var::Action | Var::Resource) => Vec::new(),
        Expr::UnaryOp { expr, .. } | Expr::GetAttr { expr, .. } | Expr::HasAttr { expr, .. } | Expr::Like { expr, .. } => vec![expr],
        Expr::BinaryOp { left, right, .. } => vec![left, right],
        Expr::Is { expr, in_expr, .. } => in_expr.iter().chain([expr]).map(AsRef::as_ref).collect(),
        Expr::IfThenElse { cond, then_expr, else_expr } => vec![cond, then_expr, else_expr],
        Expr::Set(items) => items.iter().map(AsRef::as_ref).collect(),
        Expr::Record(fields) => fields.values().map(AsRef::as_ref).collect(),
        _ => return None,
    })
}

/// `policy` with every test that depends on a file's path or new name answered in its favour: whatever the file is, where this one
/// is not satisfied the policy is not either. `None` if that cannot be written.
pub(crate) fn at_worst(policy: &Policy) -> Option<Policy> {
    let tree = policy.to_pst().ok()?;
    let body = tree.body();
    let clauses = body.clauses().iter().map(|clause| match clause {
        Clause::When(expr) => Clause::When(in_favour(expr, true)),
        Clause::Unless(expr) => Clause::Unless(in_favour(expr, false)),
    });
    let body: Template = body.clone().try_with_clauses(clauses.collect::<Vec<_>>()).ok()?;
    Policy::from_pst(pst::Policy::Static(StaticPolicy::try_from(body).ok()?)).ok()
}

fn in_favour(expr: &Arc<Expr>, positive: bool) -> Arc<Expr> {
    match &**expr {
        Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
            Arc::new(Expr::BinaryOp { op: *op, left: in_favour(left, positive), right: in_favour(right, positive) })
        }
        Expr::UnaryOp { op: UnaryOp::Not, expr } => Arc::new(Expr::UnaryOp { op: UnaryOp::Not, expr: in_favour(expr, !positive) }),
        _ => {
            let mut reader = Reader::default();
            reader.value(expr);
            if reader.asks.names_files() { Arc::new(Expr::Literal(Literal::Bool(positive))) } else { Arc::clone(expr) }
        }
    }
}

#[cfg(test)]
mod tests;
