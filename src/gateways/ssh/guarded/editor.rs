//! The line editor of the guarded shell: bytes of a terminal in, what to show and what was entered out. No sockets, no clock. It
//! draws once for all bytes that came together, and stops at the key that enters a line: what was typed behind it was not
//! typed at a prompt.

use super::history::History;
use super::keys::{Key, Keys};
use super::screen::Screen;
use super::text::Text;

/// What follows from keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Send this to the terminal.
    Show(String),
    /// Run these lines, which are whole. The prompt is left; [`Editor::prompt`] begins the next.
    Enter(String),
    /// The line was given up with Ctrl-C, and a new one begun.
    GivenUp,
    /// Ctrl-D at an empty prompt.
    End,
}

/// What the editor has to ask others.
pub(super) trait Advice {
    /// The programs that begin with `start` and may be run.
    fn programs(&self, start: &str) -> Vec<String>;
    /// Whether `text` can be run as it is; else another line is asked for.
    fn is_whole(&self, text: &str) -> bool;
}

#[derive(Debug)]
struct Search {
    words: String,
    found: Option<usize>,
}

/// A prompt and the line being entered at it.
#[derive(Debug)]
pub(super) struct Editor {
    keys: Keys,
    screen: Screen,
    prompt: String,
    text: Text,
    history: History,
    /// Which line of the history is shown, and what was being typed before.
    recalled: Option<(usize, Text)>,
    search: Option<Search>,
    cut: String,
    /// The key before was Tab, and left several programs to choose from.
    listed: bool,
    plain: bool,
    out: String,
}

/// Turns on bracketed paste (xterm).
const PASTE_ON: &str = "\x1b[?2004h";
/// Turns it off again.
pub(super) const PASTE_OFF: &str = "\x1b[?2004l";

/// How many further lines of one command are asked for at most.
const ASKED: usize = 200;

/// How many programs are listed at most.
const LISTED: usize = 100;

impl Editor {
    /// For a terminal of this width; `plain` without cursor movements.
    pub(super) fn new(columns: u32, plain: bool) -> Self {
        Self {
            keys: Keys::new(),
            screen: Screen::new(columns, plain),
            prompt: String::new(),
            text: Text::default(),
            history: History::default(),
            recalled: None,
            search: None,
            cut: String::new(),
            listed: false,
            plain,
            out: String::new(),
        }
    }

    pub(super) fn history(&self) -> &History {
        &self.history
    }

    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    pub(super) fn columns(&self) -> usize {
        self.screen.columns()
    }

    /// Begins a new line after `prompt`; gives what shows it. The cursor stands at the beginning of a line.
    pub(super) fn prompt(&mut self, prompt: &str) -> String {
        prompt.clone_into(&mut self.prompt);
        self.keys = Keys::new();
        self.begin();
        let paste = if self.plain { "" } else { PASTE_ON };
        paste.to_owned() + &self.drawn()
    }

    fn begin(&mut self) {
        (self.text, self.recalled, self.search, self.listed) = (Text::default(), None, None, false);
        self.screen.forget();
    }

    /// Makes room for something else to be shown.
    pub(super) fn lift(&mut self) -> String {
        self.screen.lift()
    }

    /// Shows the line again, at the beginning of a line of the screen.
    pub(super) fn again(&mut self) -> String {
        self.screen.forget();
        self.drawn()
    }

    /// The terminal has another width. Only while a line is edited is there something to show.
    pub(super) fn resize(&mut self, columns: u32, editing: bool) -> String {
        self.screen.resize(columns);
        if !editing {
            return String::new();
        }
        self.screen.lift() + &self.drawn()
    }

