//! The numbers of classic BPF: operation codes and the places that are no bytes
//! of the frame (`include/uapi/linux/bpf_common.h` and `filter.h`).

/// Most instructions a program may have (`BPF_MAXINSNS`).
pub(super) const MOST_INSTRUCTIONS: usize = 4096;
/// Words of scratch memory (`BPF_MEMWORDS`).
pub(super) const MEMORY_WORDS: usize = 16;

// Loads into the accumulator A.
pub(super) const LD_W_ABS: u16 = 0x20;
pub(super) const LD_H_ABS: u16 = 0x28;
pub(super) const LD_B_ABS: u16 = 0x30;
pub(super) const LD_W_IND: u16 = 0x40;
pub(super) const LD_H_IND: u16 = 0x48;
pub(super) const LD_B_IND: u16 = 0x50;
pub(super) const LD_IMM: u16 = 0x00;
pub(super) const LD_MEM: u16 = 0x60;
pub(super) const LD_LEN: u16 = 0x80;
// Loads into the index register X.
pub(super) const LDX_IMM: u16 = 0x01;
pub(super) const LDX_MEM: u16 = 0x61;
pub(super) const LDX_LEN: u16 = 0x81;
pub(super) const LDX_MSH: u16 = 0xb1;
// Stores.
pub(super) const ST: u16 = 0x02;
pub(super) const STX: u16 = 0x03;
// Arithmetic: with a constant, with X.
pub(super) const ADD_K: u16 = 0x04;
pub(super) const ADD_X: u16 = 0x0c;
pub(super) const SUB_K: u16 = 0x14;
pub(super) const SUB_X: u16 = 0x1c;
pub(super) const MUL_K: u16 = 0x24;
pub(super) const MUL_X: u16 = 0x2c;
pub(super) const DIV_K: u16 = 0x34;
pub(super) const DIV_X: u16 = 0x3c;
pub(super) const OR_K: u16 = 0x44;
pub(super) const OR_X: u16 = 0x4c;
pub(super) const AND_K: u16 = 0x54;
pub(super) const AND_X: u16 = 0x5c;
pub(super) const LSH_K: u16 = 0x64;
pub(super) const LSH_X: u16 = 0x6c;
pub(super) const RSH_K: u16 = 0x74;
pub(super) const RSH_X: u16 = 0x7c;
pub(super) const NEG: u16 = 0x84;
pub(super) const MOD_K: u16 = 0x94;
pub(super) const MOD_X: u16 = 0x9c;
pub(super) const XOR_K: u16 = 0xa4;
pub(super) const XOR_X: u16 = 0xac;
// Jumps.
pub(super) const JA: u16 = 0x05;
pub(super) const JEQ_K: u16 = 0x15;
pub(super) const JEQ_X: u16 = 0x1d;
pub(super) const JGT_K: u16 = 0x25;
pub(super) const JGT_X: u16 = 0x2d;
pub(super) const JGE_K: u16 = 0x35;
pub(super) const JGE_X: u16 = 0x3d;
pub(super) const JSET_K: u16 = 0x45;
pub(super) const JSET_X: u16 = 0x4d;
// Returns and moves.
pub(super) const RET_K: u16 = 0x06;
pub(super) const RET_A: u16 = 0x16;
pub(super) const TAX: u16 = 0x07;
pub(super) const TXA: u16 = 0x87;

/// Absolute loads from here on read what the kernel knows about a frame.
pub(super) const AD_OFF: u32 = 0xffff_f000;
/// Loads from here on count from the network header.
pub(super) const NET_OFF: u32 = 0xfff0_0000;
/// Loads from here on count from the link-layer header.
pub(super) const LL_OFF: u32 = 0xffe0_0000;

pub(super) const AD_PROTOCOL: u32 = 0;
pub(super) const AD_PKTTYPE: u32 = 4;
pub(super) const AD_IFINDEX: u32 = 8;
pub(super) const AD_NLATTR: u32 = 12;
pub(super) const AD_NLATTR_NEST: u32 = 16;
pub(super) const AD_MARK: u32 = 20;
pub(super) const AD_QUEUE: u32 = 24;
pub(super) const AD_HATYPE: u32 = 28;
pub(super) const AD_RXHASH: u32 = 32;
pub(super) const AD_CPU: u32 = 36;
pub(super) const AD_XOR_X: u32 = 40;
pub(super) const AD_VLAN_TAG: u32 = 44;
pub(super) const AD_VLAN_TAG_PRESENT: u32 = 48;
pub(super) const AD_PAY_OFFSET: u32 = 52;
pub(super) const AD_RANDOM: u32 = 56;
pub(super) const AD_VLAN_TPID: u32 = 60;
