//! What a held operation does, for whoever decides about it. Follows from what was understood of the operation; decides nothing.

use bartizan_policies::{ApiRequest, Facts, kubernetes, sql};

use crate::store::{Outline, StatementOutline, TableOutline};

use super::questions::Question;
use super::sql::SqlCase;

/// Statements that are told of.
const STATEMENTS: usize = 32;

/// Relations of one statement that are told of, and columns of one relation.
const TABLES: usize = 64;

/// Commands of one `exec` that are told of.
const COMMANDS: usize = 32;

/// How much of a statement's text is told, in characters; the operation itself is told whole.
const TEXT: usize = 4_096;

/// What a text of SQL does.
pub(super) fn of_sql(case: &SqlCase) -> Outline {
    let all = case.script.statements.iter().zip(sql::outlines(&case.script)).enumerate();
    let statements = all.take(STATEMENTS).map(|(place, (statement, outline))| StatementOutline {
        text: case.text.get(statement.range.clone()).unwrap_or_default().trim().chars().take(TEXT).collect(),
        statement: statement.kind.to_owned(),
        summary: outline.summary.chars().take(TEXT).collect(),
        tables: outline.tables.into_iter().take(TABLES).map(table).collect(),
        estimated_rows: case.estimates().get(place).copied().flatten(),
    });
    let left_out = case.script.statements.len().saturating_sub(STATEMENTS);
    Outline::Sql { statements: statements.collect(), left_out: (left_out > 0).then_some(left_out), in_transaction: case.in_transaction }
}

fn table(touched: sql::Touched) -> TableOutline {
    TableOutline {
        table: touched.table.to_string(),
        does: touched.does.into_iter().map(str::to_owned).collect(),
        columns: touched.columns.iter().take(TABLES).map(ToString::to_string).collect(),
    }
}

/// What other operations do, where more is known of them than their text.
pub(super) fn of_questions(questions: &[Question]) -> Option<Outline> {
    questions.iter().find_map(|question| match question.facts() {
        Facts::HttpRequest(request) => Some(Outline::Http {
            method: request.method.clone(),
            path: request.target(),
            content_type: request.content_type.clone(),
            size: request.size,
        }),
        Facts::ApiRequest(request) | Facts::ApiExec { request, .. } => Some(of_api(request, questions)),
        Facts::ApiPath { verb, path } => Some(Outline::Kubernetes {
            summary: format!("{verb}s {path}, which is no resource").chars().take(TEXT).collect(),
            verb: verb.clone(),
            group: None,
            resource: None,
            subresource: None,
            namespace: None,
            name: None,
            path: Some(path.clone()),
            commands: Vec::new(),
            dry_run: false,
        }),
        _ => None,
    })
}

/// What a request to an API server does.
fn of_api(request: &ApiRequest, questions: &[Question]) -> Outline {
    let command = |question: &Question| match question.facts() {
        Facts::ApiExec { command, .. } => Some(command.text().chars().take(TEXT).collect()),
        _ => None,
    };
    Outline::Kubernetes {
        summary: kubernetes::summary(request),
        verb: request.verb.clone(),
        group: Some(request.group.clone()).filter(|group| !group.is_empty()),
        resource: Some(request.resource.clone()),
        subresource: request.subresource.clone(),
        namespace: request.namespace.clone(),
        name: request.name.clone(),
        path: None,
        commands: questions.iter().filter_map(command).take(COMMANDS).collect(),
        dry_run: request.dry_run,
    }
}
