//! FROM: tables, sub-selects, functions, joins, and what each of them can be named by.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{
    JoinExpr, JsonTable, JsonTableColumn, JsonTablePathSpec, List, Node, RangeFunction, RangeSubselect, RangeTableFunc, RangeTableFuncCol,
    RangeTableSample, RangeVar,
};

use super::super::refused::Refused;
use super::named::alias;
use super::scope::{Column, Item, Scope};
use super::with::renamed;
use super::{Analyst, For, Ruled, string, strings};
use crate::Action;

fn unreadable() -> Refused {
    Refused::unsupported("the bastion cannot read this item of FROM")
}

impl Analyst<'_> {
    /// The items of a FROM, added to those there are.
    pub(super) fn from(&mut self, nodes: &[Node], around: &Scope<'_>, items: &mut Vec<Item>) -> Ruled<()> {
        nodes.iter().try_for_each(|node| self.item(node, around, items))
    }

    fn item(&mut self, node: &Node, around: &Scope<'_>, items: &mut Vec<Item>) -> Ruled<()> {
        self.down()?;
        let done = match &node.node {
            Some(NodeEnum::RangeVar(range)) => self.table_item(range, around).map(|item| items.push(item)),
            Some(NodeEnum::RangeSubselect(sub)) => self.sub_select(sub, around, items),
            Some(NodeEnum::RangeFunction(function)) => self.function_item(function, around, items),
            Some(NodeEnum::RangeTableFunc(table)) => self.xml_table(table, around, items),
            Some(NodeEnum::JsonTable(table)) => self.json_table(table, around, items),
            Some(NodeEnum::RangeTableSample(sample)) => self.sample(sample, around, items),
            Some(NodeEnum::JoinExpr(join)) => self.join(join, around, items),
            _ => Err(unreadable()),
        };
        self.up();
        done
    }

    /// A table, a view or a common table expression.
    fn table_item(&mut self, range: &RangeVar, around: &Scope<'_>) -> Ruled<Item> {
        let RangeVar { catalogname: _, schemaname, relname, inh: _, relpersistence: _, alias: named, location } = range;
        let (name, names) = alias(named.as_ref());
        if let Some(table) = around.table(relname).filter(|_| schemaname.is_empty()) {
            let Some(columns) = &table.columns else {
                let message = format!("\"{relname}\" is used before it is defined, or by itself where the bastion cannot follow");
                return Err(self.refused(Refused::unsupported(message), *location));
            };
            let aliased = name.unwrap_or_else(|| Arc::clone(&table.name));
            return Ok(Item::given(aliased, renamed(columns, &names)));
        }
        let relation = self.readable(range)?;
        self.ask_table(Action::PgSelect, &relation);
        Ok(Item::of(relation, name, names))
    }

    fn sub_select(&mut self, sub: &RangeSubselect, around: &Scope<'_>, items: &mut Vec<Item>) -> Ruled<()> {
        let RangeSubselect { lateral, subquery, alias: named } = sub;
        let rows = {
            let beside = Scope::under(Some(around), if *lateral { items.as_slice() } else { &[] });
            self.query_if(subquery.as_deref(), Some(&beside))?
        };
        let (name, names) = alias(named.as_ref());
        self.newer_than(15, name.is_none());
        let item = Item::given(name.unwrap_or_else(|| "".into()), renamed(&rows.columns, &names));
        items.push(Item { open: rows.open, ..item });
        Ok(())
    }

    fn function_item(&mut self, function: &RangeFunction, around: &Scope<'_>, items: &mut Vec<Item>) -> Ruled<()> {
        let RangeFunction { lateral: _, ordinality, is_rowsfrom: _, functions, alias: named, coldeflist } = function;
        let (name, names) = alias(named.as_ref());
        let (mut columns, mut open, mut title) = (Vec::new(), false, None);
        {
            // A function sees what stands before it, LATERAL or not.
            let beside = Scope::under(Some(around), items.as_slice());
            for node in functions {
                let Some(NodeEnum::List(List { items: pair })) = &node.node else { return Err(unreadable()) };
                let [call, definitions] = pair.as_slice() else { return Err(unreadable()) };
                self.expression(call, &beside, For::Value)?;
                let called = super::titles::title(call);
                let own = match &definitions.node {
                    Some(NodeEnum::List(List { items })) => self.definitions(items)?,
                    None => self.definitions(coldeflist)?,
                    Some(_) => return Err(unreadable()),
                };
                if own.is_empty() {
                    let (of_function, more) = given_by(&called, call, functions.len() == 1, name.as_deref(), &names);
                    columns.extend(of_function);
                    open |= more;
                } else {
                    columns.extend(own);
                }
                title.get_or_insert(called);
            }
        }
        if *ordinality {
            columns.push(Column::made("ordinality"));
        }
        let name = name.or_else(|| title.map(Into::into)).unwrap_or_else(|| "".into());
        let item = Item::given(name, renamed(&columns, &names));
        items.push(Item { open, ..item });
        Ok(())
    }

    /// `(a int, b text)` after a function.
    fn definitions(&mut self, nodes: &[Node]) -> Ruled<Vec<Column>> {
        let mut columns = Vec::new();
        for node in nodes {
            let Some(NodeEnum::ColumnDef(definition)) = &node.node else { return Err(unreadable()) };
            self.column_definition(definition, &Scope::EMPTY)?;
            columns.push(Column::made(definition.colname.as_str()));
        }
        Ok(columns)
    }

    fn sample(&mut self, sample: &RangeTableSample, around: &Scope<'_>, items: &mut Vec<Item>) -> Ruled<()> {
        let RangeTableSample { relation, method, args, repeatable, location } = sample;
        let relation = relation.as_deref().ok_or_else(unreadable)?;
        self.item(relation, around, items)?;
        let names = strings(method).ok_or_else(unreadable)?;
        if !matches!(names.as_slice(), ["system" | "bernoulli"] | ["pg_catalog", "system" | "bernoulli"]) {
            self.called(&names, *location)?;
        }
        self.expressions(args, around, For::Filter)?;
        self.expression_if(repeatable.as_deref(), around, For::Filter)
    }

    fn xml_table(&mut self, table: &RangeTableFunc, around: &Scope<'_>, items: &mut Vec<Item>) -> Ruled<()> {
        let RangeTableFunc { lateral: _, docexpr, rowexpr, namespaces, columns, alias: named, location: _ } = table;
        let mut given = Vec::new();
        {
            let beside = Scope::under(Some(around), items.as_slice());
            self.expression_if(docexpr.as_deref(), &beside, For::Value)?;
            self.expression_if(rowexpr.as_deref(), &beside, For::Value)?;
            self.expressions(namespaces, &beside, For::Value)?;
            for column in columns {
                let Some(NodeEnum::RangeTableFuncCol(column)) = &column.node else { return Err(unreadable()) };
                let RangeTableFuncCol { colname, type_name, for_ordinality: _, is_not_null: _, colexpr, coldefexpr, location: _ } =
                    &**column;
                self.cast(type_name.as_ref())?;
                self.expression_if(colexpr.as_deref(), &beside, For::Value)?;
                self.expression_if(coldefexpr.as_deref(), &beside, For::Value)?;
                given.push(Column::made(colname.as_str()));
            }
        }
        let (name, names) = alias(named.as_ref());
        items.push(Item::given(name.unwrap_or_else(|| "xmltable".into()), renamed(&given, &names)));
        Ok(())
    }

    fn json_table(&mut self, table: &JsonTable, around: &Scope<'_>, items: &mut Vec<Item>) -> Ruled<()> {
        let JsonTable { context_item, pathspec, passing, columns, on_error, alias: named, lateral: _, location: _ } = table;
        self.newer_than(16, true);
        let mut given = Vec::new();
        {
            let beside = Scope::under(Some(around), items.as_slice());
            self.json_value(context_item.as_deref(), &beside, For::Value)?;
            self.json_path(pathspec.as_deref(), &beside)?;
            self.expressions(passing, &beside, For::Value)?;
            self.json_columns(columns, &beside, &mut given)?;
            self.json_behaviour(on_error.as_deref(), &beside, For::Value)?;
        }
        let (name, names) = alias(named.as_ref());
        items.push(Item::given(name.unwrap_or_else(|| "json_table".into()), renamed(&given, &names)));
        Ok(())
    }

    fn json_path(&mut self, path: Option<&JsonTablePathSpec>, scope: &Scope<'_>) -> Ruled<()> {
        let Some(JsonTablePathSpec { string, name: _, name_location: _, location: _ }) = path else { return Ok(()) };
        self.expression_if(string.as_deref(), scope, For::Value)
    }

    fn json_columns(&mut self, columns: &[Node], scope: &Scope<'_>, given: &mut Vec<Column>) -> Ruled<()> {
        for column in columns {
            let Some(NodeEnum::JsonTableColumn(column)) = &column.node else { return Err(unreadable()) };
            let JsonTableColumn {
                coltype: _,
                name,
                type_name,
                pathspec,
                format: _,
                wrapper: _,
                quotes: _,
                columns,
                on_empty,
                on_error,
                location: _,
            } = &**column;
            self.cast(type_name.as_ref())?;
            self.json_path(pathspec.as_deref(), scope)?;
            self.json_behaviour(on_empty.as_deref(), scope, For::Value)?;
            self.json_behaviour(on_error.as_deref(), scope, For::Value)?;
            if columns.is_empty() {
                given.push(Column::made(name.as_str()));
            } else {
                self.down()?;
                self.json_columns(columns, scope, given)?;
                self.up();
            }
        }
        Ok(())
    }

    fn join(&mut self, join: &JoinExpr, around: &Scope<'_>, items: &mut Vec<Item>) -> Ruled<()> {
        let JoinExpr { jointype: _, is_natural, larg, rarg, using_clause, join_using_alias, quals, alias: named, rtindex: _ } = join;
        let (left, right) = (larg.as_deref().ok_or_else(unreadable)?, rarg.as_deref().ok_or_else(unreadable)?);
        let begin = items.len();
        self.item(left, around, items)?;
        let middle = items.len();
        self.item(right, around, items)?;
        {
            let inside = Scope::under(Some(around), items.get(begin..).unwrap_or_default());
            self.condition(quals.as_deref(), &inside, For::Join)?;
        }
        let (one, two) = (bare(items, begin, middle), bare(items, middle, items.len()));
        let common: Vec<Arc<str>> = match *is_natural {
            true => one.iter().map(|column| &column.name).filter(|name| two.iter().any(|other| other.name == **name)).cloned().collect(),
            false => using_clause.iter().filter_map(string).map(Into::into).collect(),
        };
        if common.is_empty() && named.is_none() {
            return Ok(());
        }
        self.spend(one.len().saturating_add(two.len()))?;
        let merged = self.merged(&common, &one, &two)?;
        let rest = one.iter().chain(&two).filter(|column| !common.contains(&column.name));
        let columns: Vec<Column> = merged.iter().chain(rest).cloned().collect();
        let open = items.get(begin..).unwrap_or_default().iter().any(|item| item.open && item.bare);
        let (name, names) = alias(named.as_ref());
        for item in items.get_mut(begin..).unwrap_or_default() {
            item.bare = false;
            item.named &= name.is_none();
        }
        if let (Some(using), _) = alias(join_using_alias.as_ref()) {
            self.newer_than(13, true);
            items.push(Item { bare: false, ..Item::given(using, merged) });
        }
        items.push(Item { open, ..Item::given(name.unwrap_or_else(|| "".into()), renamed(&columns, &names)) });
        Ok(())
    }

    /// The columns that USING or NATURAL make one of.
    fn merged(&mut self, common: &[Arc<str>], one: &[Column], two: &[Column]) -> Ruled<Vec<Column>> {
        let mut merged = Vec::new();
        if !common.is_empty() {
            self.operators(None, "=", -1);
        }
        for name in common {
            let of = |columns: &[Column]| columns.iter().find(|column| column.name == *name).map(|column| column.value.clone());
            let (Some(left), Some(right)) = (of(one), of(two)) else {
                return Err(Refused::unknown(
                    "42703",
                    format!("column \"{name}\" specified in USING clause does not exist in both tables"),
                ));
            };
            self.used(&left, For::Join, -1);
            self.used(&right, For::Join, -1);
            merged.push(super::select::named(Arc::clone(name), left.or(&right)));
        }
        Ok(merged)
    }
}

