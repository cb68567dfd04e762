//! ORDER BY, GROUP BY and DISTINCT, by expression, by the name of a result, by its number.

use pg_query::NodeEnum;
use pg_query::protobuf::{AConst, GroupingSet, Node, SortBy, a_const};

use super::super::refused::Refused;
use super::scope::{Column, Scope};
use super::{Analyst, For, Ruled};

impl Analyst<'_> {
    /// ORDER BY within a function or a window, where names of results mean nothing.
    pub(super) fn sort_by(&mut self, node: &Node, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        let Some(node) = self.sorted(node)? else { return Ok(()) };
        self.expression(node, scope, purpose)
    }

    /// ORDER BY of a query.
    pub(super) fn order_by(&mut self, nodes: &[Node], results: &[Column], scope: &Scope<'_>) -> Ruled<()> {
        for node in nodes {
            if let Some(node) = self.sorted(node)? {
                self.result_or_expression(node, results, scope, For::Sort)?;
            }
        }
        Ok(())
    }

    /// What a SortBy sorts by.
    fn sorted<'n>(&mut self, node: &'n Node) -> Ruled<Option<&'n Node>> {
        let Some(NodeEnum::SortBy(sort)) = &node.node else {
            return Err(Refused::unsupported("the bastion cannot read this ORDER BY"));
        };
        let SortBy { node, sortby_dir: _, sortby_nulls: _, use_op, location } = &**sort;
        if !use_op.is_empty() {
            self.operator(use_op, *location)?;
        }
        Ok(node.as_deref())
    }

    /// DISTINCT; a list of nothing is a plain one.
    pub(super) fn distinct(&mut self, nodes: &[Node], results: &[Column], scope: &Scope<'_>, location: i32) -> Ruled<()> {
        match nodes {
            [] => Ok(()),
            [plain] if plain.node.is_none() => {
                results.iter().for_each(|column| self.used(&column.value, For::Group, location));
                Ok(())
            }
            nodes => nodes.iter().try_for_each(|node| self.result_or_expression(node, results, scope, For::Group)),
        }
    }

    /// GROUP BY.
    pub(super) fn group_by(&mut self, nodes: &[Node], results: &[Column], scope: &Scope<'_>) -> Ruled<()> {
        for node in nodes {
            match &node.node {
                Some(NodeEnum::GroupingSet(GroupingSet { kind: _, content, location: _ })) => {
                    self.down()?;
                    let done = self.group_by(content, results, scope);
                    self.up();
                    done?;
                }
                // In GROUP BY a column of FROM comes before the name of a result.
                _ if self.is_column_here(node, scope)? => self.expression(node, scope, For::Group)?,
                _ => self.result_or_expression(node, results, scope, For::Group)?,
            }
        }
        Ok(())
    }

    fn is_column_here(&self, node: &Node, scope: &Scope<'_>) -> Ruled<bool> {
        match Self::bare_name(node) {
            Some(name) => Ok(scope.here(&name)?.is_some()),
            None => Ok(false),
        }
    }

    /// A number or a name of a result; anything else is an expression.
    fn result_or_expression(&mut self, node: &Node, results: &[Column], scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        if let Some(number) = number(node) {
            if let Some(column) = number.checked_sub(1).and_then(|index| results.get(index)) {
                self.used(&column.value, purpose, location(node));
            }
            return Ok(());
        }
        let named = Self::bare_name(node);
        let mut of_name = results.iter().filter(|column| named.as_ref().is_some_and(|name| column.name == *name)).peekable();
        if of_name.peek().is_none() {
            return self.expression(node, scope, purpose);
        }
        of_name.for_each(|column| self.used(&column.value, purpose, location(node)));
        Ok(())
    }
}

fn number(node: &Node) -> Option<usize> {
    match &node.node {
        Some(NodeEnum::AConst(AConst { isnull: false, location: _, val: Some(a_const::Val::Ival(number)) })) => {
            usize::try_from(number.ival).ok()
        }
        _ => None,
    }
}

fn location(node: &Node) -> i32 {
    match &node.node {
        Some(NodeEnum::AConst(constant)) => constant.location,
        Some(NodeEnum::ColumnRef(reference)) => reference.location,
        _ => -1,
    }
}
