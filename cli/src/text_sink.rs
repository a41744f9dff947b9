//! The sink that prints: frames as text or as JSON lines on standard output.

use crate::run;
use pktrail::text::Printer;
use pktrail::{Account, Batch, Error, Flow, Frame, Interface, Result, Sink};
use serde_json::json;
use std::io::{self, IsTerminal, Write};

/// How a frame becomes lines.
pub(crate) enum Form {
    /// tcpdump's words.
    Text,
    /// A JSON object a frame, with the words in `text`.
    Json,
}

/// Prints frames to standard output.
pub(crate) struct TextSink {
    printer: Printer,
    form: Form,
    /// Frames that could not be printed because the reader has gone.
    surplus: u64,
    number: u64,
}

impl TextSink {
    pub(crate) fn new(printer: Printer, form: Form) -> Self {
        Self {
            printer,
            form,
            surplus: 0,
            number: 0,
        }
    }

    fn line(&mut self, frame: &Frame<'_>, interface: &Interface, out: &mut String) {
        self.number += 1;
        match self.form {
            Form::Text => self.printer.print(frame, interface, out),
            Form::Json => {
                let mut text = String::new();
                self.printer.print(frame, interface, &mut text);
                out.push_str(&describe(self.number, frame, interface, text.trim_end()));
                out.push('\n');
            }
        }
    }
}

/// Text held before it is written: a batch may hold many thousand frames.
const CHUNK_BYTES: usize = 64 << 10;

impl Sink for TextSink {
    fn write(&mut self, batch: Batch) -> Result<Flow> {
        let mut out = String::with_capacity(CHUNK_BYTES);
        let mut pending = 0;
        let mut left = batch.frames.len() as u64;
        let nowhere = Interface::default();
        for frame in batch.iter() {
            let interface = batch.interface(frame.info).unwrap_or(&nowhere);
            self.line(&frame, interface, &mut out);
            pending += 1;
            if out.len() >= CHUNK_BYTES {
                flush(&mut out).inspect_err(|_| self.surplus += left)?;
                left -= pending;
                pending = 0;
            }
        }
        flush(&mut out).inspect_err(|_| self.surplus += left)?;
        Ok(Flow::Continue)
    }

    fn finish(&mut self, _: &Account) -> Result<()> {
        Ok(())
    }

    fn surplus(&self) -> u64 {
        self.surplus
    }
}

fn flush(out: &mut String) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let result = stdout
        .write_all(out.as_bytes())
        .and_then(|()| stdout.flush());
    out.clear();
    result.map_err(|cause| Error::io("cannot write to standard output", cause))
}

/// A frame as a JSON object.
fn describe(number: u64, frame: &Frame<'_>, interface: &Interface, text: &str) -> String {
    let info = frame.info;
    let (seconds, nanoseconds) = (
        info.timestamp_ns / 1_000_000_000,
        info.timestamp_ns % 1_000_000_000,
    );
    let direction = match info.flags.direction() {
        1 => Some("in"),
        2 => Some("out"),
        _ => None,
    };
    let name = Some(interface.full_name()).filter(|name| !name.is_empty());
    json!({
        "number": number,
        "time": format!("{seconds}.{nanoseconds:09}"),
        "interface": name,
        "link_type": interface.link_type.name().map(|(name, _)| name),
        "length": info.len,
        "captured": info.caplen,
        "direction": direction,
        "queue": info.queue,
        "lost_before": info.lost_before,
        "text": text,
    })
    .to_string()
}

/// Counts frames, and prints the number at the end.
pub(crate) struct CountSink {
    count: u64,
    is_json: bool,
}

impl CountSink {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { count: 0, is_json }
    }
}

impl Sink for CountSink {
    fn write(&mut self, batch: Batch) -> Result<Flow> {
        self.count += batch.frames.len() as u64;
        Ok(Flow::Continue)
    }

    fn finish(&mut self, _: &Account) -> Result<()> {
        if io::stdout().is_terminal() && io::stderr().is_terminal() {
            run::clear_line();
        }
        let plural = if self.count == 1 { "" } else { "s" };
        flush(&mut match self.is_json {
            true => format!("{}\n", json!({"packets": self.count})),
            false => format!("{} packet{plural}\n", self.count),
        })
    }
}
