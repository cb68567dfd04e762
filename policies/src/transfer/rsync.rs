//! `rsync --server`, with every option that rsync's own client sends (`server_options()` of its source; the list of its rrsync(1)).
//! An option that is not known, runs a program or writes elsewhere makes the line a command like any other.

use super::words::Word;
use super::{Copier, Direction, Root, Side, Transfer, root};
use crate::Action;

/// Short options without a value that keep to the tree. Not among them: `s` (further arguments come later, unseen).
const FLAGS: &str = "ACDEHIJNOSUWXbcdglmnopqrtuvxyz";

/// Short options by which links are followed, or by which names lead out of the tree.
const LEAVING: &str = "KLRk";

/// Long options that keep to the tree and have no value.
const LONG: &[&str] = &[
    "append",
    "delay-updates",
    "dirs",
    "existing",
    "fake-super",
    "from0",
    "fsync",
    "fuzzy",
    "group",
    "hard-links",
    "ignore-errors",
    "ignore-existing",
    "ignore-missing-args",
    "ignore-times",
    "links",
    "list-only",
    "mkpath",
    "msgs2stderr",
    "munge-links",
    "new-compress",
    "no-W",
    "no-msgs2stderr",
    "no-r",
    "no-relative",
    "no-specials",
    "numeric-ids",
    "old-compress",
    "one-file-system",
    "open-noatime",
    "owner",
    "partial",
    "perms",
    "preallocate",
    "recursive",
    "safe-links",
    "size-only",
    "specials",
    "stats",
    "super",
    "times",
    "use-qsort",
];

/// Long options with a value that names no file.
const VALUED: &[&str] = &[
    "bwlimit",
    "checksum-choice",
    "checksum-seed",
    "compress-choice",
    "compress-level",
    "compress-threads",
    "groupmap",
    "iconv",
    "info",
    "log-format",
    "max-alloc",
    "max-delete",
    "max-size",
    "min-size",
    "modify-window",
    "skip-compress",
    "stderr",
    "timeout",
    "usermap",
];

/// Long options that make the receiver remove what the sender does not have.
const DELETING: &[&str] =
    &["delete", "delete-after", "delete-before", "delete-delay", "delete-during", "delete-excluded", "delete-missing-args", "force"];

/// Long options of the receiver that name a further folder, and what is done in it.
const SIDES: &[(&str, Action)] = &[
    ("backup-dir", Action::SftpWrite),
    ("compare-dest", Action::SftpRead),
    ("copy-dest", Action::SftpRead),
    ("link-dest", Action::SftpRead),
    ("partial-dir", Action::SftpWrite),
    ("temp-dir", Action::SftpWrite),
];

/// The smallest block that rsync may be told to compare by: the checksums of tiny blocks would tell the sender what a file holds
/// that it may only write. It chooses 700 bytes itself.
const SMALLEST_BLOCK: u64 = 512;

pub(super) fn read(program: &str, arguments: &[Word]) -> Option<Transfer> {
    let (first, mut rest) = arguments.split_first()?;
    (first.literal()? == "--server").then_some(())?;
    let mut reading = Reading::new(program);
    if let Some((second, tail)) = rest.split_first()
        && second.literal().as_deref() == Some("--sender")
    {
        reading.set_sender();
        rest = tail;
    }
    let roots = loop {
        let (next, tail) = rest.split_first()?;
        let option = next.literal()?;
        rest = tail;
        if option == "." {
            break rest;
        }
        rest = reading.option(&option, rest)?;
    };
    reading.finish(roots)
}

/// What has been read of a line.
struct Reading(Transfer);

impl Reading {
    fn new(program: &str) -> Self {
        Self(Transfer {
            program: program.to_owned(),
            copier: Copier::Rsync,
            direction: Direction::ToTarget,
            options: vec!["--server".to_owned()],
            roots: Vec::new(),
            sides: Vec::new(),
            recursive: true,
            keeps_times: false,
            wants_folder: false,
            removes: false,
            leaves_the_tree: false,
            writes_in_place: false,
        })
    }

    fn set_sender(&mut self) {
        self.0.direction = Direction::FromTarget;
        self.0.options.push("--sender".to_owned());
    }

