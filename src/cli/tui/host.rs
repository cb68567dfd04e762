//! The loop of the terminal UI in this terminal: on a screen, or in lines.

use std::collections::VecDeque;
use std::process::ExitCode;

use bartizan_tui::{Connection, Effect, Event, Settings};
use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};

use super::connection::{Connected, Route, pause};
use super::terminal::{self, Tty};
use crate::cli::local::now;
use crate::cli::{Exit, print};
use crate::screen::{self, Depth, Keyboard, Keys, Stage};

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
        raw: Vec::new(),
    };
    let ended = host.run(first).await;
    drop(host.tty.take());
    match ended {
        Err(None) => Ok(ExitCode::SUCCESS),
        Err(Some(exit)) => Err(exit),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn unusable(error: std::io::Error) -> Exit {
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
type End = Option<Exit>;

struct Host {
    route: Route,
    keys: Option<Keys>,
    stage: Stage,
    tty: Option<Tty>,
    typed: mpsc::Receiver<Vec<u8>>,
    keyboard: Keyboard,
    last: Option<Instant>,
    closing: Option<Instant>,
    resized: Option<Instant>,
    ticked: Instant,
    drawn: Option<Instant>,
    connected: Option<Connected>,
    tries: usize,
    retry: Option<Instant>,
    /// A line that is not whole yet.
    raw: Vec<u8>,
}

impl Host {
    async fn run(&mut self, first: Connected) -> Result<(), End> {
        let signals = |kind| signal(kind).map_err(|error| Some(unusable(error)));
        let mut resizes = signals(SignalKind::window_change())?;
        let (mut terminate, mut hang_up) = (signals(SignalKind::terminate())?, signals(SignalKind::hangup())?);
        let mut interrupt = signals(SignalKind::interrupt())?;
        let begun = self.stage.begin(now());
        self.carry_out(begun).await?;
        self.is_up(first).await?;
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
                _ = interrupt.recv() => return Err(None),
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
                () = at(self.retry) => self.try_again().await?,
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

    async fn is_up(&mut self, connected: Connected) -> Result<(), End> {
        self.tries = 0;
        let mut effects = self.stage.hear(now(), Event::Connection(Connection::Up));
        effects.extend(self.stage.hear(now(), connected.hello.clone()));
        self.connected = Some(connected);
        self.carry_out(effects).await
    }

    fn is_lost(&mut self) -> Vec<Effect> {
        let said = self.connected.take().and_then(|connected| connected.line.why().map(str::to_owned));
        self.wait(said.unwrap_or_else(|| "the connection ended".to_owned()))
    }

    fn wait(&mut self, why: String) -> Vec<Effect> {
        let pause = pause(self.tries);
        self.tries = self.tries.saturating_add(1);
        self.retry = Some(Instant::now() + pause);
        self.stage.hear(now(), Event::Connection(Connection::Lost { why, retry_in: Some(pause) }))
    }

    async fn try_again(&mut self) -> Result<Vec<Effect>, End> {
        self.retry = None;
        match self.route.connect(false, self.keys.clone()).await {
            Ok(connected) => self.is_up(connected).await.map(|()| Vec::new()),
            Err(why) => Ok(self.wait(why)),
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
                Effect::Sign { approval, .. } => effects.extend(self.stage.hear(now(), Event::Signed { approval, signature: Ok(None) })),
                Effect::Unlock => {
                    let why = "quit and start again to log in again".to_owned();
                    effects.extend(self.stage.hear(now(), Event::Unlocked(Err(why))));
                }
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

    /// Leaves the terminal to the user's own ssh until it ends.
    async fn session(&mut self, target: &str, login: Option<&str>) -> Result<Vec<Effect>, End> {
        let parsed = login.and_then(|login| login.parse::<crate::model::Login>().ok());
        let place = parsed.zip(target.parse::<crate::model::TargetName>().ok());
        let command = place.and_then(|(login, target)| self.route.session(login.as_str(), target.as_str()));
        let Some(mut command) = command else {
            return Ok(self.stage.hear(now(), Event::Returned(Err("a session needs a login and a target".to_owned()))));
        };
        if let Some(tty) = &mut self.tty {
            tty.leave();
        }
        let mut later = Vec::new();
        let status = self.meanwhile(async move { command.status().await }, &mut later).await;
        let said = match status {
            Ok(status) => Ok(format!("the session ended ({status})")),
            Err(error) => Err(format!("ssh cannot be run: {error}")),
        };
        if self.tty.is_some() {
            let sentence = match &said {
                Ok(sentence) | Err(sentence) => sentence,
            };
            terminal::write(format!("\nbartizan: {sentence}; press Enter\n").as_bytes()).map_err(|error| Some(unusable(error)))?;
            // The terminal is still in the user's own mode, and nobody else reads from it.
            let enter = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
            drop(self.meanwhile(enter, &mut later).await);
        }
        if let Some(tty) = &mut self.tty {
            tty.take().map_err(|error| Some(unusable(error)))?;
        }
        self.stage.forget();
        later.extend(self.stage.resize(now(), terminal::size()));
        later.extend(self.stage.hear(now(), Event::Returned(said)));
        Ok(later)
    }

    /// Waits for `work` and keeps the core up to date, so that the bastion need not wait for it.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>, later: &mut Vec<Effect>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                said = next(&mut self.connected) => {
                    let effects = match said {
                        Some(event) => self.stage.hear(now(), event),
                        None => self.is_lost(),
                    };
                    for effect in effects {
                        match (effect, &mut self.connected) {
                            (Effect::Send(request), Some(connected)) => connected.line.send(&request),
                            (Effect::Print(text), _) => later.push(Effect::Print(text)),
                            _ => {}
                        }
                    }
                }
            }
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn next(connected: &mut Option<Connected>) -> Option<Event> {
    match connected {
        Some(connected) => connected.line.next().await,
        None => std::future::pending().await,
    }
}
