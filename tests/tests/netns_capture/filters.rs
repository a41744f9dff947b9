//! Filters: in force before the first frame, final, and run where they can be.

use super::support::{Collected, PORT, drain, options, payload, started, udp};
use pktrail::af_packet::{ANY, AfPacket};
use pktrail::filter::{NoNames, Target};
use pktrail::{ErrorKind, Filter, LinkType, Obstacle, Placement, Source};
use pktrail_tests::netns::VethPair;
use std::sync::atomic::{AtomicBool, Ordering};

/// `udp dst port 7701`, for IPv4 without options.
const TO_7701: &str = "4\n40 0 0 36\n21 0 1 7701\n6 0 0 262144\n6 0 0 0\n";

fn filter() -> Filter {
    Filter::program(TO_7701).expect("a sound program")
}

/// Ends the flood also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_rejected_frame_is_ever_delivered() {
    let pair = VethPair::new("race");
    let stop = AtomicBool::new(false);
    let listeners = [PORT, PORT + 1].map(|port| udp(&pair.b, VethPair::ADDRESS_B, port));
    let flood = udp(&pair.a, VethPair::ADDRESS_A, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // Ten frames to reject for each to accept.
                let port = if number % 11 == 0 { PORT + 1 } else { PORT };
                flood
                    .send_to(&payload(number, 64), (VethPair::ADDRESS_B, port))
                    .expect("send");
            }
        });
        let _stop = Stop(&stop);
        let mut accepted = 0;
        for _ in 0..25 {
            let mut source = AfPacket::open(&options(VethPair::B, &pair.b)).expect("open");
            assert_eq!(
                source.set_filter(&filter()).expect("filter"),
                Placement::Kernel
            );
            let mut collected = Collected::default();
            collected.read_until(&mut source, |collected| collected.frames.len() > 20);
            let collected = collected.finish(&mut source);
            accepted += collected.frames.len();
            for number in collected.numbers() {
                assert_eq!(number % 11, 0, "a frame that the filter rejects");
            }
            let account = &collected.account;
            assert_eq!(
                account.received,
                collected.frames.len() as u64 + account.lost.ring
            );
        }
        assert!(accepted > 25 * 20);
    });
    drop(listeners);
}

#[test]
fn the_filter_is_final() {
    let pair = VethPair::new("lock");
    let mut source = started(&options(VethPair::B, &pair.b));
    let error = source.set_filter(&filter()).expect_err("locked");
    assert_eq!(error.kind(), ErrorKind::Usage);
}

#[test]
fn cooked_frames_are_left_to_the_engine() {
    let pair = VethPair::new("anyf");
    let mut source = AfPacket::open(&options(ANY, &pair.b)).expect("open");
    assert_eq!(
        source.set_filter(&filter()).expect("filter"),
        Placement::Here(Obstacle::Cooked)
    );
    let a = udp(&pair.a, VethPair::ADDRESS_A, 0);
    let _listener = udp(&pair.b, VethPair::ADDRESS_B, PORT);
    a.send_to(&payload(1, 8), (VethPair::ADDRESS_B, PORT))
        .expect("send");
    assert_eq!(drain(&mut source).numbers(), [1]);
}

/// An expression whose program is longer than the kernel takes.
fn too_long() -> Filter {
    let pairs = (0..800).map(|n| format!("(host 10.0.{}.{} and port {n})", n / 250, n % 250));
    let text = pairs.collect::<Vec<_>>().join(" or ") + " or udp";
    Filter::compile(
        &text,
        &Target::new(LinkType::ETHERNET, 262_144),
        &mut NoNames,
    )
    .expect("sound")
}

/// A program that is as long as the kernel takes, and accepts all.
fn longest() -> Filter {
    let text = format!("4000\n{}6 0 0 99\n", "0 0 0 7\n".repeat(3999));
    Filter::program(&text).expect("sound")
}

#[test]
fn what_keeps_a_filter_out_of_the_kernel_is_named_and_it_runs_here() {
    let pair = VethPair::new("obst");
    // Of all namespaces before Linux 6.9, of this one since.
    let own_limit = pair
        .b
        .within(|| std::fs::write("/proc/sys/net/core/optmem_max", "5000").is_ok());
    let is_length = |o| {
        matches!(
            o,
            Obstacle::Length {
                instructions: 4097..,
                most: 4096
            }
        )
    };
    let is_memory = |o| o == Obstacle::Memory;
    let cases: [(Filter, &dyn Fn(Obstacle) -> bool, bool); 2] = [
        (too_long(), &is_length, true),
        (longest(), &is_memory, own_limit),
    ];
    for (filter, is_it, is_possible) in cases {
        if !is_possible {
            println!("optmem_max belongs to the whole machine before Linux 6.9: not lowered");
            continue;
        }
        let mut source = AfPacket::open(&options(VethPair::B, &pair.b)).expect("open");
        let placement = source.set_filter(&filter).expect("filter");
        assert!(
            matches!(placement, Placement::Here(obstacle) if is_it(obstacle)),
            "{placement:?}"
        );
        super::support::send(&pair, 0..3, 200);
        assert_eq!(drain(&mut source).frames.len(), 3);
    }
}

#[test]
fn what_a_filter_returns_is_kept_of_a_frame() {
    let pair = VethPair::new("keep");
    let mut source = AfPacket::open(&options(VethPair::B, &pair.b)).expect("open");
    let keep_50 = Filter::program("1\n6 0 0 50\n").expect("sound");
    assert_eq!(
        source.set_filter(&keep_50).expect("filter"),
        Placement::Kernel
    );
    super::support::send(&pair, 0..3, 200);
    let collected = drain(&mut source);
    assert_eq!(collected.frames.len(), 3);
    for seen in &collected.frames {
        assert_eq!((seen.info.caplen, seen.info.len), (50, 242));
    }
}
