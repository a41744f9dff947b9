//! Several sources one after the other, as one: a list of files.

use crate::{Batch, Filter, Interface, Next, Obstacle, Placement, Result, Source, SourceAccount};
use std::sync::Arc;
use std::time::Duration;

/// Makes the next source when its turn comes, so that only one is open.
pub type Rest = Box<dyn Iterator<Item = Result<Box<dyn Source>>> + Send>;

/// A source that yields what one source yields, then what the next does. What a
/// filter does with them is the engine's matter.
pub struct Chain {
    current: Box<dyn Source>,
    rest: Rest,
    /// Interfaces of all sources so far; those of the current one from `base` on.
    interfaces: Arc<Vec<Interface>>,
    base: usize,
    /// Sums of the sources that have ended.
    past: SourceAccount,
    stopped: bool,
}

impl Chain {
    /// `first`, then the others.
    pub fn new(first: Box<dyn Source>, rest: Rest) -> Self {
        let interfaces = Arc::new(first.interfaces().to_vec());
        let past = SourceAccount::default();
        Self {
            current: first,
            rest,
            interfaces,
            base: 0,
            past,
            stopped: false,
        }
    }

    /// Goes on with the next source; false at the end of the last.
    fn go_on(&mut self) -> Result<bool> {
        if self.stopped {
            return Ok(false);
        }
        let Some(next) = self.rest.next() else {
            return Ok(false);
        };
        self.past = sum(&self.past, &self.current.account()?);
        self.base = self.interfaces.len();
        self.current = next?;
        let interfaces = self.current.interfaces().to_vec();
        self.learn(&interfaces);
        Ok(true)
    }

    fn learn(&mut self, interfaces: &[Interface]) {
        let known = self.interfaces.len() - self.base;
        if interfaces.len() > known {
            Arc::make_mut(&mut self.interfaces).extend_from_slice(&interfaces[known..]);
        }
    }

    fn renumber(&mut self, mut batch: Batch) -> Batch {
        let of_batch = Arc::clone(&batch.interfaces);
        self.learn(&of_batch);
        batch.interfaces = Arc::clone(&self.interfaces);
        if self.base > 0 {
            let base = u32::try_from(self.base).unwrap_or(u32::MAX);
            for frame in &mut batch.frames {
                frame.interface = frame.interface.saturating_add(base);
            }
        }
        batch
    }
}

impl Source for Chain {
    fn set_filter(&mut self, _: &Filter) -> Result<Placement> {
        Ok(Placement::Here(Obstacle::Source))
    }

    fn next_batch(&mut self, timeout: Duration) -> Result<Next> {
        loop {
            match self.current.next_batch(timeout)? {
                Next::Batch(batch) => return Ok(Next::Batch(self.renumber(batch))),
                Next::End => {
                    if !self.go_on()? {
                        return Ok(Next::End);
                    }
                }
                other => return Ok(other),
            }
        }
    }

    fn stop(&mut self) -> Result<()> {
        self.stopped = true;
        self.current.stop()
    }

    fn account(&mut self) -> Result<SourceAccount> {
        let account = sum(&self.past, &self.current.account()?);
        Ok(account)
    }

    fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }
}

fn sum(a: &SourceAccount, b: &SourceAccount) -> SourceAccount {
    let mut lost = a.lost;
    lost.add(&b.lost);
    SourceAccount {
        name: b.name.clone(),
        received: a.received + b.received,
        filtered: a.filtered + b.filtered,
        lost,
        freezes: a.freezes + b.freezes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FrameInfo;

    /// One batch of as many frames as asked for, on an interface of its own.
    struct One(Vec<Interface>, Option<usize>, u64);

    impl One {
        fn boxed(name: &str, frames: usize) -> Box<dyn Source> {
            let interface = Interface {
                name: name.into(),
                ..Interface::default()
            };
            Box::new(Self(vec![interface], Some(frames), frames as u64))
        }
    }

    impl Source for One {
        fn set_filter(&mut self, _: &Filter) -> Result<Placement> {
            Ok(Placement::Here(Obstacle::Source))
        }
        fn next_batch(&mut self, _: Duration) -> Result<Next> {
            Ok(self.1.take().map_or(Next::End, |frames| {
                let frames = vec![FrameInfo::default(); frames];
                Next::Batch(Batch::new(Vec::new(), frames, Arc::new(self.0.clone())))
            }))
        }
        fn stop(&mut self) -> Result<()> {
            self.1 = None;
            Ok(())
        }
        fn account(&mut self) -> Result<SourceAccount> {
            Ok(SourceAccount {
                received: self.2,
                ..SourceAccount::default()
            })
        }
        fn interfaces(&self) -> &[Interface] {
            &self.0
        }
    }

    #[test]
    fn sources_follow_each_other_and_keep_their_interfaces() {
        let rest = [("b", 2), ("c", 1)].map(|(name, frames)| Ok(One::boxed(name, frames)));
        let mut chain = Chain::new(One::boxed("a", 3), Box::new(rest.into_iter()));
        let mut seen = Vec::new();
        while let Next::Batch(batch) = chain.next_batch(Duration::ZERO).unwrap() {
            for frame in &batch.frames {
                seen.push(batch.interface(frame).unwrap().name.clone());
            }
        }
        assert_eq!(seen, ["a", "a", "a", "b", "b", "c"]);
        assert_eq!(chain.account().unwrap().received, 6);
    }

    #[test]
    fn a_stopped_chain_opens_no_further_source() {
        let rest = std::iter::from_fn(|| panic!("must not be opened"));
        let mut chain = Chain::new(One::boxed("a", 3), Box::new(rest));
        chain.stop().unwrap();
        assert!(matches!(
            chain.next_batch(Duration::ZERO).unwrap(),
            Next::End
        ));
    }
}
