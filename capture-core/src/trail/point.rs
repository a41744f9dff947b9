//! The table of points: where a packet can be seen, how to attach there, what it means.
//!
//! Owns the rows (`points.txt`) and choosing among them. Whether a kernel has a point, and under
//! which name, is found out by who attaches.

use super::Pattern;
use crate::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, PoisonError, RwLock};

/// A layer of the network stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Layer {
    /// Network devices, receive offload, virtual cables, copies of buffers.
    Device,
    /// Programs in front of the buffers.
    Xdp,
    /// Traffic control.
    Tc,
    /// Queueing disciplines.
    Queueing,
    /// Bridges.
    Bridge,
    /// Hooks and tables.
    Netfilter,
    /// Connections and address translation.
    Conntrack,
    /// Queues to user space.
    Nfqueue,
    /// Routing.
    Route,
    /// Link addresses of next hops.
    Neighbour,
    /// Internet Protocol version 4.
    Ipv4,
    /// Internet Protocol version 6.
    Ipv6,
    /// Control messages, both versions, and IGMP.
    Icmp,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Sockets.
    Socket,
    /// Packets in packets.
    Tunnel,
    /// The virtual server.
    Ipvs,
    /// The kernel's Open vSwitch.
    Ovs,
    /// Ends of packets.
    Drop,
}

impl Layer {
    /// Every layer with its name in `points.txt` and in `--points`.
    pub const ALL: &[(&str, Self)] = &[
        ("device", Self::Device),
        ("xdp", Self::Xdp),
        ("tc", Self::Tc),
        ("queueing", Self::Queueing),
        ("bridge", Self::Bridge),
        ("netfilter", Self::Netfilter),
        ("conntrack", Self::Conntrack),
        ("nfqueue", Self::Nfqueue),
        ("route", Self::Route),
        ("neighbour", Self::Neighbour),
        ("ipv4", Self::Ipv4),
        ("ipv6", Self::Ipv6),
        ("icmp", Self::Icmp),
        ("tcp", Self::Tcp),
        ("udp", Self::Udp),
        ("socket", Self::Socket),
        ("tunnel", Self::Tunnel),
        ("ipvs", Self::Ipvs),
        ("ovs", Self::Ovs),
        ("drop", Self::Drop),
    ];

    /// The layer of a name, or of its short form: `nf` and `net`.
    pub fn by_name(name: &str) -> Option<Self> {
        let name = match name {
            "nf" => "netfilter",
            "net" | "dev" => "device",
            "ct" | "nat" => "conntrack",
            "neigh" => "neighbour",
            "qdisc" => "queueing",
            other => other,
        };
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, layer)| *layer)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, layer)| *layer == self)
            .map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A way to attach to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Attach {
    /// A tracepoint whose arguments BTF describes.
    TpBtf,
    /// The same with arguments as numbers.
    RawTp,
    /// The entry of a function, by a trampoline.
    Fentry,
    /// The exit of a function, with its return value.
    Fexit,
    /// Many functions by one link.
    KprobeMulti,
    /// One function by a breakpoint.
    Kprobe,
    /// A link at a netfilter hook and priority.
    Netfilter,
    /// A program at traffic control.
    Tcx,
    /// A program at the driver.
    Xdp,
}

const TRACEPOINT: &[Attach] = &[Attach::TpBtf, Attach::RawTp];
const FUNCTION: &[Attach] = &[Attach::Fentry, Attach::KprobeMulti, Attach::Kprobe];
const RETURNING: &[Attach] = &[
    Attach::Fexit,
    Attach::Fentry,
    Attach::KprobeMulti,
    Attach::Kprobe,
];

/// Where the buffer is among the arguments, as of Linux 6.18.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkbAt {
    /// The point has none.
    None,
    /// The argument of this number, from 1, is a `struct sk_buff *`.
    Argument(u8),
    /// The argument of this number is a `struct sk_buff **`.
    Behind(u8),
    /// The argument of this number is a structure with a member `skb`.
    Member(u8),
}

