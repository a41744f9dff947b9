//! What the comparison was asked to do: the words of `pkt-live`.

use crate::peer::{PEERS, Peer, Usual};
use pktrail::inject::{MAX_LEN, MIN_LEN, Sizes};
use pktrail::{Error, ErrorKind, Result};
use std::path::PathBuf;

/// How it is called.
pub const USAGE: &str = "\
Usage: pkt-live [--short] [--parts null,held,capacity] [--programs NAME,...] [--runs N]
                [--confirms N] [--sizes 64,1500,mix] [--disk-sizes 1500,mix] [--frames N]
                [--seconds S] [--held-rate N] [--probe-seconds S] [--confirm-seconds S]
                [--ring MIB] [--disk-ring MIB] [--files FOLDER] [--into FOLDER] [--note SENTENCE]
Compares capture programs under the same load, in a network namespace of its own. Needs root.
  --parts     null: CPU time at full rate to /dev/null; held: CPU time at a rate that all can
              write to the disk, 1,500 bytes; capacity: the highest rate to the disk that loses
              nothing, beside dd (default: all, some 45 minutes)
  --short     fewer and shorter runs: some 12 minutes
  --runs      runs of null and held (default 5)
  --confirms  searches by long runs in capacity (default 3; 0: probes alone)
  --frames    frames of each run at full rate to /dev/null (default 2000000)
  --seconds   length of each run of held (default 5)
  --held-rate frames a second of held (default 150000)
  --ring, --disk-ring  rings for null and for the disk (default 64 and 256)
  --files     where capture files go meanwhile (default .): one at a time, 64 GB at most, removed
              after each run; runs are cut to what leaves 8 GB free
  --into      where raw.csv, summary.md, plot.svg, command.txt and machine.txt go (default: only
              the summary is printed)";

/// A part of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Full rate to `/dev/null`.
    Null,
    /// A rate that all can hold, to the disk.
    Held,
    /// The highest rate to the disk without loss.
    Capacity,
}

const PARTS: [(&str, Part); 3] = [
    ("null", Part::Null),
    ("held", Part::Held),
    ("capacity", Part::Capacity),
];

/// All that can be chosen.
pub struct Options {
    /// The parts.
    pub parts: Vec<Part>,
    /// The programs, in the order of the tables.
    pub programs: Vec<&'static Peer>,
    /// Runs of the first two parts.
    pub runs: u32,
    /// Long runs of the third.
    pub confirms: u32,
    /// Sizes for `/dev/null`, as `pkt-load --size` takes them.
    pub sizes: Vec<String>,
    /// Sizes for [`Part::Capacity`].
    pub disk_sizes: Vec<String>,
    /// Frames of a run to `/dev/null`.
    pub frames: u64,
    /// Seconds of a run at a rate that all can hold.
    pub seconds: u64,
    /// That rate.
    pub held_rate: u64,
    /// Seconds of a probe.
    pub probe_seconds: u64,
    /// Seconds of a long run.
    pub confirm_seconds: u64,
    /// Rings in MiB.
    pub ring_mib: u32,
    /// Rings in MiB where the disk may stall.
    pub disk_ring_mib: u32,
    /// A folder for capture files.
    pub files: PathBuf,
    /// A folder for the record.
    pub into: Option<PathBuf>,
    /// A sentence for the summary.
    pub note: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parts: PARTS.iter().map(|(_, part)| *part).collect(),
            programs: PEERS
                .iter()
                .filter(|peer| peer.usual != Usual::Never)
                .collect(),
            runs: 5,
            confirms: 3,
            sizes: ["64", "1500", "mix"].map(String::from).to_vec(),
            disk_sizes: ["1500", "mix"].map(String::from).to_vec(),
            frames: 2_000_000,
            seconds: 5,
            held_rate: 150_000,
            probe_seconds: 5,
            confirm_seconds: 30,
            ring_mib: 64,
            disk_ring_mib: 256,
            files: PathBuf::from("."),
            into: None,
            note: String::new(),
        }
    }
}

impl Options {
    fn shorten(&mut self) {
        (self.runs, self.confirms) = (3, 1);
        (self.probe_seconds, self.confirm_seconds) = (3, 10);
    }

