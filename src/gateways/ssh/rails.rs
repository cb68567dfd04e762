//! Guard rails: what the operator wants to know of, or to stop, when it is on the screen of an ordinary shell. Draws what the
//! target sends and looks at each line before the visitor sees it. This is no policy: it decides nothing and can be evaded.
//!
//! Works in small pieces and gives the others their turn in between; output that is made to be dear to draw is slowed. Measured on
//! two shared cores (`cargo bench -p bartizan-recorder --bench drawn`): 25 to 40 MB/s of ordinary output pass one session, 13 MB/s of the
//! shortest lines; 0.5 MB/s of nothing but wiped screens. Sessions that are not looked at pay nothing.

mod gate;
mod lookout;

use std::sync::Arc;
use std::time::Duration;

use bartizan_recorder::Event;
use futures_util::future::BoxFuture;
use regex::Regex;
use russh::{ChannelMsg, ChannelWriteHalf, server};

use crate::frontdoor::sentences;
use crate::model::{RailAction, SessionId};
use crate::record::{Piece, Tape, TapeError};

use super::relay::say;

pub(super) use gate::{Gate, Inlet};
pub use lookout::{Lookout, Trip};

/// Bytes drawn at once, at most and at least.
const PIECE: std::ops::RangeInclusive<usize> = 16..=1024;
/// Bytes drawn at once times cells on the screen: a wiped screen costs in proportion to them, and so a piece some milliseconds at most.
const WORK: usize = 2_000_000;
/// What work costs between two turns of the others, in half nanoseconds.
const TURN: u64 = 2_000_000;
/// What a byte may cost before its session is slowed, in half nanoseconds: ordinary output costs a tenth to a half of it.
const FAIR: u64 = 400;

/// One guard rail.
#[derive(Debug, Clone)]
pub struct Rail {
    /// Its name.
    pub name: String,
    /// What it looks for in a line.
    pub pattern: Regex,
    /// What happens then.
    pub action: RailAction,
    /// What the user is told besides.
    pub message: Option<String>,
}

/// Which guard rails look at one session, and where what they did is written. `daemon` implements it.
pub trait RailDesk: Send + Sync {
    /// Today's guard rails and their epoch, unless it is `known`; the first is 1.
    fn changed(&self, known: u64) -> Option<(u64, Vec<Rail>)>;

    /// Writes that one was triggered, before anything else happens.
    fn triggered<'a>(&'a self, trip: &'a Trip) -> BoxFuture<'a, ()>;

    /// Lets operators see that the session stands still.
    fn frozen<'a>(&'a self, rail: &'a str) -> BoxFuture<'a, ()>;

    /// Writes that it goes on.
    fn resumed<'a>(&'a self, rail: &'a str, by: &'a str) -> BoxFuture<'a, ()>;
}

/// The guard rails of one session.
pub struct Rails {
    desk: Arc<dyn RailDesk>,
    session: SessionId,
    size: Option<(u16, u16)>,
    epoch: u64,
    lookout: Option<Lookout>,
    /// What was spent since the others had their turn, and how much of it was too much; in half nanoseconds.
    spent: u64,
    excess: u64,
}

impl Rails {
    /// Those of `session`, whose terminal has so many columns and rows; none when it has no terminal.
    #[must_use]
    pub fn new(desk: Arc<dyn RailDesk>, session: SessionId, size: Option<(u16, u16)>) -> Self {
        Self { desk, session, size, epoch: 0, lookout: None, spent: 0, excess: 0 }
    }

    /// Follows a changed configuration and a changed window.
    fn follow(&mut self, gate: &Gate<'_>) {
        if let Some((epoch, rails)) = self.desk.changed(self.epoch) {
            self.epoch = epoch;
            match &mut self.lookout {
                Some(lookout) if !rails.is_empty() => lookout.replace(rails),
                lookout => *lookout = Lookout::new(rails, self.size),
            }
        }
        if let Some(size) = gate.size().filter(|size| self.size.is_some_and(|old| old != *size)) {
            self.size = Some(size);
            if let Some(lookout) = &mut self.lookout {
                lookout.look(&Event::Resize { cols: size.0, rows: size.1 });
            }
        }
    }

