//! pcapng options, as bytes: little-endian code and length, value padded to
//! four bytes (section 3.5 of the draft).

use super::block::{OPT_COMMENT, OPT_END};

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
