//! Hands on what passes in `exec` or `attach` until one side ends, the session is to end, or it cannot go on.

use std::sync::Arc;
use std::time::Duration;

use bartizan_policies::kubernetes::Streams;
use tokio::time::timeout;

use crate::enforce::Moderation;
use crate::gateways::http::{Ends, Outcome, Relay};

use super::codec::{Codec, Framing};
use super::offer::Offer;
use super::pumps::{Pump, Session, Stop};
use super::told::{self, Ending};

/// How long one side may speak on when the other has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long the client is told that the session was ended; within what the session waits for it.
const FAREWELL: Duration = Duration::from_secs(1);

/// Hands on the streams that were asked for, framed as the server agrees to of what was offered.
pub(in crate::gateways::kubernetes) fn relay(wanted: Streams, offer: Offer, moderation: Arc<Moderation>) -> Relay {
    Box::new(move |ends| {
        Box::pin(async move {
            let framing = match offer.agreed(&ends.agreed) {
                Ok(framing) => framing,
                Err(why) => return cut(why),
            };
            Box::pin(carry(ends, &framing, &wanted, &moderation)).await
        })
    })
}

fn cut(why: String) -> Outcome {
    Outcome { cut: Some(why), ..Outcome::default() }
}

/// What ended it.
enum End {
    Client(Result<(), Stop>),
    Server(Result<(), Stop>),
    Session,
}

async fn carry(ends: Ends, framing: &Framing, wanted: &Streams, moderation: &Moderation) -> Outcome {
    let Ends { client, server, agreed: _, tape, over } = ends;
    let Some((from_client, from_server)) = Codec::pair(framing) else { return cut("it is framed as nobody asked".to_owned()) };
    let ((client_says, to_client), (server_says, to_server)) = (tokio::io::split(client), tokio::io::split(server));
    let mut up = Pump::new(from_client, client_says, to_server);
    let mut down = Pump::new(from_server, server_says, to_client);
    let session = Session { wanted, tape: &tape, moderation };
    let end = {
        let (upward, downward) = (up.up(&session), down.down(&session));
        tokio::pin!(upward, downward);
        let end = tokio::select! {
            done = &mut upward => End::Client(done),
            done = &mut downward => End::Server(done),
            () = over => End::Session,
        };
        // Whoever hears that the other side has ended has little more to say.
        match &end {
            End::Client(Ok(())) => drop(timeout(LAST_WORDS, downward).await),
            End::Server(Ok(())) => drop(timeout(LAST_WORDS, upward).await),
            _ => {}
        }
        end
    };
    // Once the command's end is told, either may leave as it likes.
    let left = |who: &str| down.ending.is_none().then(|| format!("{who} left before the command's end was told"));
    let why = match end {
        End::Client(Ok(()) | Err(Stop::Left)) | End::Server(Err(Stop::Deaf)) => left("the client"),
        End::Server(Ok(()) | Err(Stop::Left)) | End::Client(Err(Stop::Deaf)) => left("the API server"),
        End::Client(Err(stop)) => Some(format!("from the client: {stop}")),
        End::Server(Err(stop)) => Some(format!("from the API server: {stop}")),
        End::Session => Some("the session was ended".to_owned()),
    };
    if let Some(why) = &why {
        // The server is told nothing: the command hears that its connection is gone.
        let _ = timeout(FAREWELL, down.end_with(&told::cut(why))).await;
    }
    let exit = match down.ending {
        Some(Ending::Code(code)) => i32::try_from(code).ok(),
        _ => None,
    };
    Outcome { up: up.passed, down: down.passed, exit, cut: why }
}
