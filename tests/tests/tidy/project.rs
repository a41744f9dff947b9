//! Rules for manifests, licences, test targets and the programs that are run.
//!
//! Owns what cargo can tell about the project, and `scripts/packages`.

use super::Complaint;
use super::tree::Tree;
use serde_json::Value;
use std::process::Command;
use syn::visit::{self, Visit};

/// What cargo says about all packages, dependencies included.
pub(crate) fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata failed: {said}");
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// What `scripts/test --list` prints.
pub(crate) fn listed_targets() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/test");
    let output = Command::new(script)
        .arg("--list")
        .output()
        .expect("scripts/test runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "scripts/test --list failed: {said}"
    );
    String::from_utf8(output.stdout).expect("names are text")
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// Every package has a licence of the list in deny.toml, whose text `deny` is, and comes from
/// crates.io.
pub(crate) fn licences(deny: &str, metadata: &Value) -> Vec<String> {
    let list = deny
        .split("allow = [")
        .nth(1)
        .and_then(|rest| rest.split(']').next());
    let allowed: Vec<&str> = list
        .expect("deny.toml has a list")
        .split('"')
        .skip(1)
        .step_by(2)
        .collect();
    let mut complaints = Vec::new();
    for package in array(metadata, "packages") {
        let name = package["name"].as_str().unwrap_or("?");
        let licence = package["license"].as_str().unwrap_or("none given");
        if !is_allowed(licence, &allowed) {
            complaints.push(format!(
                "{name}: licence '{licence}' is not in deny.toml's list"
            ));
        }
        match package["source"].as_str() {
            None | Some("registry+https://github.com/rust-lang/crates.io-index") => {}
            Some(source) => complaints.push(format!("{name} comes from {source}")),
        }
    }
    complaints
}

/// Whether an SPDX expression can be met with the allowed licences. `OR` binds weakest, and
/// `/` is how old packages write it; parentheses occur only around alternatives.
pub(crate) fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    if let Some((all, rest)) = expression.split_once('(') {
        let Some((inner, after)) = rest.split_once(')') else {
            return false;
        };
        // `(A OR B) AND C` and `C AND (A OR B)`: every side must hold.
        let sides = [all, after].map(|side| side.trim().trim_matches(|c| c == ' ').to_owned());
        let outside = sides.iter().all(|side| {
            let side = side
                .trim_start_matches("AND ")
                .trim_end_matches(" AND")
                .trim();
            side.is_empty() || is_allowed(side, allowed)
        });
        return outside && is_allowed(inner, allowed);
    }
    expression
        .replace('/', " OR ")
        .split(" OR ")
        .any(|alternative| {
            alternative.split(" AND ").all(|part| {
                let licence = part.trim().split(" WITH ").next().unwrap_or_default();
                allowed.contains(&licence)
            })
        })
}

/// Every target that plain `cargo test` leaves out is run by `scripts/test`.
pub(crate) fn test_targets(metadata: &Value, listed: &str) -> Vec<String> {
    let members = array(metadata, "workspace_members");
    let mut complaints = Vec::new();
    for package in array(metadata, "packages")
        .iter()
        .filter(|p| members.contains(&p["id"]))
    {
        let package_name = package["name"].as_str().unwrap_or("?");
        for target in array(package, "targets") {
            let name = target["name"].as_str().unwrap_or("?");
            if target["kind"][0] != "test" || target["test"] != false {
                continue;
            }
            let rows = ["peers", "netns", "guest"].map(|p| format!("{p} {name} {package_name}"));
            // A fourth word is the feature that the target needs.
            let without_feature =
                |line: &str| line.splitn(4, ' ').take(3).collect::<Vec<_>>().join(" ");
            if !listed
                .lines()
                .any(|line| rows.contains(&without_feature(line)))
            {
                complaints.push(format!(
                    "{package_name}: 'make test' does not run the target {name}: its name must \
                     have the word peers, netns or guest, the privilege it needs"
                ));
            }
        }
    }
    complaints
}

