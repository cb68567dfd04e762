//! The JSON body of a request (RFC 8259), laid out for policy: what stands at each place. What two readers could read differently
//! is no body that policy can be shown. It decides nothing.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::json::token;

/// The longest body that policy is shown, in bytes.
pub const BODY_LIMIT: usize = 64 << 10;

/// The most places a body may have.
const MOST_PLACES: usize = 4_096;

/// What is known of a request's body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Body {
    /// There is none, or no policy asks for it.
    #[default]
    Absent,
    /// There is one, and it is not read: a policy that looks into it fails, so that the request is refused.
    Unread,
    /// There is this one.
    Read(Arc<Places>),
}

/// What stands where in a body. A place is a JSON pointer (RFC 6901) with `*` for each item of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Every place there is, the root too, which is "".
    pub all: BTreeSet<String>,
    /// The texts.
    pub texts: BTreeMap<String, BTreeSet<String>>,
    /// What is `true`, `false` or `null`.
    pub words: BTreeMap<String, BTreeSet<String>>,
    /// The least number, rounded down.
    pub least: BTreeMap<String, i64>,
    /// The greatest number, rounded up.
    pub most: BTreeMap<String, i64>,
}

/// Why a body is not shown to policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// It is too long.
    #[error("it is longer than 64 KiB")]
    TooLong,
    /// It is no JSON, or not such that all readers read the same in it.
    #[error("it is not JSON that is read in one way: {0}")]
    Ambiguous(String),
}

impl Body {
    /// Reads a body; one without bytes is none.
    ///
    /// # Errors
    /// When it cannot be shown to policy.
    pub fn read(bytes: &[u8]) -> Result<Self, NotShown> {
        if bytes.is_empty() {
            return Ok(Self::Absent);
        }
        if bytes.len() > BODY_LIMIT {
            return Err(NotShown::TooLong);
        }
        let found = RefCell::new(Places::default());
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let read = At { found: &found, place: "" }.deserialize(&mut reader).and_then(|()| reader.end());
        read.map_err(|error| NotShown::Ambiguous(error.to_string()))?;
        Ok(Self::Read(Arc::new(found.into_inner())))
    }
}

/// Reads the value at one place.
struct At<'a> {
    found: &'a RefCell<Places>,
    place: &'a str,
}

impl At<'_> {
    fn is_here<E: Error>(&self) -> Result<(), E> {
        let all = &mut self.found.borrow_mut().all;
        all.insert(self.place.to_owned());
        if all.len() > MOST_PLACES { Err(E::custom(format!("it has more than {MOST_PLACES} places"))) } else { Ok(()) }
    }

    fn word<E: Error>(&self, word: &str) -> Result<(), E> {
        self.found.borrow_mut().words.entry(self.place.to_owned()).or_default().insert(word.to_owned());
        self.is_here()
    }

    fn number<E: Error>(&self, least: i64, most: i64) -> Result<(), E> {
        let mut found = self.found.borrow_mut();
        found.least.entry(self.place.to_owned()).and_modify(|known| *known = least.min(*known)).or_insert(least);
        found.most.entry(self.place.to_owned()).and_modify(|known| *known = most.max(*known)).or_insert(most);
        drop(found);
        self.is_here()
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.word("null")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.word(if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.number(value, value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.number(value, value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        // What does not fit becomes the nearest that does: `as` saturates.
        self.number(value.floor() as i64, value.ceil() as i64)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.found.borrow_mut().texts.entry(self.place.to_owned()).or_default().insert(value.to_owned());
        self.is_here()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.is_here()?;
        let place = format!("{}/*", self.place);
        while items.next_element_seed(At { found: self.found, place: &place })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        self.is_here()?;
        let mut names = HashSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            // Some readers take the first of two fields, some the last, and some do not tell capitals.
            if !names.insert(name.to_lowercase()) {
                return Err(A::Error::custom("an object has a field twice"));
            }
            let place = format!("{}/{}", self.place, token(&name));
            fields.next_value_seed(At { found: self.found, place: &place })?;
        }
        Ok(())
    }
}
