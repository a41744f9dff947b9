//! Telling the processor which memory will be needed soon.

/// Asks for the cache line of `memory` that holds the byte `at`, without waiting
/// for it. Nothing happens if there is no such byte, or where the processor is
/// of a kind for which Rust has no such instruction yet.
#[inline]
pub(crate) fn prefetch(memory: &[u8], at: usize) {
    let Some(byte) = memory.get(at) else { return };
    #[cfg(target_arch = "x86_64")]
    // SAFETY: `byte` is a reference, and this instruction changes nothing that a
    // program sees; SSE belongs to every x86-64.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = byte;
}
