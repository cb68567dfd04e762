//! All that the terminal UI knows.

use bartizan_recorder::Grid;
use jiff::Timestamp;

use crate::keys::Keymap;
use crate::link::{Asked, Link};
use crate::model::Who;
use crate::overlay::Overlay;
use crate::plain::Plain;
use crate::player;
use crate::safe::Text;
use crate::screens::{Audit, Inbox, Live, Privilege, Recordings, Targets};
use crate::settings::{Screen, Settings, ThemeName};
use crate::{Effect, theme};

/// How long a sentence stays, in seconds.
const NOTICE_SECONDS: i64 = 10;
/// Alarms that are kept.
const ALARMS: usize = 100;
/// How long nothing can be decided after the selected row changed, and after a question was asked, in milliseconds.
pub(crate) const GUARD_MS: i128 = 400;

/// All that the terminal UI knows. Made by [`State::new`], changed by [`update`](crate::update), drawn by [`view`](crate::view()).
#[derive(Debug)]
pub struct State {
    pub(crate) settings: Settings,
    pub(crate) problems: Vec<String>,
    pub(crate) keys: Keymap,
    pub(crate) now: Timestamp,
    pub(crate) size: (u16, u16),
    pub(crate) link: Link,
    pub(crate) me: Who,
    pub(crate) server: Text,
    pub(crate) screen: Screen,
    pub(crate) pane: Pane,
    pub(crate) inbox: Inbox,
    pub(crate) live: Live,
    pub(crate) recordings: Recordings,
    pub(crate) targets: Targets,
    pub(crate) audit: Audit,
    pub(crate) privilege: Privilege,
    pub(crate) replay: Option<Replaying>,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) notice: Option<Notice>,
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) unseen_alarms: usize,
    pub(crate) guard: Guard,
    pub(crate) idle: Idle,
    pub(crate) plain: Plain,
    pub(crate) dirty: bool,
}

/// Which part of a screen takes the keys, and how large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pane {
    /// The details take the keys, not the list.
    pub(crate) detail: bool,
    /// The details take the whole screen.
    pub(crate) large: bool,
    /// Lines of the details above what is shown.
    pub(crate) top: usize,
}

/// A recording that is open.
#[derive(Debug)]
pub(crate) struct Replaying {
    pub(crate) session: Text,
    pub(crate) player: player::State,
    pub(crate) grid: Grid,
    pub(crate) next_us: Option<u64>,
    /// An order is under way: no other is given before its answer.
    pub(crate) busy: bool,
    /// It is open.
    pub(crate) open: bool,
    pub(crate) last_tick: Timestamp,
}

/// A sentence for the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) bad: bool,
    pub(crate) at: Timestamp,
}

/// Something that should not be missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) at: Timestamp,
    pub(crate) text: String,
}

/// Keeps a person from deciding about a row that has just changed under their finger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Guard {
    /// What was selected, and what it said.
    pub(crate) selected: Option<(Screen, Text, u64)>,
    pub(crate) changed_at: Option<Timestamp>,
}

/// When a person was last there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Idle {
    pub(crate) last_key: Option<Timestamp>,
    /// Everything is hidden; what is said about it.
    pub(crate) locked: Option<String>,
}

impl State {
    /// At the beginning, without a connection.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let (keys, problems) = Keymap::new(&settings.keys);
        let targets = Targets { typing: settings.start == Screen::Targets, ..Targets::default() };
        Self {
            keys,
            problems,
            now: Timestamp::UNIX_EPOCH,
            size: (80, 24),
            link: Link::new(),
            me: Who::default(),
            server: Text::default(),
            screen: settings.start,
            pane: Pane::default(),
            inbox: Inbox::default(),
            live: Live::default(),
            recordings: Recordings::default(),
            targets,
            audit: Audit::default(),
            privilege: Privilege::default(),
            replay: None,
            overlay: None,
            notice: None,
            alarms: Vec::new(),
            unseen_alarms: 0,
            guard: Guard::default(),
            idle: Idle { last_key: None, locked: None },
            plain: Plain::default(),
            dirty: true,
            settings,
        }
    }

    /// What is wrong with the settings: for the host to print. It changes nothing.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Whether something changed since the last time this was asked, so that it should be drawn.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// Other colours from now on.
    pub fn set_theme(&mut self, theme: ThemeName) {
        self.settings.theme = theme;
        self.dirty = true;
    }

    /// Whether something moves by itself: then the host ticks more often.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.replay.as_ref().is_some_and(|replay| replay.player.playing)
    }

    pub(crate) fn style(&self, role: theme::Role) -> ratatui::style::Style {
        theme::style(self.settings.theme, role)
    }

    pub(crate) fn has_colour(&self) -> bool {
        self.settings.theme != ThemeName::Mono
    }

    /// The bastion as it is written in a command.
    pub(crate) fn bastion(&self) -> String {
        let name = self.settings.bastion.clone().unwrap_or_else(|| self.server.raw().to_owned());
        if name.is_empty() { "BASTION".to_owned() } else { crate::safe::shown(&name).into_owned() }
    }

    /// The same behind `--bastion`.
    pub(crate) fn bastion_option(&self) -> String {
        let line = self.bastion();
        match line.strip_prefix("-p ").and_then(|rest| rest.split_once(' ')) {
            Some((port, place)) => format!("{place}:{port}"),
            None => line,
        }
    }

    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: false, at: self.now });
    }

    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: true, at: self.now });
    }

    pub(crate) fn alarm(&mut self, text: impl Into<String>) {
        if self.alarms.len() >= ALARMS {
            self.alarms.remove(0);
        }
        self.alarms.push(Alarm { at: self.now, text: text.into() });
        self.unseen_alarms = (self.unseen_alarms + 1).min(ALARMS);
    }

    pub(crate) fn notice(&self) -> Option<&Notice> {
        self.notice.as_ref().filter(|notice| self.now.duration_since(notice.at).as_secs() < NOTICE_SECONDS)
    }

    /// Asks the bastion; says so when that cannot be done.
    pub(crate) fn ask(&mut self, asked: Asked, what: &str, fields: serde_json::Value) -> Vec<Effect> {
        if let Some(effect) = self.link.ask(asked, what, fields) {
            return vec![effect];
        }
        let why = if self.link.is_up() {
            "The bastion does not answer; wait, or press ctrl-c"
        } else {
            "There is no connection to the bastion now"
        };
        self.warn(why);
        Vec::new()
    }

    /// Whether a decision may be taken now: not within [`GUARD_MS`] of `since`.
    pub(crate) fn settled(&self, since: Option<Timestamp>) -> bool {
        since.is_none_or(|since| self.now.duration_since(since).as_millis() >= GUARD_MS)
    }
}
