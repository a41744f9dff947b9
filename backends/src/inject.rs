//! Frames injected as if an interface had received them: the load of the tests
//! and benchmarks.
//!
//! An XDP program runs in the kernel over copies of a frame, writes a number
//! into each and lets it pass into the network stack, through every tap. That
//! is five times faster than sending, and works for any size on one core. The
//! numbers let a receiver check for loss, order and duplicates.
//!
//! Owns the frames and the program that numbers them, and the pacing. Works only
//! on interfaces made for it, in network namespaces made for it.

use crate::sys::{bpf, xdp_run};
use pktrail_core::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

/// Where the number begins in a frame: the first byte of the UDP payload, 64
/// bits, in network byte order.
pub const NUMBER_AT: usize = 42;

/// Smallest frame in bytes, without frame check sequence.
pub const MIN_LEN: u16 = 64;

/// Largest frame in bytes: the 1,500 that the loads use, and room for Ethernet's
/// own header on a full packet.
pub const MAX_LEN: u16 = 1514;

/// Most frames that one [`Injector::run`] sends.
pub const MAX_COUNT: u64 = 1 << 32;

/// Sizes in the mixed load, with how many of each go in every twelve frames.
pub const MIX: [(u16, u32); 3] = [(64, 7), (576, 4), (1500, 1)];

/// Frames per call of the kernel. A call waits some 20 ms for other CPUs when it
/// takes its memory down, whatever its size, so the largest chunk is the fastest.
const CHUNK: u64 = 1 << 20;

/// Calls a second when pacing, for the same reason. At a high rate the wait would
/// take more of the time than there is: then half as many.
const CALLS_PER_SECOND: u64 = 20;
const HIGH_RATE: u64 = 400_000;

/// Frames that the kernel hands to the stack at once; its own limit is 256.
const BATCH: u32 = 64;

/// What the name of an interface must begin with: one that was made for a load.
pub const NAME_PREFIX: &str = "pkt-";

/// The lengths of the frames, in bytes from the destination address to the end
/// of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// All of one length, [`MIN_LEN`] to [`MAX_LEN`].
    Fixed(u16),
    /// [`MIX`]: 7 of 64, 4 of 576 and 1 of 1,500 bytes in every twelve.
    Mix,
}

/// The mean length of frames of these sizes, in bytes.
pub fn mean_len(sizes: Sizes) -> f64 {
    match sizes {
        Sizes::Fixed(len) => f64::from(len),
        Sizes::Mix => {
            let (bytes, frames) = MIX.iter().fold((0, 0), |(bytes, frames), (len, share)| {
                (bytes + u32::from(*len) * share, frames + share)
            });
            f64::from(bytes) / f64::from(frames)
        }
    }
}

/// What a paced run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injected {
    /// Frames sent.
    pub frames: u64,
    /// From the first frame to the last.
    pub elapsed: Duration,
}

/// Injects numbered UDP frames on one interface.
///
/// The frames go from 192.0.2.1 to 192.0.2.2 (RFC 5737), to a link address that
/// is nobody's, so that the stack drops them right behind the taps. The source
/// port varies with the number. Numbers begin at 0 and go on from run to run.
#[derive(Debug)]
pub struct Injector {
    name: String,
    index: u32,
    frame: Vec<u8>,
    program: OwnedFd,
    sent: bpf::Counter,
}

impl Injector {
    /// An injector of the usual numbered frames for an interface of the calling
    /// thread's network namespace. It needs CAP_NET_ADMIN and CAP_BPF, a name
    /// that begins with [`NAME_PREFIX`], and an interface whose queues know of
    /// XDP (veth with GRO on, tun, hardware with native XDP).
    ///
    /// # Errors
    /// `Usage` in the namespace of process 1, for another name, or for a length
    /// out of range; `NotFound` without such an interface; otherwise as bpf(2).
    pub fn new(interface: &str, sizes: Sizes) -> Result<Self> {
        let len = match sizes {
            Sizes::Fixed(len) => len,
            Sizes::Mix => MIX.iter().map(|(len, _)| *len).max().unwrap_or(MAX_LEN),
        };
        let frame = udp_frame_of(len)?;
        let shrink = match sizes {
            Sizes::Fixed(_) => &[][..],
            Sizes::Mix => &MIX[..],
        };
        Self::with_program(interface, frame, shrink)
    }

