//! `bartizan policy test`: runs the cases beside the policies and tells which hold, and which policies no case exercised. Changes
//! nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bartizan_policies::{Known, PolicySet, Problem, Ran, Rule, run_cases};
use serde_json::{Value, json};

use super::check::count;
use super::files::{self, Chosen};
use super::point;
use crate::cli::local::on_a_big_stack;
use crate::cli::print::Page;
use crate::cli::{Common, Exit};
use crate::model::Printable;

/// How the names of files with cases end.
const CASES: &str = ".test.toml";

pub(super) const EXAMPLES: &str = "\
Examples:
  bartizan policy test                                  the configured policies and the *.test.toml beside them
  bartizan policy test policies/ --coverage --min-coverage 100
  bartizan policy test team.cedar                       with the cases of team.test.toml
  bartizan policy test policies/ --filter production --json";

/// Options of `bartizan policy test`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folders with policies and cases, or files of either; policies are taken with the cases of the same name beside them, and
    /// cases alone with all policies beside them
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only cases whose name has this in it
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// List the policies that had a say in no case
    #[arg(long, conflicts_with = "filter")]
    coverage: bool,
    /// Take it for a failure when less than so many percent of the policies had a say
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100), conflicts_with = "filter")]
    min_coverage: Option<u8>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// Everything that came of a run.
struct Outcome {
    /// Of each file, its name and its cases.
    files: Vec<(String, Vec<Ran>)>,
    /// Files whose cases could not be run.
    broken: Vec<Problem>,
    policies: usize,
    /// By place.
    silent: Vec<Rule>,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let paths = Chosen::new(common, &args.paths)?.paths;
    let (policies, cases) = sides(&paths)?;
    let texts = files::read_all(&policies)?;
    if texts.is_empty() {
        return Err(Exit::incomplete("there is no *.cedar file beside these cases, so there is nothing to test"));
    }
    let set = files::load(texts, &Known::default())?;
    if cases.is_empty() {
        let mend = "write some into a file NAME.test.toml; bartizan-policy(7) says how";
        return Err(Exit::incomplete(format!("there are no cases beside {}: {mend}", count(set.len(), "policy"))));
    }
    let cases = files::read_all(&cases)?;
    // Cases may have SQL in them.
    let outcome = on_a_big_stack(|| Outcome::new(&set, cases, args.filter.as_deref()))?;
    let mut page = Page::stdout();
    if args.json {
        page.json(&outcome.as_json(args))?
    } else {
        outcome.told(&mut page, args)?
    }
    page.flush()?;
    if !outcome.broken.is_empty() {
        return Ok(ExitCode::from(3));
    }
    Ok(ExitCode::from(u8::from(outcome.failed() > 0 || outcome.covers_too_little(args))))
}

