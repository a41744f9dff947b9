//! Mistakes on the command line, as one sentence that names the nearest right
//! spelling.

use crate::args::Args;
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, Error as ClapError, ErrorKind};

/// One sentence about a command line that cannot be understood.
pub(crate) fn sentence(error: &ClapError) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    let flag = argument.split(' ').next().unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::UnknownArgument => {
            let nearest = text(ContextKind::SuggestedArg).or_else(|| nearest(&argument));
            match (argument.starts_with('-'), nearest) {
                (true, Some(near)) => format!("unknown flag '{argument}': did you mean '{near}'?"),
                (true, None) => format!("unknown flag '{argument}'"),
                (false, _) => format!("'{argument}' is one word too many"),
            }
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("'{argument}' needs a value"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            format!("{flag}: '{value}' is not a valid value")
        }
        ErrorKind::MissingRequiredArgument => format!("{argument} is missing"),
        _ => error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .replace("error: ", ""),
    };
    let end = if what.ends_with('?') { "" } else { ";" };
    format!("{what}{end} 'pktrail --help' lists the flags")
}

/// The flag nearest to one that is not there: of a letter its other case, then
/// what begins with it; of a word the one with the fewest changes.
fn nearest(argument: &str) -> Option<String> {
    let command = Args::command();
    let flags = || command.get_arguments().filter(|flag| !flag.is_hide_set());
    let longs = || flags().filter_map(|flag| flag.get_long());
    if let Some(word) = argument.strip_prefix("--") {
        let word = word.split('=').next().unwrap_or_default();
        let best = longs().min_by_key(|long| changes(word, long))?;
        // Beyond that it is another word.
        let is_near = changes(word, best) * 2 <= word.chars().count();
        return is_near.then(|| format!("--{best}"));
    }
    let letter = argument.chars().nth(1)?;
    let is_other_case = |short: &char| *short != letter && short.eq_ignore_ascii_case(&letter);
    let other_case = flags()
        .filter_map(|flag| flag.get_short())
        .find(is_other_case);
    let by_case = other_case.map(|short| format!("-{short}"));
    let small = letter.to_ascii_lowercase();
    by_case.or_else(|| {
        let long = longs().find(|long| long.starts_with(small))?;
        Some(format!("--{long}"))
    })
}

/// How many letters must change, come or go to make one word of another.
fn changes(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (at, letter) in from.chars().enumerate() {
        let mut before = at;
        let mut left = at + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(to.chars()) {
            let replaced = before + usize::from(letter != other);
            before = *cell;
            *cell = replaced.min(before + 1).min(left + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::args::Args;
    use clap::Parser;

    fn said(words: &[&str]) -> String {
        let words = std::iter::once(&"pktrail").chain(words);
        super::sentence(&Args::try_parse_from(words).unwrap_err())
    }

    #[test]
    fn an_unknown_flag_names_the_nearest() {
        assert_eq!(
            said(&["--fanot", "2"]),
            "unknown flag '--fanot': did you mean '--fanout'? 'pktrail --help' lists the flags"
        );
        assert_eq!(
            said(&["-g"]),
            "unknown flag '-g': did you mean '-G'? 'pktrail --help' lists the flags"
        );
        assert!(said(&["-k"]).contains("did you mean '-K'?"));
        assert!(said(&["-M"]).contains("did you mean '--m"));
        assert!(!said(&["--bogus"]).contains("did you mean"));
    }

    #[test]
    fn changes_are_counted() {
        for (from, to, count) in [
            ("", "", 0),
            ("", "ab", 2),
            ("abc", "abc", 0),
            ("abc", "bc", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(super::changes(from, to), count, "{from} {to}");
            assert_eq!(super::changes(to, from), count, "{to} {from}");
        }
    }

    #[test]
    fn values_are_named_with_their_flag() {
        assert_eq!(
            said(&["-c", "many"]),
            "-c: 'many' is not a valid value; 'pktrail --help' lists the flags"
        );
        assert_eq!(
            said(&["-c"]),
            "'-c <COUNT>' needs a value; 'pktrail --help' lists the flags"
        );
    }
}
