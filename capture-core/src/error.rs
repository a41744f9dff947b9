//! The one error type of the libraries: a kind for programs, a chain of
//! context for people, and the cause.

use std::{error, fmt, io};

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, for a program that has to decide what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller asked for something that makes no sense.
    Usage,
    /// A privilege is missing.
    Permission,
    /// A file, an interface, a namespace or a user does not exist.
    NotFound,
    /// The kernel or this program cannot do it.
    Unsupported {
        /// What was asked for.
        feature: &'static str,
        /// The first version that has it; empty where none is known.
        since: &'static str,
    },
    /// A file or a frame is not what it should be.
    Damaged,
    /// No space is left where the data should go, or a quota is reached.
    DiskFull,
    /// The reader of a pipe has gone.
    BrokenPipe,
    /// The kernel has too little memory for what was asked.
    Memory,
    /// Any other failure of a system call or of a device.
    System,
    /// A mistake in this program.
    Internal,
}

/// An error: its kind, what was being done, and the cause.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    /// Outermost last.
    context: Vec<String>,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            context: vec![message.into()],
            source: None,
        }))
    }

    /// A failed system call or file operation: `what` names the call and the
    /// object ("cannot open /tmp/a.pcapng"). The kind follows from the cause.
    pub fn io(what: impl Into<String>, cause: io::Error) -> Self {
        let kind = match cause.kind() {
            io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::BrokenPipe => ErrorKind::BrokenPipe,
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => ErrorKind::DiskFull,
            io::ErrorKind::OutOfMemory => ErrorKind::Memory,
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => ErrorKind::Damaged,
            _ => ErrorKind::System,
        };
        Self(Box::new(Inner {
            kind,
            context: vec![what.into()],
            source: Some(Box::new(cause)),
        }))
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, cause: impl error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(cause));
        self
    }

    /// The same error, with what was being done around it.
    #[must_use]
    pub fn context(mut self, what: impl Into<String>) -> Self {
        self.0.context.push(what.into());
        self
    }

    /// The same error under another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What went wrong, for a program.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    /// `{}` is the outermost sentence; `{:#}` is the whole chain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sentences = self.0.context.iter().rev();
        if let Some(first) = sentences.next() {
            f.write_str(first)?;
        }
        if f.alternate() {
            for sentence in sentences {
                write!(f, ": {sentence}")?;
            }
            let mut source = error::Error::source(self);
            while let Some(cause) = source {
                write!(f, ": {cause}")?;
                source = cause.source();
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self:#}", self.0.kind)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_reads_from_the_outside_in() {
        let error = Error::io("open ring", io::Error::from_raw_os_error(12)).context("eth0");
        assert_eq!(error.kind(), ErrorKind::Memory);
        assert_eq!(error.to_string(), "eth0");
        assert_eq!(
            format!("{error:#}"),
            "eth0: open ring: Cannot allocate memory (os error 12)"
        );
    }
}
