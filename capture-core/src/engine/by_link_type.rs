//! A filter for frames of several link types: the same expression, compiled for
//! each. A list of files, or one file with several interfaces, may have them.

use crate::{Batch, Filter, LinkType, Result};

/// Makes the filter for frames of one link type.
pub type Compile = Box<dyn FnMut(LinkType) -> Result<Filter> + Send>;

/// Filters of one meaning, each made when the first frame of its link type
/// comes.
pub struct ByLinkType {
    compile: Compile,
    known: Vec<(LinkType, Filter)>,
}

impl ByLinkType {
    /// Filters as `compile` makes them.
    pub fn new(compile: Compile) -> Self {
        Self {
            compile,
            known: Vec::new(),
        }
    }

    /// Makes the filters for all frames of a batch.
    ///
    /// # Errors
    /// Those of `compile`.
    pub(super) fn prepare(&mut self, batch: &Batch) -> Result<()> {
        for info in &batch.frames {
            let Some(interface) = batch.interface(info) else {
                continue;
            };
            let link_type = interface.link_type;
            if self.filter(link_type).is_none() {
                let filter = (self.compile)(link_type)?;
                self.known.push((link_type, filter));
            }
        }
        Ok(())
    }

    /// The filter for a link type that was prepared.
    pub(super) fn filter(&self, link_type: LinkType) -> Option<&Filter> {
        let found = self.known.iter().find(|(known, _)| *known == link_type);
        found.map(|(_, filter)| filter)
    }
}