    /// An injector of copies of `template`: an Ethernet frame with IPv4 without
    /// options and UDP without checksum, whose source port and first eight bytes
    /// of payload are overwritten.
    ///
    /// # Errors
    /// As [`Injector::new`].
    pub fn from_template(interface: &str, template: &[u8]) -> Result<Self> {
        let in_range = template.len() >= NUMBER_AT + 8 && template.len() <= usize::from(MAX_LEN);
        if !in_range {
            return Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "a template of {} bytes: choose {} to {MAX_LEN}",
                    template.len(),
                    NUMBER_AT + 8
                ),
            ));
        }
        Self::with_program(interface, template.to_vec(), &[])
    }

    fn with_program(interface: &str, frame: Vec<u8>, mix: &[(u16, u32)]) -> Result<Self> {
        refuse_real_interfaces(interface)?;
        let index = xdp_run::interface_index(interface).map_err(|error| {
            Error::io(format!("no interface {interface} in this namespace"), error)
        })?;
        let sent = bpf::Counter::new()?;
        let program = program(&sent, &frame, mix);
        let program = bpf::load(bpf::PROGRAM_XDP, "pktrail_inject", &program)?;
        Ok(Self {
            name: interface.to_owned(),
            index,
            frame,
            program,
            sent,
        })
    }

    /// How many frames were sent so far: the number of the next.
    ///
    /// # Errors
    /// As bpf(2).
    pub fn sent(&self) -> Result<u64> {
        self.sent.get()
    }

    /// Sends `count` frames, [`MAX_COUNT`] at most, as fast as it goes. Returns
    /// how many were sent: all of them.
    ///
    /// # Errors
    /// As bpf(2). [`Injector::sent`] tells how far it came.
    pub fn run(&mut self, count: u64) -> Result<u64> {
        if count > MAX_COUNT {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("{count} frames in one run: {MAX_COUNT} at most"),
            ));
        }
        let first = self.sent()?;
        let last = first + count;
        let mut next = first;
        while next < last {
            let chunk = (last - next).min(CHUNK) as u32;
            match xdp_run::run(self.program.as_fd(), &self.frame, self.index, chunk, BATCH) {
                Ok(()) => {}
                // A signal cut the chunk short: the counter knows by how much.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.explain(error)),
            }
            next = self.sent()?;
        }
        Ok(next - first)
    }

    /// Sends frames at `rate` frames per second (0: as fast as it goes) until
    /// `count` are sent or `duration` is over. A chunk for each 20th of a second
    /// (10th, at high rates) goes out at once. Where the machine is too slow for
    /// the rate, lost time is not made up by a burst.
    ///
    /// # Errors
    /// As [`Injector::run`].
    pub fn run_paced(&mut self, rate: u64, count: u64, duration: Duration) -> Result<Injected> {
        let chunk = match rate {
            0 => CHUNK,
            HIGH_RATE.. => rate / (CALLS_PER_SECOND / 2),
            _ => (rate / CALLS_PER_SECOND).max(1),
        };
        let interval = match rate {
            0 => Duration::ZERO,
            rate => Duration::from_nanos(chunk.saturating_mul(1_000_000_000) / rate),
        };
        let begin = Instant::now();
        let mut due = begin;
        let mut frames = 0;
        while frames < count && begin.elapsed() < duration {
            let now = Instant::now();
            if due > now {
                thread::sleep(due - now);
            } else {
                due = now;
            }
            due += interval;
            frames += self.run(chunk.min(count - frames))?;
        }
        Ok(Injected {
            frames,
            elapsed: begin.elapsed(),
        })
    }

    /// Sends frames at `rate` frames per second for `duration`.
    ///
    /// # Errors
    /// As [`Injector::run`].
    pub fn run_for(&mut self, rate: u64, duration: Duration) -> Result<Injected> {
        self.run_paced(rate, MAX_COUNT, duration)
    }

    fn explain(&self, error: io::Error) -> Error {
        Error::io("bpf(BPF_PROG_RUN) with live frames", error)
            .context(format!("cannot inject on interface {}", self.name))
    }
}

