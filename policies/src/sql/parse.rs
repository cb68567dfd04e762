//! PostgreSQL's own grammar, by `pg_query`. Only the parse tree is taken; the library's own summaries of it are not used.

use std::panic::catch_unwind;

use pg_query::Error;
use pg_query::protobuf::ParseResult;

use super::refused::Refused;

/// The parse tree of a text that [`super::scan`] has passed.
pub(super) fn parse(text: &str) -> Result<ParseResult, Refused> {
    // The library makes summaries while it parses, by indexing; a tree they do not expect must not take a session with it.
    let parsed = catch_unwind(|| pg_query::parse(text, 0));
    match parsed {
        Ok(Ok(result)) => Ok(result.protobuf),
        Ok(Err(Error::Parse(message))) => Err(said(text, message)),
        Ok(Err(_)) | Err(_) => Err(Refused::unsupported("the bastion cannot read this statement")),
    }
}

/// The parser's own words.
fn said(text: &str, message: String) -> Refused {
    let deep = ["stack depth", "nested too deeply", "memory exhausted"].iter().any(|words| message.contains(words));
    if deep {
        return Refused::new("54001", "the statement is nested too deeply for the bastion to read");
    }
    let position = place(text, &message);
    Refused::new("42601", message).at(text, position)
}

/// Where the token stands that the parser names, if there is only one such.
fn place(text: &str, message: &str) -> Option<usize> {
    if message.ends_with("at end of input") {
        return Some(text.len());
    }
    let token = message.split_once("at or near \"")?.1.strip_suffix('"')?;
    let mut places = text.match_indices(token).map(|(place, _)| place);
    let first = places.next()?;
    places.next().is_none().then_some(first)
}
