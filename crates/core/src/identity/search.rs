//! Conditions that find rows by a part of a name, in any case (on `SQLite`, of ASCII letters only).

use sea_orm::sea_query::{Expr, ExprTrait, Func, IntoColumnRef, LikeExpr, SimpleExpr};

use super::texts;

/// Longer than any name, so that a longer text finds nothing. A database refuses a very long pattern.
const MAX_CHARACTERS: usize = 2 * texts::NAME + 20;

pub fn contains(column: impl IntoColumnRef, text: &str) -> SimpleExpr {
    like(column, &format!("%{}%", literal(text)))
}

pub fn starts_with(column: impl IntoColumnRef, text: &str) -> SimpleExpr {
    like(column, &format!("{}%", literal(text)))
}

fn like(column: impl IntoColumnRef, pattern: &str) -> SimpleExpr {
    Expr::expr(Func::lower(Expr::col(column))).like(LikeExpr::new(pattern).escape('\\'))
}

/// The text in lower case; `%` and `_` stand for themselves, and NUL, which PostgreSQL refuses, is left out.
fn literal(text: &str) -> String {
    let text: String = text
        .trim()
        .chars()
        .filter(|c| *c != '\0')
        .take(MAX_CHARACTERS)
        .collect();
    let text = text.to_lowercase();
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
