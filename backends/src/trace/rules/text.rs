//! Rules as their tool writes them: by `nft -a list ruleset`, which names each rule's handle.
//!
//! Owns reading that list. Without the program nft, rules are known by their handles only.

use std::collections::HashMap;
use std::process::{Command, Stdio};

/// Family, table and handle.
type Key = (String, String, u64);

/// The rules of one namespace.
#[derive(Default)]
pub(super) struct Texts(HashMap<Key, String>);

impl Texts {
    /// Asks nft, in the namespace of this thread. Nothing if it cannot be run.
    pub(super) fn ask() -> Option<Self> {
        let output = Command::new("nft")
            .args(["-a", "-s", "list", "ruleset"])
            .stdin(Stdio::null())
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(Self::read(&String::from_utf8_lossy(&output.stdout)))
    }

    fn read(text: &str) -> Self {
        let mut rules = HashMap::new();
        let (mut family, mut table) = (String::new(), String::new());
        for line in text.lines().map(str::trim) {
            let Some((rule, handle)) = line.rsplit_once(" # handle ") else {
                continue;
            };
            // Some versions of nft say behind it who owns a table, others before it.
            let number = handle.split_whitespace().next();
            let Some(handle) = number.and_then(|number| number.parse().ok()) else {
                continue;
            };
            let words: Vec<&str> = rule.split_whitespace().collect();
            match words[..] {
                // A table with an owner has a remark behind the brace.
                ["table", of, name, "{", ..] => {
                    (family, table) = (of.to_owned(), name.to_owned());
                }
                [.., "{"] => {}
                _ => {
                    let key = (family.clone(), table.clone(), handle);
                    rules.insert(key, rule.to_owned());
                }
            }
        }
        Self(rules)
    }

    pub(super) fn get(&self, family: &str, table: &str, handle: u64) -> Option<&str> {
        let key = (family.to_owned(), table.to_owned(), handle);
        self.0.get(&key).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_found_by_table_and_handle() {
        let texts = Texts::read(
            "table ip pkt { # handle 7\n\
             \tchain c { # handle 1\n\
             \t\ttype filter hook input priority filter; policy accept;\n\
             \t\tudp dport 4001 comment \"a # b\" drop # handle 2\n\
             \t}\n}\n\
             table ip pktrail-9 { # progname pktrail # handle 9\n\
             \tflags owner\n\
             \tchain sent { # handle 1\n\
             \t\txt match bpf meta nftrace set 1 # handle 2\n\
             \t}\n}\n\
             table ip pktrail-10 { # handle 10 progname pktrail\n\
             \tchain sent { # handle 1\n\
             \t\txt match bpf meta nftrace set 1 # handle 2\n\
             \t}\n}\n\
             table inet pkt { # handle 8\n\
             \tchain c { # handle 1\n\
             \t\ttcp dport { 22, 80 } accept # handle 2\n\
             \t}\n}\n",
        );
        let ip = texts.get("ip", "pkt", 2);
        assert_eq!(ip, Some("udp dport 4001 comment \"a # b\" drop"));
        let inet = texts.get("inet", "pkt", 2);
        assert_eq!(inet, Some("tcp dport { 22, 80 } accept"));
        assert_eq!(texts.get("ip", "pkt", 1), None);
        assert!(texts.get("ip", "pktrail-10", 2).is_some());
    }
}
