//! Why a script cannot be let through as it is, in the words and with the code that the server itself would use where there are
//! such. It is an outcome and no error of the bastion.

use std::fmt;

/// A refusal before anything reached the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// SQLSTATE: `42P01` for an unknown relation, `42703` for an unknown column, `42601` for a syntax error, `54001` for a text that
    /// is too complex, `0A000` for what the bastion does not let through, `42501` for what is refused to this principal.
    pub code: &'static str,
    /// One sentence, naming the column or object.
    pub message: String,
    /// What to do instead.
    pub hint: Option<String>,
    /// Where, as PostgreSQL counts: characters of the whole text, from 1.
    pub position: Option<usize>,
    /// Whether a catalog read again could change the answer: refresh it once, analyse again, then refuse.
    pub stale: bool,
}

impl Refused {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Refused { code, message: message.into(), hint: None, position: None, stale: false }
    }

    /// Something that the bastion does not let through.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Refused::new("0A000", message)
    }

    /// Something that the catalog does not have.
    pub(crate) fn unknown(code: &'static str, message: impl Into<String>) -> Self {
        Refused { stale: true, ..Refused::new(code, message) }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Refused { hint: Some(hint.into()), ..self }
    }

    /// At a byte of `text`, if it is one.
    pub(crate) fn at(self, text: &str, byte: Option<usize>) -> Self {
        let position = byte.and_then(|byte| text.get(..byte)).map(|before| before.chars().count().saturating_add(1));
        Refused { position, ..self }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(position) = self.position {
            write!(f, " (at character {position})")?;
        }
        self.hint.iter().try_for_each(|hint| write!(f, "\n{hint}"))
    }
}
