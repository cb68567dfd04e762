//! Why a login or a token was not taken. `Display` is one sentence for the visitor, without internal detail and without
//! anything out of a token; [`LoginError::detail`] is for the operator's log.

use std::path::PathBuf;

use crate::model::{IssuerName, Printable};

/// Longest detail that is logged, in characters.
const LONGEST_DETAIL: usize = 400;

/// Why nobody was identified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The visitor named a provider that is not configured.
    #[error("there is no identity provider named `{0}` here")]
    NoSuchIssuer(IssuerName),
    /// Several providers log people in, and the visitor named none.
    #[error("more than one identity provider is offered here; name one of: {0}")]
    WhichIssuer(String),
    /// No provider logs people in.
    #[error("nobody can log in interactively here; no identity provider for people is configured")]
    NoIssuer,
    /// A login was asked for at a provider of services.
    #[error("identity provider `{0}` is for services; give its token as the password of the SSH user `jwt`")]
    ServiceIssuer(IssuerName),
    /// The person, or the provider, said no.
    #[error("the login was refused at identity provider `{0}`")]
    Denied(IssuerName),
    /// The person did not finish in time.
    #[error("the login at identity provider `{0}` was not finished in time; begin again")]
    Expired(IssuerName),
    /// The provider wants to be asked less often (RFC 8628 section 3.5, HTTP 429).
    #[error("identity provider `{0}` is asked too often just now; wait a minute and begin again")]
    SlowDown(IssuerName),
    /// The provider does not answer, and no keys of it are fresh.
    #[error("identity provider `{issuer}` cannot be reached just now; try again in a minute")]
    Unreachable {
        /// Which.
        issuer: IssuerName,
        /// What failed.
        detail: String,
    },
    /// The provider has no endpoint for this kind of login.
    #[error("identity provider `{issuer}` does not offer {what}")]
    NotOffered {
        /// Which.
        issuer: IssuerName,
        /// The kind of login.
        what: &'static str,
    },
    /// The provider's answer breaks its protocol, or refuses the bastion itself.
    #[error("identity provider `{issuer}` gave an answer that cannot be used; the bastion's log says why")]
    BadReply {
        /// Which.
        issuer: IssuerName,
        /// What is wrong with it.
        detail: String,
    },
    /// The redirect address is not on the visitor's own machine.
    #[error("a browser login can only end at http://127.0.0.1:PORT/callback or http://[::1]:PORT/callback")]
    BadRedirect,
    /// What came back from the browser does not belong to this login.
    #[error("the browser's answer does not belong to this login; begin again")]
    BadAnswer {
        /// What is wrong with it.
        detail: &'static str,
    },
    /// The token is not taken.
    #[error("{fault}")]
    Token {
        /// In one closed word.
        fault: TokenFault,
        /// What is wrong with it.
        detail: String,
    },
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Over the size limit.
    #[error("the token is too long")]
    TooLarge,
    /// Not three parts of base64 and JSON, or a needed claim is missing or of a wrong form.
    #[error("the token is not a signed JSON Web Token with the claims that are needed")]
    Malformed,
    /// Its `typ` or a critical header is not one that is taken here.
    #[error("the token is of a kind that is not taken here")]
    Kind,
    /// Not signed, or by an algorithm that is not allowed.
    #[error("the token is not signed by an algorithm that is allowed")]
    Algorithm,
    /// The provider has no such key.
    #[error("the token is signed by a key that its provider does not have")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the token's signature is not its provider's")]
    Signature,
    /// `iss` is nobody that is configured, or not the expected one.
    #[error("the token is of an issuer that is not known here")]
    Issuer,
    /// Only people log in at its issuer, interactively.
    #[error("the token's issuer is for people, who log in interactively; only tokens of services are taken here")]
    UserIssuer,
    /// `aud` does not name the bastion.
    #[error("the token was not made for this bastion (its audience is another)")]
    Audience,
    /// `azp` is another client.
    #[error("the token was given to another client than this bastion's")]
    AuthorizedParty,
    /// `exp` is over.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` is in the future.
    #[error("the token is not valid yet; is a clock wrong?")]
    NotYet,
    /// `nonce` is not the login's own.
    #[error("the token belongs to another login; begin again")]
    Nonce,
    /// The claim that names the principal is missing or not usable as a name.
    #[error("the identity provider gave no usable name for you; ask your operator which claim is expected")]
    Name,
    /// The e-mail address is not verified.
    #[error("your e-mail address is not verified at the identity provider")]
    UnverifiedEmail,
    /// The groups cannot be taken whole.
    #[error("the identity provider's list of your groups cannot be used")]
    Groups,
}

impl LoginError {
    /// What the operator should know beyond the sentence: safe to print, never a token or a code.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Unreachable { issuer, detail } | Self::BadReply { issuer, detail } => format!("{issuer}: {detail}"),
            Self::Token { fault, detail } => format!("{fault:?}: {detail}"),
            Self::BadAnswer { detail } => (*detail).to_owned(),
            other => other.to_string(),
        }
    }

    pub(super) fn token(fault: TokenFault, detail: impl AsRef<str>) -> Self {
        Self::Token { fault, detail: tame(detail.as_ref()) }
    }

    pub(super) fn unreachable(issuer: &IssuerName, detail: impl AsRef<str>) -> Self {
        Self::Unreachable { issuer: issuer.clone(), detail: tame(detail.as_ref()) }
    }

    pub(super) fn bad_reply(issuer: &IssuerName, detail: impl AsRef<str>) -> Self {
        Self::BadReply { issuer: issuer.clone(), detail: tame(detail.as_ref()) }
    }
}

/// Foreign text, escaped and cut.
fn tame(text: &str) -> String {
    let cut: String = text.chars().take(LONGEST_DETAIL).collect();
    Printable(&cut).to_string()
}

/// Why the providers of the configuration cannot be used at all: the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The file of trust anchors cannot be used.
    #[error("issuer `{0}`: ca: {path}: {2}", path = .1.display())]
    Anchors(IssuerName, PathBuf, String),
    /// The URL cannot be parsed.
    #[error("issuer `{0}`: url: {1}")]
    Url(IssuerName, String),
    /// TLS cannot be set up.
    #[error("issuer `{0}`: TLS: {1}")]
    Tls(IssuerName, String),
}
