//! How a batch gets into the file: as the block of memory that it is, copied
//! whole, or frame by frame where it belongs into several files.

use super::{FileSink, State, now_ns};
use crate::output::stage::ENOUGH;
use crate::rotation::Turn;
use crate::{Batch, Block, Flow, Result, pcapng};
use std::sync::Arc;

/// A batch that adds more than this is written in parts.
const LARGEST_PART: u64 = 2 << 20;
/// A batch whose frames lie in at least so much memory, and have it for
/// themselves, is not copied: the memory is written.
const LEAST_BLOCK: u32 = 128 << 10;

impl FileSink {
    /// Takes what came before there was a file.
    pub(super) fn take_early(&mut self) -> Result<()> {
        for batch in std::mem::take(&mut self.early) {
            self.take(batch)?;
        }
        Ok(())
    }

    pub(super) fn take(&mut self, mut batch: Batch) -> Result<Flow> {
        if self.target.is_none() {
            batch.unpack();
            let Some(first) = batch.frames.first() else {
                self.early.push(batch);
                return Ok(Flow::Continue);
            };
            self.begin(first.timestamp_ns)?;
            self.take_early()?;
        }
        self.look_behind(false)?;
        self.look_ahead()?;
        if batch.interfaces.len() > self.interfaces.len() {
            self.interfaces = Arc::clone(&batch.interfaces);
        }
        self.prepare(&batch)?;
        // Written in place, a block can be as long as its memory.
        let memory = batch.blocks.first().map_or(0, |block| block.bytes().len());
        let mut batch = match span(&batch) >= LEAST_BLOCK && self.fits(&batch, memory as u64) {
            true => match self.take_block(batch)? {
                Some(batch) => batch,
                None => return Ok(Flow::Continue),
            },
            false => batch,
        };
        let growth = self.format.growth(&batch);
        if growth > LARGEST_PART || !self.fits(&batch, growth) {
            batch.unpack();
            return self.take_in_parts(&batch);
        }
        self.format.batch(&batch, self.stage.out())?;
        self.buffered += batch.count() as u64;
        self.note_frames(&batch);
        if !batch.notes.is_empty() {
            self.index.other();
        }
        if self.packet_buffered || self.stage.len() >= ENOUGH {
            self.flush()?;
        }
        Ok(Flow::Continue)
    }

    /// Whether all of a batch belongs into the file, which would grow by `growth`
    /// bytes at most.
    fn fits(&self, batch: &Batch, growth: u64) -> bool {
        let (bytes, packets) = (self.file_bytes(), self.record.packets);
        let rotation = self.rotation.as_ref();
        rotation.is_none_or(|rotation| rotation.fits(batch, bytes, packets, growth))
    }

    /// Notes what goes into the file, for what is said of it and its index.
    fn note_frames(&mut self, batch: &Batch) {
        if let Some(times) = batch.times() {
            let frames = batch.count();
            self.record.add_all(frames as u64, times);
            self.index.frames(frames, times);
        }
    }

    /// Writes the batch's own memory, if it can be made part of the file where
    /// it lies. Otherwise the batch comes back.
    pub(super) fn take_block(&mut self, mut batch: Batch) -> Result<Option<Batch>> {
        let Some(len) = self.format.in_place(&mut batch) else {
            return Ok(Some(batch));
        };
        self.flush()?;
        // What was in the buffer belongs to another place.
        self.note_frames(&batch);
        let Some(target) = &mut self.target else {
            return Ok(None);
        };
        self.index.written_at(target.end());
        let frames = batch.count() as u64;
        let aligned = |block: &mut Arc<dyn Block>| {
            // Nothing can fill the end of a page in a file of pcap.
            let unit = target.unit().filter(|_| self.format.is_pcapng())?;
            let memory = Arc::get_mut(block)?.bytes_mut();
            let at_page = memory.as_ptr().align_offset(unit) == 0;
            at_page.then(|| pcapng::pad_to(unit, len, memory))?
        };
        let result = match batch.blocks.pop() {
            None => Ok(()),
            Some(mut block) => match aligned(&mut block) {
                Some(len) => target.start(block, len, frames, &self.format),
                None => {
                    let bytes = block.bytes().get(..len).unwrap_or_default();
                    target.write(bytes, frames, &self.format)
                }
            },
        };
        let notice = target.take_notice();
        result.map_err(|cause| self.write_error(cause))?;
        if let Some(notice) = notice {
            self.closer.say(notice)?;
        }
        Ok(None)
    }

    /// What the format refuses, it refuses before anything is written: the
    /// frames before stay.
    pub(super) fn prepare(&mut self, batch: &Batch) -> Result<()> {
        let before = self.stage.len();
        let prepared = self
            .format
            .prepare(batch, self.stage.out())
            .inspect_err(|_| {
                self.refused += batch.count() as u64;
                // Whatever this meets, the refusal comes first.
                let _ = self.flush();
                self.state = State::Failed;
            });
        prepared?;
        if self.stage.len() > before {
            self.index.other();
            // Some readers ask for an interface right behind the head, with no padding between.
            if before == 0 && self.record.packets == 0 && self.format.is_pcapng() {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Frame by frame: the batch may belong into several files.
    pub(super) fn take_in_parts(&mut self, batch: &Batch) -> Result<Flow> {
        let mut notes = batch.notes.iter().peekable();
        for (index, frame) in batch.iter().enumerate() {
            let bytes = self.file_bytes();
            let turn = match &mut self.rotation {
                Some(rotation) => {
                    rotation.before_frame(frame.info.timestamp_ns, bytes, self.record.packets)?
                }
                None => Turn::Stay,
            };
            if self.turn(turn)? == Flow::Stop {
                self.unwanted += (batch.frames.len() - index) as u64;
                return Ok(Flow::Stop);
            }
            while let Some(note) = notes.next_if(|note| note.before <= index) {
                self.format.note(note, self.stage.out());
                self.index.other();
            }
            self.format.frame(&frame, self.stage.out());
            self.buffered += 1;
            self.record.add(frame.info);
            self.index.frame(frame.info);
            if self.stage.len() >= ENOUGH {
                self.flush()?;
            }
        }
        notes.for_each(|note| self.format.note(note, self.stage.out()));
        if self.packet_buffered {
            self.flush()?;
        }
        Ok(Flow::Continue)
    }

    pub(super) fn turn(&mut self, turn: Turn) -> Result<Flow> {
        match turn {
            Turn::Stay => Ok(Flow::Continue),
            Turn::Next { name, remove } => {
                self.go_on(&name, remove)?;
                Ok(Flow::Continue)
            }
            Turn::Stop => {
                self.end_file(now_ns())?;
                self.state = State::Full;
                Ok(Flow::Stop)
            }
        }
    }
}

/// How much memory the frames of a batch take, with what lies between them.
fn span(batch: &Batch) -> u32 {
    if let Some(packed) = batch.packed {
        return u32::try_from(packed.bytes).unwrap_or(u32::MAX);
    }
    match &batch.frames[..] {
        [first, .., last] => last.offset.saturating_sub(first.offset),
        _ => 0,
    }
}
