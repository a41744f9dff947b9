//! What this machine can capture: the engine over a simulated ring, with its
//! files thrown away, on a disk, or on a simulated disk; and over a real ring
//! that the kernel fills, where that is allowed.
//!
//! Owns the stages, and which of ring, CPU and disk is the limit.

mod kernel;
mod pool;

pub use pool::{BLOCK_BYTES, Simulated};

use crate::inject::{self, Sizes};
use crate::output::{FileSink, Output};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::statvfs::statvfs;
use pktrail_core::{Account, Batch, Control, Engine, Error, ErrorKind, Flow, Result, Sink};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// How far below the limit a rate is called safe: what a file system does when
/// it is fuller, and neighbours of a virtual machine when they are busy.
pub const MARGIN: f64 = 0.3;
/// Most bytes that one measurement writes to a disk.
const MOST_BYTES: u64 = 16 << 30;
/// In the ring: header, padding and alignment of each frame.
const RING_OVERHEAD: f64 = 88.0;

/// What to measure: a builder.
#[derive(Clone, Debug)]
pub struct Bench {
    /// Frames of which sizes.
    pub sizes: Sizes,
    /// How long each stage lasts.
    pub duration: Duration,
    /// Size of the ring in bytes.
    pub ring_bytes: usize,
    /// Where files go.
    pub disk: Disk,
}

/// Where files go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    /// Nowhere: the disk is left out.
    None,
    /// To a new file of this name, removed afterwards.
    File(PathBuf),
    /// To a disk that takes so many bytes a second.
    Simulated(u64),
}

impl Default for Bench {
    /// Frames of 1,500 bytes, five seconds, a ring of 64 MiB, no disk.
    fn default() -> Self {
        Self {
            sizes: Sizes::Fixed(1500),
            duration: Duration::from_secs(5),
            ring_bytes: 64 << 20,
            disk: Disk::None,
        }
    }
}

/// What a stage did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stage {
    /// Frames taken through the engine.
    pub frames: u64,
    /// How long that took, files brought to the disk included.
    pub seconds: f64,
    /// CPU seconds of this process meanwhile.
    pub cpu_seconds: f64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Frames that the kernel had no place for in its ring.
    pub lost: u64,
    /// The longest time in which no block was taken from the ring, in seconds.
    pub longest_pause_s: f64,
}

impl Stage {
    /// Frames a second.
    pub fn rate(&self) -> f64 {
        self.frames as f64 / self.seconds.max(1e-9)
    }
}

/// Which part gives out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The engine's own work.
    Cpu,
    /// The kernel's, up to its ring, on the CPU that receives.
    Kernel,
    /// The disk's mean speed.
    Disk,
    /// The ring is too small for the disk's longest pause.
    Ring,
}

impl Limit {
    /// Its name in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Kernel => "kernel",
            Self::Disk => "disk",
            Self::Ring => "ring",
        }
    }
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Mean length of the frames in bytes.
    pub mean_len: f64,
    /// Size of the ring in bytes.
    pub ring_bytes: usize,
    /// The engine and what it makes of a frame; what it writes is thrown away.
    pub cpu: Stage,
    /// The same from a real ring, filled by the kernel on one CPU; or why that could
    /// not be measured.
    pub kernel: std::result::Result<Stage, String>,
    /// The same as `cpu`, to the disk.
    pub disk: Option<Stage>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            mean_len: 0.0,
            ring_bytes: 0,
            cpu: Stage::default(),
            kernel: Err(String::new()),
            disk: None,
        }
    }
}

impl Report {
    /// Frames a second that the ring can take through the longest pause of the
    /// disk.
    pub fn ring_rate(&self) -> Option<f64> {
        let pause = self.disk?.longest_pause_s;
        let frames = self.ring_bytes as f64 / (self.mean_len + RING_OVERHEAD);
        (pause > 0.0).then(|| frames / pause)
    }

    /// Which part gives out first, and at how many frames a second.
    pub fn limit(&self) -> (Limit, f64) {
        let disk = self.disk.map(|disk| (Limit::Disk, disk.rate()));
        let ring = self.ring_rate().map(|rate| (Limit::Ring, rate));
        let kernel = self.kernel.as_ref().ok();
        let kernel = kernel.map(|kernel| (Limit::Kernel, kernel.rate()));
        [kernel, disk, ring].into_iter().flatten().fold(
            (Limit::Cpu, self.cpu.rate()),
            |least, other| {
                if other.1 < least.1 { other } else { least }
            },
        )
    }

