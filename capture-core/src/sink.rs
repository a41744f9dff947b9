//! Where frames go.

use crate::pcapng::Packing;
use crate::{Account, Batch, Result};

/// Whether a sink wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// More, please.
    Continue,
    /// Enough: a limit is reached.
    Stop,
}

impl Flow {
    /// Stop if there is enough, otherwise more.
    pub fn stop_if(enough: bool) -> Self {
        if enough { Self::Stop } else { Self::Continue }
    }
}

/// A destination of frames.
pub trait Sink {
    /// Takes a batch, and the lease on its memory: the sink may keep it while
    /// the disk works. Frames come in time order; interfaces are only appended.
    fn write(&mut self, batch: Batch) -> Result<Flow>;

    /// Called several times a second, also when nothing arrives: for what
    /// depends on the clock, such as rotation and periodic statistics.
    fn tick(&mut self, now_ns: u64, account: &Account) -> Result<Flow> {
        let _ = (now_ns, account);
        Ok(Flow::Continue)
    }

    /// The end. After this every frame that `write` took without error is
    /// where it belongs, or the error says otherwise.
    fn finish(&mut self, account: &Account) -> Result<()>;

    /// How frames that are small may be packed, if the sink can take batches
    /// without an index of them ([`Batch::packed`]).
    fn packing(&self) -> Option<Packing> {
        None
    }

    /// How many of the frames it was handed the sink did not want, because a
    /// limit had been reached.
    fn surplus(&self) -> u64 {
        0
    }

    /// How many of the frames it was handed fell out of the memory of a
    /// [`Keep`](crate::Keep) before anything asked for them.
    fn expired(&self) -> u64 {
        0
    }

    /// How many of the frames it was handed are in such a memory now.
    fn held(&self) -> u64 {
        0
    }

    /// How many of the frames it took the sink has lost so far, and where.
    /// A sink whose `write` failed counts here what of the batch did not arrive.
    fn losses(&self) -> crate::Losses {
        crate::Losses::default()
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn write(&mut self, batch: Batch) -> Result<Flow> {
        (**self).write(batch)
    }

    fn tick(&mut self, now_ns: u64, account: &Account) -> Result<Flow> {
        (**self).tick(now_ns, account)
    }

    fn finish(&mut self, account: &Account) -> Result<()> {
        (**self).finish(account)
    }

    fn packing(&self) -> Option<Packing> {
        (**self).packing()
    }

    fn surplus(&self) -> u64 {
        (**self).surplus()
    }

    fn expired(&self) -> u64 {
        (**self).expired()
    }

    fn held(&self) -> u64 {
        (**self).held()
    }

    fn losses(&self) -> crate::Losses {
        (**self).losses()
    }
}

/// A sink that calls a function with each batch.
pub struct ForEach<F>(pub F);

impl<F: FnMut(Batch) -> Flow> Sink for ForEach<F> {
    fn write(&mut self, batch: Batch) -> Result<Flow> {
        Ok((self.0)(batch))
    }

    fn finish(&mut self, _: &Account) -> Result<()> {
        Ok(())
    }
}
