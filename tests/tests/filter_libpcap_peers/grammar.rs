//! Random expressions of the whole grammar, about things that the frames have.

use crate::dice::Dice;
use crate::packets::{HOSTS, HOSTS6, MACS, PORTS, VLANS};
use std::net::{Ipv4Addr, Ipv6Addr};

/// A random expression for a link type (its DLT number).
pub(crate) fn expression(link: i32, dice: &mut Dice) -> String {
    let depth = dice.of(&[0, 1, 1, 2, 2, 3]);
    Writer { link, dice }.expr(depth)
}

struct Writer<'a> {
    link: i32,
    dice: &'a mut Dice,
}

impl Writer<'_> {
    fn expr(&mut self, depth: usize) -> String {
        let mut text = self.member(depth);
        for _ in 0..self.dice.of(&[0, 1, 1, 2, 3]) {
            if depth == 0 {
                break;
            }
            let joint = self.dice.of(&["and", "or", "and", "or", "&&", "||"]);
            let member = self.member(depth - 1);
            text = format!("{text} {joint} {member}");
        }
        text
    }

    fn member(&mut self, depth: usize) -> String {
        let not = self.dice.of(&["", "", "", "", "not ", "!"]);
        match depth > 0 && self.dice.once_in(3) {
            true => format!("{not}({})", self.expr(depth - 1)),
            false => format!("{not}{}", self.term()),
        }
    }

    fn of(&mut self, words: &[&str]) -> String {
        self.dice.of(words).to_owned()
    }

    fn term(&mut self) -> String {
        match self.dice.below(24) {
            0..=2 => self.of(&[
                "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "pim",
                "ah", "esp", "vrrp", "igrp",
            ]),
            3 => self.of(&[
                "atalk", "aarp", "decnet", "lat", "sca", "moprc", "mopdl", "iso", "esis", "isis",
                "clnp", "stp", "ipx", "netbeui", "carp", "es-is",
            ]),
            4..=6 => self.host(),
            7 | 8 => self.net(),
            9..=11 => self.port(),
            12 => self.proto(),
            13 => self.length(),
            14..=17 => self.relation(),
            18 if self.link == 1 => self.ether(),
            19 => self.of(&["ip6 multicast", "ip6 multicast", "ip broadcast"]),
            20 if self.link == 1 => self.layer(),
            21 if self.link == 1 => self.llc(),
            22 if self.link == 113 || self.link == 276 => self.of(&["inbound", "outbound", "tcp"]),
            23 if self.link == 1 || self.link == 9 => {
                self.of(&["mpls", "mpls 16", "mpls 1024", "ip"])
            }
            _ => self.of(&["tcp", "ip", "udp port 53", "ip6 host fe80::1", "icmp"]),
        }
    }

    fn direction(&mut self) -> String {
        self.of(&[
            "",
            "",
            "",
            "src ",
            "dst ",
            "src or dst ",
            "src and dst ",
            "dst or src ",
            "dst and src ",
        ])
    }

    fn address(&mut self) -> String {
        Ipv4Addr::from(self.dice.of(HOSTS)).to_string()
    }

    fn address6(&mut self) -> String {
        Ipv6Addr::from(self.dice.of(HOSTS6)).to_string()
    }

    fn host(&mut self) -> String {
        let direction = self.direction();
        match self.dice.below(6) {
            0 | 1 => {
                let ip6 = self.of(&["", "ip6 "]);
                let address = self.address6();
                format!("{ip6}{direction}host {address}")
            }
            2 => {
                let (a, b) = (self.address(), self.address());
                let joint = self.of(&["or", "and"]);
                format!("{direction}host {a} {joint} {b}")
            }
            3 => {
                let (a, b, c) = (self.address(), self.address(), self.address());
                let not = self.of(&["", "not "]);
                format!("{direction}host ({a} or {not}{b} or {c})")
            }
            _ => {
                let proto = self.of(&["", "", "ip ", "arp ", "rarp "]);
                let word = match direction.is_empty() {
                    true => "host ",
                    false => self.dice.of(&["host ", ""]),
                };
                let address = self.address();
                format!("{proto}{direction}{word}{address}")
            }
        }
    }

    fn net(&mut self) -> String {
        let direction = self.direction();
        let net = self.of(&[
            "10.0.0.0/8",
            "10.0.0.0/24",
            "10",
            "10.0",
            "192.168",
            "192.168.0.0/16",
            "0.0.0.0/0",
            "10.0.0.0/31",
            "10.0.0.0/20",
            "224.0.0.0/4",
            "10.0.0.0 mask 255.255.0.0",
            "192.0.0.1 mask 255.0.0.255",
            "fe80::/16",
            "2001:db8::/32",
            "2001:db8:1::/48",
            "fe80::/10",
            "::/0",
            "2001:db8::/33",
        ]);
        format!("{direction}net {net}")
    }

    fn port(&mut self) -> String {
        let proto = self.of(&["", "", "tcp ", "udp ", "sctp "]);
        let direction = self.direction();
        let (a, b) = (self.dice.of(PORTS), self.dice.of(PORTS));
        match self.dice.below(6) {
            0 => format!("{proto}{direction}portrange {a}-{b}"),
            1 => format!("{proto}{direction}portrange {}", self.dice.of(PORTS)),
            2 => format!("{proto}{direction}port {a} or {b}"),
            3 => format!("{proto}{direction}port ({a} or {b})"),
            _ => format!("{proto}{direction}port {a}"),
        }
    }

    fn proto(&mut self) -> String {
        self.of(&[
            "ip proto 6",
            "ip6 proto 17",
            "proto 47",
            "ip proto \\tcp",
            "ether proto 0x0800",
            "ether proto \\arp",
            "ether proto 0x88cc",
            "ip6 proto 0",
            "proto \\udp",
            "ether proto 0x42",
            "ether proto 0xfe",
            "iso proto 0x83",
            "ether proto \\ip6",
            "ip proto (6 or 17)",
            "protochain 6",
            "ip protochain 17",
            "ip6 protochain 6",
            "ip6 protochain 58",
            "ip6 proto 58",
        ])
    }

    fn length(&mut self) -> String {
        self.of(&[
            "less 60",
            "greater 100",
            "len > 64",
            "len <= 128",
            "len = 60",
            "-len > 0xffffff80",
            "length != 54",
            "len - ip[2:2] = 14",
        ])
    }

    fn ether(&mut self) -> String {
        let direction = self.direction();
        let m = self.dice.of(MACS);
        let mac = m.map(|byte| format!("{byte:02x}")).join(":");
        match self.dice.below(5) {
            0 => self.of(&[
                "broadcast",
                "multicast",
                "ether broadcast",
                "ether multicast",
            ]),
            1 => format!("ether {direction}{mac}")
                .replace("ether ", "ether host ")
                .replace("ether host src ", "ether src ")
                .replace("ether host dst ", "ether dst "),
            _ => format!("ether {direction}host {mac}"),
        }
    }

    fn layer(&mut self) -> String {
        let vlan = self.dice.of(VLANS);
        match self.dice.below(6) {
            0 | 1 => "vlan".into(),
            2 | 3 => format!("vlan {vlan}"),
            4 => self.of(&["pppoes", "pppoes 1", "pppoed"]),
            _ => self.of(&["geneve", "geneve 1", "geneve 2"]),
        }
    }

    fn llc(&mut self) -> String {
        let kind = self.of(&[
            "", "i", "s", "u", "rr", "rnr", "rej", "ui", "ua", "disc", "dm", "sabme", "test",
            "xid", "frmr",
        ]);
        format!("llc {kind}").trim().to_owned()
    }

    fn relation(&mut self) -> String {
        if self.dice.once_in(3) {
            return self.of(&[
                "tcp[tcpflags] & tcp-syn != 0",
                "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
                "tcp[tcpflags] = tcp-syn",
                "icmp[icmptype] = icmp-echo",
                "icmp6[icmp6type] != 128",
                "ip[0] & 0xf > 5",
                "ip[6:2] & 0x1fff = 0",
                "ip[8] < 64",
                "udp[4:2] = 100",
                "((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0",
                "ip[2:2] & 0xff00 = 0",
                "ip[1] & 0xfc >> 2 = 46",
                "tcp[0:2] > tcp[2:2]",
                "ip[12:4] = ip[16:4]",
                "ip[16] >= 224",
                "ether[0] & 1 = 0",
                "5 = 5",
                "1 = 2",
            ]);
        }
        let comparison = self.of(&["=", "==", "!=", "<", ">", "<=", ">="]);
        let left = self.arith(2);
        let right = match self.dice.once_in(4) {
            true => self.arith(1),
            false => self.constant(),
        };
        format!("{left} {comparison} {right}")
    }

    fn constant(&mut self) -> String {
        self.of(&[
            "0",
            "1",
            "2",
            "6",
            "17",
            "64",
            "80",
            "0x40",
            "0x0800",
            "1000",
            "0xffffffff",
            "010",
        ])
    }

    fn arith(&mut self, depth: usize) -> String {
        if depth > 0 && self.dice.once_in(2) {
            let operator = self.of(&["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"]);
            let left = self.arith(depth - 1);
            let right = match operator.as_str() {
                "/" | "%" => self.of(&["1", "3", "4", "7"]),
                "<<" | ">>" => self.of(&["1", "2", "4", "8"]),
                _ => match self.dice.once_in(3) {
                    true => self.arith(0),
                    false => self.constant(),
                },
            };
            return match self.dice.once_in(2) {
                true => format!("({left} {operator} {right})"),
                false => format!("{left} {operator} {right}"),
            };
        }
        let proto = self.of(&[
            "ip", "ip", "tcp", "tcp", "udp", "icmp", "ip6", "arp", "ether", "icmp6", "sctp", "igmp",
        ]);
        let size = self.of(&["", "", ":2", ":4", ":1"]);
        let offset = match self.dice.below(12) {
            0 => "ip[0] & 3".to_owned(),
            1 => "len - 20".to_owned(),
            _ => self
                .dice
                .of(&[0, 1, 2, 4, 6, 8, 9, 12, 13, 16, 20])
                .to_string(),
        };
        match self.dice.below(10) {
            0 => "len".into(),
            1 => format!("-{proto}[{offset}{size}]"),
            _ => format!("{proto}[{offset}{size}]"),
        }
    }
}
