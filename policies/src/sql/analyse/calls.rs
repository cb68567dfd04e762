//! Functions and operators. Those of the system that are known to be harmless cost no question, as long as nothing else on the
//! search path has their name; all others are `pg.call`.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use pg_query::NodeEnum;
use pg_query::protobuf::{AConst, BoolExpr, BoolExprType, ColumnRef, FuncCall, NamedArgExpr, Node, TypeCast, TypeName, WindowDef, a_const};

use super::super::catalog::{ColumnId, Routine};
use super::super::refused::Refused;
use super::super::script::{Effect, Name};
use super::super::state::{SYSTEM, TEMP, schemas};
use super::expression::equated;
use super::scope::{Item, Scope};
use super::{Analyst, For, Ruled, strings};

/// Functions of `pg_catalog` that only compute, or tell what anybody may know. One a word.
static HARMLESS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("../functions.txt").lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).collect()
});

pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(name)
}

impl Analyst<'_> {
    /// Whether there is a function of this name, as far as it can be told.
    pub(super) fn is_function(&self, name: &str) -> bool {
        is_harmless(name)
            || !self.own(name).is_empty()
            || (!self.catalog.rows().system_functions.is_empty() && self.catalog.has_system_function(name))
    }

    /// The database's own functions that an unqualified name may mean.
    fn own(&self, name: &str) -> Vec<Name> {
        let on_path = |function: &&Routine| *function.schema != *TEMP && self.schemas.contains(&function.schema);
        let mut names: Vec<Name> =
            self.catalog.functions(name).filter(on_path).map(|own| Name::new(Arc::clone(&own.schema), Arc::clone(&own.name))).collect();
        names.dedup();
        names
    }

    /// A call by name.
    pub(super) fn called(&mut self, names: &[&str], location: i32) -> Ruled<()> {
        let (schema, name) = match names {
            [name] => (None, *name),
            [schema, name] => (Some(*schema), *name),
            [database, schema, name] => {
                self.same_database(database, location)?;
                (Some(*schema), *name)
            }
            _ => return Err(self.refused(Refused::unsupported("the bastion cannot read this function's name"), location)),
        };
        let unknown = || Refused::unknown("42883", format!("function {}() does not exist", names.join(".")));
        match schema {
            None => {
                self.no_doubt(location)?;
                let own = self.own(name);
                if own.is_empty() {
                    return self.called(&[SYSTEM, name], location);
                }
                own.into_iter().for_each(|function| self.own_function(function, location));
            }
            Some(SYSTEM) => {
                if !self.catalog.has_system_function(name) {
                    return Err(self.refused(unknown(), location));
                }
                if !is_harmless(name) {
                    self.own_function(Name::new(SYSTEM, name), location);
                }
            }
            Some(schema) => {
                if !self.catalog.functions(name).any(|own| *own.schema == *schema) && schema != "information_schema" {
                    return Err(self.refused(unknown(), location));
                }
                self.own_function(Name::new(schema, name), location);
            }
        }
        Ok(())
    }

    /// A call in an expression or in FROM.
    pub(super) fn call(&mut self, call: &FuncCall, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        let FuncCall {
            funcname,
            args,
            agg_order,
            agg_filter,
            over,
            agg_within_group: _,
            agg_star: _,
            agg_distinct: _,
            func_variadic: _,
            funcformat: _,
            location,
        } = call;
        let names = strings(funcname).ok_or_else(|| Refused::unsupported("the bastion cannot read this function's name"))?;
        if names.last() == Some(&"set_config") {
            self.set_config(&names, args, scope, *location)?;
        } else if !self.is_column_of_row(&names, args, scope)? {
            self.called(&names, *location)?;
        }
        self.expressions(args, scope, purpose)?;
        for sort in agg_order {
            self.sort_by(sort, scope, For::Sort)?;
        }
        self.expression_if(agg_filter.as_deref(), scope, For::Filter)?;
        over.iter().try_for_each(|over| self.window(over, scope))
    }

    /// `email(c)` is a column of `c`; that the whole row is read is seen with the argument.
    fn is_column_of_row(&mut self, names: &[&str], args: &[Node], scope: &Scope<'_>) -> Ruled<bool> {
        let ([name], [arg]) = (names, args) else { return Ok(false) };
        let Some(row) = Self::bare_name(arg) else { return Ok(false) };
        let item = scope.item(&row).map_err(|refused| Refused { stale: true, ..refused })?;
        let of = |item: &super::scope::Item| item.all().iter().any(|column| *column.name == **name);
        Ok(!self.is_function(name) && item.is_some_and(of))
    }

    /// `set_config` is SET where its arguments are written out, and refused otherwise.
    fn set_config(&mut self, names: &[&str], args: &[Node], scope: &Scope<'_>, location: i32) -> Ruled<()> {
        let system = matches!(names, [_]) && self.own("set_config").is_empty() || matches!(names, [SYSTEM, _]);
        let constants = match args {
            [name, value, local] if system => self.held_text(name, scope)?.zip(self.text(value)).zip(self.truth(local)),
            _ => None,
        };
        let Some(((name, value), local)) = constants else {
            let refused = Refused::unsupported("set_config() is let through only where its arguments are constants");
            return Err(self.refused(refused.hint("use SET"), location));
        };
        // In one text, several schemas are separated by commas.
        let values = if name.eq_ignore_ascii_case("search_path") {
            schemas(&value).iter().map(|one| one.to_string()).collect()
        } else {
            vec![value]
        };
        self.set(&name, Some(values), local, location)?;
        // Whether it is run at all, and how often, is only known where it stands alone.
        let changes = self.effects.iter().any(|effect| matches!(effect, Effect::SearchPath { .. } | Effect::Role { .. }));
        if changes && !self.certain.contains(&location) {
            self.effects.push(Effect::InDoubt);
        }
        Ok(())
    }

    /// A text written out, or a column that WHERE holds to one.
    fn held_text(&mut self, node: &Node, scope: &Scope<'_>) -> Ruled<Option<String>> {
        let Some(NodeEnum::ColumnRef(reference)) = &node.node else { return Ok(self.text(node)) };
        let value = self.reference(reference, scope)?;
        let [source] = value.flows.as_slice() else { return Ok(None) };
        Ok(self.held.iter().find(|(id, _)| *id == source.id).map(|(_, text)| text.clone()))
    }

    /// The columns of the only item of FROM, one of the system's, that WHERE holds to a text. What is the system's compares as it
    /// looks; another table's collation may not tell texts apart that are different settings.
    pub(super) fn held_by(&mut self, condition: Option<&Node>, items: &[Item], scope: &Scope<'_>) -> Ruled<Vec<(ColumnId, String)>> {
        let system = matches!(items, [item] if item.relation().is_some_and(|relation| *relation.schema == *SYSTEM));
        if !system || self.catalog.operators("=").next().is_some() {
            return Ok(Vec::new());
        }
        let mut held = Vec::new();
        for (column, constant) in conjuncts(condition) {
            let value = self.reference(column, scope)?;
            if let ([source], Some(text)) = (value.flows.as_slice(), self.text(constant)) {
                held.push((source.id, text));
            }
        }
        Ok(held)
    }

    /// A text written out, with or without a cast that leaves it as it is.
    fn text(&self, node: &Node) -> Option<String> {
        match &node.node {
            Some(NodeEnum::AConst(AConst { isnull: false, location: _, val: Some(a_const::Val::Sval(text)) })) => Some(text.sval.clone()),
            Some(NodeEnum::TypeCast(cast)) => {
                let TypeCast { arg, type_name, location: _ } = &**cast;
                let whole = self.is_plainly("text", type_name.as_ref()?) || self.is_plainly("varchar", type_name.as_ref()?);
                self.text(arg.as_deref()?).filter(|_| whole)
            }
            _ => None,
        }
    }

    /// A truth value written out.
    fn truth(&self, node: &Node) -> Option<bool> {
        match &node.node {
            Some(NodeEnum::AConst(AConst { isnull: false, location: _, val: Some(a_const::Val::Boolval(value)) })) => Some(value.boolval),
            Some(NodeEnum::TypeCast(cast)) => {
                let TypeCast { arg, type_name, location: _ } = &**cast;
                match self.text(arg.as_deref()?).filter(|_| type_name.as_ref().is_some_and(|to| self.is_plainly("bool", to)))?.as_str() {
                    "t" | "true" => Some(true),
                    "f" | "false" => Some(false),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Whether a type is the system's of that name, of any length: `'other, public'::varchar(5)` is another text.
    fn is_plainly(&self, name: &str, to: &TypeName) -> bool {
        let TypeName { names, type_oid: _, setof, pct_type, typmods, typemod: _, array_bounds, location: _ } = to;
        let system = match strings(names).as_deref() {
            Some([SYSTEM, own]) => *own == name,
            Some([own]) => *own == name && self.catalog.types(name).next().is_none(),
            _ => false,
        };
        system && !setof && !pct_type && typmods.is_empty() && array_bounds.is_empty()
    }

    /// An operator by name.
    pub(super) fn operator(&mut self, name: &[Node], location: i32) -> Ruled<()> {
        let names = strings(name).ok_or_else(|| Refused::unsupported("the bastion cannot read this operator"))?;
        match names.as_slice() {
            [operator] => self.operators(None, operator, location),
            [schema, operator] => self.operators(Some(schema), operator, location),
            _ => return Err(self.refused(Refused::unsupported("the bastion cannot read this operator"), location)),
        }
        Ok(())
    }

    /// The operators of this name that may be meant.
    pub(super) fn operators(&mut self, schema: Option<&str>, name: &str, location: i32) {
        let meant = |own: &Arc<str>| match schema {
            Some(schema) => **own == *schema,
            None => self.schemas.contains(own),
        };
        let functions: Vec<Name> = self
            .catalog
            .operators(name)
            .filter(|operator| meant(&operator.schema) && !operator.function.native)
            .map(|operator| Name::new(operator.function.schema.clone(), operator.function.name.clone()))
            .collect();
        functions.into_iter().for_each(|function| self.own_function(function, location));
    }

    /// OVER, or a definition in WINDOW.
    pub(super) fn window(&mut self, window: &WindowDef, scope: &Scope<'_>) -> Ruled<()> {
        let WindowDef { name: _, refname: _, partition_clause, order_clause, frame_options: _, start_offset, end_offset, location: _ } =
            window;
        self.expressions(partition_clause, scope, For::Window)?;
        for sort in order_clause {
            self.sort_by(sort, scope, For::Window)?;
        }
        self.expression_if(start_offset.as_deref(), scope, For::Window)?;
        self.expression_if(end_offset.as_deref(), scope, For::Window)
    }

    /// `name => value`
    pub(super) fn named_argument(&mut self, argument: &NamedArgExpr, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        let NamedArgExpr { xpr: _, arg, name: _, argnumber: _, location: _ } = argument;
        self.expression_if(arg.as_deref(), scope, purpose)
    }
}

/// What a condition that holds demands of columns: each that is compared with a constant.
fn conjuncts(condition: Option<&Node>) -> Vec<(&ColumnRef, &Node)> {
    match condition.and_then(|node| node.node.as_ref()) {
        Some(NodeEnum::BoolExpr(expr)) if expr.boolop == BoolExprType::AndExpr as i32 => {
            let BoolExpr { xpr: _, boolop: _, args, location: _ } = &**expr;
            // No deeper than people write it: what is not seen is not held.
            let compares = |arg: &&Node| matches!(arg.node, Some(NodeEnum::AExpr(_)));
            args.iter().filter(compares).flat_map(|arg| conjuncts(Some(arg))).collect()
        }
        Some(NodeEnum::AExpr(expr)) => equated(expr).into_iter().collect(),
        _ => Vec::new(),
    }
}
