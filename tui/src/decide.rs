//! Decisions: approve, deny, revoke, withdraw, end a session. Each is asked for by a question that repeats what it is about and what
//! it does; only enter on that question sends it, not before the question has been there for a moment, and not when what it is about
//! has changed since or the connection is lost.

use std::hash::{DefaultHasher, Hash, Hasher};

use crossterm::event::{KeyCode, KeyEvent};
use jiff::Timestamp;
use serde_json::json;

use crate::clock::span;
use crate::input::{Input, Typed};
use crate::link::Asked;
use crate::model::{Approval, ApprovalState, Need};
use crate::overlay::Overlay;
use crate::safe::{Text, shown};
use crate::screens::live;
use crate::state::State;
use crate::{Effect, Signature, ToSign};

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Approve,
    Deny,
    Revoke,
    Withdraw,
    Kill,
}

/// A question that waits for a yes or no.
#[derive(Debug)]
pub(crate) struct Confirm {
    pub(crate) decision: Decision,
    /// The approval, or the session.
    pub(crate) id: Text,
    /// What it was about when it was asked: another one closes it.
    about: u64,
    pub(crate) opened_at: Timestamp,
    /// The reason that is typed.
    pub(crate) reason: Option<Input>,
    /// For how long an approval would be, in seconds, and what 1, 2 and 3 make it.
    pub(crate) seconds: u64,
    pub(crate) choices: Vec<u64>,
    /// The session to watch then.
    watch: Option<Text>,
    /// The key is asked for its signature.
    pub(crate) signing: bool,
}

/// A number that changes when `thing` does.
pub(crate) fn imprint(thing: &impl std::fmt::Debug) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{thing:?}").hash(&mut hasher);
    hasher.finish()
}

/// Shorter times than `most`, longest last: at most three.
fn shorter(most: u64) -> Vec<u64> {
    const LADDER: [u64; 9] = [60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400];
    let below: Vec<u64> = LADDER.into_iter().filter(|seconds| *seconds < most).collect();
    below.into_iter().rev().take(3).rev().collect()
}

/// Asks about the approval `id`, unless it cannot be decided so.
pub(crate) fn ask(state: &mut State, decision: Decision, id: &Text, then_watch: bool) {
    let Some(approval) = state.inbox.all.get(id).cloned() else { return };
    if let Err(why) = may(state, decision, &approval) {
        state.warn(why);
        return;
    }
    let seconds = approval.valid_seconds();
    let confirm = Confirm {
        decision,
        id: id.clone(),
        about: imprint(&approval),
        opened_at: state.now,
        reason: (decision != Decision::Approve).then(Input::default),
        seconds,
        choices: if decision == Decision::Approve { shorter(seconds) } else { Vec::new() },
        watch: then_watch.then(|| approval.session.clone()),
        signing: false,
    };
    state.overlay = Some(Overlay::Confirm(Box::new(confirm)));
}

/// Asks about ending the session `id`.
pub(crate) fn ask_kill(state: &mut State, id: &Text) {
    let Some(session) = state.live.all.get(id) else { return };
    if !session.is_live() {
        state.say("That session has ended already");
        return;
    }
    let about = session_imprint(state, id);
    if !state.link.is_up() {
        state.warn("Nothing can be decided while the connection is lost");
        return;
    }
    let confirm = Confirm {
        decision: Decision::Kill,
        id: id.clone(),
        about,
        opened_at: state.now,
        reason: Some(Input::default()),
        seconds: 0,
        choices: Vec::new(),
        watch: None,
        signing: false,
    };
    state.overlay = Some(Overlay::Confirm(Box::new(confirm)));
}

/// Whether `decision` can be taken about `approval`; else why not.
fn may(state: &State, decision: Decision, approval: &Approval) -> Result<(), String> {
    let own = approval.is_of(&state.me.principal);
    if !state.link.is_up() {
        return Err("Nothing can be decided while the connection is lost".to_owned());
    }
    match decision {
        Decision::Approve if own => Err("That is your own request: somebody else decides it (W takes it back)".to_owned()),
        Decision::Deny if own => Err("That is your own request: W takes it back".to_owned()),
        Decision::Approve | Decision::Deny | Decision::Withdraw if !approval.waits() => {
            Err(format!("That request is {} already", approval.state.words().1))
        }
        Decision::Approve | Decision::Deny if approval.deadline <= state.now => Err("That request has lapsed".to_owned()),
        Decision::Approve | Decision::Deny if approval.answered_by(&state.me.principal) => {
            Err("You have answered that request already; others must answer it too".to_owned())
        }
        Decision::Approve if !state.settings.can_sign && unsigned_is_nothing(state, approval).is_some() => {
            Err(format!("It wants your signature, and no key is here: {}", by_command(state, approval)))
        }
        Decision::Withdraw if !own => Err("Only your own request can be taken back; D denies this one".to_owned()),
        Decision::Revoke if approval.state != ApprovalState::Approved => Err("Only what was approved can be revoked".to_owned()),
        _ => Ok(()),
    }
}

