//! Live capture by packet sockets with a mapped ring (packet(7), TPACKET_V3).
//!
//! [`AfPacket`] is a [`Source`]: it lends ring blocks as batches, in any number
//! and for any time, and gives each back to the kernel when the batch is
//! dropped. Nothing is called, locked or allocated for a single frame.
//!
//! This module owns what is asked for ([`Options`]) and the course of a capture;
//! opening is in `open`, the layout of a block in `walk`, the programs for the
//! kernel in `program`, what is counted in `counters`, interfaces that come and
//! go in `watch`.

mod block;
mod counters;
mod fanout;
mod group;
mod link;
mod naps;
mod open;
mod options;
mod program;
mod ring_reader;
mod row;
mod steering;
mod table;
mod walk;
mod watch;

pub use fanout::{Fanout, FanoutMode};
pub use group::{members_for_queues, open_group};
pub use options::{ANY, Direction, Options, TimestampSource};
pub(crate) use row::BACKEND;

use crate::devices::{self, netlink::Netlink};
use crate::sys::packet::Ready;
use crate::sys::ring::Lease;
use crate::{netns, sys};
use block::Filled;
use counters::{BeforeTap, Counters, Gaps};
use naps::Naps;
use open::Tap;
use pktrail_core::pcapng::Packing;
use pktrail_core::{
    Batch, Block, Error, ErrorKind, Filter, Instruction, Interface, Next, Notice, Obstacle,
    Placement, Program, Result, Source, SourceAccount,
};
use program::Prologue;
use ring_reader::RingReader;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use table::Table;
use walk::{Link, Walker};
use watch::{Happened, Watch};

/// The index of the loopback interface in every network namespace
/// (`LOOPBACK_IFINDEX`, `include/net/net_namespace.h`).
const LOOPBACK_INDEX: u32 = 1;

/// How far a capture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The filter in force rejects everything.
    Deaf,
    /// Frames flow.
    Running,
    /// Deaf again; what is in the ring is still to be read.
    Draining {
        /// When to give up waiting for it.
        until: Instant,
    },
    /// Nothing more will come.
    Ended,
}

/// A capture on one interface, or on all of a namespace, through one ring.
pub struct AfPacket {
    options: Options,
    tap: Tap,
    reader: RingReader,
    walker: Walker,
    table: Table,
    phase: Phase,
    counters: Counters,
    gaps: Gaps,
    before_tap: BeforeTap,
    watch: Watch,
    notices: VecDeque<Notice>,
    /// The program in force, to attach again where a new socket is needed.
    program: Vec<Instruction>,
    pinned: bool,
    /// How frames may be packed, if they may.
    packing: Option<Packing>,
    naps: Naps,
    frozen: Option<SourceAccount>,
}

impl AfPacket {
    /// Opens the interface. Nothing is received before [`Source::set_filter`],
    /// [`Source::start`] or the first [`Source::next_batch`], and then nothing
    /// from before.
    ///
    /// # Errors
    /// [`ErrorKind::Permission`] without CAP_NET_RAW, [`ErrorKind::NotFound`] for
    /// an unknown interface or namespace, [`ErrorKind::Memory`] if the kernel has
    /// none for the ring, [`ErrorKind::Unsupported`] for an interface that
    /// cannot be captured on or an option that it does not have.
    pub fn open(options: &Options) -> Result<Self> {
        Self::open_member(options, 1)
    }

