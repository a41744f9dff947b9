//! Trails and summaries as JSON: the schema is in docs/json.md.

use crate::report;
use pktrail::trail::hook::{Gap, Hook};
use pktrail::trail::top::By;
use pktrail::trail::verdict::Dropped;
use pktrail::trail::{
    Change, Event, Happening, Hop, Name, Names, Packet, PointId, Process, Returned, RuleStep,
    Sender, Top, Trail, Tuple, Verdict, returns, words,
};
use serde_json::{Value, json};

/// One trail.
pub(super) fn trail(trail: &Trail, names: &dyn Names) -> Value {
    let first_ns = trail.hops.first().map_or(0, |hop| hop.event.time_ns);
    let hops = trail.hops.iter().map(|each| hop(each, names));
    json!({
        "packet": trail.id.to_string(),
        "from": trail.edge.map(|edge| json!({
            "packet": edge.from.to_string(),
            "relation": words::relation(edge.relation),
            "certain": edge.certain,
        })),
        "time": report::time(first_ns),
        "ether_type": trail.ether_type(),
        "headers": trail.packet.as_ref().map(headers),
        "duration_ns": trail.duration_ns(),
        "hops": hops.collect::<Vec<_>>(),
        "rules": trail.rules.iter().map(|(hop, step)| rule(step, *hop)).collect::<Vec<_>>(),
        "left_out": trail.left_out,
        "verdict": verdict(trail, names),
    })
}

