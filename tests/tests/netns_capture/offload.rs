//! What the kernel knows of a frame beside its bytes: checksums still to be
//! filled in, segments still to be cut.

use super::support::{drain, options, started};
use pktrail::Flags;
use pktrail_tests::netns::VethPair;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

#[test]
fn segments_and_checksums_of_a_local_sender_are_told() {
    let pair = VethPair::new("tso");
    let mut source = started(&options(VethPair::A, &pair.a));
    let listener = pair
        .b
        .within(|| TcpListener::bind((VethPair::ADDRESS_B, 7700)).expect("bind"));
    let mut stream = pair
        .a
        .within(|| TcpStream::connect((VethPair::ADDRESS_B, 7700)).expect("connect"));
    let (mut peer, _) = listener.accept().expect("accept");
    let sender = std::thread::spawn(move || {
        stream.write_all(&[7; 200_000]).expect("send");
    });
    let mut received = Vec::new();
    peer.read_to_end(&mut received).expect("receive");
    sender.join().expect("sender");
    assert_eq!(received.len(), 200_000);
    drop(peer);
    let collected = drain(&mut source);
    let large: Vec<_> = collected
        .frames
        .iter()
        .filter(|seen| seen.info.len > 1514)
        .collect();
    assert!(!large.is_empty(), "no segmentation offload on veth");
    for seen in &collected.frames {
        assert_eq!(seen.info.caplen, seen.info.len);
        let flags = seen.info.flags;
        assert_eq!(flags.has(Flags::TCP_SEGMENTATION), seen.info.len > 1514);
        // Nobody computes the checksums of data that goes over a veth; some lone
        // acknowledgements are made with one.
        if seen.info.len > 100 {
            assert!(flags.has(Flags::CHECKSUM_NOT_READY), "{flags:?}");
        }
    }
}
