//! The walk of one session with an HTTP server or a Kubernetes API server: Ask, Identified, Routed, Permit, Taped, Link, and the gateway until it ends.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::frontdoor::{Ask, BoxFuture, Forwarded, Refusal, Voice, Way};
use crate::gateways::http::{self, Between, Dialect, Origin, Plain, Server, Stream, Tasks, Visitor};
use crate::gateways::kubernetes::{Cluster, streams};
use crate::gateways::ssh::Traffic;
use crate::identity::Caller;
use crate::model::{TargetKind, Wish};
use crate::upstream::HttpServer;

use super::walk::Begun;
use super::{metrics, rooms::Rooms};

/// Sentences of the broker that nobody takes: HTTP has no place for them before the answer.
const SAID: usize = 1;

struct Far(HttpServer);

impl Origin for Far {
    fn connect(&self) -> BoxFuture<Result<Box<dyn Stream>, Refusal>> {
        let server = self.0.clone();
        Box::pin(async move { server.connect().await.map(|socket| Box::new(socket) as Box<dyn Stream>) })
    }
}

impl Rooms {
    /// Serves one stream to a target of either kind until it ends.
    pub(super) async fn web(self: Arc<Self>, caller: Arc<Caller>, stream: Forwarded, kind: TargetKind) {
        let Forwarded { visitor, target, channel, handle: _handle, leaving } = stream;
        let is_kubernetes = kind == TargetKind::Kubernetes;
        let Some(client) = Visitor::hear(channel, is_kubernetes).await else { return };
        let dialect: Arc<dyn Dialect> = if is_kubernetes { Arc::new(Cluster) } else { Arc::new(Plain) };
        let spawner = self.tasks.clone();
        let tasks = Tasks::new(Arc::new(move |work| drop(spawner.spawn(work))));
        // Nobody listens: a mouth whose ear is gone says nothing, and waits for nobody.
        let voice = Voice::through(mpsc::channel(SAID).0, leaving);
        let ask = Ask {
            visitor,
            way: Way::Forward,
            target,
            login: None,
            wish: if is_kubernetes { Wish::Kubernetes } else { Wish::Http },
            terminal: is_kubernetes.then(|| streams::terminal(client.heard())).flatten(),
            environment: Vec::new(),
            reason: None,
        };
        let Begun { link, place, orders } =
            match Box::pin(self.begin(Arc::clone(&caller), ask, &voice, |taped| self.dialer.dial_http(taped))).await {
                Ok(begun) => begun,
                Err(refusal) => {
                    metrics::session("refused");
                    tracing::info!(detail = %refusal.detail, %kind, "a session was refused");
                    return http::refuse(client, dialect, &refusal, &tasks).await;
                }
            };
        let session = link.session();
        metrics::session("begun");
        self.changed(session);
        let traffic = Arc::new(Traffic::default());
        let (taped, far) = link.split();
        let between = Between {
            dialect,
            visitor: client,
            server: server(far),
            principal: caller.principal().id.as_str(),
            session: session.to_string(),
            tape: taped.tape(),
            decider: self.enforcer.decider(taped.permit(), &voice),
            tasks,
            traffic: Arc::clone(&traffic),
            mask_key: Arc::clone(&self.mask_key),
        };
        let ended = Box::pin(http::relay(between, orders)).await;
        self.close(&taped, ended, &traffic).await;
        drop(place);
        self.changed(session);
    }
}

/// The server as the gateway knows it.
fn server(far: HttpServer) -> Server {
    let target = far.target();
    Server {
        itself: target.itself.clone(),
        prefix: target.prefix.clone(),
        host: target.host_header.clone(),
        headers: Arc::clone(far.headers()),
        policy_headers: target.policy_headers.clone(),
        origin: Arc::new(Far(far)),
    }
}
