//! What functions returned, in words.
//!
//! Owns the names of errors (include/uapi/asm-generic/errno.h) and of the verdicts of netfilter
//! (include/uapi/linux/netfilter.h).

use super::event::Returned;
use super::point::{PointId, Returns};

/// The largest number of an error.
const MOST_ERRNO: u64 = 4095;

/// The errors that the network stack returns.
const ERRORS: &[(u64, &str)] = &[
    (1, "EPERM"),
    (2, "ENOENT"),
    (3, "ESRCH"),
    (5, "EIO"),
    (11, "EAGAIN"),
    (12, "ENOMEM"),
    (13, "EACCES"),
    (14, "EFAULT"),
    (16, "EBUSY"),
    (17, "EEXIST"),
    (18, "EXDEV"),
    (19, "ENODEV"),
    (22, "EINVAL"),
    (28, "ENOSPC"),
    (32, "EPIPE"),
    (34, "ERANGE"),
    (71, "EPROTO"),
    (74, "EBADMSG"),
    (75, "EOVERFLOW"),
    (84, "EILSEQ"),
    (90, "EMSGSIZE"),
    (92, "ENOPROTOOPT"),
    (93, "EPROTONOSUPPORT"),
    (95, "EOPNOTSUPP"),
    (97, "EAFNOSUPPORT"),
    (99, "EADDRNOTAVAIL"),
    (100, "ENETDOWN"),
    (101, "ENETUNREACH"),
    (105, "ENOBUFS"),
    (110, "ETIMEDOUT"),
    (111, "ECONNREFUSED"),
    (113, "EHOSTUNREACH"),
    (115, "EINPROGRESS"),
];

/// What a value means; nothing where it says nothing.
pub fn words(point: PointId, value: Returned) -> Option<String> {
    let means = point.point().map_or(Returns::Status, |row| row.returns);
    match (value, means) {
        (Returned::Number(number), Returns::Verdict) => Some(verdict(number)),
        (Returned::Number(number), _) if number < 0 => Some(returns(&error(number.unsigned_abs()))),
        (Returned::Address(0), _) => Some(returns("nothing")),
        (Returned::Address(address), _) if address.wrapping_neg() <= MOST_ERRNO => {
            Some(returns(&error(address.wrapping_neg())))
        }
        _ => None,
    }
}

fn returns(what: &str) -> String {
    format!("returns {what}")
}

fn error(number: u64) -> String {
    let known = ERRORS.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("error {number}"), |(_, name)| (*name).to_owned())
}

/// The low byte is the verdict, the high half an error or the number of a queue.
fn verdict(number: i64) -> String {
    let bits = number.cast_unsigned();
    let detail = bits >> 16 & 0xffff;
    match bits & 0xff {
        // What was stolen with an error is dropped already (NF_DROP_REASON).
        0 | 2 if detail != 0 => format!("drop, {}", error(detail)),
        0 => "drop".to_owned(),
        1 => "accept".to_owned(),
        2 => "stolen".to_owned(),
        3 => format!("queue {detail}"),
        4 => "again".to_owned(),
        5 => "stop".to_owned(),
        _ => error(bits.wrapping_neg()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, value: Returned) -> Option<String> {
        words(PointId::by_name(name).expect("a row"), value)
    }

    #[test]
    fn values_are_words_where_they_say_something() {
        let number = |name, value| said(name, Returned::Number(value));
        let text = |words: &str| Some(words.to_owned());
        assert_eq!(number("ip_rcv", 0), None);
        assert_eq!(number("ip_rcv", 1), None);
        assert_eq!(number("nf_hook_slow", -1), text("returns EPERM"));
        assert_eq!(number("ip_output", -4000), text("returns error 4000"));
        assert_eq!(number("ipt_do_table", 0), text("drop"));
        assert_eq!(number("nft_do_chain", 1), text("accept"));
        assert_eq!(number("nft_do_chain", 5 << 16 | 3), text("queue 5"));
        assert_eq!(number("ipt_do_table", 13 << 16), text("drop, EACCES"));
        assert_eq!(number("nft_do_chain", 1 << 16 | 2), text("drop, EPERM"));
        assert_eq!(number("nft_do_chain", 2), text("stolen"));
        let address = |name, value| said(name, Returned::Address(value));
        assert_eq!(address("ping_lookup", 0), text("returns nothing"));
        assert_eq!(address("skb_copy", 0xffff_8881_0000_0000), None);
        let no_memory = 12_u64.wrapping_neg();
        assert_eq!(
            address("__skb_gso_segment", no_memory),
            text("returns ENOMEM")
        );
    }
}