/// A load on a machine's real interfaces could harm others, so that mistake is
/// made hard.
fn refuse_real_interfaces(name: &str) -> Result<()> {
    if !name.starts_with(NAME_PREFIX) {
        return Err(Error::new(
            ErrorKind::Usage,
            format!(
                "frames are injected only on interfaces made for it: name it \
                 `{NAME_PREFIX}…`, not `{name}`"
            ),
        ));
    }
    let identity =
        |path: &str| fs::metadata(path).map(|namespace| (namespace.dev(), namespace.ino()));
    let own = identity("/proc/thread-self/ns/net")
        .map_err(|error| Error::io("cannot read /proc/thread-self/ns/net", error))?;
    // Not everyone may look at process 1; the name has to do then.
    if identity("/proc/1/ns/net").is_ok_and(|first| first == own) {
        return Err(Error::new(
            ErrorKind::Usage,
            "frames are injected only in a network namespace made for it: \
             use `ip netns add` and `ip netns exec`",
        ));
    }
    Ok(())
}

/// [`udp_frame`] of a length that there is.
pub(crate) fn udp_frame_of(len: u16) -> Result<Vec<u8>> {
    if (MIN_LEN..=MAX_LEN).contains(&len) {
        return Ok(udp_frame(len));
    }
    Err(Error::new(
        ErrorKind::Usage,
        format!("frames of {len} bytes: choose {MIN_LEN} to {MAX_LEN}"),
    ))
}

/// An Ethernet frame of `len` bytes with IPv4 and UDP; number and source port
/// are zero.
fn udp_frame(len: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(usize::from(len));
    frame.extend([0x02, 0, 0, 0, 0, 0xff]); // to: nobody
    frame.extend([0x02, 0, 0, 0, 0, 0x01]); // from
    frame.extend(0x0800u16.to_be_bytes());
    frame.extend([0x45, 0]);
    frame.extend((len - 14).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 17]);
    frame.extend(ipv4_checksum(len).to_be_bytes());
    frame.extend([192, 0, 2, 1]);
    frame.extend([192, 0, 2, 2]);
    frame.extend(0u16.to_be_bytes());
    frame.extend(9u16.to_be_bytes()); // to port: discard
    frame.extend((len - 34).to_be_bytes());
    frame.extend(0u16.to_be_bytes()); // no checksum, which IPv4 allows
    frame.resize(usize::from(len), 0);
    frame
}

