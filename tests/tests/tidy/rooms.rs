//! Rules for what one room may use of another, and for the table of backends.
//!
//! Owns the imports as written; dependencies between packages are in `project`.

use super::Complaint;
use super::tree::Tree;
use std::collections::BTreeSet;
use syn::visit::{self, Visit};

/// What capture-core must not touch: it is the algorithm without the machine.
const NOT_IN_CORE: &[&str] = &[
    "libc",
    "pktrail",
    "std::fs",
    "std::process",
    "std::env",
    "std::os",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::thread::sleep",
];

/// What the program must leave to the libraries.
const NOT_IN_CLI: &[&str] = &["libc", "memmap2", "std::os::unix::net"];

/// Macros that speak.
const SPEAKING: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

/// Paths and macros of the code that is shipped: what is under `cfg(test)` is left out.
#[derive(Default)]
struct Uses {
    paths: BTreeSet<String>,
    macros: BTreeSet<String>,
}

impl Uses {
    fn of(file: &syn::File) -> Self {
        let mut uses = Self::default();
        uses.visit_file(file);
        uses
    }

    fn tree(&mut self, before: &str, tree: &syn::UseTree) {
        let join = |name: &syn::Ident| match before {
            "" => name.to_string(),
            _ => format!("{before}::{name}"),
        };
        match tree {
            syn::UseTree::Path(path) => self.tree(&join(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => {
                self.paths.insert(before.to_owned());
            }
            syn::UseTree::Name(name) => {
                self.paths.insert(join(&name.ident));
            }
            syn::UseTree::Rename(name) => {
                self.paths.insert(join(&name.ident));
            }
            syn::UseTree::Glob(_) => {
                self.paths.insert(before.to_owned());
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(before, tree);
                }
            }
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string() == "test",
        meta => meta.path().is_ident("test"),
    })
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.tree("", &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        self.paths.insert(names.join("::"));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        if let Some(last) = item.path.segments.last() {
            self.macros.insert(last.ident.to_string());
        }
        visit::visit_macro(self, item);
    }
}

/// Whether `path` is `forbidden` or lies in it.
fn lies_in(path: &str, forbidden: &str) -> bool {
    path.strip_prefix(forbidden)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether the whole file is part of a test.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("_tests.rs") || path.contains("/tests/")
}

/// Each room uses only what is its own to use.
pub(crate) fn imports(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, file) in tree.rust().filter(|(path, _)| !is_test_file(path)) {
        let (forbidden, may_speak) = if path.starts_with("capture-core/src/") {
            (NOT_IN_CORE, false)
        } else if path.starts_with("backends/src/") {
            (&["pktrail_cli"][..], false)
        } else if path.starts_with("cli/src/") {
            (NOT_IN_CLI, true)
        } else {
            continue;
        };
        let uses = Uses::of(file);
        for used in &uses.paths {
            if forbidden.iter().any(|forbidden| lies_in(used, forbidden)) {
                let sentence = format!("uses {used}, which this room must not");
                complaints.push(Complaint::new(path, sentence));
            }
        }
        for name in uses
            .macros
            .iter()
            .filter(|name| SPEAKING.contains(&name.as_str()))
        {
            if !may_speak {
                complaints.push(Complaint::new(path, format!("prints with {name}!")));
            }
        }
    }
    complaints
}

/// The modules named by the rows of the table `BACKENDS` in backends/src/lib.rs.
fn backend_modules(tree: &Tree) -> Vec<String> {
    let lib = tree.rust().find(|(path, _)| *path == "backends/src/lib.rs");
    let Some((_, lib)) = lib else {
        return Vec::new();
    };
    let mut rows = Uses::default();
    for item in &lib.items {
        match item {
            syn::Item::Const(item) if item.ident == "BACKENDS" => rows.visit_expr(&item.expr),
            syn::Item::Static(item) if item.ident == "BACKENDS" => rows.visit_expr(&item.expr),
            _ => {}
        }
    }
    let modules = rows.paths.iter().filter_map(|path| {
        let path = path.strip_prefix("crate::").unwrap_or(path);
        let (module, _) = path.split_once("::")?;
        module
            .starts_with(|c: char| c.is_ascii_lowercase())
            .then(|| module.to_owned())
    });
    modules.collect::<BTreeSet<_>>().into_iter().collect()
}

/// One backend does not use another.
pub(crate) fn backends_apart(tree: &Tree) -> Vec<Complaint> {
    let modules = backend_modules(tree);
    let mut complaints = Vec::new();
    for module in &modules {
        let (one, folder) = (
            format!("backends/src/{module}.rs"),
            format!("backends/src/{module}/"),
        );
        for (path, file) in tree
            .rust()
            .filter(|(p, _)| *p == one || p.starts_with(&folder))
        {
            for used in Uses::of(file).paths {
                let other = modules
                    .iter()
                    .find(|other| *other != module && lies_in(&used, &format!("crate::{other}")));
                if let Some(other) = other {
                    complaints.push(Complaint::new(path, format!("uses the backend {other}")));
                }
            }
        }
    }
    complaints
}

/// Each row of the table of backends has its file, and a test that names it.
pub(crate) fn backend_table(tree: &Tree) -> Vec<Complaint> {
    let lib = "backends/src/lib.rs";
    let modules = backend_modules(tree);
    let mut complaints = Vec::new();
    if modules.is_empty() {
        complaints.push(Complaint::new(
            lib,
            "has no table BACKENDS with a row for each backend",
        ));
    }
    for module in modules {
        let files = [
            format!("backends/src/{module}.rs"),
            format!("backends/src/{module}/mod.rs"),
        ];
        if !files.iter().any(|path| !tree.text(path).is_empty()) {
            complaints.push(Complaint::new(
                lib,
                format!("the backend {module} has no file"),
            ));
        }
        let tested = tree
            .rust()
            .any(|(path, _)| path.starts_with("tests/tests/") && tree.text(path).contains(&module));
        if !tested {
            complaints.push(Complaint::new(
                lib,
                format!("no test in tests/ names {module}"),
            ));
        }
    }
    complaints
}
