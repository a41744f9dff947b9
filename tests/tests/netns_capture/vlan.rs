//! VLAN tags, which the kernel takes off before any tap sees the frame.

use super::support::{drain, options, started};
use pktrail::Marks;
use pktrail::af_packet::ANY;
use pktrail::inject::{Injector, NUMBER_AT};
use pktrail_tests::netns::VethPair;

/// A frame of the local experimental type 0x88b5 with one tag of type `tpid`.
fn tagged(tpid: u16, tci: u16) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 9, 0x02, 0, 0, 0, 0, 8];
    frame.extend(tpid.to_be_bytes());
    frame.extend(tci.to_be_bytes());
    frame.extend([0x88, 0xb5]);
    frame.extend((0..82u8).map(|byte| byte ^ 0xa5));
    frame
}

/// What the injector does not overwrite: neither source port nor number.
fn kept(frame: &[u8]) -> Vec<u8> {
    let changed = |at: usize| (34..36).contains(&at) || (NUMBER_AT..NUMBER_AT + 8).contains(&at);
    let bytes = frame.iter().enumerate();
    bytes
        .filter(|(at, _)| !changed(*at))
        .map(|(_, byte)| *byte)
        .collect()
}

fn inject(pair: &VethPair, frame: &[u8]) {
    pair.b.within(|| {
        let mut injector = Injector::from_template(VethPair::B, frame).expect("injector");
        assert_eq!(injector.run(3).expect("run"), 3);
    });
}

#[test]
fn tags_are_put_back_where_they_were() {
    let pair = VethPair::new("vlan");
    for (tpid, tci) in [(0x8100, 0x2005), (0x88a8, 0xe00f)] {
        let frame = tagged(tpid, tci);
        let mut source = started(&options(VethPair::B, &pair.b));
        inject(&pair, &frame);
        let collected = drain(&mut source);
        assert_eq!(collected.frames.len(), 3);
        for seen in &collected.frames {
            assert_eq!(kept(&seen.data), kept(&frame), "{tpid:04x}");
            assert_eq!(seen.info.len as usize, frame.len());
            assert!(seen.info.marks.has(Marks::VLAN_RESTORED));
            assert_eq!(seen.info.offset % 4, 0);
        }
    }
}

#[test]
fn cooked_frames_have_their_tag_behind_the_header() {
    let pair = VethPair::new("vlany");
    let frame = tagged(0x8100, 0x2005);
    let mut source = started(&options(ANY, &pair.b));
    inject(&pair, &frame);
    let collected = drain(&mut source);
    assert_eq!(collected.frames.len(), 3);
    for seen in &collected.frames {
        assert_eq!(seen.data[..2], [0x81, 0]);
        assert_eq!(seen.data[20..24], [0x20, 5, 0x88, 0xb5]);
        assert_eq!(seen.data.len(), frame.len() - 14 + 20);
        assert!(seen.info.marks.has(Marks::VLAN_RESTORED));
    }
}
