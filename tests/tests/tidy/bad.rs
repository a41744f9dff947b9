//! One small tree for each rule that breaks it, so that no rule can pass by finding nothing.
//!
//! Owns the examples. They are parsed, never compiled.

use super::tree::{File, Tree};
use super::{RULES, judge, project, stale_allowances};

/// Rule, path and text of a file that breaks it.
const BAD: &[(&str, &str, &str)] = &[
    ("header", "cli/src/a.rs", "fn a() {}\n"),
    ("header", "scripts/a", "#!/bin/sh\necho\n"),
    ("words", "README.md", "A Seamless thing\n"),
    ("links", "README.md", "[here](docs/none.md)\n"),
    (
        "type-names",
        "cli/src/a.rs",
        "//! About a.\nstruct BatchManager;\n",
    ),
    ("module-names", "cli/src/plan/plan.rs", "//! About plans.\n"),
    (
        "unsafe",
        "backends/src/ring.rs",
        "//! About rings.\nfn f() { unsafe { g() } }\n",
    ),
    (
        "unsafe",
        "cli/src/a.rs",
        "//! About a.\n#![allow(unsafe_code)]\n",
    ),
    (
        "ignore",
        "tests/tests/a.rs",
        "//! About a.\n#[test]\n#[ignore = \"slow\"]\nfn f() {}\n",
    ),
    (
        "rooms",
        "capture-core/src/a.rs",
        "//! About a.\nuse std::{fmt, fs::File};\n",
    ),
    (
        "rooms",
        "capture-core/src/a.rs",
        "//! About a.\nfn f() { std::process::exit(1) }\n",
    ),
    (
        "rooms",
        "capture-core/src/a.rs",
        "//! About a.\nfn f() { println!() }\n",
    ),
    (
        "rooms",
        "backends/src/a.rs",
        "//! About a.\nfn f() { eprintln!() }\n",
    ),
    ("rooms", "cli/src/a.rs", "//! About a.\nuse libc::c_int;\n"),
    (
        "backend-table",
        "backends/src/lib.rs",
        "//! A table.\nconst BACKENDS: &[B] = &[];\n",
    ),
    (
        "backend-table",
        "backends/src/lib.rs",
        "//! A table.\nconst BACKENDS: &[B] = &[gone::BACKEND];\n",
    ),
    (
        "dependency-reason",
        "Cargo.toml",
        "[workspace.dependencies]\nlibc = \"0.2\"\n",
    ),
    (
        "member-dependency",
        "cli/Cargo.toml",
        "[dependencies]\nlibc = \"0.2\"\n",
    ),
    (
        "programs",
        "tests/tests/a.rs",
        "//! About a.\nfn f() { Command::new(\"nosuch\"); }\n",
    ),
    (
        "programs",
        "tests/tests/a.rs",
        "//! About a.\nfn f() { n.exec(&[\"nosuch\", \"-a\"]); }\n",
    ),
];

fn rule(name: &str) -> &'static super::Rule {
    RULES
        .iter()
        .find(|(rule, _)| *rule == name)
        .unwrap_or_else(|| panic!("no rule {name}"))
}

#[test]
fn each_rule_finds_what_it_is_for() {
    for (name, path, text) in BAD {
        let tree = Tree::of(vec![File::new(path, text)]);
        assert!(
            !judge(rule(name), &tree).is_empty(),
            "{name} passes:\n{text}"
        );
    }
}

#[test]
fn long_things_are_found() {
    let wide = format!("//! About a.\n// {}\n", "x".repeat(98));
    let long = format!("//! About a.\n{}", "// x\n".repeat(800));
    let big = format!("//! About a.\nfn f() {{\n{}}}\n", "    g();\n".repeat(71));
    for (name, text) in [
        ("line-length", wide),
        ("file-length", long),
        ("function-length", big),
    ] {
        let tree = Tree::of(vec![File::new("cli/src/a.rs", &text)]);
        assert_eq!(judge(rule(name), &tree).len(), 1, "{name}");
    }
}

#[test]
fn one_backend_using_another_is_found() {
    let lib = "//! A table.\nconst BACKENDS: &[B] = &[a::BACKEND, b::BACKEND];\n";
    let tree = Tree::of(vec![
        File::new("backends/src/lib.rs", lib),
        File::new("backends/src/a/mod.rs", "//! About a.\nuse crate::sys;\n"),
        File::new("backends/src/b.rs", "//! About b.\nuse crate::a::Ring;\n"),
    ]);
    let complaints = judge(rule("backends"), &tree);
    assert_eq!(
        complaints,
        ["backends/src/b.rs [backends]: uses the backend a"]
    );
}

#[test]
fn an_allowance_covers_its_own_place_only() {
    let file = |path| File::new(path, "fn a() {}\n");
    let rows = File::new("tests/tidy.allow", "header cli/src/a.rs because\n");
    let tree = Tree::of(vec![rows, file("cli/src/a.rs"), file("cli/src/b.rs")]);
    let complaints = judge(rule("header"), &tree);
    assert!(
        complaints.len() == 1 && complaints[0].starts_with("cli/src/b.rs"),
        "{complaints:?}"
    );
}

#[test]
fn an_allowance_that_allows_nothing_is_found() {
    let rows = File::new("tests/tidy.allow", "header cli/src/a.rs because\n");
    let tree = Tree::of(vec![rows, File::new("cli/src/a.rs", "//! About a.\n")]);
    assert_eq!(stale_allowances(&tree).len(), 1);
}

#[test]
fn code_under_test_may_use_the_machine() {
    let text = "//! About a.\n#[cfg(test)]\nmod tests { use std::fs; }\n";
    let tree = Tree::of(vec![File::new("capture-core/src/a.rs", text)]);
    assert!(judge(rule("rooms"), &tree).is_empty());
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"];
    for good in [
        "MIT",
        "GPL-2.0 OR MIT",
        "MIT/GPL-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
    ] {
        assert!(project::is_allowed(good, &allowed), "{good}");
    }
    for bad in [
        "GPL-2.0",
        "MIT AND GPL-2.0",
        "(MIT OR Apache-2.0) AND GPL-2.0",
        "none given",
    ] {
        assert!(!project::is_allowed(bad, &allowed), "{bad}");
    }
}

#[test]
fn a_test_target_that_nothing_runs_is_found() {
    let metadata = serde_json::json!({
        "workspace_members": ["t"],
        "packages": [{ "id": "t", "name": "t", "targets": [
            { "name": "netns_a", "kind": ["test"], "test": false },
            { "name": "other", "kind": ["test"], "test": false },
        ]}],
    });
    let complaints = project::test_targets(&metadata, "netns netns_a t\n");
    assert!(
        complaints.len() == 1 && complaints[0].contains("other"),
        "{complaints:?}"
    );
}
