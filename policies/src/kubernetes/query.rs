//! The query of a request, as Go's `net/url` reads it. What readers differ about is refused.

use super::Unresolved;

/// Keys and values, decoded, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what follows the `?`.
    ///
    /// # Errors
    /// When a reader could take it otherwise: `;`, a `%` that encodes nothing, what is not text.
    pub fn read(query: &str) -> Result<Self, Unresolved> {
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            if pair.contains(';') {
                return Err(Unresolved::Query("it holds a ;"));
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decoded(key, true)?, decoded(value, true)?));
        }
        Ok(Self(pairs))
    }

    /// Every value of `key`.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// The only value of `key`, if it has one.
    ///
    /// # Errors
    /// When it has several: readers differ in which of them counts.
    pub fn only<'a>(&'a self, key: &'a str) -> Result<Option<&'a str>, Unresolved> {
        let mut values = self.all(key);
        let first = values.next();
        if values.next().is_some() {
            return Err(Unresolved::Query("it says one thing more than once"));
        }
        Ok(first)
    }

    /// Whether `key` is set: to anything but `false` and `0`, as the API server reads truth.
    ///
    /// # Errors
    /// As [`Query::only`].
    pub fn is_set(&self, key: &str) -> Result<bool, Unresolved> {
        Ok(self.only(key)?.is_some_and(|value| !value.eq_ignore_ascii_case("false") && value != "0"))
    }
}

/// Percent-encoded text, decoded; in a query a `+` is a space.
pub(super) fn decoded(text: &str, in_query: bool) -> Result<String, Unresolved> {
    const WRONG: Unresolved = Unresolved::Encoding;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
                let (high, low) = (digit().ok_or(WRONG)?, digit().ok_or(WRONG)?);
                high << 4 | low
            }
            b'+' if in_query => b' ',
            other => other,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| WRONG)?;
    if text.chars().any(|c| c == '\0' || (!in_query && c.is_control())) { Err(WRONG) } else { Ok(text) }
}
