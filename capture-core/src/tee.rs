//! A sink that feeds two: what is written is also shown (`--print`).

use crate::{Account, Batch, Flow, Losses, Result, Sink};

/// Hands each batch to two sinks. The frames are not copied, only their index.
/// What the first one loses or has no use for is what counts.
pub struct Tee<A, B> {
    first: A,
    second: B,
}

impl<A: Sink, B: Sink> Tee<A, B> {
    /// Feeds `second`, which only looks, then `first`, which may keep what it gets.
    pub fn new(first: A, second: B) -> Self {
        Self { first, second }
    }

    /// The two sinks.
    pub fn into_inner(self) -> (A, B) {
        (self.first, self.second)
    }
}

fn either(a: Flow, b: Flow) -> Flow {
    match (a, b) {
        (Flow::Continue, Flow::Continue) => Flow::Continue,
        _ => Flow::Stop,
    }
}

impl<A: Sink, B: Sink> Sink for Tee<A, B> {
    fn write(&mut self, batch: Batch) -> Result<Flow> {
        let copy = Batch {
            blocks: batch.blocks.clone(),
            frames: batch.frames.clone(),
            packed: batch.packed,
            interfaces: batch.interfaces.clone(),
            notes: batch.notes.clone(),
            is_sorted: batch.is_sorted,
            source: batch.source,
        };
        // The second has dropped its copy, most often: then the first has the memory
        // for itself. What the first has to say comes first.
        let second = self.second.write(copy);
        let first = self.first.write(batch)?;
        Ok(either(first, second?))
    }

    fn tick(&mut self, now_ns: u64, account: &Account) -> Result<Flow> {
        let first = self.first.tick(now_ns, account)?;
        Ok(either(first, self.second.tick(now_ns, account)?))
    }

    /// Both are finished, whatever becomes of the first.
    fn finish(&mut self, account: &Account) -> Result<()> {
        let first = self.first.finish(account);
        first.and(self.second.finish(account))
    }

    fn surplus(&self) -> u64 {
        self.first.surplus()
    }

    fn expired(&self) -> u64 {
        self.first.expired()
    }

    fn held(&self) -> u64 {
        self.first.held()
    }

    fn losses(&self) -> Losses {
        self.first.losses()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, ErrorKind, FrameInfo};

    #[derive(Default)]
    struct Count {
        frames: usize,
        finished: bool,
        stops_at: Option<usize>,
    }

    impl Sink for Count {
        fn write(&mut self, batch: Batch) -> Result<Flow> {
            self.frames += batch.frames.len();
            match self.stops_at {
                Some(at) if self.frames >= at => Ok(Flow::Stop),
                _ => Ok(Flow::Continue),
            }
        }
        fn finish(&mut self, _: &Account) -> Result<()> {
            self.finished = true;
            match self.stops_at {
                Some(_) => Err(Error::new(ErrorKind::System, "first")),
                None => Ok(()),
            }
        }
    }

    #[test]
    fn both_get_everything_and_each_may_stop() {
        let stopping = Count {
            stops_at: Some(6),
            ..Count::default()
        };
        let mut tee = Tee::new(stopping, Count::default());
        let batch = || Batch {
            frames: vec![FrameInfo::default(); 3],
            ..Batch::default()
        };
        assert_eq!(tee.write(batch()).unwrap(), Flow::Continue);
        assert_eq!(tee.write(batch()).unwrap(), Flow::Stop);
        assert_eq!(
            tee.finish(&Account::default()).unwrap_err().to_string(),
            "first"
        );
        let (first, second) = tee.into_inner();
        assert_eq!((first.frames, second.frames, second.finished), (6, 6, true));
    }
}
