//! The loop of the terminal UI on one channel. What is drawn is what is newest when the visitor has taken the frame before: who reads
//! slowly sees fewer frames and costs no memory. Nothing in the loop waits for the visitor but the sending itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bartizan_tui::{Connection, Effect, Event, Settings, ThemeName};
use russh::{ChannelMsg, Sig};
use tokio::time::Instant;

use crate::control::Scene;
use crate::frontdoor::sentences;
use crate::model::{Login, TargetName};
use crate::screen::{self, ASK, Depth, ENTER, Keyboard, LEAVE, Line, Listening, Stage};

use super::super::rooms::Rooms;
use super::errand::{self, Back};
use super::{Curtain, Ends, Guest, LOST};

/// Between two frames.
const FRAME: Duration = Duration::from_millis(33);

/// Between two looks at the clock while nothing moves.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// A terminal that is being dragged tells many sizes; the last one counts.
const SETTLED: Duration = Duration::from_millis(30);

/// How long the last words wait for a visitor.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

type Sending = Pin<Box<dyn Future<Output = Result<(), russh::Error>> + Send>>;

/// The colours for a terminal.
pub(super) fn theme(depth: Depth) -> ThemeName {
    match depth {
        Depth::None => ThemeName::Mono,
        Depth::Sixteen | Depth::Indexed => ThemeName::Sixteen,
        Depth::True => ThemeName::Truecolour,
    }
}

/// Shows `scene` until it ends.
pub(super) async fn host(rooms: &Arc<Rooms>, guest: Guest, settings: Settings, scene: Scene, ends: Ends) -> Curtain {
    let (listening, mut extra) = (Listening::on(guest.depth()), ENTER.to_vec());
    if Listening::asks(guest.depth()) {
        extra.extend_from_slice(ASK);
    }
    let mut host = Host {
        rooms: Arc::clone(rooms),
        stage: Stage::new(settings, guest.size(), guest.depth()),
        line: rooms.line(&guest.caller),
        keyboard: Keyboard::default(),
        typed: None,
        resized: None,
        ticked: Instant::now(),
        drawn: None,
        extra,
        listening,
        sending: None,
        scene,
        guest,
        ends,
    };
    host.run().await.unwrap_or_else(|curtain| curtain)
}

struct Host {
    rooms: Arc<Rooms>,
    guest: Guest,
    scene: Scene,
    ends: Ends,
    stage: Stage,
    line: Line,
    keyboard: Keyboard,
    /// When the last bytes came.
    typed: Option<Instant>,
    /// A size that was told, and when.
    resized: Option<Instant>,
    ticked: Instant,
    /// When the last frame was drawn.
    drawn: Option<Instant>,
    /// Bytes beside frames: the bell, the clipboard.
    extra: Vec<u8>,
    sending: Option<Sending>,
    listening: Listening,
}

/// Why the loop woke.
enum Woke {
    Visitor(Option<ChannelMsg>),
    Silence,
    Settled,
    Tick,
    Draw,
    Sent(Result<(), russh::Error>),
    Line(Option<Event>),
    Stop,
}

impl Host {
    /// Goes on until the end, which is the error.
    async fn run(&mut self) -> Result<Curtain, Curtain> {
        let now = self.rooms.clock.now();
        let begun = self.stage.begin(now);
        self.carry_out(begun).await?;
        let up = self.stage.hear(now, Event::Connection(Connection::Up));
        self.carry_out(up).await?;
        loop {
            let woke = self.wait().await;
            let effects = self.act(woke)?;
            self.carry_out(effects).await?;
        }
    }

