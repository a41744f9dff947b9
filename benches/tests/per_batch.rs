//! What the engine does for each batch it does not do for each frame: the number of allocations
//! does not depend on how many frames a batch has. One for a frame would show a thousandfold.

use pktrail::bench::Simulated;
use pktrail::inject::Sizes;
use pktrail::output::{FileSink, Output};
use pktrail::{Control, Engine};

/// Allocations on the way of so many batches of small frames, and the frames.
fn allocations(batches: u64) -> (u64, u64) {
    let source = Simulated::new(Sizes::Fixed(64), 4 << 20).expect("memory for a ring");
    let mut engine = Engine::new();
    engine.add(Box::new(source.batches(batches)));
    let mut sink = FileSink::open(Output::new("/dev/null")).expect("it is everywhere");
    let mut frames = 0;
    let counted = allocation_counter::measure(|| {
        let finished = engine.run(&mut sink, &Control::default(), |_| {});
        frames = finished.into_result().expect("nothing can fail").delivered;
    });
    (counted.count_total, frames)
}

#[test]
fn nothing_is_allocated_for_a_frame() {
    let ((few, some), (many, more)) = (allocations(20), allocations(220));
    let (allocations, frames) = (many.saturating_sub(few), more - some);
    assert!(frames > 1_000_000, "{frames}");
    // Some for each batch, and some for each tenth of a second.
    assert!(
        allocations < frames / 50,
        "{allocations} for {frames} frames"
    );
}