/// What a point says of the packet that is seen there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// It passes.
    Pass,
    /// It is thrown away.
    Drop,
    /// Its buffer is freed, as it should be.
    Free,
    /// A program gets the data.
    Read,
    /// It waits at a socket.
    Socket,
    /// It may go on in another buffer, another namespace, or another host.
    Gate,
    /// It waits for the verdict of a program.
    Queue,
    /// A tap gets a copy.
    Tap,
    /// It is forwarded.
    Forward,
    /// The kernel answers it.
    Answer,
    /// It is sent again.
    Again,
}

/// What the return value of a function means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Returns {
    /// An error if it is negative, or no address; else nothing that is worth saying.
    #[default]
    Status,
    /// A verdict of netfilter.
    Verdict,
    /// Buffers that were made from that of the point.
    Pieces,
}

/// A name before some version of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OldName {
    /// The name.
    pub name: &'static str,
    /// The first version, major and minor, that does not have it.
    pub before: (u16, u16),
}

/// One row: a place in the kernel where packets can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The tracepoint, the function, or `nf:HOOK:PRIORITY`.
    pub name: &'static str,
    /// The layer it belongs to.
    pub layer: Layer,
    /// Ways to attach, the best first.
    pub attach: &'static [Attach],
    /// Where the buffer is.
    pub skb: SkbAt,
    /// What it says of the packet.
    pub role: Role,
    /// What its return value means, if that is watched.
    pub returns: Returns,
    /// Other names, the youngest first.
    pub old_names: Vec<OldName>,
    /// One sentence for a person.
    pub sentence: &'static str,
}

/// The place of a point in [`points`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PointId(pub u16);

impl PointId {
    /// The point of this name, by its present or an old one.
    pub fn by_name(name: &str) -> Option<Self> {
        TABLE.names.get(name).copied()
    }

    /// The point of this name; a function that the table does not have gets a row of its own,
    /// for as long as the program runs.
    pub fn learn(name: &str) -> Self {
        if let Some(known) = Self::by_name(name) {
            return known;
        }
        let first = TABLE.rows.len();
        let mut learnt = LEARNT.write().unwrap_or_else(PoisonError::into_inner);
        let at = learnt.iter().position(|point| point.name == name);
        let at = at.unwrap_or_else(|| {
            let point = Point {
                name: Box::leak(name.to_owned().into_boxed_str()),
                layer: Layer::Device,
                attach: FUNCTION,
                skb: SkbAt::None,
                role: Role::Pass,
                returns: Returns::Status,
                old_names: Vec::new(),
                sentence: "A function of the kernel that takes the packet.",
            };
            learnt.push(Box::leak(Box::new(point)));
            learnt.len() - 1
        });
        Self(u16::try_from(first + at).unwrap_or(u16::MAX))
    }

    /// The row, if there is one.
    pub fn point(self) -> Option<&'static Point> {
        let number = usize::from(self.0);
        TABLE.rows.get(number).or_else(|| {
            let learnt = LEARNT.read().unwrap_or_else(PoisonError::into_inner);
            learnt.get(number - TABLE.rows.len()).copied()
        })
    }

    /// The name, `?` for a number without a row.
    pub fn name(self) -> &'static str {
        self.point().map_or("?", |point| point.name)
    }

    /// The role; a number without a row passes.
    pub fn role(self) -> Role {
        self.point().map_or(Role::Pass, |point| point.role)
    }
}

struct Table {
    rows: Vec<Point>,
    names: HashMap<&'static str, PointId>,
}

/// Functions beside the table: their number goes on from its rows.
static LEARNT: RwLock<Vec<&'static Point>> = RwLock::new(Vec::new());

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!("points.txt")));

