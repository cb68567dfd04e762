//! SQL/JSON: constructors, queries, and their parts.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    JsonAggConstructor, JsonArgument, JsonArrayAgg, JsonArrayConstructor, JsonArrayQueryConstructor, JsonBehavior, JsonFuncExpr,
    JsonIsPredicate, JsonKeyValue, JsonObjectAgg, JsonObjectConstructor, JsonOutput, JsonParseExpr, JsonReturning, JsonScalarExpr,
    JsonSerializeExpr, JsonValueExpr,
};

use super::super::refused::Refused;
use super::scope::Scope;
use super::{Analyst, For, Ruled};

/// What came with PostgreSQL 17; all else of SQL/JSON came with 16.
fn is_of_17(node: &NodeEnum) -> bool {
    matches!(node, NodeEnum::JsonFuncExpr(_) | NodeEnum::JsonParseExpr(_) | NodeEnum::JsonScalarExpr(_) | NodeEnum::JsonSerializeExpr(_))
}

impl Analyst<'_> {
    pub(super) fn json(&mut self, node: &NodeEnum, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        self.newer_than(15, true);
        self.newer_than(16, is_of_17(node));
        match node {
            NodeEnum::JsonValueExpr(value) => self.json_value(Some(value), scope, purpose),
            NodeEnum::JsonObjectConstructor(JsonObjectConstructor { exprs, output, absent_on_null: _, unique: _, location: _ }) => {
                self.json_output(output.as_ref())?;
                self.expressions(exprs, scope, purpose)
            }
            NodeEnum::JsonArrayConstructor(JsonArrayConstructor { exprs, output, absent_on_null: _, location: _ }) => {
                self.json_output(output.as_ref())?;
                self.expressions(exprs, scope, purpose)
            }
            NodeEnum::JsonArrayQueryConstructor(array) => {
                let JsonArrayQueryConstructor { query, output, format: _, absent_on_null: _, location } = &**array;
                self.json_output(output.as_ref())?;
                let rows = self.query_if(query.as_deref(), Some(scope))?;
                rows.columns.iter().for_each(|column| self.used(&column.value, purpose, *location));
                Ok(())
            }
            NodeEnum::JsonKeyValue(pair) => self.json_pair(Some(pair), scope, purpose),
            NodeEnum::JsonObjectAgg(aggregate) => {
                let JsonObjectAgg { constructor, arg, absent_on_null: _, unique: _ } = &**aggregate;
                self.json_aggregate(constructor.as_deref(), scope)?;
                self.json_pair(arg.as_deref(), scope, purpose)
            }
            NodeEnum::JsonArrayAgg(aggregate) => {
                let JsonArrayAgg { constructor, arg, absent_on_null: _ } = &**aggregate;
                self.json_aggregate(constructor.as_deref(), scope)?;
                self.json_value(arg.as_deref(), scope, purpose)
            }
            NodeEnum::JsonIsPredicate(test) => {
                let JsonIsPredicate { expr, format: _, item_type: _, unique_keys: _, location: _ } = &**test;
                self.expression_if(expr.as_deref(), scope, purpose)
            }
            NodeEnum::JsonParseExpr(parse) => {
                let JsonParseExpr { expr, output, unique_keys: _, location: _ } = &**parse;
                self.json_output(output.as_ref())?;
                self.json_value(expr.as_deref(), scope, purpose)
            }
            NodeEnum::JsonScalarExpr(scalar) => {
                let JsonScalarExpr { expr, output, location: _ } = &**scalar;
                self.json_output(output.as_ref())?;
                self.expression_if(expr.as_deref(), scope, purpose)
            }
            NodeEnum::JsonSerializeExpr(serialize) => {
                let JsonSerializeExpr { expr, output, location: _ } = &**serialize;
                self.json_output(output.as_ref())?;
                self.json_value(expr.as_deref(), scope, purpose)
            }
            NodeEnum::JsonFuncExpr(function) => self.json_function(function, scope, purpose),
            NodeEnum::JsonArgument(argument) => {
                let JsonArgument { val, name: _ } = &**argument;
                self.json_value(val.as_deref(), scope, purpose)
            }
            NodeEnum::JsonBehavior(behaviour) => self.json_behaviour(Some(behaviour), scope, purpose),
            _ => Err(Refused::unsupported("the bastion cannot read this expression")),
        }
    }

    pub(super) fn json_value(&mut self, value: Option<&JsonValueExpr>, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        let Some(JsonValueExpr { raw_expr, formatted_expr, format: _ }) = value else { return Ok(()) };
        self.expression_if(raw_expr.as_deref(), scope, purpose)?;
        self.expression_if(formatted_expr.as_deref(), scope, purpose)
    }

    pub(super) fn json_behaviour(&mut self, behaviour: Option<&JsonBehavior>, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        let Some(JsonBehavior { btype: _, expr, coerce: _, location: _ }) = behaviour else { return Ok(()) };
        self.expression_if(expr.as_deref(), scope, purpose)
    }

    fn json_output(&mut self, output: Option<&JsonOutput>) -> Ruled<()> {
        let Some(JsonOutput { type_name, returning }) = output else { return Ok(()) };
        if let Some(JsonReturning { format: _, typid: _, typmod: _ }) = returning {}
        self.cast(type_name.as_ref())
    }

    fn json_pair(&mut self, pair: Option<&JsonKeyValue>, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        let Some(JsonKeyValue { key, value }) = pair else { return Ok(()) };
        self.expression_if(key.as_deref(), scope, purpose)?;
        self.json_value(value.as_deref(), scope, purpose)
    }

    fn json_aggregate(&mut self, constructor: Option<&JsonAggConstructor>, scope: &Scope<'_>) -> Ruled<()> {
        let Some(JsonAggConstructor { output, agg_filter, agg_order, over, location: _ }) = constructor else { return Ok(()) };
        self.json_output(output.as_ref())?;
        self.expression_if(agg_filter.as_deref(), scope, For::Filter)?;
        for sort in agg_order {
            self.sort_by(sort, scope, For::Sort)?;
        }
        over.iter().try_for_each(|over| self.window(over, scope))
    }

    fn json_function(&mut self, function: &JsonFuncExpr, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        let JsonFuncExpr {
            op: _,
            column_name: _,
            context_item,
            pathspec,
            passing,
            output,
            on_empty,
            on_error,
            wrapper: _,
            quotes: _,
            location: _,
        } = function;
        self.json_value(context_item.as_deref(), scope, purpose)?;
        self.expression_if(pathspec.as_deref(), scope, purpose)?;
        self.expressions(passing, scope, purpose)?;
        self.json_output(output.as_ref())?;
        self.json_behaviour(on_empty.as_deref(), scope, purpose)?;
        self.json_behaviour(on_error.as_deref(), scope, purpose)
    }

    /// What a server of the major version `last` or older cannot know is refused in masked sessions: it might read it otherwise.
    pub(super) fn newer_than(&mut self, last: u16, is: bool) {
        if is && self.catalog.rows().major <= last {
            self.blind("syntax that the server's version does not have", -1);
        }
    }
}
