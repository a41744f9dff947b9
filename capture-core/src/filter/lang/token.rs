//! The words of the language: keywords, protocols and named numbers.
//!
//! Keywords are those of libpcap's scanner; several spell the same thing.

use super::mistake::Span;
use std::net::Ipv6Addr;

/// One word or sign, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Protocol(Proto),
    Word(Word),
    Sign(Sign),
    Number(u32),
    /// Two to four numbers with dots, as written.
    Dotted(String),
    V6(Ipv6Addr),
    Mac([u8; 6]),
    /// `$xx`: an ARCNET address.
    Arcnet(u8),
    /// A name, to be looked up.
    Name(String),
    End,
}

/// Signs and the words that stand for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    And,
    Or,
    Not,
    Open,
    Close,
    OpenIndex,
    CloseIndex,
    Colon,
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
    Greater,
    AtLeast,
    Equal,
    AtMost,
    Less,
    NotEqual,
}

/// Protocols that can stand as a qualifier, alone, or before an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Proto {
    Link,
    Ip,
    Ip6,
    Arp,
    Rarp,
    Tcp,
    Udp,
    Sctp,
    Icmp,
    Icmp6,
    Igmp,
    Igrp,
    Pim,
    Vrrp,
    Carp,
    Ah,
    Esp,
    Atalk,
    Aarp,
    Decnet,
    Lat,
    Sca,
    Moprc,
    Mopdl,
    Iso,
    Esis,
    Isis,
    Clnp,
    IsisL1,
    IsisL2,
    IsisIih,
    IsisLsp,
    IsisSnp,
    IsisCsnp,
    IsisPsnp,
    Stp,
    Ipx,
    Netbeui,
    Radio,
}

/// All other keywords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Src,
    Dst,
    Host,
    Net,
    Mask,
    Port,
    Portrange,
    Proto,
    Protochain,
    Gateway,
    Less,
    Greater,
    Byte,
    Broadcast,
    Multicast,
    Len,
    Inbound,
    Outbound,
    Ifindex,
    Vlan,
    Mpls,
    Pppoed,
    Pppoes,
    Geneve,
    Vxlan,
    Llc,
    /// `addr1` to `addr4`, `ra`, `ta`: addresses of 802.11.
    WirelessAddress,
    /// `type`, `subtype`, `dir`: parts of the frame control of 802.11.
    WirelessField,
    /// The firewall log of the BSDs.
    Pflog,
    /// `rnr`: a rule number there, and a type of LLC frame.
    Rnr,
    /// ATM.
    Atm,
    /// SS7.
    Ss7,
}

pub(crate) const SIGNS: &[(&str, Sign)] = &[
    ("&&", Sign::And),
    ("||", Sign::Or),
    (">=", Sign::AtLeast),
    ("<=", Sign::AtMost),
    ("!=", Sign::NotEqual),
    ("==", Sign::Equal),
    ("<<", Sign::ShiftLeft),
    (">>", Sign::ShiftRight),
    ("!", Sign::Not),
    ("(", Sign::Open),
    (")", Sign::Close),
    ("[", Sign::OpenIndex),
    ("]", Sign::CloseIndex),
    (":", Sign::Colon),
    ("+", Sign::Plus),
    ("-", Sign::Minus),
    ("*", Sign::Times),
    ("/", Sign::Divide),
    ("%", Sign::Modulo),
    ("&", Sign::BitAnd),
    ("|", Sign::BitOr),
    ("^", Sign::BitXor),
    (">", Sign::Greater),
    ("<", Sign::Less),
    ("=", Sign::Equal),
];

/// Names of protocols; the first of several is the one we print.
pub(crate) const PROTOCOLS: &[(&str, Proto)] = &[
    ("ether", Proto::Link),
    ("link", Proto::Link),
    ("ppp", Proto::Link),
    ("slip", Proto::Link),
    ("fddi", Proto::Link),
    ("tr", Proto::Link),
    ("wlan", Proto::Link),
    ("ip", Proto::Ip),
    ("ip6", Proto::Ip6),
    ("arp", Proto::Arp),
    ("rarp", Proto::Rarp),
    ("tcp", Proto::Tcp),
    ("udp", Proto::Udp),
    ("sctp", Proto::Sctp),
    ("icmp", Proto::Icmp),
    ("icmp6", Proto::Icmp6),
    ("igmp", Proto::Igmp),
    ("igrp", Proto::Igrp),
    ("pim", Proto::Pim),
    ("vrrp", Proto::Vrrp),
    ("carp", Proto::Carp),
    ("ah", Proto::Ah),
    ("esp", Proto::Esp),
    ("atalk", Proto::Atalk),
    ("aarp", Proto::Aarp),
    ("decnet", Proto::Decnet),
    ("lat", Proto::Lat),
    ("sca", Proto::Sca),
    ("moprc", Proto::Moprc),
    ("mopdl", Proto::Mopdl),
    ("iso", Proto::Iso),
    ("esis", Proto::Esis),
    ("es-is", Proto::Esis),
    ("isis", Proto::Isis),
    ("is-is", Proto::Isis),
    ("clnp", Proto::Clnp),
    ("l1", Proto::IsisL1),
    ("l2", Proto::IsisL2),
    ("iih", Proto::IsisIih),
    ("lsp", Proto::IsisLsp),
    ("snp", Proto::IsisSnp),
    ("csnp", Proto::IsisCsnp),
    ("psnp", Proto::IsisPsnp),
    ("stp", Proto::Stp),
    ("ipx", Proto::Ipx),
    ("netbeui", Proto::Netbeui),
    ("radio", Proto::Radio),
];

