//! The bodies of blocks that are kept as notes: to little-endian, nanoseconds,
//! and the interface numbers of the whole file, where the structure is known.
//! What is not as it should be stays as it is: no frame depends on it.

use super::block;
use super::options;
use super::parse::Local;
use crate::read::Order;

/// The body of a block of type `kind`, as a note has it. `base` is where the
/// section's interfaces, which `local` knows, begin in the table of the file.
pub(crate) fn normalise(
    kind: u32,
    body: &[u8],
    order: Order,
    base: u32,
    local: &[Local],
) -> Vec<u8> {
    let mut body = body.to_vec();
    match kind {
        block::STATISTICS => statistics(&mut body, order, base, local),
        block::NAME_RESOLUTION => name_resolution(&mut body, order),
        block::DECRYPTION_SECRETS => decryption_secrets(&mut body, order),
        block::CUSTOM | block::CUSTOM_NO_COPY => order.normalise(&mut body, 0, 4),
        _ => {}
    }
    body
}

fn statistics(body: &mut [u8], order: Order, base: u32, local: &[Local]) {
    let interface = order.u32(body, 0);
    let clock = local.get(interface as usize).map(|local| local.clock);
    put(body, 0, interface.saturating_add(base));
    let time = |value: &mut [u8]| {
        let ticks = u64::from(order.u32(value, 0)) << 32 | u64::from(order.u32(value, 4));
        let ns = clock.map_or(ticks, |clock| clock.ns(ticks));
        put(value, 0, (ns >> 32) as u32);
        put(value, 4, ns as u32);
    };
    if let Some(value) = body.get_mut(4..12) {
        time(value);
    }
    options::normalise_all(body, 12, order, |value, code| match (code, value.len()) {
        (block::ISB_STARTTIME | block::ISB_ENDTIME, 8) => time(value),
        (block::ISB_IFRECV..=block::ISB_USRDELIV, 8) => order.normalise(value, 0, 8),
        _ => {}
    });
}

fn name_resolution(body: &mut [u8], order: Order) {
    // Records look as options do, and end with one of type 0.
    let end = options::normalise_all(body, 0, order, |_, _| {});
    options::normalise_all(body, end, order, |_, _| {});
}

fn decryption_secrets(body: &mut [u8], order: Order) {
    let len = order.u32(body, 4) as usize;
    order.normalise(body, 0, 4);
    order.normalise(body, 4, 4);
    let end = len.saturating_add(8).saturating_add(options::padding(len));
    options::normalise_all(body, end, order, |_, _| {});
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}
