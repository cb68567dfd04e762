//! Walks through what the parser made of a script, in the order a shell would run it: finds the commands, keeps account of the
//! variables, and writes the script again from what it understood. What it does not understand it says, and the line is dynamic.

use std::mem;

use shuck_ast::{BackgroundOperator, BinaryOp, Command as Node, Stmt, StmtSeq, StmtTerminator};
use shuck_parser::ShellDialect;
use shuck_parser::parser::{ParseResult, Parser, ShellProfile};

use super::bounds;
use super::piece::{Level, Piece, list};
use super::variables::Variables;
use super::why::Why;
use crate::command::{Command, Surroundings};

/// Deeper nests are not looked into: the parser and this walk are recursive.
const MOST_DEPTH: usize = 32;
/// Scripts in scripts, and functions called by functions.
const MOST_SCRIPTS: usize = 8;
/// Statements looked at, loops counted as often as they are walked, and characters put in place of variables.
const MOST_STEPS: usize = 4_000;
const MOST_TEXT: usize = 1 << 19;
/// Commands in one line.
const MOST_COMMANDS: usize = 512;

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) found: Vec<Command>,
    pub(super) why: Option<Why>,
    pub(super) variables: Variables,
    /// Redirections of the groups and loops around.
    pub(super) redirects: Vec<String>,
    /// All redirections and assignments, for a line that turns out to be dynamic.
    pub(super) seen: Surroundings,
    /// The variables wherever a loop is left or begun anew from its middle.
    pub(super) escapes: Vec<Variables>,
    /// How many functions are being run.
    pub(super) calls: usize,
    reasons: usize,
    scripts: usize,
    depth: usize,
    steps: usize,
    text: usize,
}

impl State {
    pub(super) fn new(variables: Variables) -> Self {
        Self { variables, ..Self::default() }
    }

    /// The line is not understood. The first reason is kept.
    pub(super) fn dynamic(&mut self, why: Why) {
        self.why.get_or_insert(why);
        self.reasons += 1;
    }

    /// How often something was not understood.
    pub(super) fn reasons(&self) -> usize {
        self.reasons
    }

    /// Accounts for work; false when it has become too much.
    pub(super) fn spend(&mut self, steps: usize, text: usize) -> bool {
        self.steps = self.steps.saturating_add(steps);
        self.text = self.text.saturating_add(text);
        let enough = self.steps <= MOST_STEPS && self.text <= MOST_TEXT && self.found.len() <= MOST_COMMANDS;
        if !enough {
            self.dynamic(Why::new("the line does more than can be looked into"));
        }
        enough
    }
}

/// Parses a script, within bounds of depth and of work; `None` if it is beyond what the parser can be given.
pub(super) fn parse(source: &str) -> Option<ParseResult> {
    if !bounds::holds(source) {
        return None;
    }
    let fuel = 20_000_usize.saturating_add(source.len());
    Some(Parser::with_limits_and_profile(source, MOST_DEPTH, fuel, ShellProfile::native(ShellDialect::Bash)).parse())
}

/// Walks through the script `source`.
pub(super) fn script(source: &str, state: &mut State) -> Piece {
    self::source(source, state, |walk, parsed| walk.sequence(&parsed.file.body))
}

/// Parses `source` and lets `walk` go through it.
pub(super) fn source(source: &str, state: &mut State, walk: impl FnOnce(&mut Walk<'_>, &ParseResult) -> Piece) -> Piece {
    if state.scripts >= MOST_SCRIPTS {
        state.dynamic(Why::new("scripts and functions are nested more deeply than can be looked into"));
        return Piece::nothing();
    }
    if !state.spend(1 + source.len() / 64, 0) {
        return Piece::nothing();
    }
    let Some(parsed) = parse(source) else {
        state.dynamic(Why::new("it is nested more deeply than can be looked into"));
        return Piece::nothing();
    };
    if parsed.is_err() {
        state.dynamic(Why::new(match parsed.diagnostics.first() {
            Some(diagnostic) => format!("it is not a whole shell command: {}", diagnostic.message),
            None => "it is not a whole shell command".to_owned(),
        }));
        return Piece::nothing();
    }
    state.scripts += 1;
    let piece = walk(&mut Walk { source, state }, &parsed);
    state.scripts -= 1;
    piece
}

/// A walk through one source text.
pub(super) struct Walk<'a> {
    pub(super) source: &'a str,
    pub(super) state: &'a mut State,
}

