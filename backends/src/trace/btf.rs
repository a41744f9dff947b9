//! The kernel's types: functions, and where the buffer is among their arguments.
//!
//! Owns reading BTF (Documentation/bpf/btf.rst) as far as that needs. Files may be anything: every
//! offset is checked. Does not decide which functions are attached to.

use pktrail_core::trail::SkbAt;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

const FOLDER: &str = "/sys/kernel/btf";
const MAGIC: u16 = 0xeb9f;
/// Modifiers and typedefs on the way to a type.
const DEPTH: usize = 16;

const PTR: u8 = 2;
const STRUCT: u8 = 4;
const UNION: u8 = 5;
const ENUM: u8 = 6;
const TYPEDEF: u8 = 8;
const VOLATILE: u8 = 9;
const CONST: u8 = 10;
const RESTRICT: u8 = 11;
const FUNC: u8 = 12;
const FUNC_PROTO: u8 = 13;
const VAR: u8 = 14;
const DATASEC: u8 = 15;
const DECL_TAG: u8 = 17;
const TYPE_TAG: u8 = 18;
const ENUM64: u8 = 19;
const INT: u8 = 1;
const ARRAY: u8 = 3;

/// Structures through which functions get a buffer: the structure and its member.
const HOLDERS: [(&str, &str); 2] = [("nft_pktinfo", "skb"), ("nf_queue_entry", "skb")];

/// A function that takes a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Where the buffer is.
    pub(super) skb: SkbAt,
    /// For [`SkbAt::Member`]: the offset in the structure, in bytes.
    pub(super) offset: u16,
    /// The module, if it is not in the kernel itself.
    pub(super) module: Option<String>,
    /// The number of the type, among those of the kernel or the module.
    pub(super) id: u32,
    /// The argument that is the state of a netfilter hook, from 1; 0 for none.
    pub(super) state: u8,
    pub(super) returns: Returns,
}

/// What a function returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Returns {
    #[default]
    Nothing,
    Number {
        bits: u32,
        signed: bool,
    },
    Address,
    /// A buffer, or the first of a list.
    Buffer,
}

