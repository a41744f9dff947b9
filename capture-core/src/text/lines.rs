//! Protocols of text lines: HTTP, SMTP, FTP, RTSP, SIP, whois.
//!
//! A message that begins with one of the protocol's commands, or with a three
//! digit status, is shown: its first line, or with `-v` its lines up to what is
//! not text.

use super::context::{Context, Truncated, put, u8_at};

/// A protocol of text lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Ftp,
    Http,
    Rtsp,
    Sip,
    Smtp,
    Whois,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
            Self::Http => "http",
            Self::Rtsp => "rtsp",
            Self::Sip => "sip",
            Self::Smtp => "smtp",
            Self::Whois => "whois",
        }
    }

    /// The commands that begin a request. `None` where every segment is text.
    fn commands(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Http => Some(HTTP_COMMANDS),
            Self::Rtsp => Some(RTSP_COMMANDS),
            Self::Sip => Some(SIP_COMMANDS),
            Self::Ftp | Self::Smtp | Self::Whois => None,
        }
    }
}

/// Methods of HTTP (RFC 9110), WebDAV (RFC 4918, 3253) and of some vendors.
const HTTP_COMMANDS: &[&str] = &[
    "GET",
    "PUT",
    "COPY",
    "HEAD",
    "LOCK",
    "MOVE",
    "POLL",
    "POST",
    "BCOPY",
    "BMOVE",
    "MKCOL",
    "TRACE",
    "LABEL",
    "MERGE",
    "DELETE",
    "SEARCH",
    "UNLOCK",
    "REPORT",
    "UPDATE",
    "NOTIFY",
    "BDELETE",
    "CONNECT",
    "OPTIONS",
    "CHECKIN",
    "PROPFIND",
    "CHECKOUT",
    "CCM_POST",
    "SUBSCRIBE",
    "PROPPATCH",
    "BPROPFIND",
    "BPROPPATCH",
    "UNCHECKOUT",
    "MKACTIVITY",
    "MKWORKSPACE",
    "UNSUBSCRIBE",
    "RPC_CONNECT",
    "VERSION-CONTROL",
    "BASELINE-CONTROL",
];

/// Methods of RTSP (RFC 2326).
const RTSP_COMMANDS: &[&str] = &[
    "DESCRIBE",
    "ANNOUNCE",
    "GET_PARAMETER",
    "OPTIONS",
    "PAUSE",
    "PLAY",
    "RECORD",
    "REDIRECT",
    "SETUP",
    "SET_PARAMETER",
    "TEARDOWN",
];

/// Methods of SIP (RFC 3261 and its extensions).
const SIP_COMMANDS: &[&str] = &[
    "ACK",
    "BYE",
    "CANCEL",
    "DO",
    "INFO",
    "INVITE",
    "MESSAGE",
    "NOTIFY",
    "OPTIONS",
    "PRACK",
    "QAUTH",
    "REFER",
    "REGISTER",
    "SPRACK",
    "SUBSCRIBE",
    "UPDATE",
    "PUBLISH",
];

/// Words longer than this begin no message.
const WORD_MAX: usize = 128;

/// Prints a message or a piece of one.
pub(super) fn print(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    protocol: Protocol,
) -> Result<(), Truncated> {
    cx.protocol = protocol.name();
    let begins = protocol
        .commands()
        .is_none_or(|commands| begins_message(data, len, commands));
    cx.put(&protocol.name().to_ascii_uppercase());
    if !begins {
        return Ok(());
    }
    if cx.style.verbose == 0 {
        line(cx, data, len, 0, ": ")?;
        return Ok(());
    }
    put!(cx, ", length: {len}");
    let mut at = 0;
    while at < len {
        match line(cx, data, len, at, "\n\t")? {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(())
}

/// Whether the first word is a command or the second a status.
fn begins_message(data: &[u8], len: usize, commands: &[&str]) -> bool {
    let data = &data[..len.min(data.len())];
    let cut = data.len() < len;
    let Some((first, rest)) = word(data, cut) else {
        return false;
    };
    if commands
        .iter()
        .any(|command| first.eq_ignore_ascii_case(command.as_bytes()))
    {
        return true;
    }
    word(rest, cut)
        .is_some_and(|(second, _)| second.len() == 3 && second.iter().all(u8::is_ascii_digit))
}

/// The word that text begins with, and what follows the spaces after it. `None`
/// where there is none, where it is no text, or where it may go on in what was
/// not captured.
fn word(text: &[u8], cut: bool) -> Option<(&[u8], &[u8])> {
    let end = text
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    let end = match end {
        Some(end) => end,
        None if cut => return None,
        None => text.len(),
    };
    let (word, rest) = text.split_at(end);
    let sound = !word.is_empty() && word.len() <= WORD_MAX && word.iter().all(u8::is_ascii_graphic);
    if !sound {
        return None;
    }
    // A tab ends the spaces, as it does in tcpdump.
    let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
    Some((word, &rest[spaces..]))
}

/// Prints the line at `at` after `prefix`; returns where the next begins, or
/// nothing where the text ends.
fn line(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    at: usize,
    prefix: &str,
) -> Result<Option<usize>, Truncated> {
    let mut end = at;
    let next = loop {
        if end >= len {
            break None;
        }
        match u8_at(data, end)? {
            b'\n' => break Some(end + 1),
            b'\r' => {
                if end + 1 >= len || u8_at(data, end + 1)? != b'\n' {
                    return Ok(None);
                }
                break Some(end + 2);
            }
            b'\t' | 0x20..0x7f => end += 1,
            _ => return Ok(None),
        }
    };
    cx.put(prefix);
    for &byte in &data[at..end] {
        cx.out.push(char::from(byte));
    }
    if next.is_none() {
        cx.put_truncated();
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::{Protocol, print};
    use crate::text::golden::text;

    fn http(verbose: u8, data: &[u8], len: usize) -> String {
        text(verbose, |cx| print(cx, data, len, Protocol::Http))
    }

    #[test]
    fn requests_and_replies_show_their_first_line() {
        let request = b"GET /index.html HTTP/1.1\r\nHost: a\r\n\r\nx\x01";
        assert_eq!(
            http(0, request, request.len()),
            "HTTP: GET /index.html HTTP/1.1"
        );
        assert_eq!(
            http(1, request, request.len()),
            "HTTP, length: 39\n\tGET /index.html HTTP/1.1\n\tHost: a\n\t"
        );
        assert_eq!(http(0, b"HTTP/1.1 200 OK\n", 16), "HTTP: HTTP/1.1 200 OK");
    }

    #[test]
    fn continuations_show_nothing() {
        assert_eq!(http(1, b"more of the body\r\n", 18), "HTTP");
    }

    #[test]
    fn a_line_without_end_is_marked() {
        assert_eq!(http(0, b"GET /", 5), "HTTP: GET / [|http]");
        assert_eq!(http(0, b"GET /", 9), "HTTP [|http]");
    }
}
