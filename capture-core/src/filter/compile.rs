//! The way from text to filter.

use super::ir::formula::{FormulaId, Formulas};
use super::ir::graph::{Goal, Graph};
use super::ir::refine::refine;
use super::meaning::meaning;
use super::{Filter, Program, Resolver, Target, classic, lang};
use crate::{Error, ErrorKind, Result};

/// Longest expression, in bytes.
const LONGEST_TEXT: usize = 1 << 20;

impl Filter {
    /// Compiles `text`, in the language of pcap-filter(7), for `target`. Names
    /// of hosts, networks, services and protocols are asked of `names`. The
    /// empty expression accepts every frame.
    ///
    /// # Errors
    /// `Usage` for a mistake in the text, with a [`Mistake`](super::Mistake) as
    /// its cause: [`caret`](super::caret) shows the place.
    pub fn compile(text: &str, target: &Target, names: &mut dyn Resolver) -> Result<Self> {
        if text.len() > LONGEST_TEXT {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("the filter expression is longer than {LONGEST_TEXT} bytes"),
            ));
        }
        let expr = lang::parse(text)?;
        let mut formulas = Formulas::new();
        let meant = meaning(expr.as_ref(), target, names, &mut formulas)?;
        if let Some(reason) = meant.not_in_kernel {
            let unsupported = ErrorKind::Unsupported {
                feature: "this filter in the kernel",
                since: "",
            };
            let message = format!("the kernel cannot run this filter: {reason}");
            return Err(Error::new(unsupported, message));
        }
        let mut graph = Graph::new(&mut formulas, meant.formula);
        if graph.root() == Goal::Reject || meant.formula == FormulaId::FALSE {
            let place = lang::Span {
                start: 0,
                end: text.len(),
            };
            let message = "the expression rejects every frame: its parts contradict each other, \
                           or this link type never carries what it asks for";
            return Err(lang::Mistake::new(place, message).into());
        }
        refine(&mut graph, &mut formulas.values);
        let instructions = classic::program(&graph, &formulas.values, target.snaplen);
        let Some(instructions) = instructions else {
            return Err(Error::new(
                ErrorKind::Usage,
                "the filter expression is too complex for a program",
            ));
        };
        Ok(Self {
            program: Program::new(instructions)?,
            text: Some(text.into()),
        })
    }
}
