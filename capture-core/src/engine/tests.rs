//! The engine over sources and sinks in memory.

use super::*;
use crate::pcapng::Packing;
use crate::{FrameInfo, Losses, Next, Obstacle, SourceAccount};

/// Yields frames numbered by their times, a batch at a time.
struct Numbers {
    interfaces: Vec<Interface>,
    batches: Vec<Vec<u64>>,
    received: u64,
    lost: u64,
    fails: bool,
}

impl Numbers {
    fn new(name: &str, batches: &[&[u64]]) -> Self {
        let interfaces = vec![Interface {
            name: name.into(),
            ..Interface::default()
        }];
        let batches: Vec<Vec<u64>> = batches.iter().rev().map(|times| times.to_vec()).collect();
        let received = batches.iter().map(Vec::len).sum::<usize>() as u64;
        Self {
            interfaces,
            batches,
            received,
            lost: 0,
            fails: false,
        }
    }
}

impl Source for Numbers {
    fn set_filter(&mut self, _: &Filter) -> Result<Placement> {
        Ok(Placement::Here(Obstacle::Source))
    }

    fn next_batch(&mut self, _: Duration) -> Result<Next> {
        match self.batches.pop() {
            Some(times) => {
                let frame = |timestamp_ns| FrameInfo {
                    timestamp_ns,
                    ..FrameInfo::default()
                };
                let frames = times.into_iter().map(frame).collect();
                let interfaces = Arc::new(self.interfaces.clone());
                Ok(Next::Batch(Batch::new(Vec::new(), frames, interfaces)))
            }
            None if self.fails => Err(Error::new(crate::ErrorKind::Damaged, "block 7 is cut")),
            None => Ok(Next::End),
        }
    }

    fn stop(&mut self) -> Result<()> {
        self.received -= self.batches.iter().map(Vec::len).sum::<usize>() as u64;
        self.batches.clear();
        Ok(())
    }

    fn account(&mut self) -> Result<SourceAccount> {
        let lost = Losses {
            ring: self.lost,
            ..Losses::default()
        };
        let received = self.received + self.lost;
        Ok(SourceAccount {
            name: self.interfaces[0].name.clone(),
            received,
            lost,
            ..Default::default()
        })
    }

    fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }
}

/// Collects times; may want only so many, or fail after so many.
#[derive(Default)]
struct Collect {
    times: Vec<u64>,
    interfaces: usize,
    limit: Option<usize>,
    fails: Option<crate::ErrorKind>,
    surplus: u64,
    lost: u64,
    finished: bool,
}

impl Sink for Collect {
    fn write(&mut self, batch: Batch) -> Result<Flow> {
        self.interfaces = batch.interfaces.len();
        if let Some(kind) = self.fails {
            self.lost += batch.frames.len() as u64;
            return Err(Error::new(kind, "no"));
        }
        for frame in &batch.frames {
            if self.limit.is_some_and(|limit| self.times.len() >= limit) {
                self.surplus += 1;
            } else {
                self.times.push(frame.timestamp_ns);
            }
        }
        let full = self.limit.is_some_and(|limit| self.times.len() >= limit);
        Ok(if full { Flow::Stop } else { Flow::Continue })
    }

    fn finish(&mut self, _: &Account) -> Result<()> {
        self.finished = true;
        Ok(())
    }

    fn surplus(&self) -> u64 {
        self.surplus
    }

    fn losses(&self) -> Losses {
        Losses {
            disk: self.lost,
            ..Losses::default()
        }
    }
}

fn run(sources: Vec<Numbers>, sink: &mut Collect) -> Finished {
    let mut engine = Engine::new();
    for source in sources {
        engine.add(Box::new(source));
    }
    let finished = engine.run(sink, &Control::default(), |_| {});
    assert!(sink.finished);
    assert!(finished.account.is_balanced(), "{:?}", finished.account);
    finished
}

#[test]
fn two_sources_become_one_stream_in_order() {
    let a = Numbers::new("a", &[&[1_000_000, 3_000_000], &[5_000_000]]);
    let b = Numbers::new("b", &[&[2_000_000], &[4_000_000, 6_000_000]]);
    let mut sink = Collect::default();
    let account = run(vec![a, b], &mut sink).into_result().unwrap();
    assert_eq!(
        sink.times,
        [
            1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000, 6_000_000
        ]
    );
    assert_eq!(sink.interfaces, 2);
    assert_eq!((account.received, account.delivered), (6, 6));
}

