//! `[limits]`: what a visitor may cost before and after authentication.

use std::time::Duration;

use super::defaults;
use super::reader::Section;

/// Bounds on what one visitor, one address and all visitors together may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From connect to authenticated, unless a device login is being waited for.
    pub login_grace: Duration,
    /// Connections in all.
    pub connections: u32,
    /// Connections not yet authenticated, in all.
    pub half_open: u32,
    /// Connections not yet authenticated, from one address.
    pub half_open_per_address: u32,
    /// Connections that wait for a device login to be finished, in all.
    pub waiting_logins: u32,
    /// Attempts on one connection: probes, failures and partial successes count.
    pub authentication_attempts: u32,
    /// Channels open at once on one connection.
    pub channels: u32,
    /// Streams to targets open at once on one connection, by forwards.
    pub forwards: u32,
    /// Publishers of one target, by reverse tunnels.
    pub publishers: u32,
    /// Targets that one connection publishes at once.
    pub published: u32,
    /// Requests on one channel before its program starts.
    pub requests: u32,
    /// Sessions running at once.
    pub sessions: u32,
}

pub(super) fn read(root: &Section<'_>) -> Option<Limits> {
    let Some(section) = root.section("limits") else {
        return Some(Limits::default());
    };
    let most = 1_000_000;
    let grace = Duration::from_secs(1)..=Duration::from_secs(600);
    let login_grace = section.duration("login_grace", grace, defaults::LOGIN_GRACE);
    let connections = section.count("connections", 1..=most, defaults::CONNECTIONS);
    let half_open = section.count("half_open", 1..=most, defaults::HALF_OPEN);
    let half_open_per_address = section.count("half_open_per_address", 1..=most, defaults::HALF_OPEN_PER_ADDRESS);
    let waiting_logins = section.count("waiting_logins", 1..=most, defaults::WAITING_LOGINS);
    let authentication_attempts = section.count("authentication_attempts", 1..=100, defaults::AUTHENTICATION_ATTEMPTS);
    let channels = section.count("channels", 1..=10_000, defaults::CHANNELS);
    let forwards = section.count("forwards", 1..=10_000, defaults::FORWARDS);
    let publishers = section.count("publishers", 1..=1_000, defaults::PUBLISHERS);
    let published = section.count("published", 1..=1_000, defaults::PUBLISHED);
    let requests = section.count("requests", 8..=10_000, defaults::REQUESTS);
    let sessions = section.count("sessions", 1..=most, defaults::SESSIONS);
    section.finish();
    Some(Limits {
        login_grace: login_grace?,
        connections: connections?,
        half_open: half_open?,
        half_open_per_address: half_open_per_address?,
        waiting_logins: waiting_logins?,
        authentication_attempts: authentication_attempts?,
        channels: channels?,
        forwards: forwards?,
        publishers: publishers?,
        published: published?,
        requests: requests?,
        sessions: sessions?,
    })
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            login_grace: defaults::LOGIN_GRACE,
            connections: defaults::CONNECTIONS,
            half_open: defaults::HALF_OPEN,
            half_open_per_address: defaults::HALF_OPEN_PER_ADDRESS,
            waiting_logins: defaults::WAITING_LOGINS,
            authentication_attempts: defaults::AUTHENTICATION_ATTEMPTS,
            channels: defaults::CHANNELS,
            forwards: defaults::FORWARDS,
            publishers: defaults::PUBLISHERS,
            published: defaults::PUBLISHED,
            requests: defaults::REQUESTS,
            sessions: defaults::SESSIONS,
        }
    }
}
