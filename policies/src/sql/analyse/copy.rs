//! COPY: rows in and out over the connection. Programs and files of the server are refused to everybody.

use pg_query::NodeEnum;
use pg_query::protobuf::{CopyStmt, DefElem, Node};

use super::super::refused::Refused;
use super::super::script::{Answer, Concern, CopyForm, CopyFormat, On, Use};
use super::scope::{Column, Item, Scope};
use super::select::Rows;
use super::statement::switched;
use super::{Analyst, For, Ruled, outputs, string};
use crate::Action;

impl Analyst<'_> {
    pub(super) fn copy(&mut self, copy: &CopyStmt) -> Ruled<Answer> {
        let CopyStmt { relation, query, attlist, is_from, is_program, filename, options, where_clause } = copy;
        if *is_program || !filename.is_empty() {
            let what = if *is_program { "programs" } else { "files" };
            let refused = Refused::new("0A000", format!("COPY does not reach {what} of the server through the bastion"));
            return Err(refused.hint("COPY ... FROM STDIN or TO STDOUT; in psql, \\copy"));
        }
        self.copy_options(options)?;
        let form = form(options);
        match (relation, query) {
            (Some(range), None) => {
                let table = self.readable(range)?;
                let item = Item::of(table.clone(), None, Vec::new());
                let rows = self.listed(attlist, &item)?;
                if *is_from {
                    self.ask_table(Action::PgInsert, &table);
                    self.ask_table(Action::PgCopyIn, &table);
                    if table.rules {
                        self.hazard(Concern::Session, Use::Object("changing a relation with rules:", table.name.clone()), range.location);
                    }
                    self.condition(where_clause.as_deref(), &Scope::under(None, &[item]), For::Filter)?;
                    self.note_where(where_clause.is_some());
                    return Ok(Answer::CopyIn);
                }
                self.ask_table(Action::PgSelect, &table);
                self.ask_table(Action::PgCopyOut, &table);
                Ok(self.copied(rows, form))
            }
            (None, Some(query)) if !*is_from => {
                let rows = self.query(query, None)?;
                let read: Vec<On> = self
                    .operations
                    .iter()
                    .filter(|operation| operation.action == Action::PgSelect)
                    .map(|operation| operation.on.clone())
                    .collect();
                read.into_iter().for_each(|table| self.ask(Action::PgCopyOut, table));
                Ok(self.copied(rows, form))
            }
            _ => Err(Refused::unsupported("the bastion cannot read this COPY")),
        }
    }

    /// What is copied out is masked by its form; in one that is not known nothing masked can be.
    fn copied(&mut self, rows: Rows, form: Option<CopyForm>) -> Answer {
        for column in &rows.columns {
            match form {
                Some(_) => self.handed_on(&column.value),
                None => self.used_as(&column.value, Action::PgReadColumn, &Use::Copied, -1),
            }
        }
        Answer::CopyOut(outputs(rows.columns), form)
    }

    /// The columns of a table that a list names, all if it is empty.
    fn listed(&mut self, names: &[Node], item: &Item) -> Ruled<Rows> {
        let all = item.all();
        if names.is_empty() {
            return Ok(Rows { columns: all, open: false });
        }
        let of = |name: &Node| -> Ruled<Column> {
            let name = string(name).ok_or_else(|| Refused::unsupported("the bastion cannot read this COPY"))?;
            let found = all.iter().find(|column| *column.name == *name).cloned();
            found.ok_or_else(|| Refused::unknown("42703", format!("column \"{name}\" of relation \"{}\" does not exist", item.name)))
        };
        Ok(Rows { columns: names.iter().map(of).collect::<Ruled<_>>()?, open: false })
    }

    /// The text that is copied is looked into where columns are masked, so that its form has to be one of those known.
    fn copy_options(&mut self, options: &[Node]) -> Ruled<()> {
        for option in options {
            let Some(NodeEnum::DefElem(option)) = &option.node else {
                return Err(Refused::unsupported("the bastion cannot read this COPY"));
            };
            let DefElem { defnamespace: _, defname, arg, defaction: _, location, arg_location: _ } = &**option;
            if defname == "encoding" {
                let encoding = arg.as_deref().and_then(string).unwrap_or_default();
                if !is_utf8(encoding) {
                    return Err(self.refused(Refused::unsupported("COPY is let through in UTF8 only"), *location));
                }
            }
        }
        Ok(())
    }
}

/// How the data is written that these options ask for; none if it is in no form known here.
fn form(options: &[Node]) -> Option<CopyForm> {
    let options: Vec<(&str, Option<&Node>)> = options.iter().map(named).collect::<Option<_>>()?;
    let value = |name: &str| options.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let byte = |name: &str, usual: u8| match value(name) {
        Some(value) => single(value).filter(|byte| byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | b'\\')),
        None => Some(usual),
    };
    let known = ["format", "delimiter", "null", "quote", "escape", "header", "encoding", "force_quote"];
    if !options.iter().all(|(name, _)| known.contains(name)) {
        return None;
    }
    let format = match value("format") {
        None => CopyFormat::Text,
        Some(value) => match value.and_then(string)? {
            "text" => CopyFormat::Text,
            "csv" => CopyFormat::Csv,
            "binary" => CopyFormat::Binary,
            _ => return None,
        },
    };
    let csv = format == CopyFormat::Csv;
    let quote = byte("quote", b'"')?;
    let null = value("null").map_or(Some(if csv { "" } else { "\\N" }), |value| value.and_then(string))?;
    // What CSV puts before a quote; a backslash may do.
    let escape = value("escape").map_or(Some(quote), |value| single(value).filter(u8::is_ascii_graphic))?;
    Some(CopyForm {
        format,
        delimiter: byte("delimiter", if csv { b',' } else { b'\t' })?,
        null: null.into(),
        quote,
        escape,
        header: value("header").map_or(Some(false), switched)?,
    })
}

/// A value of one byte.
fn single(value: Option<&Node>) -> Option<u8> {
    <[u8; 1]>::try_from(value.and_then(string)?.as_bytes()).ok().map(|[byte]| byte)
}

/// An option's name and value.
fn named(option: &Node) -> Option<(&str, Option<&Node>)> {
    let Some(NodeEnum::DefElem(option)) = &option.node else { return None };
    let DefElem { defnamespace: _, defname, arg, defaction: _, location: _, arg_location: _ } = &**option;
    Some((defname, arg.as_deref()))
}

pub(super) fn is_utf8(encoding: &str) -> bool {
    let plain: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect();
    matches!(plain.to_ascii_lowercase().as_str(), "utf8" | "unicode")
}
