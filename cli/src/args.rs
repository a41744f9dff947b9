//! The command line as it was typed. What it means is in `plan`.

use clap::{ArgAction, Parser};
use std::path::PathBuf;

/// Capture packets, read capture files, print them.
#[derive(Parser, Clone, Debug, Default)]
#[command(
    name = "pktrail",
    bin_name = "pktrail",
    about = "Capture packets to pcapng, read capture files, print them",
    long_about = None,
    disable_help_flag = true,
    disable_version_flag = true,
    args_override_self = true,
    infer_long_args = true,
    override_usage = "pktrail [capture] [FLAGS] [EXPRESSION]\n       \
        pktrail -r FILE [FLAGS] [EXPRESSION]\n       \
        pktrail devices | doctor | repair FILE | index FILE | bench |\n       \
        completions SHELL",
    after_help = "Flags have tcpdump's meaning; what tcpdump cannot do has long flags only.\n\
        Exit status: 0 done, 1 something was lost or failed, 2 wrong usage."
)]
pub(crate) struct Args {
    /// Interface to capture on; may be given several times. `any` is all of them
    #[arg(
        short = 'i',
        long = "interface",
        value_name = "INTERFACE",
        help_heading = "Where"
    )]
    pub interfaces: Vec<String>,
    /// Network namespace: a name, a path or a process id
    #[arg(long, value_name = "NAME", help_heading = "Where")]
    pub netns: Option<String>,
    /// Read from a file; `-` is standard input
    #[arg(
        short = 'r',
        long = "read-file",
        value_name = "FILE",
        help_heading = "Where"
    )]
    pub read: Option<PathBuf>,
    /// Read from the files named in a file, one a line; `-` is standard input
    #[arg(short = 'V', value_name = "FILE", help_heading = "Where")]
    pub read_list: Option<PathBuf>,
    /// With -r: only packets of this time and later: 2026-11-22T11:00:00Z (without Z:
    /// local), 11:00:00 on the day of the first packet, or seconds since 1970
    #[arg(long, value_name = "TIME", help_heading = "Where")]
    pub from: Option<String>,
    /// With -r: only packets before this time
    #[arg(long, value_name = "TIME", help_heading = "Where")]
    pub to: Option<String>,
    /// With -r: only packets of the flows between two ends, in both directions:
    /// 10.0.0.1:4000-10.0.0.2:80, [2001:db8::1]:4000-[2001:db8::2]:80; ports may be left
    /// out, and /tcp or another protocol may follow
    #[arg(long, value_name = "A:P-B:Q", help_heading = "Where")]
    pub flow: Option<String>,
    /// With -r: wait for more at the end of the file, until interrupted
    #[arg(long, help_heading = "Where")]
    pub follow: bool,
    /// List the interfaces
    #[arg(short = 'D', long = "list-interfaces", help_heading = "Where")]
    pub list_interfaces: bool,
    /// List the time stamp types of the interface
    #[arg(short = 'J', long = "list-time-stamp-types", help_heading = "Where")]
    pub list_timestamp_types: bool,
    /// List the link types of the interface
    #[arg(short = 'L', long = "list-data-link-types", help_heading = "Where")]
    pub list_link_types: bool,

    /// Most bytes to capture of a packet; 0 is 262144
    #[arg(
        short = 's',
        long = "snapshot-length",
        value_name = "BYTES",
        allow_negative_numbers = true,
        help_heading = "Capture"
    )]
    pub snaplen: Option<u32>,
    /// Do not put the interface into promiscuous mode
    #[arg(short = 'p', long = "no-promiscuous-mode", help_heading = "Capture")]
    pub no_promiscuous: bool,
    /// Direction: in, out or inout; decided in the kernel
    #[arg(
        short = 'Q',
        long = "direction",
        value_name = "DIRECTION",
        help_heading = "Capture"
    )]
    pub direction: Option<String>,
    /// Ring size in KiB, for each ring
    #[arg(
        short = 'B',
        long = "buffer-size",
        value_name = "KIB",
        allow_negative_numbers = true,
        help_heading = "Capture"
    )]
    pub buffer_kib: Option<u64>,
    /// Ring size in bytes, with suffixes (64M), for each ring
    #[arg(long, value_name = "BYTES", help_heading = "Capture")]
    pub ring: Option<String>,
    /// Size of a ring block in bytes, with suffixes (1M)
    #[arg(long, value_name = "BYTES", help_heading = "Capture")]
    pub block: Option<String>,
    /// Longest time a packet waits in a ring block, in milliseconds
    #[arg(long = "retire-ms", value_name = "MS", help_heading = "Capture")]
    pub retire_ms: Option<u32>,
    /// Deliver packets as soon as they arrive
    #[arg(long = "immediate-mode", help_heading = "Capture")]
    pub immediate: bool,
    /// Rings and threads for each interface: N[:hash|lb|cpu|rnd|rollover|qm|ebpf], or auto
    #[arg(long, value_name = "N[:MODE]", help_heading = "Capture")]
    pub fanout: Option<String>,
    /// Take packets of several rings as they come, in no order among the rings
    #[arg(long, help_heading = "Capture")]
    pub unordered: bool,
    /// Time stamp type; -J lists them
    #[arg(
        short = 'j',
        long = "time-stamp-type",
        value_name = "TYPE",
        help_heading = "Capture"
    )]
    pub timestamp_type: Option<String>,
    /// Link type
    #[arg(
        short = 'y',
        long = "linktype",
        value_name = "TYPE",
        help_heading = "Capture"
    )]
    pub link_type: Option<String>,
    /// Monitor mode of wireless interfaces (not supported)
    #[arg(
        short = 'I',
        long = "monitor-mode",
        help_heading = "Capture",
        hide = true
    )]
    pub monitor: bool,
    /// Give up root after opening: become this user
    #[arg(short = 'Z', long = "relinquish-privileges", value_name = "USER")]
    #[arg(help_heading = "Capture")]
    pub user: Option<String>,

    /// Write packets to a file; `-` is standard output
    #[arg(short = 'w', value_name = "FILE", help_heading = "Write")]
    pub write: Option<PathBuf>,
    /// File format: pcapng, pcap (microseconds) or pcap-ns
    #[arg(long, value_name = "FORMAT", help_heading = "Write")]
    pub format: Option<String>,
    /// Compress while writing: zstd[:1-22] or gz[:0-9]; -C counts what goes in
    #[arg(long, value_name = "zstd|gz[:LEVEL]", help_heading = "Write")]
    pub compress: Option<String>,
    /// A file for each ring, each in time order: out.pcapng becomes out-0.pcapng, out-1.pcapng …
    #[arg(long = "file-per-ring", help_heading = "Write")]
    pub file_per_ring: bool,
    /// Allow several link types in one pcapng file; tcpdump cannot read it
    #[arg(long = "mixed-link-types", help_heading = "Write")]
    pub mixed_link_types: bool,
    /// Write each packet to the file as soon as it comes
    #[arg(short = 'U', long = "packet-buffered", help_heading = "Write")]
    pub packet_buffered: bool,
    /// New file after so many bytes: millions, or with k, m, g, ki, mi, gi
    #[arg(short = 'C', value_name = "SIZE", help_heading = "Write")]
    pub rotate_bytes: Option<String>,
    /// New file every so many seconds; FILE may be a strftime pattern
    #[arg(short = 'G', value_name = "SECONDS", help_heading = "Write")]
    pub rotate_seconds: Option<u64>,
    /// With -G: at whole multiples of the interval by the clock
    #[arg(long = "align", help_heading = "Write")]
    pub rotate_aligned: bool,
    /// New file after so many packets
    #[arg(long = "rotate-packets", value_name = "N", help_heading = "Write")]
    pub rotate_packets: Option<u64>,
    /// With -C: the oldest of so many files is written over; with -G: stop after so many; with
    /// both: so many are kept
    #[arg(short = 'W', value_name = "FILES", help_heading = "Write")]
    pub file_count: Option<u64>,
    /// Run COMMAND FILE for each finished file, without waiting for it
    #[arg(short = 'z', value_name = "COMMAND", help_heading = "Write")]
    pub post_rotate: Option<String>,
    /// A JSON line for each finished file
    #[arg(long = "file-log", value_name = "FILE", help_heading = "Write")]
    pub file_log: Option<PathBuf>,
    /// Print packets too while writing them
    #[arg(long, help_heading = "Write")]
    pub print: bool,
    /// Keep the last packets in memory, by time (30s), size (512M) or both (30s,2G),
    /// and write or print them only when SIGUSR2, --trigger or --trigger-drop asks for them
    #[arg(long, value_name = "TIME|SIZE", help_heading = "Write")]
    pub keep: Option<String>,
    /// With --keep: packets that this filter expression matches ask for what is kept
    #[arg(long, value_name = "EXPRESSION", help_heading = "Write")]
    pub trigger: Option<String>,
    /// With --keep: the kernel's drops of packets that the capture's expression matches ask for
    /// what is kept; of these REASONs only, by the names that `pktrail trace` shows
    #[arg(long, value_name = "REASON,…", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "", help_heading = "Write")]
    pub trigger_drop: Option<String>,
    /// With --keep: what comes so many seconds after a trigger is taken too (5)
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    #[arg(help_heading = "Write")]
    pub after: Option<f64>,

    /// Stop after so many packets
    #[arg(short = 'c', value_name = "COUNT", help_heading = "Stop")]
    #[arg(allow_negative_numbers = true)]
    pub count: Option<u64>,
    /// Stop after so many seconds
    #[arg(long, value_name = "SECONDS", help_heading = "Stop")]
    #[arg(allow_negative_numbers = true)]
    pub duration: Option<f64>,
    /// Stop after so many bytes of packets, with suffixes
    #[arg(long = "max-bytes", value_name = "SIZE", help_heading = "Stop")]
    pub max_bytes: Option<String>,
    /// Stop after so many files
    #[arg(long = "max-files", value_name = "N", help_heading = "Stop")]
    pub max_files: Option<u64>,

    /// Read the filter from a file: an expression, or what -ddd prints
    #[arg(short = 'F', value_name = "FILE", help_heading = "Filter")]
    pub filter_file: Option<PathBuf>,
    /// Print the compiled filter (-d), as C (-dd), as numbers (-ddd)
    #[arg(short = 'd', action = ArgAction::Count, help_heading = "Filter")]
    pub dump_filter: u8,
    /// How the expression was understood, and the decisions it became: text, dot, svg
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "text", help_heading = "Filter")]
    pub explain: Option<String>,
    /// The filter as an eBPF program, listed: xdp, tc or skb (inside the kernel)
    #[arg(long, value_name = "CONTEXT", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "xdp", help_heading = "Filter")]
    pub ebpf: Option<String>,
    /// The expression also holds behind VLAN tags without `vlan` in it
    #[arg(long = "any-tag", help_heading = "Filter")]
    pub any_tag: bool,
    /// The expression also holds inside VXLAN, Geneve, GRE and IP in IP
    #[arg(long, help_heading = "Filter")]
    pub inner: bool,
    /// Do not optimise the filter
    #[arg(
        short = 'O',
        long = "no-optimize",
        help_heading = "Filter",
        hide = true
    )]
    pub no_optimize: bool,

    /// Numbers instead of names
    #[arg(short = 'n', action = ArgAction::Count, help_heading = "Print")]
    pub numeric: u8,
    /// Host names without their domain
    #[arg(short = 'N', help_heading = "Print")]
    pub no_domain: bool,
    /// More about each packet (-vv, -vvv: still more)
    #[arg(short = 'v', long = "verbose", action = ArgAction::Count, help_heading = "Print")]
    pub verbose: u8,
    /// Less about each packet
    #[arg(short = 'q', long = "quiet", help_heading = "Print")]
    pub quiet: bool,
    /// The link-layer header too
    #[arg(short = 'e', help_heading = "Print")]
    pub link_header: bool,
    /// The packet in hexadecimal (-xx: with its link-layer header)
    #[arg(short = 'x', action = ArgAction::Count, help_heading = "Print")]
    pub hex: u8,
    /// The packet in hexadecimal and ASCII (-XX: with its link-layer header)
    #[arg(short = 'X', action = ArgAction::Count, help_heading = "Print")]
    pub hex_ascii: u8,
    /// The packet in ASCII (-AA: with its link-layer header)
    #[arg(short = 'A', action = ArgAction::Count, help_heading = "Print")]
    pub ascii: u8,
    /// TCP sequence numbers as they are
    #[arg(
        short = 'S',
        long = "absolute-tcp-sequence-numbers",
        help_heading = "Print"
    )]
    pub absolute_seq: bool,
    /// Times: -t none, -tt seconds, -ttt deltas, -tttt date, -ttttt since the first
    #[arg(short = 't', action = ArgAction::Count, help_heading = "Print")]
    pub time: u8,
    /// A number before each packet
    #[arg(short = '#', long = "number", help_heading = "Print")]
    pub number: bool,
    /// Do not verify checksums
    #[arg(short = 'K', long = "dont-verify-checksums", help_heading = "Print")]
    pub no_checksums: bool,
    /// Only count the packets
    #[arg(long = "count", help_heading = "Print")]
    pub only_count: bool,
    /// Nanoseconds in printed times and pcap files
    #[arg(long, overrides_with = "micro", help_heading = "Print")]
    pub nano: bool,
    /// Microseconds in printed times and pcap files
    #[arg(long, overrides_with = "nano", help_heading = "Print")]
    pub micro: bool,
    /// `micro` or `nano`
    #[arg(
        long = "time-stamp-precision",
        value_name = "PRECISION",
        help_heading = "Print"
    )]
    pub precision: Option<String>,
    /// Each line at once, even into a pipe
    #[arg(short = 'l', help_heading = "Print")]
    pub line_buffered: bool,
    /// JSON instead of text, in all that is said (docs/json.md)
    #[arg(long, help_heading = "Print")]
    pub json: bool,
    /// The account on standard error every so many seconds
    #[arg(long, value_name = "SECONDS", help_heading = "Print")]
    #[arg(allow_negative_numbers = true)]
    pub stats: Option<f64>,

    /// This help
    #[arg(short = 'h', long, action = ArgAction::Help, help_heading = "About")]
    pub help: Option<bool>,
    /// The version
    #[arg(long, help_heading = "About")]
    pub version: bool,

    /// Which packets: a filter expression
    #[arg(value_name = "EXPRESSION")]
    pub expression: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_table_of_flags_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn flags_may_be_run_together_and_follow_the_expression() {
        let args =
            Args::try_parse_from(["pktrail", "-nnvvXSs0", "tcp", "port", "80", "-c3"]).unwrap();
        assert_eq!((args.numeric, args.verbose, args.hex_ascii), (2, 2, 1));
        assert_eq!((args.snaplen, args.count), (Some(0), Some(3)));
        assert_eq!(args.expression, ["tcp", "port", "80"]);
    }

    #[test]
    fn repeated_single_flags_are_no_error() {
        let args = Args::try_parse_from(["pktrail", "-e", "-e", "-S", "-S", "-i", "a", "-i", "b"]);
        assert_eq!(args.unwrap().interfaces, ["a", "b"]);
    }
}
