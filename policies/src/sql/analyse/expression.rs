//! Expressions: everything that is computed from columns. What is not an expression, or not one of the parser's, is refused.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AArrayExpr, AConst, AExpr, AExprKind, AIndices, AIndirection, BoolExpr, BoolExprType, BooleanTest, CaseExpr, CaseWhen, CoalesceExpr,
    CollateClause, CurrentOfExpr, GroupingFunc, List, MergeSupportFunc, MinMaxExpr, MultiAssignRef, Node, NullTest, ParamRef, ResTarget,
    RowExpr, SetToDefault, SqlValueFunction, SubLink, SubLinkType, TypeCast, XmlExpr, XmlSerialize,
};

use super::super::refused::Refused;
use super::super::script::Use;
use super::scope::{Scope, Value};
use super::{Analyst, For, Ruled, is_there, strings};

impl Analyst<'_> {
    pub(super) fn expressions(&mut self, nodes: &[Node], scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        nodes.iter().try_for_each(|node| self.expression(node, scope, purpose))
    }

    pub(super) fn expression_if(&mut self, node: Option<&Node>, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        node.map_or(Ok(()), |node| self.expression(node, scope, purpose))
    }

    /// An expression in a list of results: what it hands on, if it does nothing else.
    pub(super) fn value(&mut self, node: &Node, scope: &Scope<'_>) -> Ruled<Value> {
        match &node.node {
            Some(NodeEnum::ColumnRef(reference)) => {
                let value = self.reference(reference, scope)?;
                self.handed_on(&value);
                Ok(value)
            }
            Some(NodeEnum::SubLink(link)) if link.sub_link_type == SubLinkType::ExprSublink as i32 => self.scalar(link, scope),
            _ => {
                self.expression(node, scope, For::Value)?;
                Ok(Value::made())
            }
        }
    }

    /// `(SELECT …)` as a value.
    fn scalar(&mut self, link: &SubLink, scope: &Scope<'_>) -> Ruled<Value> {
        let SubLink { xpr: _, sub_link_type: _, sub_link_id: _, testexpr: _, oper_name: _, subselect, location } = link;
        let rows = self.query_if(subselect.as_deref(), Some(scope))?;
        match rows.columns.as_slice() {
            [only] if !rows.open => Ok(Value { origin: super::no_column(), ..only.value.clone() }),
            columns => {
                columns.iter().for_each(|column| self.used(&column.value, For::Value, *location));
                Ok(Value::made())
            }
        }
    }

    /// An expression, for what it is used.
    pub(super) fn expression(&mut self, node: &Node, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        let Some(inner) = &node.node else { return Ok(()) };
        self.down()?;
        let done = self.computed(inner, scope, purpose);
        self.up();
        done
    }

    fn computed(&mut self, node: &NodeEnum, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        match node {
            NodeEnum::ColumnRef(reference) => {
                let value = self.reference(reference, scope)?;
                self.used(&value, purpose, reference.location);
                Ok(())
            }
            NodeEnum::AConst(AConst { isnull: _, location: _, val: _ }) => Ok(()),
            NodeEnum::ParamRef(ParamRef { number: _, location: _ }) => {
                self.has_parameters = true;
                Ok(())
            }
            NodeEnum::Integer(_) | NodeEnum::Float(_) | NodeEnum::Boolean(_) | NodeEnum::String(_) | NodeEnum::BitString(_) => Ok(()),
            NodeEnum::AExpr(expr) => self.operation(expr, scope, purpose),
            NodeEnum::BoolExpr(expr) => {
                let BoolExpr { xpr: _, boolop: _, args, location: _ } = &**expr;
                self.expressions(args, scope, purpose)
            }
            NodeEnum::NullTest(test) => {
                let NullTest { xpr: _, arg, nulltesttype: _, argisrow: _, location: _ } = &**test;
                self.expression_if(arg.as_deref(), scope, purpose)
            }
            NodeEnum::BooleanTest(test) => {
                let BooleanTest { xpr: _, arg, booltesttype: _, location: _ } = &**test;
                self.expression_if(arg.as_deref(), scope, purpose)
            }
            NodeEnum::TypeCast(cast) => {
                let TypeCast { arg, type_name, location: _ } = &**cast;
                self.cast(type_name.as_ref())?;
                self.expression_if(arg.as_deref(), scope, purpose)
            }
            NodeEnum::CollateClause(clause) => {
                let CollateClause { arg, collname: _, location: _ } = &**clause;
                self.expression_if(arg.as_deref(), scope, purpose)
            }
            NodeEnum::FuncCall(call) => self.call(call, scope, purpose),
            NodeEnum::NamedArgExpr(argument) => self.named_argument(argument, scope, purpose),
            NodeEnum::SubLink(link) => self.sub_link(link, scope, purpose),
            NodeEnum::AIndirection(indirection) => {
                let AIndirection { arg, indirection } = &**indirection;
                self.expression_if(arg.as_deref(), scope, purpose)?;
                self.indirection(indirection, scope, purpose)
            }
            NodeEnum::AArrayExpr(array) => {
                let AArrayExpr { elements, list_start: _, list_end: _, location: _ } = array;
                self.expressions(elements, scope, purpose)
            }
            NodeEnum::RowExpr(row) => {
                let RowExpr { xpr: _, args, row_typeid: _, row_format: _, colnames: _, location: _ } = &**row;
                self.expressions(args, scope, purpose)
            }
            NodeEnum::List(List { items }) => self.expressions(items, scope, purpose),
            NodeEnum::CaseExpr(case) => {
                let CaseExpr { xpr: _, casetype: _, casecollid: _, arg, args, defresult, location } = &**case;
                if arg.is_some() {
                    self.operators(None, "=", *location);
                }
                self.expression_if(arg.as_deref(), scope, purpose)?;
                self.expressions(args, scope, purpose)?;
                self.expression_if(defresult.as_deref(), scope, purpose)
            }
            NodeEnum::CaseWhen(when) => {
                let CaseWhen { xpr: _, expr, result, location: _ } = &**when;
                self.expression_if(expr.as_deref(), scope, purpose)?;
                self.expression_if(result.as_deref(), scope, purpose)
            }
            NodeEnum::CoalesceExpr(coalesce) => {
                let CoalesceExpr { xpr: _, coalescetype: _, coalescecollid: _, args, location: _ } = &**coalesce;
                self.expressions(args, scope, purpose)
            }
            NodeEnum::MinMaxExpr(expr) => {
                let MinMaxExpr { xpr: _, minmaxtype: _, minmaxcollid: _, inputcollid: _, op: _, args, location: _ } = &**expr;
                self.expressions(args, scope, purpose)
            }
            NodeEnum::GroupingFunc(function) => {
                let GroupingFunc { xpr: _, args, refs: _, agglevelsup: _, location: _ } = &**function;
                self.expressions(args, scope, For::Group)
            }
            NodeEnum::SqlvalueFunction(function) => {
                let SqlValueFunction { xpr: _, op: _, r#type: _, typmod: _, location: _ } = &**function;
                Ok(())
            }
            NodeEnum::MergeSupportFunc(function) => {
                let MergeSupportFunc { xpr: _, msftype: _, msfcollid: _, location: _ } = &**function;
                Ok(())
            }
            NodeEnum::SetToDefault(default) => {
                let SetToDefault { xpr: _, type_id: _, type_mod: _, collation: _, location: _ } = &**default;
                Ok(())
            }
            NodeEnum::CurrentOfExpr(cursor) => {
                let CurrentOfExpr { xpr: _, cvarno: _, cursor_name: _, cursor_param: _ } = &**cursor;
                Ok(())
            }
            NodeEnum::MultiAssignRef(assign) => {
                let MultiAssignRef { source, colno: _, ncolumns: _ } = &**assign;
                self.expression_if(source.as_deref(), scope, purpose)
            }
            NodeEnum::XmlExpr(xml) => {
                let XmlExpr {
                    xpr: _,
                    op: _,
                    name: _,
                    named_args,
                    arg_names: _,
                    args,
                    xmloption: _,
                    indent: _,
                    r#type: _,
                    typmod: _,
                    location: _,
                } = &**xml;
                self.expressions(named_args, scope, purpose)?;
                self.expressions(args, scope, purpose)
            }
            NodeEnum::XmlSerialize(xml) => {
                let XmlSerialize { xmloption: _, expr, type_name, indent: _, location: _ } = &**xml;
                self.cast(type_name.as_ref())?;
                self.expression_if(expr.as_deref(), scope, purpose)
            }
            // XMLELEMENT and XMLFOREST name their values so.
            NodeEnum::ResTarget(target) => {
                let ResTarget { name: _, indirection, val, location: _ } = &**target;
                self.indirection(indirection, scope, purpose)?;
                self.expression_if(val.as_deref(), scope, purpose)
            }
            node => self.json(node, scope, purpose),
        }
    }

    /// `[…]`, `.field`, `.*` after an expression.
    pub(super) fn indirection(&mut self, parts: &[Node], scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        for part in parts {
            match &part.node {
                Some(NodeEnum::String(_) | NodeEnum::AStar(_)) => {}
                Some(NodeEnum::AIndices(indices)) => {
                    let AIndices { is_slice: _, lidx, uidx } = &**indices;
                    self.expression_if(lidx.as_deref(), scope, purpose)?;
                    self.expression_if(uidx.as_deref(), scope, purpose)?;
                }
                _ => return Err(Refused::unsupported("the bastion cannot read this part of an expression")),
            }
        }
        Ok(())
    }

    fn operation(&mut self, expr: &AExpr, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        let AExpr { kind, name, lexpr, rexpr, rexpr_list_start: _, rexpr_list_end: _, location } = expr;
        match AExprKind::try_from(*kind) {
            Ok(AExprKind::AexprBetween | AExprKind::AexprNotBetween | AExprKind::AexprBetweenSym | AExprKind::AexprNotBetweenSym) => {
                [">=", "<="].iter().for_each(|operator| self.operators(None, operator, *location));
            }
            Ok(AExprKind::Undefined) | Err(_) => {
                return Err(self.refused(Refused::unsupported("the bastion cannot read this operator"), *location));
            }
            Ok(_) => self.operator(name, *location)?,
        }
        self.expression_if(lexpr.as_deref(), scope, purpose)?;
        self.expression_if(rexpr.as_deref(), scope, purpose)
    }

    /// A condition: as an expression, but a column compared for equality with a value that is none is marked as such.
    pub(super) fn condition(&mut self, node: Option<&Node>, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        match is_there(node) {
            Some(NodeEnum::BoolExpr(expr)) if expr.boolop == BoolExprType::AndExpr as i32 => {
                self.down()?;
                let BoolExpr { xpr: _, boolop: _, args, location: _ } = &**expr;
                let done = args.iter().try_for_each(|arg| self.condition(Some(arg), scope, purpose));
                self.up();
                done
            }
            Some(NodeEnum::AExpr(expr)) => match compared(expr) {
                Some(column) => {
                    self.operator(&expr.name, expr.location)?;
                    let value = self.reference(column, scope)?;
                    self.used_as(&value, purpose.action(), &Use::Equality, column.location);
                    // What it is compared with is no column, but its casts count.
                    [&expr.lexpr, &expr.rexpr]
                        .into_iter()
                        .flatten()
                        .filter(|side| is_constant(side))
                        .try_for_each(|side| self.expression(side, scope, purpose))
                }
                None => self.expression_if(node, scope, purpose),
            },
            _ => self.expression_if(node, scope, purpose),
        }
    }

    fn sub_link(&mut self, link: &SubLink, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        let SubLink { xpr: _, sub_link_type, sub_link_id: _, testexpr, oper_name, subselect, location } = link;
        self.expression_if(testexpr.as_deref(), scope, purpose)?;
        let kind = SubLinkType::try_from(*sub_link_type);
        if testexpr.is_some() {
            match oper_name.as_slice() {
                [] => self.operators(None, "=", *location),
                name => self.operator(name, *location)?,
            }
        }
        let rows = self.query_if(subselect.as_deref(), Some(scope))?;
        match kind {
            Ok(SubLinkType::ExistsSublink) => {}
            Ok(
                SubLinkType::AllSublink
                | SubLinkType::AnySublink
                | SubLinkType::RowcompareSublink
                | SubLinkType::ExprSublink
                | SubLinkType::MultiexprSublink
                | SubLinkType::ArraySublink,
            ) => rows.columns.iter().for_each(|column| self.used(&column.value, purpose, *location)),
            Ok(SubLinkType::Undefined | SubLinkType::CteSublink) | Err(_) => {
                return Err(self.refused(Refused::unsupported("the bastion cannot read this sub-select"), *location));
            }
        }
        Ok(())
    }
}

