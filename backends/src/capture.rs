//! A live capture in one value: interfaces, filter, rings, fanout, and the
//! engine that joins them to a sink. What the program `pktrail` itself uses.

use crate::af_packet::{self, AfPacket, Direction, FanoutMode, TimestampSource};
use crate::names::SystemNames;
use crate::{devices, privileges};
use pktrail_core::engine::{Event, Order};
use pktrail_core::filter::{LiveTarget, Target};
use pktrail_core::sink::ForEach;
use pktrail_core::{
    Account, Batch, Control, Engine, Filter, Finished, Flow, Interface, LinkType, Placement,
    Result, Sink, Source,
};
use std::net::Ipv4Addr;

/// How many rings, each with a thread of its own, share an interface's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Members of the fanout group; `None` for one for each receive queue, at
    /// most one for each processor.
    pub members: Option<u32>,
    /// How the kernel picks the member for a frame.
    pub mode: FanoutMode,
    /// Whether a frame for a full ring goes to the next one with room.
    pub rollover: bool,
    /// Whether the kernel puts IPv4 fragments together first: what is captured
    /// then is the whole packet, not its fragments.
    pub defrag: bool,
}

/// A live capture that is not open yet: a builder.
#[derive(Clone, Debug)]
pub struct Capture {
    interfaces: Vec<String>,
    options: af_packet::Options,
    filter: Wanted,
    any_tag: bool,
    inner: bool,
    spread: Option<Spread>,
    order: Option<Order>,
}

impl Capture {
    /// A capture on an interface; `any` is all of the namespace. An empty name
    /// is the first interface that is up.
    pub fn on(interface: impl Into<String>) -> Self {
        let interface = interface.into();
        Self {
            options: af_packet::Options::new(interface.clone()),
            interfaces: vec![interface],
            filter: Wanted::Everything,
            any_tag: false,
            inner: false,
            spread: None,
            order: None,
        }
    }

    /// One more interface: all come out as one stream in time order.
    #[must_use]
    pub fn and_on(mut self, interface: impl Into<String>) -> Self {
        self.interfaces.push(interface.into());
        self
    }

    /// Interfaces of another network namespace: a name, a path or a process id.
    #[must_use]
    pub fn in_netns(mut self, netns: impl Into<String>) -> Self {
        self.options.netns = Some(netns.into());
        self
    }

    /// Only frames that the filter accepts; in the kernel where that can be.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Wanted::Accepted(filter);
        self
    }

    /// Only frames that an expression in the language of pcap-filter(7)
    /// accepts. It is compiled for each interface when it is opened; names in it
    /// are looked up in the system's databases.
    #[must_use]
    pub fn expression(mut self, text: impl Into<String>) -> Self {
        self.filter = Wanted::Expressed(text.into());
        self
    }

    /// Whether an expression also holds behind VLAN tags without `vlan` in it
    /// (`any_tag`), and inside tunnels (`inner`).
    #[must_use]
    pub fn reach(mut self, any_tag: bool, inner: bool) -> Self {
        (self.any_tag, self.inner) = (any_tag, inner);
        self
    }

    /// Spreads each interface over `members` rings and threads.
    #[must_use]
    pub fn fanout(self, members: u32, mode: FanoutMode) -> Self {
        let members = Some(members);
        self.spread(Spread {
            members,
            mode,
            rollover: false,
            defrag: false,
        })
    }

    /// Spreads each interface over several rings and threads.
    #[must_use]
    pub fn spread(mut self, spread: Spread) -> Self {
        self.spread = Some(spread);
        self
    }

    /// Takes what several rings deliver as it comes, without making an order
    /// among them: whole blocks, and nothing has to wait.
    #[must_use]
    pub fn unordered(mut self) -> Self {
        self.order = Some(Order::AsDelivered);
        self
    }

    /// Keeps the rings apart, each in time order, for a sink that tells them by
    /// [`Batch::source`], as [`PerRing`](crate::output::PerRing) does.
    #[must_use]
    pub fn each_ring(mut self) -> Self {
        self.order = Some(Order::EachByTime);
        self
    }

    /// Most bytes to keep of a frame; 0 for as many as files may hold.
    #[must_use]
    pub fn snaplen(mut self, bytes: u32) -> Self {
        self.options.snaplen = bytes;
        self
    }

    /// Whether frames for other hosts are wanted too; they are by default.
    #[must_use]
    pub fn promiscuous(mut self, wanted: bool) -> Self {
        self.options.promiscuous = wanted;
        self
    }

    /// Which way frames go that are wanted.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.options.direction = direction;
        self
    }

    /// Whose clock stamps the frames.
    #[must_use]
    pub fn timestamps(mut self, source: TimestampSource) -> Self {
        self.options.timestamps = source;
        self
    }

    /// Size of each ring in bytes; chosen by memory and link speed otherwise.
    #[must_use]
    pub fn ring_bytes(mut self, bytes: usize) -> Self {
        self.options.ring_bytes = Some(bytes);
        self
    }

    /// Size of a ring block in bytes.
    #[must_use]
    pub fn block_bytes(mut self, bytes: usize) -> Self {
        self.options.block_bytes = bytes;
        self
    }

    /// After how many milliseconds a ring block is handed over although it is
    /// not full.
    #[must_use]
    pub fn retire_ms(mut self, ms: u32) -> Self {
        self.options.retire_ms = ms;
        self
    }

    /// Hands frames over as soon as the kernel can.
    #[must_use]
    pub fn immediate(mut self, wanted: bool) -> Self {
        self.options.immediate = wanted;
        self
    }

    /// Opens the sockets and sets the filter. Nothing is received yet.
    ///
    /// # Errors
    /// Those of [`AfPacket::open`], with the interface.
    pub fn open(self) -> Result<OpenCapture> {
        let mut engine = Engine::new();
        let mut placement = None;
        let mut ring_bytes = 0;
        let mut rings = 0;
        for interface in &self.interfaces {
            for source in self.sources(interface)? {
                ring_bytes += source.ring_bytes();
                rings += 1;
                match self.filter_for(&source)? {
                    Some(filter) => {
                        let placed = engine.add_filtered(Box::new(source), &filter)?;
                        // If one of several has to filter here, that is what there is to say.
                        if !matches!(placement, Some(Placement::Here(_))) {
                            placement = Some(placed);
                        }
                    }
                    None => engine.add(Box::new(source)),
                }
            }
        }
        // What the merge holds back, the kernel cannot fill: leave it half.
        let order = Order::ByTime {
            window_ns: MERGE_WINDOW_NS,
            held_bytes: ring_bytes / 2,
        };
        let engine = engine.order(self.order.unwrap_or(order));
        let interfaces = engine.interfaces();
        Ok(OpenCapture {
            engine,
            interfaces,
            placement,
            ring_bytes,
            rings,
        })
    }

    /// The filter for what a source delivers.
    fn filter_for(&self, source: &AfPacket) -> Result<Option<Filter>> {
        let text = match &self.filter {
            Wanted::Everything => return Ok(None),
            Wanted::Accepted(filter) => return Ok(Some(filter.clone())),
            Wanted::Expressed(text) => text,
        };
        let interface = source.interfaces().first();
        let link_type = interface.map_or(LinkType::LINUX_SLL2, |it| it.link_type);
        let in_kernel = LiveTarget {
            stripped_tags: true,
            cooked: link_type == LinkType::LINUX_SLL2,
        };
        let target = Target {
            live: Some(in_kernel),
            netmask: interface.and_then(netmask),
            any_tag: self.any_tag,
            inner: self.inner,
            ..Target::new(link_type, source.snaplen())
        };
        Filter::compile(text, &target, &mut SystemNames::new()).map(Some)
    }

    fn sources(&self, interface: &str) -> Result<Vec<AfPacket>> {
        let netns = self.options.netns.as_deref();
        let interface = match interface {
            "" => devices::default_interface(netns)?.name,
            name => name.to_owned(),
        };
        let options = af_packet::Options {
            interface,
            ..self.options.clone()
        };
        let Some(spread) = self.spread else {
            return Ok(vec![AfPacket::open(&options)?]);
        };
        let members = match spread.members {
            Some(members) => members,
            None => automatic_members(&options)?,
        };
        if members == 1 {
            return Ok(vec![AfPacket::open(&options)?]);
        }
        af_packet::open_group(
            &options,
            members,
            spread.mode,
            spread.rollover,
            spread.defrag,
        )
    }

    /// Opens, starts and runs until `each` says stop.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and the first that the run met.
    pub fn run(self, each: impl FnMut(Batch) -> Flow) -> Result<Account> {
        let mut sink = ForEach(each);
        self.open()?
            .run(&mut sink, &Control::default(), |_| {})
            .into_result()
    }
}

