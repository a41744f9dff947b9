//! Feeds an asynchronous runtime: waits for the ring's descriptor, then takes
//! what is there without blocking. `async_runtime INTERFACE PACKETS`
#![allow(clippy::print_stdout)]

use async_io::Async;
use pktrail::af_packet::{AfPacket, Options};
use pktrail::{Error, Next, Result, Source};
use std::os::fd::AsFd;
use std::time::Duration;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let interface = args.next().unwrap_or_default();
    let wanted = args
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(10);
    async_io::block_on(watch(&interface, wanted))
}

async fn watch(interface: &str, wanted: usize) -> Result<()> {
    let mut source = AfPacket::open(&Options::new(interface))?;
    source.start()?;
    let failed = |cause| Error::io("cannot watch the ring", cause);
    let descriptor = source.as_fd().try_clone_to_owned().map_err(failed)?;
    let descriptor = Async::new_nonblocking(descriptor).map_err(failed)?;
    let mut seen = 0;
    while seen < wanted {
        match source.next_batch(Duration::ZERO)? {
            Next::Batch(batch) => {
                seen += batch.frames.len();
                let bytes: u64 = batch.frames.iter().map(|frame| u64::from(frame.len)).sum();
                println!(
                    "{seen} packets, the last {} with {bytes} bytes",
                    batch.frames.len()
                );
            }
            Next::Idle { .. } => descriptor.readable().await.map_err(failed)?,
            _ => {}
        }
    }
    Ok(())
}
