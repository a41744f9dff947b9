//! Sizes with suffixes.

use pktrail::{Error, ErrorKind, Result};

/// Bytes from a number with an optional suffix: `k`, `M`, `G` (and `ki`, `KiB`
/// and the like) are powers of 1024.
pub(crate) fn parse(flag: &str, text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "ki" | "kb" | "kib" => 1 << 10,
        "m" | "mi" | "mb" | "mib" => 1 << 20,
        "g" | "gi" | "gb" | "gib" => 1 << 30,
        _ => return Err(wrong(flag, text)),
    };
    let number: u64 = digits.parse().map_err(|_| wrong(flag, text))?;
    number.checked_mul(factor).ok_or_else(|| wrong(flag, text))
}

fn wrong(flag: &str, text: &str) -> Error {
    let message =
        format!("{flag}: '{text}' is not a size: give a number, with k, M or G if you like");
    Error::new(ErrorKind::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_powers_of_1024() {
        assert_eq!(parse("--ring", "64M").unwrap(), 64 << 20);
        assert_eq!(parse("--ring", "1KiB").unwrap(), 1024);
        assert_eq!(parse("--ring", "7").unwrap(), 7);
        for wrong in [
            "",
            "M",
            "x",
            "1T",
            "-1",
            "99999999999999999999",
            "18446744073709551615k",
        ] {
            assert_eq!(
                parse("--ring", wrong).unwrap_err().kind(),
                ErrorKind::Usage,
                "{wrong}"
            );
        }
    }
}