/// The columns of some items that can be named without them.
fn bare(items: &[Item], begin: usize, end: usize) -> Vec<Column> {
    let items = items.get(begin..end).unwrap_or_default();
    items.iter().filter(|item| item.bare).flat_map(Item::all).collect()
}

/// Functions whose columns have names of their own.
const TABLES: &[(&str, &[&str])] = &[
    ("json_each", &["key", "value"]),
    ("json_each_text", &["key", "value"]),
    ("jsonb_each", &["key", "value"]),
    ("jsonb_each_text", &["key", "value"]),
    ("json_array_elements", &["value"]),
    ("json_array_elements_text", &["value"]),
    ("jsonb_array_elements", &["value"]),
    ("jsonb_array_elements_text", &["value"]),
    ("aclexplode", &["grantor", "grantee", "privilege_type", "is_grantable"]),
    ("pg_options_to_table", &["option_name", "option_value"]),
    ("pg_get_keywords", &["word", "catcode", "barelabel", "catdesc", "baredesc"]),
    ("pg_partition_tree", &["relid", "parentrelid", "isleaf", "level"]),
    ("pg_partition_ancestors", &["relid"]),
    ("ts_debug", &["alias", "description", "token", "dictionaries", "dictionary", "lexemes"]),
    ("ts_parse", &["tokid", "token"]),
    ("ts_token_type", &["tokid", "alias", "description"]),
    ("pg_input_error_info", &["message", "detail", "hint", "sql_error_code"]),
    ("pg_timezone_names", &["name", "abbrev", "utc_offset", "is_dst"]),
];