impl Walk<'_> {
    pub(super) fn sequence(&mut self, sequence: &StmtSeq) -> Piece {
        let mut items = Vec::new();
        for statement in sequence.iter() {
            let background = match statement.terminator {
                None | Some(StmtTerminator::Semicolon) => false,
                Some(StmtTerminator::Background(BackgroundOperator::Plain)) => true,
                Some(StmtTerminator::Background(_)) => {
                    self.state.dynamic(Why::new("it runs something in the background in a way that sh does not know"));
                    true
                }
            };
            let piece = if background { self.apart(|walk| walk.statement(statement)) } else { self.statement(statement) };
            items.push((piece, background));
        }
        list(items)
    }

    /// Runs `walk` as a subshell: what it does to the variables is lost.
    pub(super) fn apart<T>(&mut self, walk: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.state.variables.clone();
        let done = walk(self);
        self.state.variables = before;
        done
    }

    pub(super) fn statement(&mut self, statement: &Stmt) -> Piece {
        if !self.state.spend(1, 0) {
            return Piece::nothing();
        }
        if self.state.depth >= 2 * MOST_DEPTH {
            self.state.dynamic(Why::new("it is nested more deeply than can be looked into"));
            return Piece::nothing();
        }
        self.state.depth += 1;
        let piece = self.unnegated(statement);
        self.state.depth -= 1;
        if statement.negated { Piece::new(format!("! {}", piece.within(Level::Pipe)), Level::Not) } else { piece }
    }

    fn unnegated(&mut self, statement: &Stmt) -> Piece {
        match &statement.command {
            Node::Simple(simple) => {
                let words: Vec<_> = [&simple.name].into_iter().chain(&simple.args).collect();
                self.simple(Vec::new(), &words, &simple.assignments, &statement.redirects)
            }
            Node::Builtin(builtin) => self.builtin(builtin, &statement.redirects),
            Node::Decl(declaration) => self.declaration(declaration, &statement.redirects),
            Node::Binary(binary) if !statement.redirects.is_empty() => {
                self.state.dynamic(Why::new("a redirection stands where sh knows none"));
                self.statement(&binary.right)
            }
            Node::Binary(binary) if matches!(binary.op, BinaryOp::And | BinaryOp::Or) => self.and_or(statement),
            Node::Binary(_) => self.pipeline(statement),
            Node::Compound(compound) => self.compound(compound, &statement.redirects),
            Node::Function(function) => self.define(function, &statement.redirects),
            Node::AnonymousFunction(_) => {
                self.state.dynamic(Why::new("it uses a function without a name, which sh does not know"));
                Piece::nothing()
            }
        }
    }

    /// `a && b || c`. What runs after `&&` runs only if what is before it succeeded, so that the variables are followed for
    /// success and for failure.
    fn and_or(&mut self, statement: &Stmt) -> Piece {
        let (first, rest) = spine(statement, |op| matches!(op, BinaryOp::And | BinaryOp::Or));
        let mut text = self.statement(first).within(Level::Not);
        let mut succeeded = self.state.variables.clone();
        let mut failed = succeeded.clone();
        for (op, operand) in rest {
            let and = op == BinaryOp::And;
            self.state.variables = if and { succeeded.clone() } else { failed.clone() };
            let piece = self.statement(operand).within(Level::Not);
            let after = self.state.variables.clone();
            (succeeded, failed) = if and { (after.clone(), failed.or(&after)) } else { (succeeded.or(&after), after) };
            text.push_str(if and { " && " } else { " || " });
            text.push_str(&piece);
        }
        self.state.variables = succeeded.or(&failed);
        Piece::new(text, Level::AndOr)
    }

    /// `a | b`. Each command is a subshell; some shells make an exception of the last.
    fn pipeline(&mut self, statement: &Stmt) -> Piece {
        let (first, rest) = spine(statement, |op| matches!(op, BinaryOp::Pipe | BinaryOp::PipeAll));
        let before = self.state.variables.clone();
        let mut text = self.apart(|walk| walk.statement(first)).within(Level::Command);
        let mut last = before.clone();
        for (op, operand) in rest {
            if op == BinaryOp::PipeAll {
                text.push_str(" 2>&1");
            }
            text.push_str(" | ");
            let piece = self.apart(|walk| {
                let piece = walk.statement(operand);
                last = mem::take(&mut walk.state.variables);
                piece
            });
            text.push_str(&piece.within(Level::Command));
        }
        self.state.variables = before.or(&last);
        Piece::new(text, Level::Pipe)
    }
}

/// The operands of a chain of operators, which the parser nests to the left.
fn spine(statement: &Stmt, of: fn(BinaryOp) -> bool) -> (&Stmt, Vec<(BinaryOp, &Stmt)>) {
    let mut operands = Vec::new();
    let mut at = statement;
    while let Node::Binary(binary) = &at.command {
        let outermost = std::ptr::eq(at, statement);
        if !of(binary.op) || !outermost && (at.negated || !at.redirects.is_empty() || at.terminator.is_some()) {
            break;
        }
        operands.push((binary.op, &*binary.right));
        at = &binary.left;
    }
    operands.reverse();
    (at, operands)
}
