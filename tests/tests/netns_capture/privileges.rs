//! What a capture needs: CAP_NET_RAW to open, nothing afterwards.

use super::support::{drain, options, send, started};
use caps::{CapSet, Capability};
use pktrail::af_packet::{AfPacket, Options};
use pktrail::{ErrorKind, Source};
use pktrail_tests::netns::VethPair;
use std::collections::HashSet;

/// Leaves the calling thread, which must end soon, CAP_NET_RAW only.
pub(crate) fn keep_only_net_raw() {
    let raw = HashSet::from([Capability::CAP_NET_RAW]);
    caps::set(None, CapSet::Effective, &raw).expect("fewer capabilities");
    caps::set(None, CapSet::Permitted, &raw).expect("fewer capabilities");
}

/// Options for inside of a namespace.
fn inside(pair: &VethPair) -> Options {
    Options {
        netns: None,
        ..options(VethPair::B, &pair.b)
    }
}

#[test]
fn net_raw_is_enough() {
    let pair = VethPair::new("raw");
    let mut source = pair.b.within(|| {
        keep_only_net_raw();
        let mut source = started(&inside(&pair));
        pktrail::privileges::drop_all().expect("fewer privileges");
        source
            .next_batch(std::time::Duration::ZERO)
            .expect("no privilege needed");
        source
    });
    send(&pair, 0..50, 100);
    let collected = drain(&mut source);
    assert_eq!(collected.numbers(), (0..50).collect::<Vec<_>>());
    assert!(collected.notices.is_empty(), "{:?}", collected.notices);
}

#[test]
fn a_capture_goes_on_after_all_privileges_are_gone() {
    let pair = VethPair::new("drop");
    let mut source = started(&options(VethPair::B, &pair.b));
    send(&pair, 0..50, 100);
    let collected = std::thread::scope(|scope| {
        let work = || {
            pktrail::privileges::drop_all().expect("fewer privileges");
            drain(&mut source)
        };
        scope.spawn(work).join().expect("thread")
    });
    assert_eq!(collected.numbers(), (0..50).collect::<Vec<_>>());
}

#[test]
fn without_it_one_sentence_says_how_to_get_it() {
    let pair = VethPair::new("none");
    let error = pair.b.within(|| {
        pktrail::privileges::drop_all().expect("fewer privileges");
        AfPacket::open(&inside(&pair)).err().expect("not permitted")
    });
    assert_eq!(error.kind(), ErrorKind::Permission);
    let sentence = error.to_string();
    for part in [VethPair::B, "CAP_NET_RAW", "sudo setcap cap_net_raw+ep "] {
        assert!(sentence.contains(part), "{sentence}");
    }
    assert!(!sentence.contains('\n'));
}

#[test]
fn without_the_right_to_enter_a_namespace_it_is_said() {
    let pair = VethPair::new("enter");
    let error = std::thread::scope(|scope| {
        let work = || {
            keep_only_net_raw();
            AfPacket::open(&options(VethPair::B, &pair.b))
                .err()
                .expect("not permitted")
        };
        scope.spawn(work).join().expect("thread")
    });
    assert_eq!(error.kind(), ErrorKind::Permission);
    assert!(error.to_string().contains("CAP_SYS_ADMIN"), "{error}");
}
