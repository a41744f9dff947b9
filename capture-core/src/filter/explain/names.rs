//! What values and numbers of a decision graph are called.

use crate::filter::ir::value::{Field, Order, Value, ValueId, Values};
use crate::filter::op::{AD_OFF, AD_VLAN_TAG, AD_VLAN_TAG_PRESENT};
use std::net::Ipv4Addr;

/// A number as people know it, where it is known what it means.
pub(super) fn number_name(field: Option<Field>, number: u32) -> String {
    let known = match (field, number) {
        (Some(Field::LinkProtocol), 0x800) | (Some(Field::PppProtocol), 0x21) => "ip",
        (Some(Field::LinkProtocol), 0x86dd) | (Some(Field::PppProtocol), 0x57) => "ip6",
        (Some(Field::LinkProtocol), 0x806) => "arp",
        (Some(Field::LinkProtocol), 0x8035) => "rarp",
        (Some(Field::LinkProtocol), 0x8100 | 0x88a8 | 0x9100) => "vlan",
        (Some(Field::Protocol4 | Field::Protocol6), 1) => "icmp",
        (Some(Field::Protocol4 | Field::Protocol6), 6) => "tcp",
        (Some(Field::Protocol4 | Field::Protocol6), 17) => "udp",
        (Some(Field::Protocol4 | Field::Protocol6), 132) => "sctp",
        (Some(Field::Protocol6), 44) => "fragment",
        (Some(Field::Protocol6), 58) => "icmp6",
        (Some(Field::SourcePort | Field::DestinationPort | Field::Length), _) => {
            return number.to_string();
        }
        (Some(Field::Address4), _) => return Ipv4Addr::from(number).to_string(),
        _ => "",
    };
    match (known, number) {
        ("", 0..0x100) => number.to_string(),
        ("", _) => format!("{number:#x}"),
        _ => known.to_owned(),
    }
}

/// `ip protocol [23]`, `destination port [4*([14]&0xf) + 16 : 2]`.
pub(super) fn value_name(values: &Values, value: ValueId) -> String {
    let place = formula(values, value, DEEPEST);
    match values.field(value).and_then(field_name) {
        Some(name) => format!("{name} {place}"),
        None => place,
    }
}

fn field_name(field: Field) -> Option<&'static str> {
    Some(match field {
        Field::LinkProtocol | Field::PppProtocol => "link protocol",
        Field::Family => "address family",
        Field::VlanPresent => "a tag is beside the frame",
        Field::VlanTag => "tag beside the frame",
        Field::Protocol4 => "ip protocol",
        Field::Protocol6 => "ip6 next header",
        Field::Fragment => "fragment offset",
        Field::ProtocolAndFragment => "fragment offset and ip protocol",
        Field::VersionLength => "version and header length",
        Field::SourcePort => "source port",
        Field::DestinationPort => "destination port",
        Field::Address4 | Field::Network4 => "address",
        Field::Prefix6 | Field::Address6 => "ip6 address",
        Field::Mac => "ether address",
        Field::PacketType => "packet type",
        Field::TcpFlags => "tcp flags",
        Field::TimeToLive => "time to live",
        Field::ServiceClass => "service class",
        Field::BottomOfStack => "last label",
        Field::Length => return None,
    })
}

/// Inner values are shown down to so many levels: a chain of headers would never end.
const DEEPEST: usize = 8;

fn formula(values: &Values, value: ValueId, levels: usize) -> String {
    let Some(levels) = levels.checked_sub(1) else {
        return "...".into();
    };
    let formula = |value| formula(values, value, levels);
    match values.get(value) {
        Value::Constant(number) => number_name(None, number),
        Value::Length => "length".into(),
        Value::Ancillary(AD_VLAN_TAG_PRESENT) => "[vlanp]".into(),
        Value::Ancillary(AD_VLAN_TAG) => "[vlan_tci]".into(),
        Value::Ancillary(place) => format!("[{}]", AD_OFF.wrapping_add(place).cast_signed()),
        Value::Load { index, k, bytes } => {
            let start = match index {
                Some(index) => format!("{} + {k}", formula(index)),
                None => format!("{}", k.cast_signed()),
            };
            match bytes {
                1 => format!("[{start}]"),
                _ => format!("[{start} : {bytes}]"),
            }
        }
        Value::Negative(a) => format!("-{}", formula(a)),
        Value::Binary(operator, a, b) => {
            let (a, b) = (formula(a), formula(b));
            format!("({a} {} {b})", operator.sign())
        }
        Value::Compare(order, a, b) => {
            let sign = match order {
                Order::Equal => "=",
                Order::Greater => ">",
                Order::AtLeast => ">=",
            };
            format!("({} {sign} {})", formula(a), formula(b))
        }
    }
}
