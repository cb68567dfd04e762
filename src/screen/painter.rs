//! A backend of ratatui that writes frames into memory: its size is what the client said, its cursor what it set itself. Each frame
//! is one piece of bytes, between the marks of synchronised output (DEC mode 2026), to be sent whole or not at all.

use std::convert::Infallible;
use std::io::Write as _;

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size as Cells};
use ratatui::style::{Color, Modifier};

use super::Depth;

/// Other screen, bracketed paste, mouse (buttons, drags, in SGR form), no cursor.
pub const ENTER: &[u8] = b"\x1b[?1049h\x1b[2J\x1b[?2004h\x1b[?1000h\x1b[?1002h\x1b[?1006h\x1b[?25l";

/// Everything [`ENTER`] and frames change, as it was: safe to send more than once, and in the middle of a frame.
pub const LEAVE: &[u8] = b"\x1b[?2026l\x1b[?1006l\x1b[?1002l\x1b[?1000l\x1b[?2004l\x1b[0m\x1b[?25h\x1b[?1049l";

/// Columns and rows, never so few or so many that anything breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// 20 to 500.
    pub columns: u16,
    /// 5 to 200.
    pub rows: u16,
}

impl Size {
    /// What a client said, made sane.
    #[must_use]
    pub fn clamped(columns: u32, rows: u32) -> Self {
        let fit = |value: u32, least: u16, most: u16| u16::try_from(value).unwrap_or(most).clamp(least, most);
        Self { columns: fit(columns, 20, 500), rows: fit(rows, 5, 200) }
    }
}

/// Paints into memory.
#[derive(Debug)]
pub struct Painter {
    bytes: Vec<u8>,
    size: Size,
    depth: Depth,
    cursor: Position,
}

impl Painter {
    /// The terminal has more colours, or fewer, than was thought.
    pub fn set_depth(&mut self, depth: Depth) {
        self.depth = depth;
    }

    /// Paints for a terminal of this size and depth.
    #[must_use]
    pub fn new(size: Size, depth: Depth) -> Self {
        Self { bytes: Vec::new(), size, depth, cursor: Position::ORIGIN }
    }

    /// The terminal has another size now.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
    }

    /// Takes what was painted since the last time, as one frame; nothing if there is nothing.
    pub fn take(&mut self) -> Vec<u8> {
        if self.bytes.is_empty() {
            return Vec::new();
        }
        let mut frame = b"\x1b[?2026h".to_vec();
        frame.append(&mut self.bytes);
        frame.extend_from_slice(b"\x1b[?2026l");
        frame
    }

    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Memory takes everything.
        drop(self.bytes.write_fmt(arguments));
    }

    fn go(&mut self, x: u16, y: u16) {
        self.put(format_args!("\x1b[{};{}H", u32::from(y) + 1, u32::from(x) + 1));
    }

    fn style(&mut self, look: Look) {
        self.bytes.extend_from_slice(b"\x1b[0");
        for (modifier, code) in MODIFIERS {
            if look.modifier.contains(modifier) {
                self.put(format_args!(";{code}"));
            }
        }
        self.colour(look.fg, 30);
        self.colour(look.bg, 40);
        self.bytes.push(b'm');
    }

    /// `base` is 30 for text and 40 for what is behind it (ECMA-48 section 8.3.117).
    fn colour(&mut self, colour: Color, base: u16) {
        let named = |n: u16| if n < 8 { base + n } else { base + 60 + n - 8 };
        match self.depth.fit(colour) {
            Color::Reset => {}
            Color::Rgb(r, g, b) => self.put(format_args!(";{};2;{r};{g};{b}", base + 8)),
            Color::Indexed(n @ 16..) => self.put(format_args!(";{};5;{n}", base + 8)),
            Color::Indexed(n) => self.put(format_args!(";{}", named(n.into()))),
            name => self.put(format_args!(";{}", named(number(name)))),
        }
    }
}

/// What of a cell is not its text.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

const MODIFIERS: [(Modifier, u8); 8] = [
    (Modifier::BOLD, 1),
    (Modifier::DIM, 2),
    (Modifier::ITALIC, 3),
    (Modifier::UNDERLINED, 4),
    (Modifier::SLOW_BLINK, 5),
    (Modifier::RAPID_BLINK, 6),
    (Modifier::REVERSED, 7),
    (Modifier::CROSSED_OUT, 9),
];

fn number(colour: Color) -> u16 {
    match colour {
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        _ => 0,
    }
}

/// Whether the text of a cell may be sent: nothing in it acts on a terminal, orders text anew, or hides.
fn is_tame(symbol: &str) -> bool {
    let wild = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    !symbol.is_empty() && !symbol.chars().any(wild)
}

/// Whether every terminal moves on by one column after it. Where they may differ, the next cell is addressed.
fn is_one_column(symbol: &str) -> bool {
    let mut chars = symbol.chars();
    matches!((chars.next(), chars.next()), (Some(' '..='~' | '\u{2500}'..='\u{259f}'), None))
}

impl Backend for Painter {
    type Error = Infallible;

    fn draw<'a, I>(&mut self, content: I) -> Result<(), Infallible>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let (mut look, mut here) = (None, None);
        for (x, y, cell) in content {
            if here != Some((x, y)) {
                self.go(x, y);
            }
            let wanted = Look { fg: cell.fg, bg: cell.bg, modifier: cell.modifier };
            if look != Some(wanted) {
                self.style(wanted);
                look = Some(wanted);
            }
            let hidden = cell.modifier.contains(Modifier::HIDDEN);
            let symbol = if hidden {
                " "
            } else if is_tame(cell.symbol()) {
                cell.symbol()
            } else {
                "\u{fffd}"
            };
            self.bytes.extend_from_slice(symbol.as_bytes());
            here = is_one_column(symbol).then(|| (x.saturating_add(1), y));
        }
        if look.is_some() {
            self.bytes.extend_from_slice(b"\x1b[0m");
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> Result<(), Infallible> {
        self.bytes.extend_from_slice(b"\x1b[?25l");
        Ok(())
    }

    fn show_cursor(&mut self) -> Result<(), Infallible> {
        self.bytes.extend_from_slice(b"\x1b[?25h");
        Ok(())
    }

    fn get_cursor_position(&mut self) -> Result<Position, Infallible> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> Result<(), Infallible> {
        self.cursor = position.into();
        self.go(self.cursor.x, self.cursor.y);
        Ok(())
    }

    fn clear(&mut self) -> Result<(), Infallible> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, clear_type: ClearType) -> Result<(), Infallible> {
        self.bytes.extend_from_slice(match clear_type {
            ClearType::All => b"\x1b[0m\x1b[2J",
            ClearType::AfterCursor => b"\x1b[0m\x1b[0J",
            ClearType::BeforeCursor => b"\x1b[0m\x1b[1J",
            ClearType::CurrentLine => b"\x1b[0m\x1b[2K",
            ClearType::UntilNewLine => b"\x1b[0m\x1b[0K",
        });
        Ok(())
    }

    fn size(&self) -> Result<Cells, Infallible> {
        Ok(Cells::new(self.size.columns, self.size.rows))
    }

    fn window_size(&mut self) -> Result<WindowSize, Infallible> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Cells::ZERO })
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
