//! The six screens. Each keeps what the bastion told, a list of it, and says what a row and the details of one read.

pub(crate) mod audit;
mod columns;
pub(crate) mod inbox;
pub(crate) mod live;
pub(crate) mod privilege;
pub(crate) mod recordings;
pub(crate) mod targets;

pub(crate) use audit::Audit;
pub(crate) use columns::{Cells, columns};
pub(crate) use inbox::Inbox;
pub(crate) use live::Live;
pub(crate) use privilege::Privilege;
pub(crate) use recordings::Recordings;
pub(crate) use targets::Targets;

use crate::Effect;
use crate::decide::imprint;
use crate::detail::Detail;
use crate::listing::Listing;
use crate::safe::Text;
use crate::settings::Screen;
use crate::state::{Pane, State};

/// The list of the screen that is shown.
pub(crate) fn listing(state: &State) -> &Listing {
    match state.screen {
        Screen::Inbox => &state.inbox.list,
        Screen::Live => &state.live.list,
        Screen::Recordings => &state.recordings.list,
        Screen::Targets => &state.targets.list,
        Screen::Audit => &state.audit.list,
        Screen::Privilege => &state.privilege.list,
    }
}

/// The same, to change.
pub(crate) fn listing_mut(state: &mut State) -> &mut Listing {
    match state.screen {
        Screen::Inbox => &mut state.inbox.list,
        Screen::Live => &mut state.live.list,
        Screen::Recordings => &mut state.recordings.list,
        Screen::Targets => &mut state.targets.list,
        Screen::Audit => &mut state.audit.list,
        Screen::Privilege => &mut state.privilege.list,
    }
}

/// The id of the selected row.
pub(crate) fn selected(state: &State) -> Option<Text> {
    listing(state).rows.selected().cloned()
}

/// Puts the rows of the screen in order anew.
pub(crate) fn show(state: &mut State) {
    match state.screen {
        Screen::Inbox => inbox::show(state),
        Screen::Live => live::show(state),
        Screen::Recordings => recordings::show(state),
        Screen::Targets => targets::show(state),
        Screen::Audit => audit::show(state),
        Screen::Privilege => privilege::show(state),
    }
}

/// Goes to `screen`. What it shows is asked for where no events tell of it.
pub(crate) fn enter(state: &mut State, screen: Screen) -> Vec<Effect> {
    let mut effects = crate::replaying::close(state);
    state.screen = screen;
    state.pane = Pane::default();
    state.targets.typing = screen == Screen::Targets;
    show(state);
    effects.extend(match screen {
        Screen::Recordings if !state.recordings.list.told && state.link.is_up() => recordings::fetch(state),
        Screen::Audit if !state.audit.list.told && state.link.is_up() => audit::fetch(state),
        Screen::Privilege if !state.privilege.list.told && state.link.is_up() => privilege::fetch(state),
        _ => Vec::new(),
    });
    effects
}

/// Filters the list as it is typed.
pub(crate) fn set_filter(state: &mut State, text: &str) {
    let now = state.now;
    listing_mut(state).set_filter(text, now);
    show(state);
}

/// The filter is typed: the bastion is asked where not everything is here.
pub(crate) fn filtered(state: &mut State) -> Vec<Effect> {
    if let Some(problem) = listing(state).filter.problem.clone() {
        state.warn(problem);
    }
    match state.screen {
        Screen::Recordings => recordings::fetch(state),
        Screen::Audit => audit::fetch(state),
        _ => Vec::new(),
    }
}

/// A row as it is drawn.
pub(crate) fn row(state: &State, id: &Text, width: usize) -> Cells {
    match state.screen {
        Screen::Inbox => inbox::row(state, id, width),
        Screen::Live => live::row(state, id, width),
        Screen::Recordings => recordings::row(state, id, width),
        Screen::Targets => targets::row(state, id, width),
        Screen::Audit => audit::row(state, id, width),
        Screen::Privilege => privilege::row(state, id, width),
    }
}

/// What stands above the list.
pub(crate) fn title(state: &State) -> String {
    let text = match state.screen {
        Screen::Inbox => inbox::title(state),
        Screen::Live => live::title(state),
        Screen::Recordings => recordings::title(state),
        Screen::Targets => targets::title(state),
        Screen::Audit => audit::title(state),
        Screen::Privilege => privilege::title(state),
    };
    text + &listing(state).suffix()
}

/// What stands in a list without rows.
pub(crate) fn nothing(state: &State) -> &'static str {
    if !state.link.is_up() && !listing(state).told {
        return "waiting for the bastion";
    }
    if !listing(state).filter.is_empty() {
        return "nothing passes the filter";
    }
    match state.screen {
        Screen::Inbox => "nothing waits for an answer",
        Screen::Live => "no live session that you may see",
        Screen::Recordings => "no recording that you may replay",
        Screen::Targets => "no policy lets you reach a target",
        Screen::Audit => "no entry that you may read",
        Screen::Privilege => "no service did anything that you may read of; u takes people in",
    }
}

/// The details of the selected row.
pub(crate) fn detail(state: &State) -> Option<Detail> {
    let id = listing(state).rows.selected()?;
    match state.screen {
        Screen::Inbox => inbox::detail(state, id),
        Screen::Live => live::detail(state, id),
        Screen::Recordings => recordings::detail(state, id),
        Screen::Targets => targets::detail(state, id),
        Screen::Audit => audit::detail(state, id),
        Screen::Privilege => privilege::detail(state, id),
    }
}

/// What the selected row is and says: changes when either does.
pub(crate) fn selected_imprint(state: &State) -> Option<(Screen, Text, u64)> {
    let id = selected(state)?;
    let says = match state.screen {
        Screen::Inbox => state.inbox.all.get(&id).map_or(0, imprint),
        Screen::Live => state.live.all.get(&id).map_or(0, imprint),
        // Nothing is decided on the others.
        _ => 0,
    };
    Some((state.screen, id, says))
}
