//! Every sentence a visitor can read before and beside their session. Foreign text in them is escaped by the caller's types.

use std::net::IpAddr;
use std::time::Duration;

/// Ends each line as a terminal in raw mode needs it.
#[must_use]
pub fn for_terminal(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// A user name that holds a separator but no target.
#[must_use]
pub fn bad_destination(why: &str) -> String {
    format!("{why}. Write LOGIN@TARGET as the user name, as in: ssh deploy@web-1@bastion")
}

/// What a refused forwarding or request is answered with.
#[must_use]
pub fn refused_by_name(what: &str) -> String {
    format!("bartizan: {what} is not allowed here")
}

/// A forward to something that is not a target.
#[must_use]
pub fn not_a_target(host: &str, port: u32) -> String {
    format!("bartizan: {}:{port} is not a target you can reach; forwards go to target names only (ssh bastion targets)", shown(host))
}

/// A remote forward of something that nobody can publish.
#[must_use]
pub fn not_published(address: &str) -> String {
    format!(
        "bartizan: {} is not a target that is reached through publishers; write its name before the port, as in -R orders:0:127.0.0.1:5432",
        if address.is_empty() { "an address".to_owned() } else { shown(address) }
    )
}

/// A remote forward of a socket, or one in a connection that leads to a target.
#[must_use]
pub fn publish_by_name(what: &str) -> String {
    format!(
        "bartizan: {what} is not allowed here; a target is published to the bastion itself and by its name, as in ssh -N -R orders:0:127.0.0.1:5432 BASTION"
    )
}

/// One target too many, or the same twice.
#[must_use]
pub fn published_already(target: &str, most: u32) -> String {
    format!("bartizan: {} is published by this connection already, or it publishes {most} targets, and no more are taken", shown(target))
}

/// Why nothing was granted on a connection.
#[must_use]
pub fn not_publishing(target: &str, why: &str) -> String {
    format!("bartizan: {} is not published: {why}", shown(target))
}

/// The end of a connection whose caller must leave.
#[must_use]
pub fn shown_out(why: &str) -> String {
    format!("bartizan: {}", shown(why))
}

/// The end of what was published.
#[must_use]
pub fn published_no_longer(target: &str, why: &str) -> String {
    format!("bartizan: you publish {} no longer: {why}", shown(target))
}

/// A forwarded socket whose path leads nowhere.
#[must_use]
pub fn not_a_target_path(path: &str) -> String {
    format!(
        "bartizan: {} does not lead to a target you can reach; paths are written /KIND/TARGET, as in /postgres/orders (ssh bastion targets)",
        shown(path)
    )
}

/// The device-code prompt (RFC 8628 section 3.3). The address and the key let a phished victim see that this login is not theirs.
#[must_use]
pub fn device_prompt<C>(prompt: &super::DevicePrompt<C>, issuer: &str, from: IpAddr, key: Option<&str>) -> String {
    let key = key.map(|key| format!(", with key {key}")).unwrap_or_default();
    let place = prompt.complete_uri.as_deref().unwrap_or(&prompt.uri);
    let minutes = prompt.expires_in.as_secs().div_ceil(60);
    format!(
        "Log in with {issuer} to go on. Open\n\n    {}\n\nand enter the code\n\n    {}\n\nThis login is asked for from {from}{key}.\n\
         If that is not you, do not enter the code. It is good for {minutes} min.\n",
        shown(place),
        shown(&prompt.code),
    )
}

/// Asks which identity provider to use.
#[must_use]
pub fn which_issuer(names: &[String]) -> String {
    format!("Log in with ({}): ", names.join(", "))
}

/// After too many failures.
pub const TOO_MANY_ATTEMPTS: &str = "Too many authentication attempts; connect again.";

/// While too many others wait.
pub const TOO_MANY_LOGINS: &str = "Too many logins are being waited for; try again in a minute.";

/// A session that policy or an operator ended.
#[must_use]
pub fn ended(why: &str) -> String {
    format!("\nbartizan: this session was ended: {why}\n")
}

/// A session that policy lets begin although it cannot be recorded.
pub const UNRECORDED: &str = "bartizan: this session cannot be recorded; policy lets you go on, and the operators were alerted.";

/// Says that the end is near.
#[must_use]
pub fn ends_soon(why: &str, left: Duration) -> String {
    format!("\nbartizan: {why}; this session ends in {} s\n", left.as_secs())
}

/// The bastion is going down.
#[must_use]
pub fn draining(left: Duration) -> String {
    format!("\nbartizan: the bastion is shutting down; this session ends in {} s\n", left.as_secs())
}

/// A guard rail has something to say, and the session goes on.
#[must_use]
pub fn rail_alerts(rail: &str, message: &str) -> String {
    format!("\nbartizan: guard rail \"{}\": {}\n", shown(rail), shown(message))
}

/// A guard rail froze the session.
#[must_use]
pub fn rail_froze(rail: &str, message: Option<&str>, session: &str, has_terminal: bool) -> String {
    let message = message.map(|message| format!(": {}", shown(message))).unwrap_or_default();
    let input = if has_terminal { "What you type meanwhile is dropped." } else { "What you send meanwhile waits." };
    format!(
        "\nbartizan: guard rail \"{}\" froze this session{message}\nAn operator can let it go on or end it; it is session {session}. {input}\n",
        shown(rail)
    )
}

/// A frozen session goes on.
#[must_use]
pub fn rail_resumed(rail: &str) -> String {
    format!("\nbartizan: an operator lets this session go on, which guard rail \"{}\" had frozen\n", shown(rail))
}

fn shown(text: &str) -> String {
    crate::model::Printable(text).to_string()
}
