//! Bytes in hexadecimal and as ASCII.

use super::Dump;
use super::context::{Context, put};
use std::fmt::Write as _;

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
        put!(cx, "{indent}0x{:04x}: ", i * BYTES_PER_LINE);
        put_pairs(cx.out, line);
    }
}

/// Lines of an offset, eight pairs of bytes, and the bytes as ASCII.
pub(super) fn hex_ascii(cx: &mut Context<'_>, data: &[u8]) {
    for (i, line) in data.chunks(BYTES_PER_LINE).enumerate() {
        put!(cx, "\n\t0x{:04x}: ", i * BYTES_PER_LINE);
        let start = cx.out.len();
        put_pairs(cx.out, line);
        let width = cx.out.len() - start;
        put!(cx, "{:1$}", "", HEX_WIDTH.saturating_sub(width) + 2);
        for &byte in line {
            cx.out.push(match byte.is_ascii_graphic() {
                true => char::from(byte),
                false => '.',
            });
        }
    }
}

fn put_pairs(out: &mut String, line: &[u8]) {
    for pair in line.chunks(2) {
        out.push(' ');
        for byte in pair {
            let _ = write!(out, "{byte:02x}");
        }
    }
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
