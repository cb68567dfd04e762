//! Reads a TOML document key by key and remembers where each stood. A key that nobody asked for is a problem, and so
//! are wrong types; reading goes on after each, so that one run shows them all.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Problems};
use super::secret::{PlacedSecret, SecretSource};

/// A parsed file and the problems found in it so far.
pub(super) struct Document<'t> {
    path: &'t Path,
    text: &'t str,
    table: Spanned<DeTable<'t>>,
    problems: RefCell<Vec<Problem>>,
    secrets: RefCell<Vec<PlacedSecret>>,
}

impl<'t> Document<'t> {
    pub(super) fn parse(path: &'t Path, text: &'t str) -> Result<Self, Problems> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let document = Self { path, text, table, problems: RefCell::default(), secrets: RefCell::default() };
        for error in &errors {
            document.report(error.span().unwrap_or(0..0), String::new(), error.message(), "see `man bartizan.toml`");
        }
        if errors.is_empty() { Ok(document) } else { Err(Problems(document.problems.into_inner())) }
    }

    pub(super) fn root(&self) -> Section<'_> {
        Section { document: self, path: String::new(), span: 0..0, table: self.table.get_ref(), asked: RefCell::default() }
    }

    pub(super) fn conclude<T>(self, value: Option<T>) -> Result<T, Problems> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|p| (p.line, p.column));
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(Problems(problems)),
        }
    }

    /// The sources of secrets that were read so far.
    pub(super) fn secrets(&self) -> Vec<PlacedSecret> {
        self.secrets.borrow().clone()
    }

    /// Reports what is wrong with one of them.
    pub(super) fn refuse(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    fn report(&self, span: Range<usize>, key: String, what: impl Into<String>, mend: impl Into<String>) {
        let problem = self.locate(&span, key, what.into(), mend.into());
        self.problems.borrow_mut().push(problem);
    }

    fn locate(&self, span: &Range<usize>, key: String, what: String, mend: String) -> Problem {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        Problem { file: self.path.to_owned(), line, column, key, what, mend }
    }
}

/// One table of the document. Ask for each key once, then call [`Section::finish`].
pub(super) struct Section<'d> {
    document: &'d Document<'d>,
    path: String,
    span: Range<usize>,
    table: &'d DeTable<'d>,
    asked: RefCell<BTreeSet<&'static str>>,
}

/// A value with its place, for checks that come after reading.
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) key: String,
    span: Range<usize>,
}

impl<'d> Section<'d> {
    fn get(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.asked.borrow_mut().insert(key);
        self.table.get(key)
    }

    fn key_path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes that this table is the source of a secret.
    pub(super) fn found_secret(&self, source: SecretSource) {
        let place = self.document.locate(&self.span, self.path.clone(), String::new(), String::new());
        self.document.secrets.borrow_mut().push(PlacedSecret { source, place });
    }

    /// Reports a problem of `placed`.
    pub(super) fn problem<T>(&self, placed: &Placed<T>, what: impl Into<String>, mend: impl Into<String>) {
        self.document.report(placed.span.clone(), placed.key.clone(), what, mend);
    }

    /// Reports that a needed key is not there.
    pub(super) fn missing(&self, key: &'static str, mend: impl Into<String>) {
        self.asked.borrow_mut().insert(key);
        self.document.report(self.span.clone(), self.key_path(key), "is missing", mend);
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let what = format!("is a {}, not {wanted}", value.get_ref().type_str());
        self.document.report(value.span(), self.key_path(key), what, format!("write {wanted}"));
    }

    fn placed<T>(&self, key: &str, value: &Spanned<DeValue<'_>>, inner: T) -> Placed<T> {
        Placed { value: inner, key: self.key_path(key), span: value.span() }
    }

    /// The string under `key`, if there.
    pub(super) fn string(&self, key: &'static str) -> Option<Placed<String>> {
        let value = self.get(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some(self.placed(key, value, text.to_owned())),
            None => {
                self.wrong_type(key, value, "a string");
                None
            }
        }
    }

    /// The string under `key`; a problem when it is not there or empty.
    pub(super) fn need_string(&self, key: &'static str, mend: &str) -> Option<Placed<String>> {
        if self.get(key).is_none() {
            self.missing(key, mend);
            return None;
        }
        let placed = self.string(key)?;
        if placed.value.is_empty() {
            self.problem(&placed, "is empty", mend);
            return None;
        }
        Some(placed)
    }

