//! Counts the packets of each flow on an interface, over two rings: the example
//! of the README. `flows INTERFACE`
#![allow(clippy::print_stdout)]

use pktrail::{Capture, FanoutMode, Flow, FlowKey};
use std::collections::HashMap;

fn main() -> pktrail::Result<()> {
    let interface = std::env::args().nth(1).unwrap_or_default();
    let capture = Capture::on(interface)
        .expression("tcp or udp")
        .fanout(2, FanoutMode::Hash);
    let (mut flows, mut seen) = (HashMap::<FlowKey, u64>::new(), 0);
    let account = capture.run(|batch| {
        for flow in batch.flows() {
            *flows.entry(flow).or_default() += 1;
        }
        seen += batch.frames.len();
        Flow::stop_if(seen >= 100)
    })?;
    println!("{flows:#?}\n{account:#?}");
    Ok(())
}
