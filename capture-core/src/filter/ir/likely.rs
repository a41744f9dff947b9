//! How likely a value is what: a model of the traffic that filters see, so that
//! the common case is tested first. It decides speed, never the outcome.

use super::value::{Field, Value, ValueId, Values};
use crate::filter::lang::Operator;

/// Numbers that stand out, by parts in a thousand of all frames.
const LINK_PROTOCOLS: &[(u32, u32)] = &[
    (0x0800, 740),
    (0x86dd, 200),
    (0x0806, 30),
    (0x8100, 10),
    (0x88a8, 2),
    (0x8864, 3),
    (0x8847, 2),
    (0x88cc, 2),
];
/// On loopback links and in PPP.
const FAMILIES: &[(u32, u32)] = &[(0x0200_0000, 370), (2, 370), (0x0a00_0000, 100), (10, 100)];
const PPP_PROTOCOLS: &[(u32, u32)] = &[(0x0021, 780), (0x0057, 200)];
const PROTOCOLS: &[(u32, u32)] = &[
    (6, 740),
    (17, 200),
    (1, 20),
    (58, 20),
    (47, 8),
    (50, 8),
    (2, 4),
    (44, 2),
    (132, 1),
    (0, 2),
];
const PORTS: &[(u32, u32)] = &[
    (443, 280),
    (80, 50),
    (53, 40),
    (22, 30),
    (123, 4),
    (4789, 4),
    (8080, 4),
    (25, 2),
];
const FRAGMENTS: &[(u32, u32)] = &[(0, 992)];
const VERSIONS: &[(u32, u32)] = &[(0x45, 780), (0x60, 200), (0x46, 2)];
const PRESENT: &[(u32, u32)] = &[(0, 970), (1, 30)];
/// Acknowledgements, short messages and full segments.
const LENGTHS: &[(u32, u32)] = &[(60, 350), (90, 150), (300, 100), (1454, 380)];
const WORDS6: &[(u32, u32)] = &[(0, 300)];
/// Most bytes are 0 more often than anything else.
const UNKNOWN: &[(u32, u32)] = &[(0, 250), (1, 50), (2, 20)];
const PACKET_TYPES: &[(u32, u32)] = &[(0, 480), (4, 470), (1, 20), (2, 20), (3, 10)];

const TCP_FLAGS: &[(u32, u32)] = &[
    (0x10, 560),
    (0x18, 280),
    (0x02, 40),
    (0x12, 40),
    (0x11, 40),
    (0x04, 20),
    (0x14, 10),
];
const TIMES_TO_LIVE: &[(u32, u32)] = &[(64, 400), (63, 100), (128, 100), (255, 50), (1, 20)];
const BOTTOMS: &[(u32, u32)] = &[(0x01, 900), (0x00, 100)];
const SERVICE_CLASSES: &[(u32, u32)] = &[(0, 750), (0x10, 60), (0xb8, 30)];

/// The chance that `value` lies in the range. Chances of all ranges together
/// are about 1.
pub(crate) fn chance(values: &Values, value: ValueId, low: u32, high: u32) -> f64 {
    let most = values.most(value);
    // Bits of a field: by the numbers of the field.
    if let Value::Binary(Operator::And, inner, mask) = values.get(value)
        && let (Some(mask), Some(field)) = (values.constant_of(mask), values.field(inner))
        && values.field(value).is_none()
    {
        let points = points(Some(field));
        let inside = points
            .iter()
            .filter(|(n, _)| (low..=high).contains(&(n & mask)));
        return spread(
            inside.map(|(_, weight)| *weight).sum(),
            points,
            most,
            low,
            high,
            0.01,
        );
    }
    let field = values.field(value);
    let points = points(field);
    let inside = points
        .iter()
        .filter(|(number, _)| (low..=high).contains(number));
    let named = if field == Some(Field::Prefix6) {
        0.2
    } else {
        0.01
    };
    spread(
        inside.map(|(_, weight)| *weight).sum(),
        points,
        most,
        low,
        high,
        named,
    )
}

/// Numbers that stand out, and their parts in a thousand.
fn points(field: Option<Field>) -> &'static [(u32, u32)] {
    match field {
        Some(Field::LinkProtocol) => LINK_PROTOCOLS,
        Some(Field::Family) => FAMILIES,
        Some(Field::PppProtocol) => PPP_PROTOCOLS,
        Some(Field::Protocol4 | Field::Protocol6) => PROTOCOLS,
        Some(Field::SourcePort | Field::DestinationPort) => PORTS,
        Some(Field::Fragment) => FRAGMENTS,
        Some(Field::ProtocolAndFragment) => PROTOCOLS,
        Some(Field::VersionLength) => VERSIONS,
        Some(Field::VlanPresent) => PRESENT,
        Some(Field::PacketType) => PACKET_TYPES,
        Some(Field::Length) => LENGTHS,
        Some(Field::Address6 | Field::Prefix6) => WORDS6,
        Some(Field::VlanTag | Field::Address4 | Field::Network4 | Field::Mac) => &[],
        None => UNKNOWN,
        Some(Field::TcpFlags) => TCP_FLAGS,
        Some(Field::TimeToLive) => TIMES_TO_LIVE,
        Some(Field::ServiceClass) => SERVICE_CLASSES,
        Some(Field::BottomOfStack) => BOTTOMS,
    }
}

/// What does not stand out is spread evenly; a single number that a filter
/// names is likelier than its share.
fn spread(inside: u32, points: &[(u32, u32)], most: u32, low: u32, high: u32, named: f64) -> f64 {
    let total: u32 = points.iter().map(|(_, weight)| weight).sum();
    let rest = f64::from(1000u32.saturating_sub(total)).max(5.0) / 1000.0;
    let share = (f64::from(high - low) + 1.0) / (f64::from(most) + 1.0);
    let named = if low == high { named } else { 0.0 };
    f64::from(inside) / 1000.0 + rest * share.max(named)
}
