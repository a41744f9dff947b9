//! Interface descriptions and section headers, read.

use super::Section;
use super::block;
use super::options;
use super::parse::Checked;
use super::time::Clock;
use crate::read::Order;
use crate::{Interface, LinkType};
use std::net::IpAddr;

/// What the body of an interface description block says.
pub(crate) fn interface(body: &[u8], order: Order) -> Checked<(Interface, Clock)> {
    if body.len() < 8 {
        return Err("it is too short for an interface".to_owned());
    }
    let mut interface = Interface {
        link_type: LinkType(order.u16(body, 0)),
        snaplen: order.u32(body, 4),
        ..Interface::default()
    };
    let (mut tsresol, mut tsoffset) = (None, None);
    options::each(body, 8, order, |code, value| match (code, value) {
        (block::IF_TSRESOL, [resolution]) => tsresol = Some(*resolution),
        (block::IF_TSOFFSET, [_, _, _, _, _, _, _, _]) => {
            tsoffset = Some(order.u64(value, 0).cast_signed());
        }
        _ => interface_option(&mut interface, code, value, order),
    })?;
    Ok((interface, Clock::new(tsresol, tsoffset)))
}

/// What the body of a section header block says.
pub(crate) fn section(body: &[u8], order: Order) -> Checked<Section> {
    if body.len() < 16 {
        return Err("it is too short for a section header".to_owned());
    }
    let (major, minor) = (order.u16(body, 4), order.u16(body, 6));
    if major != 1 {
        return Err(format!(
            "pcapng version {major}.{minor} is not known, only 1.x is"
        ));
    }
    let mut section = Section::default();
    options::each(body, 16, order, |code, value| {
        let text = || Some(text(value));
        match code {
            block::OPT_COMMENT => section.comments.extend(text()),
            block::SHB_HARDWARE => section.hardware = text(),
            block::SHB_OS => section.os = text(),
            block::SHB_APPLICATION => section.application = text(),
            _ => {}
        }
    })?;
    Ok(section)
}

fn interface_option(interface: &mut Interface, code: u16, value: &[u8], order: Order) {
    let text = || Some(text(value));
    match (code, value) {
        (block::IF_NAME, _) => interface.name = text().unwrap_or_default(),
        (block::IF_DESCRIPTION, _) => interface.description = text(),
        (block::IF_OS, _) => interface.os = text(),
        (block::IF_HARDWARE, _) => interface.hardware = text(),
        (block::IF_FILTER, [0, filter @ ..]) => {
            interface.filter = Some(String::from_utf8_lossy(filter).into_owned());
        }
        (block::IF_SPEED, [_, _, _, _, _, _, _, _]) => {
            interface.speed_bps = Some(order.u64(value, 0));
        }
        (block::IF_IPV4, &[a, b, c, d, _, _, _, _]) => {
            let mask = Order::Big.u32(value, 4);
            interface
                .addresses
                .push((IpAddr::from([a, b, c, d]), mask.leading_ones() as u8));
        }
        (block::IF_IPV6, [address @ .., prefix]) if address.len() == 16 => {
            let address: [u8; 16] = address.try_into().unwrap_or_default();
            interface.addresses.push((IpAddr::from(address), *prefix));
        }
        (block::IF_MAC, &[a, b, c, d, e, f]) => interface.mac = Some([a, b, c, d, e, f]),
        // Ours is nanoseconds, and the offset is in the times.
        (block::IF_TSRESOL | block::IF_TSOFFSET, _) => {}
        _ => other_interface_option(&mut interface.options, code, value, order),
    }
}

/// Keeps an option that is no field of an interface.
fn other_interface_option(kept: &mut Vec<u8>, code: u16, value: &[u8], order: Order) {
    let start = kept.len() + 4;
    options::put(code, value, kept);
    let Some(value) = kept.get_mut(start..start + value.len()) else {
        return;
    };
    options::normalise_value(value, code, order, |value| match (code, value.len()) {
        (block::IF_TZONE, 4) => order.normalise(value, 0, 4),
        (block::IF_TXSPEED | block::IF_RXSPEED, 8) => order.normalise(value, 0, 8),
        _ => {}
    });
}

/// Text that should be UTF-8; what is not becomes a replacement character, and
/// zeros at the end, which some writers count, are left out.
fn text(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.trim_end_matches('\0').to_owned()
}
