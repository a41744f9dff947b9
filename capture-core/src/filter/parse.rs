//! Programs as text: the numbers that `tcpdump -ddd` prints.

use super::{Instruction, Program, op::MOST_INSTRUCTIONS};
use crate::{Error, ErrorKind, Result};
use std::str::{FromStr, SplitAsciiWhitespace};

impl Program {
    /// Reads the text of `tcpdump -ddd` (or `pktrail -ddd`): a line with the
    /// number of instructions, then a line `code jt jf k` for each, decimal.
    /// Empty lines are skipped.
    ///
    /// # Errors
    /// `Usage`, with the number of the line (from 1) that cannot be read; or
    /// what [`Program::new`] finds.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line.trim()))
            .filter(|(_, line)| !line.is_empty());
        let Some((line, first)) = lines.next() else {
            return Err(Error::new(ErrorKind::Usage, "the filter program is empty"));
        };
        let count: usize = first.parse().map_err(|_| {
            wrong(
                line,
                format!("\"{first}\" is not the number of instructions"),
            )
        })?;
        if count > MOST_INSTRUCTIONS {
            return Err(wrong(
                line,
                format!("{count} instructions are more than the {MOST_INSTRUCTIONS} allowed"),
            ));
        }
        let mut instructions = Vec::with_capacity(count);
        let mut last = line;
        for (line, text) in lines {
            if instructions.len() == count {
                return Err(wrong(
                    line,
                    format!("more lines than the {count} instructions announced"),
                ));
            }
            instructions.push(instruction(line, text)?);
            last = line;
        }
        if instructions.len() < count {
            return Err(wrong(
                last,
                format!(
                    "the text ends after {} of {count} instructions",
                    instructions.len()
                ),
            ));
        }
        Self::new(instructions)
    }
}

fn instruction(line: usize, text: &str) -> Result<Instruction> {
    let mut words = text.split_ascii_whitespace();
    let instruction = Instruction {
        code: number(line, &mut words, "code", u16::MAX.into())?,
        jt: number(line, &mut words, "jt", u8::MAX.into())?,
        jf: number(line, &mut words, "jf", u8::MAX.into())?,
        k: number(line, &mut words, "k", u32::MAX)?,
    };
    match words.next() {
        None => Ok(instruction),
        Some(_) => Err(wrong(
            line,
            "more than the four numbers \"code jt jf k\"".into(),
        )),
    }
}

fn number<T: FromStr>(
    line: usize,
    words: &mut SplitAsciiWhitespace<'_>,
    name: &str,
    most: u32,
) -> Result<T> {
    let Some(word) = words.next() else {
        return Err(wrong(
            line,
            format!("\"{name}\" is missing; a line is \"code jt jf k\""),
        ));
    };
    word.parse().map_err(|_| {
        wrong(
            line,
            format!("{name} \"{word}\" is not a number from 0 to {most}"),
        )
    })
}

fn wrong(line: usize, what: String) -> Error {
    Error::new(
        ErrorKind::Usage,
        format!("filter program, line {line}: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_tcpdump_prints() {
        let program = Program::parse("4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n").unwrap();
        assert_eq!(program.instructions().len(), 4);
        assert_eq!(
            program.instructions()[1],
            Instruction {
                code: 21,
                jt: 0,
                jf: 1,
                k: 2048
            }
        );
        assert_eq!(
            Program::parse("\r\n1\r\n\r\n6 0 0 7\r\n").unwrap(),
            Program::returning(7)
        );
    }

    #[test]
    fn errors_name_the_line() {
        for (text, expected) in [
            ("", "empty"),
            ("x\n", "line 1: \"x\" is not the number"),
            ("9999\n", "line 1: 9999 instructions"),
            ("2\n6 0 0 0\n", "line 2: the text ends after 1 of 2"),
            ("1\n6 0 0 0\n\n6 0 0 0\n", "line 4: more lines"),
            ("1\n6 0 0\n", "line 2: \"k\" is missing"),
            (
                "1\n6 0 256 0\n",
                "line 2: jf \"256\" is not a number from 0 to 255",
            ),
            ("1\n6 0 0 -1\n", "line 2: k \"-1\""),
            ("1\n6 0 0 0 0\n", "line 2: more than the four"),
            ("1\n0 0 0 0\n", "does not end in a return"),
        ] {
            let said = Program::parse(text).unwrap_err().to_string();
            assert!(said.contains(expected), "{said:?} lacks {expected:?}");
        }
    }
}
