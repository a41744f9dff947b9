//! Link types by the kernel's hardware type (`linux/if_arp.h`).

use super::walk::Link;
use pktrail_core::{Error, ErrorKind, LinkType, Result};

/// How an interface's frames are captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capture {
    /// What the frames begin with.
    pub(super) link_type: LinkType,
    /// How they stand in the ring.
    pub(super) link: Link,
}

/// One hardware type: number, name, and how it is captured.
type Row = (u16, &'static str, Option<Capture>);

const fn plain(link_type: u16) -> Option<Capture> {
    Some(Capture {
        link_type: LinkType(link_type),
        link: Link::Other,
    })
}

const ETHERNET: Option<Capture> = Some(Capture {
    link_type: LinkType::ETHERNET,
    link: Link::Ethernet,
});

/// Types whose link-layer header is missing or of no use on this socket.
const COOKED: Option<Capture> = Some(ANY);

/// How all interfaces together are captured.
pub(super) const ANY: Capture = Capture {
    link_type: LinkType::LINUX_SLL2,
    link: Link::Cooked,
};

const RAW: Option<Capture> = plain(101);

const TABLE: [Row; 27] = [
    (1, "Ethernet", ETHERNET),
    (772, "loopback", ETHERNET),
    (0xfffe, "no link-layer header", RAW),
    (519, "raw IP", RAW),
    (768, "IP-in-IP tunnel", RAW),
    (769, "IPv6 tunnel", RAW),
    (776, "IPv6-in-IPv4 tunnel", RAW),
    (256, "SLIP", RAW),
    (257, "compressed SLIP", RAW),
    (258, "SLIP for IPv6", RAW),
    (259, "compressed SLIP for IPv6", RAW),
    (512, "PPP", COOKED),
    (778, "GRE tunnel", COOKED),
    (823, "GRE tunnel over IPv6", COOKED),
    (24, "IEEE 1394", COOKED),
    (32, "InfiniBand", COOKED),
    (513, "Cisco HDLC", plain(104)),
    (518, "raw HDLC", plain(104)),
    (801, "IEEE 802.11", plain(105)),
    (802, "IEEE 802.11 with Prism header", plain(119)),
    (803, "IEEE 802.11 with radiotap header", plain(127)),
    (804, "IEEE 802.15.4", plain(195)),
    (824, "netlink monitor", plain(253)),
    (826, "vsock monitor", plain(271)),
    (3, "AX.25", plain(3)),
    (774, "FDDI", plain(10)),
    (280, "CAN", None),
];

/// How the interface `name` of hardware type `arphrd` is captured.
pub(super) fn by_hardware_type(name: &str, arphrd: u16) -> Result<Capture> {
    let row = TABLE.iter().find(|(number, _, _)| *number == arphrd);
    row.and_then(|(_, _, capture)| *capture).ok_or_else(|| {
        let kind = row.map_or("unknown to this program", |(_, kind, _)| kind);
        let kind_of_error = ErrorKind::Unsupported {
            feature: "capture on this hardware type",
            since: "",
        };
        let what = format!(
            "cannot capture on {name}: its hardware type {arphrd} ({kind}) has no link type; \
             -i any captures its IP traffic"
        );
        Error::new(kind_of_error, what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_types_have_their_link_type() {
        let link_type = |arphrd| by_hardware_type("x0", arphrd).map(|c| c.link_type.0).ok();
        assert_eq!(link_type(1), Some(1));
        assert_eq!(link_type(772), Some(1));
        assert_eq!(link_type(0xfffe), Some(101));
        assert_eq!(link_type(512), Some(276));
        assert_eq!(link_type(280), None);
    }

    #[test]
    fn an_unknown_type_is_named() {
        let error = by_hardware_type("odd0", 4711).expect_err("no such type");
        assert!(error.to_string().contains("odd0") && error.to_string().contains("4711"));
    }

    #[test]
    fn no_type_is_listed_twice() {
        for (at, row) in TABLE.iter().enumerate() {
            assert!(
                TABLE[..at].iter().all(|other| other.0 != row.0),
                "{}",
                row.0
            );
        }
    }
}
