//! RESP, the protocol of Redis: replies and commands, several to a segment.

use super::context::{Context, Truncated, bytes_at, u8_at};
use super::phrases;

/// Why no more of a segment is printed.
enum Stop {
    /// It ends too soon, or a length in it does: it gets a mark.
    Segment,
    /// tcpdump gives up on the frame here.
    Frame,
}

impl From<Truncated> for Stop {
    fn from(_: Truncated) -> Self {
        Self::Frame
    }
}

/// Prints a segment's values.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "resp";
    cx.put(": RESP");
    let mut values = Values { data, at: 0, len };
    while values.at < len {
        match values.print(cx, 0) {
            Ok(()) => {}
            Err(Stop::Segment) => {
                cx.put_truncated();
                break;
            }
            Err(Stop::Frame) => return Err(Truncated),
        }
    }
    Ok(())
}

/// A length before a value.
enum Length {
    Some(usize),
    Null,
    TooLarge,
    Negative,
    Invalid,
}

/// Arrays within arrays that are followed.
const DEPTH_MAX: u32 = 64;

struct Values<'a> {
    data: &'a [u8],
    at: usize,
    /// Bytes on the wire.
    len: usize,
}

impl Values<'_> {
    /// Prints the value here, and goes behind it.
    fn print(&mut self, cx: &mut Context<'_>, depth: u32) -> Result<(), Stop> {
        if self.at >= self.len || depth > DEPTH_MAX {
            return Err(Stop::Segment);
        }
        match u8_at(self.data, self.at)? {
            b'+' | b'-' | b':' => {
                self.at += 1;
                let start = self.at;
                self.skip_to_line_end()?;
                put_text(cx, &self.data[start..self.at]);
                self.at += 2;
                Ok(())
            }
            b'$' => self.bulk(cx),
            b'*' => self.array(cx, depth),
            _ => self.inline(cx),
        }
    }

    /// Goes to the next CR LF.
    fn skip_to_line_end(&mut self) -> Result<(), Stop> {
        loop {
            if self.at + 2 > self.len {
                return Err(Stop::Segment);
            }
            match bytes_at(self.data, self.at, 2) {
                Ok(b"\r\n") => return Ok(()),
                Ok(_) => self.at += 1,
                Err(Truncated) => return Err(Stop::Segment),
            }
        }
    }

    fn bulk(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        self.at += 1;
        match self.length()? {
            Length::Some(len) => {
                if len == 0 {
                    cx.put(" empty");
                } else {
                    let end = self.at + len;
                    let text = self.data.get(self.at..end).filter(|_| end <= self.len);
                    put_text(cx, text.ok_or(Stop::Segment)?);
                    self.at = end;
                }
                self.skip_to_line_end()?;
                self.at += 2;
            }
            other => put_odd(cx, &other),
        }
        Ok(())
    }

    fn array(&mut self, cx: &mut Context<'_>, depth: u32) -> Result<(), Stop> {
        self.at += 1;
        match self.length()? {
            Length::Some(0) => cx.put(" empty"),
            Length::Some(count) => {
                for _ in 0..count {
                    self.print(cx, depth + 1)?;
                }
            }
            other => put_odd(cx, &other),
        }
        Ok(())
    }

    /// A command as it is typed: a line that may end with CR, LF or both.
    fn inline(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        self.skip_line_ends();
        let start = self.at;
        loop {
            if self.at >= self.len {
                return Err(Stop::Segment);
            }
            if matches!(u8_at(self.data, self.at)?, b'\r' | b'\n') {
                break;
            }
            self.at += 1;
        }
        put_text(cx, &self.data[start..self.at]);
        self.skip_line_ends();
        Ok(())
    }

    fn skip_line_ends(&mut self) {
        while self.at < self.len && matches!(self.data.get(self.at), Some(b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The next byte of a length.
    fn next(&mut self) -> Result<u8, Stop> {
        if self.at >= self.len {
            return Err(Stop::Segment);
        }
        let byte = u8_at(self.data, self.at)?;
        self.at += 1;
        Ok(byte)
    }

    /// The number here, with the line's end.
    fn length(&mut self) -> Result<Length, Stop> {
        let mut byte = self.next()?;
        let negative = byte == b'-';
        if negative {
            byte = self.next()?;
        }
        let mut number = Some(0i32);
        let mut digits = 0;
        while byte.is_ascii_digit() {
            number = number
                .and_then(|it| it.checked_mul(10))
                .and_then(|it| it.checked_add(i32::from(byte - b'0')));
            digits += 1;
            byte = self.next()?;
        }
        if digits == 0 || byte != b'\r' || self.next()? != b'\n' {
            return Ok(Length::Invalid);
        }
        Ok(match (negative, number) {
            (true, Some(1)) => Length::Null,
            (true, _) => Length::Negative,
            (false, None) => Length::TooLarge,
            (false, Some(number)) => Length::Some(number as usize),
        })
    }
}

fn put_text(cx: &mut Context<'_>, text: &[u8]) {
    cx.put(" \"");
    phrases::characters(cx, text);
    cx.put("\"");
}

fn put_odd(cx: &mut Context<'_>, length: &Length) {
    cx.put(match length {
        Length::Null => " null",
        Length::TooLarge => " length too large",
        Length::Negative => " length negative and not -1",
        Length::Some(_) | Length::Invalid => " invalid",
    });
}

#[cfg(test)]
mod tests {
    use super::print;
    use crate::text::golden::text;

    #[test]
    fn arrays_in_arrays_are_followed_so_deep_only() {
        let deep = b"*1\r\n".repeat(16_000);
        assert_eq!(text(0, |cx| print(cx, &deep, deep.len())), ": RESP [|resp]");
    }
}
