//! What can be said of IPsec without keys: the authentication header, the
//! header of an encrypted payload (RFC 4302, RFC 4303), and that of a
//! compressed one (RFC 3173).

use super::context::{Context, Truncated, put, u8_at, u16_at, u32_at};

/// Prints an authentication header, and gives its length.
pub(super) fn print_ah(cx: &mut Context<'_>, data: &[u8]) -> Result<usize, Truncated> {
    cx.protocol = "ah";
    cx.put("AH");
    let words = u8_at(data, 1)?;
    let len = (usize::from(words) + 2) * 4;
    cx.put("(");
    if cx.style.verbose > 0 {
        put!(cx, "length={words}({len}-bytes),");
    }
    let reserved = u16_at(data, 2)?;
    if reserved != 0 {
        put!(cx, "reserved=0x{reserved:x}[MustBeZero],");
    }
    put!(cx, "spi=0x{:08x},", u32_at(data, 4)?);
    put!(cx, "seq=0x{:x},", u32_at(data, 8)?);
    cx.put("icv=0x");
    for at in 12..len {
        put!(cx, "{:02x}", u8_at(data, at)?);
    }
    cx.put("): ");
    Ok(len)
}

/// Prints the header of an encrypted payload.
pub(super) fn print_esp(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "esp";
    if data.len() <= 8 {
        cx.put_truncated();
        return Ok(());
    }
    put!(
        cx,
        "ESP(spi=0x{:08x},seq=0x{:x}), length {len}",
        u32_at(data, 0)?,
        u32_at(data, 4)?
    );
    Ok(())
}

/// Prints the header of a compressed payload.
pub(super) fn print_ipcomp(cx: &mut Context<'_>, data: &[u8]) -> Result<(), Truncated> {
    cx.protocol = "ipcomp";
    put!(cx, "IPComp(cpi=0x{:04x})", u16_at(data, 2)?);
    Ok(())
}
