//! Reads the command line of `ssh bastion COMMAND`.

use std::time::Duration;

use jiff::SignedDuration;

use crate::model::{ApprovalId, Printable, SessionId, Wish};

/// A command to the bastion itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeskCommand {
    /// `ssh bastion`: the targets and how to reach each.
    Welcome,
    /// `cert`: a certificate for the public key on standard input.
    Cert,
    /// `renew`: the same for the key of this connection, for the workload token on standard input; what goes on here goes on.
    Renew,
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
    /// `approvals`: what waits and the caller can answer, and what they wait for.
    Approvals {
        /// As JSON.
        json: bool,
    },
    /// `approve`, `deny`, `revoke`, `withdraw`
    Answer {
        /// Which approval.
        id: ApprovalId,
        /// What is said to it.
        answer: Answer,
        /// Why; shown to who asked.
        reason: String,
    },
    /// `recordings`: those that the caller may replay.
    Recordings {
        /// As JSON.
        json: bool,
    },
    /// The subsystem `control`: the control protocol.
    Control,
    /// The terminal UI.
    Show {
        /// What it begins with.
        scene: Scene,
        /// In lines, without a screen.
        plain: bool,
    },
    /// `help`
    Help,
}

/// What the terminal UI begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// `tui`: what waits for approval.
    Desk,
    /// `ssh -t bastion`: the targets; it ends with the session that is begun there.
    Picker,
    /// `play ID`: a recording.
    Play(SessionId),
    /// `watch ID`: a live session.
    Watch(SessionId),
}

/// What can be said to an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It may go on, for as long as policy says or for less.
    Approve(Option<Duration>),
    /// It may not.
    Deny,
    /// It may go on no longer.
    Revoke,
    /// It is not wanted any more; said by who asked.
    Withdraw,
}

impl Answer {
    /// The answer of that name.
    fn of(word: &str) -> Option<Self> {
        match word {
            "approve" => Some(Self::Approve(None)),
            "deny" => Some(Self::Deny),
            "revoke" => Some(Self::Revoke),
            "withdraw" => Some(Self::Withdraw),
            _ => None,
        }
    }
}

impl DeskCommand {
    /// Reads what the visitor asked of the bastion.
    ///
    /// # Errors
    /// A sentence for them, when it is none of the commands.
    pub fn read(wish: &Wish) -> Result<Self, String> {
        let line = match wish {
            Wish::Shell => return Ok(Self::Welcome),
            Wish::Subsystem(name) if name == "control" => return Ok(Self::Control),
            Wish::Subsystem(name) => {
                return Err(format!(
                    "The bastion has the subsystems `control` and `postgres:TARGET`, not {}; for an SSH target write LOGIN@TARGET as the user name.",
                    Printable(name)
                ));
            }
            Wish::Database(_) | Wish::Http | Wish::Kubernetes => return Err("The bastion itself is no target.".to_owned()),
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
            ["renew"] => Ok(Self::Renew),
            ["help" | "--help" | "-h"] => Ok(Self::Help),
            ["tui"] => Ok(Self::Show { scene: Scene::Desk, plain: false }),
            ["tui", "--plain"] => Ok(Self::Show { scene: Scene::Desk, plain: true }),
            ["tui", other, ..] => Err(format!("`{}` is not an option here; `--plain` is. See `ssh bastion help`.", Printable(other))),
            ["play", id] => scene("play", id, Scene::Play),
            ["watch", id] => scene("watch", id, Scene::Watch),
            [word @ ("play" | "watch"), ..] => Err(format!("Write: {word} ID; `ssh -t bastion tui` shows the ids.")),
            ["targets", rest @ ..] => json(|json| Self::Targets { json }, rest),
            ["sessions", rest @ ..] => json(|json| Self::Sessions { json }, rest),
            ["whoami", rest @ ..] => json(|json| Self::Whoami { json }, rest),
            ["recordings", rest @ ..] => json(|json| Self::Recordings { json }, rest),
            ["approvals", rest @ ..] => json(|json| Self::Approvals { json }, rest),
            [word, rest @ ..] if Answer::of(word).is_some() => answer(word, rest),
            _ => Err(format!(
                "The bastion has no command `{}`. To run it on a target, write LOGIN@TARGET as the user name; see `ssh bastion help`.",
                Printable(line)
            )),
        }
    }
}

fn scene(word: &str, id: &str, scene: fn(SessionId) -> Scene) -> Result<DeskCommand, String> {
    let id =
        id.parse().map_err(|error: crate::model::NameError| format!("{error}. Write: {word} ID; `ssh -t bastion tui` shows the ids."))?;
    Ok(DeskCommand::Show { scene: scene(id), plain: false })
}

/// Reads `approve ID [--for TIME] [REASON…]` and its kin.
fn answer(word: &str, rest: &[&str]) -> Result<DeskCommand, String> {
    let usage =
        || format!("Write: {word} ID{} [REASON…]; `approvals` shows the ids.", if word == "approve" { " [--for TIME]" } else { "" });
    let (Some(mut answer), [id, rest @ ..]) = (Answer::of(word), rest) else { return Err(usage()) };
    let id: ApprovalId = id.parse().map_err(|error: crate::model::NameError| format!("{error}. {}", usage()))?;
    let rest = match (&mut answer, rest) {
        (Answer::Approve(valid), ["--for", time, rest @ ..]) => {
            let span: Option<SignedDuration> = time.parse().ok().filter(|span: &SignedDuration| span.is_positive());
            let span = span.and_then(|span| Duration::try_from(span).ok());
            *valid = Some(span.ok_or_else(|| format!("`{}` is not a time such as 10m or 1h.", Printable(time)))?);
            rest
        }
        _ => rest,
    };
    match rest.first() {
        Some(option) if option.starts_with("--") => Err(format!("`{}` is not an option here. {}", Printable(option), usage())),
        _ => Ok(DeskCommand::Answer { id, answer, reason: rest.join(" ") }),
    }
}
