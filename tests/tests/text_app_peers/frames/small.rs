//! Small protocols: SSH's first line, syslog, TFTP, spanning tree, Redis, VRRP,
//! IPsec over UDP.

use super::{DESTINATION6, Made, STATIONS, checksum, ip4, ip6, made, tcp, udp};

fn spanning_tree() -> Vec<Vec<u8>> {
    let mut config = vec![0, 0, 0, 0, 0x81, 0x80, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 4];
    config.extend([0x80, 2, 2, 3, 4, 5, 6, 7, 0x80, 3]);
    config.extend([0, 0x20, 20, 0x60, 2, 0xa0, 15, 0xe0]);
    let mut messages = vec![config.clone()];
    for version in 0..6 {
        for kind in [0, 2, 0x80, 7] {
            let mut message = config.clone();
            (message[2], message[3], message[4]) = (version, kind, 0x3c + version);
            message.push(0);
            messages.push(message.clone());
            message.extend([0, 64 + 33]);
            message.push(0);
            message.extend(b"region\0\0");
            message.resize(71, 1);
            message.extend(1..32);
            for instance in [0x7e, 0x0c, 0] {
                message.extend([
                    instance, 0x80, 5, 1, 2, 3, 4, 5, 6, 0, 0, 1, 0, 0x80, 0x70, 19,
                ]);
            }
            messages.push(message.clone());
            let bridging_at = 36 + 2 + 64 + 33;
            message.resize(bridging_at, 0);
            message.extend([0, 85]);
            message.push(0);
            message.extend(b"a region of a name that is long!");
            message.extend(1..60);
            messages.push(message);
        }
    }
    messages.push(vec![0, 1, 0, 0]);
    messages.push(vec![0, 0, 0]);
    messages
}

/// A frame of 802.2 with the access point of spanning tree.
fn bridged(payload: &[u8]) -> Made {
    let mut bytes = vec![1, 0x80, 0xc2, 0, 0, 0];
    bytes.extend(STATIONS.0);
    bytes.extend((payload.len() as u16 + 3).to_be_bytes());
    bytes.extend([0x42, 0x42, 3]);
    bytes.extend(payload);
    made(bytes, payload.len())
}

fn redis() -> Vec<Made> {
    [
        &b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"[..],
        b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n",
        b"+OK\r\n-ERR no\r\n:42\r\n",
        b"$-1\r\n*-1\r\n$0\r\n\r\n*0\r\n",
        b"$-2\r\n$99999999999\r\n$x\r\n*-\r\n",
        b"*2\r\n*1\r\n:1\r\n+a\xff\x01\r\n",
        b"PING\r\n\r\nGET key\nSET a\r",
        b"\r\n\r\n",
        b"PING",
        b"$5\r\nabc\r\n",
        b"$3\r\nabcdef\r\n",
        b"$12",
        b"$12\r",
        b"$1x\r\nab\r\n",
        b"*3\r\n:1\r\n",
        b"+no end",
        b"*",
    ]
    .into_iter()
    .map(|text| tcp(50_000, 6379, text))
    .collect()
}

/// Advertisements of virtual routers; the right checksum is in every second.
pub(crate) fn routers() -> Vec<Made> {
    let mut frames = Vec::new();
    for first in [0x21, 0x31, 0x22, 0x41, 0x11] {
        for authentication in [0, 1, 2, 7] {
            let mut message = vec![first, 7, 100, 2, authentication, 1, 0, 0];
            message.extend([10, 0, 0, 1, 10, 0, 0, 2]);
            message.extend(*b"secret\0\0");
            frames.push(ip4(112, &message));
            let sum = checksum(&[&message]);
            message[6..8].copy_from_slice(&sum);
            frames.push(ip4(112, &message));
            message[3] = 1;
            frames.push(ip4(112, &message[..12]));
        }
        let mut message = vec![first, 7, 255, 1, 0, 100, 0, 0];
        message.extend(DESTINATION6);
        frames.push(ip6(112, &message));
    }
    frames
}

fn ipsec() -> Vec<Made> {
    [
        &[0xff][..],
        &[0xfe],
        &[1, 2, 3],
        &[0, 0, 0x12, 0x34, 0, 0, 0, 7, 1, 2, 3, 4],
        &[0, 0, 0x12, 0x34, 0, 0, 0],
        &[9, 9, 9, 9],
    ]
    .into_iter()
    .map(|message| udp(4500, 4500, message))
    .collect()
}

pub(crate) fn all() -> Vec<Made> {
    let mut frames: Vec<Made> = spanning_tree().iter().map(|it| bridged(it)).collect();
    frames.extend([redis(), ipsec()].concat());
    for text in [
        &b"SSH-2.0-OpenSSH_9.2p1\r\n"[..],
        b"SSH-1.99-x\n",
        b"SSH-2.0-x\rmore",
        b"SSH-2.0-x\r",
        b"SSH-2.0",
        b"SSH",
        b"SSH-\x01\n",
        b"\0\0\x05\x14encrypted",
    ] {
        frames.push(tcp(22, 50_000, text));
    }
    for text in [
        &b"<34>Oct 11 22:14:15 host su: 'su root' failed\n"[..],
        b"<0>a\x01\xe9",
        b"<191>x",
        b"<999>x",
        b"<1234>x",
        b"<>x",
        b"<13",
        b"13>x",
        b"<13>",
    ] {
        frames.push(udp(514, 514, text));
    }
    for message in [
        &b"\0\x01file\0octet\0"[..],
        b"\0\x02file\0netascii\0blksize\01428\0tsize\0\x30\0",
        b"\0\x01file",
        b"\0\x01file\0",
        b"\0\x01file\0octet",
        b"\0\x01file\0octet\0x",
        b"\0\x01",
        b"\0\x03\0\x07data",
        b"\0\x04\x01\0",
        b"\0\x04\x01",
        b"\0\x05\0\x01File not found\0",
        b"\0\x05\0\x08odd\0",
        b"\0\x05\0\x02",
        b"\0\x05\0\x02x",
        b"\0\x05\0",
        b"\0\x06blksize\01428\0\0",
        b"\0\x06",
        b"\0\x06x",
        b"\0\x07abc",
        b"\0\0",
        b"\0",
    ] {
        frames.push(udp(50_000, 69, message));
    }
    frames
}