    async fn wait(&mut self) -> Woke {
        let silence = self.typed.zip(self.keyboard.wait()).map(|(typed, wait)| typed + wait);
        let settled = self.resized.map(|resized| resized + SETTLED);
        let tick = self.ticked + if self.stage.is_moving() { FRAME } else { TICK };
        let wanted = (self.stage.is_dirty() || !self.extra.is_empty()) && self.sending.is_none() && settled.is_none();
        let draw = wanted.then(|| self.drawn.map_or_else(Instant::now, |drawn| drawn + FRAME));
        tokio::select! {
            biased;
            () = self.rooms.stop.cancelled() => Woke::Stop,
            message = self.ends.from.wait() => Woke::Visitor(message),
            sent = done(&mut self.sending) => Woke::Sent(sent),
            () = at(silence) => Woke::Silence,
            () = at(settled) => Woke::Settled,
            () = at(draw) => Woke::Draw,
            said = self.line.next() => Woke::Line(said),
            () = at(Some(tick)) => Woke::Tick,
        }
    }

    fn act(&mut self, woke: Woke) -> Result<Vec<Effect>, Curtain> {
        let now = self.rooms.clock.now();
        Ok(match woke {
            Woke::Stop => return Err(Curtain::because("the bastion is shutting down")),
            Woke::Visitor(Some(message)) => return self.visitor(message),
            // Nobody is there to say anything to.
            Woke::Visitor(None) => return Err(Curtain::quiet()),
            Woke::Silence => {
                self.typed = None;
                let event = self.keyboard.silence();
                event.map(|event| self.input(event)).unwrap_or_default()
            }
            Woke::Settled => {
                self.resized = None;
                self.stage.resize(now, self.guest.size())
            }
            Woke::Tick => {
                self.ticked = Instant::now();
                self.stage.tick(now)
            }
            Woke::Draw => {
                self.draw();
                Vec::new()
            }
            Woke::Sent(sent) => {
                self.sending = None;
                sent.map_err(|_| Curtain::quiet())?;
                Vec::new()
            }
            Woke::Line(Some(event)) => self.stage.hear(now, event),
            Woke::Line(None) => return Err(Curtain::because(self.line.why().unwrap_or(LOST))),
        })
    }

