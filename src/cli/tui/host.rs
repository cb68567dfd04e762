//! The loop of the terminal UI in this terminal: on a screen, or in lines.

use std::collections::VecDeque;
use std::pin::Pin;
use std::process::ExitCode;

use bartizan_tui::{Connection, Effect, Event, Settings};
use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};

use super::connection::{Connected, Route, pause};
use super::terminal::{self, Tty};
use crate::cli::local::now;
use crate::cli::{Exit, print};
use crate::screen::{self, ASK, Depth, Keyboard, Keys, Listening, Stage};

const FRAME: Duration = Duration::from_millis(33);
const TICK: Duration = Duration::from_millis(100);
const SETTLED: Duration = Duration::from_millis(30);

/// How long a script that has said all it had to say can hear the answers.
const HEARING: Duration = Duration::from_secs(2);

/// Hosts until the user quits.
pub(super) async fn host(route: Route, settings: Settings, depth: Depth, keys: Option<Keys>) -> Result<ExitCode, Exit> {
    let plain = settings.plain;
    // While the terminal is still the user's own: ssh may have to ask for something.
    let first = route.connect(true, keys.clone()).await.map_err(Exit::incomplete)?;
    let stage = Stage::new(settings, terminal::size(), depth);
    for problem in stage.problems() {
        print::note(problem);
    }
    let (mut tty, typed) = if plain {
        (None, lines().map_err(unusable)?)
    } else {
        let (tty, typed) = Tty::prepare().map_err(unusable)?;
        (Some(tty), typed)
    };
    if let Some(tty) = &mut tty {
        tty.take().map_err(unusable)?;
        if Listening::asks(depth) {
            terminal::write(ASK).map_err(unusable)?;
        }
    }
    let mut host = Host {
        route,
        keys,
        stage,
        tty,
        typed,
        keyboard: Keyboard::default(),
        last: None,
        closing: None,
        resized: None,
        ticked: Instant::now(),
        drawn: None,
        connected: None,
        tries: 0,
        retry: None,
        connecting: None,
        raw: Vec::new(),
        listening: Listening::on(depth),
        interrupts: signal(SignalKind::interrupt()).map_err(unusable)?,
    };
    let ended = host.run(first).await;
    drop(host.tty.take());
    match ended {
        Err(None) => Ok(ExitCode::SUCCESS),
        Err(Some(exit)) => Err(exit),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

pub(super) fn unusable(error: std::io::Error) -> Exit {
    Exit::incomplete(format!("the terminal cannot be used: {error}"))
}

/// Standard input in pieces, for line mode. The thread ends with the process: nothing can take a read back.
fn lines() -> std::io::Result<mpsc::Receiver<Vec<u8>>> {
    use std::io::Read;
    let (sender, receiver) = mpsc::channel(16);
    std::thread::Builder::new().name("lines".to_owned()).spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = std::io::stdin().lock().read(&mut buffer) {
            if sender.blocking_send(buffer.get(..read).unwrap_or_default().to_vec()).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// The end: asked for, or because something failed.
pub(super) type End = Option<Exit>;

/// A try to connect.
type Connecting = Pin<Box<dyn Future<Output = Result<Connected, String>>>>;

pub(super) struct Host {
    pub(super) route: Route,
    pub(super) keys: Option<Keys>,
    pub(super) stage: Stage,
    pub(super) tty: Option<Tty>,
    typed: mpsc::Receiver<Vec<u8>>,
    keyboard: Keyboard,
    last: Option<Instant>,
    closing: Option<Instant>,
    resized: Option<Instant>,
    ticked: Instant,
    drawn: Option<Instant>,
    pub(super) connected: Option<Connected>,
    tries: usize,
    pub(super) retry: Option<Instant>,
    pub(super) connecting: Option<Connecting>,
    /// A line that is not whole yet.
    raw: Vec<u8>,
    listening: Listening,
    pub(super) interrupts: Signals,
}

impl Host {
    async fn run(&mut self, first: Connected) -> Result<(), End> {
        let signals = |kind| signal(kind).map_err(|error| Some(unusable(error)));
        let mut resizes = signals(SignalKind::window_change())?;
        let (mut terminate, mut hang_up) = (signals(SignalKind::terminate())?, signals(SignalKind::hangup())?);
        let begun = self.stage.begin(now());
        self.carry_out(begun).await?;
        let up = self.up(first);
        self.carry_out(up).await?;
        loop {
            let silence = self.last.zip(self.keyboard.wait()).map(|(last, wait)| last + wait);
            let settled = self.resized.map(|resized| resized + SETTLED);
            let tick = self.ticked + if self.stage.is_moving() { FRAME } else { TICK };
            let wanted = self.tty.is_some() && self.stage.is_dirty() && settled.is_none();
            let draw = wanted.then(|| self.drawn.map_or_else(Instant::now, |drawn| drawn + FRAME));
            let effects = tokio::select! {
                biased;
                _ = terminate.recv() => return Err(None),
                _ = hang_up.recv() => return Err(None),
                _ = self.interrupts.recv() => return Err(None),
                typed = self.typed.recv(), if self.closing.is_none() => {
                    if typed.is_none() {
                        self.closing = Some(Instant::now() + HEARING);
                    }
                    self.take(&typed.unwrap_or_default())
                }
                () = at(self.closing) => return Err(None),
                () = at(silence) => {
                    self.last = None;
                    self.keyboard.silence().map(|event| self.input(event)).unwrap_or_default()
                }
                _ = resizes.recv() => { self.resized = Some(Instant::now()); Vec::new() }
                () = at(settled) => { self.resized = None; self.stage.resize(now(), terminal::size()) }
                () = at(draw) => { self.draw()?; Vec::new() }
                said = next(&mut self.connected) => match said {
                    Some(event) => self.stage.hear(now(), event),
                    None => self.is_lost(),
                },
                () = at(self.retry) => { self.try_again(); Vec::new() }
                done = connecting(&mut self.connecting) => self.tried(done),
                () = at(Some(tick)) => { self.ticked = Instant::now(); self.stage.tick(now()) }
            };
            self.carry_out(effects).await?;
        }
    }

    fn draw(&mut self) -> Result<(), End> {
        self.drawn = Some(Instant::now());
        terminal::write(&self.stage.frame()).map_err(|error| Some(unusable(error)))
    }

    fn take(&mut self, bytes: &[u8]) -> Vec<Effect> {
        if self.tty.is_some() {
            self.last = Some(Instant::now());
            if self.listening.take(bytes) {
                // The colours of what is ours are the settings'.
                self.stage.deepen(false);
            }
            let events = self.keyboard.read(bytes);
            return events.into_iter().flat_map(|event| self.input(event)).collect();
        }
        let mut effects = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.raw)).into_owned();
                effects.extend(self.stage.hear(now(), Event::Typed(line)));
            } else if self.raw.len() < 8 << 10 {
                self.raw.push(*byte);
            }
        }
        effects
    }

    fn input(&mut self, event: crossterm::event::Event) -> Vec<Effect> {
        use crossterm::event::Event as Input;
        match event {
            Input::Key(key) => self.stage.hear(now(), Event::Key(key)),
            Input::Mouse(mouse) => self.stage.hear(now(), Event::Mouse(mouse)),
            Input::Paste(text) => self.stage.hear(now(), Event::Paste(text)),
            _ => Vec::new(),
        }
    }

    /// The bastion has said hello.
    pub(super) fn up(&mut self, connected: Connected) -> Vec<Effect> {
        self.tries = 0;
        let mut effects = self.stage.hear(now(), Event::Connection(Connection::Up));
        effects.extend(self.stage.hear(now(), connected.hello.clone()));
        self.connected = Some(connected);
        effects
    }

    pub(super) fn is_lost(&mut self) -> Vec<Effect> {
        let why = self.connected.take().map_or_else(|| "the connection ended".to_owned(), |connected| connected.why());
        self.wait(why)
    }

    fn wait(&mut self, why: String) -> Vec<Effect> {
        let pause = pause(self.tries);
        self.tries = self.tries.saturating_add(1);
        self.retry = Some(Instant::now() + pause);
        self.stage.hear(now(), Event::Connection(Connection::Lost { why, retry_in: Some(pause) }))
    }

    /// Connects anew, while everything else goes on.
    fn try_again(&mut self) {
        self.retry = None;
        let (route, keys) = (self.route.clone(), self.keys.clone());
        self.connecting = Some(Box::pin(async move { route.connect(false, keys).await }));
    }

    fn tried(&mut self, tried: Result<Connected, String>) -> Vec<Effect> {
        self.connecting = None;
        match tried {
            Ok(connected) => self.up(connected),
            Err(why) => self.wait(why),
        }
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), End> {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Send(request) => self.connected.iter_mut().for_each(|connected| connected.line.send(&request)),
                Effect::Replay(order) => {
                    if let Some(connected) = &mut self.connected {
                        connected.line.replay(order, |replayer| drop(std::thread::spawn(move || replayer.run())));
                    }
                }
                Effect::Connect { target, login } => effects.extend(self.session(&target, login.as_deref()).await?),
                Effect::Sign(order) => effects.extend(self.sign(*order).await?),
                Effect::Unlock => effects.extend(self.unlock().await?),
                Effect::Copy(text) => self.beside(&screen::clipboard(&text))?,
                Effect::Bell => self.beside(b"\x07")?,
                Effect::Redraw => self.stage.forget(),
                Effect::Suspend => self.suspend()?,
                Effect::Print(text) => print::out(&screen::tame(&text)).map_err(Some)?,
                Effect::Quit => return Err(None),
            }
        }
        Ok(())
    }

    fn beside(&self, bytes: &[u8]) -> Result<(), End> {
        if self.tty.is_none() {
            return Ok(());
        }
        terminal::write(bytes).map_err(|error| Some(unusable(error)))
    }

    fn suspend(&mut self) -> Result<(), End> {
        let Some(tty) = &mut self.tty else { return Ok(()) };
        tty.leave();
        // Comes back when the shell continues us.
        kill_process(getpid(), Signal::TSTP).map_err(|error| Some(unusable(error.into())))?;
        tty.take().map_err(|error| Some(unusable(error)))?;
        self.resized = Some(Instant::now());
        self.stage.forget();
        Ok(())
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn connecting(connecting: &mut Option<Connecting>) -> Result<Connected, String> {
    match connecting {
        Some(connecting) => connecting.await,
        None => std::future::pending().await,
    }
}

pub(super) async fn next(connected: &mut Option<Connected>) -> Option<Event> {
    match connected {
        Some(connected) => connected.next().await,
        None => std::future::pending().await,
    }
}
