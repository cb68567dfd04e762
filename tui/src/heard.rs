//! What the bastion says, line by line, into the state.

use serde_json::json;

use crate::event::Connection;
use crate::link::{Asked, LinkState};
use crate::model::Hello;
use crate::screens::{audit, inbox, live, privilege, recordings, targets};
use crate::settings::{Opening, Screen};
use crate::state::State;
use crate::wire::{self, Told};
use crate::{Effect, decide, replaying};

/// The only version of the protocol that is spoken here.
const VERSION: u32 = 1;

/// How the connection stands.
pub(crate) fn connection(state: &mut State, connection: Connection) -> Vec<Effect> {
    let unanswered = match connection {
        // The hello makes it usable.
        Connection::Up => Vec::new(),
        Connection::Lost { why, retry_in } => {
            state.alarm(format!("The connection was lost: {}", crate::safe::shown(&why)));
            let now = state.now;
            state.link.lost(why, retry_in, now)
        }
        Connection::Gone { why } => {
            state.alarm(format!("The connection is over: {}", crate::safe::shown(&why)));
            state.link.gone(why)
        }
    };
    if unanswered.iter().any(|asked| matches!(asked, Asked::Answer { .. } | Asked::Kill { .. })) {
        state.alarm("The connection was lost while a decision was on its way: look whether it was taken");
    }
    decide::check(state);
    Vec::new()
}

/// One line.
pub(crate) fn line(state: &mut State, line: &str) -> Vec<Effect> {
    let head = match wire::head(line) {
        Ok(head) => head,
        Err(why) => {
            state.alarm(crate::safe::shown(&why));
            return Vec::new();
        }
    };
    if let Some(said) = head.hello {
        return hello(state, said);
    }
    if let Some(kind) = head.event {
        return event(state, kind.raw(), line);
    }
    let Some(asked) = head.id.and_then(|id| state.link.answered(id)) else { return Vec::new() };
    match head.error {
        Some(refused) => {
            let text = refused.message.to_string();
            refusal(state, &asked, &text);
            Vec::new()
        }
        None => answer(state, asked, line).unwrap_or_else(|why| {
            state.alarm(crate::safe::shown(&why));
            Vec::new()
        }),
    }
}

/// The bastion is there: everything is asked for anew. Events first, so that nothing happens between.
fn hello(state: &mut State, hello: Hello) -> Vec<Effect> {
    if hello.version != VERSION {
        state.alarm(format!("The bastion speaks version {} of the control protocol; this program speaks {VERSION}", hello.version));
        return Vec::new();
    }
    let again = matches!(state.link.state, LinkState::Lost { .. });
    state.link.state = LinkState::Up;
    state.me.principal = hello.principal;
    state.server = hello.server;
    if again {
        state.say("The connection is there again");
    }
    let mut effects = state.ask(Asked::Whoami, "whoami", json!({}));
    effects.extend(state.ask(Asked::Subscribe, "subscribe", json!({})));
    effects.extend(inbox::fetch(state));
    effects.extend(live::fetch(state));
    effects.extend(targets::fetch(state));
    effects.extend(live::again(state));
    match state.screen {
        Screen::Recordings => effects.extend(recordings::fetch(state)),
        Screen::Audit => effects.extend(audit::fetch(state)),
        Screen::Privilege => effects.extend(privilege::fetch(state)),
        _ => {}
    }
    match state.settings.open.take() {
        Some(Opening::Replay(session)) => effects.extend(replaying::open(state, session.into(), 0)),
        Some(Opening::Watch(session)) => effects.extend(live::watch(state, &session.into())),
        None => {}
    }
    effects
}

fn event(state: &mut State, kind: &str, line: &str) -> Vec<Effect> {
    let effects = match wire::told(kind, line) {
        Ok(Some(Told::Approval(approval))) => inbox::heard(state, *approval),
        Ok(Some(Told::Session(session))) => live::heard(state, *session),
        Ok(Some(Told::Watch(told))) => {
            live::heard_watch(state, *told);
            Vec::new()
        }
        Ok(None) => Vec::new(),
        Err(why) => {
            state.alarm(crate::safe::shown(&why));
            Vec::new()
        }
    };
    decide::check(state);
    effects
}

fn refusal(state: &mut State, asked: &Asked, why: &str) {
    match asked {
        Asked::Watch { session } => {
            live::unwatched(state, session);
            state.warn(format!("Not watched: {why}"));
        }
        Asked::Answer { approval, .. } => {
            state.alarm(format!("The answer to {approval} was not taken: {why}"));
            state.warn(format!("Not taken: {why}"));
        }
        Asked::Kill { .. } => state.warn(format!("Not ended: {why}")),
        Asked::Recordings | Asked::Search => {
            state.recordings.list.told = true;
            state.warn(why);
        }
        Asked::Privilege => {
            state.privilege.list.told = true;
            state.warn(why);
        }
        Asked::Proof { seq } => audit::unproven(state, *seq, why),
        Asked::Audit { .. } => {
            state.audit.list.told = true;
            state.audit.follow = false;
            state.warn(why);
        }
        _ => state.warn(why),
    }
}

fn answer(state: &mut State, asked: Asked, line: &str) -> Result<Vec<Effect>, String> {
    match asked {
        Asked::Whoami => {
            state.me = wire::good(line)?;
            crate::screens::show(state);
        }
        Asked::Subscribe | Asked::Unwatch => {}
        Asked::Approvals => inbox::told(state, wire::good(line)?),
        Asked::Sessions => live::told(state, wire::good(line)?),
        Asked::Targets => targets::told(state, wire::good(line)?),
        Asked::Recordings => recordings::told(state, wire::good(line)?),
        Asked::Search => recordings::found(state, wire::good(line)?),
        Asked::Proof { seq } => audit::proven(state, seq, &wire::good(line)?),
        Asked::Audit { more } => audit::told(state, wire::good(line)?, more),
        Asked::Privilege => privilege::told(state, wire::good(line)?),
        Asked::Watch { session } => live::begun(state, &session, &wire::good(line)?),
        Asked::Kill { session } => state.say(format!("Ended: {session}")),
        Asked::Answer { done, watch, .. } => {
            let effects = inbox::heard(state, wire::good(line)?);
            state.say(done);
            decide::check(state);
            return Ok(effects.into_iter().chain(decide::watch_then(state, watch)).collect());
        }
    }
    decide::check(state);
    Ok(Vec::new())
}
