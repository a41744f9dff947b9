//! Mistakes on the command line, as one sentence that names the nearest right
//! spelling.

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
            let nearest = text(ContextKind::SuggestedArg);
            let nearest = nearest.map(|near| format!(": did you mean '{near}'?"));
            format!("unknown flag '{argument}'{}", nearest.unwrap_or_default())
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
            "unknown flag '-g'; 'pktrail --help' lists the flags"
        );
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
