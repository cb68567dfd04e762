//! The three authorities. Three, so that a key which leaks or is trusted too widely opens one door and not all.

use std::fmt;

/// Whose certificates an authority signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AuthorityKind {
    /// Users' and services' certificates; the bastion trusts them.
    User,
    /// Host certificates; users trust them.
    Host,
    /// The certificates the bastion shows to targets; targets trust them.
    Target,
}

impl AuthorityKind {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 3] = [Self::User, Self::Host, Self::Target];

    /// The name, also of its file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Host => "host",
            Self::Target => "target",
        }
    }
}

impl fmt::Display for AuthorityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One value for each authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Each<T> {
    pub(super) user: T,
    pub(super) host: T,
    pub(super) target: T,
}

impl<T> Each<T> {
    pub(super) fn make<E>(mut make: impl FnMut(AuthorityKind) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self { user: make(AuthorityKind::User)?, host: make(AuthorityKind::Host)?, target: make(AuthorityKind::Target)? })
    }

    pub(super) fn of(&self, kind: AuthorityKind) -> &T {
        match kind {
            AuthorityKind::User => &self.user,
            AuthorityKind::Host => &self.host,
            AuthorityKind::Target => &self.target,
        }
    }

    pub(super) fn of_mut(&mut self, kind: AuthorityKind) -> &mut T {
        match kind {
            AuthorityKind::User => &mut self.user,
            AuthorityKind::Host => &mut self.host,
            AuthorityKind::Target => &mut self.target,
        }
    }
}
