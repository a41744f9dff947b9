//! The files of the repository, as the rules see them.
//!
//! Owns finding, reading and parsing them, and the rows of `tidy.allow`; owns no rule.

use std::fs;
use std::path::Path;

/// One file: its path from the root of the repository, its text, and what it means if it is Rust.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) rust: Option<syn::File>,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let rust = path.ends_with(".rs").then(|| {
            syn::parse_file(text).unwrap_or_else(|error| panic!("{path} is not Rust: {error}"))
        });
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            rust,
        }
    }
}

/// A row of `tidy.allow`: `rule place reason`.
struct Allowance {
    line: usize,
    rule: String,
    place: String,
}

/// All files that people wrote, and the exceptions they were granted.
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
    allowances: Vec<Allowance>,
}

/// Folders that hold nothing to judge.
const LEFT_OUT: &[&str] = &["target", ".git", "golden", "runs", "corpus", "artifacts"];

impl Tree {
    /// The repository that this test was built in.
    pub(crate) fn load() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("tests/ has a parent");
        let mut paths = Vec::new();
        walk(root, root, &mut paths);
        paths.sort();
        let mut files = Vec::new();
        for path in paths {
            // What is not text (a capture, an archive) is no one's prose.
            if let Ok(text) = fs::read_to_string(root.join(&path)) {
                files.push(File::new(&path, &text));
            }
        }
        assert!(
            files.len() > 20,
            "found only {} files under {}",
            files.len(),
            root.display()
        );
        Self::of(files)
    }

    /// A tree of the given files.
    pub(crate) fn of(files: Vec<File>) -> Self {
        let rows = files.iter().find(|file| file.path == "tests/tidy.allow");
        let allowances = rows.map(|file| allowances(&file.text)).unwrap_or_default();
        Self { files, allowances }
    }

    /// The Rust files, parsed.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &syn::File)> {
        self.files
            .iter()
            .filter_map(|file| Some((file.path.as_str(), file.rust.as_ref()?)))
    }

    /// The text of one file; empty if it does not exist.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.files
            .iter()
            .find(|file| file.path == path)
            .map_or("", |file| &file.text)
    }

    /// Whether a row grants `place` an exception from `rule`.
    pub(crate) fn allows(&self, rule: &str, place: &str) -> bool {
        self.allowances
            .iter()
            .any(|row| row.rule == rule && row.place == place)
    }

    /// Line number, rule and place of each row of `tidy.allow`.
    pub(crate) fn allowances(&self) -> impl Iterator<Item = (usize, &str, &str)> {
        self.allowances
            .iter()
            .map(|row| (row.line, row.rule.as_str(), row.place.as_str()))
    }
}

fn allowances(text: &str) -> Vec<Allowance> {
    let mut rows = Vec::new();
    for (index, row) in text.lines().enumerate() {
        if row.is_empty() || row.starts_with('#') {
            continue;
        }
        let mut words = row.split_whitespace();
        let (Some(rule), Some(place), Some(_reason)) = (words.next(), words.next(), words.next())
        else {
            panic!(
                "tests/tidy.allow:{}: a row is: rule place reason",
                index + 1
            );
        };
        rows.push(Allowance {
            line: index + 1,
            rule: rule.to_owned(),
            place: place.to_owned(),
        });
    }
    rows
}

fn walk(root: &Path, folder: &Path, paths: &mut Vec<String>) {
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.expect("a folder can be read to its end");
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_dir() {
            if !LEFT_OUT.contains(&name.as_str()) {
                walk(root, &entry.path(), paths);
            }
        } else if kind.is_file() && name != "Cargo.lock" && name != ".git" {
            let path = entry.path();
            let path = path.strip_prefix(root).expect("walked from the root");
            paths.push(path.to_string_lossy().into_owned());
        }
    }
}