/// Functions of the system that give one column, which is named as the function, or as its alias.
const SCALARS: &[&str] = &[
    "generate_series",
    "generate_subscripts",
    "regexp_matches",
    "regexp_split_to_table",
    "string_to_table",
    "json_object_keys",
    "jsonb_object_keys",
    "jsonb_path_query",
    "jsonb_path_query_tz",
    "current_schemas",
    "now",
    "version",
    "current_database",
    "regexp_match",
    "abs",
    "lower",
    "upper",
    "length",
    "coalesce",
    "current_user",
    "session_user",
    "current_date",
    "current_timestamp",
];

/// What a function in FROM gives, and whether there may be more to it.
fn given_by(called: &str, call: &Node, alone: bool, alias: Option<&str>, names: &[Arc<str>]) -> (Vec<Column>, bool) {
    let system = match &call.node {
        Some(NodeEnum::FuncCall(call)) => {
            strings(&call.funcname).is_some_and(|names| matches!(names.as_slice(), [_] | ["pg_catalog", _])).then_some(called)
        }
        _ => None,
    };
    if let Some((_, columns)) = system.and_then(|name| TABLES.iter().find(|(known, _)| *known == name)) {
        return (columns.iter().map(|name| Column::made(*name)).collect(), false);
    }
    let arguments = match &call.node {
        Some(NodeEnum::FuncCall(call)) => call.args.len().max(1),
        _ => 1,
    };
    if called == "unnest" && arguments > 1 {
        return ((0..arguments).map(|_| Column::made("unnest")).collect(), false);
    }
    let own = alias.filter(|_| alone).unwrap_or(called);
    let known = system.is_some_and(|name| SCALARS.contains(&name));
    if known {
        return (vec![Column::made(own)], false);
    }
    // One column named so, or those of a composite type.
    let columns = names.iter().map(|name| Column::made(Arc::clone(name))).collect::<Vec<_>>();
    (if columns.is_empty() { vec![Column::made(own)] } else { columns }, true)
}
