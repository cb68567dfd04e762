//! Expands words as a shell would, as far as that is known before running: quotes, variables, arithmetic, braces. The text of
//! each part is taken from the source and decoded here, so that nothing hangs on how the parser would decode it.

use shuck_ast::{
    BourneParameterExpansion, CommandSubstitutionSyntax, LiteralText, ParameterExpansion, ParameterOp, Span, StmtSeq, VarRef, Word,
    WordPart, WordPartNode,
};

use super::atoms::{self, Atom};
use super::field::Field;
use super::quote::is_bare;
use super::walk::Walk;
use super::why::{Why, shown};
use super::{ansi, arithmetic};

impl<'a> Walk<'a> {
    /// The fields that a word becomes; `Err` says why that is not known.
    pub(super) fn fields(&mut self, word: &Word) -> Result<Vec<Field>, Why> {
        let mut fields = Vec::new();
        for atoms in atoms::braces(self.atoms(word)?)? {
            fields.extend(atoms::fields(&atoms)?);
        }
        Ok(fields)
    }

    /// The text of a word that is neither split nor matched against files.
    pub(super) fn scalar(&mut self, word: &Word) -> Result<String, Why> {
        atoms::scalar(&self.atoms(word)?)
    }

    pub(super) fn atoms(&mut self, word: &Word) -> Result<Vec<Atom>, Why> {
        let mut atoms = Vec::new();
        self.parts(&word.parts, false, &mut atoms)?;
        let history = matches!(atoms.as_slice(), [Atom::Char('!'), second, ..] if *second != Atom::Char('='));
        if history { Err(Why::new("a word begins with `!`, which interactive shells replace by an earlier line")) } else { Ok(atoms) }
    }

    /// What was written there.
    pub(super) fn written(&self, span: Span) -> &'a str {
        self.source.get(span.start.offset()..span.end.offset()).unwrap_or_default()
    }

    fn parts(&mut self, parts: &[WordPartNode], quoted: bool, atoms: &mut Vec<Atom>) -> Result<(), Why> {
        let mut unknown = None;
        for part in parts {
            // Looked at to the end, so that no command substitution in it is missed.
            if let Err(why) = self.part(part, quoted, atoms) {
                unknown.get_or_insert(why);
            }
        }
        unknown.map_or(Ok(()), Err)
    }

    fn part(&mut self, part: &WordPartNode, quoted: bool, atoms: &mut Vec<Atom>) -> Result<(), Why> {
        match &part.kind {
            WordPart::Literal(text) => self.literal(text, part.span, quoted, atoms)?,
            WordPart::SingleQuoted { dollar, .. } => {
                let written = self.written(part.span);
                let inner = if *dollar { written.strip_prefix("$'") } else { written.strip_prefix('\'') };
                let inner = inner.and_then(|inner| inner.strip_suffix('\'')).ok_or_else(unclear)?;
                atoms.push(Atom::Quoted(if *dollar { ansi::decode(inner)? } else { inner.to_owned() }));
            }
            WordPart::DoubleQuoted { dollar: true, .. } => return Err(Why::new("`$\"…\"` is translated, and to what is not known")),
            WordPart::DoubleQuoted { parts, .. } => {
                atoms.push(Atom::Quoted(String::new()));
                self.parts(parts, true, atoms)?;
            }
            WordPart::Variable(name) => self.variable(name.as_str(), quoted, atoms)?,
            WordPart::Parameter(parameter) => self.parameter(parameter, quoted, atoms)?,
            WordPart::CommandSubstitution { body, syntax } => {
                self.substitution(body, *syntax, part.span)?;
                return Err(Why::new("the output of a command is not known before it runs"));
            }
            WordPart::ArithmeticExpansion { expression_ast: Some(expression), .. } => {
                let value = arithmetic::value(self, expression)?.to_string();
                atoms.push(if quoted { Atom::Quoted(value) } else { Atom::Split(value) });
            }
            WordPart::ProcessSubstitution { body, .. } => {
                self.apart(|walk| walk.sequence(body));
                return Err(Why::new("it uses process substitution, which sh does not know"));
            }
            _ => return Err(Why::new(format!("what `{}` stands for is not known before it runs", shown(self.written(part.span))))),
        }
        Ok(())
    }

    /// The script in a command substitution.
    pub(super) fn substitution(&mut self, body: &StmtSeq, syntax: CommandSubstitutionSyntax, span: Span) -> Result<String, Why> {
        if syntax == CommandSubstitutionSyntax::Backtick && self.written(span).contains('\\') {
            return Err(Why::new("it has a backslash inside backquotes"));
        }
        Ok(self.apart(|walk| walk.sequence(body)).text)
    }

    pub(super) fn literal(&self, text: &LiteralText, span: Span, quoted: bool, atoms: &mut Vec<Atom>) -> Result<(), Why> {
        match text {
            LiteralText::Owned(text) if text.chars().all(is_bare) => atoms.push(Atom::Quoted(text.to_string())),
            LiteralText::Owned(_) => return Err(unclear()),
            LiteralText::Source | LiteralText::CookedSource(_) if quoted => atoms.push(Atom::Quoted(double_quoted(self.written(span)))),
            LiteralText::Source | LiteralText::CookedSource(_) => unquoted(self.written(span), atoms)?,
        }
        Ok(())
    }

    fn parameter(&mut self, parameter: &ParameterExpansion, quoted: bool, atoms: &mut Vec<Atom>) -> Result<(), Why> {
        match parameter.bourne() {
            Some(BourneParameterExpansion::Access { reference }) => self.variable(plain(reference)?, quoted, atoms),
            Some(BourneParameterExpansion::Length { reference }) => {
                let value = self.value(plain(reference)?)?.chars().count();
                atoms.push(Atom::Quoted(value.to_string()));
                Ok(())
            }
            Some(BourneParameterExpansion::Operation { reference, operator, operand_word_ast, colon_variant, .. }) => {
                if let Some(word) = operand_word_ast {
                    // For the commands in it.
                    let _ = self.atoms(word);
                }
                let known = self.state.variables.value(plain(reference)?).is_some_and(|value| !*colon_variant || !value.is_empty());
                match (&**operator, known) {
                    (ParameterOp::UseDefault | ParameterOp::Error, true) => self.variable(plain(reference)?, quoted, atoms),
                    _ => Err(not_known(self.written(parameter.span))),
                }
            }
            _ => Err(not_known(self.written(parameter.span))),
        }
    }

    fn variable(&mut self, name: &str, quoted: bool, atoms: &mut Vec<Atom>) -> Result<(), Why> {
        if matches!(name, "@" | "*") {
            let words = self.state.variables.positional().ok_or_else(|| not_known(&format!("${name}")))?.to_vec();
            self.spend(words.iter().map(String::len).sum())?;
            match (name, quoted) {
                ("@", true) => atoms.push(Atom::Each(words)),
                (_, true) => atoms.push(Atom::Quoted(words.join(" "))),
                (_, false) => atoms.push(Atom::Split(words.join(" "))),
            }
            return Ok(());
        }
        let value = self.value(name)?;
        self.spend(value.len())?;
        atoms.push(if quoted { Atom::Quoted(value) } else { Atom::Split(value) });
        Ok(())
    }

    fn spend(&mut self, text: usize) -> Result<(), Why> {
        if self.state.spend(0, text) { Ok(()) } else { Err(Why::new("the line does more than can be looked into")) }
    }

    /// The value of a variable or parameter.
    pub(super) fn value(&self, name: &str) -> Result<String, Why> {
        let variables = &self.state.variables;
        let known = match (name, name.parse::<usize>()) {
            ("?", _) => variables.status().map(|status| status.to_string()),
            ("#", _) => variables.positional().map(|words| words.len().to_string()),
            (_, Ok(at)) if at > 0 => variables.positional().map(|words| words.get(at - 1).cloned().unwrap_or_default()),
            _ => variables.value(name).map(str::to_owned),
        };
        known.ok_or_else(|| not_known(&format!("${name}")))
    }
}

