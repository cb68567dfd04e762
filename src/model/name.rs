//! Names that come from outside: each is checked once, here, and then safe to print, to log and to use in a path.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Printable;

/// Why a name was refused. Shows the name escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{shown}` is not valid: {why}")]
pub struct NameError {
    what: &'static str,
    shown: String,
    why: String,
}

impl NameError {
    /// An error about `text`, a bad `what`.
    #[must_use]
    pub fn new(what: &'static str, text: &str, why: impl Into<String>) -> Self {
        let mut shown: String = text.chars().take(80).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        Self { what, shown: Printable(&shown).to_string(), why: why.into() }
    }
}

/// Names an operator chooses (issuers, targets): short, lower risk, usable as a host name or a folder.
fn check_word(what: &'static str, text: &str) -> Result<(), NameError> {
    let fail = |why: &str| Err(NameError::new(what, text, why));
    if text.is_empty() || text.len() > 63 {
        return fail("it has 1 to 63 characters");
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || text.ends_with(['.', '-']) {
        return fail("it begins with a letter or digit and does not end with a dot or hyphen");
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) || text.contains("..") {
        return fail("only letters, digits, single dots, hyphens and underscores are allowed");
    }
    Ok(())
}

/// Names an identity provider or a target's system chooses: wider, but never a control character, quote or path step.
fn check_foreign(what: &'static str, text: &str, max: usize) -> Result<(), NameError> {
    let fail = |why: &str| Err(NameError::new(what, text, why));
    if text.is_empty() || text.len() > max {
        return fail(&format!("it has 1 to {max} bytes"));
    }
    if text.starts_with('-') {
        return fail("it must not begin with a hyphen");
    }
    let plain = |c: char| c.is_alphanumeric() || "-_.@+:/=~#| ".contains(c);
    if !text.chars().all(plain) || text.starts_with(' ') || text.ends_with(' ') {
        return fail("it has a character that is not allowed in a name");
    }
    if text.split('/').any(|step| step == ".." || step == ".") {
        return fail("it must not hold a path step of dots");
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&'static str, &str) -> Result<(), NameError> = $check;
                check($what, text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($type), self.0)
            }
        }
    };
}

name!(
    /// The operator's short name of an OIDC issuer, such as `corp`. It qualifies users and groups.
    IssuerName, "issuer name", check_word
);
name!(
    /// The name of a target, such as `web-1`.
    TargetName, "target name", check_word
);
name!(
    /// An account on a target, such as `deploy`.
    Login, "login", |what, text| {
        check_foreign(what, text, 64)?;
        if text.contains(['/', ' ', ':', '@', '|']) {
            return Err(NameError::new(what, text, "it has a character that is not allowed in a login"));
        }
        Ok(())
    }
);
name!(
    /// A group as one issuer named it: `issuer/group`. Equal group names of two issuers are two groups.
    GroupName, "group", |what, text| qualified(what, text)
);
name!(
    /// A user or service as one issuer named it: `issuer/name`.
    PrincipalId, "principal", |what, text| qualified(what, text)
);

fn qualified(what: &'static str, text: &str) -> Result<(), NameError> {
    let Some((issuer, name)) = text.split_once('/') else {
        return Err(NameError::new(what, text, "it is written ISSUER/NAME"));
    };
    check_word("issuer name", issuer)?;
    check_foreign(what, name, 255)
}

impl PrincipalId {
    /// The name `name` of issuer `issuer`.
    ///
    /// # Errors
    /// When the issuer's claim holds a name that is empty, longer than 255 bytes or unsafe to show.
    pub fn new(issuer: &IssuerName, name: &str) -> Result<Self, NameError> {
        format!("{issuer}/{name}").parse()
    }

    /// The issuer's part.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.split_once('/').map_or("", |(issuer, _)| issuer)
    }

    /// The name without regard to upper and lower case, in which issuers do not agree. For telling people apart where two are asked
    /// for; what is permitted is permitted to the name as it is.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }

    /// Whether the other is the same one, however it is written.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        self == other || self.folded() == other.folded()
    }
}

impl GroupName {
    /// The group `name` of issuer `issuer`.
    ///
    /// # Errors
    /// As [`PrincipalId::new`].
    pub fn new(issuer: &IssuerName, name: &str) -> Result<Self, NameError> {
        format!("{issuer}/{name}").parse()
    }
}
