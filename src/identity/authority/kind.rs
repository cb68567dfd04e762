//! The three authorities. Three, so that a key which leaks or is trusted too widely opens one door and not all.

use crate::model::AuthorityKind;

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
