//! `recordings play`: hosts the player of `bartizan-tui` in this terminal.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bartizan_recorder::{Grid, Place, Recording, Replay, find_text, places};
use bartizan_tui::player::{self, Effect, Event, State};
use crossterm::event;

use crate::cli::{Common, Exit, print};
use crate::control::recordings::{Finding, Purpose, Search};
use crate::model::Printable;

use super::source::{Far, Which, open};

/// Options of `recordings play`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Times real time
    #[arg(long, short, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Skip pauses of more than two seconds
    #[arg(long, short = 'i')]
    skip_idle: bool,
    /// Begin at this moment: seconds, M:SS, H:MM:SS, a span such as 1m30s, or a part such as 40%
    #[arg(long, value_name = "TIME", value_parser = At::read)]
    at: Option<At>,
    /// Find this, and begin where it is first; `n` and `N` go on to the others
    #[arg(long, value_name = "TEXT", value_parser = super::search::text)]
    search: Option<String>,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Us(u64),
    Percent(u8),
}

impl At {
    fn read(text: &str) -> Result<Self, String> {
        let mend = || "write seconds, M:SS, H:MM:SS, a span such as 1m30s, or a part such as 40%".to_owned();
        if let Some(part) = text.strip_suffix('%') {
            return part.parse().ok().filter(|part| *part <= 100).map(Self::Percent).ok_or_else(mend);
        }
        let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten().map(u64::from);
        let parts: Option<Vec<u64>> = text.split(':').map(number).collect();
        let seconds = match parts.as_deref() {
            Some([seconds]) => *seconds,
            Some([minutes, seconds @ 0..60]) => minutes * 60 + seconds,
            Some([hours, minutes @ 0..60, seconds @ 0..60]) => hours * 3600 + minutes * 60 + seconds,
            _ => {
                let span: jiff::SignedDuration = text.parse().map_err(|_| mend())?;
                return u64::try_from(span.as_micros()).map(Self::Us).map_err(|_| mend());
            }
        };
        Ok(Self::Us(seconds * 1_000_000))
    }

    fn of(self, duration_us: u64) -> u64 {
        match self {
            Self::Us(us) => us.min(duration_us),
            Self::Percent(part) => duration_us / 100 * u64::from(part),
        }
    }
}

fn speed(text: &str) -> Result<f64, String> {
    let wanted: f64 = text.parse().map_err(|_| "write a number, as in 2 or 0.5".to_owned())?;
    if (0.01..=1000.0).contains(&wanted) { Ok(wanted) } else { Err("write a number from 0.01 to 1000".to_owned()) }
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Exit::usage("`recordings play` needs a terminal; `recordings cat` prints the text"));
    }
    let (recording, far) = open(common, &args.which, Purpose::Replay, "screen", false)?;
    let mut replay = Replay::open(&recording).map_err(failed)?;
    let mut state = State::new(title(&recording), replay.duration_us(), markers(&recording, far.as_ref())?);
    state.speed = args.speed;
    state.skip_idle = args.skip_idle;
    state.colour = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    state.at_us = args.at.map_or(0, |at| at.of(state.duration_us));
    let mut finder = Finder { recording: &recording, far: far.as_ref() };
    if let Some(text) = &args.search {
        let found = finder.find(text)?;
        if found.is_empty() {
            return Err(Exit::refused(format!("\"{}\" is not in this recording", Printable(text))));
        }
        state.find(text.clone());
        player::update(&mut state, Event::Found(found));
    }
    replay.seek(state.at_us).map_err(failed)?;
    let played = ratatui::run(|terminal| play(terminal, &mut replay, &mut state, &mut finder));
    played.map_err(|e| Exit::incomplete(format!("the terminal cannot be used: {e}")))??;
    if let Some(far) = &far {
        let fetched = far.with(|remote| Ok(remote.fetched))?;
        print::note(&format!("fetched {fetched} bytes of {}", recording.bytes().map_err(failed)?));
    }
    Ok(ExitCode::SUCCESS)
}

/// Finds text in the recording that is played: far away by the bastion's index, where it can read it, else by reading all of it.
struct Finder<'a> {
    recording: &'a Recording,
    far: Option<&'a Far>,
}

impl Finder<'_> {
    fn find(&mut self, text: &str) -> Result<Vec<Place>, Exit> {
        let session = self.recording.head().session.as_str().parse().ok();
        let indexed = !self.recording.is_encrypted() && self.recording.seal().is_some() && text.chars().count() >= 3;
        if let (Some(far), Some(session), true) = (self.far, session, indexed) {
            let search = Search { query: text.to_owned(), session: Some(session), limit: Some(10_000), ..Search::default() };
            let found: Vec<Finding> = far.with(|remote| remote.ask("search", &search))?;
            return Ok(found.into_iter().map(|one| Place { at_us: one.at_us, label: Printable(&one.text).to_string() }).collect());
        }
        find_text(self.recording, text, MOST).map_err(failed)
    }
}

