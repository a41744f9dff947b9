//! The way of packets on the map.

use super::*;
use crate::trail::words::NoNames;
use crate::trail::{Event, Happening, PointId};

fn hop(point: &str, netns: u32, since_ns: u64) -> Hop {
    let point = PointId::by_name(point).unwrap_or_else(|| panic!("no point {point}"));
    let mut event = Event::new(1_000, point, 1);
    (event.netns, event.interface) = (netns, 2);
    Hop {
        event,
        since_ns,
        changes: Vec::new(),
        late: false,
        returned: None,
    }
}

fn trail(hops: Vec<Hop>, verdict: Verdict) -> Trail {
    Trail {
        id: crate::trail::TrailId {
            family: 1,
            member: 0,
        },
        edge: None,
        packet: None,
        hops,
        rules: Vec::new(),
        left_out: 0,
        receiver: None,
        verdict,
    }
}

fn names(panel: &Panel, implied: bool) -> Vec<&'static str> {
    let lit = panel.lit.iter().filter(|(_, lit)| lit.implied == implied);
    lit.map(|(node, _)| MAP.nodes[*node].name).collect()
}

#[test]
fn each_namespace_has_a_map_and_what_lies_between_is_implied() {
    let sent = trail(
        vec![
            hop("nf:output:-2147483647", 100, 0),
            hop("nf:output:1", 100, 500),
            hop("nf:postrouting:101", 100, 100),
            hop("net_dev_start_xmit", 100, 50),
            hop("netif_receive_skb", 200, 20),
            hop("nf:prerouting:-99", 200, 10),
        ],
        Verdict::Lost,
    );
    let panels = panels(&sent, &NoNames);
    assert_eq!(panels.len(), 2);
    assert_eq!(
        names(&panels[0], false),
        ["route_out", "out_filter", "post_nat", "dev_out"]
    );
    assert!(names(&panels[0], true).contains(&"out_mangle"));
    assert!(names(&panels[0], true).contains(&"qdisc"));
    assert_eq!(names(&panels[1], false), ["recv", "pre_nat"]);
    let filter = panels[0].lit.iter().find(|(_, lit)| lit.since_ns == 500);
    assert_eq!(
        filter.map(|(node, _)| MAP.nodes[*node].name),
        Some("out_filter")
    );
    assert!(
        panels[1].title.contains("lost from sight"),
        "{}",
        panels[1].title
    );
}

#[test]
fn a_drop_is_marked_at_its_table() {
    let mut end = hop("kfree_skb", 0, 5);
    end.event.interface = 0;
    end.event.happening = Happening::Dropped {
        reason: "NETFILTER_DROP".to_owned(),
        function: "nft_do_chain".to_owned(),
    };
    let hops = vec![
        hop("nf:input:-2147483647", 200, 0),
        hop("nf:input:-149", 200, 5),
        end,
    ];
    let verdict = Verdict::of(&hops, true);
    let mut diagram = Diagram::default();
    let dropped = trail(hops, verdict);
    diagram.add(&dropped, &NoNames);
    let panel = &panels(&dropped, &NoNames)[0];
    let (node, why) = panel.dropped.clone().expect("a drop");
    assert_eq!(MAP.nodes[node].name, "in_filter");
    assert_eq!(why, "NETFILTER_DROP in nft_do_chain");
    assert_eq!(diagram.svg().matches("class=\"drop\"").count(), 1);
}

#[test]
fn text_in_a_picture_is_escaped_and_there_is_a_bound() {
    assert_eq!(svg::escaped("a<b>&\"\u{1}"), "a&lt;b&gt;&amp;&quot; ");
    let mut diagram = Diagram::default();
    let one = trail(vec![hop("netif_receive_skb", 200, 0)], Verdict::Lost);
    for _ in 0..MOST_TRAILS + 2 {
        diagram.add(&one, &NoNames);
    }
    assert_eq!(diagram.left_out(), 2);
    assert!(diagram.html().contains("2 more packets are not drawn"));
}
