//! Colours by what they mean. Nothing is told by a colour alone: a sign or a word stands beside it.

use ratatui::style::{Color, Modifier, Style};

use crate::settings::ThemeName;

/// What a piece of the screen means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Plain,
    Title,
    Tab,
    TabHere,
    Border,
    BorderHere,
    Selected,
    Label,
    Dim,
    Good,
    Warn,
    Bad,
    Key,
    Banner,
    Ask,
    Typing,
}

/// The style of `role` in `theme`.
pub(crate) fn style(theme: ThemeName, role: Role) -> Style {
    let (colour, modifier) = match theme {
        ThemeName::Sixteen => (sixteen(role), modifier(role)),
        ThemeName::Truecolour => (truecolour(role), modifier(role)),
        ThemeName::Mono => ((None, None), mono(role)),
    };
    let mut style = Style::new().add_modifier(modifier);
    (style.fg, style.bg) = colour;
    style
}

type Pair = (Option<Color>, Option<Color>);

fn sixteen(role: Role) -> Pair {
    match role {
        Role::Plain | Role::Tab | Role::Border | Role::Dim => (None, None),
        Role::Title | Role::TabHere | Role::BorderHere | Role::Label | Role::Key => (Some(Color::Cyan), None),
        Role::Selected => (None, None),
        Role::Good => (Some(Color::Green), None),
        Role::Warn | Role::Typing => (Some(Color::Yellow), None),
        Role::Bad => (Some(Color::Red), None),
        Role::Banner => (Some(Color::White), Some(Color::Red)),
        Role::Ask => (Some(Color::Black), Some(Color::Yellow)),
    }
}

fn truecolour(role: Role) -> Pair {
    match role {
        Role::Plain | Role::Tab => (Some(Color::Rgb(0xd0, 0xd4, 0xdc)), None),
        Role::Border | Role::Dim => (Some(Color::Rgb(0x8a, 0x92, 0xa6)), None),
        Role::Title | Role::TabHere | Role::BorderHere | Role::Label | Role::Key => (Some(Color::Rgb(0x6c, 0xc7, 0xd9)), None),
        Role::Selected => (Some(Color::Rgb(0xff, 0xff, 0xff)), Some(Color::Rgb(0x2b, 0x3a, 0x55))),
        Role::Good => (Some(Color::Rgb(0x8f, 0xd1, 0x8a)), None),
        Role::Warn | Role::Typing => (Some(Color::Rgb(0xe8, 0xc1, 0x6a)), None),
        Role::Bad => (Some(Color::Rgb(0xf2, 0x7d, 0x7d)), None),
        Role::Banner => (Some(Color::Rgb(0xff, 0xff, 0xff)), Some(Color::Rgb(0xa3, 0x2a, 0x2a))),
        Role::Ask => (Some(Color::Rgb(0x20, 0x1a, 0x00)), Some(Color::Rgb(0xe8, 0xc1, 0x6a))),
    }
}

fn modifier(role: Role) -> Modifier {
    match role {
        Role::Title | Role::TabHere | Role::BorderHere | Role::Selected | Role::Banner | Role::Bad | Role::Warn | Role::Ask => {
            Modifier::BOLD
        }
        Role::Dim => Modifier::DIM,
        _ => Modifier::empty(),
    }
}

fn mono(role: Role) -> Modifier {
    match role {
        Role::Selected | Role::Title | Role::Bad | Role::Warn | Role::Label => Modifier::BOLD,
        Role::TabHere | Role::Banner | Role::Ask => Modifier::REVERSED,
        Role::Dim => Modifier::DIM,
        Role::Typing => Modifier::UNDERLINED,
        _ => Modifier::empty(),
    }
}
