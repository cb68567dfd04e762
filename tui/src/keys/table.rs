//! The table of all keys. A line here is a line of the help, the palette and bartizan-tui(1).

use super::Chord;
use crate::settings::Screen;

/// Where a binding holds. The more special place is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum On {
    /// Everywhere.
    Global,
    /// Wherever there is a list.
    List,
    /// The inbox.
    Inbox,
    /// Live sessions.
    Live,
    /// A session that is watched, over the whole screen.
    Watch,
    /// The list of recordings.
    Recordings,
    /// A recording that is played.
    Replay,
    /// The target picker.
    Targets,
    /// The audit log.
    Audit,
    /// Least privilege.
    Privilege,
}

impl On {
    /// All, the special ones first.
    pub const ALL: [Self; 10] = [
        Self::Inbox,
        Self::Live,
        Self::Watch,
        Self::Recordings,
        Self::Replay,
        Self::Targets,
        Self::Audit,
        Self::Privilege,
        Self::List,
        Self::Global,
    ];

    /// A heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Global => "Everywhere",
            Self::List => "Lists",
            Self::Inbox => "Inbox",
            Self::Live => "Live sessions",
            Self::Watch => "Watching a session",
            Self::Recordings => "Recordings",
            Self::Replay => "Replay",
            Self::Targets => "Targets",
            Self::Audit => "Audit log",
            Self::Privilege => "Least privilege",
        }
    }
}

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Show(Screen),
    Help,
    Palette,
    Back,
    Close,
    Alarms,
    Redraw,
    Suspend,
    Refresh,
    Quit,
    Down,
    Up,
    PageDown,
    PageUp,
    First,
    Last,
    NextPane,
    Mark,
    Range,
    Filter,
    Open,
    Expand,
    Copy,
    Proof,
    Export,
    NewRows,
    Approve,
    ApproveWatch,
    Deny,
    Revoke,
    Withdraw,
    Decided,
    Kill,
    Tile,
    Ended,
    Sort,
    PanLeft,
    PanRight,
    PanUp,
    PanDown,
    FollowCursor,
    SearchAll,
    Kind,
    LoginBefore,
    LoginNext,
    Follow,
    Older,
    People,
    Player(Play),
}

/// What a key does to a recording that is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Play {
    Pause,
    Back,
    Forth,
    FarBack,
    FarForth,
    Step,
    StepBack,
    PlaceBack,
    PlaceForth,
    Slower,
    Faster,
    Idle,
    Tenth,
    Find,
    HitForth,
    HitBack,
    Events,
    EventUp,
    EventDown,
    EventGo,
}

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// What it is called: in the palette, and where keys are set.
    pub name: &'static str,
    /// Where it holds.
    pub on: On,
    /// Its keys, as they are written in a file.
    pub keys: &'static [&'static str],
    /// One or two words for the footer; empty: not there.
    pub short: &'static str,
    /// What it does.
    pub does: &'static str,
    pub(crate) act: Act,
}

impl Binding {
    /// The keys of the table. A key that is none would be left out; a test reads all of them.
    pub(crate) fn chords(&self) -> Vec<Chord> {
        self.keys.iter().filter_map(|key| key.parse().ok()).collect()
    }
}