/// The files of policies, and those of cases.
fn sides(paths: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Exit> {
    let mut cases = Vec::new();
    let mut policies = Vec::new();
    for path in paths {
        let one = std::slice::from_ref(path);
        if path.is_dir() {
            policies.extend(files::find(one, ".cedar")?);
            cases.extend(files::find(one, CASES)?);
        } else if files::named(path, ".toml") {
            cases.extend(files::find(one, CASES)?);
        } else {
            policies.extend(files::find(one, ".cedar")?);
            let beside = path.with_extension("test.toml");
            cases.extend(beside.is_file().then_some(beside));
        }
    }
    if policies.is_empty() {
        let folders: BTreeSet<PathBuf> = cases.iter().map(|case| parent(case)).collect();
        policies = files::find(&folders.into_iter().collect::<Vec<_>>(), ".cedar")?;
    }
    for all in [&mut policies, &mut cases] {
        all.sort();
        all.dedup();
    }
    Ok((policies, cases))
}

fn parent(path: &std::path::Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(std::path::Path::new(".")).to_owned()
}

impl Outcome {
    fn new(set: &PolicySet, texts: files::Texts, filter: Option<&str>) -> Self {
        let (mut files, mut broken, mut exercised) = (Vec::new(), Vec::new(), BTreeSet::<Arc<str>>::new());
        for (name, text) in texts {
            match run_cases(set, &name, &text) {
                Ok(mut report) => {
                    report.cases.retain(|case| filter.is_none_or(|part| case.name.contains(part)));
                    exercised.extend(report.cases.iter().flat_map(|case| case.exercised.iter().cloned()));
                    files.push((name, report.cases));
                }
                Err(problem) => broken.push(problem),
            }
        }
        let mut silent: Vec<Rule> = set.rules().filter(|rule| !exercised.contains(&rule.id)).cloned().collect();
        silent.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Self { files, broken, policies: set.len(), silent }
    }

    fn failures(&self) -> impl Iterator<Item = &Problem> {
        self.files.iter().flat_map(|(_, cases)| cases).filter_map(|case| case.failure.as_ref())
    }

    fn failed(&self) -> usize {
        self.failures().count()
    }

    fn passed(&self) -> usize {
        self.files.iter().map(|(_, cases)| cases.len()).sum::<usize>() - self.failed()
    }

    /// Rounded down, so that 100 means all.
    fn percent(&self) -> usize {
        (self.policies - self.silent.len()) * 100 / self.policies.max(1)
    }

    fn covers_too_little(&self, args: &Args) -> bool {
        args.min_coverage.is_some_and(|least| self.percent() < usize::from(least))
    }

    fn told(&self, page: &mut Page, args: &Args) -> Result<(), Exit> {
        for (name, cases) in &self.files {
            page.line(&format!("{}: {}", Printable(name), count(cases.len(), "case")))?;
            for case in cases {
                let word = if case.failure.is_none() { page.pleasing("ok") } else { page.alarming("FAILED") };
                page.line(&format!("  {} ... {word}", Printable(&case.name)))?;
            }
        }
        page.line("")?;
        for problem in self.failures().chain(&self.broken) {
            let text = point::at(problem, Some(page));
            page.line(&text)?;
        }
        self.summary(page, args)
    }

    fn summary(&self, page: &mut Page, args: &Args) -> Result<(), Exit> {
        let good = self.failed() == 0 && self.broken.is_empty();
        let word = if good { page.pleasing("ok") } else { page.alarming("FAILED") };
        let broken = match self.broken.len() {
            0 => String::new(),
            n => format!(", {} could not be run", count(n, "file")),
        };
        page.line(&format!("{word}: {} passed, {} failed{broken}", self.passed(), self.failed()))?;
        if args.filter.is_some() {
            return Ok(());
        }
        let (heard, percent) = (self.policies - self.silent.len(), self.percent());
        let line = format!("coverage: {heard} of {} had a say in a case ({percent} %)", count(self.policies, "policy"));
        match args.min_coverage.filter(|_| self.covers_too_little(args)) {
            Some(least) => page.line(&page.alarming(&format!("{line}; {least} % are asked for")))?,
            None => page.line(&line)?,
        }
        if args.coverage || self.covers_too_little(args) {
            for rule in &self.silent {
                page.line(&format!("  no case: {} at {}:{}", rule.id, Printable(&rule.file), rule.line))?;
            }
        } else if !self.silent.is_empty() {
            page.line("  --coverage lists the others")?;
        }
        Ok(())
    }

    fn as_json(&self, args: &Args) -> Value {
        let case =
            |case: &Ran| json!({ "name": case.name, "ok": case.failure.is_none(), "failure": case.failure, "policies": case.exercised });
        let file = |(name, cases): &(String, Vec<Ran>)| json!({ "file": name, "cases": cases.iter().map(case).collect::<Vec<_>>() });
        let silent = |rule: &Rule| json!({ "id": rule.id, "file": rule.file, "line": rule.line });
        // What a filter leaves out says nothing about coverage.
        let coverage = args.filter.is_none().then(|| {
            json!({
                "policies": self.policies,
                "exercised": self.policies - self.silent.len(),
                "percent": self.percent(),
                "not_exercised": self.silent.iter().map(silent).collect::<Vec<_>>(),
            })
        });
        json!({
            "ok": self.failed() == 0 && self.broken.is_empty() && !self.covers_too_little(args),
            "passed": self.passed(),
            "failed": self.failed(),
            "files": self.files.iter().map(file).collect::<Vec<_>>(),
            "broken": self.broken,
            "coverage": coverage,
        })
    }
}
