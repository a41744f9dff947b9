//! The printer against golden files that tcpdump wrote: a small network's
//! capture, with the flags in each file's name. Anyone may run it; the command
//! that writes the files anew is told in `tests/tests/text_peers/golden.rs`.

use pktrail_core::read::Reader;
use pktrail_core::text::{Dump, NoNames, Printer, Style, Time};

const CAPTURE: &[u8] = include_bytes!("golden/demo.pcap");

fn print(style: Style) -> String {
    let mut reader = Reader::new();
    let mut printer = Printer::new(style, Box::new(NoNames));
    let mut text = String::new();
    let mut input = CAPTURE;
    while let Some(batch) = reader.batch_from(&mut input).expect("the file is sound") {
        for frame in batch.iter() {
            let interface = batch.interface(frame.info).expect("it has one");
            printer.print(&frame, interface, &mut text);
        }
    }
    text
}

fn assert_same(style: Style, golden: &str) {
    let text = print(style);
    for (line, (ours, theirs)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {}", line + 1);
    }
    assert_eq!(text, golden);
}

/// Numbers, and otherwise the default.
fn numeric() -> Style {
    Style {
        numeric: true,
        ..Style::default()
    }
}

macro_rules! golden {
    ($($test:ident $file:literal { $($field:ident: $value:expr),* })*) => {$(
        #[test]
        fn $test() {
            let style = Style { $($field: $value,)* ..numeric() };
            assert_same(style, include_str!(concat!("golden/demo.", $file, ".txt")));
        }
    )*};
}

golden! {
    plain "n" {}
    with_the_link_header "n-e" { link_header: true }
    verbose "n-v" { verbose: 1 }
    most_verbose_with_the_link_header "n-vvv-e" { verbose: 3, link_header: true }
    quiet_without_time "n-q-t" { quiet: true, time: Time::None }
    absolute_numbers_and_dates "n-S-tttt" { absolute_seq: true, time: Time::DateTime }
    hexadecimal_and_time_between "n-x-ttt" { dump: Dump::Hex, time: Time::SincePrevious }
    hexadecimal_and_ascii_numbered "n-XX-number" { dump: Dump::HexAsciiLink, number: true }
    ascii_and_verbose "n-A-v" { dump: Dump::Ascii, verbose: 1 }
}