    /// Takes one option; gives what is left of the arguments after it and its value.
    fn option<'a>(&mut self, option: &str, rest: &'a [Word]) -> Option<&'a [Word]> {
        let Some(long) = option.strip_prefix("--") else {
            self.short(option.strip_prefix('-')?)?;
            self.0.options.push(option.to_owned());
            return Some(rest);
        };
        let (name, given) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        if given.is_none() && self.plain(name) {
            self.0.options.push(option.to_owned());
            return Some(rest);
        }
        let (value, rest) = match given {
            Some(value) => (value, rest),
            None => {
                let (value, tail) = rest.split_first()?;
                (value.literal()?, tail)
            }
        };
        self.valued(name, value)?;
        Some(rest)
    }

    /// A long option without a value; false when it is none.
    fn plain(&mut self, name: &str) -> bool {
        let transfer = &mut self.0;
        let sends = transfer.direction == Direction::FromTarget;
        match name {
            "inplace" => transfer.writes_in_place = true,
            "copy-unsafe-links" | "no-implied-dirs" => transfer.leaves_the_tree = true,
            // The side that has the sources removes them.
            "remove-source-files" | "remove-sent-files" => transfer.removes |= sends,
            _ if DELETING.contains(&name) => transfer.removes |= !sends,
            _ => return LONG.contains(&name),
        }
        true
    }

    fn valued(&mut self, name: &str, value: String) -> Option<()> {
        // Not only for the eye: it stands in a command line.
        (!value.chars().any(char::is_control)).then_some(())?;
        let transfer = &mut self.0;
        match name {
            "block-size" => (value.parse::<u64>().ok()? >= SMALLEST_BLOCK).then_some(())?,
            "suffix" => (!value.contains('/')).then_some(())?,
            // The names come from a file on the target (which is read), or later from the client: either way unseen.
            "files-from" => transfer.leaves_the_tree = true,
            _ if VALUED.contains(&name) => {}
            _ => return self.side(name, value),
        }
        transfer.options.push(format!("--{name}={value}"));
        Some(())
    }

    fn side(&mut self, name: &str, path: String) -> Option<()> {
        let (option, action) = *SIDES.iter().find(|(option, _)| *option == name)?;
        if self.0.direction == Direction::FromTarget {
            // A sender has no use for it, and is not told of it.
            return Some(());
        }
        let inside = !path.contains('/') && !matches!(path.as_str(), "" | "." | "..");
        if option == "partial-dir" && inside {
            // It is made beside each file, within the tree; rsync takes nothing but a real folder there.
            self.0.options.push(format!("--{option}={path}"));
            return Some(());
        }
        let climbs_late = path.split('/').skip_while(|part| *part == "..").any(|part| part == "..");
        (super::is_path(&path) && !climbs_late && option != "partial-dir" || path.starts_with('/')).then_some(())?;
        self.0.sides.push(Side { option, path, action });
        Some(())
    }

    /// A cluster of short options, at its end perhaps `e` with what the client can do: `-vlogDtpre.iLsfxCIvu`.
    fn short(&mut self, cluster: &str) -> Option<()> {
        let (flags, e) = cluster.split_once('e').map_or((cluster, None), |(flags, e)| (flags, Some(e)));
        if let Some(number) = flags.strip_prefix('B').filter(|_| e.is_none()) {
            return (number.parse::<u64>().ok()? >= SMALLEST_BLOCK).then_some(());
        }
        if flags.strip_prefix('@').is_some_and(|n| e.is_none() && !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
            return Some(());
        }
        let tells = |text: &str| {
            let after = text.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix('.');
            after.is_some_and(|able| able.chars().all(|c| c.is_ascii_alphanumeric()))
        };
        (e.is_none_or(tells) && !cluster.is_empty()).then_some(())?;
        for flag in flags.chars() {
            if LEAVING.contains(flag) {
                self.0.leaves_the_tree = true;
            } else if !FLAGS.contains(flag) {
                return None;
            }
        }
        Some(())
    }

    fn finish(mut self, words: &[Word]) -> Option<Transfer> {
        let receives = self.0.direction == Direction::ToTarget;
        let roots: Vec<Root> = words.iter().map(root).collect::<Option<_>>()?;
        if roots.is_empty() || roots.len() > 256 || roots.iter().any(|root| root.path.starts_with('-')) {
            return None;
        }
        if receives && !matches!(roots.as_slice(), [only] if only.pattern.is_none()) {
            return None;
        }
        self.0.wants_folder = receives && roots.iter().any(|root| root.path.ends_with('/'));
        // Where a relative folder lies is known only if the destination is certainly a folder.
        let relative = self.0.sides.iter().any(|side| !side.path.starts_with('/'));
        if relative && !self.0.wants_folder {
            return None;
        }
        self.0.roots = roots;
        Some(self.0)
    }
}
