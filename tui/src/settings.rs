//! What a person can set. The host reads it (TOML) and completes it with what it knows; nothing here touches a file.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The settings. The keys of the file are those that are not marked as the host's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Colours.
    pub theme: ThemeName,
    /// Lines instead of a screen.
    pub plain: bool,
    /// Ring when a request comes in that one may answer.
    pub bell: bool,
    /// Nothing moves that does not have to: timelines and countdowns change by the minute.
    pub reduce_motion: bool,
    /// Hide everything after so many seconds without a key. None: never.
    pub idle_lock_seconds: Option<u32>,
    /// Other keys: the name of what is done, as `?` and bartizan-tui(1) have it, and its keys.
    pub keys: BTreeMap<String, Vec<String>>,
    /// Host: the screen to begin with.
    #[serde(skip)]
    pub start: Screen,
    /// Host: what is opened as soon as the bastion has said hello.
    #[serde(skip)]
    pub open: Option<Opening>,
    /// Host: the bastion as it is reached by ssh, for command lines that are shown. None: as the bastion calls itself.
    #[serde(skip)]
    pub bastion: Option<String>,
    /// Host: it has a terminal of its own that can be suspended.
    #[serde(skip)]
    pub can_suspend: bool,
    /// Host: it can carry out [`Effect::Connect`](crate::Effect::Connect).
    #[serde(skip)]
    pub can_connect: bool,
    /// Host: it can carry out [`Effect::Sign`](crate::Effect::Sign).
    #[serde(skip)]
    pub can_sign: bool,
    /// Host: it can carry out [`Effect::Replay`](crate::Effect::Replay).
    #[serde(skip)]
    pub can_replay: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemeName::default(),
            plain: false,
            bell: true,
            reduce_motion: false,
            idle_lock_seconds: None,
            keys: BTreeMap::new(),
            start: Screen::default(),
            open: None,
            bastion: None,
            can_suspend: false,
            can_connect: true,
            can_sign: false,
            can_replay: true,
        }
    }
}

/// Something to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// The recording of this session.
    Replay(String),
    /// This session, as it goes on.
    Watch(String),
}

/// A set of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThemeName {
    /// The terminal's own sixteen colours.
    #[default]
    Sixteen,
    /// Twenty-four bit colours.
    Truecolour,
    /// None (`NO_COLOR`).
    Mono,
}

impl ThemeName {
    /// All, with their names.
    pub const ALL: [(Self, &'static str); 3] = [(Self::Sixteen, "sixteen"), (Self::Truecolour, "truecolour"), (Self::Mono, "mono")];

    /// These colours, if the terminal has them; else none.
    #[must_use]
    pub fn on(self, has_colour: bool) -> Self {
        if has_colour { self } else { Self::Mono }
    }

    /// Which is named so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, own)| *own == name).map(|(theme, _)| *theme)
    }
}

/// One of the six screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Screen {
    /// Approvals.
    #[default]
    Inbox,
    /// Live sessions.
    Live,
    /// Recordings and replay.
    Recordings,
    /// Where one can go.
    Targets,
    /// The audit log.
    Audit,
    /// Least privilege.
    Privilege,
}

impl Screen {
    /// All, in the order of their digits.
    pub const ALL: [Self; 6] = [Self::Inbox, Self::Live, Self::Recordings, Self::Targets, Self::Audit, Self::Privilege];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inbox => "Inbox",
            Self::Live => "Live",
            Self::Recordings => "Recordings",
            Self::Targets => "Targets",
            Self::Audit => "Audit",
            Self::Privilege => "Rights",
        }
    }
}