fn headers(packet: &Packet) -> Value {
    let mut value = ends(&packet.tuple);
    let more = json!({
        "ttl": packet.ttl,
        "length": packet.fingerprint.core.length,
        "tcp_flags": packet.segment.map(|segment| segment.flags),
        "icmp_type": packet.icmp.map(|(kind, _)| kind),
        "icmp_code": packet.icmp.map(|(_, code)| code),
        "inner": packet.inner.as_deref().map(headers),
    });
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

fn ends(tuple: &Tuple) -> Value {
    let port = |port: u16| (port != 0).then_some(port);
    json!({
        "protocol": tuple.protocol,
        "source": tuple.source.ip().to_string(),
        "source_port": port(tuple.source.port()),
        "destination": tuple.destination.ip().to_string(),
        "destination_port": port(tuple.destination.port()),
    })
}

fn process(process: &Process, names: &dyn Names) -> Value {
    let cgroup = names.cgroup(process);
    json!({
        "pid": process.pid,
        "name": process.name.as_str(),
        "container": cgroup.as_deref().and_then(words::container),
        "cgroup": cgroup,
    })
}

/// Hook, table and chain.
fn judge(event: &Event) -> (Option<Hook>, Option<String>, Option<String>) {
    let known = |name: &Name| (!name.is_empty()).then(|| name.to_string());
    match &event.happening {
        Happening::Judged { hook, table, chain } => (*hook, known(table), known(chain)),
        _ => {
            let gap = Gap::by_name(event.point.name());
            let table = gap.and_then(Gap::before).map(str::to_owned);
            (gap.map(|gap| gap.hook), table, None)
        }
    }
}

fn returned(point: PointId, value: Returned) -> Value {
    let number = match value {
        Returned::Number(number) => Some(number),
        Returned::Address(address) => (address == 0).then_some(0),
    };
    json!({"value": number, "text": returns::words(point, value)})
}

fn hop(hop: &Hop, names: &dyn Names) -> Value {
    let event = &hop.event;
    let (hook, table, chain) = judge(event);
    let returned = hop.returned.map(|value| returned(event.point, value));
    let balanced = match &event.happening {
        Happening::Balanced {
            service,
            server,
            forwarding,
        } => Some(json!({
            "service": service.to_string(),
            "server": server.to_string(),
            "forwarding": forwarding.name(),
        })),
        _ => None,
    };
    let discipline = match &event.happening {
        Happening::Queued { discipline } => Some(discipline.as_str()),
        _ => None,
    };
    json!({
        "time": report::time(event.time_ns),
        "since_ns": hop.since_ns,
        "cpu": event.cpu,
        "lost_before": event.lost_before,
        "point": event.point.name(),
        "layer": words::layer(event.point),
        "hook": hook.map(Hook::name),
        "table": table,
        "chain": chain,
        "interface": names.interface(event.netns, event.interface, event.time_ns),
        "interface_index": event.interface,
        "netns": names.netns(event.netns),
        "netns_inode": event.netns,
        "process": event.process.as_ref().map(|who| process(who, names)),
        "mark": event.mark,
        "length": event.length,
        "checksum": words::checksum(event.checksum),
        "segment_size": event.segment_size,
        "queue": event.queue,
        "sender": event.sender.map(Sender::name),
        "discipline": discipline,
        "headers": event.packet.as_ref().map(headers),
        "returned": returned,
        "balanced": balanced,
        "changes": hop.changes.iter().map(change).collect::<Vec<_>>(),
        "late": hop.late,
    })
}

fn rule(step: &RuleStep, hop: impl Into<Option<usize>>) -> Value {
    json!({
        "after_hop": hop.into(),
        "family": step.family,
        "table": step.table,
        "chain": step.chain,
        "handle": step.handle,
        "rule": step.text,
        "verdict": step.verdict,
        "hook": step.hook.map(|(hook, _)| hook.name()),
        "priority": step.hook.map(|(_, priority)| priority),
    })
}

fn change(change: &Change) -> Value {
    let text = words::change(change);
    match change {
        Change::Rewritten { from, to } => {
            json!({"what": "rewritten", "from": ends(from), "to": ends(to), "text": text})
        }
        Change::Wrapped { outer } => json!({"what": "wrapped", "in": ends(outer), "text": text}),
        Change::Unwrapped => json!({"what": "unwrapped", "text": text}),
        Change::Grown { length } => json!({"what": "grown", "length": length, "text": text}),
        Change::Ttl { from, to } => numbers("ttl", *from, *to, &text),
        Change::Mark { from, to } => numbers("mark", *from, *to, &text),
        Change::SegmentSize { from, to } => numbers("segment_size", *from, *to, &text),
        Change::Checksum { from, to } => {
            let (from, to) = (words::checksum(*from), words::checksum(*to));
            json!({"what": "checksum", "from": from, "to": to, "text": text})
        }
        Change::Rejoined { certain } => {
            json!({"what": "rejoined", "certain": certain, "text": text})
        }
        _ => json!({"what": "other", "text": text}),
    }
}

fn numbers(what: &str, from: impl Into<u64>, to: impl Into<u64>, text: &str) -> Value {
    json!({"what": what, "from": from.into(), "to": to.into(), "text": text})
}

fn verdict(trail: &Trail, names: &dyn Names) -> Value {
    let kind = match &trail.verdict {
        Verdict::Open => "open",
        Verdict::Delivered { .. } => "delivered",
        Verdict::Tapped => "tapped",
        Verdict::Forwarded { .. } => "forwarded",
        Verdict::Sent { .. } => "sent",
        Verdict::Answered => "answered",
        Verdict::Consumed => "consumed",
        Verdict::Merged { .. } => "merged",
        Verdict::Cut { .. } => "cut",
        Verdict::Dropped(_) => "dropped",
        _ => "lost",
    };
    let reader = match &trail.verdict {
        Verdict::Delivered { reader } => reader.as_ref(),
        _ => None,
    };
    let (dropped, into) = match &trail.verdict {
        Verdict::Dropped(dropped) => (Some(&**dropped), None),
        Verdict::Merged { into } => (None, Some(into.to_string())),
        _ => (None, None),
    };
    let hook = dropped.and_then(|dropped| dropped.hook.as_ref());
    let (cause, advice) = words::advice(trail);
    let text = |field: fn(&Dropped) -> &str| dropped.map(field).filter(|text| !text.is_empty());
    json!({
        "kind": kind,
        "text": words::verdict(trail, names),
        "reader": reader.map(|who| process(who, names)),
        "receiver": trail.receiver,
        "into": into,
        "reason": text(|dropped| &dropped.reason),
        "function": text(|dropped| &dropped.function),
        "hook": hook.map(|(hook, _)| hook),
        "table": hook.map(|(_, table)| table),
        "rule": dropped.and_then(|dropped| dropped.rule.as_ref()).map(|step| rule(step, None)),
        "cause": cause,
        "facts": words::facts(trail),
        "advice": advice,
    })
}

/// A summary.
pub(super) fn top(top: &Top, by: By, most: usize) -> Value {
    let rows = top.rows(by, most);
    let rows = rows.iter().map(|row| {
        json!({
            "what": row.what,
            "count": row.count,
            "longest_ns": row.spans.map(|spans| spans.longest_ns),
            "mean_ns": row.spans.map(|spans| spans.mean_ns()),
        })
    });
    let name = match by {
        By::Drops => "drops",
        By::Latency => "latency",
        By::Points => "points",
    };
    json!({"top": name, "packets": top.trails(), "rows": rows.collect::<Vec<_>>()})
}
