//! Which target a stream leads to, and the gateway that serves it.

use std::sync::Arc;

use crate::frontdoor::Forwarded;
use crate::identity::Caller;
use crate::model::{TargetKind, TargetName, Wish};

use super::rooms::Rooms;

impl Rooms {
    /// The target of that name, if a stream of `kind` may lead to it.
    pub(super) fn stream_target(&self, name: &str, kind: Option<TargetKind>) -> Option<TargetName> {
        let name: TargetName = name.parse().ok()?;
        let is = self.catalogue().stream(&name)?;
        kind.is_none_or(|kind| kind == is).then_some(name)
    }

    /// The target that a subsystem such as `postgres:orders` leads to.
    pub(super) fn stream_of(&self, wish: &Wish) -> Option<TargetName> {
        let Wish::Subsystem(subsystem) = wish else { return None };
        let (kind, name) = subsystem.split_once(':')?;
        self.stream_target(name, Some(kind.parse().ok()?))
    }

    /// Serves one stream until it ends.
    pub(super) async fn stream(self: Arc<Self>, caller: Arc<Caller>, stream: Forwarded) {
        let (handle, id) = (stream.handle.clone(), stream.channel.id());
        match self.catalogue().stream(&stream.target) {
            Some(kind @ (TargetKind::Http | TargetKind::Kubernetes)) => Box::pin(self.web(caller, stream, kind)).await,
            _ => Box::pin(self.database(caller, stream)).await,
        }
        // Who said nothing that could be answered, or went before that, has to hear that it is over. It may be closed already.
        let _gone = handle.close(id).await;
    }
}
