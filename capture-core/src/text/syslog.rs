//! Syslog over UDP (RFC 3164): the priority, and with `-v` the message.

use super::context::{Context, Truncated, put, u8_at};
use super::phrases;

const SEVERITIES: [&str; 8] = [
    "emergency",
    "alert",
    "critical",
    "error",
    "warning",
    "notice",
    "info",
    "debug",
];

const FACILITIES: [&str; 24] = [
    "kernel", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
    "authpriv", "ftp", "ntp", "security", "console", "cron", "local0", "local1", "local2",
    "local3", "local4", "local5", "local6", "local7",
];

/// Digits of a priority.
const DIGITS_MAX: usize = 3;

/// Prints a message.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "syslog";
    if u8_at(data, 0)? != b'<' {
        cx.put_invalid();
        return Ok(());
    }
    let mut priority = 0;
    let mut at = 1;
    while at <= DIGITS_MAX {
        match u8_at(data, at)? {
            digit @ b'0'..=b'9' => priority = priority * 10 + usize::from(digit - b'0'),
            _ => break,
        }
        at += 1;
    }
    if u8_at(data, at)? != b'>' {
        cx.put_invalid();
        return Ok(());
    }
    at += 1;
    let (facility, severity) = (priority >> 3, priority & 7);
    let facility_name = match FACILITIES.get(facility) {
        Some(&name) => name.to_owned(),
        None => format!("unknown ({facility})"),
    };
    let severity_name = SEVERITIES[severity];
    if cx.style.verbose == 0 {
        put!(cx, "SYSLOG {facility_name}.{severity_name}, length: {len}");
        return Ok(());
    }
    put!(
        cx,
        "SYSLOG, length: {len}\n\tFacility {facility_name} ({facility}), \
         Severity {severity_name} ({severity})\n\tMsg: "
    );
    let rest = data.get(at..).unwrap_or_default();
    let message_len = len.saturating_sub(at);
    phrases::characters(cx, &rest[..message_len.min(rest.len())]);
    if message_len > rest.len() {
        return Err(Truncated);
    }
    if cx.style.verbose > 1 {
        phrases::hex_lines(cx, &data[..len.min(data.len())], "\n\t");
    }
    Ok(())
}
