//! Domain names and character strings (RFC 1035, 3.1, 3.3 and 4.1.4; bit labels
//! of RFC 2673), as tcpdump shows them.
//!
//! A compression pointer must point before the place where the name, or the
//! part reached by the last pointer, began: that alone rules out loops. How many
//! labels one name may have is bounded too.

use super::super::context::{Context, Truncated, bytes_at, put, u8_at};
use super::super::phrases;
use super::Stop;

/// Characters of a name that are shown.
const SHOWN_MAX: usize = 255;

/// Labels and pointers that are followed in one name. A sound name has at most
/// 128, and a frame may hold thousands of names that each lead through all of it.
const STEPS_MAX: usize = 2048;

/// What the two high bits of the first byte of a label say.
#[derive(PartialEq, Eq)]
enum Kind {
    Text,
    Extended,
    Reserved,
    Pointer,
}

fn kind(first: u8) -> Kind {
    match first >> 6 {
        0 => Kind::Text,
        1 => Kind::Extended,
        2 => Kind::Reserved,
        _ => Kind::Pointer,
    }
}

/// The extended label type of a bit label (RFC 2673).
const BIT_LABEL: u8 = 1;

/// Bits in the bit label whose count is at `at`.
fn bit_count(data: &[u8], at: usize) -> Result<usize, Truncated> {
    Ok(match u8_at(data, at)? {
        0 => 256,
        bits => usize::from(bits),
    })
}

/// The offset after the name at `at`. It may lie beyond the data.
pub(super) fn skip(data: &[u8], mut at: usize) -> Result<usize, Truncated> {
    loop {
        let first = u8_at(data, at)?;
        at += 1;
        match kind(first) {
            Kind::Text if first == 0 => return Ok(at),
            Kind::Text => at += usize::from(first),
            Kind::Pointer => return Ok(at + 1),
            Kind::Extended if first & 0x3f == BIT_LABEL => {
                at += 1 + bit_count(data, at)?.div_ceil(8);
            }
            Kind::Extended | Kind::Reserved => return Err(Truncated),
        }
    }
}

/// Bytes that belong to the label at `at`, without its first. `None`, with the
/// reason in the output, when there is no such label.
fn label_len(cx: &mut Context<'_>, data: &[u8], at: usize) -> Option<usize> {
    let first = u8_at(data, at).ok()?;
    match kind(first) {
        Kind::Text | Kind::Pointer => Some(usize::from(first)),
        Kind::Extended if first & 0x3f == BIT_LABEL => {
            Some(bit_count(data, at + 1).ok()?.div_ceil(8) + 1)
        }
        Kind::Extended => {
            put!(cx, "<ELT {}>", first & 0x3f);
            None
        }
        Kind::Reserved => {
            cx.put("<BAD LABEL TYPE>");
            None
        }
    }
}

/// The bit label whose count is at `at`.
fn bit_label(cx: &mut Context<'_>, data: &[u8], at: usize) -> Result<(), Truncated> {
    let bits = bit_count(data, at)?;
    cx.put("\\[x");
    let whole = data.get(at + 1..).unwrap_or_default();
    phrases::hex(cx, &whole[..whole.len().min(bits / 8)]);
    bytes_at(data, at + 1, bits / 8)?;
    let rest = bits % 8;
    if rest > 4 {
        let last = u8_at(data, at + 1 + bits / 8)?;
        put!(cx, "{:02x}", last & (0xff << (8 - rest)));
    } else if rest > 0 {
        let last = u8_at(data, at + 1 + bits / 8)?;
        put!(cx, "{:x}", (last >> 4) & (0x0f << (4 - rest)) & 0x0f);
    }
    put!(cx, "/{bits}]");
    Ok(())
}

/// What of a name has been shown.
struct Shown {
    characters: usize,
}