    fn open_member(options: &Options, members: usize) -> Result<Self> {
        if options.monitor {
            let kind = ErrorKind::Unsupported {
                feature: "monitor mode",
                since: "",
            };
            let what = format!(
                "cannot put {0} into monitor mode: do it first, with `iw dev {0} set type monitor`",
                options.interface
            );
            return Err(Error::new(kind, what));
        }
        let mut notices = VecDeque::new();
        // What is known of the devices adorns the file; a capture goes without.
        let devices = devices::list(options.netns.as_deref()).unwrap_or_default();
        // What virtual devices say of their speed means nothing.
        let speed = (devices.iter())
            .find(|device| device.name == options.interface && device.kind == "ethernet")
            .and_then(|device| device.speed_bps);
        let shape = open::shape(options, members, speed)?;
        let (tap, netlink) = netns::within(options.netns.as_deref(), || {
            let tap = open::open(options, shape, None, &mut notices)?;
            Ok((tap, Netlink::open().ok()))
        })?;
        let first_member = options.fanout.is_none_or(|fanout| fanout.member == 0);
        let before_tap = if first_member {
            BeforeTap::start(netlink, (tap.index != 0).then_some(tap.index))
        } else {
            BeforeTap::none()
        };
        let walker = Walker {
            snaplen: options.snaplen(),
            link: tap.capture.link,
        };
        let table = Table::new(options, &tap, devices);
        Ok(Self {
            reader: RingReader::new(Arc::clone(&tap.ring)),
            watch: Watch::new(&options.interface, &tap),
            options: options.clone(),
            walker,
            table,
            naps: Naps::new(*tap.ring.shape()),
            tap,
            phase: Phase::Deaf,
            counters: Counters::default(),
            gaps: Gaps::default(),
            before_tap,
            notices,
            program: program::reject_all(),
            pinned: false,
            packing: None,
            frozen: None,
        })
    }

    /// Most bytes kept of a frame.
    pub fn snaplen(&self) -> u32 {
        self.options.snaplen()
    }

    /// The processor that the reading thread is pinned to, if any.
    pub fn cpu(&self) -> Option<usize> {
        self.options.cpu
    }

    /// Size of the ring in bytes, which may be smaller than what was asked for.
    pub fn ring_bytes(&self) -> usize {
        let shape = self.reader.shape();
        shape.block_bytes * shape.blocks
    }

    /// The id of the fanout group.
    pub fn fanout_group(&self) -> Option<u16> {
        self.tap.group
    }

    /// What the kernel is to leave out, as a program where there is no option.
    fn prologue(&self) -> Prologue {
        let direction = match self.options.direction {
            Direction::In if self.tap.incoming_only => None,
            Direction::InOut if self.tap.loopback && !self.tap.incoming_only => Some(Direction::In),
            direction => Some(direction),
        };
        let all = self.tap.index == 0;
        let both = self.options.direction == Direction::InOut;
        Prologue {
            direction,
            outgoing_of: (all && both).then_some(LOOPBACK_INDEX),
        }
    }

    /// Attaches the final filter, and locks it where that leaves a way to stop.
    fn run(&mut self, filter: Option<&Filter>) -> Result<Placement> {
        let snaplen = self.options.snaplen();
        // On a cooked socket the kernel sees other bytes than are delivered.
        let program = filter.and_then(|filter| match self.tap.capture.link {
            Link::Cooked => filter.cooked_program(),
            _ => Some(&filter.program),
        });
        let user = program.map(Program::instructions);
        let mut placement = match (filter, user) {
            (Some(_), None) => Placement::Here(Obstacle::Cooked),
            _ => Placement::Kernel,
        };
        let name = self.options.full_name();
        let attach = |user| {
            let program = program::assemble(self.prologue(), user, snaplen);
            match program::obstacle(&program) {
                Some(obstacle) => Err((obstacle, None)),
                None => match self.tap.socket.attach(&program) {
                    Ok(()) => Ok(program),
                    Err(cause) => Err((program::refusal(&cause), Some(cause))),
                },
            }
        };
        let attached = match attach(user) {
            Err((obstacle, _)) if user.is_some() => {
                placement = Placement::Here(obstacle);
                attach(None)
            }
            attached => attached,
        };
        self.program = attached.map_err(|(obstacle, cause)| {
            let cause = cause.unwrap_or_else(|| std::io::Error::other(obstacle.to_string()));
            Error::io(format!("cannot attach a filter to {name}"), cause)
        })?;
        if self.tap.group.is_none() {
            (self.tap.socket.lock_filter())
                .map_err(|e| Error::io(format!("cannot lock the filter of {name}"), e))?;
        }
        self.phase = Phase::Running;
        Ok(placement)
    }

    /// Adds up what the kernel counted. Losses belong behind all that is ready.
    fn count(&mut self) -> Result<()> {
        let losing = self.reader.first_losing();
        let losing = losing.filter(|number| !self.gaps.has(*number));
        self.count_before(losing.unwrap_or_else(|| self.reader.first_open()))
    }

