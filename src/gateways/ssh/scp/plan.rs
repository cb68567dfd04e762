//! Before a copying program starts: where do its paths lead, may rsync touch those trees, and what is the line to send. Where a
//! target cannot be asked (it has no SFTP), no path is known, and only policy that asks for none can allow anything.

use std::time::Duration;

use bartizan_policies::{Action, Copier, Direction, Root, Transfer};
use russh::{Channel, client};

use super::judge::allowed_piece;
use super::places::{Asked, Places};
use crate::enforce::{Allowed, Decider, Question};
use crate::frontdoor::Refusal;
use crate::gateways::ssh::sftp::{Last, ResolveError, Resolver};
use crate::record::Tape;

/// For all that is asked of the target before the program starts.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a copying program is to be started and watched.
pub struct Plan {
    pub(super) line: String,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    /// File by file.
    Scp(Places, Option<Resolver>),
    /// All of it was allowed; kept while it goes on.
    Rsync(Allowed),
}

impl Plan {
    /// The command line to send.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }
}

/// Plans `transfer`. `channel` is a further one of the target's connection, for asking.
///
/// # Errors
/// When a path leads nowhere that can be checked, policy refuses, or the target does not answer.
pub async fn prepare(
    transfer: &Transfer,
    channel: Result<Channel<client::Msg>, russh::Error>,
    (tape, decider): (&Tape, &Decider),
) -> Result<Plan, Refusal> {
    let planned = async {
        let mut resolver = open(channel).await?;
        let paths = match &mut resolver {
            Some(resolver) => Some(Paths::ask(transfer, resolver).await?),
            None => None,
        };
        Ok::<_, Refusal>((resolver, paths))
    };
    let slow = || Refusal::unavailable("The target does not say in time where the paths lead.", "slow SFTP");
    let (resolver, paths) = tokio::time::timeout(PATIENCE, planned).await.map_err(|_| slow())??;
    let line = match &paths {
        Some(paths) => transfer.resolved(&paths.roots, &paths.sides),
        None => Some(transfer.canonical()),
    };
    let line = line.ok_or_else(|| Refusal::denied("A path leads to a name that cannot be written in a command.", "unwritable path"))?;
    let kind = match transfer.copier() {
        Copier::Scp => Kind::Scp(places(transfer, paths.as_ref())?, resolver),
        Copier::Rsync => {
            if let Some(resolver) = resolver {
                resolver.end().await;
            }
            Kind::Rsync(trees(transfer, paths.as_ref(), tape, decider).await?)
        }
    };
    Ok(Plan { line, kind })
}

async fn open(channel: Result<Channel<client::Msg>, russh::Error>) -> Result<Option<Resolver>, Refusal> {
    // A target that lets a connection have one session only cannot be asked either.
    let Ok(channel) = channel else { return Ok(None) };
    match Resolver::open(channel).await {
        Ok(resolver) => Ok(Some(resolver)),
        Err(ResolveError::NoSftp) => Ok(None),
        Err(error) => Err(refusal(&error)),
    }
}

fn refusal(error: &ResolveError) -> Refusal {
    match error {
        ResolveError::Path(error) => Refusal::denied(format!("{error}."), error.to_string()),
        error => Refusal::unavailable(format!("{error}."), error.to_string()),
    }
}

/// Where the paths of a transfer lead.
struct Paths {
    /// For the command line, in the order of the roots.
    roots: Vec<String>,
    /// The same for sides.
    sides: Vec<String>,
    /// What else a root may mean: the file that a link leads to.
    more: Vec<String>,
    /// Whether the last root is a folder.
    is_folder: bool,
}

impl Paths {
    async fn ask(transfer: &Transfer, resolver: &mut Resolver) -> Result<Self, Refusal> {
        let mut paths = Self { roots: Vec::new(), sides: Vec::new(), more: Vec::new(), is_folder: false };
        for root in transfer.roots() {
            let resolved = resolver.resolve(root.path(), Last::Followed).await.map_err(|error| refusal(&error))?;
            paths.is_folder = resolved.is_directory;
            let kept = match keeps_its_name(transfer, root, resolved.is_directory) {
                true => resolver.resolve(root.path(), Last::Kept).await.map_err(|error| refusal(&error))?.path,
                false => with_slash(transfer, root, resolved.path.clone()),
            };
            if kept.trim_end_matches('/') != resolved.path.trim_end_matches('/') && transfer.direction() == Direction::ToTarget {
                paths.more.push(resolved.path);
            }
            paths.roots.push(kept);
        }
        for side in transfer.sides() {
            let base = paths.roots.first().map_or("", String::as_str).trim_end_matches('/');
            let typed = if side.path().starts_with('/') { side.path().to_owned() } else { format!("{base}/{}", side.path()) };
            let resolved = resolver.resolve(&typed, Last::Followed).await.map_err(|error| refusal(&error))?;
            paths.sides.push(resolved.path);
        }
        Ok(paths)
    }
}

