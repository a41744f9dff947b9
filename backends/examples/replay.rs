//! Replays a capture file at its own pace: each packet is shown when its time has
//! come. `replay FILE SPEED`
#![allow(clippy::print_stdout)]

use pktrail::engine::Order;
use pktrail::file::{FileSource, Options};
use pktrail::names::SystemNames;
use pktrail::sink::{Flow, ForEach};
use pktrail::text::{Printer, Style};
use pktrail::{Control, Engine, Interface, Result};
use std::time::{Duration, Instant};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let file = args.next().unwrap_or_default();
    let speed: f64 = args
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(1.0);
    let mut engine = Engine::new().order(Order::AsDelivered);
    engine.add(Box::new(FileSource::open(&file, Options::default())?));

    let style = Style {
        numeric: true,
        ..Style::default()
    };
    let mut printer = Printer::new(style, Box::new(SystemNames::new()));
    let (begin, mut first_ns) = (Instant::now(), None);
    let mut sink = ForEach(|batch: pktrail::Batch| {
        for frame in batch.iter() {
            let first_ns = *first_ns.get_or_insert(frame.info.timestamp_ns);
            let age = Duration::from_nanos(frame.info.timestamp_ns.saturating_sub(first_ns));
            std::thread::sleep(age.div_f64(speed).saturating_sub(begin.elapsed()));
            let mut text = String::new();
            let nowhere = Interface::default();
            printer.print(
                &frame,
                batch.interface(frame.info).unwrap_or(&nowhere),
                &mut text,
            );
            print!("{text}");
        }
        Flow::Continue
    });
    engine
        .run(&mut sink, &Control::default(), |_| {})
        .into_result()
        .map(drop)
}
