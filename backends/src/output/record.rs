//! What is known of a finished file, and its line in the file log.

use crate::{FrameInfo, Losses};
use jiff::Timestamp;
use serde_json::Value;
use std::path::PathBuf;

/// A finished file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileRecord {
    /// Its name.
    pub path: PathBuf,
    /// Time of its oldest frame, in nanoseconds since 1970.
    pub first_ns: Option<u64>,
    /// Time of its youngest frame, in nanoseconds since 1970.
    pub last_ns: Option<u64>,
    /// Frames in it.
    pub packets: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Frames lost since the file before it was finished.
    pub lost: Losses,
}

impl FileRecord {
    /// The record as a line of JSON, with its end: `file`, `first` and `last`
    /// (RFC 3339 in UTC with nanoseconds; null without a frame), `packets`,
    /// `bytes`, and `lost` by place.
    pub fn to_json(&self) -> String {
        // Put together here, so that the members keep this order.
        let lost: Vec<String> = self
            .lost
            .by_place()
            .iter()
            .map(|(place, count)| format!("\"{place}\":{count}"))
            .collect();
        format!(
            "{{\"file\":{},\"first\":{},\"last\":{},\"packets\":{},\"bytes\":{},\
             \"lost\":{{{}}}}}\n",
            Value::from(self.path.to_string_lossy()),
            Value::from(self.first_ns.map(time)),
            Value::from(self.last_ns.map(time)),
            self.packets,
            self.bytes,
            lost.join(",")
        )
    }

    pub(super) fn add(&mut self, info: &FrameInfo) {
        self.add_all(1, (info.timestamp_ns, info.timestamp_ns));
    }

    /// Adds frames, given the times of the oldest and the youngest.
    pub(super) fn add_all(&mut self, frames: u64, (oldest, youngest): (u64, u64)) {
        self.first_ns = Some(self.first_ns.map_or(oldest, |first| first.min(oldest)));
        self.last_ns = Some(self.last_ns.map_or(youngest, |last| last.max(youngest)));
        self.packets += frames;
    }
}

fn time(ns: u64) -> String {
    match Timestamp::from_nanosecond(i128::from(ns)) {
        Ok(timestamp) => format!("{timestamp:.9}"),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object() {
        let mut record = FileRecord {
            path: "a \"b\".pcapng".into(),
            bytes: 99,
            lost: Losses {
                ring: 3,
                ..Losses::default()
            },
            ..FileRecord::default()
        };
        for timestamp_ns in [1_700_000_001_000_000_000, 1_700_000_000_000_000_005] {
            record.add(&FrameInfo {
                timestamp_ns,
                ..FrameInfo::default()
            });
        }
        let line = record.to_json();
        assert!(line.ends_with("}\n") && line.lines().count() == 1);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["file"], "a \"b\".pcapng");
        assert_eq!(value["first"], "2023-11-14T22:13:20.000000005Z");
        assert_eq!(value["last"], "2023-11-14T22:13:21.000000000Z");
        assert_eq!(
            (&value["packets"], &value["bytes"]),
            (&2.into(), &99.into())
        );
        assert_eq!(value["lost"]["ring"], 3);
        assert_eq!(value["lost"]["disk"], 0);
    }
}
