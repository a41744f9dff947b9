//! The pcap format (draft-ietf-opsawg-pcap).