/// Places where a text was found that are gone through.
const MOST: usize = 10_000;

/// A recording far away of no more than this is read whole for its markers, where the bastion cannot name them.
const SMALL: u64 = 4 << 20;

/// Where one can jump to. Far away the bastion's index names the operations of what it can read.
fn markers(recording: &Recording, far: Option<&Far>) -> Result<Vec<Place>, Exit> {
    let whole = || places(recording, &mut |_| {}).map_err(failed);
    let (Some(far), Some(session)) = (far, recording.head().session.as_str().parse().ok()) else { return whole() };
    if recording.bytes().is_ok_and(|bytes| bytes <= SMALL) {
        return whole();
    }
    if recording.is_encrypted() || recording.seal().is_none() {
        return Ok(Vec::new());
    }
    let search = Search { session: Some(session), limit: Some(10_000), ..Search::default() };
    let found: Vec<Finding> = far.with(|remote| remote.ask("search", &search))?;
    Ok(found.into_iter().map(|one| Place { at_us: one.at_us, label: Printable(&one.text).to_string() }).collect())
}

fn failed(error: impl std::fmt::Display) -> Exit {
    Exit::incomplete(Printable(&error.to_string()).to_string())
}

fn title(recording: &Recording) -> String {
    let head = recording.head();
    let login = head.login.as_ref().map(|l| format!("{l}@")).unwrap_or_default();
    let text =
        format!("{}  {}  {login}{}  {}", head.session.as_str(), head.principal, head.target, head.command.as_deref().unwrap_or("shell"));
    Printable(&text).to_string()
}

/// Plays until quit. The outer result is the terminal's, the inner one the recording's.
fn play(
    terminal: &mut ratatui::DefaultTerminal,
    replay: &mut Replay,
    state: &mut State,
    finder: &mut Finder<'_>,
) -> std::io::Result<Result<(), Exit>> {
    let mut grid = Grid::default();
    let mut last = Instant::now();
    loop {
        replay.draw(&mut grid);
        terminal.draw(|frame| player::view(state, &grid, frame))?;
        let mut effects = Vec::new();
        if event::poll(Duration::from_millis(33))? {
            match event::read()? {
                event::Event::Key(key) => effects.extend(player::update(state, Event::Key(key))),
                event::Event::Paste(text) => effects.extend(player::update(state, Event::Paste(text))),
                _ => {}
            }
        }
        let next_us = match replay.next_us() {
            Ok(next) => next,
            Err(error) => return Ok(Err(failed(error))),
        };
        let elapsed_us = u64::try_from(last.elapsed().as_micros()).unwrap_or(u64::MAX);
        last = Instant::now();
        effects.extend(player::update(state, Event::Tick { elapsed_us, next_us }));
        for effect in effects {
            match carry_out(effect, replay, state, finder) {
                Ok(true) => {}
                Ok(false) => return Ok(Ok(())),
                Err(exit) => return Ok(Err(exit)),
            }
        }
    }
}

/// False to end.
fn carry_out(effect: Effect, replay: &mut Replay, state: &mut State, finder: &mut Finder<'_>) -> Result<bool, Exit> {
    match effect {
        Effect::Quit => return Ok(false),
        Effect::Seek(to) => replay.seek(to).map_err(failed)?,
        Effect::Advance(to) => drop(replay.advance(to).map_err(failed)?),
        Effect::Step => {
            drop(replay.step().map_err(failed)?);
            player::update(state, Event::Stepped { at_us: replay.at_us() });
        }
        Effect::StepBack => {
            replay.step_back().map_err(failed)?;
            player::update(state, Event::Stepped { at_us: replay.at_us() });
        }
        Effect::Find(text) => {
            player::update(state, Event::Found(finder.find(&text)?));
            replay.seek(state.at_us).map_err(failed)?;
        }
    }
    player::update(state, Event::Exact(replay.is_exact()));
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_to_begin_at_is_written_in_any_of_the_usual_ways() {
        let second = |n: u64| Ok(At::Us(n * 1_000_000));
        for (text, wanted) in
            [("90", second(90)), ("1:30", second(90)), ("1:00:05", second(3605)), ("1m30s", second(90)), ("40%", Ok(At::Percent(40)))]
        {
            assert_eq!(At::read(text), wanted, "{text}");
        }
        for bad in ["", "x", "1:60", "1:2:3:4", "-5", "-5s", "101%", "1:", ":5", "99999999999"] {
            assert!(At::read(bad).is_err(), "{bad}");
        }
        assert_eq!((At::Us(9).of(5), At::Percent(50).of(200)), (5, 100));
    }
}
