//! The programs compared: how each is called at its best, and how it reports.
//!
//! A new peer is one row of [`PEERS`].

use std::path::Path;

/// Where captured frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// `/dev/null`: what the program itself costs.
    Null,
    /// A new file on a disk.
    Disk,
}

impl Output {
    /// The name in tables and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Disk => "disk",
        }
    }
}

/// What a program said of its own capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Frames captured.
    pub captured: u64,
    /// Frames it knows to be lost.
    pub lost: u64,
}

/// When a program takes part without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usual {
    /// With all outputs.
    Always,
    /// With the disk: what is best there, and not elsewhere.
    Disk,
    /// Never: other settings, which were slower, and what is built apart.
    Never,
}

/// A program that captures.
pub struct Peer {
    /// The name in tables and flags.
    pub name: &'static str,
    /// The program; ours are taken from beside the running one.
    pub program: &'static str,
    /// Whether it is built here.
    pub ours: bool,
    /// The arguments. `IF`, `FILE`, `MIB` and `KIB` stand for the interface, the
    /// file, and the size of the ring.
    pub arguments: &'static [&'static str],
    /// Whether it can write to a disk.
    pub writes: bool,
    /// Whether it takes part unless asked not to.
    pub usual: Usual,
    /// Understands what it prints at its end, on standard output or error.
    pub report: fn(&str) -> Option<Report>,
}

/// All programs, in the order of the tables.
pub const PEERS: &[Peer] = &[
    Peer {
        name: "bare",
        program: "pkt-drain",
        ours: true,
        arguments: &["-i", "IF", "--ring", "MIB", "--bare"],
        writes: false,
        usual: Usual::Always,
        report: like_tcpdump,
    },
    Peer {
        name: "drain",
        program: "pkt-drain",
        ours: true,
        arguments: &["-i", "IF", "--ring", "MIB"],
        writes: false,
        usual: Usual::Always,
        report: like_tcpdump,
    },
    Peer {
        name: "pktrail",
        program: "pktrail",
        ours: true,
        arguments: &["-i", "IF", "-B", "KIB", "-w", "FILE"],
        writes: true,
        usual: Usual::Always,
        report: like_tcpdump,
    },
    Peer {
        name: "tcpdump",
        program: "tcpdump",
        ours: false,
        arguments: &["-i", "IF", "-n", "-B", "KIB", "-Z", "root", "-w", "FILE"],
        writes: true,
        usual: Usual::Always,
        report: like_tcpdump,
    },
    Peer {
        name: "dumpcap",
        program: "dumpcap",
        ours: false,
        // -P: pcap, which it writes faster than pcapng.
        arguments: &["-i", "IF", "-q", "-P", "-B", "MIB", "-w", "FILE"],
        writes: true,
        usual: Usual::Always,
        report: like_dumpcap,
    },
    Peer {
        name: "dumpcap-pcapng",
        program: "dumpcap",
        ours: false,
        arguments: &["-i", "IF", "-q", "-B", "MIB", "-w", "FILE"],
        writes: true,
        usual: Usual::Never,
        report: like_dumpcap,
    },
    Peer {
        name: "dumpcap-thread",
        program: "dumpcap",
        ours: false,
        // A thread of its own writes, from a queue of 256 MB.
        arguments: &[
            "-i",
            "IF",
            "-q",
            "-t",
            "-C",
            "256000000",
            "-B",
            "MIB",
            "-w",
            "FILE",
        ],
        writes: true,
        usual: Usual::Never,
        report: like_dumpcap,
    },
    Peer {
        name: "netsniff-ng",
        program: "netsniff-ng",
        ours: false,
        // -A and -Q: leave the machine's own settings alone. Its default way of
        // writing is scatter-gather, from a buffer of 64 MiB.
        arguments: &["-i", "IF", "-s", "-A", "-Q", "-S", "MIBMiB", "-o", "FILE"],
        writes: true,
        usual: Usual::Always,
        report: like_netsniff,
    },
    Peer {
        name: "netsniff-ng-rw",
        program: "netsniff-ng",
        ours: false,
        arguments: &[
            "-i", "IF", "-s", "-c", "-A", "-Q", "-S", "MIBMiB", "-o", "FILE",
        ],
        writes: true,
        usual: Usual::Disk,
        report: like_netsniff,
    },
    Peer {
        name: "netsniff-ng-mmap",
        program: "netsniff-ng",
        ours: false,
        arguments: &[
            "-i", "IF", "-s", "-m", "-A", "-Q", "-S", "MIBMiB", "-o", "FILE",
        ],
        writes: true,
        usual: Usual::Never,
        report: like_netsniff,
    },
    Peer {
        name: "netring",
        // In a workspace of its own, benches/rivals; scripts/bench builds it.
        program: "pkt-netring",
        ours: true,
        arguments: &["-i", "IF", "--ring", "MIB", "-w", "FILE"],
        writes: true,
        usual: Usual::Never,
        report: like_tcpdump,
    },
];

