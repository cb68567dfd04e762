//! Lines that were entered: each is decided, written down and then run, or refused with a sentence.

use std::convert::Infallible;

use bartizan_policies::Line;
use bytes::Bytes;
use metrics::counter;
use russh::ChannelMsg;

use crate::enforce::Question;
use crate::frontdoor::{Cause, Refusal};
use crate::model::Printable;
use crate::record::Piece;

use super::desk;
use super::far;
use super::guard::Guard;
use super::running::{self, Keys};
use super::show::Over;
use super::text::LONGEST;

/// `$?` after a refused line: what a shell says of a program that may not be run.
const DENIED: u8 = 126;

/// After a line that waits for an approval, as `bartizan`'s own exit code for it.
const HELD: u8 = 4;

/// After a line that could not be decided.
const UNDECIDED: u8 = 3;

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Lines of one session that may have left something running.
const MOST_LASTING: usize = 64;

/// How one line went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Went {
    Done,
    /// Refused or interrupted: lines that were entered together with it are not run.
    Stopped,
}

impl Guard<'_> {
    /// Runs what was entered, line by line. Keys that came with it belong to the first program.
    pub(super) async fn run_all(&mut self, entered: &str, mut rest: Bytes) -> Result<(), Over> {
        let commands = desk::commands(entered);
        for (at, command) in commands.iter().enumerate() {
            let went = self.run_line(command, std::mem::take(&mut rest)).await?;
            let left = commands.len() - at - 1;
            if went == Went::Stopped && left > 0 {
                let lines = if left == 1 { "line" } else { "lines" };
                return self.show.say(&format!("bartizan: {left} more {lines} entered with it did not run.\n")).await;
            }
        }
        Ok(())
    }

    /// Without a terminal: lines of input are commands, as `sh` reads them, until input ends.
    pub(super) async fn read_lines(&mut self) -> Result<Infallible, Over> {
        let (mut open, mut effort) = (String::new(), 0);
        loop {
            let line = self.next_line().await?;
            let is_last = line.is_none();
            effort += open.len();
            match line.map(String::from_utf8) {
                Some(Ok(line)) if open.len() + line.len() <= LONGEST && effort <= desk::EFFORT => open.push_str(&line),
                Some(_) => {
                    (open, effort) = (String::new(), 0);
                    let refusal = Refusal::denied("A line that is too long or not text is not run.", "an unreadable line");
                    self.refuse("(unreadable)", &refusal).await?;
                    continue;
                }
                None => {}
            }
            if is_last || desk::is_whole(&open) {
                let command = std::mem::take(&mut open);
                effort = 0;
                if !command.trim().is_empty() {
                    self.run_line(&command, Bytes::new()).await?;
                }
            } else {
                open.push('\n');
            }
            if is_last {
                running::drained(&mut self.far, &self.show).await?;
                return Err(Over::Done(self.status));
            }
        }
    }

    /// The next line of input without its end; `None` after the last.
    async fn next_line(&mut self) -> Result<Option<Vec<u8>>, Over> {
        loop {
            let ahead = &mut self.window.ahead;
            if let Some(end) = ahead.iter().position(|byte| *byte == b'\n') {
                let rest = ahead.split_off(end + 1);
                let mut line = std::mem::replace(ahead, rest);
                line.pop();
                return Ok(Some(line));
            }
            if self.window.has_ended || ahead.len() > LONGEST {
                let line = std::mem::take(ahead);
                return Ok((!line.is_empty()).then_some(line));
            }
            match self.visitor.wait().await {
                None | Some(ChannelMsg::Close) => return Err(Over::Left),
                Some(ChannelMsg::Eof) => self.window.has_ended = true,
                Some(ChannelMsg::Data { data }) => {
                    self.show.traffic.add_up(data.len());
                    self.window.ahead.extend_from_slice(&data);
                }
                Some(_) => {}
            }
        }
    }

    async fn run_line(&mut self, text: &str, rest: Bytes) -> Result<Went, Over> {
        match text.trim() {
            "help" => self.show.say(&self.desk.help(self.ask.target.as_str())).await?,
            "history" => self.show.say(&desk::history(self.editor.history())).await?,
            _ => return self.decide(text, rest).await,
        }
        self.status = 0;
        Ok(Went::Done)
    }

    /// Asks policy about a line and runs it, or says why not.
    async fn decide(&mut self, text: &str, rest: Bytes) -> Result<Went, Over> {
        self.variables.set_status(self.status);
        let line = Line::read_in(text.as_bytes(), &self.variables);
        let decided = if self.lasting.len() >= MOST_LASTING && may_leave_something(text) {
            let sentence = "Too many lines of this session have left something running; begin another.";
            Err(Refusal::denied(sentence, "too many lines with &"))
        } else if text.contains('\0') {
            Err(Refusal::denied("A line that holds a NUL byte is not run.", "a line with a NUL byte"))
        } else {
            let questions = Question::of_line(self.desk.decider.login(), &line);
            let whole = whole(text, &line, &self.folder);
            // This may take as long as people need to answer.
            tokio::select! {
                decided = self.desk.decider.decide_shown(questions, whole) => decided,
                over = running::meanwhile(Keys::Dropped, self.visitor, &self.far.to_terminal, &mut self.window, &self.show) => return Err(over),
            }
        };
        let allowed = match decided {
            Ok(allowed) => allowed,
            Err(refusal) => return self.refuse(text, &refusal).await,
        };
        self.note(text, "allow", allowed.policies()).await?;
        self.desk.remember(&line);
        let script = line.script().map_or_else(|| far::apart(&self.variables.assignments(), text), str::to_owned);
        self.variables = line.after();
        let went = self.run(&script, rest).await;
        // While it is kept a change of policy that forbids the line, or an approval that is taken back, ends the session.
        if may_leave_something(text) {
            self.lasting.push(allowed);
        }
        went
    }

    /// Has the shell on the target run `script`, with the visitor's keys and screen in its hands meanwhile.
    async fn run(&mut self, script: &str, rest: Bytes) -> Result<Went, Over> {
        // What only sets variables is known here and needs nothing from the target.
        if script.trim().is_empty() {
            self.status = 0;
            return Ok(Went::Done);
        }
        let (words, awaited) = self.speaker.run(script, self.status);
        self.say_to_shell(words).await;
        let answer = tokio::select! {
            answer = running::until_over(&mut self.far.ears, &awaited, &self.show) => answer?,
            over = running::meanwhile(Keys::Passed(rest), self.visitor, &self.far.to_terminal, &mut self.window, &self.show) => return Err(over),
        };
        (self.status, self.folder) = answer;
        self.has_run = true;
        Ok(if self.status == INTERRUPTED { Went::Stopped } else { Went::Done })
    }

    async fn refuse(&mut self, text: &str, refusal: &Refusal) -> Result<Went, Over> {
        let (verdict, status) = match refusal.cause {
            Cause::Denied | Cause::Barred => ("deny", DENIED),
            Cause::Held => ("hold", HELD),
            Cause::Unavailable => ("deny", UNDECIDED),
        };
        self.note(text, verdict, &refusal.policies).await?;
        self.show.say(&format!("bartizan: {}\n", refusal.sentence)).await?;
        self.status = status;
        Ok(Went::Stopped)
    }

    /// Writes the line and its verdict into the recording.
    async fn note(&self, text: &str, verdict: &'static str, policies: &[String]) -> Result<(), Over> {
        counter!("bartizan_guarded_lines_total", "verdict" => verdict).increment(1);
        let operation = serde_json::json!({ "action": "ssh.exec", "text": text, "verdict": verdict, "policies": policies });
        Ok(self.show.tape.write(vec![Piece::operation(&operation)]).await?)
    }
}

/// All of what a line will do, for people who are asked about it: what was typed, what it runs as if that differs, and where.
fn whole(text: &str, line: &Line, folder: &str) -> String {
    let mut whole = format!("in {}: {}", Printable(folder), Printable(text.trim()));
    if let Some(script) = line.script().filter(|script| *script != text.trim()) {
        whole.push_str(&format!(" (runs as: {})", Printable(script)));
    }
    whole
}

/// Whether a line may leave something running when it is over; rather once too often.
fn may_leave_something(text: &str) -> bool {
    let mut rest = text.to_owned();
    for harmless in ["&&", ">&", "<&", "&>"] {
        rest = rest.replace(harmless, "");
    }
    rest.contains('&')
}
