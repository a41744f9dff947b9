//! Numbers of the pcapng format: block types, option codes, limits
//! (draft-ietf-opsawg-pcapng, sections 4 and 10).

/// Most bytes captured of a frame in a file we write. libpcap and Wireshark
/// refuse a whole file for one longer frame.
pub const MAX_CAPTURED: u32 = 262_144;

/// The local block type that pktrail fills space with. Every reader skips it.
pub const PADDING_BLOCK: u32 = 0x8050_4144;

/// The local block type of the index at the end of a file that pktrail writes:
/// see [`Index`](super::Index).
pub const INDEX_BLOCK: u32 = 0x8049_4458;

/// The local block type of the table of flows before the index.
pub const FLOWS_BLOCK: u32 = 0x8046_4c57;

pub(crate) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
pub(crate) const INTERFACE: u32 = 1;
pub(crate) const OBSOLETE_PACKET: u32 = 2;
pub(crate) const SIMPLE_PACKET: u32 = 3;
pub(crate) const NAME_RESOLUTION: u32 = 4;
pub(crate) const STATISTICS: u32 = 5;
pub(crate) const ENHANCED_PACKET: u32 = 6;
pub(crate) const DECRYPTION_SECRETS: u32 = 10;
pub(crate) const CUSTOM: u32 = 0xbad;
/// A custom block that must not be copied into another file.
pub(crate) const CUSTOM_NO_COPY: u32 = 0x4000_0bad;

pub(crate) const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// Type and the two lengths.
pub(crate) const FRAMING: usize = 12;
/// An enhanced packet block before its data.
pub(crate) const PACKET_HEAD: usize = 28;

pub(crate) const OPT_END: u16 = 0;
pub(crate) const OPT_COMMENT: u16 = 1;
/// Custom options, with text or bytes, to be copied or not.
pub(crate) const OPT_CUSTOM: [u16; 4] = [2988, 2989, 19372, 19373];

/// The custom option that holds padding, which is zeros: bytes, not to be copied.
pub(crate) const OPT_PADDING: u16 = 19373;
/// The enterprise in our custom options: 32473, which RFC 5612 reserves for
/// documentation.
pub(crate) const ENTERPRISE: u32 = 32_473;

pub(crate) const SHB_HARDWARE: u16 = 2;
pub(crate) const SHB_OS: u16 = 3;
pub(crate) const SHB_APPLICATION: u16 = 4;

pub(crate) const IF_NAME: u16 = 2;
pub(crate) const IF_DESCRIPTION: u16 = 3;
pub(crate) const IF_IPV4: u16 = 4;
pub(crate) const IF_IPV6: u16 = 5;
pub(crate) const IF_MAC: u16 = 6;
pub(crate) const IF_SPEED: u16 = 8;
pub(crate) const IF_TSRESOL: u16 = 9;
pub(crate) const IF_TZONE: u16 = 10;
pub(crate) const IF_FILTER: u16 = 11;
pub(crate) const IF_OS: u16 = 12;
pub(crate) const IF_FCSLEN: u16 = 13;
pub(crate) const IF_TSOFFSET: u16 = 14;
pub(crate) const IF_HARDWARE: u16 = 15;
pub(crate) const IF_TXSPEED: u16 = 16;
pub(crate) const IF_RXSPEED: u16 = 17;

pub(crate) const EPB_FLAGS: u16 = 2;
pub(crate) const EPB_DROPCOUNT: u16 = 4;
pub(crate) const EPB_PACKETID: u16 = 5;
pub(crate) const EPB_QUEUE: u16 = 6;
pub(crate) const EPB_VERDICT: u16 = 7;
pub(crate) const EPB_PROCESS: u16 = 8;

pub(crate) const ISB_STARTTIME: u16 = 2;
pub(crate) const ISB_ENDTIME: u16 = 3;
pub(crate) const ISB_IFRECV: u16 = 4;
pub(crate) const ISB_IFDROP: u16 = 5;
pub(crate) const ISB_FILTERACCEPT: u16 = 6;
pub(crate) const ISB_OSDROP: u16 = 7;
pub(crate) const ISB_USRDELIV: u16 = 8;

/// The name and number of a block type, for messages.
pub(crate) fn describe(block_type: u32) -> String {
    let name = match block_type {
        SECTION_HEADER => "section header",
        INTERFACE => "interface description",
        OBSOLETE_PACKET => "obsolete packet",
        SIMPLE_PACKET => "simple packet",
        NAME_RESOLUTION => "name resolution",
        STATISTICS => "interface statistics",
        ENHANCED_PACKET => "enhanced packet",
        DECRYPTION_SECRETS => "decryption secrets",
        CUSTOM | CUSTOM_NO_COPY => "custom",
        PADDING_BLOCK => "padding",
        INDEX_BLOCK => "index",
        FLOWS_BLOCK => "flows",
        _ => "unknown",
    };
    match block_type {
        0..=0xffff => format!("{name}, type {block_type}"),
        _ => format!("{name}, type {block_type:#010x}"),
    }
}
