//! Rings under pressure: losses are counted and placed, batches may be kept for
//! any time, and the descriptor tells when to read.

use super::support::{Collected, PORT, options, payload, send, started, udp};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pktrail::af_packet::Options;
use pktrail::inject::{Injector, NUMBER_AT, Sizes};
use pktrail::{Batch, Next, Source};
use pktrail_tests::netns::VethPair;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

fn tiny(pair: &VethPair) -> Options {
    Options {
        ring_bytes: Some(1 << 17),
        block_bytes: 1 << 15,
        ..options(VethPair::B, &pair.b)
    }
}

#[test]
fn what_is_sent_is_captured_or_lost_and_counted() {
    let pair = VethPair::new("over");
    let mut source = started(&tiny(&pair));
    send(&pair, 0..5000, 500);
    let mut collected = Collected::default();
    collected.read_until(&mut source, |collected| !collected.frames.is_empty());
    let lost = source.account().expect("account").lost.ring;
    assert!(
        lost > 4000,
        "only {lost} lost: the ring is too large for this test"
    );
    send(&pair, 5000..5010, 500);
    let collected = collected.finish(&mut source);
    let account = &collected.account;
    assert_eq!(account.received, 5010);
    assert_eq!(
        account.received,
        collected.frames.len() as u64 + account.lost.ring
    );
    assert!(account.freezes >= 1);
    // The gap is told where it was: between the numbers that surround it.
    let numbers = collected.numbers();
    for (pair, seen) in numbers.windows(2).zip(&collected.frames[1..]) {
        assert_eq!(
            u64::from(seen.info.lost_before),
            u64::from(pair[1] - pair[0] - 1)
        );
    }
    assert_eq!(numbers.last(), Some(&5009));
}

/// Several times full and empty again, at the rate of a fast link.
#[test]
fn under_a_flood_the_sum_is_exact_and_every_gap_is_told() {
    let pair = VethPair::new("flood");
    let mut source = started(&tiny(&pair));
    let sent = 300_000;
    let (numbers, told) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            pair.b.within(|| {
                let mut injector = Injector::new(VethPair::B, Sizes::Fixed(64)).expect("injector");
                (0..6)
                    .map(|_| injector.run(sent / 6).expect("run"))
                    .sum::<u64>()
            })
        });
        let mut numbers: Vec<u64> = Vec::new();
        let mut told = Vec::new();
        let mut stopped = false;
        loop {
            if !stopped && sender.is_finished() {
                source.stop().expect("stop");
                stopped = true;
            }
            match source
                .next_batch(Duration::from_millis(5))
                .expect("next_batch")
            {
                Next::Batch(batch) => {
                    for frame in batch.iter() {
                        let bytes = frame.data[NUMBER_AT..NUMBER_AT + 8].try_into();
                        numbers.push(u64::from_be_bytes(bytes.expect("eight")));
                        told.push(u64::from(frame.info.lost_before));
                    }
                    // A slow reader, so that the ring overflows again and again.
                    std::thread::sleep(Duration::from_millis(1));
                }
                Next::End => break,
                _ => {}
            }
        }
        assert_eq!(sender.join().expect("sender"), sent);
        (numbers, told)
    });
    let account = source.account().expect("account");
    assert_eq!(account.received + account.lost.softnet, sent);
    assert_eq!(account.received, numbers.len() as u64 + account.lost.ring);
    assert!(account.lost.ring > 0 && account.freezes > 2, "{account:?}");
    assert!(numbers.is_sorted_by(|a, b| a < b), "each once, in order");
    // What is told by then is missing by then, or two blocks later: losses of two
    // freezes between two reads of the count cannot be told apart.
    let two_blocks = 2 * (1 << 15) / 144;
    let mut told_so_far = 0;
    for (at, lost) in told.iter().enumerate() {
        told_so_far += lost;
        let later = (at + two_blocks).min(numbers.len() - 1);
        let missing = numbers[later] - later as u64;
        assert!(
            later + 1 == numbers.len() || told_so_far <= missing,
            "told too early"
        );
    }
    let last = numbers.last().expect("frames") + 1;
    assert!(told_so_far + (sent - last) >= account.lost.ring);
}

