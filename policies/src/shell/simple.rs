//! Simple commands: assignments, what the shell does itself, functions, and programs with the commands inside their arguments.

use shuck_ast::{Assignment, AssignmentValue, BourneParameterExpansion, BuiltinCommand, DeclClause, DeclOperand, Redirect, Word, WordPart};

use super::field::Field;
use super::names::is_name;
use super::piece::Piece;
use super::programs::{self, Inside, Kind};
use super::quote::{is_keyword, program, quoted};
use super::redirects::Redirects;
use super::walk::Walk;
use super::why::{Why, shown};
use crate::command::{Command, Surroundings};

/// Commands in the arguments of commands, one in the other.
const MOST_NESTED: usize = 16;

/// What an assignment gives a variable.
enum Given {
    Known(String),
    /// Known when it runs: what to write after the `=`, if that must be written for the commands in it.
    Later(Option<String>),
}

impl Walk<'_> {
    /// A simple command. `prefix` are words before those that were written.
    pub(super) fn simple(&mut self, prefix: Vec<Field>, words: &[&Word], assignments: &[Assignment], redirects: &[Redirect]) -> Piece {
        let reasons = self.state.reasons();
        let given: Vec<_> = assignments.iter().map(|assignment| (assignment, self.given(assignment))).collect();
        let fields = self.expanded(prefix, words);
        let redirects = self.redirects(redirects);
        let piece = match fields {
            // Only assignments, or not even those.
            Some(fields) if fields.is_empty() => self.assign(given, &redirects),
            Some(fields) => {
                let set = given.into_iter().map(|(assignment, given)| self.prefixed(assignment, given)).collect();
                if self.state.reasons() == reasons { self.command(fields, set, &redirects) } else { Piece::nothing() }
            }
            None => {
                given.iter().for_each(|(assignment, _)| self.assigned(assignment.target.name.as_str()));
                Piece::nothing()
            }
        };
        self.state.variables.forget_status();
        self.state.spend(0, piece.text.len());
        piece
    }

    /// The fields of a command; `None` if not all of them are known.
    fn expanded(&mut self, prefix: Vec<Field>, words: &[&Word]) -> Option<Vec<Field>> {
        let reasons = self.state.reasons();
        let mut fields = prefix;
        let written: Vec<_> = words.iter().filter(|word| !is_absent(word)).collect();
        for word in &written {
            match self.fields(word) {
                Ok(more) => fields.extend(more),
                Err(_) if fields.is_empty() => {
                    let program = shown(self.written(word.span));
                    self.state.dynamic(Why::new(format!("the program is `{program}`, which is not known before it runs")));
                }
                Err(why) => self.state.dynamic(why),
            }
        }
        if fields.is_empty() && !written.is_empty() {
            self.state.dynamic(Why::new("the program is an empty word"));
        }
        (self.state.reasons() == reasons).then_some(fields)
    }

    /// `break`, `continue`, `return` and `exit`, which the parser knows.
    pub(super) fn builtin(&mut self, builtin: &BuiltinCommand, redirects: &[Redirect]) -> Piece {
        let (name, argument, more, assignments) = match builtin {
            BuiltinCommand::Break(it) => ("break", &it.depth, &it.extra_args, &it.assignments),
            BuiltinCommand::Continue(it) => ("continue", &it.depth, &it.extra_args, &it.assignments),
            BuiltinCommand::Return(it) => ("return", &it.code, &it.extra_args, &it.assignments),
            BuiltinCommand::Exit(it) => ("exit", &it.code, &it.extra_args, &it.assignments),
        };
        let words: Vec<_> = argument.iter().chain(more).collect();
        self.simple(vec![Field::literal(name)], &words, assignments, redirects)
    }

    /// `export`, which is known; `declare`, `local`, `readonly` and `typeset`, which are not.
    pub(super) fn declaration(&mut self, declaration: &DeclClause, redirects: &[Redirect]) -> Piece {
        let name = declaration.variant.as_str();
        if name != "export" || !redirects.is_empty() || !declaration.assignments.is_empty() {
            self.state.dynamic(Why::new(format!("`{}` changes variables in a way that is not followed", shown(name))));
            return Piece::nothing();
        }
        for operand in &declaration.operands {
            let name = match operand {
                DeclOperand::Name(name) if name.subscript.is_none() => name.name.as_str(),
                DeclOperand::Assignment(assignment) => {
                    let given = self.given(assignment);
                    self.assign(vec![(assignment, given)], &Redirects::default());
                    assignment.target.name.as_str()
                }
                _ => "",
            };
            if !is_name(name) || self.state.variables.value(name).is_none() {
                self.state.dynamic(Why::new("it exports what is not known before it runs"));
            }
            self.assigned(name);
            self.state.variables.export(name);
        }
        Piece::nothing()
    }

    fn given(&mut self, assignment: &Assignment) -> Given {
        let AssignmentValue::Scalar(word) = &assignment.value else {
            self.state.dynamic(Why::new("it uses an array, which sh does not know"));
            return Given::Later(None);
        };
        if assignment.append || assignment.target.subscript.is_some() {
            self.state.dynamic(Why::new("it assigns in a way that sh does not know"));
        }
        let runs = runs_commands(&word.parts);
        match self.scalar(word) {
            Ok(value) => Given::Known(value),
            Err(_) if !runs => Given::Later(None),
            Err(_) => {
                let found = self.state.found.len();
                let written = self.substitutions(word);
                // They were found when the word was read first.
                self.state.found.truncate(found);
                match written {
                    Some(text) => Given::Later(Some(text)),
                    None => {
                        self.state.dynamic(Why::new("what is assigned is not clear"));
                        Given::Later(None)
                    }
                }
            }
        }
    }

    /// The command substitutions of a word whose value is not known, in double quotes.
    fn substitutions(&mut self, word: &Word) -> Option<String> {
        let mut text = String::from("\"");
        let inner = word.parts.iter().flat_map(|part| match &part.kind {
            WordPart::DoubleQuoted { parts, dollar: false } => parts.iter().collect::<Vec<_>>(),
            _ => vec![part],
        });
        for part in inner {
            match &part.kind {
                WordPart::CommandSubstitution { body, syntax } => {
                    let script = self.substitution(body, *syntax, part.span).ok()?;
                    text.push_str(&format!("$({}{script})", if script.starts_with('(') { " " } else { "" }));
                }
                other if is_quiet(other) => {}
                _ => return None,
            }
        }
        text.push('"');
        Some(text)
    }

    /// Assignments alone. Those of known values are not written: the values are, wherever they are used.
    fn assign(&mut self, given: Vec<(&Assignment, Given)>, redirects: &Redirects) -> Piece {
        let mut written = Vec::new();
        for (assignment, given) in given {
            let name = assignment.target.name.as_str();
            self.assigned(name);
            match given {
                Given::Known(value) => self.state.variables.set(name, &value),
                Given::Later(None) => self.state.variables.forget(name),
                Given::Later(Some(text)) => {
                    self.state.variables.set_unsure(name);
                    written.push(format!("{name}={text}"));
                }
            }
        }
        if !redirects.files.is_empty() {
            self.operation(&[Field::literal(":")], &redirects.files, &[], false);
        }
        if written.is_empty() && redirects.is_empty() {
            return Piece::nothing();
        }
        let text = if written.is_empty() { ":".to_owned() } else { written.join(" ") };
        redirects.after(text)
    }

    /// An assignment before a program: its name, and how it is written.
    fn prefixed(&mut self, assignment: &Assignment, given: Given) -> (String, String) {
        let name = assignment.target.name.to_string();
        self.assigned(&name);
        let text = match given {
            Given::Known(value) => format!("{name}={}", quoted(&value)),
            Given::Later(_) => {
                self.state.dynamic(Why::new(format!("what `{}` is set to is not known before it runs", shown(&name))));
                String::new()
            }
        };
        (name, text)
    }

    /// A command whose words are known.
    fn command(&mut self, fields: Vec<Field>, set: Vec<(String, String)>, redirects: &Redirects) -> Piece {
        let Some((first, arguments)) = fields.split_first() else { return Piece::nothing() };
        let name = first.value();
        if first.is_pattern() || name.is_empty() || name.ends_with('/') || name.contains('=') {
            self.state.dynamic(Why::new(format!("the program is `{}`, which names none for certain", shown(&first.text()))));
            return Piece::nothing();
        }
        if let Some(body) = self.state.variables.function(&name) {
            if !set.is_empty() {
                self.state.dynamic(Why::new("variables are set for a function"));
            }
            return self.inlined(&body, arguments, redirects);
        }
        match programs::kind(&name) {
            Kind::Control => self.control(&name, &fields, &set, redirects),
            Kind::Unset => self.unset(arguments, &set, redirects),
            Kind::Read => {
                let reasons = self.state.reasons();
                self.read_names(arguments);
                if self.state.reasons() == reasons { self.program(fields, set, redirects) } else { Piece::nothing() }
            }
            Kind::Ordinary => self.program(fields, set, redirects),
        }
    }

    fn inlined(&mut self, body: &str, arguments: &[Field], redirects: &Redirects) -> Piece {
        if redirects.is_empty() {
            return self.call(body, arguments);
        }
        let (before, found) = (self.state.redirects.len(), self.state.found.len());
        self.state.redirects.extend(redirects.files.iter().cloned());
        let piece = self.call(body, arguments);
        if self.state.found.len() == found && !redirects.files.is_empty() {
            self.operation(&[Field::literal(":")], &[], &[], false);
        }
        self.state.redirects.truncate(before);
        redirects.after(format!("{{ {}}}", piece.ended()))
    }

    /// What the shell does itself without touching anything: not asked about, unless it is redirected to a file.
    fn control(&mut self, name: &str, fields: &[Field], set: &[(String, String)], redirects: &Redirects) -> Piece {
        if !set.is_empty() {
            self.state.dynamic(Why::new(format!("variables are set for `{name}`")));
        }
        match name {
            "break" | "continue" => {
                let now = self.state.variables.clone();
                self.state.escapes.push(now);
            }
            "return" if self.state.calls > 0 => self.state.dynamic(Why::new("a function is left before its end")),
            "cd" if fields.get(1..).unwrap_or_default().iter().any(Field::is_open) => {
                self.state.dynamic(Why::new("where `cd` goes is not known before it runs"));
            }
            _ => {}
        }
        if !redirects.files.is_empty() {
            self.operation(fields, &redirects.files, &[], false);
        }
        written(fields, &[], redirects)
    }

    fn unset(&mut self, arguments: &[Field], set: &[(String, String)], redirects: &Redirects) -> Piece {
        let names: Vec<_> = arguments.iter().map(Field::value).filter(|argument| argument != "-v").collect();
        let known = names.iter().all(|name| is_name(name)) && !self.state.variables.has_functions();
        if !known || !set.is_empty() || !redirects.is_empty() || arguments.iter().any(Field::is_pattern) {
            self.state.dynamic(Why::new("what it unsets is not clear"));
        }
        for name in &names {
            self.assigned(name);
            self.state.variables.unset(name);
        }
        let mut fields = vec![Field::literal("unset")];
        fields.extend(names.into_iter().map(Field::literal));
        Piece { plain: false, ..written(&fields, &[], redirects) }
    }

    /// The variables that `read` sets.
    fn read_names(&mut self, arguments: &[Field]) {
        let names: Vec<_> = arguments.iter().map(Field::value).filter(|argument| argument != "-r").collect();
        if !names.iter().all(|name| is_name(name)) {
            self.state.dynamic(Why::new("what `read` reads into is not clear"));
        }
        for name in names {
            self.assigned(&name);
            self.state.variables.set_unsure(&name);
        }
    }

    /// A program, or something of the shell that is asked about like one.
    fn program(&mut self, fields: Vec<Field>, mut set: Vec<(String, String)>, redirects: &Redirects) -> Piece {
        let reasons = self.state.reasons();
        let mut environment = Vec::new();
        let inherited: Vec<_> =
            self.state.variables.environment().map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect();
        for (name, value) in inherited {
            if set.iter().any(|(before, _)| *before == name) {
                continue;
            }
            match value {
                Some(value) => set.push((name.clone(), format!("{name}={}", quoted(&value)))),
                None if self.state.variables.is_exported(&name) => {
                    self.state.dynamic(Why::new(format!("what `{}` is set to is not known before it runs", shown(&name))));
                }
                None => environment.push(name),
            }
        }
        if self.state.reasons() != reasons {
            return Piece::nothing();
        }
        environment.extend(set.iter().map(|(name, _)| name.clone()));
        let fields = self.inside(fields, &Around { files: &redirects.files, environment, open: false, depth: 0 });
        written(&fields, &set, redirects)
    }

    /// Finds the command and those in its arguments; returns its words as they are to be written.
    fn inside(&mut self, fields: Vec<Field>, around: &Around<'_>) -> Vec<Field> {
        let at = self.state.found.len();
        let reasons = self.state.reasons();
        if around.depth >= MOST_NESTED || !self.state.spend(1, 0) {
            self.state.dynamic(Why::new("commands run each other more deeply than can be looked into"));
            return fields;
        }
        let fields = match programs::inside(&fields, around.open) {
            Inside::Nothing => fields,
            Inside::Unseen(why) => {
                self.state.dynamic(why);
                fields
            }
            Inside::Command { at, environment, open } => self.nested(fields, at, None, environment, around, open),
            Inside::Commands(ranges) => {
                let mut fields = fields;
                for (from, to) in ranges {
                    fields = self.nested(fields, from, Some(to), Vec::new(), around, true);
                }
                fields
            }
            Inside::Script { at, positional } => self.nested_script(fields, at, positional, around),
        };
        // `/bin/sh -c SCRIPT` is what is made of a script here: read again, it is that script.
        let words = [0, 1].map(|at| fields.get(at).map(Field::value).unwrap_or_default());
        let is_script = fields.len() == 3 && words == ["/bin/sh", "-c"] && (self.state.found.len() > at || around.files.is_empty());
        if !is_script && self.state.reasons() == reasons {
            let after = self.state.found.split_off(at);
            self.operation(&fields, around.files, &around.environment, around.open);
            self.state.found.extend(after);
        }
        fields
    }

    fn nested(
        &mut self,
        mut fields: Vec<Field>,
        from: usize,
        to: Option<usize>,
        environment: Vec<String>,
        around: &Around<'_>,
        open: bool,
    ) -> Vec<Field> {
        let after = to.filter(|to| *to <= fields.len()).map(|to| fields.split_off(to)).unwrap_or_default();
        let inner = fields.split_off(from.min(fields.len()));
        let Some(name) = inner.first().filter(|first| !first.is_pattern()).map(Field::value).filter(|name| !name.is_empty()) else {
            self.state.dynamic(Why::new("the program inside a command is not known before it runs"));
            fields.extend(inner);
            fields.extend(after);
            return fields;
        };
        let reasons = self.state.reasons();
        for name in &environment {
            self.assigned(name);
        }
        // `command read x` and the like set what is then not kept account of.
        if matches!(programs::kind(&name), Kind::Unset | Kind::Read) || matches!(name.as_str(), "break" | "continue" | "return" | "export")
        {
            self.state.dynamic(Why::new(format!("`{}` is run in a way that is not followed", shown(&name))));
        }
        let environment = around.environment.iter().cloned().chain(environment).collect();
        if self.state.reasons() != reasons {
            return fields;
        }
        fields.extend(self.inside(inner, &Around { files: around.files, environment, open: open || around.open, depth: around.depth + 1 }));
        fields.extend(after);
        fields
    }

    fn nested_script(&mut self, mut fields: Vec<Field>, at: usize, positional: Option<usize>, around: &Around<'_>) -> Vec<Field> {
        let Some(script) = fields.get(at).filter(|script| !script.is_pattern()).map(Field::value) else {
            self.state.dynamic(Why::new("the script inside a command is not known before it runs"));
            return fields;
        };
        let words = positional.map(|from| fields.get(from..).unwrap_or_default());
        let words = words.filter(|words| !around.open && !words.iter().any(Field::is_pattern));
        let mut variables = self.state.variables.inherited();
        for name in &around.environment {
            variables.set_unsure(name);
        }
        variables.set_positional(words.map(|words| words.iter().map(Field::value).collect()));
        let outer = std::mem::replace(&mut self.state.variables, variables);
        let (calls, before) = (std::mem::take(&mut self.state.calls), self.state.redirects.len());
        self.state.redirects.extend(around.files.iter().cloned());
        let text = super::walk::script(&script, self.state).as_argument();
        self.state.redirects.truncate(before);
        self.state.calls = calls;
        self.state.variables = outer;
        if let Some(field) = fields.get_mut(at) {
            *field = Field::literal(text);
        }
        fields
    }

    /// Takes down one operation.
    pub(super) fn operation(&mut self, fields: &[Field], files: &[String], environment: &[String], open: bool) {
        let around =
            Surroundings { redirects: self.state.redirects.iter().chain(files).cloned().collect(), environment: environment.to_vec() };
        let text = written(fields, &[], &Redirects::default()).text;
        let patterns = open || fields.iter().any(Field::is_pattern);
        self.state.found.push(Command::known(text, fields.iter().map(Field::value).collect(), patterns, around));
    }
}

