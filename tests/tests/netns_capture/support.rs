//! Senders of numbered frames, and a collector for what a source captured.

use pktrail::af_packet::{AfPacket, Options};
use pktrail::{Batch, FrameInfo, Next, Notice, Source, SourceAccount};
use pktrail_tests::netns::{Netns, VethPair};
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// The UDP port that numbered frames go to.
pub(crate) const PORT: u16 = 7700;
/// What numbered payloads begin with.
const MAGIC: [u8; 4] = *b"pkt#";

/// A numbered payload, `size` bytes long or as long as it must be.
pub(crate) fn payload(number: u32, size: usize) -> Vec<u8> {
    let mut payload = MAGIC.to_vec();
    payload.extend(number.to_be_bytes());
    payload.resize(size.max(8), 0x55);
    payload
}

/// The number in a frame, wherever its headers end.
pub(crate) fn number(data: &[u8]) -> Option<u32> {
    let at = data.windows(4).position(|window| window == MAGIC)?;
    let bytes = data.get(at + 4..at + 8)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Options with a small ring, so that many tests fit beside one another.
pub(crate) fn options(interface: &str, netns: &Netns) -> Options {
    Options {
        netns: Some(netns.name().into()),
        ring_bytes: Some(8 << 20),
        block_bytes: 1 << 18,
        ..Options::new(interface)
    }
}

/// Opens and starts a capture.
pub(crate) fn started(options: &Options) -> AfPacket {
    let mut source = AfPacket::open(options).expect("open");
    source.start().expect("start");
    source
}

/// A UDP socket in `netns`, bound to `address:port`.
pub(crate) fn udp(netns: &Netns, address: &str, port: u16) -> UdpSocket {
    let start = Instant::now();
    // A process that another test is just starting has copies of all sockets
    // for a moment, of those closed here too.
    netns.within(|| {
        loop {
            match UdpSocket::bind((address, port)) {
                Err(e) if e.kind() == ErrorKind::AddrInUse && start.elapsed().as_secs() < 5 => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                bound => return bound.expect("bind"),
            }
        }
    })
}

/// Sends numbered frames from `a` to `b` of the pair. Somebody listens there, so
/// that no ICMP error comes back.
pub(crate) fn send(pair: &VethPair, numbers: std::ops::Range<u32>, size: usize) {
    let listener = udp(&pair.b, VethPair::ADDRESS_B, PORT);
    let socket = udp(&pair.a, VethPair::ADDRESS_A, 0);
    let last = numbers.end.saturating_sub(1);
    for number in numbers {
        let sent = socket.send_to(&payload(number, size), (VethPair::ADDRESS_B, PORT));
        sent.expect("send");
    }
    // Another CPU may still be receiving, and would find nobody. The last frame may
    // have found no room in the socket, so silence is an end too.
    (listener.set_read_timeout(Some(Duration::from_millis(100)))).expect("set a time");
    let mut data = vec![0; size.max(8)];
    while let Ok(len) = listener.recv(&mut data) {
        if number(&data[..len]) == Some(last) {
            break;
        }
    }
}

/// A frame as it was captured.
pub(crate) struct Seen {
    pub(crate) info: FrameInfo,
    pub(crate) data: Vec<u8>,
    pub(crate) interface: String,
}

/// What a source said.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) frames: Vec<Seen>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) account: SourceAccount,
}

impl Collected {
    /// The numbers of the numbered frames, in the order in which they came.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.frames
            .iter()
            .filter_map(|seen| number(&seen.data))
            .collect()
    }

    fn take(&mut self, batch: &Batch) {
        for frame in batch.iter() {
            let interface = batch.interface(frame.info).expect("in the table");
            self.frames.push(Seen {
                info: *frame.info,
                data: frame.data.to_vec(),
                interface: interface.full_name(),
            });
        }
    }

    /// Reads what `source` says until `enough` or 10 seconds have gone by.
    pub(crate) fn read_until(
        &mut self,
        source: &mut dyn Source,
        enough: impl Fn(&Self) -> bool,
    ) -> bool {
        self.read_for(source, Duration::from_secs(10), enough)
    }

    /// The same until `longest` has gone by.
    pub(crate) fn read_for(
        &mut self,
        source: &mut dyn Source,
        longest: Duration,
        enough: impl Fn(&Self) -> bool,
    ) -> bool {
        let start = Instant::now();
        while start.elapsed() < longest {
            if enough(self) {
                return true;
            }
            match source
                .next_batch(Duration::from_millis(20))
                .expect("next_batch")
            {
                Next::Batch(batch) => self.take(&batch),
                Next::Notice(notice) => self.notices.push(notice),
                Next::Idle { .. } => {}
                Next::End => return enough(self),
            }
        }
        enough(self)
    }

    /// Stops `source` and reads it to its end.
    pub(crate) fn finish(mut self, source: &mut dyn Source) -> Self {
        source.stop().expect("stop");
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < Duration::from_secs(10), "it never ends");
            match source
                .next_batch(Duration::from_millis(20))
                .expect("next_batch")
            {
                Next::Batch(batch) => self.take(&batch),
                Next::Notice(notice) => self.notices.push(notice),
                Next::Idle { .. } => {}
                Next::End => break,
            }
        }
        self.account = source.account().expect("account");
        self
    }
}

/// Stops `source` and returns everything that it holds. The account must say
/// that each frame was handed out or lost.
pub(crate) fn drain(source: &mut dyn Source) -> Collected {
    let collected = Collected::default().finish(source);
    let account = &collected.account;
    assert_eq!(
        account.received,
        collected.frames.len() as u64 + account.lost.ring,
        "{account:?}"
    );
    collected
}