impl Proto {
    pub(crate) fn name(self) -> &'static str {
        PROTOCOLS
            .iter()
            .find(|(_, proto)| *proto == self)
            .map_or("", |(name, _)| name)
    }
}

pub(crate) const WORDS: &[(&str, Word)] = &[
    ("src", Word::Src),
    ("dst", Word::Dst),
    ("host", Word::Host),
    ("net", Word::Net),
    ("mask", Word::Mask),
    ("port", Word::Port),
    ("portrange", Word::Portrange),
    ("proto", Word::Proto),
    ("protochain", Word::Protochain),
    ("gateway", Word::Gateway),
    ("less", Word::Less),
    ("greater", Word::Greater),
    ("byte", Word::Byte),
    ("broadcast", Word::Broadcast),
    ("multicast", Word::Multicast),
    ("len", Word::Len),
    ("length", Word::Len),
    ("inbound", Word::Inbound),
    ("outbound", Word::Outbound),
    ("ifindex", Word::Ifindex),
    ("vlan", Word::Vlan),
    ("mpls", Word::Mpls),
    ("pppoed", Word::Pppoed),
    ("pppoes", Word::Pppoes),
    ("geneve", Word::Geneve),
    ("vxlan", Word::Vxlan),
    ("llc", Word::Llc),
    ("addr1", Word::WirelessAddress),
    ("address1", Word::WirelessAddress),
    ("addr2", Word::WirelessAddress),
    ("address2", Word::WirelessAddress),
    ("addr3", Word::WirelessAddress),
    ("address3", Word::WirelessAddress),
    ("addr4", Word::WirelessAddress),
    ("address4", Word::WirelessAddress),
    ("ra", Word::WirelessAddress),
    ("ta", Word::WirelessAddress),
    ("type", Word::WirelessField),
    ("subtype", Word::WirelessField),
    ("dir", Word::WirelessField),
    ("direction", Word::WirelessField),
    ("on", Word::Pflog),
    ("ifname", Word::Pflog),
    ("rset", Word::Pflog),
    ("ruleset", Word::Pflog),
    ("rnr", Word::Rnr),
    ("rulenum", Word::Rnr),
    ("srnr", Word::Pflog),
    ("subrulenum", Word::Pflog),
    ("reason", Word::Pflog),
    ("action", Word::Pflog),
    ("lane", Word::Atm),
    ("metac", Word::Atm),
    ("bcc", Word::Atm),
    ("oam", Word::Atm),
    ("oamf4", Word::Atm),
    ("oamf4ec", Word::Atm),
    ("oamf4sc", Word::Atm),
    ("sc", Word::Atm),
    ("ilmic", Word::Atm),
    ("vpi", Word::Atm),
    ("vci", Word::Atm),
    ("connectmsg", Word::Atm),
    ("metaconnect", Word::Atm),
    ("fisu", Word::Ss7),
    ("lssu", Word::Ss7),
    ("lsu", Word::Ss7),
    ("msu", Word::Ss7),
    ("hfisu", Word::Ss7),
    ("hlssu", Word::Ss7),
    ("hmsu", Word::Ss7),
    ("sio", Word::Ss7),
    ("opc", Word::Ss7),
    ("dpc", Word::Ss7),
    ("sls", Word::Ss7),
    ("hsio", Word::Ss7),
    ("hopc", Word::Ss7),
    ("hdpc", Word::Ss7),
    ("hsls", Word::Ss7),
];

