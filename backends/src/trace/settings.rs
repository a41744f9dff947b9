//! Which packets the programs choose, as the bytes that they read.
//!
//! Owns the layout of `settings` in `report.h`.

use super::{Selection, names};
use crate::netns;
use pktrail_core::filter::SkbFilter;
use pktrail_core::{Error, ErrorKind, Result};

/// Bytes of each packet that are copied unless asked otherwise: headers, also of a packet in a
/// packet, and what the fingerprint needs of the payload.
const SNAP: u32 = 192;
/// The largest (`TRY` in `report.h`).
const MOST_SNAP: u32 = 16_384;
const MOST_NAMESPACES: usize = 16;
const MOST_INTERFACES: usize = 8;
/// Bytes of a name with its final zero (`IFNAMSIZ`, `TASK_COMM_LEN`).
const NAME: usize = 16;

/// The settings of one run.
#[derive(Default)]
pub(super) struct Settings {
    bytes: Vec<u8>,
}

impl Settings {
    pub(super) fn new(selection: &Selection) -> Result<Self> {
        let inodes = inodes(&selection.namespaces)?;
        let names = &selection.interfaces;
        if names.len() > MOST_INTERFACES {
            return Err(usage(format!(
                "{} interfaces: at most {MOST_INTERFACES} can be chosen; leave it out for all",
                names.len()
            )));
        }
        let snap = selection.snap_length.unwrap_or(SNAP);
        if !(1..=MOST_SNAP).contains(&snap) {
            return Err(usage(format!(
                "a snap length of {snap} bytes: a trace copies 1 to {MOST_SNAP} bytes of a packet"
            )));
        }
        let (mark, mask) = selection.mark.unwrap_or((0, 0));
        let mut settings = Self::default();
        settings.word(snap);
        settings.word(u32::from(selection.is_selective()));
        settings.word(u32::from(selection.filter.is_some()));
        settings.count(inodes.len());
        settings.count(names.len());
        settings.word(mark & mask);
        settings.word(mask);
        settings.word(selection.process.unwrap_or(0));
        settings.word(u32::from(selection.process_name.is_some()));
        settings.word(u32::from(selection.count_only));
        let by_filter = selection.filter.as_ref();
        let judges_once = by_filter.is_some_and(SkbFilter::is_of_network_layer)
            && names.is_empty()
            && selection.process.is_none()
            && selection.process_name.is_none()
            && mask == 0;
        settings.word(u32::from(judges_once));
        settings.word(0);
        for at in 0..MOST_NAMESPACES {
            settings.word(inodes.get(at).copied().unwrap_or(0));
        }
        for at in 0..MOST_INTERFACES {
            settings.name("interface", names.get(at).map_or("", String::as_str))?;
        }
        let process = selection.process_name.as_deref().unwrap_or("");
        // The kernel cuts names of processes, so that a longer one may be meant.
        let cut = process.char_indices().map_while(|(at, c)| {
            let end = at + c.len_utf8();
            (end < NAME).then_some(end)
        });
        let cut = process.get(..cut.last().unwrap_or(0)).unwrap_or("");
        settings.name("process", cut)?;
        Ok(settings)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn word(&mut self, word: u32) {
        self.bytes.extend(word.to_ne_bytes());
    }

    fn count(&mut self, count: usize) {
        self.word(u32::try_from(count).unwrap_or(0));
    }

    fn name(&mut self, what: &str, name: &str) -> Result<()> {
        if name.len() >= NAME {
            let most = NAME - 1;
            let what = format!("no {what} is called '{name}': names have at most {most} bytes");
            return Err(usage(what));
        }
        self.bytes.extend(name.bytes());
        let end = self.bytes.len() + NAME - name.len();
        self.bytes.resize(end, 0);
        Ok(())
    }
}

/// Where functions of this machine get their arguments, as `machine` in `choose.h`: the number of
/// registers, where `struct pt_regs` has them and the stack pointer, and what lies on the stack
/// before the first argument there.
pub(super) fn machine() -> Vec<u8> {
    let (registers, stack): ([u32; 8], [u32; 2]) = match cfg!(target_arch = "x86_64") {
        true => ([112, 104, 96, 88, 72, 64, 0, 0], [152, 8]),
        // AArch64, and others that number their registers from the first argument.
        false => ([0, 8, 16, 24, 32, 40, 48, 56], [248, 0]),
    };
    let count = if cfg!(target_arch = "x86_64") { 6 } else { 8 };
    let words = std::iter::once(count).chain(registers).chain(stack);
    words.flat_map(u32::to_ne_bytes).collect()
}

fn usage(what: String) -> Error {
    Error::new(ErrorKind::Usage, what)
}

/// The inodes of the namespaces with these names.
fn inodes(names: &[String]) -> Result<Vec<u32>> {
    if names.len() > MOST_NAMESPACES {
        return Err(usage(format!(
            "{} namespaces: at most {MOST_NAMESPACES} can be chosen; leave it out for all",
            names.len()
        )));
    }
    names
        .iter()
        .map(|name| netns::within(Some(name), names::own_inode))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(selection: &Selection) -> Result<Settings> {
        Settings::new(selection)
    }

    #[test]
    fn the_layout_is_that_of_the_programs() {
        let selection = Selection {
            interfaces: vec!["eth0".to_owned()],
            mark: Some((0xff, 0x0f)),
            process: Some(7),
            process_name: Some("a-very-long-name-of-a-process".to_owned()),
            ..Selection::default()
        };
        let settings = settings(&selection).expect("good");
        let bytes = settings.bytes();
        assert_eq!(bytes.len(), 12 * 4 + 16 * 4 + 8 * 16 + 16);
        let word = |at: usize| bytes.get(at * 4).copied();
        assert_eq!(word(0), Some(192));
        assert_eq!(word(1), Some(1));
        assert_eq!((word(2), word(3), word(4)), (Some(0), Some(0), Some(1)));
        assert_eq!((word(5), word(6)), (Some(0x0f), Some(0x0f)));
        assert_eq!((word(7), word(8)), (Some(7), Some(1)));
        assert_eq!(bytes.get(112..117), Some(&b"eth0\0"[..]));
        assert_eq!(bytes.get(240..256), Some(&b"a-very-long-nam\0"[..]));
    }

    #[test]
    fn what_cannot_be_is_refused_in_words() {
        let long = Selection {
            interfaces: vec!["an-interface-with-a-long-name".to_owned()],
            ..Selection::default()
        };
        let snap = Selection {
            snap_length: Some(1 << 20),
            ..Selection::default()
        };
        for (selection, word) in [(long, "15 bytes"), (snap, "16384")] {
            let error = settings(&selection).err().expect("refused");
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
