//! Routes and next hops, in the namespace of this thread, by rtnetlink.

use crate::devices::netlink::Netlink;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::LinkAttribute;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use pktrail_core::Result;
use std::net::IpAddr;

/// The name of an interface; its number if it has none any more.
pub(super) fn interface_name(index: u32) -> Result<String> {
    let links = Netlink::open()?.links()?;
    let link = links.into_iter().find(|link| link.header.index == index);
    let name = link.and_then(|link| {
        link.attributes
            .into_iter()
            .find_map(|attribute| match attribute {
                LinkAttribute::IfName(name) => Some(name),
                _ => None,
            })
    });
    Ok(name.unwrap_or_else(|| format!("interface {index}")))
}

/// The route with the longest prefix that holds `to`, as `ip route` writes it. Rules that choose
/// tables are not looked at.
pub(super) fn of(to: IpAddr) -> Result<String> {
    let route = longest(to)?;
    Ok(match route {
        Some(route) => format!("The route of {to} is `{}`.", written(&route)?),
        None => format!("No route holds {to}."),
    })
}

/// Who was to be asked for its link address.
pub(super) fn next_hop(to: IpAddr) -> Result<Option<String>> {
    let Some(route) = longest(to)? else {
        return Ok(None);
    };
    let (gateway, interface) = way(&route);
    let name = interface_name(interface)?;
    let next = gateway.unwrap_or(to);
    Ok(Some(format!(
        "The next hop {next} on {name} does not answer for its link address."
    )))
}

fn longest(to: IpAddr) -> Result<Option<RouteMessage>> {
    let family = match to {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    let routes = Netlink::open()?.routes(family)?.into_iter();
    Ok(routes
        .filter(|route| holds(route, to))
        .max_by_key(|route| route.header.destination_prefix_length))
}

fn holds(route: &RouteMessage, to: IpAddr) -> bool {
    let length = u32::from(route.header.destination_prefix_length);
    let prefix = route
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Destination(address) => Some(address),
            _ => None,
        });
    match (prefix, to) {
        (None, _) => length == 0,
        (Some(RouteAddress::Inet(prefix)), IpAddr::V4(to)) => {
            let apart = u32::from(*prefix) ^ u32::from(to);
            apart.leading_zeros() >= length
        }
        (Some(RouteAddress::Inet6(prefix)), IpAddr::V6(to)) => {
            let apart = u128::from(*prefix) ^ u128::from(to);
            apart.leading_zeros() >= length
        }
        _ => false,
    }
}

/// Gateway and interface.
fn way(route: &RouteMessage) -> (Option<IpAddr>, u32) {
    let (mut gateway, mut interface) = (None, 0);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => {
                gateway = Some(IpAddr::V4(*address));
            }
            RouteAttribute::Gateway(RouteAddress::Inet6(address)) => {
                gateway = Some(IpAddr::V6(*address));
            }
            RouteAttribute::Oif(index) => interface = *index,
            _ => {}
        }
    }
    (gateway, interface)
}

fn written(route: &RouteMessage) -> Result<String> {
    let kind = match route.header.kind {
        RouteType::BlackHole => "blackhole ",
        RouteType::Unreachable => "unreachable ",
        RouteType::Prohibit => "prohibit ",
        RouteType::Local => "local ",
        RouteType::Broadcast => "broadcast ",
        RouteType::Multicast => "multicast ",
        _ => "",
    };
    let length = route.header.destination_prefix_length;
    let prefix = route
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(address.to_string()),
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => Some(address.to_string()),
            _ => None,
        });
    let prefix = match prefix {
        Some(prefix) => format!("{prefix}/{length}"),
        None => "default".to_owned(),
    };
    let (gateway, interface) = way(route);
    let gateway = gateway.map_or(String::new(), |gateway| format!(" via {gateway}"));
    let device = match interface {
        0 => String::new(),
        index => format!(" dev {}", interface_name(index)?),
    };
    Ok(format!("{kind}{prefix}{gateway}{device}"))
}
