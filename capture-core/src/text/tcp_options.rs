//! The options of TCP.

use super::context::{Context, Truncated, array_at, bytes_at, put, u8_at, u16_at, u32_at};
use super::mptcp;
use super::tcp::{HEADER_LEN, Segment};

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MD5_LEN: usize = 16;
/// The experiment that became Fast Open (RFC 6994, RFC 7413).
const EXPERIMENT_FAST_OPEN: u16 = 0xf989;

/// How printing an option failed.
enum Fault {
    /// It is longer than the header has room for.
    Bad,
    /// It was not captured whole; printing ends here.
    Short,
    /// As [`Truncated`], to the top.
    Truncated,
}

impl From<Truncated> for Fault {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

/// Prints a segment's options; false if nothing more is to be printed.
pub(super) fn print(cx: &mut Context<'_>, segment: &Segment<'_>) -> Result<bool, Truncated> {
    cx.put(", options [");
    let mut options = Options {
        data: segment.data.get(HEADER_LEN..).unwrap_or_default(),
        left: segment.header_len - HEADER_LEN,
        segment,
    };
    let mut first = true;
    while options.left > 0 {
        if !first {
            cx.put(",");
        }
        match options.print_one(cx) {
            Ok(true) => {}
            Ok(false) => break,
            Err(fault) => {
                match fault {
                    Fault::Truncated => return Err(Truncated),
                    Fault::Bad => cx.put("[bad opt]"),
                    Fault::Short => cx.put_truncated(),
                }
                if !first {
                    cx.put(if matches!(fault, Fault::Bad) {
                        "]"
                    } else {
                        ">"
                    });
                }
                return Ok(false);
            }
        }
        first = false;
    }
    cx.put("]");
    Ok(true)
}

/// The options still to be printed.
struct Options<'a> {
    /// The segment from the option on.
    data: &'a [u8],
    /// Bytes that the header has left.
    left: usize,
    segment: &'a Segment<'a>,
}

impl<'a> Options<'a> {
    /// Prints an option; false if it was the end of them.
    fn print_one(&mut self, cx: &mut Context<'_>) -> Result<bool, Fault> {
        let kind = u8_at(self.data, 0)?;
        let mut len = 1;
        let mut head = 1;
        if !matches!(kind, END | NO_OPERATION) {
            len = usize::from(u8_at(self.data, 1)?);
            head = 2;
            if len < 2 || len > self.left {
                return Err(Fault::Bad);
            }
        }
        let option = Field {
            whole: self.data,
            value: self.data.get(head..).unwrap_or_default(),
            room: self.left - head,
            len: len - head,
        };
        match name(kind) {
            Some(name) => cx.put(name),
            None => put!(cx, "unknown-{kind}"),
        }
        let used = option.print(cx, kind, self.segment)?;
        if used != option.len {
            put!(cx, "[len {len}]");
        }
        self.data = option.value.get(used..).unwrap_or_default();
        self.left = option.room.saturating_sub(used);
        Ok(kind != END)
    }
}

fn name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        END => "eol",
        NO_OPERATION => "nop",
        2 => "mss",
        3 => "wscale",
        4 => "sackOK",
        5 => "sack",
        6 => "echo",
        7 => "echoreply",
        8 => "TS",
        11 => "cc",
        12 => "ccnew",
        13 => "",
        19 => "md5",
        20 => "scps",
        28 => "uto",
        29 => "tcp-ao",
        30 => "mptcp",
        34 => "tfo",
        254 => "exp",
        _ => return None,
    })
}

/// One option.
struct Field<'a> {
    /// From its kind on.
    whole: &'a [u8],
    /// From its value on; may reach beyond the option.
    value: &'a [u8],
    /// Bytes from the value on that the header has.
    room: usize,
    /// Bytes of value, by the option's own length.
    len: usize,
}