/// The policy for which an answer of the person counts only if it is signed.
pub(crate) fn unsigned_is_nothing<'a>(state: &State, approval: &'a Approval) -> Option<&'a Need> {
    approval.needs.iter().find(|need| need.signed && need.asks(&state.me.groups))
}

/// What makes a signed answer where the person's key is.
pub(crate) fn by_command(state: &State, approval: &Approval) -> String {
    format!("bartizan approvals approve {} --bastion {}", approval.id, state.bastion_option())
}

/// The question and what it says about keys.
pub(crate) fn question(state: &State, confirm: &Confirm) -> (String, String) {
    let text = match state.inbox.all.get(&confirm.id) {
        Some(approval) if confirm.decision != Decision::Kill => about_approval(confirm, approval),
        _ => about_session(state, &confirm.id),
    };
    let mut keys = Vec::new();
    if confirm.signing {
        return (text, "touch your key to sign · esc = give up".to_owned());
    }
    for (at, seconds) in confirm.choices.iter().enumerate() {
        keys.push(format!("{} {}", at + 1, span(*seconds)));
    }
    keys.push("enter = yes".to_owned());
    keys.push("esc = no".to_owned());
    (text, keys.join(" · "))
}

fn about_approval(confirm: &Confirm, approval: &Approval) -> String {
    let (place, who) = (approval.place(), &approval.principal.id);
    let what = shown(approval.operation.raw());
    let scope = if approval.needs.iter().any(|need| need.whole_session) { " and what else its policy holds in this session" } else { "" };
    match confirm.decision {
        Decision::Approve => {
            let (given, asked) = approval.quorum();
            let others = asked.saturating_sub(given + 1);
            let more = if others > 0 { format!(", {others} more needed then") } else { String::new() };
            format!("Approve {place} for {who}, {}{more}? {}{scope}: {what}", span(confirm.seconds), approval.action)
        }
        Decision::Deny => format!("Deny {place} to {who}? {}: {what}", approval.action),
        Decision::Revoke => format!("Revoke {place} for {who}, and stop what it allowed? {}: {what}", approval.action),
        Decision::Withdraw | Decision::Kill => format!("Take back your request for {place}? {}: {what}", approval.action),
    }
}

fn about_session(state: &State, id: &Text) -> String {
    let Some(session) = state.live.all.get(id) else { return "End a session that is not listed any more?".to_owned() };
    format!("End the session of {} on {} at once? {}, {id}", session.principal.id, session.place(), session.wish)
}

