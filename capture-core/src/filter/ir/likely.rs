//! How likely a value is what: a model of the traffic that filters see, so that
//! the common case is tested first. It decides speed, never the outcome.

use super::value::Field;

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
    // The address family on loopback links, and PPP.
    (0x0200_0000, 740),
    (2, 740),
    (0x0021, 740),
    (0x0057, 200),
];
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
const PACKET_TYPES: &[(u32, u32)] = &[(0, 480), (4, 470), (1, 20), (2, 20), (3, 10)];

/// The chance that a value which can be at most `most`, and means `field`, lies
/// in the range. Chances of all ranges together are about 1.
pub(crate) fn chance(field: Option<Field>, most: u32, low: u32, high: u32) -> f64 {
    let known = match field {
        Some(Field::LinkProtocol) => LINK_PROTOCOLS,
        Some(Field::Protocol4 | Field::Protocol6) => PROTOCOLS,
        Some(Field::SourcePort | Field::DestinationPort) => PORTS,
        Some(Field::Fragment) => FRAGMENTS,
        Some(Field::VersionLength) => VERSIONS,
        Some(Field::VlanPresent) => PRESENT,
        Some(Field::PacketType) => PACKET_TYPES,
        Some(Field::VlanTag | Field::Address4 | Field::Address6 | Field::Mac) | None => &[],
    };
    let mut total = 0;
    let mut chance = 0;
    for (number, weight) in known {
        total += weight;
        if (low..=high).contains(number) {
            chance += weight;
        }
    }
    let chance = f64::from(chance) / 1000.0;
    // What does not stand out is spread evenly; a single number that a filter
    // names is likelier than its share.
    let rest = f64::from(1000u32.saturating_sub(total)).max(5.0) / 1000.0;
    let share = (f64::from(high - low) + 1.0) / (f64::from(most) + 1.0);
    let named = if low == high { 0.01 } else { 0.0 };
    chance + rest * share.max(named)
}