/// What is around a command.
struct Around<'a> {
    files: &'a [String],
    environment: Vec<String>,
    /// Whether it is given more arguments than are seen.
    open: bool,
    /// In how many commands it stands.
    depth: usize,
}

/// The word that the parser puts where there is none.
fn is_absent(word: &Word) -> bool {
    word.span.start.offset() == word.span.end.offset()
}

fn runs_commands(parts: &[shuck_ast::WordPartNode]) -> bool {
    parts.iter().any(|part| match &part.kind {
        WordPart::DoubleQuoted { parts, .. } => runs_commands(parts),
        other => !is_quiet(other),
    })
}

/// Whether a part of a word only takes a value, if it is expanded.
fn is_quiet(part: &WordPart) -> bool {
    match part {
        WordPart::Literal(_) | WordPart::SingleQuoted { .. } | WordPart::Variable(_) => true,
        WordPart::Parameter(parameter) => {
            matches!(parameter.bourne(), Some(BourneParameterExpansion::Access { reference }) if reference.subscript.is_none())
        }
        _ => false,
    }
}

fn written(fields: &[Field], set: &[(String, String)], redirects: &Redirects) -> Piece {
    let mut words: Vec<String> = set.iter().map(|(_, text)| text.clone()).collect();
    for (at, field) in fields.iter().enumerate() {
        words.push(if at == 0 { program(&field.value()) } else { field.text() });
    }
    let syntax = fields.first().is_some_and(|first| is_keyword(&first.value()));
    let plain = set.is_empty() && redirects.is_empty() && !syntax && !fields.iter().any(Field::is_pattern);
    Piece { plain, ..redirects.after(words.join(" ")) }
}
