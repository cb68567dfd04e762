//! Keys, mouse and pastes out of a terminal's bytes. The caller keeps the time: it calls [`Keyboard::silence`] when nothing more has
//! come for as long as [`Keyboard::wait`] says, which is how the Escape key is told from what begins with it.

use std::time::Duration;

use crossterm::event as core;
use termina::Parser;
use termina::event as read;

use super::splitter::{Piece, Splitter, Wait};

/// How long a lone ESC is waited after before it is the key.
const ESCAPE: Duration = Duration::from_millis(40);

/// How long the rest of something is waited for before it is given up.
const REST: Duration = Duration::from_secs(2);

/// Reads what a terminal sends.
#[derive(Debug, Default)]
pub struct Keyboard {
    splitter: Splitter,
    parser: Parser,
}

impl Keyboard {
    /// Takes what came.
    pub fn read(&mut self, bytes: &[u8]) -> Vec<core::Event> {
        let mut events = Vec::new();
        for byte in bytes {
            if let Some(piece) = self.splitter.take(*byte) {
                events.extend(self.event(piece));
            }
        }
        events
    }

    /// How long after the last byte [`Keyboard::silence`] is to be called; never, if nothing is begun.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        match self.splitter.wait() {
            Wait::Nothing => None,
            Wait::Short => Some(ESCAPE),
            Wait::Long => Some(REST),
        }
    }

    /// Nothing more came.
    pub fn silence(&mut self) -> Option<core::Event> {
        let piece = self.splitter.silence()?;
        self.event(piece)
    }

    fn event(&mut self, piece: Piece) -> Option<core::Event> {
        match piece {
            Piece::Paste(text) => Some(core::Event::Paste(text)),
            Piece::Alt(letter) => Some(core::Event::Key(core::KeyEvent::new(core::KeyCode::Char(letter), core::KeyModifiers::ALT))),
            Piece::Key(bytes) => {
                self.parser.parse(&bytes, false);
                let event = self.parser.pop();
                // Whatever it made of this piece, the next begins afresh.
                self.parser = Parser::default();
                match event? {
                    termina::Event::Key(key) => convert_key(key).map(core::Event::Key),
                    termina::Event::Mouse(mouse) => Some(core::Event::Mouse(convert_mouse(mouse))),
                    _ => None,
                }
            }
        }
    }
}

fn convert_key(key: read::KeyEvent) -> Option<core::KeyEvent> {
    use core::KeyCode as To;
    use read::KeyCode as From;
    if key.kind == read::KeyEventKind::Release {
        return None;
    }
    let code = match key.code {
        From::Char(c) if c.is_control() => return None,
        From::Char(c) => To::Char(c),
        From::Enter => To::Enter,
        From::Backspace => To::Backspace,
        From::Tab => To::Tab,
        From::Escape => To::Esc,
        From::Left => To::Left,
        From::Right => To::Right,
        From::Up => To::Up,
        From::Down => To::Down,
        From::Home => To::Home,
        From::End => To::End,
        From::BackTab => To::BackTab,
        From::PageUp => To::PageUp,
        From::PageDown => To::PageDown,
        From::Insert => To::Insert,
        From::Delete => To::Delete,
        From::Function(n) => To::F(n),
        _ => return None,
    };
    Some(core::KeyEvent::new(code, convert_modifiers(key.modifiers)))
}

fn convert_modifiers(modifiers: read::Modifiers) -> core::KeyModifiers {
    let pairs = [
        (read::Modifiers::SHIFT, core::KeyModifiers::SHIFT),
        (read::Modifiers::ALT, core::KeyModifiers::ALT),
        (read::Modifiers::CONTROL, core::KeyModifiers::CONTROL),
        (read::Modifiers::SUPER, core::KeyModifiers::SUPER),
        (read::Modifiers::HYPER, core::KeyModifiers::HYPER),
        (read::Modifiers::META, core::KeyModifiers::META),
    ];
    pairs.into_iter().filter(|(from, _)| modifiers.contains(*from)).map(|(_, to)| to).collect()
}

fn convert_mouse(mouse: read::MouseEvent) -> core::MouseEvent {
    use core::MouseEventKind as To;
    use read::MouseEventKind as From;
    let button = |button| match button {
        read::MouseButton::Left => core::MouseButton::Left,
        read::MouseButton::Right => core::MouseButton::Right,
        read::MouseButton::Middle => core::MouseButton::Middle,
    };
    let kind = match mouse.kind {
        From::Down(which) => To::Down(button(which)),
        From::Up(which) => To::Up(button(which)),
        From::Drag(which) => To::Drag(button(which)),
        From::Moved => To::Moved,
        From::ScrollDown => To::ScrollDown,
        From::ScrollUp => To::ScrollUp,
        From::ScrollLeft => To::ScrollLeft,
        From::ScrollRight => To::ScrollRight,
    };
    core::MouseEvent { kind, column: mouse.column, row: mouse.row, modifiers: convert_modifiers(mouse.modifiers) }
}
