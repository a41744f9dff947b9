//! Numbers in either byte order, from bytes whose length was checked before.

/// The byte order of a file or section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    /// The 16-bit number at `at`; 0 where the bytes end too soon.
    #[inline]
    pub(crate) fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let array = array(bytes, at);
        match self {
            Self::Little => u16::from_le_bytes(array),
            Self::Big => u16::from_be_bytes(array),
        }
    }

    /// The 32-bit number at `at`; 0 where the bytes end too soon.
    #[inline]
    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let array = array(bytes, at);
        match self {
            Self::Little => u32::from_le_bytes(array),
            Self::Big => u32::from_be_bytes(array),
        }
    }

    /// The 64-bit number at `at`; 0 where the bytes end too soon.
    #[inline]
    pub(crate) fn u64(self, bytes: &[u8], at: usize) -> u64 {
        let array = array(bytes, at);
        match self {
            Self::Little => u64::from_le_bytes(array),
            Self::Big => u64::from_be_bytes(array),
        }
    }

    /// Turns the number of `width` bytes at `at` to little-endian.
    pub(crate) fn normalise(self, bytes: &mut [u8], at: usize, width: usize) {
        if self == Self::Big
            && let Some(number) = bytes.get_mut(at..at + width)
        {
            number.reverse();
        }
    }
}

#[inline]
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let end = at.saturating_add(N);
    bytes
        .get(at..end)
        .and_then(|slice| slice.try_into().ok())
        .unwrap_or([0; N])
}