    /// Understands the words.
    ///
    /// # Errors
    /// `Usage`, with the word.
    pub fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(flag) = words.next() {
            if flag == "--short" {
                options.shorten();
                continue;
            }
            let missing = || usage(format!("{flag} needs a value"));
            options.set(flag, words.next().ok_or_else(missing)?)?;
        }
        for size in options.sizes.iter().chain(&options.disk_sizes) {
            mean_len(size)?;
        }
        Ok(options)
    }

    fn set(&mut self, flag: &str, value: &str) -> Result<()> {
        let number = || -> Result<u64> {
            let wrong = |_| usage(format!("{flag} {value}: not a number"));
            value.parse().map_err(wrong)
        };
        let small = |most: u64| Ok::<_, Error>(number()?.clamp(1, most) as u32);
        let list = || value.split(',');
        match flag {
            "--parts" => self.parts = list().map(part).collect::<Result<_>>()?,
            "--programs" => self.programs = list().map(program).collect::<Result<_>>()?,
            "--runs" => self.runs = small(1000)?,
            "--confirms" => self.confirms = number()?.min(100) as u32,
            "--sizes" => self.sizes = list().map(String::from).collect(),
            "--disk-sizes" => self.disk_sizes = list().map(String::from).collect(),
            "--frames" => self.frames = number()?.clamp(1, 100_000_000),
            "--seconds" => self.seconds = number()?.clamp(1, 60),
            "--held-rate" => self.held_rate = number()?.max(1),
            "--probe-seconds" => self.probe_seconds = number()?.clamp(1, 60),
            "--confirm-seconds" => self.confirm_seconds = number()?.clamp(1, 60),
            "--ring" => self.ring_mib = small(4096)?,
            "--disk-ring" => self.disk_ring_mib = small(4096)?,
            "--files" => self.files = PathBuf::from(value),
            "--into" => self.into = Some(PathBuf::from(value)),
            "--note" => value.clone_into(&mut self.note),
            _ => return Err(usage(format!("unknown flag {flag}"))),
        }
        Ok(())
    }
}

fn usage(message: String) -> Error {
    Error::new(ErrorKind::Usage, message)
}

fn part(word: &str) -> Result<Part> {
    let part = PARTS.iter().find(|(name, _)| *name == word);
    let wrong = || usage(format!("{word} is no part: null, held or capacity"));
    part.map(|(_, part)| *part).ok_or_else(wrong)
}

fn program(word: &str) -> Result<&'static Peer> {
    let wrong = || {
        let names: Vec<_> = PEERS.iter().map(|peer| peer.name).collect();
        let names = names.join(", ");
        usage(format!("{word} is none of the programs: {names}"))
    };
    let mut peers = PEERS.iter();
    peers.find(|peer| peer.name == word).ok_or_else(wrong)
}

/// The mean length of a size's frames in bytes.
///
/// # Errors
/// `Usage` for what the generator does not take.
pub fn mean_len(size: &str) -> Result<f64> {
    if size == "mix" {
        return Ok(pktrail::inject::mean_len(Sizes::Mix));
    }
    let len = size.parse().ok();
    len.filter(|len| (MIN_LEN..=MAX_LEN).contains(len))
        .map(f64::from)
        .ok_or_else(|| usage(format!("{size} is no size: {MIN_LEN} to {MAX_LEN}, or mix")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        Options::parse(&words)
    }

    #[test]
    fn what_comes_after_short_counts() {
        let options = parse("--short --confirms 2 --parts held,capacity").expect("it is right");
        assert_eq!((options.runs, options.confirms), (3, 2));
        assert_eq!(options.parts, [Part::Held, Part::Capacity]);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            ("--parts all", "all"),
            ("--runs", "--runs"),
            ("--sizes 63", "63"),
            ("--programs snoop", "snoop"),
            ("--fast 1", "--fast"),
        ] {
            let error = parse(line).err().map(|error| error.to_string());
            assert!(
                error.as_ref().is_some_and(|said| said.contains(word)),
                "{error:?}"
            );
        }
    }

    #[test]
    fn the_mix_has_a_mean() {
        assert_eq!(mean_len("mix").expect("known").round(), 354.0);
    }
}
