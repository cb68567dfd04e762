//! What can be asked of the index, and its answers. Everything asked goes in as a parameter, nothing as SQL.

use rusqlite::types::Value;

use super::{SearchError, SearchIndex};
use crate::head::SessionId;
use crate::render::one_line;
use crate::text::TextKind;

/// Most hits that are given at once.
const MOST: usize = 10_000;
/// Characters of a snippet before and behind what was found.
const AROUND: usize = 60;

/// What to search for. Everything, by default; conditions are joined by "and".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// A part of the text, upper and lower case alike; at least three characters. `None`: every operation.
    pub text: Option<String>,
    /// In this session only.
    pub session: Option<SessionId>,
    /// Part of the principal's name.
    pub user: Option<String>,
    /// The target's name; `*` stands for any characters.
    pub target: Option<String>,
    /// The verdict of an operation: `allow`, `hold`, `deny`.
    pub verdict: Option<String>,
    /// Kinds of text; empty for all but input, which is for those only who may see it.
    pub kinds: Vec<TextKind>,
    /// In sessions that began at this wall clock (µs since 1970-01-01 UTC) or later.
    pub since_us: Option<i64>,
    /// In sessions that began before this wall clock (µs since 1970-01-01 UTC).
    pub until_us: Option<i64>,
    /// At most so many hits.
    pub limit: usize,
    /// At most so many hits in one session.
    pub per_session: usize,
}

impl Default for Query {
    fn default() -> Self {
        let (text, session, user, target, verdict, since_us, until_us) = (None, None, None, None, None, None, None);
        Self { text, session, user, target, verdict, kinds: Vec::new(), since_us, until_us, limit: 100, per_session: 20 }
    }
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// In which session.
    pub session: SessionId,
    /// Its principal.
    pub principal: String,
    /// Its target.
    pub target: String,
    /// When it began, in microseconds since 1970-01-01 UTC.
    pub started_us: i64,
    /// When what was found was first seen, in microseconds since then: where to jump to.
    pub at_us: u64,
    /// Where the frame begins that it was seen with.
    pub offset: u64,
    /// What it is the text of.
    pub kind: TextKind,
    /// The verdict, of an operation that has one.
    pub verdict: Option<String>,
    /// What was found and a little around it: one line without controls.
    pub snippet: String,
}

impl SearchIndex {
    /// Searches: sessions that began last come first, and within a session what was seen first.
    ///
    /// # Errors
    /// [`SearchError::TooShort`], [`SearchError::Index`].
    pub fn search(&self, query: &Query) -> Result<Vec<Hit>, SearchError> {
        let (sql, values) = statement(query)?;
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        let (mut hits, mut session, mut of_session) = (Vec::new(), 0i64, 0);
        while let Some(row) = rows.next()? {
            let id = row.get(1)?;
            of_session = if id == session { of_session + 1 } else { 1 };
            session = id;
            if of_session > query.per_session {
                continue;
            }
            hits.extend(self.hit(row.get(0)?, query.text.as_deref())?);
            if hits.len() >= query.limit.min(MOST) {
                break;
            }
        }
        Ok(hits)
    }