impl Shown {
    /// One label of text. False when the data ends within it.
    fn label(&mut self, cx: &mut Context<'_>, data: &[u8], at: usize, len: usize) -> bool {
        let shown = len.min(SHOWN_MAX.saturating_sub(self.characters));
        let rest = data.get(at..).unwrap_or_default();
        phrases::characters(cx, &rest[..shown.min(rest.len())]);
        self.characters += len;
        shown <= rest.len()
    }

    /// The dot after a label.
    fn dot(&mut self, cx: &mut Context<'_>) {
        if self.characters <= SHOWN_MAX {
            cx.put(".");
        }
        self.characters += 1;
    }
}

/// Prints the name at `at` of the message `data`; returns the offset after it,
/// which may lie beyond the data.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], at: usize) -> Result<usize, Stop> {
    match print_from(cx, data, at, 0) {
        Ok(after) => after.ok_or(Stop::Message),
        Err(Truncated) => Err(Stop::Frame),
    }
}

/// Prints the name at `at`, where pointers count from `base`; returns the offset
/// after it, which may lie beyond the data. `None` when the name is damaged or
/// ends too soon, except where even tcpdump gives up on the whole frame.
pub(in super::super) fn print_from(
    cx: &mut Context<'_>,
    data: &[u8],
    mut at: usize,
    base: usize,
) -> Result<Option<usize>, Truncated> {
    // The first pointer of a name before its base may lead anywhere.
    let mut limit = at.checked_sub(base).unwrap_or(usize::MAX);
    let Some(mut len) = label_len(cx, data, at) else {
        return Ok(None);
    };
    let mut first = u8_at(data, at)?;
    at += 1;
    if first == 0 {
        cx.put(".");
        return Ok(Some(at));
    }
    if kind(first) == Kind::Pointer && at >= data.len() {
        return Ok(None);
    }
    let mut after = at + len;
    let mut jumped = false;
    let mut shown = Shown { characters: 0 };
    let mut steps = 0;
    while first != 0 && at < data.len() {
        steps += 1;
        if steps > STEPS_MAX {
            cx.put("<DOMAIN NAME TOO LONG>");
            return Ok(None);
        }
        match kind(first) {
            Kind::Pointer => {
                if !jumped {
                    after = at + 1;
                    jumped = true;
                }
                let offset = usize::from(first & 0x3f) << 8 | usize::from(u8_at(data, at)?);
                if offset >= limit {
                    cx.put("<BAD PTR>");
                    return Ok(None);
                }
                limit = offset;
                at = base + offset;
            }
            Kind::Extended => {
                bit_label(cx, data, at)?;
                at += len;
                shown.dot(cx);
            }
            Kind::Text => {
                if !shown.label(cx, data, at, len) {
                    return Ok(None);
                }
                at += len;
                shown.dot(cx);
            }
            Kind::Reserved => return Ok(None),
        }
        let Some(next_len) = label_len(cx, data, at) else {
            return Ok(None);
        };
        len = next_len;
        first = u8_at(data, at)?;
        at += 1;
        if !jumped {
            after += len + 1;
        }
    }
    if shown.characters > SHOWN_MAX {
        cx.put("<DOMAIN NAME TOO LONG>");
    }
    Ok(Some(after))
}

/// Prints the character string at `at`: a length byte and that many bytes.
pub(super) fn print_string(
    cx: &mut Context<'_>,
    data: &[u8],
    at: usize,
) -> Result<usize, Truncated> {
    let len = usize::from(u8_at(data, at)?);
    print_text(cx, data, at + 1, len)?;
    Ok(at + 1 + len)
}

/// Prints `len` bytes of text at `at`, as many as were captured.
pub(super) fn print_text(
    cx: &mut Context<'_>,
    data: &[u8],
    at: usize,
    len: usize,
) -> Result<(), Truncated> {
    let rest = data.get(at..).unwrap_or_default();
    phrases::characters(cx, &rest[..len.min(rest.len())]);
    if len > rest.len() {
        return Err(Truncated);
    }
    Ok(())
}
