//! Reads the command line of `ssh bastion COMMAND`.

use crate::model::{Printable, Wish};

/// A command to the bastion itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeskCommand {
    /// `ssh bastion`: the targets and how to reach each.
    Welcome,
    /// `cert`: a certificate for the public key on standard input.
    Cert,
    /// `targets`
    Targets {
        /// As JSON.
        json: bool,
    },
    /// `sessions`: the caller's own live sessions.
    Sessions {
        /// As JSON.
        json: bool,
    },
    /// `whoami`
    Whoami {
        /// As JSON.
        json: bool,
    },
    /// `help`
    Help,
}

impl DeskCommand {
    /// Reads what the visitor asked of the bastion.
    ///
    /// # Errors
    /// A sentence for them, when it is none of the commands.
    pub fn read(wish: &Wish) -> Result<Self, String> {
        let line = match wish {
            Wish::Shell => return Ok(Self::Welcome),
            Wish::Subsystem(name) => {
                return Err(format!("The bastion has no subsystem {}; write LOGIN@TARGET as the user name.", Printable(name)));
            }
            Wish::Exec(line) => line,
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        let json = |command: fn(bool) -> Self, rest: &[&str]| match rest {
            [] => Ok(command(false)),
            ["--json"] => Ok(command(true)),
            [other, ..] => Err(format!("`{}` is not an option here; `--json` is. See `ssh bastion help`.", Printable(other))),
        };
        match words.as_slice() {
            ["cert"] => Ok(Self::Cert),
            ["help" | "--help" | "-h"] => Ok(Self::Help),
            ["targets", rest @ ..] => json(|json| Self::Targets { json }, rest),
            ["sessions", rest @ ..] => json(|json| Self::Sessions { json }, rest),
            ["whoami", rest @ ..] => json(|json| Self::Whoami { json }, rest),
            _ => Err(format!(
                "The bastion has no command `{}`. To run it on a target, write LOGIN@TARGET as the user name; see `ssh bastion help`.",
                Printable(line)
            )),
        }
    }
}
