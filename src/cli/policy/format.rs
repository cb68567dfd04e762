//! `bartizan policy format`: one form for all policies. Writes a file only when it is proved that the policies say the same
//! as before, to the digest, and that no comment was lost; and then whole or not at all.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bartizan_policies::{Known, PolicySet};
use cedar_policy_formatter::{Config, policies_str_to_pretty};
use similar::TextDiff;

use super::files::{self, Chosen};
use crate::cli::print::Page;
use crate::cli::{Common, Exit};
use crate::model::Printable;

/// The widest line, in columns, where one can be broken: the width that Cedar's own tools take.
const WIDTH: usize = 80;
/// How far a step is indented, as by them.
const INDENT: isize = 2;
/// How often the form may change before it stays as it is.
const ROUNDS: usize = 4;

pub(super) const EXAMPLES: &str = "\
Examples:
  bartizan policy format                     all files of the configured folder
  bartizan policy format --check policies/   in CI: what would change, and exit code 1
  bartizan policy format - < new.cedar       from standard input to standard output, for editors";

/// Options of `bartizan policy format`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files, folders with *.cedar files, or `-` alone for standard input to standard output; without any, the configured folder
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write nothing; show what would change
    #[arg(long)]
    check: bool,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let mut page = Page::stdout();
    let changed = if args.paths == [Path::new("-")] {
        let text = files::text_of(std::io::stdin().lock(), "standard input")?;
        let formatted = formatted("standard input", &text)?;
        if args.check { compare(&mut page, "standard input", &text, &formatted)? } else { print(&mut page, &formatted)? }
    } else {
        format_files(&mut page, common, args)?
    };
    page.flush()?;
    Ok(ExitCode::from(u8::from(args.check && changed)))
}

/// Whether any file is, or would be, changed. All are worked out before the first is written.
fn format_files(page: &mut Page, common: &Common, args: &Args) -> Result<bool, Exit> {
    let paths = files::find(&Chosen::new(common, &args.paths)?.paths, ".cedar")?;
    if paths.is_empty() {
        return Err(Exit::incomplete("there is no *.cedar file there"));
    }
    let mut changes = Vec::new();
    for (path, (name, text)) in paths.iter().zip(files::read_all(&paths)?) {
        let formatted = formatted(&name, &text)?;
        if args.check {
            compare(page, &name, &text, &formatted)?;
        }
        if formatted != text {
            changes.push((path, formatted));
        }
    }
    for (path, formatted) in changes.iter().filter(|_| !args.check) {
        replace(path, formatted)?;
        page.line(&format!("formatted {}", files::shown(path)))?;
    }
    let (total, changed) = (super::check::count(paths.len(), "file"), changes.len());
    page.line(&match (changed, args.check) {
        (0, _) => format!("{total}: good"),
        (_, true) => format!("{total}: {changed} would be changed"),
        (_, false) => format!("{total}: {changed} changed"),
    })?;
    Ok(changed > 0)
}

fn print(page: &mut Page, text: &str) -> Result<bool, Exit> {
    text.lines().try_for_each(|line| page.line(line))?;
    Ok(false)
}

/// Shows what would change, as `diff -u` does.
fn compare(page: &mut Page, name: &str, old: &str, new: &str) -> Result<bool, Exit> {
    if old == new {
        return Ok(false);
    }
    let name = Printable(name).to_string();
    let diff = TextDiff::from_lines(old, new);
    for line in diff.unified_diff().header(&name, &format!("{name} (formatted)")).to_string().lines() {
        let shown = Printable(line).to_string();
        let shown = match line.chars().next() {
            Some('-') => page.alarming(&shown),
            Some('+') => page.pleasing(&shown),
            _ => shown,
        };
        page.line(&shown)?;
    }
    Ok(true)
}

/// `text` in the one form, which says the same.
pub(super) fn formatted(name: &str, text: &str) -> Result<String, Exit> {
    let refused = |why: &str| Exit::incomplete(format!("{} is left as it is: {why}", Printable(name)));
    let digest = |text: &str| files::load(vec![(name.to_owned(), text.to_owned())], &Known::default()).map(|set: PolicySet| set.digest());
    let meaning = digest(text)?;
    let config = Config { line_width: WIDTH, indent_width: INDENT };
    let mut form = text.to_owned();
    for _ in 0..ROUNDS {
        let next = policies_str_to_pretty(&form, &config).map_err(|error| refused(&Printable(&error.to_string()).to_string()))?;
        let next = with_gaps(&form, &next);
        if next == form {
            break;
        }
        form = next;
    }
    if digest(&form)? != meaning {
        return Err(refused("formatted it would say something else; please report this"));
    }
    if comments(&form) != comments(text) {
        return Err(refused("formatting would lose or change a comment; move comments to lines of their own between policies"));
    }
    Ok(form)
}

/// `form` with a blank line after each comment between policies that has one in `text`: the formatter takes them away, and with
/// them what sets a remark about the whole file apart from one about its first policy.
fn with_gaps(text: &str, form: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut apart = lines.windows(2).filter_map(|pair| match pair {
        [comment, ""] if comment.starts_with("//") => Some(*comment),
        _ => None,
    });
    let mut wanted = apart.next();
    let mut out = String::with_capacity(form.len() + 16);
    let mut rest = form.lines().peekable();
    while let Some(line) = rest.next() {
        out.push_str(line);
        out.push('\n');
        if wanted == Some(line) {
            wanted = apart.next();
            if rest.peek().is_some_and(|next| !next.is_empty()) {
                out.push('\n');
            }
        }
    }
    out
}

/// Every comment, sorted. A text in quotes may go over several lines, and hold what looks like a comment.
fn comments(text: &str) -> Vec<&str> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(['"', '/']) {
        rest = rest.get(at..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("//") {
            let (comment, tail) = comment.split_once('\n').unwrap_or((comment, ""));
            found.push(comment.trim());
            rest = tail;
        } else if let Some(quoted) = rest.strip_prefix('"') {
            rest = after_quote(quoted);
        } else {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    found.sort_unstable();
    found
}

/// What follows the end of a quoted text.
fn after_quote(text: &str) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == '"' && !escaped {
            return text.get(at + 1..).unwrap_or_default();
        }
        escaped = c == '\\' && !escaped;
    }
    ""
}

/// Puts `text` in place of the file at `path`, whole or not at all, with its mode and, where that is allowed, its owner.
fn replace(path: &Path, text: &str) -> Result<(), Exit> {
    let write = || -> std::io::Result<()> {
        // A link stays one; what it leads to is replaced.
        let path = fs::canonicalize(path)?;
        let old = fs::metadata(&path)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile::Builder::new().prefix(".format-").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        let owned = file.as_file().metadata()?;
        if (owned.uid(), owned.gid()) != (old.uid(), old.gid()) {
            std::os::unix::fs::fchown(file.as_file(), Some(old.uid()), Some(old.gid()))?;
        }
        file.as_file().set_permissions(old.permissions())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|error| Exit::incomplete(format!("{} cannot be written: {error}", files::shown(path))))
}

#[cfg(test)]
mod tests;
