//! Cuts an expression into words, as libpcap's scanner does: at each place the
//! longest word wins, and of equally long ones a keyword, then a MAC address,
//! a number, dotted numbers, a name. So `len-14` and `ftp-data` are one name,
//! `1.2.3.4.5` is a name, and any twelve digits are a MAC address.

use super::mistake::{Mistake, Span};
use super::token::{Kind, SIGNS, Token, keyword, nearest};
use std::net::Ipv6Addr;

/// Longest text that can be an IPv6 address with dotted numbers at its end.
const LONGEST_V6: usize = 64;

/// The words of `text`; the last is `End`.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, Mistake> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let skipped = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        at += rest.len() - skipped.len();
        if skipped.is_empty() {
            let span = Span { start: at, end: at };
            let kind = Kind::End;
            tokens.push(Token { kind, span });
            return Ok(tokens);
        }
        let (kind, length) = next(skipped, at)?;
        let end = at + length;
        let span = Span { start: at, end };
        tokens.push(Token { kind, span });
        at = end;
    }
}

/// The first word of `text`, which is not empty, and its length.
fn next(text: &str, at: usize) -> Result<(Kind, usize), Mistake> {
    let wrong = |length: usize, message: String| {
        let end = at + length;
        Err(Mistake::new(Span { start: at, end }, message))
    };
    let word = word(text);
    let (v6, bogus) = (v6_length(text), bogus_mac_length(text));
    let mac = colon_mac_length(text);
    let longest = word.len().max(v6).max(bogus).max(mac);
    if longest > 0 {
        let chosen = text.get(..longest).unwrap_or_default();
        return if longest == word.len() {
            Ok((plain(word, at)?, longest))
        } else if longest == mac {
            Ok((Kind::Mac(mac_of(chosen, &[':'])), longest))
        } else if longest == v6 {
            match chosen.parse::<Ipv6Addr>() {
                Ok(address) => Ok((Kind::V6(address), longest)),
                Err(_) => wrong(longest, format!("\"{chosen}\" is no IPv6 address")),
            }
        } else {
            let message = format!(
                "\"{chosen}\" is no Ethernet address; one has six bytes, as in 02:00:00:00:00:01"
            );
            wrong(longest, message)
        };
    }
    if let Some((sign, kind)) = SIGNS.iter().find(|(sign, _)| text.starts_with(sign)) {
        return Ok((Kind::Sign(*kind), sign.len()));
    }
    if let Some(escaped) = text.strip_prefix('\\') {
        let ends = [' ', '!', '(', ')', '\n', '\t'];
        let length = escaped.find(ends).unwrap_or(escaped.len());
        let name = escaped.get(..length).unwrap_or_default();
        return match name {
            "" => wrong(1, "after \\ a name is missing".into()),
            _ => Ok((Kind::Name(name.into()), 1 + length)),
        };
    }
    if let Some(address) = text.strip_prefix('$') {
        let digits = address.bytes().take(2).take_while(u8::is_ascii_hexdigit);
        let length = digits.count();
        let address = address.get(..length).unwrap_or_default();
        if let Ok(address) = u8::from_str_radix(address, 16) {
            return Ok((Kind::Arcnet(address), 1 + length));
        }
    }
    let first = text.chars().next().unwrap_or_default();
    let message = format!("{first:?} has no meaning in a filter expression");
    wrong(first.len_utf8(), message)
}

/// The longest name at the start of `text`: letters, digits, `-`, `_` and dots;
/// it begins with a letter or digit and ends with one or with a dot.
fn word(text: &str) -> &str {
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    if !text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return "";
    }
    let length = text.bytes().take_while(|byte| is_inner(byte)).count();
    let run = text.get(..length).unwrap_or_default();
    run.trim_end_matches(['-', '_'])
}