    /// Lets the others have their turn; rests for as long as was spent too much.
    async fn rest(&mut self, cost: u64, bytes: usize) {
        self.spent += cost;
        self.excess += cost.saturating_sub(bytes as u64 * FAIR);
        if self.spent < TURN {
            return;
        }
        self.spent = 0;
        if self.excess < TURN {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(Duration::from_nanos(std::mem::take(&mut self.excess) / 2)).await;
        }
    }
}

/// Stands between the target and the visitor.
pub(super) struct Watch<'a> {
    /// None where nothing is looked for.
    pub(super) rails: Option<Box<Rails>>,
    pub(super) gate: &'a Gate<'a>,
    pub(super) visitor: &'a ChannelWriteHalf<server::Msg>,
    pub(super) tape: &'a Tape,
    pub(super) has_terminal: bool,
}

impl Watch<'_> {
    /// Returns when `message`, which is recorded already, may be shown.
    ///
    /// # Errors
    /// When what a guard rail did cannot be recorded.
    pub(super) async fn pass(&mut self, message: &ChannelMsg) -> Result<(), TapeError> {
        let (bytes, on_stderr) = match message {
            ChannelMsg::Data { data } => (data, false),
            ChannelMsg::ExtendedData { data, .. } => (data, true),
            _ => return Ok(()),
        };
        let Some(rails) = &mut self.rails else { return Ok(()) };
        rails.follow(self.gate);
        let Some(cells) = rails.lookout.as_ref().map(Lookout::cells) else { return Ok(()) };
        let size = (WORK / cells.max(1)).clamp(*PIECE.start(), *PIECE.end());
        for piece in bytes.chunks(size) {
            Box::pin(self.look(piece, on_stderr)).await?;
        }
        Ok(())
    }

    async fn look(&mut self, piece: &[u8], on_stderr: bool) -> Result<(), TapeError> {
        let Some(rails) = &mut self.rails else { return Ok(()) };
        let Some(lookout) = &mut rails.lookout else { return Ok(()) };
        let (trips, cost) = lookout.look(&if on_stderr { Event::stderr(piece) } else { Event::output(piece) });
        let (desk, session) = (Arc::clone(&rails.desk), rails.session);
        let freezing = trips.iter().find(|trip| trip.action == RailAction::Freeze);
        if freezing.is_some() {
            self.gate.freeze();
        }
        rails.rest(cost, piece.len()).await;
        for trip in &trips {
            desk.triggered(trip).await;
            self.tape.write(vec![Piece::Event(Event::marker(trip.mark()).into_owned())]).await?;
            if trip.action == RailAction::Alert
                && let Some(message) = &trip.message
            {
                self.tell(&sentences::rail_alerts(&trip.rail, message)).await?;
            }
        }
        match freezing {
            Some(trip) => self.stand_still(&*desk, session, trip).await,
            None => Ok(()),
        }
    }

    async fn stand_still(&self, desk: &dyn RailDesk, session: SessionId, trip: &Trip) -> Result<(), TapeError> {
        self.tell(&sentences::rail_froze(&trip.rail, trip.message.as_deref(), &session.to_string(), self.has_terminal)).await?;
        desk.frozen(&trip.rail).await;
        let by = self.gate.resumed().await;
        desk.resumed(&trip.rail, &by).await;
        self.tell(&sentences::rail_resumed(&trip.rail)).await?;
        self.gate.open();
        Ok(())
    }

    async fn tell(&self, text: &str) -> Result<(), TapeError> {
        say(self.visitor, text, self.has_terminal).await;
        self.tape.write(vec![Tape::note(text.trim().to_owned())]).await
    }
}
