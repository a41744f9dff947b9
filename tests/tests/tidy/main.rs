//! The rules of the house that no lint holds. Needs no privilege.
//!
//! Owns the rules, not the exceptions: those are rows of `tests/tidy.allow`, each with its reason.
//! Every rule is a function from the tree of files to a list of complaints, and is shown in
//! `bad.rs` to complain about a small tree that breaks it.

mod bad;
mod project;
mod rooms;
mod rust;
mod text;
mod tree;

use tree::Tree;

/// A rule: its name in `tidy.allow`, and what it finds wrong.
pub(crate) type Rule = (&'static str, fn(&Tree) -> Vec<Complaint>);

/// What a rule found: where (a path, or a path and a name), and a sentence.
pub(crate) struct Complaint {
    pub(crate) place: String,
    pub(crate) sentence: String,
}

impl Complaint {
    pub(crate) fn new(place: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            sentence: sentence.into(),
        }
    }
}

/// Every rule that judges files by themselves.
pub(crate) const RULES: &[Rule] = &[
    ("line-length", text::line_length),
    ("file-length", text::file_length),
    ("header", text::header),
    ("words", text::words),
    ("links", text::links),
    ("function-length", rust::function_length),
    ("type-names", rust::type_names),
    ("module-names", rust::module_names),
    ("orphan", rust::orphans),
    ("unsafe", rust::unsafe_blocks),
    ("ignore", rust::ignored_tests),
    ("rooms", rooms::imports),
    ("backends", rooms::backends_apart),
    ("backend-table", rooms::backend_table),
    ("dependency-reason", project::dependency_reasons),
    ("member-dependency", project::member_dependencies),
    ("programs", project::programs),
];

/// What `rule` says of `tree`, without what `tidy.allow` allows.
pub(crate) fn judge(rule: &Rule, tree: &Tree) -> Vec<String> {
    let (name, check) = rule;
    check(tree)
        .into_iter()
        .filter(|complaint| !tree.allows(name, &complaint.place))
        .map(|complaint| format!("{} [{name}]: {}", complaint.place, complaint.sentence))
        .collect()
}

/// The rows of `tidy.allow` that allow nothing.
pub(crate) fn stale_allowances(tree: &Tree) -> Vec<String> {
    let mut stale = Vec::new();
    for (line, rule, place) in tree.allowances() {
        let found = RULES
            .iter()
            .filter(|(name, _)| *name == rule)
            .flat_map(|(_, check)| check(tree))
            .any(|complaint| complaint.place == place);
        if !found {
            stale.push(format!(
                "tests/tidy.allow:{line}: {rule} {place} is not needed"
            ));
        }
    }
    stale
}

#[test]
fn the_house_is_tidy() {
    let tree = Tree::load();
    let mut complaints: Vec<String> = RULES.iter().flat_map(|rule| judge(rule, &tree)).collect();
    complaints.extend(stale_allowances(&tree));
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn dependencies_have_an_allowed_licence_and_source() {
    let deny = include_str!("../../../deny.toml");
    let complaints = project::licences(deny, &project::metadata());
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn make_test_runs_every_test_target() {
    let complaints = project::test_targets(&project::metadata(), &project::listed_targets());
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
