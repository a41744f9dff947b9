//! The fingerprint: what of a packet stays the same on its way.
//!
//! Owns the comparison. Addresses, ports, TTL and checksums are left out, because NAT and
//! forwarding rewrite them; so is the identifier of an ICMP echo, which NAT treats as a port.

/// What does not change on the way. Equal packets that were sent twice may have equal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// What is always known.
    pub core: Core,
    /// A hash of the first bytes of the payload; `None` if they could not be read.
    pub payload: Option<u32>,
}

/// The part that every point can read, which serves as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Core {
    /// 4 or 6.
    pub version: u8,
    /// The IP protocol, behind extension headers.
    pub protocol: u8,
    /// The identification of IPv4, the flow label of IPv6.
    pub id: u32,
    /// Offset in bytes and whether more follow, for a fragment.
    pub fragment: Option<(u16, bool)>,
    /// Bytes behind the IP header.
    pub length: u32,
    /// TCP: sequence and acknowledgement. ICMP echo: type and sequence.
    pub sequence: u64,
    /// TCP: flags and timestamps, which tell a retransmit from its original.
    pub extra: u64,
}

/// How sure it is that two fingerprints are of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// They are not.
    Different,
    /// They may be, but nothing tells two equal packets apart.
    Unsure,
    /// They are, as far as headers can tell.
    Same,
}

impl Fingerprint {
    /// Compares two.
    pub fn compare(&self, other: &Self) -> Likeness {
        if self.core != other.core {
            return Likeness::Different;
        }
        match (self.payload, other.payload) {
            (Some(a), Some(b)) if a != b => Likeness::Different,
            (Some(_), Some(_)) if self.is_distinctive() => Likeness::Same,
            _ => Likeness::Unsure,
        }
    }

    /// Whether something numbers the packets of this kind.
    fn is_distinctive(&self) -> bool {
        let numbered = matches!(self.core.protocol, 1 | 6 | 58) && self.core.sequence != 0;
        numbered || self.core.version == 4 && self.core.id != 0
    }
}

/// FNV-1a over 32 bits: small, and good enough for a few bytes that are compared together with
/// lengths and numbers (<http://www.isthe.com/chongo/tech/comp/fnv/>).
pub(super) fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
