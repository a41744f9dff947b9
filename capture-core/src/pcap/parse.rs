//! Records of a pcap file to frames.

use crate::pcapng::{IF_FCSLEN, MAX_CAPTURED, put_option};
use crate::read::{Found, MAX_BATCH, MAX_BLOCK, Order, Progress, Stop, damaged};
use crate::{Error, ErrorKind, Flags, FrameInfo, Interface, LinkType, Result};
use std::sync::Arc;

const HEADER: usize = 24;

const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;
/// Alexey Kuznetzov's variant, with more after each record's header.
const KUZNETZOV: u32 = 0xa1b2_cd34;

/// Whether a file that begins with this number, read as big-endian, is pcap.
pub(crate) fn is_magic(magic: u32) -> bool {
    [MICRO, NANO, KUZNETZOV]
        .iter()
        .any(|known| magic == *known || magic == known.swap_bytes())
}

/// Reads the records of one file.
#[derive(Debug)]
pub(crate) struct Parser {
    file: Option<File>,
    /// Where the next record begins.
    offset: u64,
    records: u64,
}

/// What the file header says.
#[derive(Clone, Copy, Debug)]
struct File {
    order: Order,
    /// Nanoseconds in a unit of the fraction.
    unit_ns: u64,
    /// Bytes of a record before its data.
    head: usize,
    /// Most bytes that a record may have captured.
    limit: u32,
}

impl Parser {
    pub(crate) fn new() -> Self {
        Self {
            file: None,
            offset: 0,
            records: 0,
        }
    }

    /// Header and records that were whole and good.
    pub(crate) fn records(&self) -> u64 {
        self.records + u64::from(self.file.is_some())
    }

    /// Finds the whole records at the beginning of `bytes`.
    pub(crate) fn parse(&mut self, bytes: &[u8], found: &mut Found) -> Progress {
        let mut consumed = 0;
        let file = match self.file {
            Some(file) => file,
            None if bytes.len() < HEADER => {
                return Progress {
                    consumed,
                    stop: Stop::Need(HEADER),
                };
            }
            None => match header(bytes) {
                Ok((file, interface)) => {
                    Arc::make_mut(&mut found.interfaces).push(interface);
                    self.file = Some(file);
                    consumed = HEADER;
                    file
                }
                Err(error) => {
                    return Progress {
                        consumed,
                        stop: Stop::Damaged(error),
                    };
                }
            },
        };
        self.offset += consumed as u64;
        loop {
            if consumed >= MAX_BATCH {
                return Progress {
                    consumed,
                    stop: Stop::Need(0),
                };
            }
            let rest = bytes.get(consumed..).unwrap_or_default();
            if rest.len() < file.head {
                return Progress {
                    consumed,
                    stop: Stop::Need(file.head),
                };
            }
            let (info, len) = match self.record(&file, rest, consumed) {
                Ok(record) => record,
                Err(stop) => return Progress { consumed, stop },
            };
            if rest.len() < len {
                return Progress {
                    consumed,
                    stop: Stop::Need(len),
                };
            }
            found.frames.push(info);
            consumed += len;
            self.offset += len as u64;
            self.records += 1;
        }
    }

    /// The record at the beginning of `rest`, and how long it is.
    #[inline]
    fn record(&self, file: &File, rest: &[u8], at: usize) -> Result<(FrameInfo, usize), Stop> {
        let word = |index: usize| file.order.u32(rest, index * 4);
        let (seconds, fraction, caplen, len) = (word(0), word(1), word(2), word(3));
        if seconds == 0 && fraction == 0 && caplen == 0 && len == 0 {
            let what =
                "only zeros are there: was the writer cut off? pktrail repair cleans the file";
            return Err(Stop::Zeros(self.damage(what)));
        }
        if caplen > file.limit {
            let what = format!(
                "it says that {caplen} bytes were captured; the most is {}",
                file.limit
            );
            return Err(Stop::Damaged(self.damage(&what)));
        }
        let info = FrameInfo {
            timestamp_ns: u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * file.unit_ns,
            offset: (at + file.head) as u32,
            caplen,
            len,
            flags: if file.head == 24 {
                packet_type(rest)
            } else {
                Flags::default()
            },
            ..FrameInfo::default()
        };
        Ok((info, file.head + caplen as usize))
    }

    fn damage(&self, what: &str) -> Error {
        damaged(format!(
            "packet record {} at offset {}: {what}",
            self.records + 1,
            self.offset
        ))
    }

    /// The error for input that ends with these bytes, less than a record.
    pub(crate) fn cut(&self, rest: &[u8]) -> Error {
        let Some(file) = self.file else {
            return damaged(format!(
                "the file is cut: its header at offset 0 has {} of {HEADER} bytes",
                rest.len()
            ));
        };
        let whole = match rest.len() < file.head {
            true => format!("its {}-byte header", file.head),
            false => format!("{} bytes", file.head + file.order.u32(rest, 8) as usize),
        };
        self.damage(&format!(
            "the file is cut: {} bytes of {whole} are there",
            rest.len()
        ))
    }
}

/// The file header.
fn header(bytes: &[u8]) -> Result<(File, Interface)> {
    let order = match Order::Big.u32(bytes, 0) {
        MICRO | NANO | KUZNETZOV => Order::Big,
        _ => Order::Little,
    };
    let magic = order.u32(bytes, 0);
    let (major, minor) = (order.u16(bytes, 4), order.u16(bytes, 6));
    if major != 2 {
        return Err(Error::new(
            ErrorKind::Unsupported {
                feature: "this version of pcap",
                since: "",
            },
            format!(
                "the file header at offset 0 says pcap version {major}.{minor}; only 2.x is known"
            ),
        ));
    }
    let snaplen = order.u32(bytes, 16);
    let network = order.u32(bytes, 20);
    let mut options = Vec::new();
    // Bit 26 says that the upper four bits count the 16-bit words of the frame
    // check sequence.
    if network & 1 << 26 != 0 {
        put_option(IF_FCSLEN, &[(network >> 28) as u8 * 16], &mut options);
    }
    let link_type = match network as u16 {
        // The BSDs' numbers for raw IP, from before there was one for files.
        12 | 14 => LinkType::RAW,
        number => LinkType(number),
    };
    let interface = Interface {
        link_type,
        snaplen,
        options,
        ..Interface::default()
    };
    let file = File {
        order,
        unit_ns: if magic == NANO { 1 } else { 1_000 },
        head: if magic == KUZNETZOV { 24 } else { 16 },
        limit: snaplen.clamp(MAX_CAPTURED, (MAX_BLOCK - HEADER) as u32),
    };
    Ok((file, interface))
}

/// Direction and reception type of a Kuznetzov record (linux/if_packet.h).
fn packet_type(record: &[u8]) -> Flags {
    match record.get(22) {
        Some(0) => Flags::INBOUND.with(Flags::UNICAST),
        Some(1) => Flags::INBOUND.with(Flags::BROADCAST),
        Some(2) => Flags::INBOUND.with(Flags::MULTICAST),
        Some(3) => Flags::INBOUND.with(Flags::PROMISCUOUS),
        Some(4) => Flags::OUTBOUND,
        _ => Flags::default(),
    }
}
