//! Filter programs against tcpdump and libpcap: the printed forms, and which
//! frames a program accepts. Needs tcpdump; no privilege.

use pktrail_core::{FrameInfo, Interface, LinkType, Program};
use std::io::Write;
use std::process::{Command, Stdio};

/// Expressions that between them use every instruction libpcap emits.
const EXPRESSIONS: &[&str] = &[
    "",
    "ip",
    "ip6",
    "arp",
    "rarp",
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "igmp",
    "sctp",
    "vlan",
    "vlan 100",
    "vlan 100 and ip",
    "vlan and vlan 200 and tcp port 80",
    "vlan 100 or vlan 200",
    "mpls",
    "mpls 1024 and ip",
    "pppoes and ip",
    "geneve and udp",
    "host 10.0.0.1",
    "src host 10.0.0.1",
    "dst host 10.0.0.2 and not port 22",
    "net 10.0.0.0/8",
    "src net 10.0.0.0/24 or src net 10.0.1.0/24",
    "net 192.168 and not net 192.168.7",
    "ip6 host fd00::1",
    "ip6 net fd00::/16",
    "port 53",
    "tcp port 80",
    "tcp port 80 or 443",
    "src port 1024 and udp",
    "portrange 1000-2000",
    "udp dst portrange 50-60",
    "not tcp port 80 or 443",
    "port 80 or port 443 and host 10.0.0.1",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "tcp[tcpflags] & tcp-syn != 0 and not src and dst net 10.0.0.0/8",
    "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
    "icmp[icmptype] = icmp-echo",
    "icmp6[icmp6type] == icmp6-echo",
    "udp[8:4] = 0x12345678 or udp[10:2] > 0x100",
    "ip[6:2] & 0x1fff != 0",
    "ip[8] < 64",
    "ip[0] & 0xf != 5",
    "ip[2:2] % 7 = 3",
    "ip[4:2] ^ 0xff00 > 0x8000",
    "ip[4:2] ^ ip[6:2] > 0x8000",
    "ip[8] << 3 = 512",
    "ip[8] >> ip[1] = 0",
    "ip[2:2] / ip[1] > 7",
    "ip[2:2] % ip[1] > 7",
    "ip[2:2] * 3 | 1 = 181",
    "len > 100 and len <= 400",
    "-len > 0xffffff00",
    "less 64",
    "greater 1000",
    "len - ip[2:2] = 14",
    "ether host 02:00:00:00:00:01",
    "ether src 02:00:00:00:00:02 or ether broadcast",
    "ether multicast",
    "ip multicast",
    "ip6 multicast",
    "ether proto 0x88cc or ether[12:2] < 1500",
    "ether[0] & 1 = 0 and ip[16] >= 224",
    "ip proto 47 or ip proto \\tcp",
    "ip6 proto 17",
    "atalk or aarp or ipx or stp",
    "llc",
    "ether[len - 1] = 0",
    "tcp[200] = 1 or ip",
    "ether[-4096:2] = 0x800",
    "ether[70:4] > ether[50:4]",
];

#[test]
fn listings_equal_tcpdumps() {
    for expression in EXPRESSIONS {
        let form = |flag| tcpdump(&[flag, "-y", "EN10MB", "--", expression], &[]);
        let text = form("-ddd");
        let program = Program::parse(&text).unwrap_or_else(|e| panic!("{expression}: {e:#}"));
        assert_eq!(program.listing(), form("-d"), "{expression}");
        assert_eq!(program.c_listing(), form("-dd"), "{expression}");
        assert_eq!(program.decimal_listing(), text, "{expression}");
    }
}

#[test]
fn unoptimised_listings_equal_tcpdumps() {
    for expression in EXPRESSIONS {
        let form = |flag| tcpdump(&["-O", flag, "-y", "EN10MB", "--", expression], &[]);
        let program = Program::parse(&form("-ddd")).expect(expression);
        assert_eq!(program.listing(), form("-d"), "{expression}");
    }
}

#[test]
fn accepts_what_tcpdump_accepts() {
    let frames = frames(4000);
    let file = pcap(&frames);
    let mut matched_some = 0;
    for expression in EXPRESSIONS {
        // The ancillary place exists in the kernel only: libpcap reads no bytes
        // there, we give the protocol.
        if expression.contains("-4096") {
            continue;
        }
        for optimise in [true, false] {
            let [compile, read] = match optimise {
                true => ["-ddd", "-n"],
                false => ["-Oddd", "-On"],
            };
            let text = tcpdump(&[compile, "-y", "EN10MB", "--", expression], &[]);
            let program = Program::parse(&text).expect(expression);
            let filtered = tcpdump_bytes(&[read, "-r", "-", "-w", "-", "--", expression], &file);
            let theirs = numbers(&filtered);
            let ours: Vec<u32> = (0..)
                .zip(&frames)
                .filter(|(_, frame)| accepts(&program, frame))
                .map(|(number, _)| number)
                .collect();
            assert_eq!(ours, theirs, "{expression}, optimise {optimise}");
            matched_some += usize::from(!ours.is_empty() && ours.len() < frames.len());
        }
    }
    assert!(
        matched_some > EXPRESSIONS.len(),
        "the frames are too dull: {matched_some}"
    );
}

struct Made {
    bytes: Vec<u8>,
    len: u32,
}

