//! Between columns and our types. What does not fit its type was not written by us: it is an error, never a guess.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Error, Row};
use serde::de::DeserializeOwned;

use super::super::StoreError;

fn unfit(column: &str, value: &dyn Display) -> Error {
    Error::FromSqlConversionFailure(
        0,
        Type::Null,
        format!("`{}` does not fit column {column}", crate::model::Printable(&value.to_string())).into(),
    )
}

/// A name or word that is checked as it is read.
pub(super) fn word<T: FromStr>(row: &Row<'_>, column: &str) -> Result<T, Error> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| unfit(column, &text))
}

/// The same, where it may be missing.
pub(super) fn maybe_word<T: FromStr>(row: &Row<'_>, column: &str) -> Result<Option<T>, Error> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|_| unfit(column, &text))).transpose()
}

/// A moment, kept as microseconds since 1970 UTC.
pub(super) fn moment(row: &Row<'_>, column: &str) -> Result<Timestamp, Error> {
    let at: i64 = row.get(column)?;
    Timestamp::from_microsecond(at).map_err(|_| unfit(column, &at))
}

/// The same, where it may be missing.
pub(super) fn maybe_moment(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>, Error> {
    let at: Option<i64> = row.get(column)?;
    at.map(|at| Timestamp::from_microsecond(at).map_err(|_| unfit(column, &at))).transpose()
}

/// A number that is never negative.
pub(super) fn number(row: &Row<'_>, column: &str) -> Result<u64, Error> {
    let n: i64 = row.get(column)?;
    u64::try_from(n).map_err(|_| unfit(column, &n))
}

/// The same, where it may be missing.
pub(super) fn maybe_number(row: &Row<'_>, column: &str) -> Result<Option<u64>, Error> {
    let n: Option<i64> = row.get(column)?;
    n.map(|n| u64::try_from(n).map_err(|_| unfit(column, &n))).transpose()
}

/// A list, kept as a JSON array.
pub(super) fn list<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<Vec<T>, Error> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|_| unfit(column, &text))
}

/// A list as it is kept.
pub(super) fn listed<T: serde::Serialize>(list: &[T]) -> Result<String, StoreError> {
    written(&list)
}

/// Anything, as it is kept: as JSON.
pub(super) fn written<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// The same, read again, where it may be missing.
pub(super) fn maybe_read<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<Option<T>, Error> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|_| unfit(column, &text))).transpose()
}

/// An address.
pub(super) fn address(row: &Row<'_>, column: &str) -> Result<IpAddr, Error> {
    word(row, column)
}

/// A number as SQLite keeps it; what is larger than it can keep is nothing it has.
pub(super) fn kept(n: u64) -> Result<i64, StoreError> {
    i64::try_from(n).map_err(|_| StoreError::NotFound(format!("number {n}")))
}
