//! Small forms of words that many protocols share: escaped characters, spans of
//! time, lists of flags, dumps of bytes nobody knows.
//!
//! It knows no protocol.

use super::context::{Context, put};

/// One byte of text: control characters as `^A`, bytes above 127 as `M-a`.
pub(super) fn character(cx: &mut Context<'_>, byte: u8) {
    let mut low = byte;
    if byte > 127 {
        cx.put("M-");
        low &= 0x7f;
    }
    if !(0x20..0x7f).contains(&low) {
        cx.put("^");
        low ^= 0x40;
    }
    cx.out.push(char::from(low));
}

/// Bytes of text, all of them.
pub(super) fn characters(cx: &mut Context<'_>, bytes: &[u8]) {
    for &byte in bytes {
        character(cx, byte);
    }
}

/// Bytes of text up to the first zero.
pub(super) fn padded(cx: &mut Context<'_>, bytes: &[u8]) {
    for &byte in bytes.iter().take_while(|&&byte| byte != 0) {
        character(cx, byte);
    }
}

/// A span of time such as `1w2d3h4m5s`.
pub(super) fn span(cx: &mut Context<'_>, mut seconds: u32) {
    const UNITS: [(u32, char); 6] = [
        (31_536_000, 'y'),
        (604_800, 'w'),
        (86_400, 'd'),
        (3_600, 'h'),
        (60, 'm'),
        (1, 's'),
    ];
    if seconds == 0 {
        cx.put("0s");
    }
    for (unit, letter) in UNITS {
        if seconds >= unit {
            put!(cx, "{}{letter}", seconds / unit);
            seconds %= unit;
        }
    }
}

/// The names of the flags that are set, parted by `", "`, or `none`.
pub(super) fn flags(cx: &mut Context<'_>, value: u32, names: &[(u32, &str)], none: &str) {
    let mut first = true;
    for &(mask, name) in names {
        if value & mask == mask {
            if !first {
                cx.put(", ");
            }
            cx.put(name);
            first = false;
        }
    }
    if first {
        cx.put(none);
    }
}

/// The name that belongs to a number, if the table has one.
pub(super) fn name(table: &[(u32, &'static str)], number: u32) -> Option<&'static str> {
    table
        .iter()
        .find(|&&(value, _)| value == number)
        .map(|&(_, name)| name)
}

/// Bytes in hexadecimal, sixteen to a line, each line begun by `indent` and
/// the offset.
pub(super) fn hex_lines(cx: &mut Context<'_>, bytes: &[u8], indent: &str) {
    for (line, chunk) in bytes.chunks(16).enumerate() {
        put!(cx, "{indent}0x{:04x}: ", line * 16);
        for pair in chunk.chunks(2) {
            cx.put(" ");
            hex(cx, pair);
        }
    }
}

/// Bytes in hexadecimal, one after the other.
pub(super) fn hex(cx: &mut Context<'_>, bytes: &[u8]) {
    for byte in bytes {
        put!(cx, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{NoNames, Style};

    fn written(write: impl FnOnce(&mut Context<'_>)) -> String {
        let (style, mut names, mut out) = (Style::default(), NoNames, String::new());
        write(&mut Context::new(&style, &mut names, &mut out));
        out
    }

    #[test]
    fn unprintable_characters_are_escaped() {
        let text = written(|cx| characters(cx, b"a\0\x7f\xe9\x81"));
        assert_eq!(text, "a^@^?M-iM-^A");
    }

    #[test]
    fn spans_leave_out_units_that_are_zero() {
        assert_eq!(written(|cx| span(cx, 0)), "0s");
        assert_eq!(written(|cx| span(cx, 86_461)), "1d1m1s");
        assert_eq!(written(|cx| span(cx, 32_230_861)), "1y1w1d1h1m1s");
    }
}