fn accepts(program: &Program, frame: &Made) -> bool {
    let info = FrameInfo {
        caplen: frame.bytes.len() as u32,
        len: frame.len,
        ..FrameInfo::default()
    };
    let interface = Interface {
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    program.run(&frame.bytes, &info, &interface) > 0
}

/// xorshift64*: the same frames in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % most
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

fn frames(count: usize) -> Vec<Made> {
    let mut dice = Dice(0x1234_5678_9abc_def1);
    (0..count)
        .map(|_| {
            let mut bytes = frame(&mut dice);
            let len = bytes.len() as u32;
            if dice.below(4) == 0 {
                bytes.truncate(1 + dice.below(bytes.len()));
            }
            Made { bytes, len }
        })
        .collect()
}

fn frame(dice: &mut Dice) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, dice.of(&[1, 2])];
    if dice.below(8) == 0 {
        frame = dice
            .of(&[[0xff; 6], [1, 0, 0x5e, 0, 0, 1], [1, 0x80, 0xc2, 0, 0, 0]])
            .to_vec();
    }
    frame.extend([2, 0, 0, 0, 0, dice.of(&[1, 2])]);
    for _ in 0..dice.of(&[0, 0, 0, 0, 1, 1, 2]) {
        frame.extend(dice.of(&[[0x81, 0], [0x88, 0xa8]]));
        frame.extend(dice.of(&[100u16, 200, 0x2064]).to_be_bytes());
    }
    match dice.below(16) {
        0 => {
            frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
            frame.extend([10, 0, 0, 1].repeat(5));
        }
        1 => {
            frame.extend([0, 40, dice.of(&[0x42, 0xaa, 0xe0]), 0x42, 3]);
            frame.extend([0; 40]);
        }
        2 => {
            frame.extend(dice.of(&[[0x88u8, 0xcc], [0x80, 0x35], [0x80, 0x9b]]));
            frame.extend((0..60).map(|_| dice.below(256) as u8).collect::<Vec<_>>());
        }
        3 => {
            frame.extend([0x88, 0x47, 0, 0x40, 0x01, 0x40]);
            ipv4(dice, &mut frame);
        }
        4 => {
            frame.extend([0x88, 0x64, 0x11, 0, 0, 1, 0, 60, 0, 0x21]);
            ipv4(dice, &mut frame);
        }
        5..9 => {
            frame.extend([0x86, 0xdd]);
            ipv6(dice, &mut frame);
        }
        _ => {
            frame.extend([8, 0]);
            ipv4(dice, &mut frame);
        }
    }
    frame
}

fn ipv4(dice: &mut Dice, frame: &mut Vec<u8>) {
    let options = dice.of(&[0, 0, 0, 4, 20]);
    let payload = dice.of(&[0, 6, 18, 300, 1200]);
    let total = (20 + options + 20 + payload) as u16;
    frame.extend([0x45 + (options / 4) as u8, dice.of(&[0, 0, 3, 40])]);
    frame.extend(total.to_be_bytes());
    frame.extend((dice.below(65536) as u16).to_be_bytes());
    frame.extend(dice.of(&[0u16, 0, 0x4000, 0x2000, 0x00b9]).to_be_bytes());
    let protocol = dice.of(&[6, 6, 6, 17, 17, 1, 2, 47, 132]);
    frame.extend([dice.of(&[64, 63, 255]), protocol, 0, 0]);
    for _ in 0..2 {
        frame.extend(dice.of(&[
            [10, 0, 0, 1],
            [10, 0, 0, 2],
            [10, 0, 1, 9],
            [192, 168, 7, 1],
            [192, 168, 1, 1],
            [224, 0, 0, 251],
        ]));
    }
    frame.extend(vec![1; options]);
    transport(dice, frame, payload);
}

fn ipv6(dice: &mut Dice, frame: &mut Vec<u8>) {
    let payload = dice.of(&[0, 6, 18, 300]);
    frame.extend([0x60, 0, 0, 0]);
    frame.extend((20 + payload as u16).to_be_bytes());
    frame.extend([dice.of(&[6, 6, 17, 17, 58, 44, 0]), 64]);
    for _ in 0..2 {
        frame.extend(dice.of(&[[0xfd, 0], [0xff, 2], [0x20, 1]]));
        frame.extend([0; 13]);
        frame.push(dice.of(&[1, 2]));
    }
    transport(dice, frame, payload);
}

fn transport(dice: &mut Dice, frame: &mut Vec<u8>, payload: usize) {
    for _ in 0..2 {
        frame.extend(
            dice.of(&[22u16, 53, 80, 443, 1024, 1500, 6081, 0x0800])
                .to_be_bytes(),
        );
    }
    frame.extend([0, 1, 0, 2, 0x12, 0x34, 0x56, 0x78, dice.of(&[0x50, 0x80])]);
    frame.extend([dice.of(&[2, 16, 18, 1, 0]), 0, 0, 0, 0, 0, 0]);
    frame.extend((0..payload).map(|at| (at % 251) as u8));
}

/// The frames as a little-endian pcap file; the seconds are their numbers.
fn pcap(frames: &[Made]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 262_144, 1] {
        file.extend(word.to_le_bytes());
    }
    for (number, frame) in (0u32..).zip(frames) {
        for word in [number, 0, frame.bytes.len() as u32, frame.len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(&frame.bytes);
    }
    file
}

/// The numbers (seconds) of the frames in a little-endian pcap file.
fn numbers(mut file: &[u8]) -> Vec<u32> {
    file = &file[24..];
    let mut numbers = Vec::new();
    while let Some((header, rest)) = file.split_first_chunk::<16>() {
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four"));
        numbers.push(word(0));
        file = &rest[word(8) as usize..];
    }
    numbers
}

fn tcpdump(arguments: &[&str], input: &[u8]) -> String {
    String::from_utf8(tcpdump_bytes(arguments, input)).expect("text")
}

fn tcpdump_bytes(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("tcpdump")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tcpdump must be installed");
    let mut stdin = child.stdin.take().expect("piped");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("tcpdump runs")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tcpdump {arguments:?}: {said}");
    output.stdout
}