#[test]
fn a_limit_leaves_the_rest_as_surplus() {
    let mut sink = Collect {
        limit: Some(2),
        ..Collect::default()
    };
    let batches: Vec<&[u64]> = vec![&[1, 2, 3]; 100];
    let account = run(vec![Numbers::new("a", &batches)], &mut sink).account;
    assert_eq!(sink.times.len(), 2);
    assert_eq!(account.delivered, 2);
    assert_eq!(account.surplus, account.received - 2);
}

#[test]
fn a_failed_sink_loses_what_still_comes_and_says_so() {
    let mut sink = Collect {
        fails: Some(crate::ErrorKind::DiskFull),
        ..Collect::default()
    };
    let finished = run(vec![Numbers::new("a", &[&[1, 2], &[3], &[4]])], &mut sink);
    assert_eq!(
        finished.result.unwrap_err().kind(),
        crate::ErrorKind::DiskFull
    );
    assert!(finished.account.lost.disk >= 2);
    assert_eq!(finished.account.delivered, 0);
    assert_eq!(finished.account.lost.after_tap(), finished.account.received);
}

#[test]
fn a_reader_that_has_gone_is_no_loss() {
    let mut sink = Collect {
        fails: Some(crate::ErrorKind::BrokenPipe),
        ..Collect::default()
    };
    let account = run(vec![Numbers::new("a", &[&[1, 2], &[3]])], &mut sink).account;
    assert_eq!(account.lost.writer, 0);
}

#[test]
fn a_failed_source_does_not_stop_the_others() {
    let mut a = Numbers::new("a", &[&[1_000_000]]);
    a.fails = true;
    let b = Numbers::new("b", &[&[2_000_000], &[3_000_000]]);
    let mut sink = Collect::default();
    let finished = run(vec![a, b], &mut sink);
    assert_eq!(sink.times, [1_000_000, 2_000_000, 3_000_000]);
    assert_eq!(finished.result.unwrap_err().to_string(), "block 7 is cut");
}

#[test]
fn ring_losses_are_in_the_sum() {
    let mut a = Numbers::new("a", &[&[1, 2, 3]]);
    a.lost = 40;
    let account = run(vec![a], &mut Collect::default()).account;
    assert_eq!(
        (account.received, account.delivered, account.lost.ring),
        (43, 3, 40)
    );
}

/// Says that its only batch is packed if it was asked for that.
struct Packs {
    inner: Numbers,
    asked: Arc<AtomicBool>,
}

impl Source for Packs {
    fn set_filter(&mut self, filter: &Filter) -> Result<Placement> {
        self.inner.set_filter(filter)
    }
    fn next_batch(&mut self, timeout: Duration) -> Result<Next> {
        self.inner.next_batch(timeout)
    }
    fn stop(&mut self) -> Result<()> {
        self.inner.stop()
    }
    fn account(&mut self) -> Result<SourceAccount> {
        self.inner.account()
    }
    fn pack(&mut self, _: Packing) {
        self.asked.store(true, Ordering::Relaxed);
    }
    fn interfaces(&self) -> &[Interface] {
        self.inner.interfaces()
    }
}

/// Takes packed batches.
#[derive(Default)]
struct TakesPacked(Collect);

impl Sink for TakesPacked {
    fn write(&mut self, batch: Batch) -> Result<Flow> {
        self.0.write(batch)
    }
    fn finish(&mut self, account: &Account) -> Result<()> {
        self.0.finish(account)
    }
    fn packing(&self) -> Option<Packing> {
        Some(Packing { snaplen: 100 })
    }
}

#[test]
fn frames_are_packed_only_where_nobody_needs_their_index() {
    let asked = |sources: usize, order: Option<Order>, sink: &mut dyn Sink, filtered: bool| {
        let mut engine = Engine::new();
        if let Some(order) = order {
            engine = engine.order(order);
        }
        let flags: Vec<_> = (0..sources).map(|_| Arc::default()).collect();
        for asked in &flags {
            let source = Box::new(Packs {
                inner: Numbers::new("a", &[]),
                asked: Arc::clone(asked),
            });
            match filtered {
                true => {
                    let filter = Filter::new(crate::Program::returning(1), None);
                    engine.add_filtered(source, &filter).unwrap();
                }
                false => engine.add(source),
            }
        }
        engine.run(sink, &Control::default(), |_| {});
        flags.iter().any(|flag| flag.load(Ordering::Relaxed))
    };
    let sink = &mut TakesPacked::default();
    assert!(asked(1, None, sink, false));
    assert!(asked(2, Some(Order::EachByTime), sink, false));
    assert!(!asked(2, None, sink, false), "they are to be merged");
    assert!(!asked(1, None, sink, true), "the filter runs here");
    assert!(!asked(1, None, &mut Collect::default(), false));
}
