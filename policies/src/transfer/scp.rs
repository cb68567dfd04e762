//! `scp -t` and `scp -f`, as OpenSSH, PuTTY, paramiko's and Go's clients send them.

use super::words::Word;
use super::{Copier, Direction, Root, Transfer, root};

#[derive(Default)]
struct Flags {
    to: bool,
    from: bool,
    recursive: bool,
    keeps_times: bool,
    wants_folder: bool,
    verbose: usize,
    quiet: bool,
}

impl Flags {
    /// Takes one argument with flags; `None` when there is one that is not known. All that take a value, run programs or choose
    /// another way are not: `-S`, `-o`, `-c`, `-F`, `-i`, `-J`, `-3`, `-D`, `-X`.
    fn take(&mut self, flags: &str) -> Option<()> {
        for flag in flags.chars() {
            match flag {
                't' => self.to = true,
                'f' => self.from = true,
                'r' => self.recursive = true,
                'p' => self.keeps_times = true,
                'd' => self.wants_folder = true,
                'v' => self.verbose += 1,
                'q' => self.quiet = true,
                _ => return None,
            }
        }
        Some(())
    }

    fn written(&self, direction: Direction) -> Vec<String> {
        let known = [
            (matches!(direction, Direction::ToTarget), "-t"),
            (matches!(direction, Direction::FromTarget), "-f"),
            (self.recursive, "-r"),
            (self.keeps_times, "-p"),
            (self.wants_folder, "-d"),
            (self.verbose > 0, "-v"),
            (self.quiet, "-q"),
        ];
        known.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag.to_owned()).collect()
    }
}

pub(super) fn read(program: &str, arguments: &[Word]) -> Option<Transfer> {
    let mut flags = Flags::default();
    let mut rest = arguments;
    while let Some((first, tail)) = rest.split_first() {
        match first.literal().as_deref().and_then(|word| word.strip_prefix('-')) {
            Some("-") => {
                rest = tail;
                break;
            }
            Some("") | None => break,
            Some(given) => flags.take(given)?,
        }
        rest = tail;
    }
    let direction = match (flags.to, flags.from) {
        (true, false) => Direction::ToTarget,
        (false, true) => Direction::FromTarget,
        _ => return None,
    };
    let roots: Vec<Root> = rest.iter().map(scp_root).collect::<Option<_>>()?;
    // A sink takes one destination; with a pattern it would be whatever the target's shell finds.
    let one = || matches!(roots.as_slice(), [only] if only.pattern.is_none());
    if roots.is_empty() || roots.len() > 256 || direction == Direction::ToTarget && !one() {
        return None;
    }
    let ends_as_folder = direction == Direction::ToTarget && roots.iter().any(|root| root.path.ends_with('/'));
    Some(Transfer {
        program: program.to_owned(),
        copier: Copier::Scp,
        direction,
        options: flags.written(direction),
        recursive: flags.recursive,
        keeps_times: flags.keeps_times,
        wants_folder: flags.wants_folder || ends_as_folder,
        roots,
        sides: Vec::new(),
        removes: false,
        leaves_the_tree: false,
        writes_in_place: true,
    })
}

/// scp takes an empty destination for the account's home.
fn scp_root(word: &Word) -> Option<Root> {
    match word.literal().as_deref() {
        Some("") => Some(Root { path: ".".to_owned(), pattern: None }),
        _ => root(word),
    }
}
