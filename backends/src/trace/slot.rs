//! The numbers that programs report as, and the points that these are.
//!
//! Owns the order of the programs in `trace.bpf.c`.

use pktrail_core::trail::PointId;
use pktrail_core::trail::hook::Hook;
use std::sync::OnceLock;

/// The tracepoints, by slot.
pub(super) const TRACEPOINTS: &[&str] = &[
    "napi_gro_receive_entry",
    "netif_receive_skb",
    "netif_rx",
    "net_dev_queue",
    "net_dev_start_xmit",
    "kfree_skb",
    "consume_skb",
    "skb_copy_datagram_iovec",
    "qdisc_enqueue",
    "qdisc_dequeue",
    "tcp_retransmit_skb",
    "tcp_send_reset",
    "tcp_probe",
    "tcp_bad_csum",
    "icmp_send",
    "sock_rcvqueue_full",
    "udp_fail_queue_rcv_skb",
    "sk_data_ready",
    "napi_gro_frags_entry",
    "netif_receive_skb_entry",
    "netif_receive_skb_list_entry",
    "netif_rx_entry",
    "net_dev_xmit",
    "tcp_hash_bad_header",
    "tcp_hash_md5_mismatch",
];

/// The slot of the first gap.
const GAPS_FROM: u16 = 100;

/// The priorities of the gaps, by slot.
pub(super) const PRIORITIES: &[i32] = &[-i32::MAX, -399, -299, -199, -149, -99, 1, 51, 101];

/// The observers at devices, by slot from [`DEVICES_FROM`] on (`device.h`).
pub(super) const DEVICES: &[&str] = &["tcx:ingress", "tcx:egress", "xdp:observer"];
const DEVICES_FROM: u16 = 200;

/// The slot of the first point that is a function.
const FUNCTIONS_FROM: u16 = 1000;

/// The slot of a point that is a function.
pub(super) fn of_function(point: PointId) -> u16 {
    FUNCTIONS_FROM.saturating_add(point.0)
}

/// The point of a slot; `hook` is the kernel's number, for gaps.
pub(super) fn point(slot: u16, hook: u8) -> Option<PointId> {
    if let Some(number) = slot.checked_sub(FUNCTIONS_FROM) {
        let point = PointId(number);
        return point.point().map(|_| point);
    }
    if let Some(number) = slot.checked_sub(DEVICES_FROM) {
        return PointId::by_name(DEVICES.get(usize::from(number))?);
    }
    // Names are looked up once: this is asked for every event.
    type Points = Vec<Option<PointId>>;
    static POINTS: OnceLock<(Points, Points)> = OnceLock::new();
    let (tracepoints, gaps) = POINTS.get_or_init(|| {
        let gaps = PRIORITIES
            .iter()
            .flat_map(|priority| Hook::ALL.map(|hook| gap_point(hook, *priority)));
        let tracepoints = TRACEPOINTS.iter().map(|name| PointId::by_name(name));
        (tracepoints.collect(), gaps.collect())
    });
    let found = match slot.checked_sub(GAPS_FROM) {
        None => tracepoints.get(usize::from(slot)),
        Some(_) if usize::from(hook) >= Hook::ALL.len() => None,
        Some(gap) => gaps.get(usize::from(gap) * Hook::ALL.len() + usize::from(hook)),
    };
    found.copied().flatten()
}

/// The point of a gap, if the table has it.
pub(super) fn gap_point(hook: Hook, priority: i32) -> Option<PointId> {
    PointId::by_name(&format!("nf:{hook}:{priority}", hook = hook.name()))
}

#[cfg(test)]
mod tests {
    use super::super::plan::PICK_UP;
    use super::*;
    use pktrail_core::trail::point::{Attach, SkbAt, points};

    #[test]
    fn every_tracepoint_has_a_program_and_every_function_a_packet() {
        for point in points() {
            let is_known = TRACEPOINTS.contains(&point.name);
            assert_eq!(
                point.attach.contains(&Attach::TpBtf),
                is_known,
                "{}",
                point.name
            );
            let is_function = point.attach.contains(&Attach::Fentry);
            assert!(!is_function || point.skb != SkbAt::None, "{}", point.name);
        }
    }

    #[test]
    fn the_programs_have_these_numbers() {
        let source = include_str!("trace.bpf.c");
        for (slot, name) in TRACEPOINTS.iter().enumerate() {
            let by_macro = format!("POINT({slot}, {name}, ");
            let by_macro_of_queues = format!("QUEUE({slot}, {name}, ");
            let by_hand = format!("int tp_{name}(");
            let numbers = [
                format!(".slot = {slot},"),
                format!("report_socket(ctx[0], {slot})"),
            ];
            let numbered = numbers.iter().any(|number| source.contains(number));
            let written = source.contains(&by_macro)
                || source.contains(&by_macro_of_queues)
                || source.contains(&by_hand) && numbered;
            assert!(written, "{slot} {name}");
            assert!(point(u16::try_from(slot).expect("few"), 0).is_some());
        }
        assert_eq!(source.matches("\nGAP(").count(), PRIORITIES.len());
        let source = include_str!("device.h");
        for (name, slot) in DEVICES.iter().zip(DEVICES_FROM..) {
            let declared = name
                .to_uppercase()
                .replace(':', "_")
                .replace("_OBSERVER", "");
            assert!(
                source.contains(&format!("SLOT_{declared} = {slot},")),
                "{name}"
            );
            assert!(point(slot, 0).is_some_and(|point| point.name() == *name));
        }
    }

    #[test]
    fn what_picks_up_is_what_the_programs_do() {
        let source = include_str!("trace.bpf.c");
        for (slot, name) in TRACEPOINTS.iter().enumerate() {
            let line = format!("POINT({slot}, {name}, ");
            let roles = source
                .split(&line)
                .nth(1)
                .and_then(|rest| rest.lines().next());
            let Some(roles) = roles else { continue };
            let mut roles = roles.trim_end_matches(')').split(['|', ',', ' ']);
            assert_eq!(
                roles.any(|role| role == "PICKS"),
                PICK_UP.contains(name),
                "{name}"
            );
        }
    }

    #[test]
    fn every_gap_of_the_table_can_be_attached() {
        let gaps = points().iter().filter(|p| p.name.starts_with("nf:"));
        for point in gaps {
            let found = Hook::ALL.iter().any(|hook| {
                PRIORITIES
                    .iter()
                    .filter_map(|priority| gap_point(*hook, *priority))
                    .any(|id| id.name() == point.name)
            });
            assert!(found, "{}", point.name);
        }
    }
}
