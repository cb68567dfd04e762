//! The way to a target: an address that the bastion dials, or whoever publishes it by a reverse tunnel.

use crate::model::TargetName;

use super::reader::Section;

/// The way to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The bastion connects to this host and port.
    Direct(String),
    /// A channel on the connection of somebody who publishes the target of this name (`ssh -R`).
    Reverse(TargetName),
}

impl Route {
    /// The address that is dialled, or that there is none.
    #[must_use]
    pub fn shown(&self) -> &str {
        match self {
            Self::Direct(address) => address,
            Self::Reverse(_) => "reverse",
        }
    }
}

/// The two ways, as the configuration names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// To an address.
    Direct,
    /// Through whoever publishes the target.
    Reverse,
}

impl RouteKind {
    /// Each by its word in the configuration.
    pub const WORDS: [(&str, Self); 2] = [("direct", Self::Direct), ("reverse", Self::Reverse)];
}

/// What a target says of the way to it, beside an address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    /// The target's name, if it has one.
    pub(super) name: Option<&'a TargetName>,
    pub(super) route: RouteKind,
}

impl Way<'_> {
    /// The way, for a target at `address`.
    pub(super) fn to(self, address: String) -> Option<Route> {
        match self.route {
            RouteKind::Direct => Some(Route::Direct(address)),
            RouteKind::Reverse => self.name.cloned().map(Route::Reverse),
        }
    }
}

/// The way to a target that is known by its address, and its host; one that is published needs no address: it only says the host.
pub(super) fn read_address(section: &Section<'_>, port: u16, way: Way<'_>) -> Option<(Route, String)> {
    let mend = format!("host and port, as in \"10.0.0.5:{port}\"");
    if way.route == RouteKind::Reverse && !section.has("address") {
        return way.name.map(|name| (Route::Reverse(name.clone()), name.to_string()));
    }
    let placed = section.need_string("address", &mend)?;
    let split = placed.value.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0));
    if split.is_none() {
        section.problem(&placed, "is not a host and port", mend);
    }
    let (host, _) = split?;
    let named = host.trim_matches(['[', ']']).to_owned();
    Some((way.to(placed.value.clone())?, named))
}
