//! Words that stand for points by their names.
//!
//! Owns what a word means; layers and the table of points are `point`'s.

use crate::{Error, ErrorKind, Result};
use regex_lite::Regex;

/// A word of a list of points.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As it was written.
    pub word: String,
    meaning: Meaning,
}

#[derive(Clone, Debug)]
enum Meaning {
    /// `all`
    All,
    Name,
    /// `tcp_v*_rcv`, as a regular expression too.
    Regex(Regex),
}

impl Pattern {
    /// A name; with `*` for any characters; `/a regular expression/`, which fits any part of a
    /// name; or `all`.
    ///
    /// # Errors
    /// `Usage` if the regular expression is none.
    pub fn new(word: &str) -> Result<Self> {
        let compile = |text: &str| {
            let none = |cause: regex_lite::Error| {
                let what = format!("'{word}' is no regular expression: {cause}");
                Error::new(ErrorKind::Usage, what)
            };
            Regex::new(text).map(Meaning::Regex).map_err(none)
        };
        let between = word
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'));
        let meaning = match between {
            Some(text) => compile(text)?,
            None if word == "all" => Meaning::All,
            None if word.contains('*') => {
                let parts: Vec<String> = word.split('*').map(regex_lite::escape).collect();
                compile(&format!("^{}$", parts.join(".*")))?
            }
            None => Meaning::Name,
        };
        let word = word.to_owned();
        Ok(Self { word, meaning })
    }

    /// Whether the name is meant.
    pub fn fits(&self, name: &str) -> bool {
        match &self.meaning {
            Meaning::All => true,
            Meaning::Name => self.word == name,
            Meaning::Regex(regex) => regex.is_match(name),
        }
    }

    /// The words of a list such as `net,nf,/^tcp_(v4|v6)_rcv$/`; a comma between slashes is part
    /// of the expression.
    ///
    /// # Errors
    /// As [`Pattern::new`].
    pub fn list(text: &str) -> Result<Vec<Self>> {
        let mut inside = false;
        let ends = move |c: char| {
            inside ^= c == '/';
            c == ',' && !inside
        };
        let words = text.split(ends).map(str::trim);
        words.map(Self::new).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(word: &str, name: &str) -> bool {
        Pattern::new(word).expect("a pattern").fits(name)
    }

    #[test]
    fn a_word_is_a_name_a_pattern_or_an_expression() {
        assert!(fits("ip_rcv", "ip_rcv") && !fits("ip_rcv", "ip_rcv_core"));
        assert!(fits("*_rcv", "ip_rcv") && !fits("ip*x", "ip_rcv"));
        assert!(fits("nf:*:1", "nf:input:1") && !fits("ip.rcv*", "ip_rcv"));
        assert!(fits("/^ip_(rcv|output)$/", "ip_output") && fits("/rcv/", "udp_rcv_x"));
        assert!(!fits("/^rcv/", "ip_rcv") && fits("all", "anything"));
        let list = Pattern::list("nf, /^(ip|tcp_v4)_.{1,3}$/ ,tcp_v4_rcv").expect("a list");
        let words: Vec<&str> = list.iter().map(|pattern| pattern.word.as_str()).collect();
        assert_eq!(words, ["nf", "/^(ip|tcp_v4)_.{1,3}$/", "tcp_v4_rcv"]);
        let error = Pattern::new("/(/").expect_err("no expression");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("'/(/'"), "{error}");
    }
}
