//! The flight recorder on made frames: numbered, one a millisecond.

use super::*;
use crate::{FrameInfo, Marks, Program};
use std::cell::RefCell;
use std::rc::Rc;

const SECOND: u64 = 1_000_000_000;

/// Remembers the number in each frame, and keeps the leases if told to.
#[derive(Default)]
struct Numbers {
    numbers: Vec<u32>,
    leases: Option<Vec<Batch>>,
    notes: usize,
    stops_at: Option<usize>,
    fails_at: Option<usize>,
}

impl Sink for Numbers {
    fn write(&mut self, batch: Batch) -> Result<Flow> {
        for frame in batch.iter() {
            assert_eq!(frame.options, [frame.data[0]; 4]);
            assert_eq!(frame.info.queue, Some(frame.info.len));
            let bytes = frame.data.first_chunk().expect("a number");
            self.numbers.push(u32::from_le_bytes(*bytes));
        }
        self.notes += batch.notes.len();
        if let Some(leases) = &mut self.leases {
            leases.push(batch);
        }
        let reached = |at: Option<usize>| at.is_some_and(|at| self.numbers.len() >= at);
        if reached(self.fails_at) {
            return Err(Error::new(ErrorKind::DiskFull, "full"));
        }
        Ok(Flow::stop_if(reached(self.stops_at)))
    }
    fn finish(&mut self, _: &Account) -> Result<()> {
        Ok(())
    }
}

