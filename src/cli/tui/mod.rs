//! `bartizan tui`: the terminal UI in this terminal. Speaks the control protocol with the bastion on this machine by its socket, or
//! with another by the user's own ssh; connects again when that is lost. Holds no right of its own: everything is the bastion's answer.

mod away;
mod connection;
mod host;
mod settings;
mod terminal;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bartizan_recorder::Identities;
use bartizan_tui::ThemeName;

use self::connection::Route;
use super::bastion::Way;
use super::local::block_on;
use super::recordings::{Unlocking, read_identity};
use super::{Common, Exit};
use crate::screen::Keys;

/// Options of `bartizan tui`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    way: Way,
    /// Lines instead of a screen: for screen readers, scripts and terminals that can only print
    #[arg(long)]
    plain: bool,
    /// The colours; without this, those of the settings or as many as the terminal has
    #[arg(long, value_name = "NAME", value_parser = theme)]
    theme: Option<ThemeName>,
    /// The settings and keys; without this, bartizan/tui.toml in $XDG_CONFIG_HOME or ~/.config, if it is there
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Replay encrypted recordings with this age identity or ssh-ed25519 private key; may be given again
    #[arg(long, value_name = "FILE", env = "BARTIZAN_IDENTITY", hide_env_values = true)]
    identity: Vec<PathBuf>,
}

fn theme(name: &str) -> Result<ThemeName, String> {
    let names = || ThemeName::ALL.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
    ThemeName::named(name).ok_or_else(|| format!("there are: {}", names()))
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let on_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let term = std::env::var("TERM").unwrap_or_default();
    let mut settings = settings::read(args.settings.as_deref())?;
    settings.plain |= args.plain || matches!(term.as_str(), "" | "dumb");
    if !on_terminal && !settings.plain {
        return Err(Exit::usage("`bartizan tui` needs a terminal; `--plain` works in lines, without one too"));
    }
    let depth = crate::screen::Depth::of(&term, |name| std::env::var(name).ok());
    settings.theme = args.theme.unwrap_or_else(|| settings.theme.on(depth > crate::screen::Depth::None));
    let route = Route::of(common, &args.way)?;
    settings.bastion = route.name();
    settings.can_connect = on_terminal && route.can_connect();
    settings.can_sign = matches!(route, Route::Ssh { .. });
    settings.can_suspend = on_terminal && !settings.plain;
    let keys = keys(&args.identity)?;
    block_on(host::host(route, settings, depth, keys))
}

/// The keys of an auditor: passphrases are asked for now, while the terminal is the user's own.
fn keys(files: &[PathBuf]) -> Result<Option<Keys>, Exit> {
    if files.is_empty() {
        return Ok(None);
    }
    let all = files.iter().map(|file| read_identity(file)).collect::<Result<Vec<Unlocking>, Exit>>()?;
    Ok(Some(Arc::new(move || all.iter().filter_map(|unlocking| unlocking.identities().ok()).collect::<Vec<Identities>>())))
}
