//! What an expression is compiled for.

use crate::LinkType;
use std::net::Ipv4Addr;

/// What an expression is compiled for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What the frames begin with.
    pub link_type: LinkType,
    /// How many bytes of an accepted frame to keep.
    pub snaplen: u32,
    /// The frames come from an interface, not from a file.
    pub live: Option<LiveTarget>,
    /// The netmask of the interface, for `ip broadcast`.
    pub netmask: Option<Ipv4Addr>,
    /// The expression also holds behind VLAN tags without `vlan` in it. An
    /// expression that says `vlan` decides for itself.
    pub any_tag: bool,
    /// The expression also holds inside VXLAN, Geneve, GRE and IP in IP.
    pub inner: bool,
}

impl Target {
    /// Frames of a file.
    pub fn new(link_type: LinkType, snaplen: u32) -> Self {
        Self {
            link_type,
            snaplen,
            live: None,
            netmask: None,
            any_tag: false,
            inner: false,
        }
    }
}

/// How frames of an interface differ from those in a file, where a filter sees
/// them in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveTarget {
    /// The kernel has taken the outer VLAN tag out of the frame before the
    /// filter sees it, and tells of it beside the frame.
    pub stripped_tags: bool,
    /// The socket is cooked (`SOCK_DGRAM`): the filter sees the payload at 0,
    /// and the link-layer header is made later.
    pub cooked: bool,
}