#[test]
fn batches_are_kept_and_given_back_in_any_order() {
    let pair = VethPair::new("lease");
    let mut source = started(&Options {
        ring_bytes: Some(1 << 19),
        ..tiny(&pair)
    });
    let mut kept: Vec<Batch> = Vec::new();
    let mut numbers = Vec::new();
    for round in 0..40 {
        send(&pair, round * 100..(round + 1) * 100, 100);
        while numbers.len() < (round as usize + 1) * 100 {
            match source
                .next_batch(Duration::from_millis(500))
                .expect("next_batch")
            {
                Next::Batch(batch) => {
                    numbers.extend(batch.iter().filter_map(|f| super::support::number(f.data)));
                    kept.push(batch);
                }
                Next::Idle { .. } => panic!("nothing came in round {round}"),
                _ => {}
            }
            // Four of sixteen blocks are on loan, and come back in no order; none
            // for so long that the kernel needs it.
            if kept.len() > 3 {
                let batch = kept.remove([2, 0, 3, 0][round as usize % 4]);
                std::thread::spawn(move || drop(batch))
                    .join()
                    .expect("thread");
            }
        }
    }
    assert_eq!(numbers, (0..4000).collect::<Vec<_>>());
    assert_eq!(source.account().expect("account").lost.ring, 0);
}

#[test]
fn waiting_with_a_batch_in_hand_neither_ends_early_nor_spins() {
    let pair = VethPair::new("hold");
    let mut source = started(&tiny(&pair));
    send(&pair, 0..1, 100);
    let held = loop {
        if let Next::Batch(batch) = source.next_batch(Duration::from_secs(5)).expect("batch") {
            break batch;
        }
    };
    let start = Instant::now();
    let cpu = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    let before = cpu.now().expect("clock");
    let next = source.next_batch(Duration::from_millis(300)).expect("idle");
    assert!(matches!(next, Next::Idle { .. }));
    assert!(start.elapsed() >= Duration::from_millis(300));
    let used = Duration::from(cpu.now().expect("clock") - before);
    assert!(used < Duration::from_millis(100), "{used:?}");
    assert_eq!(held.frames.len(), 1);
}

#[test]
fn idle_tells_until_when_everything_has_come() {
    let pair = VethPair::new("idle");
    let mut source = started(&options(VethPair::B, &pair.b));
    let _listener = udp(&pair.b, VethPair::ADDRESS_B, PORT);
    let socket = udp(&pair.a, VethPair::ADDRESS_A, 0);
    let mut complete = 0;
    let mut idles = 0;
    for number in 0..200 {
        socket
            .send_to(&payload(number, 8), (VethPair::ADDRESS_B, PORT))
            .expect("send");
        match source
            .next_batch(Duration::from_millis(2))
            .expect("next_batch")
        {
            Next::Idle { complete_until_ns } => {
                idles += 1;
                complete = complete.max(complete_until_ns);
            }
            Next::Batch(batch) => {
                for frame in batch.iter() {
                    assert!(frame.info.timestamp_ns >= complete, "older than promised");
                }
            }
            _ => {}
        }
    }
    assert!(idles > 0 && complete > 0);
}

#[test]
fn the_descriptor_tells_when_to_read() {
    let pair = VethPair::new("poll");
    let mut source = started(&options(VethPair::B, &pair.b));
    while !matches!(
        source.next_batch(Duration::ZERO).expect("idle"),
        Next::Idle { .. }
    ) {}
    let readable = |source: &dyn AsFd, ms: u16| {
        let mut fds = [PollFd::new(source.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(ms)).expect("poll") == 1
    };
    assert!(!readable(&source, 50));
    send(&pair, 0..3, 100);
    assert!(readable(&source, 5000));
    let Next::Batch(batch) = source.next_batch(Duration::ZERO).expect("ready") else {
        panic!("the descriptor was readable");
    };
    assert_eq!(batch.frames.len(), 3);
    drop(batch);
    assert!(!readable(&source, 50));
}