    /// Frames a second that this machine captures without loss, [`MARGIN`]
    /// below its limit.
    pub fn safe_rate(&self) -> f64 {
        self.limit().1 * (1.0 - MARGIN)
    }
}

impl Bench {
    /// Measures. It takes two to four times its `duration`, or
    /// less if `control` says stop.
    ///
    /// # Errors
    /// `Usage` for a file that exists, and what writing files meets.
    pub fn run(&self, control: &Control) -> Result<Report> {
        let mean_len = inject::mean_len(self.sizes);
        let null = FileSink::open(Output::new("/dev/null"))?;
        let cpu = self.stage(Box::new(null), control)?;
        let load = kernel::Load {
            sizes: self.sizes,
            ring_bytes: self.ring_bytes,
            duration: self.duration,
        };
        let kernel = kernel::measure(load, control).map_err(|error| format!("{error:#}"));
        let disk = match &self.disk {
            Disk::None => None,
            Disk::File(path) => Some(self.on_disk(path, control)?),
            Disk::Simulated(bytes_per_s) => {
                // It takes so many bytes of a file a second, and no more.
                let (rate, mut begin) = ((*bytes_per_s).max(1) as f64, None);
                let sink = Watched {
                    inner: FileSink::open(Output::new("/dev/null"))?,
                    is_enough: move |file: &FileSink| {
                        let begin = *begin.get_or_insert_with(Instant::now);
                        let due = Duration::from_secs_f64(file.file_bytes() as f64 / rate);
                        thread::sleep(due.saturating_sub(begin.elapsed()));
                        false
                    },
                };
                Some(self.stage(Box::new(sink), control)?)
            }
        };
        Ok(Report {
            mean_len,
            ring_bytes: self.ring_bytes,
            cpu,
            kernel,
            disk,
        })
    }

    fn on_disk(&self, path: &Path, control: &Control) -> Result<Stage> {
        let name = path.display();
        if path.exists() {
            let message = format!("{name} exists; name a file that does not, it is removed later");
            return Err(Error::new(ErrorKind::Usage, message));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let space = statvfs(folder).map_err(|error| {
            Error::io(format!("cannot look at {}", folder.display()), error.into())
        })?;
        let free = space.blocks_available() * space.fragment_size();
        let _file = Removed(path);
        // It stops before the disk is full.
        let mut left = (free / 2).min(MOST_BYTES);
        let sink = Watched {
            inner: FileSink::open(Output::new(path))?,
            is_enough: move |_: &FileSink| {
                left = left.saturating_sub(BLOCK_BYTES as u64);
                left == 0
            },
        };
        let mut stage = self.stage(Box::new(sink), control)?;
        stage.bytes = fs::metadata(path).map_or(0, |file| file.len());
        Ok(stage)
    }

    fn stage(&self, mut sink: Box<dyn Sink>, control: &Control) -> Result<Stage> {
        let source = Simulated::new(self.sizes, self.ring_bytes)?.lasting(self.duration);
        let longest = source.longest_pause_ns();
        let mut engine = Engine::new();
        engine.add(Box::new(source));
        let (cpu, begin) = (cpu_seconds()?, Instant::now());
        let account = engine.run(&mut sink, control, |_| {}).into_result()?;
        let frames = account.delivered;
        Ok(Stage {
            frames,
            seconds: begin.elapsed().as_secs_f64(),
            cpu_seconds: cpu_seconds()? - cpu,
            bytes: 0,
            lost: 0,
            longest_pause_s: longest.load(Ordering::Relaxed) as f64 / 1e9,
        })
    }
}

/// CPU seconds of this process so far.
fn cpu_seconds() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)
        .map_err(|error| Error::io("getrusage of this process", error.into()))?;
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// A file that goes when this is dropped.
struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

/// A file, and what is done after each batch: whether it is enough.
struct Watched<F> {
    inner: FileSink,
    is_enough: F,
}

impl<F: FnMut(&FileSink) -> bool> Sink for Watched<F> {
    fn write(&mut self, batch: Batch) -> Result<Flow> {
        let flow = self.inner.write(batch)?;
        Ok(if (self.is_enough)(&self.inner) {
            Flow::Stop
        } else {
            flow
        })
    }

    fn tick(&mut self, now_ns: u64, account: &Account) -> Result<Flow> {
        self.inner.tick(now_ns, account)
    }

    fn finish(&mut self, account: &Account) -> Result<()> {
        self.inner.finish(account)
    }

    fn losses(&self) -> pktrail_core::Losses {
        self.inner.losses()
    }
}

#[cfg(test)]
mod tests;
