//! How many colours a terminal has, from what its user's client says of it, and colours made to fit.

use ratatui::style::Color;

/// How many colours are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None; bold, underlined and reversed stay.
    None,
    /// The terminal's own sixteen.
    Sixteen,
    /// xterm's 256.
    Indexed,
    /// 24 bit.
    True,
}

/// Terminals whose entries promise no colour.
const MONOCHROME: [&str; 5] = ["dumb", "unknown", "vt52", "vt100", "vt220"];

/// Terminals that have always had 24 bit and need not say so.
const TRUE: [&str; 6] = ["direct", "kitty", "alacritty", "ghostty", "wezterm", "foot"];

impl Depth {
    /// What the terminal `term` shows, whose user has set `variable`s (`NO_COLOR` as in no-color.org, `COLORTERM`).
    #[must_use]
    pub fn of(term: &str, variable: impl Fn(&str) -> Option<String>) -> Self {
        if variable("NO_COLOR").is_some_and(|value| !value.is_empty()) || term.is_empty() || MONOCHROME.contains(&term) {
            return Self::None;
        }
        let says = variable("COLORTERM").unwrap_or_default();
        if matches!(says.as_str(), "truecolor" | "24bit") || TRUE.iter().any(|name| term.contains(name)) {
            Self::True
        } else if term.contains("256color") {
            Self::Indexed
        } else {
            Self::Sixteen
        }
    }

    /// The colour that comes nearest to `colour`.
    #[must_use]
    pub fn fit(self, colour: Color) -> Color {
        match (self, colour) {
            (Self::None, _) => Color::Reset,
            (Self::True, colour) => colour,
            (Self::Indexed, Color::Rgb(r, g, b)) => Color::Indexed(indexed([r, g, b])),
            (Self::Sixteen, Color::Rgb(r, g, b)) => Color::Indexed(sixteen([r, g, b])),
            (Self::Sixteen, Color::Indexed(n @ 16..)) => Color::Indexed(sixteen(of_index(n))),
            (_, colour) => colour,
        }
    }
}

/// The steps of xterm's colour cube.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The sixteen as xterm has them.
const SIXTEEN: [[u8; 3]; 16] = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
    [127, 127, 127],
    [255, 0, 0],
    [0, 255, 0],
    [255, 255, 0],
    [92, 92, 255],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
];

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

/// The nearest of the cube and the greys.
fn indexed(rgb: [u8; 3]) -> u8 {
    (16..=255).min_by_key(|n| distance(of_index(*n), rgb)).unwrap_or(16)
}

fn sixteen(rgb: [u8; 3]) -> u8 {
    let nearest = (0u8..).zip(SIXTEEN).min_by_key(|(_, known)| distance(*known, rgb));
    nearest.map_or(7, |(n, _)| n)
}

/// What xterm shows for colour `n`.
fn of_index(n: u8) -> [u8; 3] {
    let step = |n: u8| STEPS.get(usize::from(n % 6)).copied().unwrap_or_default();
    match n {
        0..=15 => SIXTEEN.get(usize::from(n)).copied().unwrap_or_default(),
        16..=231 => [step((n - 16) / 36), step((n - 16) / 6), step(n - 16)],
        232..=255 => [8 + 10 * (n - 232); 3],
    }
}
