//! The walk of one database session: what the client opens with, then Ask, Identified, Routed, Permit, Taped, Link, and the gateway
//! until it ends.

use std::sync::Arc;

use bartizan_policies::sql::{Catalog, Meaning};
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::enforce::Planner;
use crate::frontdoor::{Ask, BoxFuture, Forwarded, Patience, Refusal, Voice, Way};
use crate::gateways::postgres::{self, Between, Client, Hello, Library, Received};
use crate::gateways::ssh::Traffic;
use crate::identity::Caller;
use crate::model::{TargetName, Wish};
use crate::record::Taped;
use crate::upstream::{CatalogDesk, Dialer, Fresh, Planners, Wanted};

use super::walk::Begun;
use super::{metrics, rooms::Rooms};

/// Sentences of the broker that may wait to be shown.
const SAID: usize = 16;

/// The catalogs of a session's database, and a way to cancel what runs in it.
struct Shelf {
    catalogs: Arc<CatalogDesk>,
    planners: Arc<Planners>,
    dialer: Arc<Dialer>,
    taped: Arc<Taped>,
    key: Option<(u32, Bytes)>,
}

impl Library for Shelf {
    fn catalog(&self, now: bool) -> BoxFuture<Result<Arc<Catalog>, Refusal>> {
        let (catalogs, taped) = (Arc::clone(&self.catalogs), Arc::clone(&self.taped));
        Box::pin(async move {
            let routed = taped.permit().routed();
            let wish = &routed.identified().ask().wish;
            let (Some((target, user)), Wish::Database(database)) = (routed.postgres(), wish) else {
                return Err(Refusal::unavailable("This is no database session.", "no database"));
            };
            let fresh = if now { Fresh::Now } else { Fresh::Usual };
            catalogs.get(&routed.target().name, target, user, database, fresh).await
        })
    }

    fn cancel(&self) -> BoxFuture<()> {
        let (dialer, taped, key) = (Arc::clone(&self.dialer), Arc::clone(&self.taped), self.key.clone());
        Box::pin(async move {
            if let (Some((target, _)), Some(key)) = (taped.permit().routed().postgres(), key) {
                dialer.cancel(target, &key).await;
            }
        })
    }
}

impl Planner for Shelf {
    fn estimates(&self, meaning: Meaning, explains: Vec<Option<String>>) -> BoxFuture<Vec<Option<i64>>> {
        let (planners, taped) = (Arc::clone(&self.planners), Arc::clone(&self.taped));
        Box::pin(async move {
            let routed = taped.permit().routed();
            let (Some((target, user)), Wish::Database(database)) = (routed.postgres(), &routed.identified().ask().wish) else {
                return Vec::new();
            };
            planners.estimates((&routed.target().name, target, user, database), &meaning, &explains).await
        })
    }
}

impl Rooms {
    /// Serves one stream to a PostgreSQL target until it ends.
    pub(super) async fn database(self: Arc<Self>, caller: Arc<Caller>, stream: Forwarded) {
        let Forwarded { visitor, target, channel, handle: _handle, leaving } = stream;
        let mut client = Client::new(channel);
        let hello = match client.receive().await {
            Received::Hello(hello) => hello,
            Received::Cancel(process, key) => {
                self.cancels.cancel(&caller.principal().id, process, &key);
                return client.close().await;
            }
            Received::Nothing => return,
        };
        client.welcome(&hello).await;
        let ask = match self.ask(visitor, target, &hello) {
            Ok(ask) => ask,
            Err(refusal) => return self.turn_away_client(client, &refusal).await,
        };
        let (to, said) = mpsc::channel(SAID);
        let patience = Patience::default();
        let voice = Voice::through(to, leaving.clone());
        let wanted = Wanted { settings: hello.settings() };
        let begin = self.begin(Arc::clone(&caller), ask, &voice, |taped| self.dialer.dial_database(taped, wanted));
        let beginning = client.hearing(said, Box::pin(begin)).await;
        let Begun { link, place, orders } = match beginning {
            Ok(begun) => begun,
            Err(refusal) => return self.turn_away_client(client, &refusal).await,
        };
        let session = link.session();
        metrics::session("begun");
        self.changed(session);
        let traffic = Traffic::default();
        let (taped, socket, ahead, greeting) = link.split();
        let taped = Arc::new(taped);
        let (to, said) = mpsc::channel(SAID);
        let voice = Voice::through(to, patience.leaving());
        let database = match &taped.permit().routed().identified().ask().wish {
            Wish::Database(name) => name.clone(),
            _ => String::new(),
        };
        let between = Between {
            decider: self.enforcer.decider(taped.permit(), &voice),
            registered: self.cancels.register(caller.principal().id.clone(), hello.key_length(), rand::random),
            client,
            hello,
            socket,
            ahead,
            parameters: greeting.parameters,
            cancellable: greeting.key.is_some(),
            state: (greeting.state.role, greeting.state.search_path),
            database,
            tape: taped.tape(),
            analysts: self.analysts.clone(),
            library: Arc::new(Shelf {
                catalogs: Arc::clone(&self.catalogs),
                planners: Arc::clone(&self.planners),
                dialer: Arc::clone(&self.dialer),
                taped: Arc::clone(&taped),
                key: greeting.key,
            }),
            said,
            patience: &patience,
            leaving,
            traffic: &traffic,
            mask_key: Arc::clone(&self.mask_key),
        };
        let ended = Box::pin(postgres::relay(between, orders)).await;
        self.close(&taped, ended, &traffic).await;
        drop(place);
        self.changed(session);
    }

    /// What is asked, as the client named it and the configuration offers it.
    fn ask(&self, visitor: crate::frontdoor::Visitor, target: TargetName, hello: &Hello) -> Result<Ask, Refusal> {
        let (login, database) = self.catalogue().choose(&target, hello.user(), hello.database())?;
        Ok(Ask {
            visitor,
            way: Way::Forward,
            target,
            login: Some(login),
            wish: Wish::Database(database),
            terminal: None,
            environment: Vec::new(),
            reason: hello.reason(),
        })
    }

    async fn turn_away_client(&self, client: Client, refusal: &Refusal) {
        metrics::session("refused");
        tracing::info!(detail = %refusal.detail, "a database session was refused");
        client.refuse(refusal).await;
    }
}
