//! Filters inside programs that trace the kernel: packets are the kernel's own, somewhere on their
//! way, so what they begin with differs, and their bytes are read by a helper.
//!
//! One helper call reads what the filter will most likely look at into the room that the caller
//! has for it; what lies behind is read when it is asked for. Bytes that are not in the linear
//! part of a buffer are not there.

use super::super::ir::value::{Value, ValueId, Values};
use super::super::op::{
    AD_IFINDEX, AD_MARK, AD_OFF, AD_PKTTYPE, AD_PROTOCOL, AD_QUEUE, AD_VLAN_TAG,
    AD_VLAN_TAG_PRESENT,
};
use super::super::{Filter, LiveTarget, Resolver, Target};
use super::*;
use crate::{Error, LinkType, Result};

// The places of `struct packet` in backends/src/trace/filter.h.
const START: i16 = 0;
const LINEAR: i16 = 8;
pub(super) const LENGTH: i16 = 12;
const LAYER: i16 = 16;
const FACTS: [(u32, i16); 7] = [
    (AD_IFINDEX, 20),
    (AD_MARK, 24),
    (AD_QUEUE, 28),
    (AD_PROTOCOL, 32),
    (AD_PKTTYPE, 36),
    (AD_VLAN_TAG_PRESENT, 40),
    (AD_VLAN_TAG, 44),
];
const WINDOW: i16 = 48;
/// Bytes of the room for what is read at once.
const MOST_WINDOW: u32 = 128;

/// `bpf_probe_read_kernel`: to r1, r2 bytes, from r3.
const PROBE_READ_KERNEL: i32 = 113;
/// Where a read behind the window goes on the stack.
const SPARE: i16 = -8;
/// Where an Ethernet frame has its type: what lies before is of the link layer alone.
const ETHERTYPE: u32 = 12;
/// No place in a packet is behind this.
const LONGEST: u32 = 0xffff;

/// An expression for packets inside the kernel, which begin with an Ethernet header or with that
/// of IP, depending on where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkbFilter {
    /// For packets with an Ethernet header. A VLAN tag may be beside them.
    pub link: Option<Filter>,
    /// For packets that begin with IP.
    pub network: Option<Filter>,
}

impl SkbFilter {
    /// Compiles `text` for both beginnings. Where one of them cannot have what is asked for, as
    /// raw IP has no MAC addresses, no packet that begins so matches.
    ///
    /// # Errors
    /// Those of [`Filter::compile`], if neither can.
    pub fn compile(text: &str, target: &Target, names: &mut dyn Resolver) -> Result<Self> {
        let mut compile = |link_type, stripped_tags| {
            let live = LiveTarget {
                stripped_tags,
                cooked: false,
            };
            let target = Target {
                link_type,
                live: Some(live),
                ..target.clone()
            };
            Filter::compile(text, &target, names)
        };
        let (link, network) = (
            compile(LinkType::ETHERNET, true),
            compile(LinkType::RAW, false),
        );
        match (link, network) {
            (Err(error), Err(_)) => Err(error),
            (link, network) => Ok(Self {
                link: link.ok(),
                network: network.ok(),
            }),
        }
    }

    /// Whether the answer depends on nothing but the packet from its network header on, and its
    /// EtherType: then it is the same before and behind a link-layer header.
    pub fn is_of_network_layer(&self) -> bool {
        let asks_only = |filter: &Option<Filter>, from: u32| {
            filter
                .as_ref()
                .is_some_and(|filter| filter.asks_only_for(from..))
        };
        asks_only(&self.link, ETHERTYPE) && asks_only(&self.network, 0)
    }

    /// The body of a function with a `struct packet *` in r1, which may be null, and 1 for a packet
    /// that matches or 0 in r0 at its end. It needs 144 bytes of stack at most.
    ///
    /// # Errors
    /// `Unsupported` if the filter is too large, or asks for what is not known inside the kernel.
    pub fn function(&self) -> Result<Vec<EbpfInstruction>> {
        let body = |filter: &Option<Filter>| match filter {
            Some(filter) => filter.ebpf(EbpfContext::Skb, 1, 0),
            None => Ok(vec![of(MOV32_K, 0, 0, 0, 0), of(EXIT, 0, 0, 0, 0)]),
        };
        let (link, network) = (body(&self.link)?, body(&self.network)?);
        let over = i16::try_from(link.len()).map_err(|_| {
            let feature = "a filter of over 32,767 instructions in a tracing program";
            let since = "";
            let kind = ErrorKind::Unsupported { feature, since };
            Error::new(kind, "the filter is too large for a tracing program")
        })?;
        let mut function = vec![
            of(JNE64_K, 1, 0, 2, 0),
            of(MOV32_K, 0, 0, 0, 0),
            of(EXIT, 0, 0, 0, 0),
            of(LDX_W, 0, 1, LAYER, 0),
            of(JNE32_K, 0, 0, over, 0),
        ];
        function.extend(link);
        function.extend(network);
        Ok(function)
    }
}

fn of(opcode: u8, dst: u8, src: u8, offset: i16, imm: i32) -> EbpfInstruction {
    EbpfInstruction {
        opcode,
        dst,
        src,
        offset,
        imm,
    }
}

