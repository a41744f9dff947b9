//! Filters shown instead of used: `-d`, `-dd`, `-ddd`, `--explain`, `--ebpf`.
//! None needs a privilege unless `-i` names an interface to ask.

use crate::args::Args;
use crate::plan::{self, Wanted, usage};
use crate::{devices, print_either, read};
use pktrail::filter::{EbpfContext, EbpfInstruction, SkbFilter, ebpf_listing, explain};
use pktrail::names::SystemNames;
use pktrail::{Instruction, LinkType, Program, Result};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Whether a filter is to be shown.
pub(crate) fn is_wanted(args: &Args) -> bool {
    args.dump_filter > 0 || args.explain.is_some() || args.ebpf.is_some()
}

/// Shows the filter in the form that the flags ask for.
pub(crate) fn filter(args: &Args, wanted: Option<Wanted>) -> Result<ExitCode> {
    let link_type = link_type(args)?;
    let wanted = wanted.unwrap_or(Wanted::Expression(String::new()));
    if let Some(form) = &args.explain {
        return explanation(args, form, &wanted, link_type);
    }
    if let Some(context) = &args.ebpf {
        let program = ebpf(args, context, wanted, link_type)?;
        let listing = ebpf_listing(&program);
        return print_either(
            args.json,
            || listing.lines().collect(),
            || listing.trim_end().to_owned() + "\n",
        );
    }
    let filter = wanted.for_file(args, link_type, plan::snaplen(args)?)?;
    print_either(
        args.json,
        || instructions(&filter.program),
        || match args.dump_filter {
            1 => filter.program.listing(),
            2 => filter.program.c_listing(),
            _ => filter.program.decimal_listing(),
        },
    )
}

/// The filter as a program of the kind that `context` names.
fn ebpf(
    args: &Args,
    context: &str,
    wanted: Wanted,
    link_type: LinkType,
) -> Result<Vec<EbpfInstruction>> {
    let snaplen = plan::snaplen(args)?;
    let (context, accept, reject) = match (context, &wanted) {
        ("xdp", _) => (EbpfContext::Xdp, XDP_PASS, XDP_DROP),
        ("tc", _) => (EbpfContext::Tc, 1, 0),
        ("skb", Wanted::Expression(text)) => {
            let target = plan::target(args, link_type, snaplen);
            let filter = SkbFilter::compile(text, &target, &mut SystemNames::new());
            return filter
                .map_err(|error| plan::picture(error, text))?
                .function();
        }
        ("skb", _) => return Err(usage("--ebpf=skb takes an expression, not a program")),
        (other, _) => return Err(usage(format!("--ebpf: '{other}' is not xdp, tc or skb"))),
    };
    let filter = wanted.for_file(args, link_type, snaplen)?;
    filter.ebpf(context, accept, reject)
}

/// `enum xdp_action` of `include/uapi/linux/bpf.h`.
const XDP_DROP: i32 = 1;
const XDP_PASS: i32 = 2;

fn explanation(args: &Args, form: &str, wanted: &Wanted, link_type: LinkType) -> Result<ExitCode> {
    let Wanted::Expression(text) = wanted else {
        return Err(usage(
            "--explain takes an expression, not a program: -d prints that",
        ));
    };
    let target = plan::target(args, link_type, plan::snaplen(args)?);
    let explained = explain(text, &target, &mut SystemNames::new())
        .map_err(|error| plan::picture(error, text))?;
    let whole = match form {
        "text" => format!(
            "{}\n\n{}\n",
            explained.expression,
            explained.graph.trim_end()
        ),
        "dot" => format!("{}\n", explained.dot.trim_end()),
        "svg" => format!("{}\n", explained.svg.trim_end()),
        other => {
            return Err(usage(format!(
                "--explain: '{other}' is not text, dot or svg"
            )));
        }
    };
    print_either(
        args.json,
        || {
            json!({
                "expression": explained.expression,
                "graph": explained.graph,
                "dot": explained.dot,
                "svg": explained.svg,
            })
        },
        || whole,
    )
}

/// What the filter is compiled for: as asked, or what the file or interface has.
fn link_type(args: &Args) -> Result<LinkType> {
    if let Some(link_type) = plan::link_type(args)? {
        return Ok(link_type);
    }
    match (&args.read, args.interfaces.first()) {
        (Some(path), _) => read::link_type(path),
        (None, Some(word)) => devices::link_type_by_word(word, args.netns.as_deref()),
        (None, None) => Ok(LinkType::ETHERNET),
    }
}

/// A compiled filter as JSON.
fn instructions(program: &Program) -> Value {
    let one = |it: &Instruction| json!({"code": it.code, "jt": it.jt, "jf": it.jf, "k": it.k});
    Value::Array(program.instructions().iter().map(one).collect())
}
