//! The walk of one session with an HTTP server or a Kubernetes API server: Ask, Identified, Routed, Permit, Taped, Link, and the gateway until it ends.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::header::HeaderValue;
use tokio::sync::mpsc;

use crate::frontdoor::{Ask, BoxFuture, Forwarded, Refusal, Voice, Way};
use crate::gateways::http::{self, Between, Dialect, Headers, Origin, Plain, Reached, Server, Tasks, Visitor, Voucher};
use crate::gateways::kubernetes::{Cluster, streams};
use crate::gateways::ssh::Traffic;
use crate::identity::Caller;
use crate::model::{SessionId, TargetKind, TargetName, Wish};
use crate::upstream::HttpServer;

use super::walk::Begun;
use super::{metrics, rooms::Rooms};

/// Sentences of the broker that wait to be written down: HTTP has no place for them before the answer.
const SAID: usize = 16;

/// How long a token that says who the caller is serves for one request after another, in seconds; each is good for much longer.
const TOKEN: i64 = 60;

struct Far(HttpServer);

impl Origin for Far {
    fn connect(&self, may_be_h2: bool) -> BoxFuture<Result<Reached, Refusal>> {
        let server = self.0.clone();
        Box::pin(async move {
            let (socket, is_h2) = server.connect(may_be_h2).await?;
            Ok(Reached { stream: Box::new(socket), is_h2 })
        })
    }

    fn headers(&self) -> BoxFuture<Result<Headers, Refusal>> {
        let server = self.0.clone();
        Box::pin(async move { server.headers().await })
    }

    fn other_than(&self, shown: Headers) -> BoxFuture<Option<Headers>> {
        let server = self.0.clone();
        Box::pin(async move { server.other_than(&shown).await })
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
        let (to, said) = mpsc::channel(SAID);
        let voice = Voice::through(to, leaving);
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
            voucher: far.target().identity_jwt.then(|| self.voucher(&caller, taped.permit().routed().target().name.clone(), session)),
            said,
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

    /// Says who the caller is, in a token that is made anew now and then.
    fn voucher(&self, caller: &Arc<Caller>, target: TargetName, session: SessionId) -> Voucher {
        let (vouchers, clock, caller) = (Arc::clone(&self.vouchers), Arc::clone(&self.clock), Arc::clone(caller));
        let kept: Mutex<Option<(i64, HeaderValue)>> = Mutex::default();
        Arc::new(move || {
            let now = clock.now();
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, token)) = kept.as_ref().filter(|(made, _)| (0..TOKEN).contains(&(now.as_second() - made))) {
                return Some(token.clone());
            }
            let mut token = HeaderValue::from_str(&vouchers.token(caller.principal(), &target, session, now)).ok()?;
            token.set_sensitive(true);
            Some(kept.insert((now.as_second(), token)).1.clone())
        })
    }
}

/// The server as the gateway knows it.
fn server(far: HttpServer) -> Server {
    let target = far.target();
    Server {
        itself: target.itself.clone(),
        prefix: target.prefix.clone(),
        host: target.host_header.clone(),
        policy_headers: target.policy_headers.clone(),
        origin: Arc::new(Far(far)),
    }
}
