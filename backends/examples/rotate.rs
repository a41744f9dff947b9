//! Writes what an interface sees to pcapng files of at most 1,000 packets each,
//! until the third is full. `rotate INTERFACE FILE`
#![allow(clippy::print_stdout)]

use pktrail::output::{FileSink, Output};
use pktrail::{Capture, Control, rotation::Rules};

fn main() -> pktrail::Result<()> {
    let mut args = std::env::args().skip(1);
    let (interface, file) = (
        args.next().unwrap_or_default(),
        args.next().unwrap_or_default(),
    );
    let capture = Capture::on(interface).open()?;

    let mut output = Output::new(file);
    output.interfaces = capture.interfaces().to_vec();
    output.rules = Rules {
        packets: Some(1000),
        stop_after_files: Some(3),
        ..Rules::default()
    };
    let mut sink = FileSink::open(output)?;

    let account = capture
        .run(&mut sink, &Control::default(), |_| {})
        .into_result()?;
    println!(
        "{} packets written, {} lost",
        account.delivered,
        account.lost.total()
    );
    Ok(())
}
