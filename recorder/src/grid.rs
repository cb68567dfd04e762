//! A screen as cells: what a front end draws. Holds characters and colours, never a control.

/// A colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// One of the 256 indexed colours.
    Indexed(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

/// How a cell is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CellStyle {
    /// Foreground; `None` is the terminal's own.
    pub foreground: Option<Colour>,
    /// Background; `None` is the terminal's own.
    pub background: Option<Colour>,
    /// Bold.
    pub bold: bool,
    /// Faint.
    pub faint: bool,
    /// Italic.
    pub italic: bool,
    /// Underlined.
    pub underline: bool,
    /// Struck through.
    pub strikethrough: bool,
    /// Blinking.
    pub blink: bool,
    /// Foreground and background exchanged.
    pub inverse: bool,
}

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The character; never a control.
    pub character: char,
    /// Cells it takes: 1, 2 for a wide one, 0 for the cell behind a wide one.
    pub width: u8,
    /// How it is drawn.
    pub style: CellStyle,
}

impl Default for Cell {
    fn default() -> Self {
        Self { character: ' ', width: 1, style: CellStyle::default() }
    }
}

/// A screen, row by row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grid {
    pub(crate) cols: u16,
    pub(crate) cells: Vec<Cell>,
    pub(crate) cursor: Option<(u16, u16)>,
}

impl Grid {
    /// Columns.
    #[must_use]
    pub fn cols(&self) -> u16 {
        self.cols
    }

    /// Rows from the top.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[Cell]> {
        self.cells.chunks(usize::from(self.cols.max(1)))
    }

    /// Column and row of the cursor, unless it is hidden.
    #[must_use]
    pub fn cursor(&self) -> Option<(u16, u16)> {
        self.cursor
    }

    /// The text of each row without trailing blanks.
    #[must_use]
    pub fn text(&self) -> Vec<String> {
        let line = |row: &[Cell]| row.iter().filter(|cell| cell.width > 0).map(|cell| cell.character).collect::<String>();
        self.rows().map(|row| line(row).trim_end().to_owned()).collect()
    }
}