/// The checksum (RFC 1071) of the IPv4 header that [`udp_frame`] writes.
fn ipv4_checksum(len: u16) -> u16 {
    let words = [
        0x4500,
        len - 14,
        0,
        0x4000,
        0x4011,
        0,
        0xc000,
        0x0201,
        0xc000,
        0x0202,
    ];
    let mut sum: u32 = words.into_iter().map(u32::from).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The program: takes the next number, writes it and the source port into the
/// frame, cuts the frame to its length in the mix, and lets it pass.
fn program(sent: &bpf::Counter, frame: &[u8], mix: &[(u16, u32)]) -> Vec<bpf::Instruction> {
    use op::insn;
    let mut code = vec![
        insn(op::MOV_REG, 6, 1, 0, 0), // r6 = context
        insn(op::LOAD_32, 7, 6, 0, 0), // r7 = data
        insn(op::LOAD_32, 8, 6, 4, 0), // r8 = end of data
        insn(op::MOV_REG, 2, 7, 0, 0),
        insn(op::ADD, 2, 0, 0, (NUMBER_AT + 8) as i32),
        insn(op::JLE_REG, 2, 8, 2, 0), // too short cannot happen; the verifier
        insn(op::MOV, 0, 0, 0, op::XDP_DROP), // has to see that
        insn(op::EXIT, 0, 0, 0, 0),
    ];
    code.extend(sent.address_into(1));
    code.extend([
        insn(op::MOV, 9, 0, 0, 1),
        insn(op::ATOMIC_64, 1, 9, 0, op::FETCH_ADD), // r9 = number
        insn(op::MOV_REG, 1, 9, 0, 0),
        insn(op::TO_BIG_ENDIAN, 1, 0, 0, 64),
        insn(op::STORE_64, 7, 1, NUMBER_AT as i16, 0),
        insn(op::MOV_REG, 1, 9, 0, 0),
        insn(op::AND, 1, 0, 0, 0x3fff),
        insn(op::ADD, 1, 0, 0, 1024),
        insn(op::TO_BIG_ENDIAN, 1, 0, 0, 16),
        insn(op::STORE_16, 7, 1, 34, 0), // source port
    ]);
    let total: u32 = mix.iter().map(|(_, share)| share).sum();
    if total > 0 {
        code.push(insn(op::MOV_REG, 4, 9, 0, 0));
        code.push(insn(op::MODULO, 4, 0, 0, total as i32)); // r4 = place in the cycle
    }
    let mut below = 0;
    for (len, share) in mix {
        below += share;
        let cut = cut_to(*len, frame.len());
        code.push(insn(op::JGE, 4, 0, cut.len() as i16, below as i32));
        code.extend(cut);
    }
    code.extend([
        insn(op::MOV, 0, 0, 0, op::XDP_PASS),
        insn(op::EXIT, 0, 0, 0, 0),
    ]);
    code
}

/// Ends the program with a frame of `len` bytes, cut from one of `full` bytes.
fn cut_to(len: u16, full: usize) -> Vec<bpf::Instruction> {
    use op::insn;
    // The value as a little-endian machine stores it in network byte order.
    let stored = |value: u16| i32::from(u16::from_ne_bytes(value.to_be_bytes()).cast_signed());
    vec![
        insn(op::STORE_16_IMM, 7, 0, 16, stored(len - 14)), // IPv4 length
        insn(op::STORE_16_IMM, 7, 0, 24, stored(ipv4_checksum(len))),
        insn(op::STORE_16_IMM, 7, 0, 38, stored(len - 34)), // UDP length
        insn(op::MOV_REG, 1, 6, 0, 0),
        insn(op::MOV, 2, 0, 0, i32::from(len) - full as i32),
        insn(op::CALL, 0, 0, 0, op::ADJUST_TAIL),
        insn(op::MOV, 0, 0, 0, op::XDP_PASS),
        insn(op::EXIT, 0, 0, 0, 0),
    ]
}

/// Opcodes of eBPF (Documentation/bpf/standardization/instruction-set.rst) and
/// the few numbers of the kernel's interface that the program needs.
mod op {
    use crate::sys::bpf::Instruction;

    pub(super) const MOV: u8 = 0xb7;
    pub(super) const MOV_REG: u8 = 0xbf;
    pub(super) const ADD: u8 = 0x07;
    pub(super) const AND: u8 = 0x57;
    pub(super) const MODULO: u8 = 0x97;
    pub(super) const TO_BIG_ENDIAN: u8 = 0xdc;
    pub(super) const LOAD_32: u8 = 0x61;
    pub(super) const STORE_64: u8 = 0x7b;
    pub(super) const STORE_16: u8 = 0x6b;
    pub(super) const STORE_16_IMM: u8 = 0x6a;
    pub(super) const ATOMIC_64: u8 = 0xdb;
    pub(super) const JGE: u8 = 0x35;
    pub(super) const JLE_REG: u8 = 0xbd;
    pub(super) const CALL: u8 = 0x85;
    pub(super) const EXIT: u8 = 0x95;
    /// The immediate of an atomic instruction that adds and fetches.
    pub(super) const FETCH_ADD: i32 = 0x01;
    /// `bpf_xdp_adjust_tail`.
    pub(super) const ADJUST_TAIL: i32 = 65;
    pub(super) const XDP_DROP: i32 = 1;
    pub(super) const XDP_PASS: i32 = 2;

    pub(super) const fn insn(code: u8, dst: u8, src: u8, offset: i16, imm: i32) -> Instruction {
        Instruction::new(code, dst, src, offset, imm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_of_a_frame_agree_with_its_length() {
        for len in [64, 576, 1500] {
            let frame = udp_frame(len);
            assert_eq!(frame.len(), usize::from(len));
            assert_eq!(frame[16..18], (len - 14).to_be_bytes());
            assert_eq!(frame[38..40], (len - 34).to_be_bytes());
            // A right header sums up to all ones, its checksum included (RFC 1071).
            let sum: u32 = frame[14..34]
                .chunks(2)
                .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
                .sum();
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        }
    }

    #[test]
    fn a_real_interface_is_refused() {
        let error = Injector::new("lo", Sizes::Mix).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("`lo`"), "{error}");
    }

    #[test]
    fn a_length_out_of_range_is_refused() {
        for len in [63, 1515] {
            let error = Injector::new("pkt-none", Sizes::Fixed(len)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().contains(&len.to_string()), "{error}");
        }
    }
}