impl Field<'_> {
    /// Checks that `len` bytes of value are in the header and were captured.
    fn need(&self, len: usize) -> Result<(), Fault> {
        if len > self.room {
            return Err(Fault::Bad);
        }
        match bytes_at(self.value, 0, len) {
            Ok(_) => Ok(()),
            Err(Truncated) => Err(Fault::Short),
        }
    }

    /// Prints the value, and gives how many bytes of it that took.
    fn print(&self, cx: &mut Context<'_>, kind: u8, segment: &Segment<'_>) -> Result<usize, Fault> {
        let fixed = match kind {
            END | NO_OPERATION | 4 => 0,
            3 => 1,
            2 | 20 | 28 => 2,
            6 | 7 | 11..=13 => 4,
            8 => 8,
            19 => MD5_LEN,
            5 | 29 => return self.print_list(cx, kind, segment),
            30 | 34 | 254 => return self.print_framed(cx, kind, segment),
            _ => {
                if self.len > 0 {
                    cx.put(" 0x");
                }
                self.put_hex(cx, 0)?;
                return Ok(self.len);
            }
        };
        self.need(fixed)?;
        let value = self.value;
        match kind {
            3 => put!(cx, " {}", u8_at(value, 0)?),
            2 => put!(cx, " {}", u16_at(value, 0)?),
            20 => put!(cx, " cap {:02x} id {}", u8_at(value, 0)?, u8_at(value, 1)?),
            28 => {
                let timeout = u16_at(value, 0)?;
                let unit = if timeout & 1 == 0 { 1 } else { 60 };
                put!(cx, " 0x{timeout:x} {}", u32::from(timeout >> 1) * unit);
            }
            6 | 7 | 11..=13 => put!(cx, " {}", u32_at(value, 0)?),
            8 => put!(cx, " val {} ecr {}", u32_at(value, 0)?, u32_at(value, 4)?),
            19 => self.put_signature(cx, segment)?,
            _ => {}
        }
        Ok(fixed)
    }

    /// Selective acknowledgements, and the authentication option.
    fn print_list(
        &self,
        cx: &mut Context<'_>,
        kind: u8,
        segment: &Segment<'_>,
    ) -> Result<usize, Fault> {
        if kind == 29 {
            if self.len < 2 {
                cx.put_invalid();
                return Ok(self.len);
            }
            self.need(1)?;
            put!(cx, " keyid {}", u8_at(self.value, 0)?);
            self.need(2)?;
            put!(cx, " rnextkeyid {}", u8_at(self.value, 1)?);
            if self.len > 2 {
                cx.put(" mac 0x");
                self.put_hex(cx, 2)?;
            }
        } else if !self.len.is_multiple_of(8) {
            cx.put(" invalid sack");
        } else {
            put!(cx, " {} ", self.len / 8);
            for at in (0..self.len).step_by(8) {
                self.need(at + 4)?;
                self.need(at + 8)?;
                let begin = u32_at(self.value, at)?.wrapping_sub(segment.sack_origin);
                let end = u32_at(self.value, at + 4)?.wrapping_sub(segment.sack_origin);
                put!(cx, "{{{begin}:{end}}}");
            }
        }
        Ok(self.len)
    }

    /// Options whose own length says how long they are.
    fn print_framed(
        &self,
        cx: &mut Context<'_>,
        kind: u8,
        segment: &Segment<'_>,
    ) -> Result<usize, Fault> {
        self.need(self.len)?;
        let value = self.value.get(..self.len).unwrap_or_default();
        match kind {
            30 => {
                let option = self.whole.get(..self.len + 2).unwrap_or(self.whole);
                if !mptcp::print(cx, option, segment.flags)? {
                    return Err(Fault::Bad);
                }
            }
            34 => {
                cx.put(" ");
                put_cookie(cx, value);
            }
            _ => {
                if value.len() < 2 {
                    return Err(Fault::Bad);
                }
                match u16_at(value, 0)? {
                    EXPERIMENT_FAST_OPEN => {
                        cx.put("-tfo");
                        put_cookie(cx, value.get(2..).unwrap_or_default());
                    }
                    experiment => put!(cx, "-{experiment:04x}"),
                }
            }
        }
        Ok(self.len)
    }

    fn put_hex(&self, cx: &mut Context<'_>, from: usize) -> Result<(), Fault> {
        for at in from..self.len {
            self.need(at + 1)?;
            put!(cx, "{:02x}", u8_at(self.value, at)?);
        }
        Ok(())
    }

    /// A keyed digest (RFC 2385), which cannot be checked without the key.
    fn put_signature(&self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Result<(), Fault> {
        let end = segment.header_len.saturating_add(segment.payload_len);
        cx.put(match segment.data.len() < end {
            true => " snaplen too short, can't check - ",
            false => " shared secret not supplied with -M, can't check - ",
        });
        for byte in array_at::<MD5_LEN>(self.value, 0)? {
            put!(cx, "{byte:02x}");
        }
        Ok(())
    }
}

/// Prints a Fast Open cookie, or the request for one.
fn put_cookie(cx: &mut Context<'_>, cookie: &[u8]) {
    if cookie.is_empty() {
        cx.put(" cookiereq");
    } else if !cookie.len().is_multiple_of(2) || !(4..=16).contains(&cookie.len()) {
        cx.put_invalid();
    } else {
        cx.put(" cookie ");
        for byte in cookie {
            put!(cx, "{byte:02x}");
        }
    }
}
