//! Moderated sessions: the beginning waits for somebody who watches, and what changes later is said and written down.

use tokio::sync::mpsc;

use crate::audit::Entry;
use crate::frontdoor::{Cause, Refusal, Voice};
use crate::gateways::ssh::Orders;
use crate::record::{Tape, Taped};

use super::live::Running;
use super::rooms::Rooms;

impl Rooms {
    /// Waits until those watch who have to, if any have; policy is asked once more then.
    ///
    /// # Errors
    /// When nobody comes in time, the visitor leaves, the session is ordered to end, or policy says no by now.
    pub(super) async fn wait_for_watchers(&self, taped: &Taped, voice: &Voice, orders: &mut mpsc::Receiver<Orders>) -> Result<(), Refusal> {
        let moderation = taped.permit().moderation();
        if !moderation.is_asked_for() {
            return Ok(());
        }
        let (session, patience) = (taped.permit().session(), self.config.approvals.wait);
        self.changed(session);
        let notice = format!("{}bartizan: session {session} begins when somebody does; Ctrl-C takes it back.\n", moderation.notice());
        voice.say(&notice).await;
        self.remark(taped.tape(), &notice).await?;
        let held = |sentence: String| Refusal { detail: sentence.clone(), sentence, policies: Vec::new(), cause: Cause::Held };
        tokio::select! {
            () = moderation.opened() => {}
            () = voice.left() => return Err(held("The visitor did not wait for somebody to watch.".to_owned())),
            () = tokio::time::sleep(patience) => return Err(held(format!("Nobody came to watch session {session} in time."))),
            sentence = ended(orders, voice) => return Err(held(format!("It was ended before it began: {sentence}."))),
        }
        // Whoever came has written and said it; now policy is asked.
        self.enforcer.watched(taped.permit()).await
    }

    /// Says and writes that a moderated session stands still, or goes on, if that has changed since it was `open`.
    pub(super) fn moderated(&self, running: &Running, was_open: bool) {
        let (moderation, session) = (running.moderation(), running.session());
        match (was_open, moderation.is_open()) {
            (true, false) => {
                self.note(Entry::SessionUnwatched { session });
                let notice = format!("\n{}bartizan: nobody does, so the session stands still\n", moderation.notice());
                running.say(&notice);
            }
            (false, true) => {
                self.note(Entry::SessionWatched { session });
                running.say("\nbartizan: the session is watched and goes on\n");
            }
            _ => return,
        }
        self.changed(session);
    }

    async fn remark(&self, tape: &Tape, text: &str) -> Result<(), Refusal> {
        let written = tape.write(vec![Tape::note(text.trim().to_owned())]).await;
        written.map_err(|error| {
            Refusal::unavailable("This session cannot be recorded, so it is not begun; tell the operator.", error.to_string())
        })
    }
}

/// Resolves when the session is to end, with why. What else is said to it is passed on.
pub(super) async fn ended(orders: &mut mpsc::Receiver<Orders>, voice: &Voice) -> String {
    loop {
        match orders.recv().await {
            Some(Orders::End(sentence, _)) => return sentence,
            Some(Orders::Notice(text)) => voice.say(&text).await,
            Some(Orders::Resume(_)) => {}
            None => return "the bastion stopped".to_owned(),
        }
    }
}