/// Named numbers: fields of ICMP and TCP, and their values (RFC 792, RFC 4443
/// and the IANA registry of ICMPv6 types).
pub(crate) const NUMBERS: &[(&str, u32)] = &[
    ("icmptype", 0),
    ("icmpcode", 1),
    ("icmp-echoreply", 0),
    ("icmp-unreach", 3),
    ("icmp-sourcequench", 4),
    ("icmp-redirect", 5),
    ("icmp-echo", 8),
    ("icmp-routeradvert", 9),
    ("icmp-routersolicit", 10),
    ("icmp-timxceed", 11),
    ("icmp-paramprob", 12),
    ("icmp-tstamp", 13),
    ("icmp-tstampreply", 14),
    ("icmp-ireq", 15),
    ("icmp-ireqreply", 16),
    ("icmp-maskreq", 17),
    ("icmp-maskreply", 18),
    ("icmp6type", 0),
    ("icmp6code", 1),
    ("icmp6-destinationunreach", 1),
    ("icmp6-packettoobig", 2),
    ("icmp6-timeexceeded", 3),
    ("icmp6-parameterproblem", 4),
    ("icmp6-echo", 128),
    ("icmp6-echoreply", 129),
    ("icmp6-multicastlistenerquery", 130),
    ("icmp6-multicastlistenerreportv1", 131),
    ("icmp6-multicastlistenerdone", 132),
    ("icmp6-routersolicit", 133),
    ("icmp6-routeradvert", 134),
    ("icmp6-neighborsolicit", 135),
    ("icmp6-neighboradvert", 136),
    ("icmp6-redirect", 137),
    ("icmp6-routerrenum", 138),
    ("icmp6-nodeinformationquery", 139),
    ("icmp6-nodeinformationresponse", 140),
    ("icmp6-ineighbordiscoverysolicit", 141),
    ("icmp6-ineighbordiscoveryadvert", 142),
    ("icmp6-multicastlistenerreportv2", 143),
    ("icmp6-homeagentdiscoveryrequest", 144),
    ("icmp6-homeagentdiscoveryreply", 145),
    ("icmp6-mobileprefixsolicit", 146),
    ("icmp6-mobileprefixadvert", 147),
    ("icmp6-certpathsolicit", 148),
    ("icmp6-certpathadvert", 149),
    ("icmp6-multicastrouteradvert", 151),
    ("icmp6-multicastroutersolicit", 152),
    ("icmp6-multicastrouterterm", 153),
    ("tcpflags", 13),
    ("tcp-fin", 0x01),
    ("tcp-syn", 0x02),
    ("tcp-rst", 0x04),
    ("tcp-push", 0x08),
    ("tcp-ack", 0x10),
    ("tcp-urg", 0x20),
    ("tcp-ece", 0x40),
    ("tcp-cwr", 0x80),
];

/// The keyword or named number that `text` is.
pub(crate) fn keyword(text: &str) -> Option<Kind> {
    // Most words of an expression are numbers and addresses: leave early.
    let sign = match text {
        "and" => Some(Sign::And),
        "or" => Some(Sign::Or),
        "not" => Some(Sign::Not),
        _ => None,
    };
    if let Some(sign) = sign {
        return Some(Kind::Sign(sign));
    }
    if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        return None;
    }
    let protocol = PROTOCOLS.iter().find(|(name, _)| *name == text);
    if let Some((_, proto)) = protocol {
        return Some(Kind::Protocol(*proto));
    }
    if let Some((_, word)) = WORDS.iter().find(|(name, _)| *name == text) {
        return Some(Kind::Word(*word));
    }
    let number = NUMBERS.iter().find(|(name, _)| *name == text)?;
    Some(Kind::Number(number.1))
}

/// The known word nearest to `text`, if one is near: for "did you mean".
pub(crate) fn nearest(text: &str) -> Option<&'static str> {
    let words = PROTOCOLS.iter().map(|(name, _)| *name);
    let words = words.chain(WORDS.iter().map(|(name, _)| *name));
    let words = words
        .chain(NUMBERS.iter().map(|(name, _)| *name))
        .chain(["and", "or", "not"]);
    nearest_of(text, words)
}

/// The nearest of `words`, if one is near.
pub(crate) fn nearest_of<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = text.to_ascii_lowercase();
    let most = (text.len() / 3).max(1);
    words
        .map(|word| (distance(&lower, word), word))
        .filter(|(distance, word)| *distance <= most && *word != text)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many letters to change, add, take away or swap (a neighbouring pair).
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > 3 || a.len() > 32 {
        return usize::MAX;
    }
    let first = |i: usize| (0..=b.len()).map(|j| if i == 0 { j } else { i }).collect();
    let mut rows: Vec<Vec<usize>> = (0..=a.len()).map(first).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j] + 1)
                .min(rows[i][j - 1] + 1)
                .min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word() {
        assert_eq!(nearest("hots"), Some("host"));
        assert_eq!(nearest("prot"), Some("port"));
        assert_eq!(nearest("TCP"), Some("tcp"));
        assert_eq!(
            nearest("icmp6-neighbouradvert"),
            Some("icmp6-neighboradvert")
        );
        assert_eq!(nearest("www.example.net"), None);
    }
}
