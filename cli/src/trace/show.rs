//! What is shown of trails: blocks, JSON, or a summary at the end.
//!
//! Owns the count of `-c` and the choice of form.

use super::file::TrailFile;
use super::{Trace, json};
use crate::plan::usage;
use crate::{print, report};
use pktrail::names::SystemNames;
use pktrail::text::Names as _;
use pktrail::trace::{Summary, Tracer};
use pktrail::trail::diagram::Diagram;
use pktrail::trail::top::By;
use pktrail::trail::words::Detail;
use pktrail::trail::{Top, Trail, Wanted, words};
use pktrail::{Error, Result};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Rows of a summary.
const MOST_ROWS: usize = 20;

fn is_html(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "html")
}

fn not_written(path: &Path, cause: io::Error) -> Error {
    Error::io(format!("cannot write {}", path.display()), cause)
}

/// Refuses a name that does not say what is to be drawn, before anything is traced.
pub(super) fn check_diagram(path: Option<&Path>) -> Result<()> {
    match path {
        Some(path) if !is_html(path) && path.extension().is_none_or(|end| end != "svg") => {
            let what = format!(
                "--diagram {}: the name must end with .svg or .html",
                path.display()
            );
            Err(usage(what))
        }
        _ => Ok(()),
    }
}

/// Takes trails as they end.
pub(super) struct Shown {
    wanted: Wanted,
    left: u64,
    is_json: bool,
    detail: Detail,
    rankings: Vec<By>,
    top: Top,
    file: Option<TrailFile>,
    diagram: Option<(PathBuf, Diagram)>,
    prints: bool,
    clock: SystemNames,
}

impl Shown {
    pub(super) fn new(args: &Trace, wanted: Wanted) -> Result<Self> {
        let file = args.write.as_deref().map(TrailFile::create).transpose()?;
        if let Some(path) = &args.diagram {
            // Said now, and not when there is something to lose.
            fs::File::create(path).map_err(|cause| not_written(path, cause))?;
        }
        Ok(Self {
            prints: args.top.is_empty() && (file.is_none() || args.print),
            file,
            diagram: args.diagram.clone().map(|path| (path, Diagram::default())),
            wanted,
            left: args.count.unwrap_or(u64::MAX),
            is_json: args.json,
            detail: match args.verbose {
                true => Detail::Full,
                false => Detail::Brief,
            },
            rankings: args.top.iter().map(|ranking| (*ranking).into()).collect(),
            top: Top::default(),
            clock: SystemNames::new(),
        })
    }

    /// As many as `-c` asks for have been shown.
    pub(super) fn is_full(&self) -> bool {
        self.left == 0
    }

    pub(super) fn take(&mut self, mut trails: Vec<Trail>, tracer: &mut Tracer) -> Result<()> {
        trails.retain(|trail| {
            let takes = self.left > 0 && self.wanted.takes(trail, tracer);
            self.left -= u64::from(takes);
            takes
        });
        for trail in &trails {
            if !self.rankings.is_empty() {
                self.top.add(trail);
            }
            if let Some((_, diagram)) = &mut self.diagram {
                diagram.add(trail, tracer);
            }
            if !self.prints {
                continue;
            }
            print(&match self.is_json {
                true => format!("{}\n", json::trail(trail, tracer)),
                false => {
                    let first = trail.hops.first().map_or(0, |hop| hop.event.time_ns);
                    words::block(trail, tracer, &self.time_of_day(first), self.detail)
                }
            })?;
        }
        match &mut self.file {
            Some(file) if !trails.is_empty() => file.push(trails, tracer.known_names()),
            _ => Ok(()),
        }
    }

    /// Shows the summaries and completes the file.
    pub(super) fn finish(self, summary: &Summary) -> Result<()> {
        if let Some(file) = self.file {
            file.finish(summary)?;
        }
        if let Some((path, diagram)) = self.diagram {
            let text = match is_html(&path) {
                true => diagram.html(),
                false => diagram.svg(),
            };
            fs::write(&path, text).map_err(|cause| not_written(&path, cause))?;
            if diagram.left_out() > 0 {
                let count = diagram.left_out();
                let more = format!("{count} more packets are not in the diagram: a filter helps");
                report::note(&more);
            }
        }
        for by in &self.rankings {
            print(&match self.is_json {
                true => format!("{}\n", json::top(&self.top, *by, MOST_ROWS)),
                false => self.top.text(*by, MOST_ROWS),
            })?;
        }
        Ok(())
    }

    /// `13:05:22.123456`, local.
    fn time_of_day(&mut self, time_ns: u64) -> String {
        let seconds = i64::try_from(time_ns / 1_000_000_000).unwrap_or(0);
        let local = seconds + i64::from(self.clock.utc_offset(seconds));
        let second = local.rem_euclid(86_400);
        format!(
            "{:02}:{:02}:{:02}.{:06}",
            second / 3_600,
            second / 60 % 60,
            second % 60,
            time_ns / 1_000 % 1_000_000
        )
    }
}
