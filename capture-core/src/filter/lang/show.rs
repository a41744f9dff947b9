//! An expression as text again, with parentheses and inherited qualifiers.

use super::syntax::*;
use std::fmt::Write;

/// The expression as it was understood.
pub(crate) fn show(expr: &Expr) -> String {
    match expr {
        Expr::Not(inner) => format!("not {}", show(inner)),
        Expr::Term(term, _) => show_term(term),
        Expr::Chain(first, rest) => {
            let mut text = show(first);
            let mut joint = rest.first().map(|(joint, _)| *joint);
            for (next, member) in rest {
                if joint != Some(*next) {
                    text = format!("({text})");
                    joint = Some(*next);
                }
                let word = match next {
                    Joint::And => "and",
                    Joint::Or => "or",
                };
                // Writing to a string cannot fail.
                let _ = write!(text, " {word} {}", show(member));
            }
            format!("({text})")
        }
    }
}

fn show_term(term: &Term) -> String {
    let optional = |word: &str, number: &Option<u32>| match number {
        Some(number) => format!("{word} {number}"),
        None => word.to_owned(),
    };
    let cast = |proto: &Option<Proto>, word: &str| match proto {
        Some(proto) => format!("{} {word}", proto.name()),
        None => word.to_owned(),
    };
    match term {
        Term::Qualified(qualifiers, id) => show_qualified(*qualifiers, id),
        Term::Protocol(proto) => proto.name().into(),
        Term::Relation(comparison, a, b) => {
            let sign = match comparison {
                Comparison::Greater => ">",
                Comparison::AtLeast => ">=",
                Comparison::Equal => "=",
                Comparison::AtMost => "<=",
                Comparison::Less => "<",
                Comparison::NotEqual => "!=",
            };
            format!("{} {sign} {}", show_arith(a), show_arith(b))
        }
        Term::Broadcast(proto) => cast(proto, "broadcast"),
        Term::Multicast(proto) => cast(proto, "multicast"),
        Term::Less(length) => format!("less {length}"),
        Term::Greater(length) => format!("greater {length}"),
        Term::Byte(offset, test, number) => {
            let sign = match test {
                ByteTest::Equal => "=",
                ByteTest::Less => "<",
                ByteTest::Greater => ">",
                ByteTest::And => "&",
                ByteTest::Or => "|",
            };
            format!("byte {offset} {sign} {number}")
        }
        Term::Inbound => "inbound".into(),
        Term::Outbound => "outbound".into(),
        Term::Ifindex(index) => format!("ifindex {index}"),
        Term::Vlan(id) => optional("vlan", id),
        Term::Mpls(label) => optional("mpls", label),
        Term::Pppoed => "pppoed".into(),
        Term::Pppoes(id) => optional("pppoes", id),
        Term::Geneve(vni) => optional("geneve", vni),
        Term::Vxlan(vni) => optional("vxlan", vni),
        Term::Llc(Llc::All) => "llc".into(),
        Term::Llc(Llc::Control { mask, value }) => {
            let known = LLC_NAMES.iter().find(|(_, m, v)| (m, v) == (mask, value));
            format!("llc {}", known.map_or("", |(name, ..)| name))
        }
    }
}

fn show_qualified(qualifiers: Qualifiers, id: &Id) -> String {
    let mut words = Vec::new();
    if let Some(proto) = qualifiers.proto {
        words.push(proto.name());
    }
    words.extend(qualifiers.direction.map(|direction| match direction {
        Direction::Source => "src",
        Direction::Destination => "dst",
        Direction::Either => "src or dst",
        Direction::Both => "src and dst",
    }));
    words.push(match qualifiers.kind {
        Some(IdKind::Net) => "net",
        Some(IdKind::Port) => "port",
        Some(IdKind::Portrange) => "portrange",
        Some(IdKind::Proto) => "proto",
        Some(IdKind::Protochain) => "protochain",
        Some(IdKind::Gateway) => "gateway",
        Some(IdKind::Host) | None => "host",
    });
    let id = match id {
        Id::Name(name) => name.clone(),
        Id::Number(number) => number.to_string(),
        Id::Dotted(text) => text.clone(),
        Id::Prefix(text, length) => format!("{text}/{length}"),
        Id::Masked(text, mask) => format!("{text} mask {mask}"),
        Id::V6(address) => address.to_string(),
        Id::V6Prefix(address, length) => format!("{address}/{length}"),
        Id::Mac(mac) => mac.map(|byte| format!("{byte:02x}")).join(":"),
        Id::Arcnet(address) => format!("${address:x}"),
    };
    format!("{} {id}", words.join(" "))
}

fn show_arith(arith: &Arith) -> String {
    match arith {
        Arith::Number(number) => number.to_string(),
        Arith::Length => "len".into(),
        Arith::Load(proto, offset, 1, _) => format!("{}[{}]", proto.name(), show_arith(offset)),
        Arith::Load(proto, offset, bytes, _) => {
            format!("{}[{}:{bytes}]", proto.name(), show_arith(offset))
        }
        Arith::Negative(inner) => format!("-{}", show_arith(inner)),
        Arith::Binary(operator, a, b, _) => {
            format!("({} {} {})", show_arith(a), operator.sign(), show_arith(b))
        }
    }
}
