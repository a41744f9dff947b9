//! What the fuzz targets do with an input; `tests/crashes.rs` replays old crashes through it.
//!
//! Owns the properties that must hold for any input, not the inputs. A property that does not
//! hold is a panic.

use nix::time::{ClockId, clock_gettime};
use pktrail::filter::{self, LiveTarget, Target};
use pktrail::pcapng::{Encoder, Section};
use pktrail::read::Reader;
use pktrail::text::{Dump, NoNames, Printer, Style, Time};
use pktrail::{Batch, Filter, Frame, FrameInfo, Interface, LinkType, Program};
use std::time::Duration;

/// A capture file of any bytes: no frame is larger than the file, and what was read can be
/// written and read again.
///
/// # Panics
/// If that does not hold.
pub fn read(data: &[u8]) {
    let (batches, _) = read_all(data);
    let mut frames = 0;
    let mut encoder = Encoder::new(Section::default()).with_mixed_link_types(true);
    let mut copy = Vec::new();
    encoder.section(&mut copy);
    for batch in &batches {
        for frame in batch.iter() {
            assert!(
                frame.data.len() <= data.len(),
                "a frame is larger than its file"
            );
            frames += 1;
        }
        if encoder.batch(batch, &mut copy).is_err() {
            return;
        }
    }
    let (again, whole) = read_all(&copy);
    assert!(whole, "what pktrail wrote is damaged");
    let count: usize = again.iter().map(|batch| batch.frames.len()).sum();
    assert_eq!(count, frames, "frames were lost in writing");
}

/// The batches before the end or the damage, and whether it was the end.
fn read_all(data: &[u8]) -> (Vec<Batch>, bool) {
    let mut reader = Reader::new();
    let mut batches = Vec::new();
    // Pieces of odd sizes, so that blocks are cut in every place.
    for piece in data.chunks(4099) {
        reader.push(piece);
        loop {
            match reader.next_batch() {
                Ok(Some(batch)) => batches.push(batch),
                Ok(None) => break,
                Err(_) => return (batches, false),
            }
        }
    }
    let whole = reader.end().is_ok();
    while let Ok(Some(batch)) = reader.next_batch() {
        batches.push(batch);
    }
    (batches, whole)
}

const LINK_TYPES: [LinkType; 8] = [
    LinkType::ETHERNET,
    LinkType::NULL,
    LinkType::RAW,
    LinkType::LOOP,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
    LinkType::IPV4,
    LinkType::IPV6,
];

/// A frame of any bytes, printed in a style that the first four bytes choose.
///
/// # Panics
/// If the printer does.
pub fn print(data: &[u8]) {
    let Some((&[link, flags, dump, extra], bytes)) = data.split_first_chunk::<4>() else {
        return;
    };
    let bit = |number: u8| flags & (1 << number) != 0;
    let style = Style {
        numeric: true,
        verbose: extra & 3,
        quiet: bit(0),
        link_header: bit(1),
        absolute_seq: bit(2),
        nano: bit(3),
        number: bit(4),
        no_checksums: bit(5),
        interface: bit(6),
        time: if bit(7) { Time::Epoch } else { Time::None },
        dump: [
            Dump::None,
            Dump::HexLink,
            Dump::HexAsciiLink,
            Dump::AsciiLink,
        ][usize::from(dump & 3)],
        ..Style::default()
    };
    let link_type = LINK_TYPES[usize::from(link) % LINK_TYPES.len()];
    let interface = Interface {
        name: "veth0".into(),
        link_type,
        ..Interface::default()
    };
    // Captured less than was on the wire, by up to 63 bytes.
    let caplen = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let info = FrameInfo {
        caplen,
        len: caplen + u32::from(extra >> 2),
        ..FrameInfo::default()
    };
    let frame = Frame {
        info: &info,
        data: bytes,
        options: &[],
    };
    let mut printer = Printer::new(style, Box::new(NoNames));
    let mut out = String::new();
    // Twice: the printer remembers connections and times.
    printer.print(&frame, &interface, &mut out);
    printer.print(&frame, &interface, &mut out);
}

/// A filter expression of any text for a link type that the first byte chooses,
/// run on any bytes: `link text NUL frame`.
///
/// # Panics
/// If compiling or running does, if the graph and its program disagree, or if it
/// takes long.
pub fn expression(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    let mut parts = rest.splitn(2, |&byte| byte == 0);
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let frame = parts.next().unwrap_or_default();
    let link_type = LINK_TYPES[usize::from(first) % LINK_TYPES.len()];
    let mut target = Target::new(link_type, 262_144);
    target.any_tag = first & 0x40 != 0;
    target.inner = first & 0x80 != 0;
    if first & 0x20 != 0 {
        target.live = Some(LiveTarget {
            stripped_tags: true,
            cooked: first & 0x10 != 0,
        });
    }
    let begin = cpu_time();
    let mut compiled = None;
    let most_bytes = bytes_of(|| {
        compiled = Some(Filter::compile(&text, &target, &mut filter::NoNames));
    });
    assert!(most_bytes <= 64 << 20, "took {most_bytes} bytes of memory");
    let filter = match compiled.expect("it was compiled") {
        Ok(filter) => filter,
        Err(error) => {
            let _ = filter::caret(&text, &error);
            return;
        }
    };
    let _ = filter::explain(&text, &target, &mut filter::NoNames);
    // Twenty times what is promised: what is fuzzed runs that much slower.
    let took_ms = cpu_time().saturating_sub(begin).as_millis();
    assert!(
        cfg!(debug_assertions) || took_ms < 2000,
        "took {took_ms} ms"
    );
    let caplen = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let info = FrameInfo {
        caplen,
        len: caplen,
        ..FrameInfo::default()
    };
    let interface = Interface {
        link_type,
        ..Interface::default()
    };
    let walked = filter.run(frame, &info, &interface);
    assert_eq!(filter.program.run(frame, &info, &interface), walked);
}

/// What this thread has used: others on the machine do not count.
///
/// # Panics
/// On systems without such a clock.
pub fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    now.expect("Linux has this clock").into()
}

/// The most memory that `work` had at one time, where that is counted.
fn bytes_of(work: impl FnOnce()) -> u64 {
    #[cfg(feature = "fuzz")]
    return allocation_counter::measure(work).bytes_max;
    #[cfg(not(feature = "fuzz"))]
    {
        work();
        0
    }
}

/// A filter program of any text, run on any bytes: `text NUL frame`.
///
/// # Panics
/// If parsing or running does, or the program changes by being listed and parsed again.
pub fn filter(data: &[u8]) {
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let frame = parts.next().unwrap_or_default();
    let Ok(program) = Program::parse(&text) else {
        return;
    };
    let caplen = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let info = FrameInfo {
        caplen,
        len: caplen,
        ..FrameInfo::default()
    };
    let interface = Interface {
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    let _ = program.run(frame, &info, &interface);
    let again = Program::parse(&program.decimal_listing()).expect("a listing can be parsed");
    assert_eq!(again, program, "a program changed by being listed");
}
