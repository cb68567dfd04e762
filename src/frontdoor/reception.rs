//! Collects a session channel's requests until its program is named, and makes the [`Ask`] of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::ChannelMsg;

use crate::model::Wish;

use super::ask::{allows_variable, is_reason};
use super::{Arrival, Environment, Terminal};

/// The longest command line that is taken: as long as Linux takes one argument.
const COMMAND_MAX: usize = 128 << 10;

/// How long an opened channel may stay without a program.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sentences about what was refused by name, waiting to be shown on the next session's standard error.
#[derive(Debug, Clone, Default)]
pub struct Notices(Arc<Mutex<Vec<String>>>);

impl Notices {
    /// Adds a sentence; a few suffice, so that a flood of requests keeps nothing.
    pub fn add(&self, sentence: String) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() < 8 && !held.contains(&sentence) {
            held.push(sentence);
        }
    }

    /// Takes all sentences.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a channel asked for before its program.
#[derive(Debug, Clone)]
pub struct Requests {
    /// The program.
    pub wish: Wish,
    /// The terminal, if one was asked for.
    pub terminal: Option<Terminal>,
    /// Variables on the allow-list.
    pub environment: Environment,
    /// What was given as reason.
    pub reason: Option<String>,
}

/// Why no program came of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The channel ended, took too long, or asked for too much first.
    Gone,
    /// The command line is not UTF-8, holds a NUL byte or is longer than 128 KiB.
    Unreadable,
}

/// Waits for the program request of `arrival`.
///
/// # Errors
/// When none comes that can be decided.
pub async fn receive(arrival: &mut Arrival, most: u32) -> Result<Requests, Missing> {
    tokio::time::timeout(PATIENCE, collect(arrival, most)).await.unwrap_or(Err(Missing::Gone))
}

async fn collect(arrival: &mut Arrival, most: u32) -> Result<Requests, Missing> {
    let mut terminal = None;
    let mut environment = Environment::new();
    let mut reason = None;
    for _ in 0..most {
        let wish = match arrival.channel.wait().await.ok_or(Missing::Gone)? {
            ChannelMsg::RequestPty { term, col_width, row_height, pix_width, pix_height, terminal_modes, .. } => {
                terminal = Some(Terminal { term, size: (col_width, row_height), pixels: (pix_width, pix_height), modes: terminal_modes });
                continue;
            }
            ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                if let Some(terminal) = &mut terminal {
                    terminal.size = (col_width, row_height);
                    terminal.pixels = (pix_width, pix_height);
                }
                continue;
            }
            ChannelMsg::SetEnv { variable_name, variable_value, .. } => {
                if is_reason(&variable_name, &variable_value) {
                    reason = Some(variable_value);
                } else if allows_variable(&variable_name, &variable_value) && environment.len() < 64 {
                    environment.push((variable_name, variable_value));
                }
                continue;
            }
            ChannelMsg::RequestShell { .. } => Wish::Shell,
            ChannelMsg::Exec { command, .. } => Wish::Exec(command_line(command)?),
            ChannelMsg::RequestSubsystem { name, .. } => Wish::Subsystem(name),
            ChannelMsg::Close => return Err(Missing::Gone),
            _ => continue,
        };
        return Ok(Requests { wish, terminal, environment, reason });
    }
    Err(Missing::Gone)
}

/// A command line that is not text cannot be decided, and so is not taken.
fn command_line(bytes: Vec<u8>) -> Result<String, Missing> {
    if bytes.len() > COMMAND_MAX || bytes.contains(&0) {
        return Err(Missing::Unreadable);
    }
    String::from_utf8(bytes).map_err(|_| Missing::Unreadable)
}
