//! How much work an expression may be. An expression of a few lines can be made whose graph is
//! larger than any memory, so work is counted where it is done: not in time, which differs
//! from machine to machine, but in steps of about 50 ns that each keep about 100 bytes at most.

/// Steps for one expression, from its meaning to its graph.
const MOST: usize = 400_000;
/// Of these, steps for the best graph. After them, the rest is made as it is written.
const MOST_FOR_GRAPH: usize = 150_000;

/// What was spent. Once it is over, whoever spends may answer anything: it is thrown away.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    spent: usize,
    graph_begins: usize,
}

impl Budget {
    pub(crate) fn spend(&mut self, steps: usize) {
        self.spent = self.spent.saturating_add(steps);
    }

    pub(crate) fn exceed(&mut self) {
        self.spent = usize::MAX;
    }

    pub(crate) fn is_over(self) -> bool {
        self.spent > MOST
    }

    /// The graph is begun.
    pub(crate) fn begin_graph(&mut self) {
        self.graph_begins = self.spent;
    }

    /// Whether so many more steps would be too many for the best graph.
    pub(crate) fn is_too_much_for_graph(self, steps: usize) -> bool {
        let sum = (self.spent - self.graph_begins).saturating_add(steps);
        sum > MOST_FOR_GRAPH || self.spent.saturating_add(steps) > MOST
    }
}
