//! Capture files for the tests, in either byte order, with the place of every
//! length in them.

use super::Order;

/// A file under construction.
pub(crate) struct Sample {
    pub(crate) bytes: Vec<u8>,
    /// Where each length of a block or record stands, and in which block.
    pub(crate) lengths: Vec<(usize, usize)>,
    /// Where each block or record begins.
    pub(crate) starts: Vec<usize>,
    order: Order,
}

impl Sample {
    pub(crate) fn new(order: Order) -> Self {
        Self {
            bytes: Vec::new(),
            lengths: Vec::new(),
            starts: Vec::new(),
            order,
        }
    }

    pub(crate) fn n16(&self, value: u16) -> [u8; 2] {
        match self.order {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        }
    }

    pub(crate) fn n32(&self, value: u32) -> [u8; 4] {
        match self.order {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        }
    }

    pub(crate) fn n64(&self, value: u64) -> [u8; 8] {
        match self.order {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        }
    }

    pub(crate) fn words(&self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| self.n32(*word)).collect()
    }

    pub(crate) fn option(&self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut out = self.n16(code).to_vec();
        out.extend(self.n16(value.len() as u16));
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    pub(crate) fn block(&mut self, kind: u32, body: &[&[u8]]) {
        let start = self.bytes.len();
        let mut body = body.concat();
        body.resize(body.len().next_multiple_of(4), 0);
        let len = self.n32(body.len() as u32 + 12);
        let kind = self.n32(kind);
        for part in [&kind[..], &len, &body, &len] {
            self.bytes.extend(part);
        }
        let number = self.starts.len();
        self.lengths
            .extend([(start + 4, number), (self.bytes.len() - 4, number)]);
        self.starts.push(start);
    }

    pub(crate) fn section(&mut self, options: &[u8]) {
        let version = [self.n16(1), self.n16(0)].concat();
        let head = [&self.n32(0x1a2b_3c4d)[..], &version, &[0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &[&head, options]);
    }

    pub(crate) fn interface(&mut self, link_type: u16, snaplen: u32, options: &[u8]) {
        let head = [&self.n16(link_type)[..], &[0, 0], &self.n32(snaplen)].concat();
        self.block(1, &[&head, options]);
    }

    /// An enhanced packet block; the place of its captured length is kept too.
    pub(crate) fn packet(&mut self, interface: u32, ticks: u64, data: &[u8], options: &[u8]) {
        let (high, low) = ((ticks >> 32) as u32, ticks as u32);
        let len = data.len() as u32;
        let head = self.words(&[interface, high, low, len, len + 100]);
        let pad = vec![0; data.len().next_multiple_of(4) - data.len()];
        let place = (self.bytes.len() + 20, self.starts.len());
        self.block(6, &[&head, data, &pad, options]);
        self.lengths.push(place);
    }

    pub(crate) fn pcap_header(&mut self, magic: u32, snaplen: u32, network: u32) {
        self.starts.push(self.bytes.len());
        let head = self.words(&[magic]);
        let version = [self.n16(2), self.n16(4)].concat();
        let rest = self.words(&[0, 0, snaplen, network]);
        for part in [head, version, rest] {
            self.bytes.extend(part);
        }
    }

    pub(crate) fn pcap_record(&mut self, seconds: u32, fraction: u32, more: &[u8], data: &[u8]) {
        let start = self.bytes.len();
        let len = data.len() as u32;
        let head = self.words(&[seconds, fraction, len, len + 100]);
        for part in [&head[..], more, data] {
            self.bytes.extend(part);
        }
        self.lengths.push((start + 8, self.starts.len()));
        self.starts.push(start);
    }

    /// Every block type and option that means something, two sections.
    pub(crate) fn everything(order: Order) -> Self {
        let mut s = Self::new(order);
        let comment = s.option(1, "läuft".as_bytes());
        s.section(
            &[
                &comment[..],
                &s.option(2, b"box"),
                &s.option(3, b"os 1"),
                &s.option(4, b"app"),
                &[0; 4],
            ]
            .concat(),
        );
        let options = [
            s.option(2, b"eth0"),
            s.option(3, b"uplink"),
            s.option(4, &[192, 0, 2, 1, 255, 255, 255, 0]),
            s.option(5, &[&[0x20, 1][..], &[0; 14], &[64]].concat()),
            s.option(6, &[2, 0, 0, 0, 0, 1]),
            s.option(8, &s.n64(10_000_000_000)),
            s.option(9, &[9]),
            s.option(10, &s.n32(7)),
            s.option(11, b"\0tcp port 80"),
            s.option(12, b"linux"),
            s.option(13, &[4]),
            s.option(15, b"e1000"),
            comment.clone(),
            vec![0; 4],
        ];
        s.interface(1, 262_144, &options.concat());
        // Microseconds, by default; no end of options.
        s.interface(1, 64, &s.option(2, b"eth1"));
        let options = [
            s.option(1, b"first"),
            s.option(2, &s.n32(0x0000_0205)),
            s.option(4, &s.n64(7)),
            s.option(5, &s.n64(0x1122_3344_5566_7788)),
            s.option(6, &s.n32(3)),
            s.option(1, b"second one"),
            s.option(2988, &[&s.n32(32473)[..], b"text"].concat()),
            vec![0; 4],
        ];
        s.packet(0, 1_700_000_000_123_456_789, b"abcde", &options.concat());
        let record = [s.option(1, b"\x0a\x00\x00\x01host\0"), vec![0; 4]].concat();
        s.block(4, &[&record, &s.option(1, b"names"), &[0; 4]]);
        s.packet(1, 1_700_000_001_000_001, b"abcd", &[]);
        let secret = [&s.n32(0x544c_534b)[..], &s.n32(6), b"SECRET\0\0"].concat();
        s.block(10, &[&secret]);
        s.block(3, &[&s.n32(5), b"simpl"]);
        let old = [&s.n16(1)[..], &s.n16(4)].concat();
        let time = s.words(&[0x0006_0a24, 0x1000_0000, 3, 3]);
        s.block(2, &[&old, &time, b"old\0"]);
        s.block(0xbad, &[&s.n32(32473), b"custom"]);
        s.block(0x4bcd, &[b"unknown!"]);
        s.block(0x8050_4144, &[&[0; 20]]);
        let isb = [
            s.words(&[1, 0x0006_0a24, 0x1000_0000]),
            s.option(4, &s.n64(1000)),
            s.option(2, &s.words(&[0, 1])),
            vec![0; 4],
        ];
        s.block(5, &[&isb.concat()]);
        s.section(&[]);
        s.interface(
            101,
            0,
            &[s.option(9, &[0x80 | 20]), s.option(14, &s.n64(1000))].concat(),
        );
        s.packet(0, 3 << 19, b"last", &[]);
        s
    }

    /// A pcap file of three records.
    pub(crate) fn pcap(order: Order) -> Self {
        let mut s = Self::new(order);
        s.pcap_header(0xa1b2_c3d4, 65_535, 1);
        for (index, data) in [&b"first"[..], b"the second", b"3"].into_iter().enumerate() {
            s.pcap_record(1_700_000_000 + index as u32, 123_456, &[], data);
        }
        s
    }
}
