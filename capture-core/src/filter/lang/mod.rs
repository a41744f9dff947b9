//! The filter language as text: from characters to an expression tree. What
//! the tests mean for a link type is in `meaning`.

mod arith;
mod lex;
mod mistake;
mod parse;
mod show;
mod syntax;
mod token;

pub(super) use mistake::Span;
pub use mistake::{Mistake, caret};
pub(super) use parse::parse;
pub(super) use show::show;
pub(super) use syntax::{
    Arith, ByteTest, Comparison, Direction, Expr, Id, IdKind, Joint, Llc, Operator, Proto,
    Qualifiers, Term,
};
pub(super) use token::nearest_of;
