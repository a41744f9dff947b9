//! Frames from memory: a source for tests, and the file to copy for a new
//! backend. It shows all that a source has to do, and needs no privilege.

use crate::{Needs, Opened, Probe, Request};
use pktrail_core::{
    Batch, Error, ErrorKind, Filter, FrameInfo, Interface, LinkType, Next, Notice, Obstacle,
    Placement, Result, Source, SourceAccount,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The backend's row; the table in `lib.rs` has it on one line.
pub(crate) const BACKEND: crate::Backend = crate::Backend {
    name: "memory",
    about: "frames held in memory, for tests",
    needs: Needs::Nothing,
    probe,
    open,
};

/// What it can do here: everything, anywhere.
fn probe() -> Probe {
    Probe::Works {
        can: "deliver frames from memory".into(),
    }
}

/// Opens the source for the program. The interface's name is free; there are no
/// frames behind it, since nobody has put any there.
fn open(request: &Request) -> Result<Opened> {
    let interface = Interface {
        name: request.interface.clone(),
        link_type: LinkType::ETHERNET,
        snaplen: request.snaplen,
        ..Interface::default()
    };
    Ok(vec![Box::new(Memory::new(interface))])
}

/// A source that says what it was given to say, in order, and then ends.
pub struct Memory {
    script: VecDeque<Next>,
    interfaces: Arc<Vec<Interface>>,
    received: u64,
}

impl Memory {
    /// A source on `interface` with nothing to say yet.
    pub fn new(interface: Interface) -> Self {
        Self {
            script: VecDeque::new(),
            interfaces: Arc::new(vec![interface]),
            received: 0,
        }
    }

    /// Adds a batch of `frames`: a time in nanoseconds since 1970 and the bytes
    /// of each.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for 4 GiB of bytes or more.
    pub fn push_frames(&mut self, frames: &[(u64, &[u8])]) -> Result<()> {
        let too_large = |_| Error::new(ErrorKind::Usage, "a batch of 4 GiB and more");
        let mut bytes = Vec::new();
        let mut infos = Vec::with_capacity(frames.len());
        for (timestamp_ns, data) in frames {
            let caplen = u32::try_from(data.len()).map_err(too_large)?;
            infos.push(FrameInfo {
                timestamp_ns: *timestamp_ns,
                offset: u32::try_from(bytes.len()).map_err(too_large)?,
                caplen,
                len: caplen,
                ..FrameInfo::default()
            });
            bytes.extend_from_slice(data);
        }
        self.push_batch(Batch::new(bytes, infos, Arc::clone(&self.interfaces)));
        Ok(())
    }

    /// Adds a batch as it is.
    pub fn push_batch(&mut self, batch: Batch) {
        self.script.push_back(Next::Batch(batch));
    }

    /// Adds a notice.
    pub fn push_notice(&mut self, notice: Notice) {
        self.script.push_back(Next::Notice(notice));
    }

    /// Adds a wait in which nothing came.
    pub fn push_idle(&mut self, complete_until_ns: u64) {
        self.script.push_back(Next::Idle { complete_until_ns });
    }
}

impl Source for Memory {
    fn set_filter(&mut self, _filter: &Filter) -> Result<Placement> {
        // There is nobody below to run it: the engine does.
        Ok(Placement::Here(Obstacle::Source))
    }

    fn next_batch(&mut self, _timeout: Duration) -> Result<Next> {
        let next = self.script.pop_front().unwrap_or(Next::End);
        if let Next::Batch(batch) = &next {
            self.received += batch.frames.len() as u64;
        }
        Ok(next)
    }

    fn stop(&mut self) -> Result<()> {
        // Frames not handed out yet are not counted either.
        self.script.clear();
        Ok(())
    }

    fn account(&mut self) -> Result<SourceAccount> {
        Ok(SourceAccount {
            name: self.interfaces[0].full_name(),
            received: self.received,
            ..SourceAccount::default()
        })
    }

    fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order_and_is_counted() {
        let mut source = Memory::new(Interface::default());
        source
            .push_frames(&[(1, b"one"), (2, b"second")])
            .expect("small");
        source.push_idle(3);
        let Next::Batch(batch) = source.next_batch(Duration::ZERO).expect("scripted") else {
            panic!("a batch was first");
        };
        let frames: Vec<&[u8]> = batch.iter().map(|frame| frame.data).collect();
        assert_eq!(frames, [b"one".as_slice(), b"second"]);
        assert!(matches!(
            source.next_batch(Duration::ZERO),
            Ok(Next::Idle {
                complete_until_ns: 3
            })
        ));
        assert!(matches!(source.next_batch(Duration::ZERO), Ok(Next::End)));
        assert_eq!(source.account().expect("a count").received, 2);
    }
}
