//! What PostgreSQL calls a result that has no name of its own (`FigureColname`).

use pg_query::NodeEnum;
use pg_query::protobuf::{JsonExprOp, MinMaxExpr, Node, SqlValueFunction, SqlValueFunctionOp, SubLinkType, XmlExprOp};

use super::string;

/// The name, and how much it is one: a stronger one comes before a weaker.
fn titled(node: &Node) -> Option<(String, u8)> {
    let strong = |name: &str| Some((name.to_owned(), 2));
    match node.node.as_ref()? {
        NodeEnum::ColumnRef(reference) => reference.fields.iter().rev().find_map(string).and_then(strong),
        NodeEnum::AIndirection(indirection) => {
            let field = indirection.indirection.iter().rev().find_map(string).and_then(strong);
            field.or_else(|| titled(indirection.arg.as_deref()?))
        }
        NodeEnum::FuncCall(call) => call.funcname.last().and_then(string).and_then(strong),
        NodeEnum::AExpr(expr) if expr.kind == pg_query::protobuf::AExprKind::AexprNullif as i32 => strong("nullif"),
        NodeEnum::TypeCast(cast) => {
            let arg = cast.arg.as_deref().and_then(titled);
            arg.filter(|(_, strength)| *strength == 2).or_else(|| {
                let name = cast.type_name.as_ref()?.names.last().and_then(string)?;
                Some((name.to_owned(), 1))
            })
        }
        NodeEnum::CollateClause(clause) => titled(clause.arg.as_deref()?),
        NodeEnum::GroupingFunc(_) => strong("grouping"),
        NodeEnum::MergeSupportFunc(_) => strong("merge_action"),
        NodeEnum::SubLink(link) => match SubLinkType::try_from(link.sub_link_type).ok()? {
            SubLinkType::ExistsSublink => strong("exists"),
            SubLinkType::ArraySublink => strong("array"),
            SubLinkType::ExprSublink => first_of(link.subselect.as_deref()?),
            _ => None,
        },
        NodeEnum::CaseExpr(case) => {
            let default = case.defresult.as_deref().and_then(titled).filter(|(_, strength)| *strength == 2);
            default.or_else(|| Some(("case".to_owned(), 1)))
        }
        NodeEnum::AArrayExpr(_) => strong("array"),
        NodeEnum::RowExpr(_) => strong("row"),
        NodeEnum::CoalesceExpr(_) => strong("coalesce"),
        NodeEnum::MinMaxExpr(expr) => strong(min_max(expr)),
        NodeEnum::SqlvalueFunction(function) => strong(value_function(function)),
        NodeEnum::XmlExpr(xml) => strong(xml_function(xml.op)?),
        NodeEnum::XmlSerialize(_) => strong("xmlserialize"),
        node => strong(json_function(node)?),
    }
}

fn first_of(node: &Node) -> Option<(String, u8)> {
    let Some(NodeEnum::SelectStmt(select)) = &node.node else { return None };
    let Some(NodeEnum::ResTarget(target)) = &select.target_list.first()?.node else { return None };
    if target.name.is_empty() { titled(target.val.as_deref()?) } else { Some((target.name.clone(), 2)) }
}

fn min_max(expr: &MinMaxExpr) -> &'static str {
    if expr.op == pg_query::protobuf::MinMaxOp::IsGreatest as i32 { "greatest" } else { "least" }
}

fn value_function(function: &SqlValueFunction) -> &'static str {
    match SqlValueFunctionOp::try_from(function.op) {
        Ok(SqlValueFunctionOp::SvfopCurrentDate) => "current_date",
        Ok(SqlValueFunctionOp::SvfopCurrentTime | SqlValueFunctionOp::SvfopCurrentTimeN) => "current_time",
        Ok(SqlValueFunctionOp::SvfopCurrentTimestamp | SqlValueFunctionOp::SvfopCurrentTimestampN) => "current_timestamp",
        Ok(SqlValueFunctionOp::SvfopLocaltime | SqlValueFunctionOp::SvfopLocaltimeN) => "localtime",
        Ok(SqlValueFunctionOp::SvfopLocaltimestamp | SqlValueFunctionOp::SvfopLocaltimestampN) => "localtimestamp",
        Ok(SqlValueFunctionOp::SvfopCurrentRole) => "current_role",
        Ok(SqlValueFunctionOp::SvfopCurrentUser) => "current_user",
        Ok(SqlValueFunctionOp::SvfopUser) => "user",
        Ok(SqlValueFunctionOp::SvfopSessionUser) => "session_user",
        Ok(SqlValueFunctionOp::SvfopCurrentCatalog) => "current_catalog",
        Ok(SqlValueFunctionOp::SvfopCurrentSchema) => "current_schema",
        Ok(SqlValueFunctionOp::SqlvalueFunctionOpUndefined) | Err(_) => "?column?",
    }
}

fn xml_function(op: i32) -> Option<&'static str> {
    Some(match XmlExprOp::try_from(op).ok()? {
        XmlExprOp::IsXmlconcat => "xmlconcat",
        XmlExprOp::IsXmlelement => "xmlelement",
        XmlExprOp::IsXmlforest => "xmlforest",
        XmlExprOp::IsXmlparse => "xmlparse",
        XmlExprOp::IsXmlpi => "xmlpi",
        XmlExprOp::IsXmlroot => "xmlroot",
        XmlExprOp::IsXmlserialize => "xmlserialize",
        XmlExprOp::IsDocument | XmlExprOp::Undefined => return None,
    })
}

fn json_function(node: &NodeEnum) -> Option<&'static str> {
    Some(match node {
        NodeEnum::JsonParseExpr(_) => "json",
        NodeEnum::JsonScalarExpr(_) => "json_scalar",
        NodeEnum::JsonSerializeExpr(_) => "json_serialize",
        NodeEnum::JsonObjectConstructor(_) => "json_object",
        NodeEnum::JsonArrayConstructor(_) | NodeEnum::JsonArrayQueryConstructor(_) => "json_array",
        NodeEnum::JsonObjectAgg(_) => "json_objectagg",
        NodeEnum::JsonArrayAgg(_) => "json_arrayagg",
        NodeEnum::JsonFuncExpr(function) => match JsonExprOp::try_from(function.op).ok()? {
            JsonExprOp::JsonExistsOp => "json_exists",
            JsonExprOp::JsonQueryOp => "json_query",
            JsonExprOp::JsonValueOp => "json_value",
            JsonExprOp::JsonTableOp | JsonExprOp::Undefined => return None,
        },
        _ => return None,
    })
}

/// The name of a result.
pub(super) fn title(node: &Node) -> String {
    titled(node).map_or_else(|| "?column?".to_owned(), |(name, _)| name)
}
