//! WITH: common table expressions, recursive ones among them.

use std::rc::Rc;
use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{CommonTableExpr, CteCycleClause, CteSearchClause, Node, SelectStmt, SetOperation, WithClause};

use super::super::refused::Refused;
use super::scope::{Column, Scope, Table};
use super::select::Rows;
use super::{Analyst, For, Ruled, string};

impl Analyst<'_> {
    /// The tables that a WITH defines.
    pub(super) fn with(&mut self, with: Option<&WithClause>, around: Option<&Scope<'_>>) -> Ruled<Vec<Table>> {
        let Some(WithClause { ctes, recursive, location: _ }) = with else { return Ok(Vec::new()) };
        let mut tables: Vec<Table> = Vec::new();
        let expressions = ctes.iter().map(expression).collect::<Option<Vec<_>>>();
        let expressions = expressions.ok_or_else(|| Refused::unsupported("the bastion cannot read this WITH"))?;
        for (index, expression) in expressions.iter().enumerate() {
            // In WITH RECURSIVE a name may be used before it is defined: then it must not be taken for a relation's.
            let rest = expressions.get(index..).unwrap_or_default();
            let pending: Vec<Table> = rest.iter().filter(|_| *recursive).map(|later| unknown(&later.ctename)).collect();
            let known: Vec<Table> = pending.into_iter().chain(tables.iter().cloned()).collect();
            let scope = Scope { parent: around, items: &[], tables: &known };
            let table = self.table(expression, &scope, *recursive)?;
            tables.push(table);
        }
        Ok(tables)
    }

    fn table(&mut self, expression: &CommonTableExpr, scope: &Scope<'_>, recursive: bool) -> Ruled<Table> {
        let CommonTableExpr {
            ctename,
            aliascolnames,
            ctematerialized: _,
            ctequery,
            search_clause,
            cycle_clause,
            location: _,
            cterecursive: _,
            cterefcount: _,
            ctecolnames: _,
            ctecoltypes: _,
            ctecoltypmods: _,
            ctecolcollations: _,
        } = expression;
        let name: Arc<str> = ctename.as_str().into();
        let names: Vec<Arc<str>> = aliascolnames.iter().filter_map(string).map(Into::into).collect();
        let rows = match union_of(ctequery.as_deref()).filter(|_| recursive) {
            Some(select) => self.recursive(select, scope, &name, &names)?,
            None => self.query_if(ctequery.as_deref(), Some(scope))?,
        };
        if rows.open {
            return Err(Refused::unsupported(format!("the columns of \"{ctename}\" cannot be told")).hint("name each column"));
        }
        let mut columns = renamed(&rows.columns, &names);
        self.search(search_clause.as_ref(), &mut columns);
        self.cycle(cycle_clause.as_deref(), &mut columns, scope)?;
        Ok(Table { name, columns: Some(Rc::new(columns)) })
    }

    fn recursive(&mut self, select: &SelectStmt, scope: &Scope<'_>, name: &Arc<str>, names: &[Arc<str>]) -> Ruled<Rows> {
        self.down()?;
        self.queries += 1;
        let tables = self.with(select.with_clause.as_ref(), Some(scope))?;
        let scope = Scope { parent: Some(scope), items: &[], tables: &tables };
        let rows = self.body(select, &scope, Some((name, names)));
        self.queries -= 1;
        self.up();
        rows
    }

    fn search(&mut self, clause: Option<&CteSearchClause>, columns: &mut Vec<Column>) {
        let Some(CteSearchClause { search_col_list, search_breadth_first: _, search_seq_column, location }) = clause else { return };
        self.newer_than(13, true);
        self.columns_used(search_col_list, columns, For::Sort, *location);
        columns.push(Column::made(search_seq_column.as_str()));
    }

    fn cycle(&mut self, clause: Option<&CteCycleClause>, columns: &mut Vec<Column>, scope: &Scope<'_>) -> Ruled<()> {
        let Some(clause) = clause else { return Ok(()) };
        let CteCycleClause {
            cycle_col_list,
            cycle_mark_column,
            cycle_mark_value,
            cycle_mark_default,
            cycle_path_column,
            location,
            cycle_mark_type: _,
            cycle_mark_typmod: _,
            cycle_mark_collation: _,
            cycle_mark_neop: _,
        } = clause;
        self.newer_than(13, true);
        self.columns_used(cycle_col_list, columns, For::Group, *location);
        self.expression_if(cycle_mark_value.as_deref(), scope, For::Value)?;
        self.expression_if(cycle_mark_default.as_deref(), scope, For::Value)?;
        columns.extend([cycle_mark_column, cycle_path_column].map(|name| Column::made(name.as_str())));
        Ok(())
    }

    /// Columns that are named by a list of names.
    fn columns_used(&mut self, names: &[Node], columns: &[Column], purpose: For, location: i32) {
        let named = |column: &&Column| names.iter().filter_map(string).any(|name| *name == *column.name);
        columns.iter().filter(named).for_each(|column| self.used(&column.value, purpose, location));
    }
}

fn expression(node: &Node) -> Option<&CommonTableExpr> {
    match &node.node {
        Some(NodeEnum::CommonTableExpr(expression)) => Some(expression),
        _ => None,
    }
}

fn unknown(name: &str) -> Table {
    Table { name: name.into(), columns: None }
}

/// The query, if it is a UNION, as recursive ones are.
fn union_of(node: Option<&Node>) -> Option<&SelectStmt> {
    match super::is_there(node)? {
        NodeEnum::SelectStmt(select) if select.op == SetOperation::SetopUnion as i32 => Some(select),
        _ => None,
    }
}

/// Columns with other names for the first of them.
pub(super) fn renamed(columns: &[Column], names: &[Arc<str>]) -> Vec<Column> {
    let name = |(index, column): (usize, &Column)| {
        let name = names.get(index).unwrap_or(&column.name);
        Column { name: Arc::clone(name), value: column.value.clone() }
    };
    columns.iter().enumerate().map(name).collect()
}
