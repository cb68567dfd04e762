//! Compound commands: groups, conditions, loops, cases, functions. Loops over known words are unrolled; any other loop is walked
//! until what is known of the variables no longer changes.

use std::mem;

use shuck_ast::{
    CaseCommand, CaseTerminator, Command as Node, CompoundCommand, ForCommand, FunctionDef, IfCommand, Pattern, PatternPart, Redirect,
    Stmt, StmtSeq, Word,
};

use super::atoms::{self, Atom};
use super::field::Field;
use super::names::{changes_what_runs, is_name};
use super::piece::{Level, Piece, list};
use super::walk::{Walk, parse};
use super::why::{Why, shown};
use super::{programs, variables::Variables};
use shuck_parser::parser::ParseResult;

/// Loops over more words are not unrolled.
const MOST_ROUNDS: usize = 64;

impl Walk<'_> {
    pub(super) fn compound(&mut self, compound: &CompoundCommand, redirects: &[Redirect]) -> Piece {
        self.redirected(redirects, |walk| match compound {
            CompoundCommand::BraceGroup(body) => walk.sequence(body),
            CompoundCommand::Subshell(body) => {
                let body = walk.apart(|walk| walk.sequence(body)).text;
                Piece::new(format!("({}{body})", if body.starts_with('(') { " " } else { "" }), Level::Command)
            }
            CompoundCommand::If(branches) => walk.branches(branches),
            CompoundCommand::While(it) => walk.repeated("while", &it.condition, &it.body),
            CompoundCommand::Until(it) => walk.repeated("until", &it.condition, &it.body),
            CompoundCommand::For(each) => walk.each(each),
            CompoundCommand::Case(case) => walk.case(case),
            CompoundCommand::Time(time) => walk.timed(time.posix_format, time.command.as_deref()),
            other => walk.unknown_to_sh(other),
        })
    }

    fn unknown_to_sh(&mut self, compound: &CompoundCommand) -> Piece {
        let (what, bodies): (_, &[&StmtSeq]) = match compound {
            CompoundCommand::ArithmeticFor(it) => ("a `for ((` loop", &[&it.body]),
            CompoundCommand::Arithmetic(_) => ("`((`", &[]),
            CompoundCommand::Select(it) => ("`select`", &[&it.body]),
            CompoundCommand::Conditional(_) => ("`[[`", &[]),
            CompoundCommand::Coproc(_) => ("a coprocess", &[]),
            CompoundCommand::Repeat(it) => ("`repeat`", &[&it.body]),
            CompoundCommand::Foreach(it) => ("`foreach`", &[&it.body]),
            _ => ("syntax", &[]),
        };
        self.state.dynamic(Why::new(format!("it uses {what}, which sh does not know")));
        for body in bodies {
            self.sequence(body);
        }
        Piece::nothing()
    }

    /// Walks a compound command with redirections around it, which then are those of every command inside.
    pub(super) fn redirected(&mut self, redirects: &[Redirect], walk: impl FnOnce(&mut Self) -> Piece) -> Piece {
        if redirects.is_empty() {
            return walk(self);
        }
        let redirects = self.redirects(redirects);
        let before = self.state.redirects.len();
        let found = self.state.found.len();
        self.state.redirects.extend(redirects.files.iter().cloned());
        let piece = walk(self);
        if self.state.found.len() == found && !redirects.files.is_empty() {
            self.operation(&[Field::literal(":")], &[], &[], false);
        }
        self.state.redirects.truncate(before);
        redirects.after(format!("{{ {}}}", piece.ended()))
    }

    fn branches(&mut self, branches: &IfCommand) -> Piece {
        let mut text = format!("if {}", self.sequence(&branches.condition).ended());
        let mut otherwise = self.state.variables.clone();
        text.push_str(&format!("then {}", self.sequence(&branches.then_branch).ended()));
        let mut after = mem::replace(&mut self.state.variables, otherwise.clone());
        for (condition, body) in &branches.elif_branches {
            text.push_str(&format!("elif {}", self.sequence(condition).ended()));
            otherwise = self.state.variables.clone();
            text.push_str(&format!("then {}", self.sequence(body).ended()));
            after = after.or(&mem::replace(&mut self.state.variables, otherwise.clone()));
        }
        if let Some(body) = &branches.else_branch {
            text.push_str(&format!("else {}", self.sequence(body).ended()));
        }
        self.state.variables = after.or(&self.state.variables);
        text.push_str("fi");
        Piece::new(text, Level::Command)
    }

    fn repeated(&mut self, word: &str, condition: &StmtSeq, body: &StmtSeq) -> Piece {
        let (condition, body) = self.settled(|walk| {
            let condition = walk.sequence(condition).ended();
            let left = walk.state.variables.clone();
            let body = walk.sequence(body).ended();
            ((condition, body), left)
        });
        Piece::new(format!("{word} {condition}do {body}done"), Level::Command)
    }

    /// Walks a loop that runs nobody knows how often: again and again, until what is known before each round is what is known
    /// before the first. `round` gives the variables where the loop ends in the ordinary way.
    fn settled<T>(&mut self, mut round: impl FnMut(&mut Self) -> (T, Variables)) -> T {
        let outer = mem::take(&mut self.state.escapes);
        loop {
            let before = self.state.variables.clone();
            let found = self.state.found.len();
            self.state.escapes.clear();
            let (done, left) = round(self);
            let escapes = mem::take(&mut self.state.escapes);
            let after = escapes.iter().fold(before.clone().or(&self.state.variables), Variables::or);
            if after == before || !self.state.spend(1, 0) {
                self.state.variables = escapes.iter().fold(left, Variables::or);
                self.state.escapes = outer;
                // A loop further out may be what is left.
                self.state.escapes.extend(escapes);
                return done;
            }
            self.state.found.truncate(found);
            self.state.variables = after;
        }
    }

    fn each(&mut self, each: &ForCommand) -> Piece {
        let name = match each.targets.as_slice() {
            [target] => target.name.as_ref().map(|name| name.as_str()).filter(|name| is_name(name)),
            _ => None,
        };
        let Some(name) = name else {
            self.state.dynamic(Why::new("it uses a `for` loop that sh does not know"));
            self.sequence(&each.body);
            return Piece::nothing();
        };
        self.assigned(name);
        match self.loop_words(each.words.as_deref()) {
            Ok(words) if words.len() <= MOST_ROUNDS && !words.iter().any(Field::is_pattern) => self.unrolled(name, &words, &each.body),
            Ok(words) => self.kept(name, &words, &each.body),
            Err(why) => {
                self.state.dynamic(why);
                self.kept(name, &[], &each.body)
            }
        }
    }

    fn loop_words(&mut self, words: Option<&[Word]>) -> Result<Vec<Field>, Why> {
        let Some(words) = words else {
            let positional =
                self.state.variables.positional().ok_or_else(|| Why::new("what `$@` stands for is not known before it runs"))?;
            return Ok(positional.iter().map(Field::literal).collect());
        };
        let mut fields = Vec::new();
        for word in words {
            fields.extend(self.fields(word)?);
        }
        Ok(fields)
    }

    /// The body once for each word, unless the loop may be left or begun anew in the middle of it.
    fn unrolled(&mut self, name: &str, words: &[Field], body: &StmtSeq) -> Piece {
        let before = self.state.variables.clone();
        let (found, escapes) = (self.state.found.len(), self.state.escapes.len());
        let mut rounds = Vec::new();
        for word in words {
            self.state.variables.set(name, &word.value());
            rounds.push((self.sequence(body), false));
            if self.state.escapes.len() > escapes {
                self.state.found.truncate(found);
                self.state.escapes.truncate(escapes);
                self.state.variables = before;
                return self.kept(name, words, body);
            }
        }
        list(rounds)
    }

    fn kept(&mut self, name: &str, words: &[Field], body: &StmtSeq) -> Piece {
        let body = self.settled(|walk| {
            let left = walk.state.variables.clone();
            walk.state.variables.set_unsure(name);
            (walk.sequence(body).ended(), left)
        });
        self.state.variables.set_unsure(name);
        let words: String = words.iter().map(|word| format!(" {}", word.text())).collect();
        Piece::new(format!("for {name} in{words}; do {body}done"), Level::Command)
    }

    fn case(&mut self, case: &CaseCommand) -> Piece {
        let word = match self.scalar(&case.word) {
            Ok(word) => word,
            Err(why) => {
                self.state.dynamic(why);
                String::new()
            }
        };
        let mut text = format!("case {} in ", Field::literal(word).text());
        let before = self.state.variables.clone();
        let mut after = before.clone();
        for item in &case.cases {
            if item.terminator != CaseTerminator::Break {
                self.state.dynamic(Why::new("it uses a `case` that sh does not know"));
            }
            let patterns: Vec<String> = item.patterns.iter().map(|pattern| self.pattern(pattern)).collect();
            self.state.variables = before.clone();
            let body = self.sequence(&item.body).ended();
            after = after.or(&self.state.variables);
            text.push_str(&format!("({}) {body};; ", patterns.join(" | ")));
        }
        self.state.variables = after;
        text.push_str("esac");
        Piece::new(text, Level::Command)
    }

    fn pattern(&mut self, pattern: &Pattern) -> String {
        match self.pattern_fields(pattern).map(|mut fields| (fields.pop(), fields.is_empty())) {
            Ok((Some(field), true)) => field.text(),
            Ok((None, _)) => "''".to_owned(),
            Ok(_) => {
                self.state.dynamic(Why::new("a pattern is more than one word"));
                String::new()
            }
            Err(why) => {
                self.state.dynamic(why);
                String::new()
            }
        }
    }

    fn pattern_fields(&mut self, pattern: &Pattern) -> Result<Vec<Field>, Why> {
        let mut atoms = Vec::new();
        for (part, span) in pattern.parts_with_spans() {
            match part {
                PatternPart::Literal(text) => self.literal(text, span, false, &mut atoms)?,
                PatternPart::AnyString => atoms.push(Atom::Char('*')),
                PatternPart::AnyChar => atoms.push(Atom::Char('?')),
                PatternPart::CharClass(_) => atoms.extend(self.written(span).chars().map(Atom::Char)),
                PatternPart::Word(word) => atoms.push(Atom::Quoted(self.quoted_scalar(word)?)),
                PatternPart::Group { .. } => return Err(Why::new("it uses a pattern that sh does not know")),
            }
        }
        atoms::fields(&atoms)
    }

    /// A part of a pattern that is quoted, or holds nothing that would be a pattern if it is not.
    fn quoted_scalar(&mut self, word: &Word) -> Result<String, Why> {
        let text = self.scalar(word)?;
        if word.is_fully_quoted() || !text.contains(['*', '?', '[', '\\']) {
            Ok(text)
        } else {
            Err(Why::new("a variable that holds a pattern stands outside quotes"))
        }
    }

    /// `time`: a word of the grammar in some shells, a program in others.
    fn timed(&mut self, posix: bool, command: Option<&Stmt>) -> Piece {
        let mut prefix = vec![Field::literal("time")];
        prefix.extend(posix.then(|| Field::literal("-p")));
        match command {
            Some(Stmt { command: Node::Simple(simple), redirects, negated: false, .. }) if simple.assignments.is_empty() => {
                let words: Vec<_> = [&simple.name].into_iter().chain(&simple.args).collect();
                self.simple(prefix, &words, &[], redirects)
            }
            Some(other) => {
                self.state.dynamic(Why::new("`time` stands before more than a simple command"));
                self.statement(other)
            }
            None => {
                self.state.dynamic(Why::new("`time` stands alone"));
                Piece::nothing()
            }
        }
    }

    pub(super) fn define(&mut self, function: &FunctionDef, redirects: &[Redirect]) -> Piece {
        let name = match function.header.entries.as_slice() {
            [entry] => entry.static_name.as_ref().map(|name| name.as_str().to_owned()),
            _ => None,
        };
        let name = name.filter(|name| is_name(name) && !programs::is_builtin(name) && redirects.is_empty());
        let text = self.written(function.span);
        match name {
            Some(name) if parse(text).is_some_and(|parsed| body(&parsed).is_some()) && self.state.variables.define(&name, text) => {}
            Some(name) => self.state.dynamic(Why::new(format!("the function `{}` is not clear", shown(&name)))),
            None => self.state.dynamic(Why::new("it defines a function in place of something that the shell has")),
        }
        Piece::nothing()
    }

    /// Runs a function: its body stands in place of the call.
    pub(super) fn call(&mut self, definition: &str, arguments: &[Field]) -> Piece {
        if arguments.iter().any(Field::is_pattern) {
            self.state.dynamic(Why::new("a function is given a pattern"));
        }
        let words: Vec<String> = arguments.iter().map(Field::value).collect();
        let outer = self.state.variables.set_positional(Some(words.into()));
        self.state.calls += 1;
        let piece = super::walk::source(definition, self.state, |walk, parsed| match body(parsed) {
            Some(body) => walk.statement(body),
            None => {
                walk.state.dynamic(Why::new("a function may or may not be defined"));
                Piece::nothing()
            }
        });
        self.state.calls -= 1;
        self.state.variables.set_positional(outer);
        piece
    }

    /// Takes note that a variable is assigned.
    pub(super) fn assigned(&mut self, name: &str) {
        if changes_what_runs(name) {
            self.state.dynamic(Why::new(format!("setting `{}` changes what runs", shown(name))));
        }
        if !self.state.seen.environment.iter().any(|seen| seen == name) {
            self.state.seen.environment.push(name.to_owned());
        }
    }
}

/// The body of the function that is all of a script.
fn body(parsed: &ParseResult) -> Option<&Stmt> {
    match parsed.file.body.as_slice() {
        [Stmt { command: Node::Function(function), .. }] if parsed.is_ok() => Some(&function.body),
        _ => None,
    }
}
