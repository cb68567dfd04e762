//! `sessions watch`: what a session shows, as it happens, drawn by a terminal model. Nothing that the target or its user sent reaches
//! this terminal.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use bartizan_recorder::{Canvas, Grid};
use bartizan_tui::draw_screen;
use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::widgets::Paragraph;
use serde_json::{Value, json};

use crate::cli::bastion::Way;
use crate::cli::print::Page;
use crate::cli::remote::Remote;
use crate::cli::{Common, Exit};
use crate::model::{Printable, SessionId};

/// How long between two looks at the keyboard.
const FRAME: Duration = Duration::from_millis(33);

/// How many events wait to be drawn; the bastion sends a whole screen instead of what does not fit.
const AHEAD: usize = 64;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session's id, as `sessions list` shows it
    id: SessionId,
    #[command(flatten)]
    way: Way,
    /// Print the events as JSON, one per line, instead of drawing them
    #[arg(long)]
    json: bool,
}

/// What is seen.
struct Seen {
    canvas: Option<Canvas>,
    /// The latest remark or operation.
    remark: String,
    /// Why it ended.
    ended: Option<String>,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    if !args.json && (!std::io::stdout().is_terminal() || !std::io::stdin().is_terminal()) {
        return Err(Exit::usage("`sessions watch` needs a terminal; --json prints what happens"));
    }
    let none = || Exit::incomplete("no bastion runs on this machine, or it is not this account's to ask; elsewhere: --bastion HOST");
    let mut link = Remote::reach(common, &args.way)?.ok_or_else(none)?;
    link.ask::<Value>("session.watch", &json!({ "session": args.id }))?;
    if args.json { print(link) } else { draw(link, args.id) }
}

fn print(mut link: Remote) -> Result<ExitCode, Exit> {
    let mut page = Page::stdout();
    loop {
        let event = link.line()?;
        page.line(&crate::audit::canonical(&event))?;
        page.flush()?;
        if page.gone || event.get("end").is_some() {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn draw(mut link: Remote, id: SessionId) -> Result<ExitCode, Exit> {
    let (sender, events) = sync_channel(AHEAD);
    // It ends with the connection or with this program.
    std::thread::spawn(move || {
        while let Ok(event) = link.line() {
            let over = event.get("end").is_some();
            if sender.send(event).is_err() || over {
                return;
            }
        }
    });
    let mut seen = Seen { canvas: None, remark: String::new(), ended: None };
    let shown = ratatui::run(|terminal| show(terminal, &events, &mut seen, id));
    shown.map_err(|error| Exit::incomplete(format!("the terminal cannot be used: {error}")))?;
    Ok(ExitCode::SUCCESS)
}

/// Draws until it is left. What it saw last stays until a key is pressed.
fn show(terminal: &mut ratatui::DefaultTerminal, events: &Receiver<Value>, seen: &mut Seen, id: SessionId) -> std::io::Result<()> {
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut grid = Grid::default();
    loop {
        match events.recv_timeout(FRAME) {
            Ok(event) => {
                seen.take(&event);
                (0..AHEAD).map_while(|_| events.try_recv().ok()).for_each(|event| seen.take(&event));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                seen.ended.get_or_insert_with(|| "the connection to the bastion was lost".to_owned());
                std::thread::sleep(FRAME);
            }
        }
        if let Some(canvas) = &seen.canvas {
            canvas.draw(&mut grid);
        }
        terminal.draw(|frame| {
            let [screen, line] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(frame.area());
            draw_screen(&grid, colour, screen, frame.buffer_mut());
            frame.render_widget(Paragraph::new(seen.status(id, &grid)), line);
        })?;
        while event::poll(Duration::ZERO)? {
            if let Event::Key(key) = event::read()?
                && (matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
                    || (key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL)))
            {
                return Ok(());
            }
        }
    }
}

impl Seen {
    fn take(&mut self, event: &Value) {
        let number = |place: &str| event.pointer(place).and_then(Value::as_u64).and_then(|number| u16::try_from(number).ok()).unwrap_or(1);
        let text = |place: &str| event.pointer(place).and_then(Value::as_str);
        if let Some(drawn) = text("/screen/text") {
            self.canvas = Canvas::new(number("/screen/cols"), number("/screen/rows"), drawn);
        }
        if let (Some(canvas), Some(drawn)) = (&mut self.canvas, text("/output")) {
            canvas.feed(drawn);
        }
        if let (Some(canvas), Some(_)) = (&mut self.canvas, event.get("resize")) {
            canvas.resize(number("/resize/0"), number("/resize/1"));
        }
        if let Some(operation) = text("/operation/text") {
            self.remark = format!("{} {operation}", text("/operation/verdict").unwrap_or_default());
        }
        if let Some(note) = text("/note") {
            self.remark = note.to_owned();
        }
        if let Some(reason) = text("/end/reason") {
            self.ended = Some(format!("ended: {reason}"));
        }
    }

    fn status(&self, id: SessionId, grid: &Grid) -> String {
        let state = self.ended.as_deref().unwrap_or("live");
        let size = format!("{}x{}", grid.cols(), grid.rows().len());
        format!("{id}  {size}  {}  q leaves  {}", Printable(state), Printable(&self.remark))
    }
}
