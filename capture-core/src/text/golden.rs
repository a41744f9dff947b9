//! For the tests of the printers: what one of them makes of some bytes.

use super::context::{Context, Truncated};
use super::{NoNames, Style};

/// The text that `print` writes with as many `-v` as `verbose`, ended as the
/// frame's printer ends it when the data ends too soon.
pub(super) fn text(
    verbose: u8,
    print: impl FnOnce(&mut Context<'_>) -> Result<(), Truncated>,
) -> String {
    let style = Style {
        verbose,
        numeric: true,
        ..Style::default()
    };
    let (mut names, mut out) = (NoNames, String::new());
    let mut cx = Context::new(&style, &mut names, &mut out);
    if print(&mut cx).is_err() {
        cx.put_truncated();
    }
    out
}