    fn visitor(&mut self, message: ChannelMsg) -> Result<Vec<Effect>, Curtain> {
        match message {
            ChannelMsg::Data { data } => {
                self.typed = Some(Instant::now());
                if self.listening.take(&data) {
                    self.stage.deepen(true);
                }
                let events = self.keyboard.read(&data);
                Ok(events.into_iter().flat_map(|event| self.input(event)).collect())
            }
            ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                self.guest.resize((col_width, row_height), (pix_width, pix_height));
                self.resized = Some(Instant::now());
                Ok(Vec::new())
            }
            ChannelMsg::Signal { signal: Sig::HUP | Sig::INT | Sig::TERM } | ChannelMsg::Eof | ChannelMsg::Close => Err(Curtain::quiet()),
            _ => Ok(Vec::new()),
        }
    }

    fn input(&mut self, event: crossterm::event::Event) -> Vec<Effect> {
        use crossterm::event::Event as Input;
        let now = self.rooms.clock.now();
        match event {
            Input::Key(key) => self.stage.hear(now, Event::Key(key)),
            Input::Mouse(mouse) => self.stage.hear(now, Event::Mouse(mouse)),
            Input::Paste(text) => self.stage.hear(now, Event::Paste(text)),
            _ => Vec::new(),
        }
    }

    fn draw(&mut self) {
        self.drawn = Some(Instant::now());
        let mut bytes = std::mem::take(&mut self.extra);
        bytes.extend(self.stage.frame());
        if !bytes.is_empty() {
            self.send(bytes);
        }
    }

    fn send(&mut self, bytes: Vec<u8>) {
        let to = Arc::clone(&self.ends.to);
        self.sending = Some(Box::pin(async move { to.data_bytes(bytes).await }));
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), Curtain> {
        let mut effects = std::collections::VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Connect { target, login } => effects.extend(self.connect(&target, login.as_deref()).await?),
                effect => effects.extend(self.do_one(effect)?),
            }
        }
        Ok(())
    }

    fn do_one(&mut self, effect: Effect) -> Result<Vec<Effect>, Curtain> {
        let now = self.rooms.clock.now();
        match effect {
            Effect::Send(line) => self.line.send(&line),
            Effect::Replay(order) => self.line.replay(order, |replayer| drop(self.rooms.tasks.spawn_blocking(move || replayer.run()))),
            // Never asked for: the key is on the visitor's machine, out of our reach. The core says what to type there.
            Effect::Sign(order) => return Ok(self.stage.hear(now, Event::Signed { approval: order.approval, signature: Ok(None) })),
            Effect::Unlock => {
                let why = "over ssh that is a new login: quit and connect again".to_owned();
                return Ok(self.stage.hear(now, Event::Unlocked(Err(why))));
            }
            Effect::Copy(text) => self.beside(&screen::clipboard(&text)),
            Effect::Bell => self.beside(b"\x07"),
            Effect::Redraw => self.stage.forget(),
            Effect::Quit => return Err(Curtain::quiet()),
            Effect::Suspend | Effect::Print(_) | Effect::Connect { .. } => {}
        }
        Ok(Vec::new())
    }

    /// Sent with the next frame, however many there are until then.
    fn beside(&mut self, bytes: &[u8]) {
        if self.extra.len() < 64 << 10 {
            self.extra.extend_from_slice(bytes);
        }
    }

    /// Leaves the terminal to a session until it ends.
    async fn connect(&mut self, target: &str, login: Option<&str>) -> Result<Vec<Effect>, Curtain> {
        let named = login.and_then(|login| login.parse::<Login>().ok()).zip(target.parse::<TargetName>().ok());
        let now = self.rooms.clock.now();
        let Some(place) = named else {
            return Ok(self.stage.hear(now, Event::Returned(Err("a session needs a login and a target".to_owned()))));
        };
        self.say(LEAVE).await?;
        let Self { guest, ends, stage, line, rooms, .. } = self;
        let ended = errand::leave_to(rooms, guest, ends, (stage, line), place).await?;
        let said = match ended {
            Ok(Back::Gone) => return Err(Curtain::quiet()),
            // As after `ssh LOGIN@TARGET@bastion`.
            Ok(Back::Ended(status)) if matches!(self.scene, Scene::Picker) => {
                return Err(Curtain { sentence: String::new(), status: status.unwrap_or(1) });
            }
            Ok(Back::Ended(status)) => Ok(errand::said(status)),
            Err(refusal) => Err(refusal.sentence),
        };
        self.come_back(said).await
    }

    /// Back on our own screen, once what the session left on the terminal was read.
    async fn come_back(&mut self, said: Result<String, String>) -> Result<Vec<Effect>, Curtain> {
        let sentence = match &said {
            Ok(sentence) | Err(sentence) => sentence.clone(),
        };
        self.say(sentences::for_terminal(&format!("\nbartizan: {sentence}; press a key\n")).as_bytes()).await?;
        loop {
            match self.ends.from.wait().await {
                Some(ChannelMsg::Data { .. }) => break,
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return Err(Curtain::quiet()),
                Some(message) => drop(self.visitor(message)?),
            }
        }
        self.resized = None;
        self.keyboard = Keyboard::default();
        self.extra = ENTER.to_vec();
        self.stage.forget();
        let now = self.rooms.clock.now();
        let mut effects = self.stage.resize(now, self.guest.size());
        effects.extend(self.stage.hear(now, Event::Returned(said)));
        Ok(effects)
    }

    /// Sends after what is under way.
    async fn say(&mut self, bytes: &[u8]) -> Result<(), Curtain> {
        if let Some(sending) = self.sending.take() {
            sending.await.map_err(|_| Curtain::quiet())?;
        }
        self.ends.to.data_bytes(bytes.to_vec()).await.map_err(|_| Curtain::quiet())
    }
}

pub(super) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn done(sending: &mut Option<Sending>) -> Result<(), russh::Error> {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}