fn plain(reference: &VarRef) -> Result<&str, Why> {
    match reference.subscript {
        None => Ok(reference.name.as_str()),
        Some(_) => Err(Why::new("it uses an array, which sh does not know")),
    }
}

fn not_known(written: &str) -> Why {
    Why::new(format!("what `{}` stands for is not known before it runs", shown(written)))
}

fn unclear() -> Why {
    Why::new("its quotes are not clear")
}

/// The text between double quotes that is not an expansion.
fn double_quoted(written: &str) -> String {
    let mut text = String::with_capacity(written.len());
    let mut chars = written.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('\n')) => drop(chars.next()),
            ('\\', Some('$' | '`' | '"' | '\\')) => text.extend(chars.next()),
            _ => text.push(c),
        }
    }
    text
}

/// Text outside quotes that is not an expansion.
fn unquoted(written: &str, atoms: &mut Vec<Atom>) -> Result<(), Why> {
    let mut chars = written.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(escaped) => atoms.push(Atom::Quoted(escaped.to_string())),
                None => return Err(Why::new("it ends in a backslash")),
            },
            '\'' | '"' | '`' | '(' | ')' | ';' | '|' | '&' | '<' | '>' | ' ' | '\t' | '\n' => return Err(unclear()),
            '$' if chars.as_str().is_empty() => atoms.push(Atom::Quoted("$".to_owned())),
            '$' => return Err(unclear()),
            _ if !c.is_ascii() && (c.is_whitespace() || is_invisible(c)) => {
                return Err(Why::new("it has an unusual space or an invisible character outside quotes"));
            }
            _ => atoms.push(Atom::Char(c)),
        }
    }
    Ok(())
}

/// Characters that look like a space or like nothing, beyond those Unicode calls white space.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}
