//! The printer against golden files that tcpdump wrote: a small network's
//! capture, and one of many application protocols, with the flags in each file's
//! name. Anyone may run it; the commands that write the files anew are told in
//! `tests/tests/text_peers/golden.rs` and `tests/tests/text_app_peers/golden.rs`.

use pktrail_core::read::Reader;
use pktrail_core::text::{Dump, NoNames, Printer, Style, Time};

const DEMO: &[u8] = include_bytes!("golden/demo.pcap");
const APP: &[u8] = include_bytes!("golden/app.pcap");

fn print(capture: &[u8], style: Style) -> String {
    let mut reader = Reader::new();
    let mut printer = Printer::new(style, Box::new(NoNames));
    let mut text = String::new();
    let mut input = capture;
    while let Some(batch) = reader.batch_from(&mut input).expect("the file is sound") {
        for frame in batch.iter() {
            let interface = batch.interface(frame.info).expect("it has one");
            printer.print(&frame, interface, &mut text);
        }
    }
    text
}

fn assert_same(capture: &[u8], style: Style, golden: &str) {
    let text = print(capture, style);
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
    ($capture:ident $($test:ident $file:literal { $($field:ident: $value:expr),* })*) => {$(
        #[test]
        fn $test() {
            let style = Style { $($field: $value,)* ..numeric() };
            let golden = include_str!(concat!("golden/", $file, ".txt"));
            assert_same($capture, style, golden);
        }
    )*};
}

golden! {
    DEMO
    plain "demo.n" {}
    with_the_link_header "demo.n-e" { link_header: true }
    verbose "demo.n-v" { verbose: 1 }
    most_verbose_with_the_link_header "demo.n-vvv-e" { verbose: 3, link_header: true }
    quiet_without_time "demo.n-q-t" { quiet: true, time: Time::None }
    absolute_numbers_and_dates "demo.n-S-tttt" { absolute_seq: true, time: Time::DateTime }
    hexadecimal_and_time_between "demo.n-x-ttt" { dump: Dump::Hex, time: Time::SincePrevious }
    hexadecimal_and_ascii_numbered "demo.n-XX-number" { dump: Dump::HexAsciiLink, number: true }
    ascii_and_verbose "demo.n-A-v" { dump: Dump::Ascii, verbose: 1 }
}

golden! {
    APP
    applications "app.n" {}
    applications_verbose "app.n-v" { verbose: 1 }
    applications_most_verbose "app.n-vvv-t" { verbose: 3, time: Time::None }
}
