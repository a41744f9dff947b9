//! What a filter can ask about a frame beside its bytes (`SKF_AD_*`), answered
//! from what is known once the frame has left the kernel.
//!
//! The answers are those that the kernel gives, with these exceptions. A VLAN
//! tag is in the bytes by now, so "is a tag beside the frame" is no, unless it was
//! taken out again for a filter of an interface (`stripped`). The
//! firewall mark, the receive hash, the CPU, the payload offset and netlink
//! attributes are not known any more, and are 0.

use super::op::*;
use crate::{Flags, FrameInfo, Interface, LinkType, Marks};

// Values of `sll_pkttype` (`include/uapi/linux/if_packet.h`).
const HOST: u32 = 0;
const BROADCAST: u32 = 1;
const MULTICAST: u32 = 2;
const OTHERHOST: u32 = 3;
const OUTGOING: u32 = 4;

// Hardware types (`include/uapi/linux/if_arp.h`).
const ARPHRD_ETHER: u32 = 1;
const ARPHRD_NONE: u32 = 0xfffe;

// EtherTypes (`include/uapi/linux/if_ether.h`).
const ETH_P_IP: u32 = 0x0800;
const ETH_P_IPV6: u32 = 0x86dd;
const ETH_P_802_3: u32 = 1;
const ETH_P_802_2: u32 = 4;

/// One frame, as a filter can ask about it.
pub(super) struct Subject<'a> {
    pub(super) data: &'a [u8],
    pub(super) info: &'a FrameInfo,
    pub(super) interface: &'a Interface,
    /// A VLAN tag that is beside the frame.
    pub(super) tag: Option<u16>,
}

