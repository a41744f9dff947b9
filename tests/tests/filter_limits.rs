//! The compiler's limits: no text takes more than so much memory and work, however it is made; what
//! is too large is refused, and the place is shown.
//!
//! Work is counted in allocations and in the bytes that they ask for, which are the same in each
//! run. Times are shown, to be read from an optimised build.

#![allow(
    clippy::print_stdout,
    reason = "the numbers of a run are to be recorded"
)]

use pktrail_core::filter::{self, LiveTarget, NoNames, Target};
use pktrail_core::{Filter, LinkType};
use pktrail_tests::fuzz::cpu_time;
use std::time::Duration;

/// At one time.
const MOST_BYTES: u64 = 64 << 20;
/// All together: what is asked for is also walked through, a few times at most.
const MOST_BYTES_ASKED: u64 = 600 << 20;
const MOST_ALLOCATIONS: u64 = 3_000_000;

fn joined(count: usize, joint: &str, term: impl Fn(usize) -> String) -> String {
    (0..count).map(term).collect::<Vec<_>>().join(joint)
}

/// Alternates `and` and `or`.
fn groups(count: usize, term: impl Fn(usize) -> String) -> String {
    let group = |g: usize| format!("({})", ors(10, |n| term(10 * g + n)));
    ands(count / 10, group)
}

fn random(n: usize) -> usize {
    let mut z = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as usize
}

fn host(n: usize) -> String {
    let n = random(n);
    format!(
        "{}.{}.{}.{}",
        n & 0xff,
        n >> 8 & 0xff,
        n >> 16 & 0xff,
        n >> 24 & 0xff
    )
}

fn host6(n: usize) -> String {
    let n = random(n);
    format!(
        "2001:db8:{:x}:{:x}::{:x}",
        n & 0xffff,
        n >> 16 & 0xffff,
        n >> 32 & 0xffff
    )
}

fn ors(count: usize, term: impl Fn(usize) -> String) -> String {
    joined(count, " or ", term)
}

fn ands(count: usize, term: impl Fn(usize) -> String) -> String {
    joined(count, " and ", term)
}

