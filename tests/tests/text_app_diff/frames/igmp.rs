//! IGMP messages of all versions.

use super::{Made, checksum, ip4};

fn summed(mut message: Vec<u8>) -> Vec<u8> {
    if message.len() >= 4 {
        message[2..4].fill(0);
        let sum = checksum(&[&message]);
        message[2..4].copy_from_slice(&sum);
    }
    message
}

fn messages() -> Vec<Vec<u8>> {
    let group = [239, 1, 2, 3];
    let mut messages = Vec::new();
    for kind in [0x11, 0x12, 0x16, 0x17, 0x20] {
        for code in [0, 7, 100] {
            messages.push([&[kind, code, 0, 0][..], &group].concat());
        }
        messages.push(vec![kind, 0, 0, 0, 0, 0, 0, 0, 0]);
        messages.push(vec![kind, 1]);
    }
    for (code, sources) in [(100, 0), (7, 1), (0x8f, 2), (0xff, 9)] {
        let mut query = [&[0x11, code, 0, 0][..], &group, &[2, 125, 0, sources]].concat();
        query.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        messages.push(query);
    }
    messages.push(vec![0x11, 5, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0]);
    messages.push(vec![0x11, 5, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0, 0]);
    let mut report = vec![0x22, 0, 0, 0, 0, 0, 0, 8];
    for kind in 0..8 {
        report.extend([kind, 0, 0, kind % 3]);
        report.extend(group);
        for source in 0..kind % 3 {
            report.extend([10, 0, 0, source]);
        }
    }
    messages.push(report.clone());
    report[7] = 9;
    messages.push(report.clone());
    let last = report.len() - 13;
    report[last] = 200;
    messages.push(report);
    messages.push(vec![0x22, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0]);
    for kind in [0x1e, 0x1f] {
        let mut trace = vec![kind, 2, 0, 0, 239, 1, 1, 1, 10, 0, 0, 1, 10, 0, 0, 2];
        trace.extend([224, 0, 0, 9, 30, 0, 1, 2]);
        messages.push(trace.clone());
        trace[16] = 10;
        messages.push(trace.clone());
        trace.pop();
        messages.push(trace);
    }
    messages
}

pub(crate) fn all() -> Vec<Made> {
    let mut frames = Vec::new();
    for message in messages() {
        frames.push(ip4(2, &message));
        frames.push(ip4(2, &summed(message)));
    }
    frames
}
