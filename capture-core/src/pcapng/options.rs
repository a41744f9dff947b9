//! pcapng options, as bytes: little-endian code and length, value padded to
//! four bytes (section 3.5 of the draft).

use super::block::{OPT_COMMENT, OPT_CUSTOM, OPT_END};
use crate::read::Order;

/// Appends one option. A value too long for the format is cut.
pub(crate) fn put(code: u16, value: &[u8], out: &mut Vec<u8>) {
    let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
    out.extend_from_slice(&code.to_le_bytes());
    // At most u16::MAX, by the line above.
    out.extend_from_slice(&(value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
    pad(value.len(), out);
}

/// Appends a text option; one too long is cut between two characters.
pub(crate) fn put_text(code: u16, text: &str, out: &mut Vec<u8>) {
    let end = text.floor_char_boundary(usize::from(u16::MAX));
    put(code, text.get(..end).unwrap_or_default().as_bytes(), out);
}

/// Appends a text option if there is a text.
pub(crate) fn put_some(code: u16, text: Option<&str>, out: &mut Vec<u8>) {
    if let Some(text) = text {
        put_text(code, text, out);
    }
}

/// Appends an option for each comment.
pub(crate) fn put_comments(comments: &[String], out: &mut Vec<u8>) {
    for comment in comments {
        put_text(OPT_COMMENT, comment, out);
    }
}

/// Appends the end of options.
pub(crate) fn put_end(out: &mut Vec<u8>) {
    put(OPT_END, &[], out);
}

/// Appends zeros after a value of `len` bytes, to a multiple of four.
pub(crate) fn pad(len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; 3][..padding(len)]);
}

/// Zeros needed after `len` bytes, 0 to 3.
pub(crate) const fn padding(len: usize) -> usize {
    len.wrapping_neg() & 3
}

/// One option among others.
pub(crate) struct Place {
    pub(crate) code: u16,
    /// Length of the value, which begins four bytes after the option.
    pub(crate) len: usize,
    /// Where the next option begins.
    pub(crate) next: usize,
}

/// The option at `at`; `None` at the end of options, and at `end` without one,
/// which some writers leave out.
pub(crate) fn next(
    bytes: &[u8],
    at: usize,
    end: usize,
    order: Order,
) -> Result<Option<Place>, String> {
    if at.saturating_add(4) > end {
        return Ok(None);
    }
    let code = order.u16(bytes, at);
    let len = usize::from(order.u16(bytes, at + 2));
    if code == OPT_END {
        return Ok(None);
    }
    let next = at + 4 + len + padding(len);
    if next > end {
        return Err(format!(
            "its option {code} is {len} bytes long, but {} are left",
            end - at - 4
        ));
    }
    Ok(Some(Place { code, len, next }))
}

/// Calls `visit` with code and value of each option from `at` on.
pub(crate) fn each(
    bytes: &[u8],
    mut at: usize,
    order: Order,
    mut visit: impl FnMut(u16, &[u8]),
) -> Result<(), String> {
    while let Some(option) = next(bytes, at, bytes.len(), order)? {
        let value = bytes.get(at + 4..at + 4 + option.len);
        visit(option.code, value.unwrap_or_default());
        at = option.next;
    }
    Ok(())
}

/// Turns the option at `at` to little-endian; `value` does the same for its
/// value, unless it is a custom option.
pub(crate) fn normalise(bytes: &mut [u8], at: usize, order: Order, value: impl FnOnce(&mut [u8])) {
    let code = order.u16(bytes, at);
    let len = usize::from(order.u16(bytes, at + 2));
    order.normalise(bytes, at, 2);
    order.normalise(bytes, at + 2, 2);
    if let Some(bytes) = bytes.get_mut(at + 4..at + 4 + len) {
        normalise_value(bytes, code, order, value);
    }
}

/// Turns the value of an option to little-endian: the number of the enterprise
/// in a custom option, what `other` does in any other.
pub(crate) fn normalise_value(
    value: &mut [u8],
    code: u16,
    order: Order,
    other: impl FnOnce(&mut [u8]),
) {
    if OPT_CUSTOM.contains(&code) {
        order.normalise(value, 0, 4);
    } else {
        other(value);
    }
}

/// Turns all options from `at` on to little-endian, until one does not fit;
/// returns where they end.
pub(crate) fn normalise_all(
    bytes: &mut [u8],
    mut at: usize,
    order: Order,
    value: impl Fn(&mut [u8], u16),
) -> usize {
    while let Ok(Some(option)) = next(bytes, at, bytes.len(), order) {
        normalise(bytes, at, order, |bytes| value(bytes, option.code));
        at = option.next;
    }
    // The end of options is zeros in either order.
    at.saturating_add(4)
}