const fn bind(on: On, name: &'static str, keys: &'static [&'static str], act: Act, short: &'static str, does: &'static str) -> Binding {
    Binding { name, on, keys, short, does, act }
}

const DIGITS: &[&str] = &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// All keys.
pub const BINDINGS: &[Binding] = &[
    bind(On::Inbox, "approve", &["a"], Act::Approve, "approve", "approve: asks first; 1 2 3 there shorten it"),
    bind(On::Inbox, "approve-watch", &["w"], Act::ApproveWatch, "approve+watch", "approve and watch the session: asks first"),
    bind(On::Inbox, "deny", &["D"], Act::Deny, "deny", "deny, with a reason that the caller reads: asks first"),
    bind(On::Inbox, "revoke", &["R"], Act::Revoke, "", "take an approval back: asks first"),
    bind(On::Inbox, "withdraw", &["W"], Act::Withdraw, "", "take your own request back: asks first"),
    bind(On::Inbox, "decided", &["f"], Act::Decided, "decided", "show or hide what is decided"),
    bind(On::Live, "watch", &["w"], Act::Open, "watch", "watch the session"),
    bind(On::Live, "tile", &["t"], Act::Tile, "tile", "watch up to four marked sessions beside each other"),
    bind(On::Live, "kill", &["K"], Act::Kill, "kill", "end the session, with a reason that its user reads: asks first"),
    bind(On::Live, "ended", &["f"], Act::Ended, "", "show or hide sessions that have ended"),
    bind(On::Live, "sort", &["o"], Act::Sort, "sort", "sort by another column"),
    bind(On::Watch, "pan-left", &["h", "left"], Act::PanLeft, "", "look further left"),
    bind(On::Watch, "pan-right", &["l", "right"], Act::PanRight, "", "look further right"),
    bind(On::Watch, "pan-up", &["k", "up"], Act::PanUp, "", "look further up"),
    bind(On::Watch, "pan-down", &["j", "down"], Act::PanDown, "", "look further down"),
    bind(On::Watch, "follow-cursor", &["z"], Act::FollowCursor, "follow", "keep the cursor in view, or not"),
    bind(On::Watch, "watch-expand", &["e"], Act::Expand, "list", "the list beside it, or the whole screen again"),
    bind(On::Watch, "watch-next", &["tab"], Act::NextPane, "next tile", "the next of the watched sessions"),
    bind(On::Watch, "watch-kill", &["K"], Act::Kill, "kill", "end the session, with a reason that its user reads: asks first"),
    bind(On::Watch, "watch-copy", &["y"], Act::Copy, "", "copy the session's id"),
    bind(On::Recordings, "search", &["s"], Act::SearchAll, "search", "search what was recorded"),
    bind(On::Recordings, "proof", &["p"], Act::Proof, "proof", "copy the command that verifies it, and that the log has it"),
    bind(On::Recordings, "export", &["x"], Act::Export, "export", "copy the command that exports it"),
    bind(On::Replay, "pause", &["space"], Act::Player(Play::Pause), "play", "pause or go on"),
    bind(On::Replay, "back", &["left"], Act::Player(Play::Back), "5 s", "5 s back"),
    bind(On::Replay, "forth", &["right"], Act::Player(Play::Forth), "", "5 s on"),
    bind(On::Replay, "far-back", &["shift-left"], Act::Player(Play::FarBack), "", "1 min back"),
    bind(On::Replay, "far-forth", &["shift-right"], Act::Player(Play::FarForth), "", "1 min on"),
    bind(On::Replay, "step-back", &[","], Act::Player(Play::StepBack), "", "one event back"),
    bind(On::Replay, "step", &["."], Act::Player(Play::Step), "step", "one event on"),
    bind(On::Replay, "marker-back", &["["], Act::Player(Play::PlaceBack), "", "last marker"),
    bind(On::Replay, "marker-forth", &["]"], Act::Player(Play::PlaceForth), "marker", "next marker"),
    bind(On::Replay, "slower", &["<"], Act::Player(Play::Slower), "", "slower"),
    bind(On::Replay, "faster", &[">"], Act::Player(Play::Faster), "speed", "faster"),
    bind(On::Replay, "skip-idle", &["i"], Act::Player(Play::Idle), "idle", "skip idle time, or not"),
    bind(On::Replay, "part", DIGITS, Act::Player(Play::Tenth), "", "to 0 to 90 % of it"),
    bind(On::Replay, "find", &["/"], Act::Player(Play::Find), "find", "find text in it"),
    bind(On::Replay, "hit-forth", &["n"], Act::Player(Play::HitForth), "", "next place with the text"),
    bind(On::Replay, "hit-back", &["N"], Act::Player(Play::HitBack), "", "last place with the text"),
    bind(On::Replay, "events", &["tab"], Act::Player(Play::Events), "events", "show or hide the events"),
    bind(On::Replay, "event-up", &["k", "up"], Act::Player(Play::EventUp), "", "the event above"),
    bind(On::Replay, "event-down", &["j", "down"], Act::Player(Play::EventDown), "", "the event below"),
    bind(On::Replay, "event-go", &["enter"], Act::Player(Play::EventGo), "", "go to the event"),
    bind(On::Targets, "connect", &["enter"], Act::Open, "connect", "connect to the target"),
    bind(On::Targets, "kind", &["tab"], Act::Kind, "kind", "only targets of the next kind"),
    bind(On::Targets, "login-before", &["h", "left"], Act::LoginBefore, "", "the account before"),
    bind(On::Targets, "login-next", &["l", "right"], Act::LoginNext, "account", "the next account"),
    bind(On::Targets, "copy-command", &["y"], Act::Copy, "copy", "copy the command that connects"),
    bind(On::Audit, "follow", &["F"], Act::Follow, "follow", "show new entries as they are written, or not"),
    bind(On::Audit, "older", &["m"], Act::Older, "older", "fetch older entries"),
    bind(On::Audit, "proof-entry", &["p"], Act::Proof, "proof", "fetch and check the proof that the transparency log has the entry"),
    bind(On::Audit, "export-log", &["x"], Act::Export, "export", "copy the command that exports the log with its proofs, on the bastion"),
    bind(On::Privilege, "people", &["u"], Act::People, "people", "take people in too, or services only"),
    bind(On::Privilege, "copy-suggest", &["y"], Act::Copy, "copy", "copy the command that suggests what would be enough, on the bastion"),
    bind(On::List, "down", &["j", "down"], Act::Down, "", "down"),
    bind(On::List, "up", &["k", "up"], Act::Up, "", "up"),
    bind(On::List, "page-down", &["ctrl-d", "pagedown"], Act::PageDown, "", "half a page down"),
    bind(On::List, "page-up", &["ctrl-u", "pageup"], Act::PageUp, "", "half a page up"),
    bind(On::List, "first", &["g", "home"], Act::First, "", "to the first"),
    bind(On::List, "last", &["G", "end"], Act::Last, "", "to the last"),
    bind(On::List, "open", &["enter"], Act::Open, "open", "open"),
    bind(On::List, "expand", &["e"], Act::Expand, "", "make the details large, or small again"),
    bind(On::List, "pane", &["tab"], Act::NextPane, "", "the other pane"),
    bind(On::List, "filter", &["/"], Act::Filter, "filter", "filter the list"),
    bind(On::List, "new", &["n"], Act::NewRows, "", "put new rows in their place"),
    bind(On::List, "mark", &["space"], Act::Mark, "", "mark"),
    bind(On::List, "range", &["v"], Act::Range, "", "mark from here on, until pressed again"),
    bind(On::List, "copy", &["y"], Act::Copy, "", "copy the id"),
    bind(On::Global, "inbox", &["1"], Act::Show(Screen::Inbox), "", "the inbox of approvals"),
    bind(On::Global, "live", &["2"], Act::Show(Screen::Live), "", "live sessions"),
    bind(On::Global, "recordings", &["3"], Act::Show(Screen::Recordings), "", "recordings"),
    bind(On::Global, "targets", &["4"], Act::Show(Screen::Targets), "", "targets"),
    bind(On::Global, "audit", &["5"], Act::Show(Screen::Audit), "", "the audit log"),
    bind(On::Global, "rights", &["6"], Act::Show(Screen::Privilege), "", "least privilege: what is granted and what was used"),
    bind(On::Global, "palette", &[":", "ctrl-p"], Act::Palette, "", "type what to do"),
    bind(On::Global, "alarms", &["!"], Act::Alarms, "", "alarms"),
    bind(On::Global, "refresh", &["r"], Act::Refresh, "", "ask the bastion again"),
    bind(On::Global, "redraw", &["ctrl-l"], Act::Redraw, "", "draw everything again"),
    bind(On::Global, "suspend", &["ctrl-z"], Act::Suspend, "", "suspend (local terminals only)"),
    bind(On::Global, "escape", &["esc"], Act::Back, "back", "back by one level; never quits"),
    bind(On::Global, "close", &["q"], Act::Close, "", "close this; at the top: quit"),
    bind(On::Global, "quit", &["ctrl-c"], Act::Quit, "", "quit at once"),
    bind(On::Global, "help", &["?", "F1"], Act::Help, "help", "these keys"),
];