impl Table {
    fn read(text: &'static str) -> Self {
        let (mut rows, mut layer) = (Vec::new(), Layer::Device);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                Some(name) => layer = Layer::by_name(name).unwrap_or(layer),
                None => rows.extend(row(line, layer)),
            }
        }
        let mut names = HashMap::new();
        for (point, number) in rows.iter().zip(0_u16..) {
            for old in &point.old_names {
                names.entry(old.name).or_insert(PointId(number));
            }
        }
        // A present name wins over another's old one.
        names.extend(
            rows.iter()
                .zip(0_u16..)
                .map(|(p, number)| (p.name, PointId(number))),
        );
        Self { rows, names }
    }
}

/// One line of `points.txt`.
fn row(line: &'static str, layer: Layer) -> Option<Point> {
    let mut columns = line.split('|').map(str::trim);
    let name = columns.next()?;
    let (method, role) = match columns.next()?.split_once(' ') {
        Some((method, role)) => (method, role_by_name(role)?),
        None => (line.split('|').nth(1)?.trim(), Role::Pass),
    };
    let attach = match method {
        "tp" => TRACEPOINT,
        "fn" => FUNCTION,
        "fx" | "fv" | "fm" => RETURNING,
        "nf" => &[Attach::Netfilter],
        "tcx" => &[Attach::Tcx],
        "xdp" => &[Attach::Xdp],
        _ => return None,
    };
    let returns = match method {
        "fv" => Returns::Verdict,
        "fm" => Returns::Pieces,
        _ => Returns::Status,
    };
    let skb = skb_at(columns.next()?)?;
    let old_names = match columns.next()? {
        "-" => Vec::new(),
        names => names.split(',').map(old_name).collect::<Option<_>>()?,
    };
    let sentence = columns.next()?;
    Some(Point {
        name,
        layer,
        attach,
        skb,
        role,
        returns,
        old_names,
        sentence,
    })
}

fn role_by_name(name: &str) -> Option<Role> {
    Some(match name {
        "drop" => Role::Drop,
        "free" => Role::Free,
        "read" => Role::Read,
        "socket" => Role::Socket,
        "gate" => Role::Gate,
        "queue" => Role::Queue,
        "tap" => Role::Tap,
        "forward" => Role::Forward,
        "answer" => Role::Answer,
        "again" => Role::Again,
        _ => return None,
    })
}

fn skb_at(text: &str) -> Option<SkbAt> {
    if text == "-" {
        return Some(SkbAt::None);
    }
    if let Some(number) = text.strip_prefix("**") {
        return number.parse().ok().map(SkbAt::Behind);
    }
    if let Some(number) = text.strip_suffix(".skb") {
        return number.parse().ok().map(SkbAt::Member);
    }
    text.parse().ok().map(SkbAt::Argument)
}

fn old_name(text: &'static str) -> Option<OldName> {
    let (name, version) = text.split_once('<')?;
    let (major, minor) = version.split_once('.')?;
    let before = (major.parse().ok()?, minor.parse().ok()?);
    Some(OldName { name, before })
}

/// Every point, in the order of [`PointId`].
pub fn points() -> &'static [Point] {
    &TABLE.rows
}

/// The word of a list for points that cost little and need no kprobes: tracepoints, and the
/// places between the tables of netfilter.
pub const DEFAULT: &str = "default";

/// Tracepoints that every packet passes, and that say nothing which the next one does not: only who
/// asks for them has them.
const LEFT_OUT: [&str; 5] = [
    "netif_rx",
    "netif_rx_entry",
    "netif_receive_skb_entry",
    "netif_receive_skb_list_entry",
    "net_dev_xmit",
];

impl Point {
    /// Whether it is among the [`DEFAULT`] points.
    pub fn is_default(&self) -> bool {
        let mut ways = self.attach.iter();
        let is_cheap = ways.any(|way| matches!(way, Attach::TpBtf | Attach::Netfilter));
        is_cheap && !LEFT_OUT.contains(&self.name)
    }
}

/// The points of a list such as `net,nf,tcp_v4_rcv` or `all`: layers, names, old names, names
/// with `*` for any characters, `/regular expressions/`, and `default`.
///
/// # Errors
/// `Usage` for a word that fits no point.
pub fn select(list: &str) -> Result<Vec<PointId>> {
    select_also(list, |_| false)
}