/// Each dependency of the root manifest has a line above it that says what it is for. Lines
/// that follow a line of the same family (`netlink-…`) share its sentence.
pub(crate) fn dependency_reasons(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let (mut inside, mut previous) = (false, "");
    for line in tree.text("Cargo.toml").lines() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if inside && line.contains('=') && !line.starts_with('#') {
            let name = line.split([' ', '=']).next().unwrap_or_default();
            let family = name.split(['-', '_']).next().unwrap_or_default();
            let explained = previous.starts_with('#') || previous.starts_with(family);
            if !explained && !line.contains("path =") {
                let sentence = format!("nothing above {name} says why it is needed");
                complaints.push(Complaint::new("Cargo.toml", sentence));
            }
            if line.contains("git =") {
                complaints.push(Complaint::new(
                    "Cargo.toml",
                    format!("{name} is a git revision"),
                ));
            }
        }
        previous = line;
    }
    complaints
}

/// Members take every dependency from the root manifest, where its reason stands.
pub(crate) fn member_dependencies(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in &tree.files {
        let is_apart = |folder: &&str| file.path.starts_with(*folder);
        let is_member = file.path.ends_with("/Cargo.toml") && !APART.iter().any(is_apart);
        let mut inside = false;
        for line in file.text.lines().filter(|_| is_member) {
            if line.starts_with('[') {
                inside = line.contains("dependencies");
            } else if inside
                && line.contains('=')
                && !line.starts_with('#')
                && !line.contains("workspace = true")
            {
                let sentence = format!("'{line}' is not taken from the root manifest");
                complaints.push(Complaint::new(&file.path, sentence));
            }
        }
    }
    complaints
}

/// Workspaces of their own, which the usual build does not know.
const APART: &[&str] = &["fuzz/", "benches/rivals/"];

/// Programs that every Debian has (packages marked essential or required).
const EVERYWHERE: &[&str] = &[
    "bash", "sh", "cat", "cp", "env", "false", "gzip", "ls", "mount", "nsenter", "setpriv",
    "sleep", "stat", "taskset", "true", "umount", "unshare", "cargo", "rustc", "kill", "dd",
    "mkfifo", "head", "timeout", "nice", "sync", "df",
];

/// Programs named by literals: `Command::new("x")`, `run("x", …)`, `netns.exec(&["x", …])`.
#[derive(Default)]
struct Programs(Vec<String>);

/// Functions and methods whose first argument is a program or a command.
const RUNNERS: &[&str] = &["run", "exec", "command", "spawn"];

impl Programs {
    fn argument(&mut self, argument: Option<&syn::Expr>) {
        match argument {
            Some(syn::Expr::Lit(literal)) => {
                if let syn::Lit::Str(name) = &literal.lit {
                    self.0.push(name.value());
                }
            }
            Some(syn::Expr::Reference(reference)) => self.argument(Some(&reference.expr)),
            Some(syn::Expr::Array(array)) => self.argument(array.elems.first()),
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Programs {
    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(function) = &*call.func {
            let mut names = function
                .path
                .segments
                .iter()
                .rev()
                .map(|part| part.ident.to_string());
            let (last, before) = (names.next().unwrap_or_default(), names.next());
            let is_command = last == "new" && before.as_deref() == Some("Command");
            if is_command || before.is_none() && RUNNERS.contains(&last.as_str()) {
                self.argument(call.args.first());
            }
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if RUNNERS.contains(&call.method.to_string().as_str()) {
            self.argument(call.args.first());
        }
        visit::visit_expr_method_call(self, call);
    }
}

/// Every program that a test or a bench runs is installed by `scripts/setup`.
pub(crate) fn programs(tree: &Tree) -> Vec<Complaint> {
    let rows = tree
        .text("scripts/packages")
        .lines()
        .filter(|line| !line.starts_with('#'));
    let installed: Vec<&str> = rows
        .filter_map(|row| row.split_whitespace().nth(1))
        .flat_map(|commands| commands.split(','))
        .collect();
    let mut complaints = Vec::new();
    for (path, file) in tree.rust() {
        let mut programs = Programs::default();
        programs.visit_file(file);
        for program in programs.0 {
            let known = EVERYWHERE.contains(&program.as_str())
                || installed.contains(&program.as_str())
                || program.starts_with('-')
                || program.contains('/');
            if !known {
                let sentence = format!("runs '{program}', which scripts/packages does not list");
                complaints.push(Complaint::new(path, sentence));
            }
        }
    }
    complaints
}
