//! Keccak-256 as Ethereum uses it, eight messages at a time.
//!
//! Source: "The Keccak reference" (Bertoni, Daemen, Peeters, Van Assche), version 3.0: Keccak\[c = 512\] with the original padding
//! 0x01, rate 136 bytes, 24 rounds.

use core::ops::Range;

use crate::lanes::{Bits, Job, Lanes, Row, Work};

/// Bytes absorbed by one permutation.
const RATE: usize = 136;
const RATE_WORDS: usize = RATE / 8;

const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// The state of one sponge or of eight; lane (x, y) of the reference is word x + 5 y.
type State<L> = [L; 25];

/// Keccak-f\[1600\].
#[inline(always)]
fn permute<L: Bits>(state: &mut State<L>) {
    let mut a = *state;
    for constant in ROUNDS {
        // Theta.
        let c0 = a[0].xor3(a[5], a[10]).xor3(a[15], a[20]);
        let c1 = a[1].xor3(a[6], a[11]).xor3(a[16], a[21]);
        let c2 = a[2].xor3(a[7], a[12]).xor3(a[17], a[22]);
        let c3 = a[3].xor3(a[8], a[13]).xor3(a[18], a[23]);
        let c4 = a[4].xor3(a[9], a[14]).xor3(a[19], a[24]);
        let d0 = c4.xor(c1.rotate::<1>());
        let d1 = c0.xor(c2.rotate::<1>());
        let d2 = c1.xor(c3.rotate::<1>());
        let d3 = c2.xor(c4.rotate::<1>());
        let d4 = c3.xor(c0.rotate::<1>());
        // Rho and pi: b[y, 2x + 3y] = rot(a[x, y]).
        let b0 = a[0].xor(d0);
        let b10 = a[1].xor(d1).rotate::<1>();
        let b20 = a[2].xor(d2).rotate::<62>();
        let b5 = a[3].xor(d3).rotate::<28>();
        let b15 = a[4].xor(d4).rotate::<27>();
        let b16 = a[5].xor(d0).rotate::<36>();
        let b1 = a[6].xor(d1).rotate::<44>();
        let b11 = a[7].xor(d2).rotate::<6>();
        let b21 = a[8].xor(d3).rotate::<55>();
        let b6 = a[9].xor(d4).rotate::<20>();
        let b7 = a[10].xor(d0).rotate::<3>();
        let b17 = a[11].xor(d1).rotate::<10>();
        let b2 = a[12].xor(d2).rotate::<43>();
        let b12 = a[13].xor(d3).rotate::<25>();
        let b22 = a[14].xor(d4).rotate::<39>();
        let b23 = a[15].xor(d0).rotate::<41>();
        let b8 = a[16].xor(d1).rotate::<45>();
        let b18 = a[17].xor(d2).rotate::<15>();
        let b3 = a[18].xor(d3).rotate::<21>();
        let b13 = a[19].xor(d4).rotate::<8>();
        let b14 = a[20].xor(d0).rotate::<18>();
        let b24 = a[21].xor(d1).rotate::<2>();
        let b9 = a[22].xor(d2).rotate::<61>();
        let b19 = a[23].xor(d3).rotate::<56>();
        let b4 = a[24].xor(d4).rotate::<14>();
        // Chi, and iota into the first.
        a = [
            b0.xor_and_not(b1, b2).xor(L::of(constant)),
            b1.xor_and_not(b2, b3),
            b2.xor_and_not(b3, b4),
            b3.xor_and_not(b4, b0),
            b4.xor_and_not(b0, b1),
            b5.xor_and_not(b6, b7),
            b6.xor_and_not(b7, b8),
            b7.xor_and_not(b8, b9),
            b8.xor_and_not(b9, b5),
            b9.xor_and_not(b5, b6),
            b10.xor_and_not(b11, b12),
            b11.xor_and_not(b12, b13),
            b12.xor_and_not(b13, b14),
            b13.xor_and_not(b14, b10),
            b14.xor_and_not(b10, b11),
            b15.xor_and_not(b16, b17),
            b16.xor_and_not(b17, b18),
            b17.xor_and_not(b18, b19),
            b18.xor_and_not(b19, b15),
            b19.xor_and_not(b15, b16),
            b20.xor_and_not(b21, b22),
            b21.xor_and_not(b22, b23),
            b22.xor_and_not(b23, b24),
            b23.xor_and_not(b24, b20),
            b24.xor_and_not(b20, b21),
        ];
    }
    *state = a;
}

impl Bits for u64 {
    fn of(value: u64) -> Self {
        value
    }

    fn xor(self, other: Self) -> Self {
        self ^ other
    }

    fn xor3(self, b: Self, c: Self) -> Self {
        self ^ b ^ c
    }

