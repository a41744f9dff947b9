//! Questions to the kernel's routing netlink (rtnetlink(7)): links, addresses
//! and what devices count. The socket keeps the namespace it was opened in.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
#[cfg(feature = "trace")]
use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
#[cfg(feature = "trace")]
use netlink_packet_route::route::RouteMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use pktrail_core::{Error, ErrorKind, Result};
use std::io;

/// A netlink socket.
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// A socket in the calling thread's network namespace.
    pub(crate) fn open() -> Result<Self> {
        let failed = |e| Error::io("cannot open a netlink socket", e);
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(failed)?;
        socket.bind_auto().map_err(failed)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(failed)?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// All links.
    pub(crate) fn links(&mut self) -> Result<Vec<LinkMessage>> {
        let mut links = Vec::new();
        let question = RouteNetlinkMessage::GetLink(LinkMessage::default());
        self.ask(question, NLM_F_DUMP, |answer| {
            if let RouteNetlinkMessage::NewLink(link) = answer {
                links.push(link);
            }
        })?;
        Ok(links)
    }

    /// All addresses.
    pub(crate) fn addresses(&mut self) -> Result<Vec<AddressMessage>> {
        let mut addresses = Vec::new();
        let question = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        self.ask(question, NLM_F_DUMP, |answer| {
            if let RouteNetlinkMessage::NewAddress(address) = answer {
                addresses.push(address);
            }
        })?;
        Ok(addresses)
    }

    /// All routes of a family, of every table.
    #[cfg(feature = "trace")]
    pub(crate) fn routes(&mut self, family: AddressFamily) -> Result<Vec<RouteMessage>> {
        let mut routes = Vec::new();
        let mut question = RouteMessage::default();
        question.header.address_family = family;
        self.ask(
            RouteNetlinkMessage::GetRoute(question),
            NLM_F_DUMP,
            |answer| {
                if let RouteNetlinkMessage::NewRoute(route) = answer {
                    routes.push(route);
                }
            },
        )?;
        Ok(routes)
    }

    /// Frames that devices say they lost for want of buffers: of the link with
    /// `index`, or of all links.
    ///
    /// `rx_dropped` is left out on purpose: the kernel counts there also what it
    /// had no protocol handler for, which a capture does see, and what the
    /// backlog dropped, which is counted as softnet.
    pub(crate) fn device_drops(&mut self, index: Option<u32>) -> Result<u64> {
        let mut drops = 0;
        let mut link = LinkMessage::default();
        link.header.index = index.unwrap_or(0);
        let flags = if index.is_some() { 0 } else { NLM_F_DUMP };
        self.ask(RouteNetlinkMessage::GetLink(link), flags, |answer| {
            if let RouteNetlinkMessage::NewLink(link) = answer {
                for attribute in link.attributes {
                    if let LinkAttribute::Stats64(stats) = attribute {
                        drops += stats.rx_missed_errors + stats.rx_fifo_errors;
                    }
                }
            }
        })?;
        Ok(drops)
    }

    /// Makes a pair of veth devices, both up, that answer no ARP.
    pub(crate) fn add_veth(&mut self, name: &str, peer: &str) -> Result<()> {
        let link = |name: &str| {
            let mut link = LinkMessage::default();
            link.attributes.push(LinkAttribute::IfName(name.to_owned()));
            link
        };
        let mut first = link(name);
        let data = InfoData::Veth(InfoVeth::Peer(link(peer)));
        let info = vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(data)];
        first.attributes.push(LinkAttribute::LinkInfo(info));
        let flags = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
        let mut made = self.ask(RouteNetlinkMessage::NewLink(first), flags, |_| {});
        // Neither can be up before both are there.
        for name in [name, peer] {
            let mut up = link(name);
            up.header.flags = LinkFlags::Up | LinkFlags::Noarp;
            up.header.change_mask = up.header.flags;
            let question = RouteNetlinkMessage::SetLink(up);
            made = made.and_then(|()| self.ask(question, NLM_F_ACK, |_| {}));
        }
        made.map_err(|error| error.context(format!("cannot make the devices {name} and {peer}")))
    }

    fn ask(
        &mut self,
        question: RouteNetlinkMessage,
        flags: u16,
        mut answer: impl FnMut(RouteNetlinkMessage),
    ) -> Result<()> {
        let failed = |e| Error::io("cannot ask the kernel about links by netlink", e);
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(question));
        message.finalize();
        let mut out = vec![0; message.buffer_len()];
        message.serialize(&mut out);
        self.socket.send(&out, 0).map_err(failed)?;
        loop {
            let (datagram, _) = self.socket.recv_from_full().map_err(failed)?;
            let mut rest = &datagram[..];
            while !rest.is_empty() {
                let reply = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|e| Error::new(ErrorKind::System, format!("netlink answer: {e}")))?;
                let length = (reply.header.length as usize).next_multiple_of(4);
                rest = rest.get(length.max(16)..).unwrap_or_default();
                if reply.header.sequence_number != self.sequence {
                    continue;
                }
                match reply.payload {
                    NetlinkPayload::InnerMessage(inner) => {
                        answer(inner);
                        if flags & NLM_F_DUMP == 0 {
                            return Ok(());
                        }
                    }
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(failed(error.to_io()));
                    }
                    NetlinkPayload::Done(_) | NetlinkPayload::Error(_) => return Ok(()),
                    _ => {}
                }
            }
        }
    }
}

/// The kernel's count of frames dropped in the per-CPU backlogs since it booted
/// (`/proc/net/softnet_stat`: one line for each processor, the second number).
pub(crate) fn softnet_drops() -> io::Result<u64> {
    Ok(sum_softnet(&std::fs::read_to_string(
        "/proc/net/softnet_stat",
    )?))
}

fn sum_softnet(text: &str) -> u64 {
    (text.lines())
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter_map(|drops| u64::from_str_radix(drops, 16).ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softnet_lines_are_hexadecimal() {
        let text = "0000ffff 00000010 00000000\n00000001 0000000f 00000000\n";
        assert_eq!(sum_softnet(text), 31);
    }

    #[test]
    fn the_loopback_link_is_listed() {
        let mut netlink = Netlink::open().expect("netlink needs no privilege");
        let links = netlink.links().expect("links");
        let lo = links
            .iter()
            .find(|link| link.header.index == 1)
            .expect("lo");
        assert!(lo.attributes.contains(&LinkAttribute::IfName("lo".into())));
        netlink.device_drops(Some(1)).expect("counts of lo");
        netlink.device_drops(None).expect("counts of all");
    }
}