impl Emitter<'_> {
    /// r6 becomes what the caller knows of the packet, r7 how many bytes can be read, and the
    /// window is filled.
    pub(super) fn begin_skb(&mut self) {
        self.window = window(self.graph, self.values);
        self.push(MOV64_X, 6, 1, 0, 0);
        self.push(LDX_W, 7, 1, LINEAR, 0);
        if self.window > 0 {
            // Also where the packet is shorter: the kernel's own data, 320 bytes, ends each
            // buffer, so that these bytes can be read whatever they are.
            self.push(LDX_DW, 3, 1, START, 0);
            self.push(MOV32_K, 2, 0, 0, self.window.cast_signed());
            self.push(ADD64_K, 1, 0, 0, WINDOW.into());
            self.read();
        }
    }

    /// Calls the helper. A packet that cannot be read does not match.
    fn read(&mut self) {
        self.push(CALL, 0, 0, 0, PROBE_READ_KERNEL);
        self.jump(JNE64_K, 0, 0, 0, Goal::Reject);
    }

    /// What is known beside the bytes.
    pub(super) fn beside(&mut self, place: u32) -> Option<()> {
        let fact = FACTS.iter().find(|(fact, _)| *fact == place);
        let (_, at) = fact.filter(|_| self.context == EbpfContext::Skb)?;
        self.push(LDX_W, 0, 6, *at, 0);
        Some(())
    }

    pub(super) fn load_skb(&mut self, index: Option<ValueId>, k: u32, bytes: u8) -> Option<()> {
        match index {
            None if k >= AD_OFF => return self.beside(k - AD_OFF),
            None => self.load_at(k, bytes)?,
            Some(index) => self.load_behind(index, k, bytes)?,
        }
        self.swap(bytes);
        Some(())
    }

    fn load_at(&mut self, k: u32, bytes: u8) -> Option<()> {
        let end = k.checked_add(bytes.into()).filter(|end| *end <= LONGEST)?;
        if end > self.known.bound {
            self.jump(JLT32_K, 7, 0, end, Goal::Reject);
            self.known.bound = end;
        }
        if end <= self.window {
            self.push(load_of(bytes), 0, 6, WINDOW + k as i16, 0);
        } else {
            self.push(MOV32_K, 0, 0, 0, k.cast_signed());
            self.load_far(bytes);
        }
        Some(())
    }

    fn load_behind(&mut self, index: ValueId, k: u32, bytes: u8) -> Option<()> {
        self.index(index)?;
        self.push(ADD32_K, 0, 0, 0, k.cast_signed());
        self.jump(JGT32_K, 0, 0, LONGEST, Goal::Reject);
        // In 32 bits: the verifiers of 6.12 and later lose themselves in sums of 64 that they
        // know to belong together.
        self.push(MOV32_X, 2, 0, 0, 0);
        self.push(ADD32_K, 2, 0, 0, bytes.into());
        self.jump(JGT32_X, 2, 7, 0, Goal::Reject);
        let last = self.window.checked_sub(bytes.into());
        // Where no index is small enough, there is no near way: a verifier may not see that.
        let wraps = k >= 0x8000_0000;
        let Some(last) = last.filter(|last| wraps || k <= *last) else {
            self.load_far(bytes);
            return Some(());
        };
        // Over the four instructions for what is near, to those for what is far.
        self.push(JGT32_K, 0, 0, 4, last.cast_signed());
        self.push(MOV64_X, 2, 6, 0, 0);
        self.push(ADD64_X, 2, 0, 0, 0);
        self.push(load_of(bytes), 0, 2, WINDOW, 0);
        let over = self.out.len();
        self.push(JA, 0, 0, 0, 0);
        self.load_far(bytes);
        let distance = self.out.len() - over - 1;
        self.out.get_mut(over)?.offset = i16::try_from(distance).ok()?;
        Some(())
    }

    /// Reads the bytes at the place in r0.
    fn load_far(&mut self, bytes: u8) {
        self.push(LDX_DW, 3, 6, START, 0);
        self.push(ADD64_X, 3, 0, 0, 0);
        self.push(MOV32_K, 2, 0, 0, bytes.into());
        self.push(MOV64_X, 1, 10, 0, 0);
        self.push(ADD64_K, 1, 0, 0, SPARE.into());
        self.read();
        self.push(load_of(bytes), 0, 10, SPARE, 0);
    }
}

/// How many bytes are worth reading at once: those at fixed places, and those that stand behind an
/// IPv4 header without options.
fn window(graph: &Graph, values: &Values) -> u32 {
    const HEADER: u32 = 20;
    let mut seen = Map::default();
    let mut left: Vec<ValueId> = graph.nodes.iter().map(|node| node.value).collect();
    let mut window = 0;
    while let Some(id) = left.pop() {
        if seen.insert(id, ()).is_some() {
            continue;
        }
        match values.get(id) {
            Value::Load { index, k, bytes } => {
                left.extend(index);
                let header = index.map_or(0, |_| HEADER);
                let end = k.checked_add(header + u32::from(bytes));
                if let Some(end) = end.filter(|end| *end <= MOST_WINDOW) {
                    window = window.max(end);
                }
            }
            Value::Negative(a) => left.push(a),
            Value::Binary(_, a, b) | Value::Compare(_, a, b) => left.extend([a, b]),
            Value::Constant(_) | Value::Length | Value::Ancillary(_) => {}
        }
    }
    window.next_multiple_of(8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::NoNames;

    #[test]
    fn what_depends_on_the_link_header_or_more_is_told_apart() {
        let target = Target::new(LinkType::RAW, 99);
        for (text, is_of_network_layer) in [
            ("udp port 4000 and host 192.0.2.1", true),
            ("ip6 and tcp", true),
            ("ether src 02:00:00:00:00:01", false),
            ("greater 100", false),
            ("tcp or vlan 5", false),
        ] {
            let filter = SkbFilter::compile(text, &target, &mut NoNames).expect(text);
            assert_eq!(filter.is_of_network_layer(), is_of_network_layer, "{text}");
        }
    }
}