    fn xor_and_not(self, b: Self, c: Self) -> Self {
        self ^ (!b & c)
    }

    fn rotate<const BITS: u32>(self) -> Self {
        self.rotate_left(BITS)
    }
}

/// The hash of one message.
pub(crate) fn hash(message: &[u8]) -> [u8; 32] {
    let mut state = [0u64; 25];
    for block in 0..=message.len() / RATE {
        let mut input = [Row::default(); RATE_WORDS];
        absorb(message, block, &mut input, 0);
        for (word, row) in state.iter_mut().zip(&input) {
            *word ^= row.0[0];
        }
        permute(&mut state);
    }
    let mut out = [0; 32];
    for (bytes, word) in out.chunks_exact_mut(8).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    out
}

/// The address of eight public keys: the last 20 bytes of the hash of x and y, each as words, the lowest first, canonical.
#[inline(always)]
pub(crate) fn addresses<L: Lanes>(x: [L; 4], y: [L; 4]) -> [Row; 3] {
    let mut state = [L::splat(0); 25];
    let mut i = 0;
    while i < 4 {
        state[i] = x[3 - i].swap_bytes();
        state[4 + i] = y[3 - i].swap_bytes();
        i += 1;
    }
    state[8] = L::splat(1);
    state[RATE_WORDS - 1] = L::splat(1 << 63);
    L::note(Work::Permutation);
    permute(&mut state);
    let mut out = [Row::default(); 3];
    let mut i = 0;
    while i < 3 {
        state[i + 1].store(&mut out[i]);
        i += 1;
    }
    out
}

/// One lane of [`addresses`].
pub(crate) fn address(rows: &[Row; 3], lane: usize) -> [u8; 20] {
    let mut out = [0; 20];
    out[..4].copy_from_slice(&rows[0].0[lane].to_le_bytes()[4..]);
    out[4..12].copy_from_slice(&rows[1].0[lane].to_le_bytes());
    out[12..].copy_from_slice(&rows[2].0[lane].to_le_bytes());
    out
}

/// Hashes up to eight messages, which lie in `bytes` at `spans`.
pub(crate) struct HashEight<'a, L> {
    bytes: &'a [u8],
    spans: &'a [Range<usize>],
    out: &'a mut [[u8; 32]],
    lanes: core::marker::PhantomData<L>,
}

impl<'a, L: Lanes> HashEight<'a, L> {
    /// `spans` and `out` are equally long, at most eight.
    pub(crate) fn new(bytes: &'a [u8], spans: &'a [Range<usize>], out: &'a mut [[u8; 32]]) -> Self {
        Self { bytes, spans, out, lanes: core::marker::PhantomData }
    }
}

impl<L: Lanes> Job for HashEight<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut state = [L::splat(0); 25];
        let mut blocks = 0;
        for span in self.spans {
            blocks = blocks.max(span.len() / RATE + 1);
        }
        for block in 0..blocks {
            let mut input = [Row::default(); RATE_WORDS];
            for (lane, span) in self.spans.iter().enumerate() {
                absorb(&self.bytes[span.clone()], block, &mut input, lane);
            }
            let mut i = 0;
            while i < RATE_WORDS {
                state[i] = state[i].xor(L::load(&input[i]));
                i += 1;
            }
            L::note(Work::Permutation);
            permute(&mut state);
            let mut hash = [Row::default(); 4];
            let mut i = 0;
            while i < 4 {
                state[i].store(&mut hash[i]);
                i += 1;
            }
            for (lane, span) in self.spans.iter().enumerate() {
                if span.len() / RATE == block {
                    for (bytes, row) in self.out[lane].chunks_exact_mut(8).zip(&hash) {
                        bytes.copy_from_slice(&row.0[lane].to_le_bytes());
                    }
                }
            }
        }
    }
}

/// Lays out one block of a message, padded if it is the last; nothing once the message is over.
fn absorb(message: &[u8], block: usize, input: &mut [Row; RATE_WORDS], lane: usize) {
    let start = block * RATE;
    let Some(rest) = message.get(start..) else { return };
    if rest.len() >= RATE {
        for (row, bytes) in input.iter_mut().zip(rest.chunks_exact(8)) {
            row.0[lane] = u64::from_le_bytes(word(bytes));
        }
        return;
    }
    let mut last = [0; RATE];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 1;
    last[RATE - 1] |= 0x80;
    for (row, bytes) in input.iter_mut().zip(last.chunks_exact(8)) {
        row.0[lane] = u64::from_le_bytes(word(bytes));
    }
}

fn word(bytes: &[u8]) -> [u8; 8] {
    let mut out = [0; 8];
    out.copy_from_slice(bytes);
    out
}