/// What a word without colons is.
fn plain(word: &str, at: usize) -> Result<Kind, Mistake> {
    if let Some(kind) = keyword(word) {
        return Ok(kind);
    }
    let bytes = word.as_bytes();
    let hexadecimal = |part: &[u8]| part.iter().all(u8::is_ascii_hexdigit);
    if bytes.len() == 12 && hexadecimal(bytes) {
        return Ok(Kind::Mac(mac_of_digits(bytes)));
    }
    for separator in ['-', '.'] {
        let parts = word.split(separator);
        if parts.clone().count() == 6 && parts.clone().all(is_byte) {
            return Ok(Kind::Mac(mac_of(word, &[separator])));
        }
    }
    let quads = word.split('.');
    if quads.clone().count() == 3
        && quads
            .clone()
            .all(|p| p.len() == 4 && hexadecimal(p.as_bytes()))
    {
        let digits: Vec<u8> = bytes.iter().copied().filter(|b| *b != b'.').collect();
        return Ok(Kind::Mac(mac_of_digits(&digits)));
    }
    if is_number(word) {
        let end = at + word.len();
        return number(word).map_err(|message| Mistake::new(Span { start: at, end }, message));
    }
    if (2..=4).contains(&word.split('.').count()) && word.split('.').all(is_number) {
        return Ok(Kind::Dotted(word.into()));
    }
    Ok(Kind::Name(word.into()))
}

