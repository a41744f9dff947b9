//! Arithmetic and comparisons: the part of the grammar about computed numbers.

use super::mistake::Mistake;
use super::parse::Parser;
use super::syntax::*;
use super::token::{Kind, Sign, Word};

/// A comparison, if one begins here. What begins with a number or a
/// parenthesis may be something else: then nothing is taken.
pub(super) fn relation(parser: &mut Parser<'_>) -> Result<Option<Expr>, Mistake> {
    let certain = match parser.peek() {
        Kind::Word(Word::Len) | Kind::Sign(Sign::Minus) => true,
        Kind::Protocol(_) if parser.is_index(parser.at) => true,
        Kind::Number(_) => {
            parser.at += 1;
            let certain = operator(parser).is_some() || is_comparison(parser);
            parser.at -= 1;
            certain
        }
        Kind::Sign(Sign::Open) => false,
        _ => return Ok(None),
    };
    let (begin, start, depth) = (parser.at, parser.span(), parser.depth);
    let left = match arith(parser, 0) {
        Ok(left) => left,
        Err(mistake) if certain => return Err(mistake),
        Err(_) => {
            (parser.at, parser.depth) = (begin, depth);
            return Ok(None);
        }
    };
    let Some(comparison) = comparison(parser) else {
        if certain {
            return Err(parser.expected("an operator such as =, != or <"));
        }
        parser.at = begin;
        return Ok(None);
    };
    let right = arith(parser, 0)?;
    let span = parser.span_from(start);
    let term = Term::Relation(comparison, left, right);
    Ok(Some(Expr::Term(term, span)))
}

fn comparison(parser: &mut Parser<'_>) -> Option<Comparison> {
    let comparison = peek_comparison(parser)?;
    parser.at += 1;
    Some(comparison)
}

fn is_comparison(parser: &Parser<'_>) -> bool {
    peek_comparison(parser).is_some()
}

fn peek_comparison(parser: &Parser<'_>) -> Option<Comparison> {
    let Kind::Sign(sign) = parser.peek() else {
        return None;
    };
    Some(match sign {
        Sign::Greater => Comparison::Greater,
        Sign::AtLeast => Comparison::AtLeast,
        Sign::Equal => Comparison::Equal,
        Sign::AtMost => Comparison::AtMost,
        Sign::Less => Comparison::Less,
        Sign::NotEqual => Comparison::NotEqual,
        _ => return None,
    })
}

/// How strongly unary minus binds.
const UNARY: u8 = 6;

/// The operator here and how strongly it binds. `None` for the strength: it has
/// no place in libpcap's order, so it is always taken, and takes all that follows.
fn operator(parser: &Parser<'_>) -> Option<(Operator, Option<u8>)> {
    let Kind::Sign(sign) = parser.peek() else {
        return None;
    };
    Some(match sign {
        Sign::BitOr => (Operator::Or, Some(1)),
        Sign::BitAnd => (Operator::And, Some(2)),
        Sign::ShiftLeft => (Operator::ShiftLeft, Some(3)),
        Sign::ShiftRight => (Operator::ShiftRight, Some(3)),
        Sign::Plus => (Operator::Add, Some(4)),
        Sign::Minus => (Operator::Subtract, Some(4)),
        Sign::Times => (Operator::Multiply, Some(5)),
        Sign::Divide => (Operator::Divide, Some(5)),
        Sign::Modulo => (Operator::Modulo, None),
        Sign::BitXor => (Operator::Xor, None),
        _ => return None,
    })
}

fn arith(parser: &mut Parser<'_>, above: u8) -> Result<Arith, Mistake> {
    let start = parser.span();
    let mut left = primary(parser)?;
    let depth = parser.depth;
    while let Some((operator, strength)) = operator(parser) {
        if strength.is_some_and(|strength| strength <= above) {
            break;
        }
        parser.deeper("operators and parentheses")?;
        parser.at += 1;
        let right = parser.nested(|parser| arith(parser, strength.unwrap_or(0)))?;
        let span = parser.span_from(start);
        left = Arith::Binary(operator, Box::new(left), Box::new(right), span);
    }
    parser.depth = depth;
    Ok(left)
}

fn primary(parser: &mut Parser<'_>) -> Result<Arith, Mistake> {
    let start = parser.span();
    if parser.take_sign(Sign::Minus) {
        let inner = parser.nested(|parser| arith(parser, UNARY))?;
        return Ok(Arith::Negative(Box::new(inner)));
    }
    if parser.is_index(parser.at) {
        return index(parser);
    }
    match parser.peek() {
        Kind::Number(number) => {
            let number = *number;
            parser.at += 1;
            Ok(Arith::Number(number))
        }
        Kind::Word(Word::Len) => {
            parser.at += 1;
            Ok(Arith::Length)
        }
        Kind::Sign(Sign::Open) => {
            parser.at += 1;
            let inner = parser.nested(|parser| arith(parser, 0))?;
            parser.close(start)?;
            Ok(inner)
        }
        _ => Err(parser.expected("a number, \"len\" or bytes such as ip[0]")),
    }
}

/// `proto[offset]` and `proto[offset:bytes]`.
fn index(parser: &mut Parser<'_>) -> Result<Arith, Mistake> {
    let start = parser.span();
    let Kind::Protocol(proto) = *parser.peek() else {
        return Err(parser.expected("a protocol"));
    };
    parser.at += 2;
    let offset = parser.nested(|parser| arith(parser, 0))?;
    let mut size = 1;
    if parser.take_sign(Sign::Colon) {
        let wrong = parser.wrong("1, 2 or 4 bytes can be read at once");
        size = parser.number("1, 2 or 4")?;
        if ![1, 2, 4].contains(&size) {
            return Err(wrong);
        }
    }
    if !parser.take_sign(Sign::CloseIndex) {
        return Err(parser.expected("\"]\""));
    }
    let span = parser.span_from(start);
    Ok(Arith::Load(proto, Box::new(offset), size, span))
}
