//! The public API of the libraries, compared with the lists in docs/api. Needs no privilege.
//!
//! Owns the lister: it reads the sources, so it needs no special compiler. It trusts the lint
//! `unreachable_pub`: what is `pub` in a private module is re-exported somewhere. `make bless`
//! writes the lists anew; their difference shows in review.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use syn::{Attribute, ImplItem, Item, Visibility};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn the_api_of_pktrail_core_is_the_listed_one() {
    compare("pktrail-core", "capture-core/src");
}

#[test]
fn the_api_of_pktrail_is_the_listed_one() {
    compare("pktrail", "backends/src");
}

fn compare(name: &str, sources: &str) {
    let now = list(name, &root().join(sources));
    let path = root().join("docs/api").join(format!("{name}.txt"));
    if std::env::var_os("PKTRAIL_GOLDEN").is_some() {
        fs::write(&path, &now).expect("the list can be written");
        return;
    }
    let listed = fs::read_to_string(&path).unwrap_or_default();
    if listed == now {
        return;
    }
    let old: HashSet<&str> = listed.lines().collect();
    let new: HashSet<&str> = now.lines().collect();
    let gone = listed
        .lines()
        .filter(|line| !new.contains(line))
        .map(|line| format!("- {line}"));
    let come = now
        .lines()
        .filter(|line| !old.contains(line))
        .map(|line| format!("+ {line}"));
    let changes: Vec<String> = gone.chain(come).collect();
    panic!(
        "the public API of {name} is not the one in docs/api/{name}.txt. If that is meant, \
         run 'make bless' and say it in CHANGELOG.md.\n{}\n",
        changes.join("\n")
    );
}

/// One module: its path, its own items, and whether it can be named from outside.
struct Module {
    path: String,
    items: Vec<Item>,
    public: bool,
}

/// The list: for each module its public items, sorted, without documentation and bodies.
fn list(name: &str, sources: &Path) -> String {
    let mut modules = Vec::new();
    read(
        &sources.join("lib.rs"),
        sources.to_owned(),
        name.replace('-', "_"),
        true,
        &mut modules,
    );
    modules.sort_by(|a, b| a.path.cmp(&b.path));
    let types = public_names(&modules);
    let mut text =
        format!("The public API of {name}, without its documentation. Written by `make bless`.\n");
    for module in modules {
        let mut items: Vec<String> = module
            .items
            .iter()
            .filter_map(|item| shown(item, &types))
            .collect();
        items.sort();
        if !items.is_empty() {
            let note = if module.public {
                ""
            } else {
                " (private; re-exported)"
            };
            let _ = write!(text, "\n== {}{note}\n{}", module.path, items.concat());
        }
    }
    text
}

/// Reads a module's file and those of its submodules. `folder` is where the latter lie.
fn read(file: &Path, folder: PathBuf, path: String, public: bool, into: &mut Vec<Module>) {
    let text = fs::read_to_string(file)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
    let items = syn::parse_file(&text)
        .unwrap_or_else(|error| panic!("{} is not Rust: {error}", file.display()))
        .items;
    descend(items, &folder, path, public, into);
}

