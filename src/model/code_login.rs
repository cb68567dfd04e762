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

/// The submethod by which a device login names its issuer where there are several; the issuer follows after a dot.
const DEVICE: &str = "bartizan-device";

/// Reads the issuer's name of `bartizan-device.ISSUER` among the submethods of a keyboard-interactive request.
#[must_use]
pub fn device_issuer_of(submethods: &str) -> Option<&str> {
    submethods.split(',').find_map(|s| s.strip_prefix(DEVICE)?.strip_prefix('.'))
}

/// Writes what [`device_issuer_of`] reads.
#[must_use]
pub fn device_submethod(issuer: &str) -> String {
    format!("{DEVICE}.{issuer}")
}

/// The user name that workload tokens are presented under.
pub const TOKEN_USER: &str = "jwt";

/// The submethod by which `bartizan login --token-file` hands over a workload token.
pub const TOKEN_SUBMETHOD: &str = "bartizan-token";

/// A token goes over in parts of this many bytes, since OpenSSH reads no more than 1,023 at a prompt; a shorter part is the last.
pub const TOKEN_PART: usize = 1000;

/// What each part is asked for with.
pub const TOKEN_PROMPT: &str = "Token part: ";

/// Whether `submethods` ask for the token prompt.
#[must_use]
pub fn wants_token(submethods: &str) -> bool {
    submethods.split(',').any(|submethod| submethod == TOKEN_SUBMETHOD)
}

/// Whether `prompt` is the token prompt of the user name `jwt`, as OpenSSH shows it. A jump host asks under another name.
#[must_use]
pub fn is_token_prompt(prompt: &str) -> bool {
    let bare =
        prompt.strip_prefix('(').and_then(|rest| rest.strip_prefix(TOKEN_USER)?.strip_prefix('@')).and_then(|rest| rest.split_once(") "));
    bare.is_some_and(|(_, asked)| asked == TOKEN_PROMPT)
}

/// The longest answer to the prompt that is read, in bytes.
pub const LONGEST_ANSWER: usize = 8 * 1024;
const OPEN: &str = "Open ";
const ANSWER: &str = "\nAnswer: ";

/// The prompt that asks for the answer: the raw query of the redirect, `code=…&state=…` or `error=…&state=…`.
#[must_use]
pub fn prompt(authorization_url: &str) -> String {
    format!("{OPEN}{authorization_url}{ANSWER}")
}

/// The authorization URL in `prompt`, if it is what [`prompt`] writes, with or without the `(user@host) ` that OpenSSH puts
/// before it.
#[must_use]
pub fn url_of_prompt(prompt: &str) -> Option<&str> {
    let bare = match prompt.strip_prefix('(') {
        Some(rest) => rest.split_once(") ")?.1,
        None => prompt,
    };
    let url = bare.strip_prefix(OPEN)?.strip_suffix(ANSWER)?;
    (url.chars().all(|c| c.is_ascii_graphic()) && is_web_page(url)).then_some(url)
}

/// Over https; over plain http from the user's own machine only, as the configuration takes issuers.
fn is_web_page(url: &str) -> bool {
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    url.starts_with("https://") || local.iter().any(|l| url.strip_prefix(l).is_some_and(|rest| rest.starts_with([':', '/'])))
}
