//! NTP messages.

use super::{Made, udp};

fn time_message(status: u8, stratum: u8) -> Vec<u8> {
    let mut message = vec![status, stratum, 6, 0xe9];
    message.extend([0, 1, 0x80, 0, 0, 2, 0x40, 1]);
    message.extend(*b"GPS\0");
    for seconds in [0xe8_00_00_01u32, 0xe8_00_00_02, 0xe8_00_00_01, 0] {
        message.extend(seconds.to_be_bytes());
        message.extend((seconds.rotate_left(5) ^ 0x1234_5678).to_be_bytes());
    }
    message
}

pub(crate) fn all() -> Vec<Made> {
    let mut messages = Vec::new();
    for mode in 0..8 {
        messages.push(time_message(0x20 | mode, 2));
        messages.push(time_message(0xe0 | mode, 0));
    }
    for stratum in [0, 1, 2, 15, 16, 62, 63] {
        messages.push(time_message(0x63, stratum));
    }
    for more in [1, 4, 20, 24, 25] {
        let mut message = time_message(0xa4, 3);
        message.extend((0..more).collect::<Vec<u8>>());
        messages.push(message);
    }
    for poll in [0x80, 0xe0, 0xe1, 0xff, 0, 31, 32] {
        let mut message = time_message(0x23, 1);
        message[2] = poll;
        message[24..32].fill(0);
        messages.push(message);
    }
    let control = vec![0x26, 0xe2, 0, 1, 6, 0x15, 0, 2, 0, 0, 0, 4, 1, 2, 3, 4];
    messages.push(control.clone());
    messages.push(control[..12].to_vec());
    messages.push(control[..9].to_vec());
    messages.push(vec![0x26, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    messages.push(vec![0x23, 1, 2]);
    messages
        .iter()
        .map(|message| udp(123, 50_000, message))
        .collect()
}