impl Subject<'_> {
    /// The answer to a load from `SKF_AD_OFF + place`. [`AD_XOR_X`] is
    /// arithmetic and not asked here.
    pub(super) fn ancillary(&self, place: u32) -> u32 {
        match place {
            AD_PROTOCOL => self.protocol(),
            AD_PKTTYPE => self.packet_type(),
            AD_IFINDEX => self.interface_index(),
            AD_QUEUE => self.info.queue.unwrap_or(0),
            AD_HATYPE => self.hardware_type(),
            AD_RANDOM => self.random(),
            AD_VLAN_TAG_PRESENT => self.tag.is_some().into(),
            AD_VLAN_TAG => self.tag.unwrap_or(0).into(),
            _ => 0,
        }
    }

    /// Where the network header begins, as the kernel has it at the tap.
    pub(super) fn network_offset(&self) -> usize {
        match self.interface.link_type {
            LinkType::ETHERNET => 14 + self.restored_tag(),
            LinkType::LINUX_SLL => 16,
            LinkType::LINUX_SLL2 => 20,
            LinkType::NULL | LinkType::LOOP => 4,
            _ => 0,
        }
    }

    /// Length of a VLAN tag that was not in the bytes when the kernel had them.
    fn restored_tag(&self) -> usize {
        match self.info.marks.has(Marks::VLAN_RESTORED) {
            true => 4,
            false => 0,
        }
    }

    fn u16_at(&self, offset: usize) -> u32 {
        match self.data.get(offset..offset + 2) {
            Some(&[high, low]) => u16::from_be_bytes([high, low]).into(),
            _ => 0,
        }
    }

    fn protocol(&self) -> u32 {
        match self.interface.link_type {
            LinkType::ETHERNET => match self.u16_at(12 + self.restored_tag()) {
                ether_type @ 0x600.. => ether_type,
                // A length: novell's raw frames, or LLC (`eth_type_trans`).
                _ if self.u16_at(14 + self.restored_tag()) == 0xffff => ETH_P_802_3,
                _ => ETH_P_802_2,
            },
            LinkType::LINUX_SLL => self.u16_at(14),
            LinkType::LINUX_SLL2 => self.u16_at(0),
            _ => match self.data.get(self.network_offset()).map(|first| first >> 4) {
                Some(4) => ETH_P_IP,
                Some(6) => ETH_P_IPV6,
                _ => 0,
            },
        }
    }

    fn packet_type(&self) -> u32 {
        let flags = self.info.flags;
        match (
            self.interface.link_type,
            flags.direction(),
            flags.reception(),
        ) {
            (LinkType::LINUX_SLL, ..) => self.u16_at(0),
            (LinkType::LINUX_SLL2, ..) => self.data.get(10).copied().unwrap_or(0).into(),
            (_, direction, _) if direction == Flags::OUTBOUND.0 => OUTGOING,
            (.., 2) => MULTICAST,
            (.., 3) => BROADCAST,
            (.., 4) => OTHERHOST,
            _ => HOST,
        }
    }

    fn interface_index(&self) -> u32 {
        match (self.interface.link_type, self.data.get(4..8)) {
            (LinkType::LINUX_SLL2, Some(&[a, b, c, d])) => u32::from_be_bytes([a, b, c, d]),
            _ => self.interface.index.unwrap_or(0),
        }
    }

    fn hardware_type(&self) -> u32 {
        match self.interface.link_type {
            LinkType::LINUX_SLL => self.u16_at(2),
            LinkType::LINUX_SLL2 => self.u16_at(8),
            LinkType::ETHERNET => ARPHRD_ETHER,
            _ => ARPHRD_NONE,
        }
    }

    /// For filters that take a sample. The same frame gets the same number
    /// (splitmix64 of its time and length), so that a file is filtered the same
    /// way each time.
    fn random(&self) -> u32 {
        let mut z = self.info.timestamp_ns ^ (u64::from(self.info.len) << 48);
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Instruction, Program};
    use super::*;

    fn ask(place: u32, data: &[u8], info: FrameInfo, link_type: LinkType) -> u32 {
        let load = Instruction {
            code: LD_W_ABS,
            k: AD_OFF + place,
            ..Instruction::default()
        };
        let end = Instruction {
            code: RET_A,
            ..Instruction::default()
        };
        let interface = Interface {
            link_type,
            index: Some(7),
            ..Interface::default()
        };
        Program::new(vec![load, end])
            .unwrap()
            .run(data, &info, &interface)
    }

    #[test]
    fn direction_and_reception_become_the_packet_type() {
        for (flags, expected) in [
            (Flags::default(), HOST),
            (Flags::INBOUND.with(Flags::UNICAST), HOST),
            (Flags::INBOUND.with(Flags::BROADCAST), BROADCAST),
            (Flags::INBOUND.with(Flags::MULTICAST), MULTICAST),
            (Flags::INBOUND.with(Flags::PROMISCUOUS), OTHERHOST),
            (Flags::OUTBOUND, OUTGOING),
            (Flags::OUTBOUND.with(Flags::BROADCAST), OUTGOING),
        ] {
            let info = FrameInfo {
                flags,
                ..FrameInfo::default()
            };
            assert_eq!(
                ask(AD_PKTTYPE, &[0; 20], info, LinkType::ETHERNET),
                expected,
                "{flags:?}"
            );
        }
        let mut cooked = [0u8; 20];
        cooked[10] = 4;
        let info = FrameInfo::default();
        assert_eq!(
            ask(AD_PKTTYPE, &cooked, info, LinkType::LINUX_SLL2),
            OUTGOING
        );
    }

    #[test]
    fn what_the_frame_tells() {
        let plain = FrameInfo {
            queue: Some(3),
            ..FrameInfo::default()
        };
        let mut ethernet = [0u8; 60];
        ethernet[12..18].copy_from_slice(&[0x81, 0, 0, 5, 0x86, 0xdd]);
        assert_eq!(
            ask(AD_PROTOCOL, &ethernet, plain, LinkType::ETHERNET),
            0x8100
        );
        let restored = FrameInfo {
            marks: Marks::VLAN_RESTORED,
            ..plain
        };
        assert_eq!(
            ask(AD_PROTOCOL, &ethernet, restored, LinkType::ETHERNET),
            0x86dd
        );
        assert_eq!(
            ask(AD_VLAN_TAG_PRESENT, &ethernet, restored, LinkType::ETHERNET),
            0
        );
        assert_eq!(ask(AD_IFINDEX, &ethernet, plain, LinkType::ETHERNET), 7);
        assert_eq!(ask(AD_QUEUE, &ethernet, plain, LinkType::ETHERNET), 3);
        assert_eq!(ask(AD_HATYPE, &ethernet, plain, LinkType::ETHERNET), 1);
        assert_eq!(ask(AD_PROTOCOL, &[0x60; 40], plain, LinkType::RAW), 0x86dd);
        assert_eq!(ask(AD_PROTOCOL, &[], plain, LinkType::RAW), 0);
        let mut llc = [0u8; 60];
        llc[12..16].copy_from_slice(&[0, 40, 0x42, 0x42]);
        assert_eq!(
            ask(AD_PROTOCOL, &llc, plain, LinkType::ETHERNET),
            ETH_P_802_2
        );
    }

    #[test]
    fn a_sample_is_a_sample() {
        let odd = (0..1000u64)
            .map(|n| FrameInfo {
                timestamp_ns: n * 1000,
                ..FrameInfo::default()
            })
            .filter(|info| ask(AD_RANDOM, &[], *info, LinkType::ETHERNET) & 1 == 1)
            .count();
        assert!((400..600).contains(&odd), "{odd}");
    }
}