/// Frames with these numbers, of `len` bytes; number n is n milliseconds old.
fn batch(numbers: std::ops::Range<u32>, len: usize) -> Batch {
    let (mut bytes, mut frames) = (Vec::new(), Vec::new());
    for number in numbers {
        let offset = bytes.len() as u32;
        bytes.extend(number.to_le_bytes());
        bytes.resize(offset as usize + len, 0x55);
        let options_offset = bytes.len() as u32;
        bytes.extend([number as u8; 4]);
        frames.push(FrameInfo {
            timestamp_ns: at(number),
            offset,
            caplen: len as u32,
            len: number,
            queue: Some(number),
            marks: Marks::HARDWARE_TIMESTAMP,
            options_offset,
            options_len: 4,
            ..FrameInfo::default()
        });
    }
    let interface = Interface {
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    Batch::new(bytes, frames, Arc::new(vec![interface]))
}

fn at(number: u32) -> u64 {
    100 * SECOND + u64::from(number) * 1_000_000
}

fn window(span_ms: u64, after_ms: u64) -> Window {
    Window {
        span: Some(Duration::from_millis(span_ms)),
        bytes: 1 << 20,
        after: Duration::from_millis(after_ms),
    }
}

/// A trigger that takes the frames whose number is in `numbers`.
fn on_numbers(numbers: &'static [u32]) -> Compile {
    Box::new(move |_| {
        let mut text = format!("{}\n32 0 0 0\n", 2 * numbers.len() + 2);
        for number in numbers {
            // jeq #number, next, over the ret.
            text.push_str(&format!("21 0 1 {}\n6 0 0 65535\n", number.swap_bytes()));
        }
        text.push_str("6 0 0 0\n");
        let program = Program::parse(&text)?;
        Ok(Filter::new(program, None))
    })
}

fn assert_settled(keep: &Keep<Numbers>, taken: u64) {
    let delivered = keep.sink.numbers.len() as u64;
    let others = keep.held() + keep.expired() + keep.surplus() + keep.losses().total();
    assert_eq!(delivered + others, taken);
}

#[test]
fn nothing_is_handed_on_without_a_trigger() {
    let mut keep = Keep::new(Numbers::default(), window(100, 0)).unwrap();
    for first in (0..1_000).step_by(10) {
        keep.write(batch(first..first + 10, 60)).unwrap();
    }
    // The youngest is 999: 899 to 999 are within 100 ms of it.
    assert_eq!((keep.held(), keep.expired()), (101, 899));
    assert_settled(&keep, 1_000);
    keep.finish(&Account::default()).unwrap();
    assert_eq!((keep.held(), keep.expired()), (0, 1_000));
    assert_eq!(keep.memory_bytes(), 0);
    assert!(keep.into_inner().numbers.is_empty());
}

#[test]
fn a_frame_triggers_the_exact_time_before_and_after_it() {
    for step in [1, 7, 1_000] {
        let keep = Keep::new(Numbers::default(), window(100, 50)).unwrap();
        let mut keep = keep.on_match(on_numbers(&[500, 520, 900]));
        let mut first = 0;
        while first < 1_000 {
            let end = (first + step).min(1_000);
            keep.write(batch(first..end, 60)).unwrap();
            first = end;
        }
        assert_settled(&keep, 1_000);
        keep.finish(&Account::default()).unwrap();
        // 520 comes while 500 is being recorded: it lasts until 570.
        let expected: Vec<u32> = (400..=570).chain(800..=950).collect();
        assert_eq!(keep.sink.numbers, expected, "{step} frames a batch");
        assert_eq!(keep.expired(), 1_000 - expected.len() as u64);
        assert_settled(&keep, 1_000);
    }
}

#[test]
fn what_is_recorded_is_not_recorded_again() {
    let keep = Keep::new(Numbers::default(), window(100, 10)).unwrap();
    let mut keep = keep.on_match(on_numbers(&[50, 80]));
    keep.write(batch(0..200, 60)).unwrap();
    let expected: Vec<u32> = (0..=90).collect();
    assert_eq!(keep.sink.numbers, expected);
}

#[test]
fn memory_is_bounded_and_the_oldest_frames_make_room() {
    let bytes = 256 << 10;
    let all = Window {
        span: None,
        bytes,
        after: Duration::ZERO,
    };
    for len in [4, 60, 1_500, 9_000, 100_000] {
        let flag = Arc::new(AtomicBool::new(false));
        let keep = Keep::new(Numbers::default(), all).unwrap();
        let mut keep = keep.on_flag(Arc::clone(&flag));
        let count = (4 * bytes / (len + 52)) as u32;
        for number in 0..count {
            keep.write(batch(number..number + 1, len)).unwrap();
            assert!(keep.memory_bytes() <= bytes);
        }
        assert_settled(&keep, count.into());
        // What a frame takes: its bytes, options, and what is known of it.
        let used = keep.held() as usize * (len + 4 + chunk::RECORD);
        let piece = (len + 52).max(bytes / PIECES);
        assert!(
            used + 2 * piece > bytes - bytes / 8,
            "{used} of {bytes}, {len} each"
        );
        flag.store(true, Ordering::Relaxed);
        keep.finish(&Account::default()).unwrap();
        let numbers = &keep.sink.numbers;
        assert!(
            numbers
                .iter()
                .copied()
                .eq(count - numbers.len() as u32..count)
        );
        assert_settled(&keep, count.into());
    }
}

#[test]
fn a_frame_larger_than_the_memory_expires_at_once() {
    let mut keep = Keep::new(
        Numbers::default(),
        Window {
            span: None,
            bytes: Window::LEAST_BYTES,
            after: Duration::ZERO,
        },
    )
    .unwrap();
    keep.write(batch(0..1, Window::LEAST_BYTES)).unwrap();
    assert_eq!((keep.held(), keep.expired()), (0, 1));
    let none = Window {
        bytes: 1,
        ..window(1, 1)
    };
    assert!(Keep::new(Numbers::default(), none).is_err());
}

#[test]
fn memory_that_the_sink_keeps_counts() {
    let bytes = Window::LEAST_BYTES;
    let sink = Numbers {
        leases: Some(Vec::new()),
        ..Numbers::default()
    };
    let flag = Arc::new(AtomicBool::new(false));
    let small = Window {
        span: None,
        bytes,
        after: Duration::ZERO,
    };
    let mut keep = Keep::new(sink, small).unwrap().on_flag(Arc::clone(&flag));
    keep.write(batch(0..100, 1_000)).unwrap();
    flag.store(true, Ordering::Relaxed);
    keep.write(batch(100..200, 1_000)).unwrap();
    assert!(keep.memory_bytes() <= bytes);
    // All of it is lent: the frames that find no room are lost, and say so.
    assert_eq!(keep.losses().writer, keep.losses().total());
    assert!(keep.losses().writer > 0);
    assert_settled(&keep, 200);
    keep.sink.leases = Some(Vec::new());
    let lost = keep.losses().writer;
    keep.write(batch(200..210, 1_000)).unwrap();
    assert_eq!(keep.losses().writer, lost);
    assert!(keep.memory_bytes() > 0 && keep.memory_bytes() <= bytes);
}

#[test]
fn a_drop_is_told_from_a_signal_and_both_are_one_trigger() {
    let [signal, drop] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let said = Rc::new(RefCell::new(Vec::new()));
    let hear = Rc::clone(&said);
    let mut keep = Keep::new(Numbers::default(), window(100, 20))
        .unwrap()
        .live(true)
        .on_flag(Arc::clone(&signal))
        .on_drop(Arc::clone(&drop))
        .observed(Box::new(move |told| hear.borrow_mut().push(told.cause)));
    let account = Account::default();
    keep.write(batch(0..100, 60)).unwrap();
    drop.store(true, Ordering::Relaxed);
    keep.tick(at(100), &account).unwrap();
    keep.write(batch(100..300, 60)).unwrap();
    assert!(keep.sink.numbers.iter().copied().eq(0..=120));
    // The clock does not look between the two.
    drop.store(true, Ordering::Relaxed);
    signal.store(true, Ordering::Relaxed);
    keep.tick(at(300), &account).unwrap();
    keep.write(batch(300..500, 60)).unwrap();
    keep.tick(at(500), &account).unwrap();
    assert_eq!(*said.borrow(), [Cause::Drop, Cause::Flag]);
    assert_settled(&keep, 500);
}

#[test]
fn a_flag_is_answered_by_the_clock_and_said() {
    let flag = Arc::new(AtomicBool::new(false));
    let said = Rc::new(RefCell::new(Vec::new()));
    let keep = Keep::new(Numbers::default(), window(100, 20)).unwrap();
    let hear = Rc::clone(&said);
    let mut keep = keep
        .live(true)
        .on_flag(Arc::clone(&flag))
        .observed(Box::new(move |triggered| hear.borrow_mut().push(triggered)));
    keep.write(batch(0..500, 60)).unwrap();
    flag.store(true, Ordering::Relaxed);
    // 540 by the clock: 440 to 560.
    keep.tick(at(540), &Account::default()).unwrap();
    keep.write(batch(500..700, 60)).unwrap();
    assert!(keep.sink.numbers.iter().copied().eq(440..=560));
    let first = Triggered {
        cause: Cause::Flag,
        at_ns: at(540),
        frames: 60,
        from_ns: Some(at(440)),
        is_short: false,
    };
    assert_eq!(*said.borrow(), [first]);
    // An idle link: the clock alone empties the memory.
    keep.tick(at(700) + 100_000_000 + GRACE_NS, &Account::default())
        .unwrap();
    assert_eq!(keep.held(), 0);
    assert_settled(&keep, 700);
}

#[test]
fn a_window_cut_by_memory_is_said() {
    let said = Rc::new(RefCell::new(Vec::new()));
    let hear = Rc::clone(&said);
    let small = Window {
        bytes: Window::LEAST_BYTES,
        ..window(1_000, 0)
    };
    let keep = Keep::new(Numbers::default(), small).unwrap();
    let mut keep = keep
        .on_match(on_numbers(&[999]))
        .observed(Box::new(move |triggered| {
            hear.borrow_mut().push(triggered.is_short)
        }));
    keep.write(batch(0..1_000, 200)).unwrap();
    assert_eq!(*said.borrow(), [true]);
    keep.finish(&Account::default()).unwrap();
    let count = keep.sink.numbers.len() as u32;
    assert!(keep.sink.numbers.iter().copied().eq(1_000 - count..1_000));
}

#[test]
fn a_trigger_at_the_end_is_not_forgotten() {
    let flag = Arc::new(AtomicBool::new(false));
    let keep = Keep::new(Numbers::default(), window(10, 0)).unwrap();
    let mut keep = keep.live(true).on_flag(Arc::clone(&flag));
    keep.write(batch(0..50, 60)).unwrap();
    flag.store(true, Ordering::Relaxed);
    keep.finish(&Account::default()).unwrap();
    assert!(keep.sink.numbers.iter().copied().eq(39..50));
    assert_settled(&keep, 50);
}

#[test]
fn late_frames_stay_where_they_are_and_old_ones_are_left_out() {
    let keep = Keep::new(Numbers::default(), window(10, 0)).unwrap();
    let mut keep = keep.on_match(on_numbers(&[30]));
    for part in [20..25, 3..4, 22..23, 25..31] {
        keep.write(batch(part, 60)).unwrap();
    }
    let expected: Vec<u32> = (20..25).chain(22..23).chain(25..31).collect();
    assert_eq!(keep.sink.numbers, expected);
    assert_settled(&keep, 13);
}

#[test]
fn a_sink_that_stops_or_fails_leaves_the_sum_right() {
    for (stops_at, fails_at) in [(Some(40), None), (None, Some(40))] {
        let sink = Numbers {
            stops_at,
            fails_at,
            ..Numbers::default()
        };
        let small = Window {
            bytes: Window::LEAST_BYTES,
            ..window(100, 1_000)
        };
        let mut keep = Keep::new(sink, small).unwrap().on_match(on_numbers(&[90]));
        keep.write(batch(0..80, 500)).unwrap();
        let result = keep.write(batch(80..200, 500));
        match stops_at {
            Some(_) => assert_eq!(result.unwrap(), Flow::Stop),
            None => assert_eq!(result.unwrap_err().kind(), ErrorKind::DiskFull),
        }
        assert!(keep.sink.numbers.len() < 91);
        assert_settled(&keep, 200);
        assert_eq!(keep.held(), 0);
        assert_eq!(keep.write(batch(200..210, 500)).unwrap(), Flow::Stop);
        assert_settled(&keep, 210);
    }
}

#[test]
fn notes_are_handed_on_at_once() {
    let mut keep = Keep::new(Numbers::default(), window(100, 0)).unwrap();
    let mut with_note = batch(0..3, 60);
    with_note.notes.push(crate::Note {
        before: 2,
        block_type: 4,
        body: vec![0; 4],
    });
    keep.write(with_note).unwrap();
    assert_eq!((keep.sink.notes, keep.held()), (1, 3));
}

#[test]
fn a_trigger_hands_on_piece_by_piece_and_in_order() {
    let flag = Arc::new(AtomicBool::new(false));
    let mut keep = Keep::new(Numbers::default(), window(10_000, 150))
        .unwrap()
        .live(true)
        .on_flag(Arc::clone(&flag));
    for first in (0..800).step_by(10) {
        keep.write(batch(first..first + 10, 1_000)).unwrap();
    }
    flag.store(true, Ordering::Relaxed);
    keep.tick(at(800), &Account::default()).unwrap();
    let first = keep.sink.numbers.len();
    assert!((1..400).contains(&first), "{first} at once");
    assert_settled(&keep, 800);
    // Frames that come meanwhile stand behind; those after the recording stay.
    for first in (800..1_000).step_by(10) {
        keep.write(batch(first..first + 10, 1_000)).unwrap();
        assert_settled(&keep, u64::from(first) + 10);
    }
    assert_eq!(keep.sink.numbers, (0..=950).collect::<Vec<_>>());
    assert_eq!((keep.held(), keep.expired()), (49, 0));
    keep.finish(&Account::default()).unwrap();
    assert_settled(&keep, 1_000);
}

#[test]
fn what_is_still_to_be_handed_on_is_there_at_the_end() {
    let mut keep = Keep::new(Numbers::default(), window(10_000, 0))
        .unwrap()
        .on_match(on_numbers(&[700]));
    for first in (0..710).step_by(10) {
        keep.write(batch(first..first + 10, 1_000)).unwrap();
    }
    keep.finish(&Account::default()).unwrap();
    assert_eq!(keep.sink.numbers, (0..=700).collect::<Vec<_>>());
    assert_eq!(keep.expired(), 9);
}
