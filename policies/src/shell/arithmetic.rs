//! The value of an arithmetic expression, where it is made of numbers and of variables that hold numbers. What assigns, or what
//! shells do not agree on (bases, powers), is not known.

use shuck_ast::{ArithmeticBinaryOp as Op, ArithmeticExpr as Expr, ArithmeticExprNode, ArithmeticUnaryOp as Unary};

use super::walk::Walk;
use super::why::Why;

/// The value, as 64 bits hold it.
pub(super) fn value(walk: &mut Walk<'_>, expression: &ArithmeticExprNode) -> Result<i64, Why> {
    match &expression.kind {
        Expr::Number(number) => decimal(number.slice(walk.source)),
        // Shells take the value of a variable for an expression in its turn, which may hold commands: only numbers will do.
        Expr::Variable(name) => decimal(&walk.value(name.as_str())?),
        Expr::ShellWord(word) => decimal(&walk.scalar(word)?),
        Expr::Parenthesized { expression } => value(walk, expression),
        Expr::Unary { op, expr } => {
            let operand = value(walk, expr)?;
            match op {
                Unary::Plus => Some(operand),
                Unary::Minus => operand.checked_neg(),
                Unary::LogicalNot => Some(i64::from(operand == 0)),
                Unary::BitwiseNot => Some(!operand),
                Unary::PreIncrement | Unary::PreDecrement => None,
            }
            .ok_or_else(unknown)
        }
        Expr::Binary { left, op, right } => {
            let (left, right) = (value(walk, left)?, value(walk, right)?);
            binary(*op, left, right).ok_or_else(unknown)
        }
        _ => Err(unknown()),
    }
}

fn unknown() -> Why {
    Why::new("an arithmetic expression does more than can be known before it runs")
}

fn decimal(text: &str) -> Result<i64, Why> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits.len() == 1 || !digits.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or_else(unknown)
}

fn binary(op: Op, left: i64, right: i64) -> Option<i64> {
    match op {
        Op::Add => left.checked_add(right),
        Op::Subtract => left.checked_sub(right),
        Op::Multiply => left.checked_mul(right),
        Op::Divide => left.checked_div(right),
        Op::Modulo => left.checked_rem(right),
        Op::LessThan => Some(i64::from(left < right)),
        Op::LessThanOrEqual => Some(i64::from(left <= right)),
        Op::GreaterThan => Some(i64::from(left > right)),
        Op::GreaterThanOrEqual => Some(i64::from(left >= right)),
        Op::Equal => Some(i64::from(left == right)),
        Op::NotEqual => Some(i64::from(left != right)),
        Op::BitwiseAnd => Some(left & right),
        Op::BitwiseXor => Some(left ^ right),
        Op::BitwiseOr => Some(left | right),
        Op::LogicalAnd => Some(i64::from(left != 0 && right != 0)),
        Op::LogicalOr => Some(i64::from(left != 0 || right != 0)),
        Op::Comma | Op::Power | Op::ShiftLeft | Op::ShiftRight => None,
    }
}
