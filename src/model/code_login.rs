//! How `bartizan login` and the bastion speak of a code login inside keyboard-interactive (RFC 4256): the submethod names where
//! the browser comes back to, one prompt names what it opens, the answer is what came back.

/// Where the browser comes back to, and who is logged in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `http://127.0.0.1:PORT/callback`
    pub uri: String,
    /// The issuer's name, if one was chosen.
    pub issuer: Option<String>,
}

/// The submethod's name; port and issuer follow after dots.
const SUBMETHOD: &str = "bartizan-code";

/// Reads the submethods of a keyboard-interactive request: `bartizan-code.PORT` or `bartizan-code.PORT.ISSUER`.
#[must_use]
pub fn redirect_of(submethods: &str) -> Option<Redirect> {
    let rest = submethods.split(',').find_map(|s| s.strip_prefix(SUBMETHOD)?.strip_prefix('.'))?;
    let (port, issuer) = rest.split_once('.').map_or((rest, None), |(port, issuer)| (port, Some(issuer.to_owned())));
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    Some(Redirect { uri: format!("http://127.0.0.1:{port}/callback"), issuer })
}

/// Writes what [`redirect_of`] reads.
#[must_use]
pub fn submethod(port: u16, issuer: Option<&str>) -> String {
    issuer.map_or_else(|| format!("{SUBMETHOD}.{port}"), |issuer| format!("{SUBMETHOD}.{port}.{issuer}"))
}

/// The prompt that asks for the answer.
#[must_use]
pub fn prompt(authorization_url: &str) -> String {
    format!("Open {authorization_url}\nAnswer: ")
}
