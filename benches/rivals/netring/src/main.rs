//! The crate netring as a program that captures to a pcap file, by the settings that its tuning
//! guide gives for high throughput (blocks of 4 MiB, 60 ms, batches), and
//! its own pcap writer over a buffer of 1 MiB. One ring and one thread, as the programs beside it.
//!
//! Ends at SIGINT, and then says what tcpdump says.

use netring::Capture;
use netring::pcap::CaptureWriter;
use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bytes of a ring block, as the guide has it.
const BLOCK: usize = 4 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    if words.iter().any(|word| word == "--version") {
        println!("netring 0.32 as pkt-netring {}", env!("CARGO_PKG_VERSION"));
        return Ok(());
    }
    let after = |flag: &str| {
        let at = words.iter().position(|word| word == flag);
        let value = at.and_then(|at| words.get(at + 1)).cloned();
        value.ok_or("Usage: pkt-netring -i INTERFACE --ring MIB -w FILE")
    };
    let ring_bytes = after("--ring")?.parse::<usize>()? << 20;
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&stop))?;
    let mut capture = Capture::builder()
        .interface(&after("-i")?)
        .block_size(BLOCK)
        .block_count(ring_bytes / BLOCK)
        .block_timeout_ms(60)
        .build()?;
    let out = BufWriter::with_capacity(1 << 20, File::create(after("-w")?)?);
    let mut writer = CaptureWriter::create(out)?;
    let mut captured: u64 = 0;
    loop {
        match capture.next_batch_blocking(Duration::from_millis(100))? {
            Some(batch) => {
                for packet in &batch {
                    writer.write_packet(&packet)?;
                    captured += 1;
                }
            }
            None if stop.load(Ordering::Relaxed) => break,
            None => {}
        }
    }
    let stats = capture.stats()?;
    drop(writer);
    println!(
        "{captured} packets captured\n{} packets received by filter\n{} packets dropped by kernel",
        stats.delivered + stats.drops,
        stats.drops
    );
    Ok(())
}
