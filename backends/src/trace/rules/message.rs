//! Messages of nfnetlink (include/uapi/linux/netfilter/nf_tables.h and nfnetlink_log.h): written,
//! and read with every length checked.
//!
//! Owns their layout. What they are for is decided in `mod.rs`.

use netlink_packet_core::{NLA_TYPE_MASK, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST};

/// `NFNL_SUBSYS_NFTABLES`.
const NFTABLES: u16 = 10;
/// `NFNL_SUBSYS_ULOG`: what is logged.
const LOG: u16 = 4;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// Bytes of `struct nlmsghdr` and `struct nfgenmsg`.
const HEAD: usize = 20;

pub(super) const NEW_TABLE: u16 = 0;
pub(super) const GET_TABLE: u16 = 1;
pub(super) const NEW_CHAIN: u16 = 3;
pub(super) const GET_CHAIN: u16 = 4;
pub(super) const NEW_RULE: u16 = 6;
pub(super) const DELETE_RULE: u16 = 8;
pub(super) const TRACE: u16 = 17;

/// `NFTA_LIST_ELEM`.
pub(super) const ELEMENT: u16 = 1;

/// Attributes one after the other.
#[derive(Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    pub(super) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// A name with its final zero.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// Numbers are big-endian.
    pub(super) fn number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// `NLA_F_NESTED`.
    pub(super) fn nested(self, kind: u16, inner: Self) -> Self {
        self.bytes(kind | 0x8000, &inner.0)
    }
}

/// Messages that are sent at once.
#[derive(Default)]
pub(super) struct Messages {
    bytes: Vec<u8>,
    sequence: u32,
}

impl Messages {
    /// A question.
    pub(super) fn ask(kind: u16, flags: u16, family: u8) -> Vec<u8> {
        let mut messages = Self::default();
        let kind = NFTABLES << 8 | kind;
        messages.put(
            kind,
            NLM_F_REQUEST | flags,
            family,
            0,
            Attributes::default(),
        );
        messages.bytes
    }

    /// A setting of group 0 of what is logged (`NFULNL_MSG_CONFIG`).
    pub(super) fn configure(attributes: Attributes) -> Vec<u8> {
        let mut messages = Self::default();
        messages.put(LOG << 8 | 1, NLM_F_REQUEST | NLM_F_ACK, 0, 0, attributes);
        messages.bytes
    }

    /// Begins a batch, all or nothing of which is done.
    pub(super) fn batch() -> Self {
        let mut messages = Self::default();
        messages.put(
            BATCH_BEGIN,
            NLM_F_REQUEST,
            0,
            NFTABLES,
            Attributes::default(),
        );
        messages
    }

    /// Adds something new.
    pub(super) fn create(&mut self, kind: u16, family: u8, attributes: Attributes) {
        let flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK;
        self.put(NFTABLES << 8 | kind, flags, family, 0, attributes);
    }

    /// The bytes, and how many answers they get.
    pub(super) fn end(mut self) -> (Vec<u8>, u32) {
        let answers = self.sequence - 1;
        self.put(BATCH_END, NLM_F_REQUEST, 0, NFTABLES, Attributes::default());
        (self.bytes, answers)
    }

    fn put(&mut self, kind: u16, flags: u16, family: u8, resource: u16, attributes: Attributes) {
        let length = u32::try_from(HEAD + attributes.0.len()).unwrap_or(u32::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend([family, 0]);
        self.bytes.extend(resource.to_be_bytes());
        self.bytes.extend(attributes.0);
        self.sequence += 1;
    }
}

/// A message that came.
pub(super) enum Came<'a> {
    /// Of nftables: what, family, attributes.
    Message(u16, u8, Found<'a>),
    /// A packet that was logged: family, attributes.
    Logged(u8, Found<'a>),
    /// An answer: 0, or an error of the system.
    Answer(i32),
    /// The end of a dump.
    Done,
    /// Something else.
    Other,
}

/// The messages of a datagram.
pub(super) fn read(datagram: &[u8]) -> Vec<Came<'_>> {
    let mut came = Vec::new();
    let mut rest = datagram;
    while let Some(length) = number_ne(rest, 0) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(message) = rest.get(..length).filter(|message| message.len() >= 16) else {
            break;
        };
        came.push(one(message));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    came
}

fn one(message: &[u8]) -> Came<'_> {
    let kind = message.get(4..6).and_then(|b| b.try_into().ok());
    match kind.map_or(0, u16::from_ne_bytes) {
        2 => Came::Answer(number_ne(message, 16).map_or(0, u32::cast_signed)),
        3 => Came::Done,
        kind => {
            let family = message.get(16).copied().unwrap_or(0);
            let attributes = Found(message.get(HEAD..).unwrap_or(&[]));
            match kind >> 8 {
                NFTABLES => Came::Message(kind & 0xff, family, attributes),
                // NFULNL_MSG_PACKET
                LOG if kind & 0xff == 0 => Came::Logged(family, attributes),
                _ => Came::Other,
            }
        }
    }
}

fn number_ne(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// Attributes that came.
#[derive(Clone, Copy)]
pub(super) struct Found<'a>(&'a [u8]);

impl<'a> Found<'a> {
    /// The value of the first attribute of this kind.
    pub(super) fn bytes(self, wanted: u16) -> Option<&'a [u8]> {
        let mut rest = self.0;
        loop {
            let length = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
            let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?);
            let value = rest.get(4..length)?;
            if kind & NLA_TYPE_MASK == wanted {
                return Some(value);
            }
            rest = rest.get(length.next_multiple_of(4)..)?;
        }
    }

    pub(super) fn nested(self, wanted: u16) -> Option<Self> {
        self.bytes(wanted).map(Self)
    }

    pub(super) fn text(self, wanted: u16) -> Option<String> {
        let bytes = self.bytes(wanted)?;
        let name = bytes.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    pub(super) fn number(self, wanted: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(wanted)?.try_into().ok()?))
    }

    pub(super) fn long(self, wanted: u16) -> Option<u64> {
        Some(u64::from_be_bytes(self.bytes(wanted)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let inner = Attributes::default().number(1, 7);
        let attributes = Attributes::default().text(1, "name").nested(4, inner);
        let mut batch = Messages::batch();
        batch.create(NEW_CHAIN, 2, attributes);
        let (bytes, answers) = batch.end();
        assert_eq!(answers, 1);
        let came = read(&bytes);
        let [Came::Other, Came::Message(kind, family, found), Came::Other] = &came[..] else {
            panic!("three messages")
        };
        assert_eq!((*kind, *family), (NEW_CHAIN, 2));
        assert_eq!(found.text(1).as_deref(), Some("name"));
        assert_eq!(found.nested(4).and_then(|found| found.number(1)), Some(7));
        assert_eq!(found.number(9), None);
    }

    #[test]
    fn what_is_cut_short_is_left_out() {
        let (bytes, _) = Messages::batch().end();
        for end in 0..bytes.len() {
            let whole = usize::from(end >= 20);
            assert_eq!(read(&bytes[..end]).len(), whole, "{end}");
        }
        assert!(Found(&[9, 0, 1, 0, 1]).bytes(1).is_none());
    }
}
