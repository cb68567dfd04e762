//! Redirections: which files are read and written, and how they are written again. A here-string becomes a here-document, which
//! every sh knows.

use shuck_ast::{Heredoc, HeredocBodyPart, LiteralText, Redirect, RedirectKind, Word};

use super::field::Field;
use super::piece::{Level, Piece};
use super::walk::Walk;
use super::why::Why;

/// The redirections of one command.
#[derive(Debug, Default)]
pub(super) struct Redirects {
    /// As policy sees them.
    pub(super) files: Vec<String>,
    /// As they are written after the command.
    text: String,
    /// The lines of here-documents, with their ends.
    documents: String,
}

impl Redirects {
    /// `text` with these redirections.
    pub(super) fn after(&self, text: String) -> Piece {
        let text = format!("{text}{}", self.text);
        if self.documents.is_empty() {
            Piece::new(text, Level::Command)
        } else {
            Piece::new(format!("{text}\n{}", self.documents), Level::Document)
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn document(&mut self, fd: &str, body: &str) {
        let mut end = "EOF".to_owned();
        while body.lines().any(|line| line == end) {
            end.push('_');
        }
        self.text.push_str(&format!(" {fd}<<'{end}'"));
        let newline = if body.is_empty() || body.ends_with('\n') { "" } else { "\n" };
        self.documents.push_str(&format!("{body}{newline}{end}\n"));
    }
}

impl Walk<'_> {
    pub(super) fn redirects(&mut self, redirects: &[Redirect]) -> Redirects {
        let mut all = Redirects::default();
        for redirect in redirects {
            if let Err(why) = self.redirect(redirect, &mut all) {
                self.state.dynamic(why);
            }
        }
        for file in &all.files {
            if !self.state.seen.redirects.contains(file) {
                self.state.seen.redirects.push(file.clone());
            }
        }
        all
    }

    fn redirect(&mut self, redirect: &Redirect, all: &mut Redirects) -> Result<(), Why> {
        if redirect.fd_var.is_some() || redirect.fd.is_some_and(|fd| !(0..=9).contains(&fd)) {
            return Err(Why::new("a redirection has a descriptor that sh does not know"));
        }
        let fd = redirect.fd.map(|fd| fd.to_string()).unwrap_or_default();
        if let Some(heredoc) = redirect.heredoc() {
            let body = self.document(heredoc)?;
            all.document(&fd, &body);
            return Ok(());
        }
        let word = redirect.word_target().ok_or_else(|| Why::new("a redirection has no file"))?;
        let (operator, listed): (_, &[_]) = match redirect.kind {
            RedirectKind::HereString => {
                let text = self.scalar(word)?;
                all.document(&fd, &format!("{text}\n"));
                return Ok(());
            }
            RedirectKind::DupOutput | RedirectKind::DupInput => return self.copy(redirect.kind, &fd, word, all),
            RedirectKind::Output | RedirectKind::OutputBoth => (">", &[">"]),
            RedirectKind::Clobber => (">|", &[">"]),
            RedirectKind::Append => (">>", &[">>"]),
            RedirectKind::Input => ("<", &["<"]),
            RedirectKind::ReadWrite => ("<>", &["<", ">"]),
            RedirectKind::HereDoc | RedirectKind::HereDocStrip => return Err(Why::new("a here-document is not clear")),
        };
        let file = self.file(word)?;
        if file.value() != "/dev/null" {
            all.files.extend(listed.iter().map(|sign| format!("{sign}{}", file.value())));
        }
        all.text.push_str(&format!(" {fd}{operator}{}", file.text()));
        if redirect.kind == RedirectKind::OutputBoth {
            all.text.push_str(" 2>&1");
        }
        Ok(())
    }

    /// `2>&1`, `>&-`; in bash also `>&FILE`.
    fn copy(&mut self, kind: RedirectKind, fd: &str, word: &Word, all: &mut Redirects) -> Result<(), Why> {
        let target = self.scalar(word)?;
        let sign = if kind == RedirectKind::DupOutput { ">&" } else { "<&" };
        if target == "-" || target.len() == 1 && target.bytes().all(|byte| byte.is_ascii_digit()) {
            all.text.push_str(&format!(" {fd}{sign}{target}"));
            Ok(())
        } else {
            Err(Why::new("a redirection copies a descriptor that is not one"))
        }
    }

    fn file(&mut self, word: &Word) -> Result<Field, Why> {
        let mut fields = self.fields(word)?;
        match (fields.pop(), fields.is_empty()) {
            (Some(file), true) if !file.is_open() && !file.value().is_empty() => Ok(file),
            _ => Err(Why::new("the file of a redirection is not known before it runs")),
        }
    }

    fn document(&mut self, heredoc: &Heredoc) -> Result<String, Why> {
        let mut text = String::new();
        let mut unknown = None;
        for (part, span) in heredoc.body.parts_with_spans() {
            match part {
                // Where tabs are stripped the parser has done so, and has kept the text for that.
                HeredocBodyPart::Literal(LiteralText::Owned(literal) | LiteralText::CookedSource(literal)) => text.push_str(literal),
                HeredocBodyPart::Literal(LiteralText::Source) if heredoc.delimiter.quoted => text.push_str(self.written(span)),
                HeredocBodyPart::Literal(LiteralText::Source) => text.push_str(&unescaped(self.written(span))),
                HeredocBodyPart::Variable(name) => match self.value(name.as_str()) {
                    Ok(value) => text.push_str(&value),
                    Err(why) => drop(unknown.get_or_insert(why)),
                },
                HeredocBodyPart::CommandSubstitution { body, .. } => {
                    self.apart(|walk| walk.sequence(body));
                    unknown.get_or_insert(Why::new("the output of a command is not known before it runs"));
                }
                HeredocBodyPart::ArithmeticExpansion { .. } | HeredocBodyPart::Parameter(_) => {
                    unknown.get_or_insert(Why::new("what a here-document holds is not known before it runs"));
                }
            }
        }
        match unknown {
            None => Ok(text),
            Some(why) => Err(why),
        }
    }
}

/// The text of a here-document whose expansions are done.
fn unescaped(written: &str) -> String {
    let mut text = String::with_capacity(written.len());
    let mut chars = written.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('\n')) => drop(chars.next()),
            ('\\', Some('$' | '`' | '\\')) => text.extend(chars.next()),
            _ => text.push(c),
        }
    }
    text
}
