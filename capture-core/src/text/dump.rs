//! Bytes in hexadecimal and as ASCII.

use super::Dump;
use super::context::{Context, put};

const BYTES_PER_LINE: usize = 16;
/// Eight groups of a space and four digits.
const HEX_WIDTH: usize = 40;

/// The bytes below a frame, as the style asks. `header_len` is the length of
/// the link-layer header, which the shorter forms leave out.
pub(super) fn frame(cx: &mut Context<'_>, data: &[u8], header_len: usize) {
    let payload = data.get(header_len..).unwrap_or_default();
    match cx.style.dump {
        Dump::None => {}
        Dump::Hex => hex(cx, "\n\t", payload),
        Dump::HexLink => hex(cx, "\n\t", data),
        Dump::HexAscii => hex_ascii(cx, payload),
        Dump::HexAsciiLink => hex_ascii(cx, data),
        Dump::Ascii if payload.is_empty() => {}
        Dump::Ascii => ascii(cx, payload),
        Dump::AsciiLink => ascii(cx, data),
    }
}

/// What is printed of a payload that nobody knows; nothing where the bytes
/// will be shown anyhow, or little is wanted.
pub(super) fn unknown(cx: &mut Context<'_>, data: &[u8]) {
    let shown_anyhow = !matches!(cx.style.dump, Dump::None | Dump::Ascii | Dump::AsciiLink);
    if !shown_anyhow && !cx.style.quiet {
        hex_ascii(cx, data);
    }
}

/// Lines of an offset and eight pairs of bytes, each after `indent`.
pub(super) fn hex(cx: &mut Context<'_>, indent: &str, data: &[u8]) {
    for (i, line) in data.chunks(BYTES_PER_LINE).enumerate() {
        cx.put(indent);
        put_offset(cx, i * BYTES_PER_LINE);
        put_pairs(cx, line);
    }
}

/// Lines of an offset, eight pairs of bytes, and the bytes as ASCII.
pub(super) fn hex_ascii(cx: &mut Context<'_>, data: &[u8]) {
    for (i, line) in data.chunks(BYTES_PER_LINE).enumerate() {
        cx.put("\n\t");
        put_offset(cx, i * BYTES_PER_LINE);
        let start = cx.out.len();
        put_pairs(cx, line);
        let width = cx.out.len() - start;
        cx.put(&BLANKS[..(HEX_WIDTH.saturating_sub(width) + 2).min(BLANKS.len())]);
        let mut shown = [b'.'; BYTES_PER_LINE];
        for (place, &byte) in shown.iter_mut().zip(line) {
            if byte.is_ascii_graphic() {
                *place = byte;
            }
        }
        put_ascii(cx, &shown[..line.len()]);
    }
}

/// More than a line ever needs to fill up.
const BLANKS: &str = "                                            ";

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A dump is most of what is printed, so it does without the formatter.
fn put_offset(cx: &mut Context<'_>, offset: usize) {
    if offset > 0xffff {
        put!(cx, "0x{offset:04x}: ");
        return;
    }
    let digit = |shift: usize| DIGITS[offset >> shift & 15];
    put_ascii(
        cx,
        &[
            b'0',
            b'x',
            digit(12),
            digit(8),
            digit(4),
            digit(0),
            b':',
            b' ',
        ],
    );
}

fn put_pairs(cx: &mut Context<'_>, line: &[u8]) {
    let mut text = [b' '; HEX_WIDTH];
    let mut len = 0;
    for (i, &byte) in line.iter().enumerate().take(BYTES_PER_LINE) {
        len += (i + 1) % 2;
        text[len] = DIGITS[usize::from(byte >> 4)];
        text[len + 1] = DIGITS[usize::from(byte & 15)];
        len += 2;
    }
    put_ascii(cx, &text[..len]);
}

fn put_ascii(cx: &mut Context<'_>, text: &[u8]) {
    cx.put(std::str::from_utf8(text).unwrap_or_default());
}

/// Text as it is, other bytes as dots, carriage returns at the ends of lines
/// left out.
fn ascii(cx: &mut Context<'_>, data: &[u8]) {
    cx.put("\n");
    for (i, &byte) in data.iter().enumerate() {
        match byte {
            b'\r' => {
                // The last two bytes' carriage returns vanish too.
                let left = data.len() - i - 1;
                if left > 1 && data.get(i + 1) != Some(&b'\n') {
                    cx.put(".");
                }
            }
            b'\t' | b' ' | b'\n' => cx.out.push(char::from(byte)),
            _ if byte.is_ascii_graphic() => cx.out.push(char::from(byte)),
            _ => cx.put("."),
        }
    }
}