fn descend(items: Vec<Item>, folder: &Path, path: String, public: bool, into: &mut Vec<Module>) {
    let mut own = Vec::new();
    for item in items {
        let Item::Mod(module) = item else {
            own.push(item);
            continue;
        };
        if module.attrs.iter().any(is_for_tests) {
            continue;
        }
        let name = module.ident.to_string();
        let inner = (format!("{path}::{name}"), public && is_public(&module.vis));
        if let Some((_, items)) = module.content {
            descend(items, &folder.join(&name), inner.0, inner.1, into);
        } else {
            let flat = folder.join(format!("{name}.rs"));
            let file = if flat.exists() {
                flat
            } else {
                folder.join(&name).join("mod.rs")
            };
            read(&file, folder.join(&name), inner.0, inner.1, into);
        }
    }
    into.push(Module {
        path,
        items: own,
        public,
    });
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_for_tests(attribute: &Attribute) -> bool {
    matches!(&attribute.meta, syn::Meta::List(list)
        if list.path.is_ident("cfg") && list.tokens.to_string() == "test")
}

/// The public types and traits, and the private traits (with a sign), of a crate.
struct Names {
    public: HashSet<String>,
    private: HashSet<String>,
}

fn public_names(modules: &[Module]) -> Names {
    let mut names = Names {
        public: HashSet::new(),
        private: HashSet::new(),
    };
    for item in modules.iter().flat_map(|module| &module.items) {
        let (ident, visibility) = match item {
            Item::Struct(item) => (&item.ident, &item.vis),
            Item::Enum(item) => (&item.ident, &item.vis),
            Item::Trait(item) => (&item.ident, &item.vis),
            Item::Type(item) => (&item.ident, &item.vis),
            _ => continue,
        };
        let set = if is_public(visibility) {
            &mut names.public
        } else {
            &mut names.private
        };
        set.insert(ident.to_string());
    }
    names
}

/// Keeps of the attributes what is part of a contract.
fn keep_contract(attributes: &mut Vec<Attribute>) {
    attributes.retain(|attribute| {
        ["derive", "non_exhaustive", "must_use", "cfg", "repr"]
            .iter()
            .any(|name| attribute.path().is_ident(name))
    });
}

fn keep_public_fields(fields: &mut syn::Fields) {
    let fields = match fields {
        syn::Fields::Named(fields) => &mut fields.named,
        // The position of a field counts, so a private one stays, without its type.
        syn::Fields::Unnamed(fields) => {
            for field in &mut fields.unnamed {
                keep_contract(&mut field.attrs);
                if !is_public(&field.vis) {
                    field.ty = syn::parse_quote!(_);
                }
            }
            return;
        }
        syn::Fields::Unit => return,
    };
    *fields = std::mem::take(fields)
        .into_iter()
        .filter(|field| is_public(&field.vis))
        .map(|mut field| {
            keep_contract(&mut field.attrs);
            field
        })
        .collect();
}

/// An item as the list shows it; nothing if it is not public.
fn shown(item: &Item, names: &Names) -> Option<String> {
    let mut item = item.clone();
    let nothing: syn::Expr = syn::parse_quote!(_);
    let (attributes, visibility) = match &mut item {
        Item::Const(item) => {
            *item.expr = nothing;
            (&mut item.attrs, &item.vis)
        }
        Item::Static(item) => {
            *item.expr = nothing;
            (&mut item.attrs, &item.vis)
        }
        Item::Fn(item) => {
            item.block.stmts.clear();
            (&mut item.attrs, &item.vis)
        }
        Item::Struct(item) => {
            keep_public_fields(&mut item.fields);
            (&mut item.attrs, &item.vis)
        }
        Item::Enum(item) => {
            for variant in &mut item.variants {
                keep_contract(&mut variant.attrs);
                variant
                    .fields
                    .iter_mut()
                    .for_each(|field| keep_contract(&mut field.attrs));
            }
            (&mut item.attrs, &item.vis)
        }
        Item::Trait(item) => {
            for item in &mut item.items {
                if let syn::TraitItem::Fn(function) = item {
                    keep_contract(&mut function.attrs);
                    if let Some(block) = &mut function.default {
                        block.stmts.clear();
                    }
                }
            }
            (&mut item.attrs, &item.vis)
        }
        Item::Type(item) => (&mut item.attrs, &item.vis),
        Item::Use(item) => (&mut item.attrs, &item.vis),
        Item::Impl(item) => return shown_impl(item.clone(), names),
        _ => return None,
    };
    if !is_public(visibility) {
        return None;
    }
    keep_contract(attributes);
    Some(print(item))
}

/// The last name of a type's or trait's path, without references and arguments.
fn last_name(ty: &syn::Type) -> Option<String> {
    match ty {
        syn::Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        syn::Type::Reference(reference) => last_name(&reference.elem),
        _ => None,
    }
}

fn shown_impl(mut item: syn::ItemImpl, names: &Names) -> Option<String> {
    keep_contract(&mut item.attrs);
    let own = last_name(&item.self_ty)?;
    if let Some((.., path, _)) = &item.trait_ {
        let name = path.segments.last()?.ident.to_string();
        // An own trait for a foreign type counts if the trait is public.
        let visible = names.public.contains(&own)
            || names.public.contains(&name) && !names.private.contains(&own);
        if !visible || names.private.contains(&name) && !names.public.contains(&name) {
            return None;
        }
        item.items.retain(|part| matches!(part, ImplItem::Type(_)));
        return Some(print(Item::Impl(item)));
    }
    if !names.public.contains(&own) {
        return None;
    }
    item.items.retain(|part| match part {
        ImplItem::Fn(part) => is_public(&part.vis),
        ImplItem::Const(part) => is_public(&part.vis),
        _ => false,
    });
    for part in &mut item.items {
        match part {
            ImplItem::Fn(part) => {
                keep_contract(&mut part.attrs);
                part.block.stmts.clear();
            }
            ImplItem::Const(part) => {
                keep_contract(&mut part.attrs);
                part.expr = syn::parse_quote!(_);
            }
            _ => {}
        }
    }
    (!item.items.is_empty()).then(|| print(Item::Impl(item)))
}

fn print(item: Item) -> String {
    prettyplease::unparse(&syn::File {
        shebang: None,
        frontmatter: None,
        attrs: Vec::new(),
        items: vec![item],
    })
}

#[test]
fn the_lister_shows_what_is_public_and_nothing_else() {
    let text = "
        /// Documented.
        #[derive(Clone)] pub struct A { pub a: u8, b: u8 }
        struct P; impl P { pub fn hidden(&self) {} }
        impl A { pub fn f(&self) -> u8 { 1 } fn g() {} }
        impl Clone for P {} impl Default for A { fn default() -> A { todo() } }
        pub(crate) fn h() {} pub const C: u8 = 3;";
    let items = syn::parse_file(text).expect("the example is Rust").items;
    let module = Module {
        path: "x".into(),
        items,
        public: true,
    };
    let names = public_names(std::slice::from_ref(&module));
    let lines: String = module
        .items
        .iter()
        .filter_map(|item| shown(item, &names))
        .collect();
    let expected = "#[derive(Clone)]\npub struct A {\n    pub a: u8,\n}\nimpl A {\n    \
        pub fn f(&self) -> u8 {}\n}\nimpl Default for A {}\npub const C: u8 = _;\n";
    assert_eq!(lines, expected);
}
