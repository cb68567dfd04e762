//! Line mode on one channel (`tui --plain`, and terminals that can only print): the same core, its words as lines, appended and never
//! taken back. With a terminal, what is typed is echoed; without one, lines come and go as they are, for scripts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bartizan_tui::{Connection, Effect, Event, Settings};
use russh::{ChannelMsg, Sig};
use tokio::time::{Instant, MissedTickBehavior};

use crate::control::Scene;
use crate::model::{Login, TargetName};
use crate::screen::{Keyboard, Line, Stage, Typed, Typing, tame};

use super::super::rooms::Rooms;
use super::errand::{self, Back};
use super::host::{PATIENCE, TICK, at};
use super::{Curtain, Ends, Guest, LOST};

/// How long a script that has said all it had to say can hear the answers.
const HEARING: Duration = Duration::from_secs(2);

/// The longest line that comes without a terminal.
const LONGEST: usize = 8 << 10;

/// Speaks `scene` until it ends.
pub(super) async fn host(rooms: &Arc<Rooms>, guest: Guest, settings: Settings, scene: Scene, ends: Ends) -> Curtain {
    let mut host = Host {
        rooms: Arc::clone(rooms),
        stage: Stage::new(settings, guest.size(), guest.depth()),
        line: rooms.line(&guest.caller),
        keyboard: Keyboard::default(),
        typing: Typing::default(),
        raw: Vec::new(),
        closing: None,
        scene,
        guest,
        ends,
    };
    host.run().await
}

struct Host {
    rooms: Arc<Rooms>,
    guest: Guest,
    scene: Scene,
    ends: Ends,
    stage: Stage,
    line: Line,
    keyboard: Keyboard,
    typing: Typing,
    /// A line that is not whole yet, without a terminal.
    raw: Vec<u8>,
    closing: Option<Instant>,
}

impl Host {
    async fn run(&mut self) -> Curtain {
        let now = self.rooms.clock.now();
        let mut begun = self.stage.begin(now);
        begun.extend(self.stage.hear(now, Event::Connection(Connection::Up)));
        if let Err(curtain) = self.carry_out(begun).await {
            return curtain;
        }
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut typed: Option<Instant> = None;
        loop {
            let silence = typed.zip(self.keyboard.wait()).map(|(typed, wait)| typed + wait);
            let effects = tokio::select! {
                () = self.rooms.stop.cancelled() => return Curtain::because("the bastion is shutting down"),
                message = self.ends.from.wait() => {
                    typed = Some(Instant::now());
                    match message {
                        Some(message) => self.visitor(message).await,
                        None => Err(Curtain::quiet()),
                    }
                }
                () = at(self.closing) => return Curtain::quiet(),
                () = at(silence) => {
                    typed = None;
                    let event = self.keyboard.silence();
                    self.input(event.into_iter().collect()).await
                }
                event = self.line.next() => match event {
                    Some(event) => Ok(self.stage.hear(self.rooms.clock.now(), event)),
                    None => Err(Curtain::because(self.line.why().unwrap_or(LOST))),
                },
                _ = ticks.tick() => Ok(self.stage.tick(self.rooms.clock.now())),
            };
            let done = match effects {
                Ok(effects) => self.carry_out(effects).await,
                Err(curtain) => Err(curtain),
            };
            if let Err(curtain) = done {
                return curtain;
            }
        }
    }