/// One file of types.
#[derive(Default)]
struct Types {
    /// The first own number; those before are the kernel's own.
    first: u32,
    /// Where the own strings begin among all.
    strings_from: u32,
    strings: Vec<u8>,
    types: Vec<Type>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Type {
    name: u32,
    kind: u8,
    count: u16,
    /// The size, or the type that it is of.
    of: u32,
    /// Where its members are in `bytes`.
    at: usize,
}

/// Every function of the kernel and its modules that takes a buffer, by name.
pub(super) fn functions() -> HashMap<String, Function> {
    let mut found = HashMap::new();
    let Some(kernel) = read(&Path::new(FOLDER).join("vmlinux"), None) else {
        return found;
    };
    kernel.collect(None, None, &mut found);
    let modules = fs::read_dir(FOLDER).into_iter().flatten().flatten();
    for module in modules.filter(|module| module.file_name() != "vmlinux") {
        let name = module.file_name().to_string_lossy().into_owned();
        if let Some(types) = read(&module.path(), Some(&kernel)) {
            types.collect(Some(&kernel), Some(&name), &mut found);
        }
    }
    found
}

fn read(path: &Path, base: Option<&Types>) -> Option<Types> {
    Types::parse(&fs::read(path).ok()?, base)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// Bytes behind the head of a type of this kind.
fn tail(kind: u8, count: usize) -> usize {
    match kind {
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION | DATASEC | ENUM64 => 12 * count,
        ENUM | FUNC_PROTO => 8 * count,
        _ => 0,
    }
}

impl Types {
    fn parse(file: &[u8], base: Option<&Self>) -> Option<Self> {
        let magic = file.get(..2).and_then(|bytes| bytes.try_into().ok())?;
        if u16::from_ne_bytes(magic) != MAGIC {
            return None;
        }
        let number = |at| word(file, at).map(|number| number as usize);
        let head = number(4)?;
        let part = |offset: usize, length: usize| {
            let from = head.checked_add(offset)?;
            file.get(from..from.checked_add(length)?)
        };
        let bytes = part(number(8)?, number(12)?)?.to_vec();
        let strings = part(number(16)?, number(20)?)?.to_vec();
        let mut types = Vec::new();
        let mut at = 0;
        while let (Some(name), Some(info), Some(of)) =
            (word(&bytes, at), word(&bytes, at + 4), word(&bytes, at + 8))
        {
            let (kind, count) = ((info >> 24) as u8 & 0x1f, info as u16);
            at += 12;
            types.push(Type {
                name,
                kind,
                count,
                of,
                at,
            });
            at += tail(kind, usize::from(count));
        }
        Some(Self {
            first: base.map_or(1, Self::end),
            strings_from: base.map_or(0, |base| base.strings.len() as u32),
            strings,
            types,
            bytes,
        })
    }

    /// The first number behind the own ones.
    fn end(&self) -> u32 {
        self.first + self.types.len() as u32
    }

    /// The type of a number, and the file that has it.
    fn get<'a>(&'a self, base: Option<&'a Self>, id: u32) -> Option<(&'a Self, Type)> {
        match id.checked_sub(self.first) {
            Some(at) => Some((self, *self.types.get(at as usize)?)),
            None => {
                let base = base?;
                let at = id.checked_sub(base.first)?;
                Some((base, *base.types.get(at as usize)?))
            }
        }
    }

    fn name<'a>(&'a self, base: Option<&'a Self>, offset: u32) -> &'a str {
        let (strings, at) = match offset.checked_sub(self.strings_from) {
            Some(at) => (&self.strings, at),
            None => match base {
                Some(base) => (&base.strings, offset),
                None => return "",
            },
        };
        let text = strings.get(at as usize..).unwrap_or(&[]);
        let text = text.split(|byte| *byte == 0).next().unwrap_or(&[]);
        std::str::from_utf8(text).unwrap_or("")
    }

    /// The type behind modifiers and typedefs.
    fn plain<'a>(&'a self, base: Option<&'a Self>, id: u32) -> Option<(&'a Self, Type)> {
        let mut id = id;
        for _ in 0..DEPTH {
            let (file, found) = self.get(base, id)?;
            match found.kind {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => id = found.of,
                _ => return Some((file, found)),
            }
        }
        None
    }

    fn is_skb(&self, base: Option<&Self>, id: u32) -> bool {
        self.is_struct(base, id, "sk_buff")
    }

    fn is_struct(&self, base: Option<&Self>, id: u32, name: &str) -> bool {
        let found = self.plain(base, id);
        found.is_some_and(|(file, found)| {
            found.kind == STRUCT && file.name(base, found.name) == name
        })
    }

    /// Whether it is a pointer to the state of a hook.
    fn is_state(&self, base: Option<&Self>, id: u32) -> bool {
        let pointer = self.plain(base, id).filter(|(_, t)| t.kind == PTR);
        pointer.is_some_and(|(_, pointer)| self.is_struct(base, pointer.of, "nf_hook_state"))
    }

    fn returns(&self, base: Option<&Self>, id: u32) -> Returns {
        let Some((file, found)) = self.plain(base, id) else {
            return Returns::Nothing;
        };
        let bits = found.of.saturating_mul(8);
        match found.kind {
            PTR if self.is_skb(base, found.of) => Returns::Buffer,
            PTR => Returns::Address,
            INT | ENUM if matches!(bits, 8..=64) => Returns::Number {
                bits,
                // The lowest bit of an integer's encoding.
                signed: found.kind == INT
                    && word(&file.bytes, found.at).is_some_and(|encoding| encoding >> 24 & 1 == 1),
            },
            _ => Returns::Nothing,
        }
    }