/// rsync copies a link as a link, unless a `/` follows it, and replaces one that is not a folder.
fn keeps_its_name(transfer: &Transfer, root: &Root, is_directory: bool) -> bool {
    let last = root.path().rsplit('/').next().unwrap_or_default();
    let to_folder = matches!(last, "" | "." | "..") || root.pattern().is_some();
    match (transfer.copier(), transfer.direction()) {
        (Copier::Scp, _) => false,
        (Copier::Rsync, Direction::FromTarget) => !to_folder,
        (Copier::Rsync, Direction::ToTarget) => !is_directory && !to_folder,
    }
}

/// A `/` at the end means "what is in it" to rsync.
fn with_slash(transfer: &Transfer, root: &Root, path: String) -> String {
    let last = root.path().rsplit('/').next().unwrap_or_default();
    let wanted = transfer.copier() == Copier::Rsync && root.pattern().is_none() && matches!(last, "" | "." | "..");
    if wanted && path != "/" { path + "/" } else { path }
}

/// Decides the trees that rsync may touch, and notes them.
async fn trees(transfer: &Transfer, paths: Option<&Paths>, tape: &Tape, decider: &Decider) -> Result<Allowed, Refusal> {
    let mut wanted: Vec<(Action, Option<&str>)> = Vec::new();
    for action in transfer.actions() {
        match paths {
            Some(paths) => wanted.extend(paths.roots.iter().chain(&paths.more).map(|path| (action, Some(path.as_str())))),
            None => wanted.push((action, None)),
        }
    }
    for (at, side) in transfer.sides().iter().enumerate() {
        wanted.push((side.action(), paths.and_then(|paths| paths.sides.get(at)).map(String::as_str)));
    }
    let known = |path: &str| match path.trim_end_matches('/') {
        "" => "/".to_owned(),
        path => path.to_owned(),
    };
    let leaves = transfer.leaves_the_tree();
    let wanted: Vec<(Action, Option<String>)> =
        wanted.into_iter().map(|(action, path)| (action, path.filter(|_| !leaves).map(known))).collect();
    let question = |(action, path): &(Action, Option<String>)| Question::of_file(decider.login(), *action, path.as_deref(), None, true);
    let allowed = decider.decide(wanted.iter().map(question).collect()).await?;
    let pieces = wanted.iter().map(|(action, path)| allowed_piece(*action, path.as_deref(), allowed.policies(), true)).collect();
    tape.write(pieces).await.map_err(|error| Refusal::unavailable("It cannot be recorded, so it is refused.", error.to_string()))?;
    Ok(allowed)
}

/// Where the files of an scp copying lie.
fn places(transfer: &Transfer, paths: Option<&Paths>) -> Result<Places, Refusal> {
    let path = |at: usize| paths.and_then(|paths| paths.roots.get(at)).cloned();
    if transfer.direction() == Direction::ToTarget {
        let is_folder = paths.is_some_and(|paths| paths.is_folder);
        if paths.is_some() && transfer.wants_folder() && !is_folder {
            return Err(Refusal::denied("What is to be copied there needs a directory, and that path is none.", "no directory"));
        }
        return Ok(Places::To { path: path(0), is_folder });
    }
    let asked = |(at, root): (usize, &Root)| match root.pattern() {
        Some(pattern) => Asked::Matching { folder: path(at), pattern: pattern.clone() },
        None => {
            let given = base(root.path());
            let name = path(at).map_or_else(|| given.clone(), |path| base(&path));
            let shown = if matches!(given.as_str(), "" | "." | "..") { name.clone() } else { given };
            Asked::One { path: path(at), name, shown }
        }
    };
    Ok(Places::From(transfer.roots().iter().enumerate().map(asked).collect(), 0))
}

/// The last name of a path.
fn base(path: &str) -> String {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
}
