//! What is wrong with an expression, and where: the sentence, the place, and
//! the picture of it with a caret.

use crate::{Error, ErrorKind};
use std::{error, fmt};

/// A place in the text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) fn to(self, end: Self) -> Self {
        Self {
            start: self.start,
            end: end.end.max(self.start),
        }
    }
}

/// What is wrong with a filter expression, and where. It is the cause of the
/// [`Error`] that compiling returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// First byte of the place in the text.
    pub start: usize,
    /// First byte after it.
    pub end: usize,
    /// What is wrong there, and what to do.
    pub message: String,
}

impl Mistake {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            start: span.start,
            end: span.end,
            message: message.into(),
        }
    }

    /// The text with a line of carets under the place. The text is cut to
    /// about one line of a terminal around the place.
    pub fn picture(&self, text: &str) -> String {
        const BEFORE: usize = 40;
        const AFTER: usize = 30;
        let line = text
            .char_indices()
            .map(|(at, char)| (at, if char.is_control() { ' ' } else { char }));
        let (mut shown, mut carets) = (String::new(), String::new());
        let from = self.start.saturating_sub(BEFORE);
        let to = self.end.min(self.start + BEFORE) + AFTER;
        for (at, char) in line.filter(|(at, _)| (from..to).contains(at)) {
            shown.push(char);
            if at < self.start {
                carets.push(' ');
            } else if at < self.end {
                carets.push('^');
            }
        }
        if self.start >= text.len() || carets.trim().is_empty() {
            carets.push('^');
        }
        let cut = |is_cut, dots| if is_cut { dots } else { "" };
        let before = cut(from > 0, "... ");
        let after = cut(to < text.len(), " ...");
        let indent = " ".repeat(before.len());
        format!("{before}{shown}{after}\n{indent}{carets}")
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for Mistake {}

impl From<Mistake> for Error {
    fn from(mistake: Mistake) -> Self {
        let sentence = format!("filter expression, column {}", mistake.start + 1);
        Error::new(ErrorKind::Usage, sentence).with_source(mistake)
    }
}

/// The picture of the place in `text` where `error` found a mistake: the text,
/// and carets under the place. `None` if the error is not about a place in a
/// filter expression.
pub fn caret(text: &str, error: &Error) -> Option<String> {
    let source = error::Error::source(error)?;
    Some(source.downcast_ref::<Mistake>()?.picture(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(text: &str, start: usize, end: usize) -> String {
        Mistake::new(Span { start, end }, "x").picture(text)
    }

    #[test]
    fn carets_stand_under_the_place() {
        assert_eq!(picture("tcp prot 80", 4, 8), "tcp prot 80\n    ^^^^");
        assert_eq!(picture("tcp", 3, 3), "tcp\n   ^");
        assert_eq!(picture("", 0, 0), "\n^");
        let long = "host 10.0.0.1 or ".repeat(20);
        let picture = picture(&long, 170, 174);
        let (shown, carets) = picture.split_once('\n').unwrap();
        assert_eq!(&shown[carets.find('^').unwrap()..][..4], "host");
        assert!(shown.len() < 90, "{shown}");
    }

    #[test]
    fn an_error_leads_to_its_picture() {
        let error = Error::from(Mistake::new(Span { start: 1, end: 2 }, "is wrong"));
        assert_eq!(
            format!("{error:#}"),
            "filter expression, column 2: is wrong"
        );
        assert_eq!(caret("abc", &error).unwrap(), "abc\n ^");
        assert_eq!(caret("abc", &Error::new(ErrorKind::Usage, "no")), None);
    }
}
