//! Telling the processor which memory will be needed soon.

/// Asks for the cache line of `memory` that holds the byte `at`, to be written
/// to, without waiting for it: who reads first and writes later does not ask the
/// other processors twice. Nothing happens if there is no such byte, or where the
/// processor is of another kind.
#[inline]
pub(crate) fn prefetch(memory: &[u8], at: usize) {
    let Some(byte) = memory.get(at) else { return };
    #[cfg(target_arch = "x86_64")]
    // SAFETY: `byte` is a reference, and this instruction changes nothing that a
    // program sees; where x86-64 has no use for it, it does nothing.
    unsafe {
        std::arch::asm!(
            "prefetchw [{}]",
            in(reg) std::ptr::from_ref(byte),
            options(nostack, preserves_flags, readonly)
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = byte;
}
