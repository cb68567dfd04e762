//! What a client reads instead of an answer, and the statement that stands in for one that is not let through.

use bartizan_policies::sql::Refused;
use bytes::Bytes;

use crate::enforce::Unruled;
use crate::frontdoor::{Cause, Refusal};

use super::codec::{self, Fault, Severity};

/// Fails in every server and every state: this is no SQL.
pub(super) const SURE_TO_FAIL: &str = "BARTIZAN DENIED";

/// The name it is prepared under, which therefore never exists.
pub(super) const NAME: &str = "bartizan denied";

/// Why a statement is not let through, in the words of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) detail: String,
    pub(super) hint: String,
    pub(super) position: Option<usize>,
    /// The policies that said so.
    pub(super) policies: Vec<String>,
    /// `deny`, or `hold` when an approval was not given.
    pub(super) verdict: &'static str,
}

impl Denial {
    /// What the analysis does not let through.
    pub(super) fn of_analysis(refused: &Refused) -> Self {
        let own = ["42601", "42P01", "42703", "42702", "42P02", "26000", "34000"].contains(&refused.code);
        let message = if own { refused.message.clone() } else { format!("bartizan: {}", refused.message) };
        Self {
            code: refused.code.to_owned(),
            message,
            detail: String::new(),
            hint: refused.hint.clone().unwrap_or_default(),
            position: refused.position,
            policies: Vec::new(),
            verdict: "deny",
        }
    }

    /// What policy or people do not let through.
    pub(super) fn of_refusal(refusal: &Refusal) -> Self {
        let code = match refusal.cause {
            Cause::Denied | Cause::Barred => "42501",
            Cause::Held => "57014",
            Cause::Unavailable => "58000",
        };
        let mut lines = refusal.sentence.lines();
        let message = format!("bartizan: {}", lines.next().unwrap_or("this is refused"));
        Self {
            code: code.to_owned(),
            message,
            detail: if refusal.policies.is_empty() { String::new() } else { format!("Policies: {}", refusal.policies.join(", ")) },
            hint: lines.collect::<Vec<_>>().join("\n"),
            position: None,
            policies: refusal.policies.clone(),
            verdict: if refusal.cause == Cause::Held { "hold" } else { "deny" },
        }
    }

    /// What is not let through, for either reason.
    pub(super) fn of_unruled(unruled: Unruled) -> Self {
        match unruled {
            Unruled::Refusal(refusal) => Self::of_refusal(&refusal),
            Unruled::Masked(refused) => Self::of_analysis(&refused),
        }
    }

    /// Something that the gateway itself does not serve.
    pub(super) fn unserved(code: &str, message: &str) -> Self {
        Self {
            code: code.to_owned(),
            message: message.to_owned(),
            detail: String::new(),
            hint: String::new(),
            position: None,
            policies: Vec::new(),
            verdict: "deny",
        }
    }

    /// As the error of the statement.
    pub(super) fn error(&self) -> Bytes {
        let position = self.position.map(|place| place.to_string()).unwrap_or_default();
        let more = [(b'D', self.detail.as_str()), (b'H', self.hint.as_str()), (b'P', position.as_str())];
        codec::error(Severity::Error, &self.code, &self.message, &more)
    }
}

/// Classes of errors whose text holds names and no values, or nothing of the kind.
const PLAIN: &[&str] = &["25", "26", "34", "40", "42", "53", "55", "57"];

/// A fault of a session that has touched a masked column, without what could hold one of its values.
pub(super) fn scrubbed(fault: &Fault, severity: Severity) -> Bytes {
    let code = fault.get(b'C');
    let plain = severity != Severity::Notice && PLAIN.iter().any(|class| code.starts_with(class));
    let text =
        if plain { fault.get(b'M') } else { "bartizan: the text is withheld, since something that this session read is masked for you" };
    codec::error(severity, if code.is_empty() { "00000" } else { code }, text, &[(b'P', fault.get(b'P'))])
}
