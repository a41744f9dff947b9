//! The shape of an expression, with inherited qualifiers filled in. What the
//! parts mean for a link type is settled later.

use super::mistake::Span;
pub(crate) use super::token::Proto;
use std::net::Ipv6Addr;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    /// A first part and what follows, from left to right: `and` and `or` bind
    /// equally.
    Chain(Box<Expr>, Vec<(Joint, Expr)>),
    Not(Box<Expr>),
    Term(Term, Span),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joint {
    And,
    Or,
}

/// One test.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Term {
    /// Qualifiers and what they qualify.
    Qualified(Qualifiers, Id),
    /// A protocol's name alone.
    Protocol(Proto),
    Relation(Comparison, Arith, Arith),
    Broadcast(Option<Proto>),
    Multicast(Option<Proto>),
    Less(u32),
    Greater(u32),
    /// Offset, operation, operand.
    Byte(u32, ByteTest, u32),
    Inbound,
    Outbound,
    Ifindex(u32),
    Vlan(Option<u32>),
    Mpls(Option<u32>),
    Pppoed,
    Pppoes(Option<u32>),
    Geneve(Option<u32>),
    Vxlan(Option<u32>),
    Llc(Llc),
}

/// What stands before an address, port or number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Qualifiers {
    pub(crate) proto: Option<Proto>,
    pub(crate) direction: Option<Direction>,
    pub(crate) kind: Option<IdKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Source,
    Destination,
    Either,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdKind {
    Host,
    Net,
    Port,
    Portrange,
    Proto,
    Protochain,
    Gateway,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Id {
    Name(String),
    Number(u32),
    /// Two to four numbers with dots, as written.
    Dotted(String),
    /// The same with a prefix length.
    Prefix(String, u32),
    /// The same with a mask.
    Masked(String, String),
    V6(Ipv6Addr),
    V6Prefix(Ipv6Addr, u32),
    Mac([u8; 6]),
    Arcnet(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Greater,
    AtLeast,
    Equal,
    AtMost,
    Less,
    NotEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteTest {
    Equal,
    Less,
    Greater,
    And,
    Or,
}

/// A number that is computed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arith {
    Number(u32),
    Length,
    /// Protocol, offset, bytes.
    Load(Proto, Box<Arith>, u32, Span),
    Negative(Box<Arith>),
    Binary(Operator, Box<Arith>, Box<Arith>, Span),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

/// Which LLC frames: all, or those whose control byte under a mask is a value
/// (IEEE 802.2, 5.3 and 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Llc {
    All,
    Control { mask: u8, value: u8 },
}

/// Names after `llc`.
pub(crate) const LLC_NAMES: &[(&str, u8, u8)] = &[
    ("i", 0x01, 0x00),
    ("s", 0x03, 0x01),
    ("u", 0x03, 0x03),
    ("rr", 0x0f, 0x01),
    ("rnr", 0x0f, 0x05),
    ("rej", 0x0f, 0x09),
    ("ui", 0xef, 0x03),
    ("ua", 0xef, 0x63),
    ("disc", 0xef, 0x43),
    ("dm", 0xef, 0x0f),
    ("sabme", 0xef, 0x6f),
    ("test", 0xef, 0xe3),
    ("xid", 0xef, 0xaf),
    ("frmr", 0xef, 0x87),
];