    /// The string under `key`, parsed; a problem when it does not parse. `Ok(None)` when it is not there.
    pub(super) fn parsed<T>(&self, key: &'static str, mend: &str) -> Result<Option<Placed<T>>, Reported>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        if self.get(key).is_none() {
            return Ok(None);
        }
        let placed = self.string(key).ok_or(Reported)?;
        match placed.value.parse() {
            Ok(value) => Ok(Some(Placed { value, key: placed.key, span: placed.span })),
            Err(error) => {
                self.problem(&placed, format!("{error}"), mend);
                Err(Reported)
            }
        }
    }

    /// As [`Section::parsed`], with a problem when it is not there.
    pub(super) fn need_parsed<T>(&self, key: &'static str, mend: &str) -> Option<Placed<T>>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let found = self.parsed(key, mend).ok()?;
        if found.is_none() {
            self.missing(key, mend);
        }
        found
    }

    /// One of a few words, or `default`.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)], default: T) -> Option<T> {
        if self.get(key).is_none() {
            return Some(default);
        }
        let placed = self.string(key)?;
        let found = words.iter().find(|(word, _)| *word == placed.value);
        if found.is_none() {
            let all: Vec<_> = words.iter().map(|(w, _)| format!("\"{w}\"")).collect();
            let what = format!("`{}` is not a choice", crate::model::Printable(&placed.value));
            self.problem(&placed, what, format!("one of {}", all.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    /// The strings under `key`, or none when it is not there.
    pub(super) fn strings(&self, key: &'static str) -> Option<Vec<Placed<String>>> {
        let Some(value) = self.get(key) else {
            return Some(Vec::new());
        };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list of strings, as in [\"a\", \"b\"]");
            return None;
        };
        let mut found = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_str() {
                Some(text) => found.push(self.placed(key, item, text.to_owned())),
                None => {
                    self.wrong_type(key, item, "a string");
                    return None;
                }
            }
        }
        Some(found)
    }

    /// A whole number within `range`, or `default`.
    pub(super) fn count(&self, key: &'static str, range: std::ops::RangeInclusive<u32>, default: u32) -> Option<u32> {
        let Some(value) = self.get(key) else {
            return Some(default);
        };
        let number = value.get_ref().as_integer().and_then(|i| i.as_str().replace('_', "").parse::<u32>().ok());
        match number {
            Some(n) if range.contains(&n) => Some(n),
            _ => {
                let wanted = format!("a whole number from {} to {}", range.start(), range.end());
                self.document.report(value.span(), self.key_path(key), format!("is not {wanted}"), format!("the default is {default}"));
                None
            }
        }
    }

    /// True or false, or `default`.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> Option<bool> {
        let Some(value) = self.get(key) else {
            return Some(default);
        };
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.wrong_type(key, value, "true or false");
        }
        found
    }

    /// A duration such as `"15m"`, within `range`, or `default`.
    pub(super) fn duration(&self, key: &'static str, range: std::ops::RangeInclusive<Duration>, default: Duration) -> Option<Duration> {
        if self.get(key).is_none() {
            return Some(default);
        }
        let placed = self.string(key)?;
        let parsed = parse_duration(&placed.value).filter(|d| range.contains(d));
        if parsed.is_none() {
            let what =
                format!("`{}` is not a duration from {:?} to {:?}", crate::model::Printable(&placed.value), range.start(), range.end());
            self.problem(&placed, what, "write a number and s, m, h or d, as in \"15m\"");
        }
        parsed
    }

    /// A socket address under `key`.
    pub(super) fn address(&self, key: &'static str) -> Result<Option<SocketAddr>, Reported> {
        Ok(self.parsed::<SocketAddr>(key, "write an IP address and port, as in \"127.0.0.1:9464\"")?.map(|p| p.value))
    }

    /// The path under `key`, made relative to `base`.
    pub(super) fn path(&self, key: &'static str, base: &Path) -> Option<PathBuf> {
        self.string(key).map(|p| base.join(p.value))
    }

    /// The table under `key`; an empty one when it is not there.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'d>> {
        let value = self.get(key)?;
        self.table_of(self.key_path(key), value)
    }

    /// The table under `key` if it is one; no problem if it is something else.
    pub(super) fn table_if(&self, key: &'static str) -> Option<Section<'d>> {
        let value = self.get(key)?;
        value.get_ref().is_table().then(|| self.table_of(self.key_path(key), value)).flatten()
    }

    /// The tables of the array under `key`.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'d>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(key, value, &format!("a list of tables; write [[{key}]]"));
            return Vec::new();
        };
        let path = |n: usize| format!("{}[{n}]", self.key_path(key));
        array.iter().enumerate().filter_map(|(n, item)| self.table_of(path(n), item)).collect()
    }

    fn table_of(&self, path: String, value: &'d Spanned<DeValue<'d>>) -> Option<Section<'d>> {
        let Some(table) = value.get_ref().as_table() else {
            let what = format!("is a {}, not a table", value.get_ref().type_str());
            self.document.report(value.span(), path, what, "see `man bartizan.toml`");
            return None;
        };
        Some(Section { document: self.document, path, span: value.span(), table, asked: RefCell::default() })
    }

    /// The place of `key`, for a problem that is of its whole value.
    pub(super) fn place(&self, key: &'static str) -> Option<Placed<()>> {
        self.get(key).map(|value| self.placed(key, value, ()))
    }

    /// Whether `key` is there.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// The table's own place, for a problem that is of no single key.
    pub(super) fn whole(&self) -> Placed<()> {
        Placed { value: (), key: self.path.clone(), span: self.span.clone() }
    }

    /// All pairs of a table of strings.
    pub(super) fn string_pairs(&self) -> Vec<(String, Placed<String>)> {
        let mut pairs = Vec::new();
        for (key, value) in self.table {
            match value.get_ref().as_str() {
                Some(text) => pairs.push((key.get_ref().to_string(), self.placed(key.get_ref(), value, text.to_owned()))),
                None => self.wrong_type(key.get_ref(), value, "a string"),
            }
        }
        pairs
    }

    /// All sub-tables under any key; for tables whose keys the operator chooses.
    pub(super) fn named_sections(&self) -> Vec<(String, Section<'d>)> {
        let each = self.table.iter();
        each.filter_map(|(key, value)| Some((key.get_ref().to_string(), self.table_of(self.key_path(key.get_ref()), value)?))).collect()
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if !asked.contains(name) {
                let shown = crate::model::Printable(name).to_string();
                self.document.report(key.span(), self.key_path(&shown), "is not a key that Bartizan knows", mend_for(name, &asked));
            }
        }
    }
}

/// A problem was found and is noted; there is no value.
#[derive(Debug)]
pub(super) struct Reported;

fn mend_for(name: &str, known: &BTreeSet<&'static str>) -> String {
    let close = known.iter().max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    match close {
        Some(near) if strsim::jaro_winkler(name, near) > 0.8 => format!("did you mean `{near}`?"),
        _ => format!("known here: {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
    }
}

/// Reads `90s`, `15m`, `12h`, `30d`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}