/// Which frames are wanted.
#[derive(Clone, Debug)]
enum Wanted {
    Everything,
    Accepted(Filter),
    Expressed(String),
}

/// The mask of an interface's first IPv4 address.
fn netmask(interface: &Interface) -> Option<Ipv4Addr> {
    let prefix = interface
        .addresses
        .iter()
        .find(|(address, _)| address.is_ipv4())?
        .1;
    let mask = u32::MAX
        .checked_shl(32 - u32::from(prefix.min(32)))
        .unwrap_or(0);
    Some(Ipv4Addr::from(mask))
}

/// Longest time for which a ring may hold up the others, in nanoseconds.
const MERGE_WINDOW_NS: u64 = 1_000_000_000;

/// One ring for each receive queue, at most one for each processor.
fn automatic_members(options: &af_packet::Options) -> Result<u32> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u32;
    let devices = devices::list(options.netns.as_deref())?;
    let device = devices
        .iter()
        .find(|device| device.name == options.interface);
    Ok(device.map_or(1, |device| device.rx_queues.clamp(1, processors)))
}

/// A capture whose sockets are open and whose filter is set.
pub struct OpenCapture {
    engine: Engine,
    interfaces: Vec<Interface>,
    placement: Option<Placement>,
    ring_bytes: usize,
    rings: usize,
}

impl OpenCapture {
    /// The interfaces, those of `any` excepted: these appear with their frames.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Where the filter runs, if there is one.
    pub fn placement(&self) -> Option<Placement> {
        self.placement
    }

    /// Size of all rings in bytes.
    pub fn ring_bytes(&self) -> usize {
        self.ring_bytes
    }

    /// How many rings there are.
    pub fn rings(&self) -> usize {
        self.rings
    }

    /// Gives up every capability of this thread, and of those that it starts.
    /// The open sockets keep what they have.
    ///
    /// # Errors
    /// [`System`](crate::ErrorKind::System) if the kernel refuses.
    pub fn drop_capabilities(&self) -> Result<()> {
        privileges::drop_all()
    }

    /// Begins to receive. Optional: otherwise [`run`](Self::run) does it.
    ///
    /// # Errors
    /// What the sources meet.
    pub fn start(&mut self) -> Result<()> {
        self.engine.start()
    }

    /// Runs until the sink has enough, `control` says stop or every source has
    /// ended.
    pub fn run(
        self,
        sink: &mut dyn Sink,
        control: &Control,
        observe: impl FnMut(Event<'_>),
    ) -> Finished {
        self.engine.run(sink, control, observe)
    }
}
