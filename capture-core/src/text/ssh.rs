//! SSH's first line (RFC 4253, section 4.2). What follows it is not text.

use super::context::{Context, Truncated, u8_at};

/// Prints a line that begins with `SSH-`, after a colon; nothing of other data.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "ssh";
    for (at, &wanted) in b"SSH-".iter().enumerate() {
        if u8_at(data, at)? != wanted {
            return Ok(());
        }
    }
    let mut end = 4;
    loop {
        if end >= len {
            return Ok(());
        }
        match u8_at(data, end)? {
            b'\n' => break,
            b'\r' if end + 1 < len && u8_at(data, end + 1)? == b'\n' => break,
            0x20..0x7f => end += 1,
            _ => return Ok(()),
        }
    }
    cx.put(": SSH: ");
    for &byte in &data[..end] {
        cx.out.push(char::from(byte));
    }
    Ok(())
}