    /// Takes what the terminal sent. Gives what follows, and how many bytes were taken: all, unless a line was entered.
    pub(super) fn feed(&mut self, bytes: &[u8], advice: &dyn Advice) -> (Vec<Effect>, usize) {
        let mut effects = Vec::new();
        for (at, byte) in bytes.iter().enumerate() {
            let Some(key) = self.keys.feed(*byte) else { continue };
            let ended = self.press(key, advice);
            let stops = matches!(ended, Some(Effect::Enter(_) | Effect::End));
            if let Some(effect) = ended {
                effects.extend(self.shown());
                effects.push(effect);
            }
            if stops {
                return (effects, at + 1);
            }
        }
        let drawn = self.drawn();
        self.out.push_str(&drawn);
        effects.extend(self.shown());
        (effects, bytes.len())
    }

    fn shown(&mut self) -> Option<Effect> {
        let out = std::mem::take(&mut self.out);
        (!out.is_empty()).then_some(Effect::Show(out))
    }

    fn drawn(&mut self) -> String {
        let Some(search) = &self.search else { return self.screen.draw(&self.prompt, &self.text) };
        let found = search.found.and_then(|number| self.history.get(number)).unwrap_or_default();
        let prompt = format!("(search `{}`) ", search.words);
        self.screen.draw(&prompt, &Text::new(found))
    }

    fn bell(&mut self) {
        self.out.push('\x07');
    }

    fn press(&mut self, key: Key, advice: &dyn Advice) -> Option<Effect> {
        let listed = std::mem::take(&mut self.listed);
        if self.search.is_some() && self.press_in_search(key) {
            return None;
        }
        match key {
            Key::Enter => return self.enter(advice),
            Key::Interrupt => return Some(self.give_up()),
            Key::EndOfInput if self.text.is_empty() => return Some(self.end()),
            Key::Tab => self.complete(advice, listed),
            Key::Up => self.up(),
            Key::Down => self.down(),
            Key::Search => self.search = Some(Search { words: String::new(), found: None }),
            Key::ClearScreen if !self.plain => {
                self.out.push_str("\x1b[H\x1b[2J");
                self.screen.forget();
            }
            Key::Char(c) => {
                if !self.text.insert(c.encode_utf8(&mut [0; 4])) {
                    self.bell();
                }
            }
            key => self.edit(key),
        }
        None
    }

    fn edit(&mut self, key: Key) {
        let text = &mut self.text;
        match key {
            Key::Backspace => text.backspace(),
            Key::Delete | Key::EndOfInput => text.delete(),
            Key::Left => text.left(),
            Key::Right => text.right(),
            Key::Home => text.line_start(),
            Key::End => text.line_end(),
            Key::WordLeft => text.word_left(),
            Key::WordRight => text.word_right(),
            Key::KillWordBefore => self.cut = text.cut_word_before(),
            Key::KillNameBefore => self.cut = text.cut_name_before(),
            Key::KillWordAfter => self.cut = text.cut_word_after(),
            Key::KillBefore => self.cut = text.cut_line_before(),
            Key::KillAfter => self.cut = text.cut_line_after(),
            Key::Transpose => text.transpose(),
            Key::Yank if !text.insert(&self.cut) => self.bell(),
            _ => {}
        }
    }

    fn enter(&mut self, advice: &dyn Advice) -> Option<Effect> {
        let whole = self.text.whole();
        self.text.end();
        // Each line that is asked for costs a look at all of them; whoever runs what is not whole is told what is wrong with it.
        let asks = whole.matches('\n').count() < ASKED && !advice.is_whole(&whole);
        if asks && self.text.insert("\n") {
            return None;
        }
        self.leave();
        self.history.add(&whole);
        self.begin();
        Some(Effect::Enter(whole))
    }

    /// Leaves the prompt with everything that was entered on the screen.
    fn leave(&mut self) {
        let out = self.drawn() + &self.screen.leave();
        self.out.push_str(&out);
        if !self.plain {
            self.out.push_str(PASTE_OFF);
        }
    }

    fn give_up(&mut self) -> Effect {
        self.text.end();
        let out = self.drawn() + "^C" + &self.screen.leave();
        self.out.push_str(&out);
        self.begin();
        Effect::GivenUp
    }