    /// Adds up what the kernel counted. Losses belong before the block `number`.
    fn count_before(&mut self, number: u64) -> Result<()> {
        let new = self.tap.socket.statistics().map_err(|e| {
            Error::io(
                format!("cannot read the counts of {}", self.options.full_name()),
                e,
            )
        })?;
        self.counters.add(new);
        self.gaps.note(u64::from(new.drops), number);
        Ok(())
    }

    /// The next closed block, if there is one, and its number.
    fn next_block(&mut self) -> Result<Option<(Lease, u64)>> {
        let number = self.reader.next_number();
        // Asked while the ring is full, the count belongs behind what is in
        // it; asked later, it would mix with the losses of the next time.
        if self.reader.was_full() {
            self.count()?;
        }
        if self.reader.next_is_losing() && !self.gaps.has(number) {
            self.count_before(number)?;
        }
        Ok(self.reader.next_block().map(|lease| (lease, number)))
    }

    /// The next closed block as a batch, if there is one with frames.
    fn read(&mut self) -> Result<Option<Batch>> {
        while let Some((lease, number)) = self.next_block()? {
            if let Some(batch) = self.batch(lease, number) {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// Gives the next block back to the kernel without a look at what is in it,
    /// and says how many frames that were. `None` if none came within `timeout`.
    /// What is left of a capture when nothing is done with the frames: the
    /// measure for what everything else costs.
    ///
    /// # Errors
    /// As `next_batch`.
    pub fn discard(&mut self, timeout: Duration) -> Result<Option<u64>> {
        self.start()?;
        let start = Instant::now();
        loop {
            if let Some((lease, _)) = self.next_block()? {
                let frames = u64::from(lease.frames());
                self.counters.read += frames;
                return Ok(Some(frames));
            }
            if self.watch.is_due() {
                self.look_after()?;
            }
            let rest = timeout.saturating_sub(start.elapsed());
            if rest.is_zero() {
                return Ok(None);
            }
            self.wait(rest)?;
        }
    }

    fn batch(&mut self, mut lease: Lease, number: u64) -> Option<Batch> {
        self.naps.took();
        let filled = Filled {
            first: lease.first_frame(),
            count: lease.frames(),
            bytes: lease.used_bytes(),
            lost_before: self.gaps.take(number),
            memory: lease.bytes_mut(),
        };
        let table = &mut self.table;
        let socket = self.tap.socket.as_fd();
        let interface = |index| table.number_of(index, socket);
        let contents = block::read(&self.walker, filled, self.packing, interface);
        self.counters.read += contents.count() as u64;
        let unreadable = contents.found.unreadable;
        if unreadable != 0 {
            self.counters.unreadable += u64::from(unreadable);
            self.notices.push_back(Notice::Said(format!(
                "{unreadable} frames of a ring block of {} could not be read",
                self.options.full_name()
            )));
        }
        if contents.count() == 0 {
            return None;
        }
        let mut batch = Batch::new(lease, contents.frames, self.table.interfaces());
        batch.packed = contents.packed;
        batch.is_sorted = true;
        Some(batch)
    }

    /// Until when everything is read, given that no block was ready at `now_ns`.
    fn complete_until(&self, now_ns: u64, open_frames: bool) -> u64 {
        if self.options.timestamps != TimestampSource::Host {
            // The device's clock may be any distance from ours.
            return 0;
        }
        // A frame is stamped a while before it is in the ring.
        const ON_ITS_WAY_MS: u64 = 10;
        let retire_ms = u64::from(self.reader.shape().retire_ms);
        // The kernel's timer closes a block that it found open twice in a row.
        let lag_ms = if open_frames {
            2 * retire_ms + ON_ITS_WAY_MS
        } else {
            0
        };
        now_ns.saturating_sub((lag_ms + ON_ITS_WAY_MS) * 1_000_000)
    }

    /// Whether a stopped capture has nothing left to read.
    fn is_drained(&mut self, until: Instant) -> Result<bool> {
        self.count()?;
        Ok(self.counters.is_drained() || Instant::now() >= until)
    }

    fn pin(&mut self) {
        self.pinned = true;
        let Some(cpu) = self.options.cpu else { return };
        if let Err(error) = sys::thread::pin_to_cpu(cpu) {
            let name = self.options.full_name();
            let what = format!("the reader of {name} is not pinned to processor {cpu}: {error}");
            self.notices.push_back(Notice::Said(what));
        }
    }

    /// Waits for the kernel to close a block, `rest` at most.
    fn wait(&mut self, rest: Duration) -> Result<()> {
        let longest = match self.phase {
            Phase::Draining { .. } => Duration::from_millis(2),
            _ => self.watch.longest_wait(),
        };
        let rest = rest.min(longest);
        let ready = (self.tap.socket.wait(rest))
            .map_err(|e| Error::io(format!("cannot wait on {}", self.options.full_name()), e))?;
        match ready {
            Ready::No => {}
            Ready::Failed if matches!(self.phase, Phase::Draining { .. }) => {
                // Whatever it is, nothing more is wanted of the interface.
                let _ = self.tap.socket.take_error();
            }
            Ready::Failed => self.watch.look_now(),
            // The kernel says so too while the block before is on loan.
            Ready::Frames if !self.reader.is_next_ready() => {
                let free = self.reader.free_blocks();
                std::thread::sleep(rest.min(self.naps.next(free)));
            }
            Ready::Frames => {}
        }
        Ok(())
    }

    /// Looks after the interface: down, up, gone, back.
    fn look_after(&mut self) -> Result<()> {
        let Some(happened) = self.watch.look(&self.tap)? else {
            return Ok(());
        };
        let interface = self.options.full_name();
        let notice = match happened {
            Happened::Down => Notice::Down { interface },
            Happened::Up => Notice::Up { interface },
            Happened::Vanished => Notice::Vanished { interface },
            Happened::Returned { index } => match self.go_back(index) {
                Ok(()) => Notice::Returned { interface },
                Err(error) => Notice::Said(format!("{error:#}")),
            },
        };
        // The first member of a group speaks for all.
        if self.is_first() || matches!(notice, Notice::Said(_)) {
            self.notices.push_back(notice);
        }
        Ok(())
    }

    fn is_first(&self) -> bool {
        self.options.fanout.is_none_or(|fanout| fanout.member == 0)
    }

    /// Captures on the interface that has come back with `index`.
    fn go_back(&mut self, index: u32) -> Result<()> {
        let name = self.options.full_name();
        let failed = |e| Error::io(format!("{name} is back, but capture cannot go on there"), e);
        if self.tap.group.is_none() {
            open::bind_again(&mut self.tap, index, self.options.promiscuous).map_err(failed)?;
        } else {
            self.join_again(index).map_err(|e| {
                e.context(format!("{name} is back, but capture cannot go on there"))
            })?;
        }
        self.table.set_index(index);
        Ok(())
    }

    /// Replaces socket and ring: a socket cannot leave its fanout group, and the
    /// group stays with the interface that is gone.
    fn join_again(&mut self, index: u32) -> Result<()> {
        let mut options = self.options.clone();
        if let (Some(fanout), Some(group)) = (&mut options.fanout, self.tap.group) {
            // Known to all members without a word between them.
            fanout.group = Some(fanout::next_group(group, index));
        }
        let spare = self.tap.spare.take();
        let shape = *self.reader.shape();
        let cooked = self.tap.capture.link == Link::Cooked;
        let mut tap = match spare {
            Some(_) => open::open(&options, shape, spare, &mut self.notices)?,
            None => netns::within(options.netns.as_deref(), || {
                open::open(&options, shape, None, &mut self.notices)
            })?,
        };
        if tap.spare.is_none() {
            let name = &self.options.interface;
            let open = || open::socket(cooked, name);
            tap.spare = netns::within(self.options.netns.as_deref(), open).ok();
        }
        tap.socket
            .attach(&self.program)
            .map_err(|e| Error::io("cannot attach the filter again", e))?;
        self.count()?;
        self.gaps.restart();
        self.reader = RingReader::new(Arc::clone(&tap.ring));
        std::mem::swap(&mut self.tap, &mut tap);
        Ok(())
    }
}

impl Source for AfPacket {
    fn set_filter(&mut self, filter: &Filter) -> Result<Placement> {
        if self.phase != Phase::Deaf {
            let what = format!(
                "the filter of {} cannot be changed: capture has begun and it is locked",
                self.options.full_name()
            );
            return Err(Error::new(ErrorKind::Usage, what));
        }
        self.table.set_filter(filter.text.clone());
        self.run(Some(filter))
    }

    fn start(&mut self) -> Result<()> {
        if self.phase == Phase::Deaf {
            self.run(None)?;
        }
        Ok(())
    }

    fn next_batch(&mut self, timeout: Duration) -> Result<Next> {
        self.start()?;
        if !self.pinned {
            self.pin();
        }
        let start = Instant::now();
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Ok(Next::Notice(notice));
            }
            if self.phase == Phase::Ended {
                return Ok(Next::End);
            }
            // Asked in this order, the answer holds for all frames before now.
            let now_ns = now_ns();
            let open_frames = self.reader.has_open_frames();
            if let Some(batch) = self.read()? {
                return Ok(Next::Batch(batch));
            }
            if !self.notices.is_empty() {
                continue;
            }
            if let Phase::Draining { until } = self.phase {
                if self.is_drained(until)? {
                    // A block may have been closed since it was looked for.
                    if let Some(batch) = self.read()? {
                        return Ok(Next::Batch(batch));
                    }
                    self.frozen = Some(self.account()?);
                    self.phase = Phase::Ended;
                    continue;
                }
            } else if self.watch.is_due() {
                self.look_after()?;
                if !self.notices.is_empty() {
                    continue;
                }
            }
            let rest = timeout.saturating_sub(start.elapsed());
            if rest.is_zero() {
                let complete_until_ns = self.complete_until(now_ns, open_frames);
                return Ok(Next::Idle { complete_until_ns });
            }
            self.wait(rest)?;
        }
    }

    fn stop(&mut self) -> Result<()> {
        if !matches!(self.phase, Phase::Deaf | Phase::Running) {
            return Ok(());
        }
        let deaf = if self.tap.group.is_some() || self.phase == Phase::Deaf {
            self.tap.socket.attach(&program::reject_all())
        } else {
            self.tap.socket.bind(self.tap.index, open::NO_PROTOCOL)
        };
        match deaf {
            // An interface that is gone sends nothing.
            Err(e) if e.raw_os_error() != Some(libc::ENODEV) => {
                let name = self.options.full_name();
                return Err(Error::io(format!("cannot stop the capture on {name}"), e));
            }
            _ => {}
        }
        // The open block is closed by the kernel's timer; twice that and a good
        // while for a machine under load, in case the sum never comes out.
        let patience_ms = u64::from(self.reader.shape().retire_ms) * 4 + 1000;
        self.phase = Phase::Draining {
            until: Instant::now() + Duration::from_millis(patience_ms),
        };
        Ok(())
    }

    fn account(&mut self) -> Result<SourceAccount> {
        if let Some(account) = &self.frozen {
            return Ok(account.clone());
        }
        self.count()?;
        let mut account = SourceAccount {
            name: self.options.full_name(),
            ..SourceAccount::default()
        };
        self.counters.fill(&mut account);
        let index = (self.tap.index != 0).then_some(self.tap.index);
        let is_last = matches!(self.phase, Phase::Draining { .. } | Phase::Ended);
        self.before_tap.fill(index, is_last, &mut account);
        Ok(account)
    }

    fn pack(&mut self, packing: Packing) {
        self.packing = Some(packing);
    }

    fn interfaces(&self) -> &[Interface] {
        self.table.as_slice()
    }

    /// A batch is a block of the ring, and what is not taken stays there. But a
    /// thread that is to be pinned must be one of its own.
    fn is_light(&self) -> bool {
        self.options.cpu.is_none()
    }
}

impl AsFd for AfPacket {
    /// A descriptor that becomes readable when a batch is ready, for poll(2) and
    /// asynchronous runtimes; read with `next_batch(Duration::ZERO)`. While a
    /// batch is kept, it may stay readable although nothing is ready.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tap.socket.as_fd()
    }
}

/// Nanoseconds since 1970, by the clock that stamps frames.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}
