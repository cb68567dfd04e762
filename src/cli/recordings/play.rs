//! `recordings play`: hosts the player of `bartizan-tui` in this terminal.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bartizan_recorder::{Grid, Place, Recording, Replay, TextKind, TextLimits, TextRow, places, text_rows};
use bartizan_tui::player::{self, Effect, Event, State};
use crossterm::event;

use crate::audit::Entry;
use crate::cli::{Common, Exit};
use crate::model::Printable;

use super::unlock::Keys;
use super::{note, open};

/// Options of `recordings play`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session's id, or its beginning; a folder does as well
    #[arg(value_name = "SESSION")]
    id: String,
    #[command(flatten)]
    keys: Keys,
    /// Times real time
    #[arg(long, short, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Skip pauses of more than two seconds
    #[arg(long, short = 'i')]
    skip_idle: bool,
    /// Begin at this second
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    at: u32,
}

fn speed(text: &str) -> Result<f64, String> {
    let wanted: f64 = text.parse().map_err(|_| "write a number, as in 2 or 0.5".to_owned())?;
    if (0.01..=1000.0).contains(&wanted) { Ok(wanted) } else { Err("write a number from 0.01 to 1000".to_owned()) }
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Exit::usage("`recordings play` needs a terminal; `recordings cat` prints the text"));
    }
    let recording = open(common, &args.id, &args.keys)?;
    note(common, &recording.head().session, |session, by| Entry::RecordingReplayed { session, by })?;
    let mut replay = Replay::open(&recording).map_err(failed)?;
    let mut state = State::new(title(&recording), replay.duration_us(), places(&recording, &mut |_| {}).map_err(failed)?);
    state.speed = args.speed;
    state.skip_idle = args.skip_idle;
    state.colour = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let begin = u64::from(args.at).saturating_mul(1_000_000).min(state.duration_us);
    replay.seek(begin).map_err(failed)?;
    state.at_us = begin;
    let played = ratatui::run(|terminal| play(terminal, &recording, &mut replay, &mut state));
    played.map_err(|e| Exit::incomplete(format!("the terminal cannot be used: {e}")))??;
    Ok(ExitCode::SUCCESS)
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
    recording: &Recording,
    replay: &mut Replay,
    state: &mut State,
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
            match carry_out(effect, recording, replay, state) {
                Ok(true) => {}
                Ok(false) => return Ok(Ok(())),
                Err(exit) => return Ok(Err(exit)),
            }
        }
    }
}

/// False to end.
fn carry_out(effect: Effect, recording: &Recording, replay: &mut Replay, state: &mut State) -> Result<bool, Exit> {
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
            player::update(state, Event::Found(find(recording, &text)?));
            replay.seek(state.at_us).map_err(failed)?;
        }
    }
    player::update(state, Event::Exact(replay.is_exact()));
    Ok(true)
}

/// Where `text` stands in the recording, in whatever case.
fn find(recording: &Recording, text: &str) -> Result<Vec<Place>, Exit> {
    let wanted = text.to_lowercase();
    let mut found = Vec::new();
    let mut sink = |row: TextRow| {
        if row.kind != TextKind::Input && row.text.to_lowercase().contains(&wanted) {
            found.push(Place { at_us: row.at_us, label: String::new() });
        }
    };
    text_rows(recording, TextLimits::default(), &mut sink, &mut |_| ()).map_err(failed)?;
    Ok(found)
}