    fn end(&mut self) -> Effect {
        self.leave();
        Effect::End
    }

    fn up(&mut self) {
        if self.text.up() {
            return;
        }
        let newest = self.history.len();
        let at = self.recalled.as_ref().map_or(newest, |(at, _)| *at);
        self.recall(at.checked_sub(1));
    }

    fn down(&mut self) {
        if self.text.down() {
            return;
        }
        let Some((at, _)) = &self.recalled else { return self.bell() };
        if at + 1 < self.history.len() {
            self.recall(Some(at + 1));
        } else if let Some((_, typed)) = self.recalled.take() {
            self.text = typed;
        }
    }

    fn recall(&mut self, at: Option<usize>) {
        let Some((at, line)) = at.and_then(|at| self.history.get(at).map(|line| (at, line))) else { return self.bell() };
        let now = std::mem::replace(&mut self.text, Text::new(line));
        let typed = self.recalled.take().map_or(now, |(_, typed)| typed);
        self.recalled = Some((at, typed));
    }

    /// Whether the key was one for the search; others end it and mean what they mean.
    fn press_in_search(&mut self, key: Key) -> bool {
        let Some(search) = &mut self.search else { return false };
        match key {
            Key::Char(c) if !c.is_control() && search.words.len() < 200 => {
                search.words.push(c);
                search.found = self.history.find(&search.words, search.found.map_or(usize::MAX, |found| found + 1));
            }
            Key::Char(_) => {}
            Key::Backspace => {
                search.words.pop();
                search.found = if search.words.is_empty() { None } else { self.history.find(&search.words, usize::MAX) };
            }
            Key::Search => match self.history.find(&search.words, search.found.unwrap_or(usize::MAX)) {
                Some(found) if !search.words.is_empty() => search.found = Some(found),
                _ => self.bell(),
            },
            Key::Cancel => self.search = None,
            _ => {
                let found = search.found.and_then(|number| self.history.get(number));
                if let Some(line) = found {
                    self.text = Text::new(line);
                }
                self.search = None;
                return false;
            }
        }
        true
    }

    fn complete(&mut self, advice: &dyn Advice, listed: bool) {
        let Some(start) = program_being_typed(self.text.before()).map(str::to_owned) else { return self.bell() };
        let found = advice.programs(&start);
        let common = common_start(&found);
        let added = common.strip_prefix(start.as_str()).unwrap_or_default().to_owned();
        let last = if found.len() == 1 { " " } else { "" };
        if !added.is_empty() || !last.is_empty() {
            self.listed = last.is_empty();
            self.text.insert(&(added + last));
        } else if found.is_empty() || !listed {
            self.bell();
            self.listed = !found.is_empty();
        } else {
            self.list(&found);
        }
    }

    fn list(&mut self, found: &[String]) {
        let out = self.drawn() + &self.screen.leave();
        self.out.push_str(&out);
        let names: Vec<_> = found.iter().take(LISTED).map(String::as_str).collect();
        let more = if found.len() > LISTED { " …" } else { "" };
        self.out.push_str(&format!("{}{more}\r\n", names.join("  ")));
    }
}

/// The beginning of a program's name just before the cursor, if that is where one can stand.
fn program_being_typed(before: &str) -> Option<&str> {
    let command = before.rsplit(['|', ';', '&', '(', '\n', '{', '`']).next().unwrap_or_default().trim_start_matches([' ', '\t']);
    (!command.contains([' ', '\t', '\'', '"', '$', '<', '>', '\\'])).then_some(command)
}

fn common_start(names: &[String]) -> &str {
    let Some((first, others)) = names.split_first() else { return "" };
    let length = others.iter().fold(first.len(), |length, name| {
        let same = first.char_indices().zip(name.chars()).find(|((_, a), b)| a != b).map_or(first.len().min(name.len()), |((at, _), _)| at);
        length.min(same)
    });
    first.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests;