    async fn visitor(&mut self, message: ChannelMsg) -> Result<Vec<Effect>, Curtain> {
        match message {
            ChannelMsg::Data { data } if self.guest.terminal.is_some() => {
                let events = self.keyboard.read(&data);
                self.input(events).await
            }
            ChannelMsg::Data { data } => self.lines(&data),
            ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                self.guest.resize((col_width, row_height), (pix_width, pix_height));
                Ok(self.stage.resize(self.rooms.clock.now(), self.guest.size()))
            }
            ChannelMsg::Eof if self.guest.terminal.is_none() => {
                self.closing = Some(Instant::now() + HEARING);
                Ok(Vec::new())
            }
            ChannelMsg::Signal { signal: Sig::HUP | Sig::INT | Sig::TERM } | ChannelMsg::Eof | ChannelMsg::Close => Err(Curtain::quiet()),
            _ => Ok(Vec::new()),
        }
    }

    async fn input(&mut self, events: Vec<crossterm::event::Event>) -> Result<Vec<Effect>, Curtain> {
        let (mut effects, mut echo) = (Vec::new(), String::new());
        for event in events {
            let (typed, shown) = self.typing.take(&event);
            echo.push_str(&shown);
            match typed {
                Typed::Nothing => {}
                Typed::Line(line) => effects.extend(self.stage.hear(self.rooms.clock.now(), Event::Typed(line))),
                Typed::Leave => return Err(Curtain::quiet()),
            }
        }
        self.say(echo).await?;
        Ok(effects)
    }

    fn lines(&mut self, data: &[u8]) -> Result<Vec<Effect>, Curtain> {
        let mut effects = Vec::new();
        for byte in data {
            if *byte != b'\n' {
                self.raw.push(*byte);
                if self.raw.len() > LONGEST {
                    return Err(Curtain::because("a line is too long"));
                }
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.raw)).into_owned();
            effects.extend(self.stage.hear(self.rooms.clock.now(), Event::Typed(line)));
        }
        Ok(effects)
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), Curtain> {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            let now = self.rooms.clock.now();
            match effect {
                Effect::Send(line) => self.line.send(&line),
                Effect::Replay(order) => self.line.replay(order, |replayer| drop(self.rooms.tasks.spawn_blocking(move || replayer.run()))),
                Effect::Sign(order) => {
                    effects.extend(self.stage.hear(now, Event::Signed { approval: order.approval, signature: Ok(None) }))
                }
                Effect::Unlock => {
                    let why = "over ssh that is a new login: quit and connect again".to_owned();
                    effects.extend(self.stage.hear(now, Event::Unlocked(Err(why))));
                }
                Effect::Print(text) => self.print(&text).await?,
                Effect::Connect { target, login } => effects.extend(self.connect(&target, login.as_deref()).await?),
                Effect::Quit => return Err(Curtain::quiet()),
                Effect::Copy(_) | Effect::Bell | Effect::Redraw | Effect::Suspend => {}
            }
        }
        Ok(())
    }

    async fn print(&mut self, text: &str) -> Result<(), Curtain> {
        let shown = if self.guest.terminal.is_some() {
            self.typing.say(text)
        } else {
            format!("{}\n", tame(text.strip_suffix('\n').unwrap_or(text)))
        };
        self.say(shown).await
    }

    async fn connect(&mut self, target: &str, login: Option<&str>) -> Result<Vec<Effect>, Curtain> {
        let named = login.and_then(|login| login.parse::<Login>().ok()).zip(target.parse::<TargetName>().ok());
        let returned = |said| Event::Returned(said);
        let Some(place) = named.filter(|_| self.guest.terminal.is_some()) else {
            let why = "a session needs a terminal, a login and a target".to_owned();
            return Ok(self.stage.hear(self.rooms.clock.now(), returned(Err(why))));
        };
        let Self { guest, ends, stage, line, rooms, .. } = self;
        let said = match errand::leave_to(rooms, guest, ends, (stage, line), place).await? {
            Ok(Back::Gone) => return Err(Curtain::quiet()),
            // As after `ssh LOGIN@TARGET@bastion`.
            Ok(Back::Ended(status)) if matches!(self.scene, Scene::Picker) => {
                return Err(Curtain { sentence: String::new(), status: status.unwrap_or(1) });
            }
            Ok(Back::Ended(status)) => Ok(errand::said(status)),
            Err(refusal) => Err(refusal.sentence),
        };
        Ok(self.stage.hear(self.rooms.clock.now(), returned(said)))
    }

    /// Who does not read for a while is left alone.
    async fn say(&mut self, text: String) -> Result<(), Curtain> {
        if text.is_empty() {
            return Ok(());
        }
        let sent = tokio::time::timeout(PATIENCE * 5, self.ends.to.data_bytes(text.into_bytes())).await;
        sent.ok().and_then(Result::ok).ok_or_else(Curtain::quiet)
    }
}
