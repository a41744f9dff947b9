//! A machine for classic BPF that counts, independent of the one under test,
//! and that also runs the backward jumps of libpcap's `protochain`.

/// `code jt jf k`.
pub(crate) type Line = (u16, u8, u8, u32);

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) accepted: bool,
    /// A load went beyond the bytes.
    pub(crate) cut: bool,
    pub(crate) executed: u32,
    /// It read a word of memory that was never written: what it came to means
    /// nothing. Programs of libpcap do, behind a `geneve` that did not match.
    pub(crate) undefined: bool,
    /// A load went further than any frame could.
    pub(crate) far: bool,
}

/// Longer than every frame here.
pub(crate) const FAR: usize = 2000;

/// Runs `program` on the bytes of a frame of length `len`.
pub(crate) fn run(program: &[Line], data: &[u8], len: u32) -> Run {
    let mut machine = Machine {
        data,
        len,
        a: 0,
        x: 0,
        memory: [None; 16],
        undefined: false,
        far: false,
    };
    let mut executed = 0;
    let mut at = 0usize;
    loop {
        let (code, jt, jf, k) = program[at];
        executed += 1;
        // Behind an authentication header libpcap's loop may have no end.
        if executed > 10_000 {
            machine.undefined = true;
            return machine.end(false, false, executed);
        }
        at += 1;
        if code & 7 == 6 {
            let result = if code & 0x18 == 0x10 { machine.a } else { k };
            return machine.end(result != 0, false, executed);
        }
        if code & 7 == 5 {
            at = match code {
                0x05 => at.wrapping_add_signed(k.cast_signed() as isize),
                _ => at + usize::from(if machine.holds(code, k) { jt } else { jf }),
            };
        } else if machine.step(code, k).is_none() {
            return machine.end(false, true, executed);
        }
    }
}

struct Machine<'a> {
    data: &'a [u8],
    len: u32,
    a: u32,
    x: u32,
    memory: [Option<u32>; 16],
    undefined: bool,
    far: bool,
}

impl Machine<'_> {
    fn end(&self, accepted: bool, cut: bool, executed: u32) -> Run {
        Run {
            accepted,
            cut,
            executed,
            undefined: self.undefined,
            far: self.far,
        }
    }

    fn remembered(&mut self, k: u32) -> u32 {
        let word = self.memory[k as usize];
        self.undefined |= word.is_none();
        word.unwrap_or(0)
    }

    fn holds(&self, code: u16, k: u32) -> bool {
        let operand = if code & 8 != 0 { self.x } else { k };
        match code & 0xf0 {
            0x10 => self.a == operand,
            0x20 => self.a > operand,
            0x30 => self.a >= operand,
            0x40 => self.a & operand != 0,
            _ => panic!("jump {code:#x}"),
        }
    }

    fn load(&mut self, code: u16, at: u64) -> Option<u32> {
        let size = match code & 0x18 {
            0 => 4,
            8 => 2,
            _ => 1,
        };
        let at = usize::try_from(at).ok()?;
        self.far |= at + size > FAR;
        let bytes = self.data.get(at..at.checked_add(size)?)?;
        Some(
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte)),
        )
    }

    /// `None`: the program ends here.
    fn step(&mut self, code: u16, k: u32) -> Option<()> {
        match (code & 7, code & 0xe0) {
            (0, 0x00) => self.a = k,
            (0, 0x20) => self.a = self.load(code, k.into())?,
            (0, 0x40) => self.a = self.load(code, u64::from(k) + u64::from(self.x))?,
            (0, 0x60) => self.a = self.remembered(k),
            (0, 0x80) => self.a = self.len,
            (1, 0x00) => self.x = k,
            (1, 0x60) => self.x = self.remembered(k),
            (1, 0x80) => self.x = self.len,
            (1, 0xa0) => self.x = (self.load(0x30, k.into())? & 0xf) << 2,
            (2, _) => self.memory[k as usize] = Some(self.a),
            (3, _) => self.memory[k as usize] = Some(self.x),
            (4, _) => {
                let operand = if code & 8 != 0 { self.x } else { k };
                self.a = match code & 0xf0 {
                    0x00 => self.a.wrapping_add(operand),
                    0x10 => self.a.wrapping_sub(operand),
                    0x20 => self.a.wrapping_mul(operand),
                    0x30 => self.a.checked_div(operand)?,
                    0x40 => self.a | operand,
                    0x50 => self.a & operand,
                    // By more than 31: as the kernel does; libpcap gives 0.
                    0x60 => self.a.wrapping_shl(operand),
                    0x70 => self.a.wrapping_shr(operand),
                    0x80 => self.a.wrapping_neg(),
                    0x90 => self.a.checked_rem(operand)?,
                    _ => self.a ^ operand,
                }
            }
            (7, _) if code & 0xf8 == 0x80 => self.a = self.x,
            (7, _) => self.x = self.a,
            _ => panic!("operation {code:#x}"),
        }
        Some(())
    }
}