/// A name, and the text of a size.
type Case = (&'static str, fn(usize) -> String);

const ADDRESSES: &[Case] = &[
    ("hosts", |n| format!("host {}", ors(n, host))),
    ("source hosts", |n| format!("src host {}", ors(n, host))),
    ("not hosts", |n| {
        ands(n, |i: usize| format!("not host {}", host(i)))
    }),
    ("hosts 6", |n| format!("ip6 host {}", ors(n, host6))),
    ("nets", |n| {
        let net = |i: usize| {
            format!(
                "net {}.{}.{}.0/24",
                i & 0xff,
                i >> 8 & 0xff,
                random(i) & 0xff
            )
        };
        ors(n, net)
    }),
    ("nets 6", |n| {
        let net = |i: usize| format!("net 2001:{:x}:{:x}::/48", random(i) & 0xffff, i & 0xffff);
        ors(n, net)
    }),
    ("pairs of nets", |n| {
        let (a, b) = (|i: usize| i & 0xff, |i: usize| random(i) & 0xff);
        let net = |i: usize| format!("{}.{}.0.0/16", a(i), b(i));
        ands(n, |i: usize| {
            format!("not (src net {} and dst net {})", net(i), net(i + 9))
        })
    }),
    ("macs", |n| {
        let rest = |i: usize| {
            format!(
                "{:02x}:{:02x}:{:02x}",
                i & 0xff,
                i >> 8 & 0xff,
                random(i) & 0xff
            )
        };
        ors(n, |i: usize| format!("ether host 02:00:00:{}", rest(i)))
    }),
    ("host and port", |n| {
        ors(n, |i: usize| {
            format!("(host {} and port {})", host(i), random(i) & 0xffff)
        })
    }),
    ("flows", |n| {
        let flow = |i: usize| format!("src host {} and dst host {}", host(i), host(i + 7));
        ors(n, |i: usize| {
            format!("({} and tcp port {})", flow(i), random(i) & 0xffff)
        })
    }),
    ("names", |n| {
        ors(n, |i: usize| format!("host nosuchname{i}"))
    }),
    ("groups of hosts", |n| {
        groups(n, |i: usize| format!("host {}", host(i)))
    }),
];

const PORTS_AND_SUMS: &[Case] = &[
    ("ports", |n| {
        ors(n, |i: usize| format!("port {}", random(i) & 0xffff))
    }),
    ("ranges of ports", |n| {
        let low = |i: usize| random(i) & 0xfff;
        ors(n, |i: usize| {
            format!("portrange {}-{}", low(i), low(i) + (random(i) >> 20 & 0xff))
        })
    }),
    ("groups of ports", |n| {
        groups(n, |i: usize| format!("tcp port {}", random(i) & 0xff))
    }),
    ("bytes", |n| {
        ors(n, |i: usize| {
            format!("link[{}] = {}", random(i) & 0x3ff, i & 0xff)
        })
    }),
    ("pairs of bytes", |n| {
        let at = |i: usize| random(i) & 0x3ff;
        ors(n, |i: usize| {
            format!(
                "(link[{}] = {} and link[{}] = 1)",
                at(i),
                i & 0xff,
                at(i + 1)
            )
        })
    }),
    ("groups of bits", |n| {
        let mask = |i: usize| random(i) >> 8 & 0xff;
        groups(n, |i: usize| {
            format!("link[{}] & {} = {}", random(i) & 0x3f, mask(i), i & 0xf)
        })
    }),
    ("either byte", |n| {
        let (a, b) = (|i: usize| i & 0xff, |i: usize| (i * 7 + 1) & 0xff);
        ands(n, |i: usize| {
            format!("(link[{}] = 1 or link[{}] = 2)", a(i), b(i))
        })
    }),
    ("sums compared", |n| {
        ors(n, |i: usize| {
            format!("ip[{}:2] + tcp[{}:2] = {i}", i & 0x1f, i & 0xf)
        })
    }),
    ("a sum", |n| {
        format!(
            "{} = 1",
            joined(n, " + ", |i: usize| format!("link[{}]", i & 0x3ff))
        )
    }),
    ("a product", |n| {
        format!(
            "{} = 1",
            joined(n, " * ", |i: usize| format!("tcp[{}]", i & 0x3f))
        )
    }),
    ("everything", |n| {
        groups(n, |i: usize| match i % 7 {
            0 => format!("host {}", host(i)),
            1 => format!("port {}", i & 0xffff),
            2 => format!("ip6 host {}", host6(i)),
            3 => format!("len > {}", i & 0xfff),
            4 => format!("tcp[{}] & {} != 0", i % 20, i & 0xff),
            5 => "icmp6".into(),
            _ => format!("ether host 02:00:00:00:00:{:02x}", i & 0xff),
        })
    }),
];

const LAYERS: &[Case] = &[
    ("vlan and", |n| {
        ands(n, |i: usize| format!("vlan {}", i & 0xfff))
    }),
    ("vlan or", |n| {
        ors(n, |i: usize| format!("vlan {}", i & 0xfff))
    }),
    ("mpls and", |n| {
        ands(n, |i: usize| format!("mpls {}", i & 0xfff))
    }),
    ("mpls or", |n| ors(n, |_| "mpls".into())),
    ("geneve", |n| ands(n, |_| "geneve".into())),
    ("vxlan", |n| ors(n, |_| "vxlan".into())),
    ("protochain", |n| {
        ors(n, |i: usize| format!("protochain {}", i & 0xff))
    }),
    ("protochain 6", |n| {
        ands(n, |i: usize| format!("ip6 protochain {}", i & 0xff))
    }),
    ("llc", |n| {
        let kinds = ["i", "s", "u", "rr", "rnr"];
        ors(n, |i: usize| {
            format!("llc {} and ether proto {}", kinds[i % 5], i & 0xff)
        })
    }),
    ("tags and chains", |n| {
        let tags = ands(n % 100, |_| "vlan".into());
        format!(
            "vlan and {tags} and {}",
            ors(n, |i: usize| format!("ip6 protochain {}", i & 0xff))
        )
    }),
    ("tunnels and a chain", |n| {
        let kind = |i: usize| {
            if i.is_multiple_of(2) {
                "vxlan"
            } else {
                "geneve"
            }
        };
        ands(n % 7 + 1, |i: usize| kind(i).into()) + " and ip6 protochain 6"
    }),
    ("chains or ports in PPPoE", |n| {
        let either = |i: usize| format!("(protochain {} or port {i})", i & 0xff);
        format!("pppoes and {}", ands(n, either))
    }),
];

const DEPTHS: &[Case] = &[
    ("not", |n| format!("{} tcp", "not ".repeat(n))),
    ("parentheses", |n| {
        format!("{}tcp{}", "(".repeat(n), ")".repeat(n))
    }),
    ("parentheses of a number", |n| {
        format!("{}1{} = 1", "(".repeat(n), ")".repeat(n))
    }),
    ("index of an index", |n| {
        format!("{}1{} = 1", "link[".repeat(n), "]".repeat(n))
    }),
    ("tower of sums", |n| {
        let more = |inner: String, i: usize| format!("link[{inner} * {} + {i}:2]", i + 3);
        (0..n.min(500)).fold("link[0]".to_owned(), more) + " = 1"
    }),
    ("tower of TCP", |n| {
        let more = |inner: String, i: usize| format!("tcp[{inner} - {i}:2]");
        (0..n.min(500)).fold("tcp[0]".to_owned(), more) + " = 1"
    }),
    ("and, or", |n| {
        let joint = |i: usize| if i.is_multiple_of(2) { "and" } else { "or" };
        joined(n, "", |i: usize| {
            format!("port {} {} ", i & 0xffff, joint(i))
        }) + "tcp"
    }),
    ("digits", |n| format!("len = {}", "9".repeat(n))),
    ("letters", |n| "a".repeat(n)),
    ("numbers without end", |n| "1 ".repeat(n)),
];

/// For files, and with all that multiplies an expression.
fn targets() -> [Target; 2] {
    let plain = Target::new(LinkType::ETHERNET, 262_144);
    let all = Target {
        any_tag: true,
        inner: true,
        live: Some(LiveTarget {
            stripped_tags: true,
            cooked: false,
        }),
        ..plain.clone()
    };
    [plain, all]
}

/// Checks one, and says how long it took.
fn check(name: &str, text: &str, multiplied: bool) -> Duration {
    let mut longest = Duration::ZERO;
    for target in targets().into_iter().take(1 + usize::from(multiplied)) {
        let mut refused = None;
        let begin = cpu_time();
        let spent = allocation_counter::measure(|| {
            let compiled = Filter::compile(text, &target, &mut NoNames);
            refused = compiled.err();
        });
        longest = longest.max(cpu_time().saturating_sub(begin));
        let which = format!("{name}, inner: {}: {spent:?}", target.inner);
        assert!(spent.bytes_max <= MOST_BYTES, "{which}");
        assert!(spent.bytes_total <= MOST_BYTES_ASKED, "{which}");
        assert!(spent.count_total <= MOST_ALLOCATIONS, "{which}");
        if let Some(error) = refused {
            let picture = filter::caret(text, &error);
            let picture = picture.unwrap_or_else(|| panic!("{which}: {error:#}: no place"));
            assert!(
                picture.contains('^') && picture.len() < 300,
                "{which}: {picture}"
            );
        }
    }
    longest
}

fn check_all(cases: &[Case]) {
    let mut longest = (Duration::ZERO, String::new());
    for (name, text) in cases {
        // From where little is refused to what nobody would write.
        for size in [100, 1000, 20_000] {
            let name = format!("{name} {size}");
            let took = check(&name, &text(size), size <= 1000);
            longest = longest.max((took, name));
        }
    }
    println!("{} expressions, longest: {longest:?}", 3 * cases.len());
}

#[test]
fn addresses_are_bounded() {
    check_all(ADDRESSES);
}

#[test]
fn ports_and_sums_are_bounded() {
    check_all(PORTS_AND_SUMS);
}

#[test]
fn tags_tunnels_and_chains_are_bounded() {
    check_all(LAYERS);
}

#[test]
fn depths_are_bounded() {
    check_all(DEPTHS);
}

/// What people have lists of must not be refused.
#[test]
fn lists_that_people_have_are_compiled() {
    let target = Target::new(LinkType::ETHERNET, 262_144);
    for text in [
        format!("host {}", joined(2000, " or ", host)),
        format!("not host {}", joined(2000, " or ", host)),
        format!("ip6 host {}", joined(500, " or ", host6)),
        joined(1000, " or ", |i| format!("port {}", random(i) & 0xffff)),
        joined(300, " or ", |i| {
            format!("(host {} and port {})", host(i), i + 1)
        }),
        format!(
            "tcp port 80 and ({})",
            joined(2000, " or ", |i| format!("src host {}", host(i)))
        ),
    ] {
        let compiled = Filter::compile(&text, &target, &mut NoNames);
        let start: String = text.chars().take(60).collect();
        compiled.unwrap_or_else(|error| panic!("{start}: {error:#}"));
    }
    let both = &targets()[1];
    let few = format!("host {}", joined(30, " or ", host));
    Filter::compile(&few, both, &mut NoNames).expect("behind tags and in tunnels");
}
