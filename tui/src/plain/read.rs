//! What is typed in plain mode: a letter and a number, or a word.

use super::say;
use crate::Effect;
use crate::clock::parse_span;
use crate::decide::{self, Decision};
use crate::overlay::Overlay;
use crate::safe::{Text, shown};
use crate::screens::{self, live, targets};
use crate::settings::Screen;
use crate::state::State;

/// What can be typed.
pub(crate) const HELP: &[(&str, &str)] = &[
    ("inbox", "what waits for an answer"),
    ("live", "live sessions"),
    ("recordings", "recordings"),
    ("targets", "targets"),
    ("audit", "the audit log"),
    ("rights", "least privilege: what services are granted and what they used"),
    ("filter WORDS", "filter that list, as in filter user:alice since:2h; filter alone shows all"),
    ("sN", "the details of number N"),
    ("aN [TIME]", "approve N, for no longer than TIME, as in a1 15m; asks first"),
    ("dN [REASON]", "deny N; asks first"),
    ("rN [REASON]", "revoke N, which was approved; asks first"),
    ("tN", "take back N, your own request; asks first"),
    ("wN", "watch session N: what comes onto its screen is said in lines that begin with |"),
    ("leave", "watch no more"),
    ("kN [REASON]", "end session N; asks first"),
    ("cN", "connect to target N"),
    ("refresh", "ask the bastion again for that list"),
    ("unlock", "go on after it was locked"),
    ("help", "this"),
    ("quit", "end"),
];

/// Takes a line.
pub(crate) fn read(state: &mut State, line: &str) -> Vec<Effect> {
    let line = line.trim();
    state.idle.last_key = Some(state.now);
    state.notice = None;
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    if matches!(word, "quit" | "exit" | "q") {
        return vec![Effect::Quit];
    }
    if state.idle.locked.is_some() {
        return if word == "unlock" { vec![Effect::Unlock] } else { Vec::new() };
    }
    if let Some(Overlay::Confirm(confirm)) = &state.overlay {
        let signing = confirm.signing;
        return answer(state, word, signing);
    }
    match word {
        "" => Vec::new(),
        "inbox" | "i" => list(state, Screen::Inbox),
        "live" | "l" => list(state, Screen::Live),
        "recordings" => list(state, Screen::Recordings),
        "targets" => list(state, Screen::Targets),
        "audit" => list(state, Screen::Audit),
        "rights" => list(state, Screen::Privilege),
        "filter" => {
            screens::set_filter(state, rest);
            state.plain.list = Some(state.screen);
            screens::filtered(state)
        }
        "leave" => live::stop_all(state),
        "refresh" => {
            let screen = state.screen;
            let effects = crate::perform::refresh(state);
            state.plain.list = Some(screen);
            effects
        }
        "help" | "h" | "?" => {
            state.plain.next.extend(HELP.iter().map(|(word, does)| format!("{word}: {does}")));
            Vec::new()
        }
        _ => numbered(state, word, rest),
    }
}

fn answer(state: &mut State, word: &str, signing: bool) -> Vec<Effect> {
    match word {
        "yes" if signing => Vec::new(),
        "yes" => {
            let effects = decide::yes(state);
            match &state.overlay {
                Some(Overlay::Confirm(confirm)) if confirm.signing => {
                    state.plain.next.push("Touch your key to sign, or type no.".to_owned())
                }
                Some(Overlay::Confirm(_)) => {
                    state.plain.next.push("That was too quick to have been read: type yes again, or no.".to_owned());
                }
                _ => {}
            }
            effects
        }
        _ => {
            state.overlay = None;
            state.say("Nothing was decided");
            Vec::new()
        }
    }
}

fn list(state: &mut State, screen: Screen) -> Vec<Effect> {
    let effects = screens::enter(state, screen);
    state.targets.typing = false;
    state.plain.list = Some(screen);
    effects
}

fn numbered(state: &mut State, word: &str, rest: &str) -> Vec<Effect> {
    let mut chars = word.chars();
    let letter = chars.next().unwrap_or(' ');
    let thing = chars.as_str().parse::<usize>().ok().and_then(|number| state.plain.thing(number));
    let Some((screen, id)) = thing else {
        state.plain.next.push(format!("\"{}\" is not understood, or there is no such number. Type help.", shown(word)));
        return Vec::new();
    };
    match (letter, screen) {
        ('s', _) => {
            let lines = say::details(state, screen, &id);
            state.plain.next.extend(lines);
        }
        ('a', Screen::Inbox) => ask(state, Decision::Approve, &id, rest),
        ('d', Screen::Inbox) => ask(state, Decision::Deny, &id, rest),
        ('r', Screen::Inbox) => ask(state, Decision::Revoke, &id, rest),
        ('t', Screen::Inbox) => ask(state, Decision::Withdraw, &id, rest),
        ('w', Screen::Live) => return live::watch(state, &id),
        ('k', Screen::Live) => {
            decide::ask_kill(state, &id);
            give_reason(state, rest);
        }
        ('c', Screen::Targets) => {
            state.screen = Screen::Targets;
            state.targets.list.rows.select_id(&id);
            return targets::open(state);
        }
        _ => state.plain.next.push(format!("{} cannot be done with that. Type help.", shown(word))),
    }
    Vec::new()
}

/// Asks, with everything there is to know before the question.
fn ask(state: &mut State, decision: Decision, id: &Text, rest: &str) {
    decide::ask(state, decision, id, false);
    let Some(Overlay::Confirm(confirm)) = &mut state.overlay else { return };
    if decision == Decision::Approve {
        match parse_span(rest) {
            Some(seconds) => confirm.seconds = confirm.seconds.min(seconds.max(1)),
            None if rest.is_empty() => {}
            None => {
                state.overlay = None;
                state.plain.next.push("Write a time as in a1 15m: s, m, h or d behind the number.".to_owned());
                return;
            }
        }
    } else {
        give_reason(state, rest);
    }
    let lines = say::details(state, Screen::Inbox, id);
    state.plain.next.extend(lines);
}

fn give_reason(state: &mut State, text: &str) {
    if let Some(Overlay::Confirm(confirm)) = &mut state.overlay
        && let Some(reason) = &mut confirm.reason
    {
        reason.set(text);
    }
}
