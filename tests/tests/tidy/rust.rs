//! Rules for the shape of Rust code: sizes, names, unsafe, ignored tests.
//!
//! Owns what a syntax tree of one file shows; what files may use of each other is in `rooms`.

use super::Complaint;
use super::tree::Tree;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

const FUNCTION_LINES: usize = 70;

/// Parts of type names that say nothing about what a type is.
const EMPTY_NAMES: &[&str] = &["Manager", "Helper", "Util"];

/// What one pass over a file collects.
#[derive(Default)]
struct Seen {
    /// Name of each function, and the lines between its braces.
    functions: Vec<(String, usize)>,
    types: Vec<String>,
    /// Names of functions under `#[ignore]`.
    ignored: Vec<String>,
}

impl Seen {
    fn of(file: &syn::File) -> Self {
        let mut seen = Self::default();
        seen.visit_file(file);
        seen
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let place = block.span();
        let body = (place.end().line - place.start().line).saturating_sub(1);
        self.functions.push((signature.ident.to_string(), body));
    }
}

impl<'ast> Visit<'ast> for Seen {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        if item
            .attrs
            .iter()
            .any(|attribute| attribute.path().is_ident("ignore"))
        {
            self.ignored.push(item.sig.ident.to_string());
        }
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.types.push(item.ident.to_string());
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.types.push(item.ident.to_string());
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.types.push(item.ident.to_string());
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.types.push(item.ident.to_string());
    }
}

/// A function fits a screen.
pub(crate) fn function_length(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, file) in tree.rust() {
        for (name, lines) in Seen::of(file).functions {
            if lines > FUNCTION_LINES {
                let sentence = format!("{lines} lines: more than {FUNCTION_LINES}");
                complaints.push(Complaint::new(format!("{path}:{name}"), sentence));
            }
        }
    }
    complaints
}

/// A type's name says what it is.
pub(crate) fn type_names(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, file) in tree.rust() {
        for name in Seen::of(file).types {
            if EMPTY_NAMES.iter().any(|empty| name.contains(empty)) {
                let sentence = "the name does not say what it is";
                complaints.push(Complaint::new(format!("{path}:{name}"), sentence));
            }
        }
    }
    complaints
}

/// `foo.rs` or `foo/mod.rs`, never `foo/foo.rs`.
pub(crate) fn module_names(tree: &Tree) -> Vec<Complaint> {
    tree.rust()
        .filter(|(path, _)| {
            let mut parts = path.trim_end_matches(".rs").rsplit('/');
            parts.next() == parts.next()
        })
        .map(|(path, _)| Complaint::new(path, "a folder's own file is called mod.rs"))
        .collect()
}

/// Unsafe code, and leave to write it, is in `backends/src/sys` only.
pub(crate) fn unsafe_blocks(tree: &Tree) -> Vec<Complaint> {
    tree.rust()
        .filter(|(path, _)| !path.starts_with("backends/src/sys/"))
        .filter_map(|(path, file)| {
            let word = has_unsafe(file.to_token_stream())?;
            Some(Complaint::new(
                path,
                format!("'{word}' outside backends/src/sys"),
            ))
        })
        .collect()
}

fn has_unsafe(tokens: TokenStream) -> Option<&'static str> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == "unsafe" => Some("unsafe"),
        TokenTree::Ident(ident) if ident == "unsafe_code" => Some("unsafe_code"),
        TokenTree::Group(group) => has_unsafe(group.stream()),
        _ => None,
    })
}

/// A test that is not run is declared, with the reason, in `tidy.allow`.
pub(crate) fn ignored_tests(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, file) in tree.rust() {
        for name in Seen::of(file).ignored {
            let sentence = "is ignored, and tests/tidy.allow does not say why";
            complaints.push(Complaint::new(format!("{path}:{name}"), sentence));
        }
    }
    complaints
}

/// Every file is a module of something: what nobody declares is not compiled.
pub(crate) fn orphans(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, _) in tree.rust() {
        let Some((folder, name)) = path.rsplit_once('/') else {
            continue;
        };
        let is_root = ["lib.rs", "main.rs", "build.rs"].contains(&name)
            || folder.ends_with("/tests") && !folder.contains("/src/")
            || ["/bin", "/examples", "/targets", "/benches"]
                .iter()
                .any(|end| folder.ends_with(end));
        if is_root {
            continue;
        }
        // `a/b.rs` and `a/b/mod.rs` are the module `b` of whatever is in charge of the folder `a`.
        let (home, module) = match name {
            "mod.rs" => folder.rsplit_once('/').unwrap_or(("", folder)),
            _ => (folder, name.trim_end_matches(".rs")),
        };
        let parents = ["/lib.rs", "/main.rs", "/mod.rs", ".rs"].map(|end| format!("{home}{end}"));
        let declared = tree.rust().any(|(parent, file)| {
            parents.iter().any(|path| path == parent) && declares(&file.items, module)
        });
        if !declared {
            complaints.push(Complaint::new(path, "no other file declares this module"));
        }
    }
    complaints
}

fn declares(items: &[syn::Item], module: &str) -> bool {
    items.iter().any(|item| match item {
        syn::Item::Mod(item) if item.content.is_none() => item.ident == module,
        _ => false,
    })
}