/// The column that an operation compares for equality with a value that is no column.
fn compared(expr: &AExpr) -> Option<&pg_query::protobuf::ColumnRef> {
    let AExpr { kind, name, lexpr, rexpr, rexpr_list_start: _, rexpr_list_end: _, location: _ } = expr;
    if strings(name)? != ["="] {
        return None;
    }
    let (left, right) = (lexpr.as_deref()?, rexpr.as_deref()?);
    let column = |node: &'_ Node| matches!(node.node, Some(NodeEnum::ColumnRef(_)));
    let (side, other) = match AExprKind::try_from(*kind) {
        Ok(AExprKind::AexprOp) if column(left) => (left, right),
        Ok(AExprKind::AexprOp) => (right, left),
        Ok(AExprKind::AexprIn) => (left, right),
        _ => return None,
    };
    match &side.node {
        Some(NodeEnum::ColumnRef(reference)) if is_constant(other) => Some(reference),
        _ => None,
    }
}

/// The column that is equal to a constant wherever this is true, and the constant.
pub(super) fn equated(expr: &AExpr) -> Option<(&pg_query::protobuf::ColumnRef, &Node)> {
    let column = compared(expr).filter(|_| expr.kind == AExprKind::AexprOp as i32)?;
    let other = [&expr.lexpr, &expr.rexpr].into_iter().flatten().find(|side| is_constant(side))?;
    Some((column, other))
}

fn is_constant(node: &Node) -> bool {
    match &node.node {
        Some(NodeEnum::AConst(_) | NodeEnum::ParamRef(_)) => true,
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().is_some_and(is_constant),
        Some(NodeEnum::List(list)) => list.items.iter().all(is_constant),
        _ => false,
    }
}
