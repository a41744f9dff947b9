//! Rules for any text: lengths, headers, words, links.
//!
//! Owns what can be seen without parsing Rust.

use super::Complaint;
use super::tree::{File, Tree};
use std::collections::HashSet;

const COLUMNS: usize = 100;
const LINES: usize = 800;

/// Words that praise instead of saying something, and paths that exist on one machine only.
const WORDS: &[&str] = &[
    "blazing",
    "cutting-edge",
    "seamless",
    "leverage",
    "utilize",
    "state-of-the-art",
    "world-class",
    "game-chang",
    "effortless",
    "/home/",
    "/Users/",
    "/work/",
    "FIXME",
];

/// Whether the file is written by hand and read as code: not prose, not a licence, not data.
fn is_code(file: &File) -> bool {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    file.path.ends_with(".rs")
        || file.path.ends_with(".py")
        || file.path.ends_with(".sh")
        || file.path.ends_with(".c")
        || file.path.starts_with("scripts/") && !name.contains('.')
        || file.path == "Makefile"
}

/// Lines end at column 100.
pub(crate) fn line_length(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in tree.files.iter().filter(|file| is_code(file)) {
        for (index, line) in file.text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > COLUMNS && !line.contains("https://") {
                let sentence = format!("line {} has {columns} columns", index + 1);
                complaints.push(Complaint::new(&file.path, sentence));
            }
        }
    }
    complaints
}

/// A file is about one thing.
pub(crate) fn file_length(tree: &Tree) -> Vec<Complaint> {
    tree.files
        .iter()
        .filter(|file| is_code(file) && file.text.lines().count() > LINES)
        .map(|file| {
            let lines = file.text.lines().count();
            let sentence = format!("{lines} lines: more than {LINES}; is it about one thing?");
            Complaint::new(&file.path, sentence)
        })
        .collect()
}

/// A file begins with what it owns.
pub(crate) fn header(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in tree.files.iter().filter(|file| is_code(file)) {
        let mut lines = file.text.lines();
        let mut first = lines.next().unwrap_or_default();
        if first.starts_with("#!") && !first.starts_with("#![") {
            first = lines.next().unwrap_or_default();
        }
        let sign = if file.path.ends_with(".rs") {
            "//! "
        } else {
            ""
        };
        let ok = match sign {
            "" => ["# ", "// ", "/* ", "\"\"\""]
                .iter()
                .any(|start| first.starts_with(start)),
            _ => first.starts_with(sign) && first.len() > sign.len() + 3,
        };
        if !ok {
            let sentence = "does not begin by saying what it owns (`//!` in Rust)";
            complaints.push(Complaint::new(&file.path, sentence));
        }
    }
    complaints
}

/// Plain words.
pub(crate) fn words(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in &tree.files {
        if file.path.starts_with("tests/tests/tidy/") || file.path.starts_with("LICENSE") {
            continue;
        }
        for (index, line) in file.text.lines().enumerate() {
            for word in WORDS {
                let found = if word.chars().all(|c| !c.is_lowercase()) || word.starts_with('/') {
                    line.contains(word)
                } else {
                    line.to_lowercase().contains(word)
                };
                if found {
                    let sentence = format!("line {} says '{word}'", index + 1);
                    complaints.push(Complaint::new(&file.path, sentence));
                }
            }
        }
    }
    complaints
}

/// Links in Markdown lead to files that exist.
pub(crate) fn links(tree: &Tree) -> Vec<Complaint> {
    let mut known: HashSet<&str> = HashSet::from([""]);
    for file in &tree.files {
        known.insert(&file.path);
        for (index, _) in file.path.match_indices('/') {
            known.insert(&file.path[..index]);
        }
    }
    let mut complaints = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        for part in file.text.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            if target.contains("://") {
                continue;
            }
            let path = resolve(&file.path, target);
            if !target.is_empty() && !known.contains(path.as_str()) && !is_left_out(&path) {
                complaints.push(Complaint::new(
                    &file.path,
                    format!("links to {target}: no file"),
                ));
            }
        }
    }
    complaints
}

/// Recorded runs and golden files are not in the tree of files to judge.
fn is_left_out(path: &str) -> bool {
    path.split('/')
        .any(|part| part == "runs" || part == "golden")
}

/// `target` as seen from the folder of `from`, as a path from the root.
fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join("/")
}
