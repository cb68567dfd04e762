//! Bartizan's terminal UI: `update(&mut State, Event) -> Vec<Effect>` and `view(&State, &Grid, &mut Frame)`, pure. No sockets, no
//! files, no clock: the host feeds events and carries out effects.

pub mod player;
