//! DNS over UDP and TCP, and multicast DNS (RFC 1035, 2136, 6762, 6891).
//!
//! This file owns the message: header, counts and the order of sections. Names
//! are in `name`, resource records in `record`, EDNS options in `edns`.

mod edns;
mod name;
mod record;

use super::context::{Context, Truncated, array_at, put, u8_at, u16_at};
pub(super) use name::print_from as print_name;

/// What carries the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// UDP: the payload is the message.
    Udp,
    /// TCP: a 16-bit length before the message (RFC 1035, 4.2.2).
    Tcp,
    /// Multicast DNS over UDP: the high bit of a class has a meaning of its own.
    Mdns,
}

/// Why a message is not printed to its end.
enum Stop {
    /// It is damaged, or its data ends: it gets a mark, and the frame goes on.
    Message,
    /// tcpdump gives up on the frame here.
    Frame,
}

impl From<Truncated> for Stop {
    fn from(_: Truncated) -> Self {
        Self::Message
    }
}

const HEADER_LEN: usize = 12;

const OPCODES: [&str; 16] = [
    "",
    " inv_q",
    " stat",
    " op3",
    " notify",
    " update",
    " op6",
    " op7",
    " op8",
    " updateA",
    " updateD",
    " updateDA",
    " updateM",
    " updateMA",
    " zoneInit",
    " zoneRef",
];

/// Response codes. Two lack the space, as they do in tcpdump.
const RCODES: [&str; 24] = [
    "",
    " FormErr",
    " ServFail",
    " NXDomain",
    " NotImp",
    " Refused",
    " YXDomain",
    " YXRRSet",
    " NXRRSet",
    " NotAuth",
    " NotZone",
    " Resp11",
    " Resp12",
    " Resp13",
    " Resp14",
    " NoChange",
    " BadVers",
    "Resp17",
    " Resp18",
    " Resp19",
    " Resp20",
    "Resp21",
    " Resp22",
    " BadCookie",
];

const OPCODE_INVERSE: u16 = 1;

/// The header's counts: questions, answers, authority and additional records.
#[derive(Clone, Copy)]
struct Counts {
    questions: u16,
    answers: u16,
    authority: u16,
    additional: u16,
}

/// Prints a message. `data` may go on after `len` bytes.
pub(super) fn print(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    over: Over,
) -> Result<(), Truncated> {
    cx.protocol = "domain";
    if over != Over::Tcp {
        return print_marked(cx, data, len, over);
    }
    if len < 2 {
        put!(cx, " [DNS over TCP: length {len} < 2] (invalid)");
        return Ok(());
    }
    let prefix = u16_at(data, 0)?;
    if usize::from(prefix) != len - 2 {
        put!(
            cx,
            " [prefix length({prefix}) != length({})] (invalid)",
            len - 2
        );
        return Ok(());
    }
    cx.put(" ");
    print_marked(cx, data.get(2..).unwrap_or_default(), len - 2, over)
}

fn print_marked(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    over: Over,
) -> Result<(), Truncated> {
    match print_message(cx, data, len, over) {
        Ok(()) => Ok(()),
        Err(Stop::Message) => {
            cx.put_truncated();
            Ok(())
        }
        Err(Stop::Frame) => Err(Truncated),
    }
}

fn print_message(cx: &mut Context<'_>, data: &[u8], len: usize, over: Over) -> Result<(), Stop> {
    if len < HEADER_LEN {
        put!(cx, "domain [length {len} < {HEADER_LEN}] (invalid)");
        return Ok(());
    }
    array_at::<HEADER_LEN>(data, 0)?;
    let flags = u16_at(data, 2)?;
    let counts = Counts {
        questions: u16_at(data, 4)?,
        answers: u16_at(data, 6)?,
        authority: u16_at(data, 8)?,
        additional: u16_at(data, 10)?,
    };
    let message = Message { data, over };
    if flags & 0x8000 == 0 {
        message.request(cx, flags, counts)?;
    } else {
        message.response(cx, flags, counts)?;
    }
    put!(cx, " ({len})");
    Ok(())
}

