//! The pcapng format (draft-ietf-opsawg-pcapng).
