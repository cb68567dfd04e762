//! SQL as the gateway would understand it, over a catalog from a file or the one that the bastion left when it last read the
//! database's: what it asks policy, what of its results would be masked, and why it would be refused although policy permits it. Reads
//! that file and nothing else.

use std::path::Path;
use std::sync::Arc;

use bartizan_policies::sql::{Answer, Catalog, Judge, Limits, Operation, Refused, Rows, Script, State, analyse, schemas};
use bartizan_policies::{Decision, Facts, Mask, PolicySet, Target};
use serde_json::{Value, json};

use super::Args;
use super::question::{Asked, Question};
use crate::cli::Exit;
use crate::cli::local::on_a_big_stack;
use crate::cli::print::note;
use crate::config::{self, Config, TargetAccess};
use crate::model::Printable;
use crate::upstream::CatalogDesk;

/// A text, and what analysis makes of it.
pub(super) struct Sql {
    text: String,
    catalog: Catalog,
    script: Result<Script, Refused>,
    estimated_rows: Option<i64>,
}

/// What policy says of it as a whole.
pub(super) struct Said {
    pub(super) decision: Decision,
    refused: Option<Refused>,
    /// Each result that is predicted, by the statement it is of.
    results: Vec<(usize, Arc<str>, Option<Mask>)>,
}

impl Sql {
    pub(super) fn read(text: &str, args: &Args, config: &Config, target: &config::Target) -> Result<Self, Exit> {
        let TargetAccess::Postgres(access) = &target.access else {
            return Err(Exit::usage(format!("{} holds no database", target.name)));
        };
        let user = args.login.as_ref().or(access.users.first().map(|user| &user.name)).map(ToString::to_string).unwrap_or_default();
        let rows = match &args.further.catalog {
            Some(path) => rows_of(path)?,
            None => {
                let chosen = args.further.database.as_ref().or(access.databases.first());
                rows_left(config, target, &user, chosen.map(String::as_str).unwrap_or_default())?
            }
        };
        let (catalog, state) = (Catalog::new(rows), State::new(user, schemas(&args.further.search_path)));
        let script = on_a_big_stack(|| analyse(text.as_bytes(), &catalog, &state, &Limits::default()))?;
        Ok(Self { text: text.to_owned(), catalog, script, estimated_rows: args.further.estimated_rows.map(i64::from) })
    }

    /// What is asked of policy.
    pub(super) fn questions(&self, target: &Target) -> Result<Vec<Question>, Exit> {
        let Ok(script) = &self.script else { return Ok(Vec::new()) };
        let mut questions = Vec::new();
        for statement in &script.statements {
            let facts = |operation: &Operation| Facts::Sql {
                statement: statement.kind.to_owned(),
                has_where: statement.has_where,
                in_transaction: false,
                setting: operation.setting.as_ref().map(ToString::to_string),
                estimated_rows: self.estimated_rows,
            };
            questions.extend(statement.operations.iter().map(|operation| Question {
                action: operation.action,
                facts: facts(operation),
                operation: statement.kind.to_owned(),
                on: operation.on.place(target, &self.catalog.rows().database),
            }));
        }
        Ok(questions)
    }

    pub(super) fn said(&self, set: &PolicySet, asked: &Asked, args: &Args) -> Result<Said, Exit> {
        let (Some(target), Some(question)) = (&asked.target, asked.questions.first()) else {
            return Err(Exit::usage("--sql needs the target: add --target NAME"));
        };
        let (slice, context) = (set.slice(&asked.principal, target), args.circumstances.context(question));
        let judge = Judge::new(&slice, target, &self.catalog, &context);
        let script = match &self.script {
            Ok(script) => script,
            Err(refused) => return Ok(Said { decision: judge.denial(refused), refused: Some(refused.clone()), results: Vec::new() }),
        };
        let estimates = vec![self.estimated_rows; script.statements.len()];
        let judgement = judge.estimating(&estimates).judge(script, &self.text);
        let mut results = Vec::new();
        for (number, (statement, judged)) in (1..).zip(script.statements.iter().zip(&judgement.statements)) {
            if let Answer::Rows(outputs) | Answer::CopyOut(outputs, _) = &statement.answer {
                results.extend(outputs.iter().zip(&judged.masks).map(|(output, mask)| (number, Arc::clone(&output.name), *mask)));
            }
        }
        Ok(Said { decision: judgement.decision, refused: judgement.refused, results })
    }
}

fn rows_of(path: &Path) -> Result<Rows, Exit> {
    let unreadable = |why: &dyn std::fmt::Display| Exit::incomplete(format!("{}: {why}", Printable(&path.display().to_string())));
    let json = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    serde_json::from_str(&json).map_err(|error| unreadable(&error))
}

/// What the bastion left of the database's catalog.
fn rows_left(config: &Config, target: &config::Target, user: &str, database: &str) -> Result<Rows, Exit> {
    let path = CatalogDesk::file(&config.server.state_dir, &target.name, user, database);
    let about = format!("the catalog of database {} of {}", Printable(database), target.name);
    let left = std::fs::metadata(&path).and_then(|about| about.modified()).map_err(|error| {
        let shown = Printable(&path.display().to_string()).to_string();
        Exit::incomplete(if error.kind() == std::io::ErrorKind::NotFound {
            format!("the bastion has not read {about} as role {user} yet ({shown}): let somebody connect, or give --catalog FILE")
        } else {
            format!("{shown}: {error}; run this as the bastion's account, or give --catalog FILE")
        })
    })?;
    if let Ok(read_at) = jiff::Timestamp::try_from(left) {
        note(&format!("{about} is the one that the bastion read at {}", read_at.strftime("%Y-%m-%d %H:%M:%SZ")));
    }
    rows_of(&path)
}

impl Said {
    pub(super) fn lines(&self) -> Vec<String> {
        let several = self.results.iter().any(|(statement, _, _)| *statement > 1);
        let masked = self.results.iter().filter_map(|(statement, name, mask)| {
            let of = if several { format!(" of statement {statement}") } else { String::new() };
            Some(format!("result \"{}\"{of} would be masked: {}", Printable(name), (*mask)?))
        });
        let refused = self.refused.iter().flat_map(|refused| {
            let lines = refused.to_string();
            lines.lines().map(|line| Printable(line).to_string()).collect::<Vec<_>>()
        });
        masked.chain(refused).collect()
    }

    pub(super) fn results(&self) -> Value {
        let one =
            |(statement, name, mask): &(usize, Arc<str>, Option<Mask>)| json!({ "statement": statement, "name": &**name, "mask": mask });
        self.results.iter().map(one).collect()
    }

    pub(super) fn refusal(&self) -> Option<Value> {
        let Refused { code, message, hint, position, stale: _ } = self.refused.as_ref()?;
        Some(json!({ "sqlstate": code, "message": message, "hint": hint, "position": position }))
    }
}