/// Takes a key on the question.
pub(crate) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let Some(Overlay::Confirm(confirm)) = &mut state.overlay else { return Vec::new() };
    if key.code == KeyCode::Esc {
        state.overlay = None;
        state.say("Nothing was decided");
        return Vec::new();
    }
    if confirm.signing {
        return Vec::new();
    }
    if let Some(reason) = &mut confirm.reason {
        return if reason.press(key) == Typed::Done { yes(state) } else { Vec::new() };
    }
    match key.code {
        KeyCode::Enter => yes(state),
        KeyCode::Char(digit @ '1'..='9') => {
            let at = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok()).and_then(|digit| digit.checked_sub(1));
            if let Some(seconds) = at.and_then(|at| confirm.choices.get(at)) {
                confirm.seconds = *seconds;
            }
            Vec::new()
        }
        KeyCode::Char('n' | 'q') => {
            state.overlay = None;
            state.say("Nothing was decided");
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// The person says yes to the question.
pub(crate) fn yes(state: &mut State) -> Vec<Effect> {
    check(state);
    let Some(Overlay::Confirm(confirm)) = &state.overlay else { return Vec::new() };
    if !state.settled(Some(confirm.opened_at)) {
        return Vec::new();
    }
    let Some(order) = to_sign(state, confirm) else { return send(state, None) };
    if let Some(Overlay::Confirm(confirm)) = &mut state.overlay {
        confirm.signing = true;
    }
    vec![Effect::Sign(Box::new(order))]
}

/// What is to be signed before the answer is given: nothing where the host has no keys, or the login was without one.
fn to_sign(state: &State, confirm: &Confirm) -> Option<ToSign> {
    let signs = state.settings.can_sign && matches!(confirm.decision, Decision::Approve | Decision::Deny);
    let approval = state.inbox.all.get(&confirm.id).filter(|_| signs)?;
    Some(ToSign {
        approval: confirm.id.raw().to_owned(),
        digest: approval.digest.raw().to_owned(),
        approve: confirm.decision == Decision::Approve,
        for_seconds: confirm.for_seconds(approval),
        reason: confirm.reason(),
        approver: state.me.principal.raw().to_owned(),
        key: state.me.key.as_ref()?.raw().to_owned(),
    })
}

impl Confirm {
    fn reason(&self) -> String {
        self.reason.as_ref().map(Input::text).unwrap_or_default()
    }

    /// For how long at most, where that is less than policy allows.
    fn for_seconds(&self, approval: &Approval) -> Option<u64> {
        (self.decision == Decision::Approve && self.seconds < approval.valid_seconds()).then_some(self.seconds)
    }
}

/// The host has signed, or could not.
pub(crate) fn signed(state: &mut State, approval: &str, signature: Result<Option<Signature>, String>) -> Vec<Effect> {
    check(state);
    let waits = matches!(&state.overlay, Some(Overlay::Confirm(confirm)) if confirm.signing && confirm.id.raw() == approval);
    match signature {
        // It was given up, or changed meanwhile: a late signature decides nothing.
        _ if !waits => Vec::new(),
        Ok(signature) => send(state, signature),
        Err(why) => {
            state.overlay = None;
            state.warn(format!("Not signed, so nothing was decided: {}", shown(&why)));
            Vec::new()
        }
    }
}

fn send(state: &mut State, signature: Option<Signature>) -> Vec<Effect> {
    let Some(Overlay::Confirm(confirm)) = state.overlay.take() else { return Vec::new() };
    let reason = confirm.reason();
    if confirm.decision == Decision::Kill {
        let body = json!({ "session": confirm.id.raw(), "reason": reason });
        return state.ask(Asked::Kill { session: confirm.id }, "session.end", body);
    }
    let Some(approval) = state.inbox.all.get(&confirm.id) else { return Vec::new() };
    let (answer, word) = match confirm.decision {
        Decision::Approve => ("approve", "Approved"),
        Decision::Deny => ("deny", "Denied"),
        Decision::Revoke => ("revoke", "Revoked"),
        Decision::Withdraw | Decision::Kill => ("withdraw", "Taken back"),
    };
    let done = format!("{word}: {} for {}", approval.place(), approval.principal.id);
    let mut body = json!({ "approval": confirm.id.raw(), "answer": answer, "reason": reason });
    if let Some(body) = body.as_object_mut() {
        if let Some(seconds) = confirm.for_seconds(approval) {
            body.insert("for_seconds".to_owned(), json!(seconds));
        }
        if let Some(Signature { text, at }) = signature {
            body.extend([("signature".to_owned(), json!(text)), ("signed_at".to_owned(), json!(at))]);
        }
    }
    state.ask(Asked::Answer { approval: confirm.id, done, watch: confirm.watch }, "approval.answer", body)
}

/// Takes the question away when what it is about has changed, or the connection is lost.
pub(crate) fn check(state: &mut State) {
    let Some(Overlay::Confirm(confirm)) = &state.overlay else { return };
    let now = match confirm.decision {
        Decision::Kill => session_imprint(state, &confirm.id),
        _ => state.inbox.all.get(&confirm.id).map_or(0, imprint),
    };
    if !state.link.is_up() {
        state.overlay = None;
        state.warn("The connection was lost, so nothing was decided");
    } else if now != confirm.about {
        state.overlay = None;
        state.warn("It changed while you looked at it, so nothing was decided: look again");
    }
}

/// Of a session only that it lives matters: what else changes in it changes nothing about ending it.
fn session_imprint(state: &State, id: &Text) -> u64 {
    state.live.all.get(id).map_or(0, |session| imprint(&(session.is_live(), &session.principal.id, &session.target)))
}

/// Goes on after an approval to the session that was approved.
pub(crate) fn watch_then(state: &mut State, session: Option<Text>) -> Vec<Effect> {
    session.map_or_else(Vec::new, |session| live::watch(state, &session))
}