fn is_byte(text: &str) -> bool {
    (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Decimal or octal digits, or `0x` and hexadecimal ones.
fn is_number(text: &str) -> bool {
    let hexadecimal = text.strip_prefix("0x").or(text.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

fn number(text: &str) -> Result<Kind, String> {
    let hexadecimal = text.strip_prefix("0x").or(text.strip_prefix("0X"));
    let parsed = match (hexadecimal, text.strip_prefix('0')) {
        (Some(digits), _) => u32::from_str_radix(digits, 16),
        (None, Some("")) => Ok(0),
        (None, Some(digits)) => {
            if digits.contains(['8', '9']) {
                return Err(format!(
                    "{text} begins with 0, so it is octal, and then no digit can be 8 or 9"
                ));
            }
            u32::from_str_radix(digits, 8)
        }
        (None, None) => text.parse(),
    };
    match parsed {
        Ok(number) => Ok(Kind::Number(number)),
        Err(_) => Err(format!("{text} is more than 32 bits hold")),
    }
}

fn mac_of(text: &str, separators: &[char]) -> [u8; 6] {
    let mut mac = [0; 6];
    for (byte, part) in mac.iter_mut().zip(text.split(separators)) {
        *byte = u8::from_str_radix(part, 16).unwrap_or_default();
    }
    mac
}

fn mac_of_digits(digits: &[u8]) -> [u8; 6] {
    let mut mac = [0; 6];
    for (byte, pair) in mac.iter_mut().zip(digits.chunks(2)) {
        let text = str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(text, 16).unwrap_or_default();
    }
    mac
}

/// Length of six bytes with colons at the start of `text`; 0: there are none.
fn colon_mac_length(text: &str) -> usize {
    let mut at = 0;
    for part in 0..6 {
        if part > 0 {
            if text.as_bytes().get(at) != Some(&b':') {
                return 0;
            }
            at += 1;
        }
        let digits = digits_at(text, at).min(2);
        if digits == 0 {
            return 0;
        }
        at += digits;
    }
    at
}

/// Length of two or more bytes each followed by colons, which is no address of
/// any kind; 0: there is no such thing.
fn bogus_mac_length(text: &str) -> usize {
    let (mut at, mut parts) = (0, 0);
    loop {
        let digits = digits_at(text, at);
        let after = at + digits;
        let rest = text.as_bytes().get(after..).unwrap_or_default();
        let colons = rest.iter().take_while(|byte| **byte == b':').count();
        if !(1..=2).contains(&digits) || colons == 0 {
            return if parts >= 2 { at } else { 0 };
        }
        at = after + colons;
        parts += 1;
    }
}

fn digits_at(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    rest.iter().take_while(|b| b.is_ascii_hexdigit()).count()
}

/// Length of the longest thing at the start of `text` that has the form of an
/// IPv6 address; 0: there is none.
fn v6_length(text: &str) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || b":.xX".contains(byte);
    let run = text
        .bytes()
        .take(LONGEST_V6)
        .take_while(|b| is_part(b))
        .count();
    let run = text.get(..run).unwrap_or_default();
    if !run.contains(':') {
        return 0;
    }
    let lengths = (2..=run.len()).rev();
    lengths
        .into_iter()
        .find(|length| run.get(..*length).is_some_and(is_v6))
        .unwrap_or(0)
}

fn is_v6(text: &str) -> bool {
    let is_group =
        |group: &str| (1..=4).contains(&group.len()) && digits_at(group, 0) == group.len();
    let (groups, quad) = match text.rsplit_once(':') {
        Some((before, last)) if last.contains('.') => {
            if last.split('.').count() != 4 || !last.split('.').all(is_number) {
                return false;
            }
            // The colon before the quad may be the second of a pair.
            match before.ends_with(':') || before.is_empty() {
                true => (format!("{before}:"), 2),
                false => (before.to_owned(), 2),
            }
        }
        _ => (text.to_owned(), 0),
    };
    let count = |side: &str| match side {
        "" => Some(0),
        _ => side
            .split(':')
            .all(is_group)
            .then(|| side.split(':').count()),
    };
    match groups.split_once("::") {
        Some((before, after)) => match (count(before), count(after)) {
            (Some(before), Some(after)) => before + after + quad <= 7,
            _ => false,
        },
        None => count(&groups).is_some_and(|groups| groups + quad == 8),
    }
}

/// A sentence's end that names the nearest known word, or nothing.
pub(crate) fn did_you_mean(text: &str) -> String {
    match nearest(text) {
        Some(word) => format!("; did you mean \"{word}\"?"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::{Proto, Sign, Word};
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        let tokens = tokens(text).unwrap_or_else(|mistake| panic!("{text}: {mistake}"));
        let mut kinds: Vec<Kind> = tokens.into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds.pop(), Some(Kind::End));
        kinds
    }

    fn one(text: &str) -> Kind {
        let mut kinds = kinds(text);
        assert_eq!(kinds.len(), 1, "{text}: {kinds:?}");
        kinds.remove(0)
    }

    #[test]
    fn the_longest_word_wins() {
        let name = |text: &str| Kind::Name(text.into());
        for text in [
            "len-14",
            "ftp-data",
            "1.2.3.4.5",
            "80a",
            "TCP",
            "1-2",
            "a.",
            "0x1g",
        ] {
            assert_eq!(one(text), name(text));
        }
        assert_eq!(kinds("len -14").len(), 3);
        assert_eq!(
            kinds("a-- b"),
            [
                name("a"),
                Kind::Sign(Sign::Minus),
                Kind::Sign(Sign::Minus),
                name("b")
            ]
        );
        assert_eq!(one("es-is"), Kind::Protocol(Proto::Esis));
        assert_eq!(one("tcp-syn"), Kind::Number(2));
        assert_eq!(one("\\tcp"), name("tcp"));
        assert_eq!(kinds("len-=")[0], Kind::Word(Word::Len));
    }

    #[test]
    fn numbers() {
        assert_eq!(one("0"), Kind::Number(0));
        assert_eq!(one("010"), Kind::Number(8));
        assert_eq!(one("0xFFffFFff"), Kind::Number(u32::MAX));
        assert_eq!(one("4294967295"), Kind::Number(u32::MAX));
        for text in ["4294967296", "0x100000000", "09"] {
            tokens(text).expect_err(text);
        }
        assert_eq!(one("10.0"), Kind::Dotted("10.0".into()));
        assert_eq!(one("1.2.3.4"), Kind::Dotted("1.2.3.4".into()));
    }

    #[test]
    fn five_spellings_of_a_mac_address() {
        let mac = Kind::Mac([0, 0x11, 0x22, 0x33, 0x44, 0x55]);
        for text in [
            "00:11:22:33:44:55",
            "0:11:22:33:44:55",
            "00-11-22-33-44-55",
            "00.11.22.33.44.55",
            "0011.2233.4455",
            "001122334455",
        ] {
            assert_eq!(one(text), mac, "{text}");
        }
        assert_eq!(
            one("012345670123"),
            Kind::Mac([1, 0x23, 0x45, 0x67, 1, 0x23])
        );
        tokens("00:11:22:33:44:").expect_err("a byte is missing");
        assert_eq!(one("$2a"), Kind::Arcnet(42));
    }

    #[test]
    fn six_byte_addresses() {
        for text in [
            "::",
            "::1",
            "fe80::",
            "fe80::1",
            "1:2:3:4:5:6:7:8",
            "1::8",
            "::1.2.3.4",
            "::ffff:1.2.3.4",
            "1:2:3:4:5:6:1.2.3.4",
            "2001:db8::1:2",
        ] {
            assert_eq!(one(text), Kind::V6(text.parse().unwrap()), "{text}");
        }
        assert_eq!(kinds("tcp[0:2]").len(), 6);
        assert_eq!(kinds("fe80::/10").len(), 3);
        tokens("::300.1.1.1").expect_err("not a byte");
    }

    #[test]
    fn mistakes_have_a_place() {
        let mistake = tokens("tcp and #1").unwrap_err();
        assert_eq!((mistake.start, mistake.end), (8, 9));
    }
}
