//! The account: every frame ends in exactly one counter.
//!
//! `received = filtered + delivered + surplus + expired + ring + queue + writer + disk`.
//! What was lost before the tap (device, softnet) never reached us and stands beside the sum.
//! A frame still in flight shows as [`Account::in_flight`].

/// Frames lost, by the place where it happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Dropped by the network device or its driver, before any tap. The kernel
    /// counts them for the device, not for this capture.
    pub device: u64,
    /// Dropped in the per-CPU backlog, before any tap; for all devices.
    pub softnet: u64,
    /// No room in the ring of this capture.
    pub ring: u64,
    /// No room in a queue of this program.
    pub queue: u64,
    /// Given up by the writer.
    pub writer: u64,
    /// Refused by the disk or the reader of a pipe.
    pub disk: u64,
}

impl Losses {
    /// Frames lost after the tap had seen them.
    pub fn after_tap(&self) -> u64 {
        self.ring + self.queue + self.writer + self.disk
    }

    /// All frames lost.
    pub fn total(&self) -> u64 {
        self.device + self.softnet + self.after_tap()
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Self) {
        self.device += other.device;
        self.softnet += other.softnet;
        self.ring += other.ring;
        self.queue += other.queue;
        self.writer += other.writer;
        self.disk += other.disk;
    }

    /// What was lost after `before`, an earlier count.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            device: self.device.saturating_sub(before.device),
            softnet: self.softnet.saturating_sub(before.softnet),
            ring: self.ring.saturating_sub(before.ring),
            queue: self.queue.saturating_sub(before.queue),
            writer: self.writer.saturating_sub(before.writer),
            disk: self.disk.saturating_sub(before.disk),
        }
    }

    /// The places by name, in the order in which a frame passes them.
    pub fn by_place(&self) -> [(&'static str, u64); 6] {
        [
            ("device", self.device),
            ("softnet", self.softnet),
            ("ring", self.ring),
            ("queue", self.queue),
            ("writer", self.writer),
            ("disk", self.disk),
        ]
    }
}

/// What one source counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceAccount {
    /// The interface or file.
    pub name: String,
    /// Frames that reached the tap and passed its filter, those lost in the
    /// ring included.
    pub received: u64,
    /// Frames that the source itself set aside (a direction filter that could
    /// not run in the kernel).
    pub filtered: u64,
    /// Frames lost in the source.
    pub lost: Losses,
    /// How often the ring was full.
    pub freezes: u64,
}

/// What became of every frame of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Each source's own count.
    pub sources: Vec<SourceAccount>,
    /// Frames that reached the tap and passed its filter.
    pub received: u64,
    /// Frames rejected by a filter that ran in this program.
    pub filtered: u64,
    /// Frames the sink has taken and not lost.
    pub delivered: u64,
    /// Frames that came after a limit (`-c`) had been reached, or after the
    /// reader of a pipe had gone.
    pub surplus: u64,
    /// Frames that fell out of the memory of a flight recorder
    /// ([`Keep`](crate::Keep)) before anything triggered it.
    pub expired: u64,
    /// Frames lost.
    pub lost: Losses,
    /// Frames delivered after a younger one, beyond the merge window.
    pub late: u64,
    /// How often a ring was full.
    pub freezes: u64,
}

impl Account {
    /// Frames received but in no counter yet: still in a ring, a queue or the
    /// memory of a flight recorder. Zero
    /// when a run has ended; negative only by a mistake in counting.
    pub fn in_flight(&self) -> i64 {
        let settled =
            self.filtered + self.delivered + self.surplus + self.expired + self.lost.after_tap();
        self.received.cast_signed() - settled.cast_signed()
    }

    /// Whether every frame is in exactly one counter.
    pub fn is_balanced(&self) -> bool {
        self.in_flight() == 0
    }
}
