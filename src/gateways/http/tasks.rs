//! What runs beside a session's own loop: streams of HTTP/2, connections to the server, upgraded connections. Whoever spawns is
//! lent; everything ends with the session.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::frontdoor::BoxFuture;

/// Starts a session's tasks. Cheap to clone.
#[derive(Clone)]
pub struct Tasks {
    spawn: Arc<dyn Fn(BoxFuture<()>) + Send + Sync>,
    over: CancellationToken,
    waited_for: TaskTracker,
}

impl Tasks {
    /// Tasks that `spawn` starts.
    #[must_use]
    pub fn new(spawn: Arc<dyn Fn(BoxFuture<()>) + Send + Sync>) -> Self {
        Self { spawn, over: CancellationToken::new(), waited_for: TaskTracker::new() }
    }

    /// Starts something that ends with the session.
    pub(super) fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        let over = self.over.clone();
        (self.spawn)(Box::pin(async move {
            tokio::select! {
                () = work => {}
                () = over.cancelled() => {}
            }
        }));
    }

    /// Starts something that the session waits for: it ends soon once the session is over.
    pub(super) fn finish(&self, work: impl Future<Output = ()> + Send + 'static) {
        (self.spawn)(Box::pin(self.waited_for.track_future(work)));
    }

    /// The session is over.
    pub(super) fn end(&self) {
        self.over.cancel();
    }

    /// Resolves when the session is to be over.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Resolves when nothing is done any more that is waited for.
    pub(super) async fn done(&self) {
        self.waited_for.close();
        self.waited_for.wait().await;
    }
}

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, work: F) {
        self.start(async move {
            drop(work.await);
        });
    }
}