    /// The whole of one hit. Only for those that are given: a common word is found a hundred thousand times.
    fn hit(&self, row: i64, wanted: Option<&str>) -> Result<Option<Hit>, SearchError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT r.session, r.principal, r.target, r.started_us, p.at_us, p.offset, p.kind, p.verdict, t.text
             FROM rows p JOIN recordings r ON r.id = p.recording JOIN words t ON t.rowid = p.id WHERE p.id = ?1",
        )?;
        let hit = statement.query_row([row], |row| {
            let (session, text): (String, String) = (row.get(0)?, row.get(8)?);
            let (at_us, offset): (i64, i64) = (row.get(4)?, row.get(5)?);
            Ok(session.parse().ok().zip(kind_of(row.get(6)?)).map(|(session, kind)| Hit {
                session,
                principal: row.get(1).unwrap_or_default(),
                target: row.get(2).unwrap_or_default(),
                started_us: row.get(3).unwrap_or_default(),
                at_us: at_us.unsigned_abs(),
                offset: offset.unsigned_abs(),
                kind,
                verdict: row.get(7).unwrap_or_default(),
                snippet: snippet(&text, wanted),
            }))
        });
        match hit {
            Ok(hit) => Ok(hit),
            // Taken out since.
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Finds the rows, in order. The place of a row in the order depends on its session and number alone, as rows of a session
/// are numbered in order of time.
fn statement(query: &Query) -> Result<(String, Vec<Value>), SearchError> {
    let (mut wheres, mut values) = (Vec::new(), Vec::new());
    let mut from = "rows p JOIN recordings r ON r.id = p.recording";
    if let Some(text) = &query.text {
        if text.chars().count() < 3 {
            return Err(SearchError::TooShort);
        }
        from = "words t JOIN rows p ON p.id = t.rowid JOIN recordings r ON r.id = p.recording";
        wheres.push("t.text MATCH ?".to_owned());
        // One phrase: its trigrams in a row, so the words as they stand.
        values.push(Value::Text(format!("\"{}\"", text.replace('"', "\"\""))));
    }
    let kinds: Vec<TextKind> = match (&query.kinds, &query.text) {
        (kinds, _) if !kinds.is_empty() => kinds.clone(),
        (_, Some(_)) => TextKind::ALL.iter().copied().filter(|kind| *kind != TextKind::Input).collect(),
        (_, None) => vec![TextKind::Command, TextKind::Sql, TextKind::File, TextKind::Request, TextKind::Operation],
    };
    let numbers: Vec<String> = kinds.iter().map(|kind| number_of(*kind).to_string()).collect();
    wheres.push(format!("p.kind IN ({})", numbers.join(", ")));
    let mut text = |condition: &str, value: Option<String>| {
        if let Some(value) = value {
            wheres.push(condition.to_owned());
            values.push(Value::Text(value));
        }
    };
    text("r.session = ?", query.session.as_ref().map(|session| session.as_str().to_owned()));
    text("instr(r.principal, ?) > 0", query.user.clone());
    text("r.target GLOB ?", query.target.as_deref().map(glob));
    text("p.verdict = ?", query.verdict.clone());
    for (condition, time) in [("r.started_us >= ?", query.since_us), ("r.started_us < ?", query.until_us)] {
        if let Some(time) = time {
            wheres.push(condition.to_owned());
            values.push(Value::Integer(time));
        }
    }
    let sql = format!("SELECT p.id, p.recording FROM {from} WHERE {} ORDER BY r.started_us DESC, p.recording, p.id", wheres.join(" AND "));
    Ok((sql, values))
}

/// A GLOB in which only `*` is special.
fn glob(pattern: &str) -> String {
    pattern.chars().map(|next| if "?[".contains(next) { format!("[{next}]") } else { next.to_string() }).collect()
}

pub(super) fn number_of(kind: TextKind) -> i64 {
    TextKind::ALL.iter().position(|one| *one == kind).map_or(-1, |at| at as i64)
}

fn kind_of(number: i64) -> Option<TextKind> {
    TextKind::ALL.get(usize::try_from(number).ok()?).copied()
}

/// The line around what was wanted.
fn snippet(text: &str, wanted: Option<&str>) -> String {
    let lower = |text: &str| text.chars().map(|next| next.to_lowercase().next().unwrap_or(next)).collect::<Vec<char>>();
    let wanted = lower(wanted.unwrap_or_default());
    let all: Vec<char> = text.chars().collect();
    let found = if wanted.is_empty() { None } else { lower(text).windows(wanted.len()).position(|part| part == wanted) };
    let at = found.unwrap_or(0);
    let (from, to) = (at.saturating_sub(AROUND), (at + wanted.len() + AROUND).min(all.len()));
    let part: String = all.get(from..to).unwrap_or_default().iter().collect();
    let (before, behind) = (if from > 0 { "…" } else { "" }, if to < all.len() { "…" } else { "" });
    one_line(format!("{before}{}{behind}", part.trim()).as_str(), usize::MAX - 1)
}