/// As [`select`], where `elsewhere` says that a word stands for what is not in the table.
///
/// # Errors
/// `Usage` for a word that fits no point and is not known elsewhere.
pub fn select_also(list: &str, elsewhere: impl Fn(&Pattern) -> bool) -> Result<Vec<PointId>> {
    let mut chosen = vec![false; TABLE.rows.len()];
    for pattern in Pattern::list(list)? {
        let word = pattern.word.as_str();
        let layer = Layer::by_name(word);
        let named = PointId::by_name(word);
        let mut found = false;
        for ((point, number), chosen) in TABLE.rows.iter().zip(0_u16..).zip(&mut chosen) {
            let fits = word == DEFAULT && point.is_default()
                || layer == Some(point.layer)
                || named == Some(PointId(number))
                || pattern.fits(point.name);
            *chosen |= fits;
            found |= fits;
        }
        if !found && !elsewhere(&pattern) {
            let layers: Vec<&str> = Layer::ALL.iter().map(|(name, _)| *name).collect();
            return Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "no point is called '{word}': give a name, a pattern with *, /a regular \
                     expression/, all, default, or a layer: {}",
                    layers.join(", ")
                ),
            ));
        }
    }
    let numbers = (0_u16..).zip(&chosen).filter(|(_, chosen)| **chosen);
    Ok(numbers.map(|(number, _)| PointId(number)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_line_is_a_row_of_its_own_name() {
        let text = include_str!("points.txt");
        let lines = text
            .lines()
            .filter(|line| !line.starts_with(['#', '[']))
            .collect::<Vec<_>>();
        for line in &lines {
            assert!(row(line, Layer::Device).is_some(), "{line}");
        }
        for section in text.lines().filter(|line| line.starts_with('[')) {
            let name = section.trim_matches(['[', ']']);
            assert_eq!(Layer::by_name(name).map(Layer::name), Some(name));
        }
        let names: HashSet<&str> = points().iter().map(|point| point.name).collect();
        assert_eq!(names.len(), lines.len());
        assert!(names.len() >= 200, "{}", names.len());
        for point in points() {
            assert!(point.sentence.ends_with('.'), "{}", point.name);
        }
    }

    #[test]
    fn every_layer_has_points() {
        for (name, layer) in Layer::ALL {
            assert!(points().iter().any(|p| p.layer == *layer), "{name}");
        }
    }

    #[test]
    fn an_old_name_finds_the_row() {
        let id = PointId::by_name("kfree_skb_reason").expect("an old name");
        assert_eq!(id.name(), "sk_skb_reason_drop");
        // The tracepoint's present name wins over the function's oldest.
        let id = PointId::by_name("kfree_skb").expect("a name");
        assert_eq!((id.name(), id.role()), ("kfree_skb", Role::Drop));
    }

    #[test]
    fn lists_choose_layers_names_and_patterns() {
        let count = |list| select(list).map(|chosen| chosen.len());
        assert_eq!(count("all").ok(), Some(points().len()));
        assert_eq!(count("ip_rcv").ok(), Some(1));
        assert_eq!(count("ip_rcv,ip_rcv").ok(), Some(1));
        let default = select("default,tc").expect("a word and a layer");
        let has = |name| default.iter().any(|id| id.name() == name);
        assert!(has("kfree_skb") && has("nf:input:1") && has("tcx:ingress"));
        assert!(!has("xdp:observer") && !has("ip_rcv"));
        let nf = select("nf").expect("a layer");
        assert!(nf.iter().any(|id| id.name() == "nf:forward:1"));
        let tcp = select("tcp_v?_rcv,tcp_v*_rcv");
        assert_eq!(tcp.expect_err("no such name").kind(), ErrorKind::Usage);
        let tcp = select("tcp_v*_rcv").expect("a pattern");
        assert_eq!(tcp.len(), 4, "the versions, and do_rcv of each");
        assert_eq!(select("/^tcp_v._rcv$/").expect("an expression").len(), 2);
    }
}