/// A message and what carried it.
struct Message<'a> {
    data: &'a [u8],
    over: Over,
}

impl Message<'_> {
    fn is_mdns(&self) -> bool {
        self.over == Over::Mdns
    }

    fn request(&self, cx: &mut Context<'_>, flags: u16, counts: Counts) -> Result<(), Stop> {
        let opcode = flags >> 11 & 15;
        put!(
            cx,
            "{}{}{}{}",
            u16_at(self.data, 0)?,
            OPCODES[usize::from(opcode)],
            if flags & 0x100 != 0 { "+" } else { "" },
            if flags & 0x10 != 0 { "%" } else { "" },
        );
        // Bits that have no business in a request.
        if flags & 0x6cf != 0 {
            put!(cx, " [b2&3=0x{flags:x}]");
        }
        let (usual_questions, usual_answers) = if opcode == OPCODE_INVERSE {
            if counts.questions != 0 {
                put!(cx, " [{}q]", counts.questions);
            }
            (counts.questions, 1)
        } else {
            (1, 0)
        };
        if counts.answers != usual_answers {
            put!(cx, " [{}a]", counts.answers);
        }
        if counts.questions != usual_questions {
            put!(cx, " [{}q]", counts.questions);
        }
        if counts.authority != 0 {
            put!(cx, " [{}n]", counts.authority);
        }
        if counts.additional != 0 {
            put!(cx, " [{}au]", counts.additional);
        }
        let mut at = HEADER_LEN;
        for question in 0..counts.questions {
            if question > 0 && at >= self.data.len() {
                return Err(Stop::Message);
            }
            at = record::question(cx, self.data, at, self.is_mdns())?;
        }
        if cx.style.verbose > 1 {
            at = self.records(cx, at, counts.answers)?;
            at = self.section(cx, at, counts.authority, " ns:")?;
            self.section(cx, at, counts.additional, " ar:")?;
        }
        Ok(())
    }

    fn response(&self, cx: &mut Context<'_>, flags: u16, counts: Counts) -> Result<(), Stop> {
        put!(
            cx,
            "{}{}",
            u16_at(self.data, 0)?,
            OPCODES[usize::from(flags >> 11 & 15)]
        );
        let rcode = flags & 15 | self.extended_rcode(counts);
        match RCODES.get(usize::from(rcode)) {
            Some(text) => cx.put(text),
            None => put!(cx, " Resp{rcode}"),
        }
        for (mask, wanted, mark) in [
            (0x400, 0x400, "*"),
            (0x80, 0, "-"),
            (0x200, 0x200, "|"),
            (0x20, 0x20, "$"),
        ] {
            if flags & mask == wanted {
                cx.put(mark);
            }
        }
        if counts.questions != 1 {
            put!(cx, " [{}q]", counts.questions);
        }
        let mut at = HEADER_LEN;
        for question in 0..counts.questions {
            if question > 0 {
                cx.put(",");
            }
            if cx.style.verbose > 1 {
                cx.put(" q:");
                at = record::question(cx, self.data, at, self.is_mdns())?;
            } else {
                at = name::skip(self.data, at)? + 4;
            }
        }
        put!(
            cx,
            " {}/{}/{}",
            counts.answers,
            counts.authority,
            counts.additional
        );
        at = self.records(cx, at, counts.answers)?;
        if cx.style.verbose > 1 {
            at = self.section(cx, at, counts.authority, " ns:")?;
            self.section(cx, at, counts.additional, " ar:")?;
        }
        Ok(())
    }

    /// A section that has a heading where it has anything.
    fn section(
        &self,
        cx: &mut Context<'_>,
        at: usize,
        count: u16,
        heading: &str,
    ) -> Result<usize, Stop> {
        if count == 0 {
            return Ok(at);
        }
        if at >= self.data.len() {
            return Err(Stop::Message);
        }
        cx.put(heading);
        self.records(cx, at, count)
    }

    /// `count` records, parted by commas; returns the offset after them.
    fn records(&self, cx: &mut Context<'_>, mut at: usize, count: u16) -> Result<usize, Stop> {
        for index in 0..count {
            if index > 0 {
                if at >= self.data.len() {
                    return Err(Stop::Message);
                }
                cx.put(",");
            }
            at = record::answer(cx, self.data, at, self.is_mdns())?;
        }
        Ok(at)
    }

    /// The high bits of the response code, from the OPT record if there is one
    /// and the message is sound up to it.
    fn extended_rcode(&self, counts: Counts) -> u16 {
        self.find_opt(counts)
            .ok()
            .and_then(|at| u8_at(self.data, at + 4).ok())
            .map_or(0, |high| u16::from(high) << 4)
    }

    /// Where the fixed part of the OPT record is.
    fn find_opt(&self, counts: Counts) -> Result<usize, Stop> {
        let mut at = HEADER_LEN;
        for _ in 0..counts.questions {
            at = self.within(name::skip(self.data, at)? + 4)?;
        }
        for _ in 0..u32::from(counts.answers) + u32::from(counts.authority) {
            at = self.after_record(name::skip(self.data, at)?)?;
        }
        for _ in 0..counts.additional {
            at = name::skip(self.data, at)?;
            if u16_at(self.data, at)? == record::TYPE_OPT {
                return Ok(at);
            }
            at = self.after_record(at)?;
        }
        Err(Stop::Message)
    }

    /// The offset after the record whose fixed part is at `at`.
    fn after_record(&self, at: usize) -> Result<usize, Stop> {
        let len = usize::from(u16_at(self.data, at + 8)?);
        self.within(at + 10 + len)
    }

    fn within(&self, at: usize) -> Result<usize, Stop> {
        if at < self.data.len() {
            Ok(at)
        } else {
            Err(Stop::Message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Over, print};
    use crate::text::golden::text;

    fn dns(message: &[u8]) -> String {
        text(1, |cx| print(cx, message, message.len(), Over::Udp))
    }

    /// A response with one question, of the type A, and so many answers.
    fn response(question: &[u8], answers: u16) -> Vec<u8> {
        let mut message = vec![0, 1, 0x81, 0x80, 0, 1];
        message.extend(answers.to_be_bytes());
        message.extend([0; 4]);
        message.extend(question);
        message.extend([0, 1, 0, 1]);
        message
    }

    #[test]
    fn a_name_that_points_at_itself_ends() {
        let mut message = response(b"\x01a\0", 1);
        message.extend([0xc0, 19, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4]);
        assert_eq!(dns(&message), "1 1/0/0 <BAD PTR> [|domain]");
        let two = b"\xc0\x15\xc0\x13";
        let at = message.len() - 16;
        message[at..at + 4].copy_from_slice(two);
        assert_eq!(dns(&message), "1 1/0/0 <BAD PTR> [|domain]");
    }

    #[test]
    fn names_are_followed_so_far_only() {
        // Labels of one letter to the end of the frame, and records whose names
        // lead through all of them.
        let mut message = response(&[&b"\x01a".repeat(16_000)[..], &[0]].concat(), 2000);
        for _ in 0..2000 {
            message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4]);
        }
        let text = dns(&message);
        assert!(text.ends_with("<DOMAIN NAME TOO LONG> [|domain]"), "{text}");
        // 200 labels, which is too long, are followed to their end.
        let mut message = response(&[&b"\x01a".repeat(200)[..], &[0]].concat(), 1);
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4]);
        let text = dns(&message);
        assert!(
            text.ends_with("a.<DOMAIN NAME TOO LONG> A 1.2.3.4 (433)"),
            "{text}"
        );
    }
}