impl Peer {
    /// The arguments with everything put in.
    pub fn arguments(&self, interface: &str, file: &Path, ring_mib: u32) -> Vec<String> {
        let (mib, kib) = (ring_mib.to_string(), (ring_mib * 1024).to_string());
        let put = |argument: &&str| match *argument {
            "IF" => interface.to_owned(),
            "FILE" => file.display().to_string(),
            "KIB" => kib.clone(),
            other => match other.strip_prefix("MIB") {
                Some(unit) => format!("{mib}{unit}"),
                None => other.to_owned(),
            },
        };
        self.arguments.iter().map(put).collect()
    }
}

/// The first number of a text.
fn number(text: &str) -> Option<u64> {
    let digits = |c: char| c.is_ascii_digit();
    let text = &text[text.find(digits)?..];
    let end = text.find(|c: char| !digits(c)).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The number that the line with `words` begins with.
fn before(said: &str, words: &str) -> Option<u64> {
    number(said.lines().find(|line| line.contains(words))?)
}

fn like_tcpdump(said: &str) -> Option<Report> {
    let captured = said.lines().find(|line| line.ends_with(" captured"))?;
    // pktrail goes on to say what was lost in all, by place.
    let lost = said.lines().find_map(|line| line.strip_prefix("lost "));
    Some(Report {
        captured: number(captured)?,
        lost: match lost {
            Some(rest) => number(rest)?,
            None => before(said, "dropped by kernel")?,
        },
    })
}

fn like_dumpcap(said: &str) -> Option<Report> {
    let line = said
        .lines()
        .find(|line| line.starts_with("Packets received/dropped"))?;
    // Behind the quoted name of the interface: `662298/337704 (pcap:…`.
    let (captured, lost) = line.rsplit_once("': ")?.1.split_once('/')?;
    Some(Report {
        captured: number(captured)?,
        lost: number(lost)?,
    })
}

fn like_netsniff(said: &str) -> Option<Report> {
    Some(Report {
        captured: before(said, "packets passed filter")?,
        lost: before(said, "packets failed filter")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_understood() {
        let report = |captured, lost| Some(Report { captured, lost });
        let tcpdump = "tcpdump: listening on a1\n7 packets captured\n\
                       9 packets received by filter\n2 packets dropped by kernel\n";
        assert_eq!(like_tcpdump(tcpdump), report(7, 2));
        let pktrail = format!("{tcpdump}lost 3 packets: ring 2, disk 1\n");
        assert_eq!(like_tcpdump(&pktrail), report(7, 3));
        let dumpcap = "Capturing on 'a1'\nPackets received/dropped on interface 'a1': \
                       62/38 (pcap:30/dumpcap:8/flushed:0/ps_ifdrop:0) (62.0%)\n";
        assert_eq!(like_dumpcap(dumpcap), report(62, 38));
        let netsniff = "  20  packets incoming (5 unread on exit)\n  19  packets passed filter\n\
                        \n   5  packets failed filter (out of space)\n";
        assert_eq!(like_netsniff(netsniff), report(19, 5));
        assert_eq!(like_netsniff("Running!"), None);
    }

    #[test]
    fn arguments_take_names_and_sizes() {
        let peer = PEERS.iter().find(|peer| peer.name == "netsniff-ng");
        let arguments = peer
            .map(|peer| peer.arguments("a1", Path::new("f"), 64))
            .unwrap_or_default();
        assert_eq!(arguments.join(" "), "-i a1 -s -A -Q -S 64MiB -o f");
    }
}