    /// What an argument of this type holds: the way to the buffer, and an offset.
    fn way(&self, base: Option<&Self>, id: u32, number: u8) -> Option<(SkbAt, u16)> {
        let (_, pointer) = self.plain(base, id).filter(|(_, t)| t.kind == PTR)?;
        if self.is_skb(base, pointer.of) {
            return Some((SkbAt::Argument(number), 0));
        }
        let (file, target) = self.plain(base, pointer.of)?;
        if target.kind == PTR && self.is_skb(base, target.of) {
            return Some((SkbAt::Behind(number), 0));
        }
        if target.kind != STRUCT {
            return None;
        }
        let name = file.name(base, target.name);
        let (_, member) = HOLDERS.iter().find(|(holder, _)| *holder == name)?;
        (0..usize::from(target.count)).find_map(|at| {
            let at = target.at + at * 12;
            let is_it = file.name(base, word(&file.bytes, at)?) == *member;
            let bits = word(&file.bytes, at + 8)? & 0xff_ffff;
            let offset = u16::try_from(bits / 8).ok()?;
            is_it.then_some((SkbAt::Member(number), offset))
        })
    }

    fn collect(
        &self,
        base: Option<&Self>,
        module: Option<&str>,
        into: &mut HashMap<String, Function>,
    ) {
        for (id, function) in (self.first..).zip(&self.types) {
            let proto = (function.kind == FUNC).then(|| self.get(base, function.of));
            let Some(Some((file, proto))) = proto else {
                continue;
            };
            let argument = |number: u8| {
                let at = proto.at + usize::from(number - 1) * 8;
                word(&file.bytes, at + 4)
            };
            let numbers = 1_u8..=proto.count.min(12) as u8;
            let ways = numbers
                .clone()
                .filter_map(|number| self.way(base, argument(number)?, number));
            let is_state =
                |number: &u8| argument(*number).is_some_and(|id| self.is_state(base, id));
            // Where there are several, the first that is a buffer itself.
            let best = ways.min_by_key(|(skb, _)| match skb {
                SkbAt::Argument(_) => 0,
                SkbAt::Behind(_) => 1,
                _ => 2,
            });
            if let Some((skb, offset)) = best {
                let name = self.name(base, function.name).to_owned();
                into.entry(name).or_insert(Function {
                    skb,
                    offset,
                    module: module.map(str::to_owned),
                    id,
                    state: numbers.clone().find(is_state).unwrap_or(0),
                    returns: self.returns(base, proto.of),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_every_kind_of_argument() {
        let functions = functions();
        let at = |name: &str| functions.get(name).map(|function| function.skb);
        assert_eq!(at("ip_rcv"), Some(SkbAt::Argument(1)));
        assert_eq!(at("ip_output"), Some(SkbAt::Argument(3)));
        // A constant buffer, and a pointer to the pointer.
        assert_eq!(at("skb_copy"), Some(SkbAt::Argument(1)));
        assert_eq!(at("__netif_receive_skb_core"), Some(SkbAt::Behind(1)));
        assert!(functions.len() > 2000, "{}", functions.len());
        let returns = |name: &str| functions.get(name).map(|function| function.returns);
        let number = |bits, signed| Some(Returns::Number { bits, signed });
        assert_eq!(returns("ip_rcv"), number(32, true));
        assert_eq!(returns("nf_conntrack_in"), number(32, false));
        assert_eq!(returns("skb_clone"), Some(Returns::Buffer));
        assert_eq!(returns("kfree_skbmem"), Some(Returns::Nothing));
        let state = functions.get("nf_hook_slow").map(|function| function.state);
        assert_eq!(state, Some(2));
    }

    #[test]
    fn rubbish_is_no_types() {
        assert!(Types::parse(&[], None).is_none());
        assert!(Types::parse(&[0x9f, 0xeb, 1, 0, 24, 0, 0, 0], None).is_none());
        let mut file = MAGIC.to_ne_bytes().to_vec();
        file.extend([1, 0]);
        // Head, types at 0 for 12 bytes, strings behind the end.
        for number in [24_u32, 0, 12, 12, 900] {
            file.extend(number.to_ne_bytes());
        }
        assert!(Types::parse(&file, None).is_none());
    }
}
