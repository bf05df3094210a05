//! Numbers modulo n, the order of the curve, and what the ladder wants of them: digits.
//!
//! # Products
//!
//! Montgomery's product of a and b is a b / 2^260 modulo n ("Modular multiplication without trial division", 1985), one limb after
//! the other: each limb t of the sum gets the multiple m n that clears it, m = -t / n modulo 2^52, and what is left is
//! carried on. With a, b < 2^257 the result is below (2^514 + 2^260 n) / 2^260 < n + 2^254 < 2n < 2^257, so results may go
//! in again. Columns stay below 2^56 + 10 * 2^52 + carry < 2^57. Results are not the smallest; nothing below needs that.
//!
//! # Digits
//!
//! A window of w bits has an odd digit between -(2^w - 1) and 2^w - 1. For odd k, |k| < 2^(w l), the digits are read off
//! V = (k - 1 + 2^(w l)) / 2 directly: if v\[i\] are the w-bit digits of V, then Σ (2 v\[i\] + 1 - 2^w) 2^(w i) = 2 V + 1 - 2^(w l) = k. No digit
//! is zero, none needs a carry, and negative k is no special case.
//!
//! - u1 = -z / r is made odd by adding n or 2n to -(z / r): 0 < k < 2^258 < 2^260: 26 digits of 10 bits.
//! - u2 = s / r is split into k1 + λ k2 (Gallant, Lambert, Vanstone). With the short lattice vectors (a1, b1), (a2, b2) and c1, c2 the
//!   quotients u2 b2 / n, -u2 b1 / n rounded down, possibly one too low, (k1, k2) = (u2, 0) - c1 (a1, b1) - c2 (a2, b2) = e1 (a1, b1) + e2 (a2, b2)
//!   with 0 <= e < 2. The determinant of the lattice is n, odd, so some sum of the two vectors has any parity wanted: k1 even, add
//!   (a1, b1), which is (odd, odd); then k2 even, add (a2, b2), which is (even, odd). Then 0 <= e < 3, and
//!   |k1| < 3 (a1 + a2) < 2^130, |k2| < 3 max(|b1|, b2) < 2^130: 26 digits of 5 bits.
//!
//! V is kept in words of 50 bits, so that no digit of 5 or 10 bits lies across two words.

use crate::field::{Fe, columns};
use crate::lanes::{Limb, Work};

const LOW: u64 = (1 << 52) - 1;
/// Digits in a word of [`Digits`]: 50 bits.
const WORD: u64 = (1 << 50) - 1;
/// n.
const N: [u64; 5] = [0x2_5e8c_d036_4141, 0xe_6af4_8a03_bbfd, 0xf_ffff_feba_aedc, 0xf_ffff_ffff_ffff, 0xffff_ffff_ffff];
/// -1 / n modulo 2^52.
const N_INVERSE: u64 = 0xd_ff66_5588_b13f;
/// 2^520 modulo n: takes a number into Montgomery's form.
const R2: [u64; 5] = [0xe_180c_268b_3b23, 0x9_4fd6_e33e_4c8e, 0xd_07c7_3b97_5948, 0xc_5e69_7f5e_45bc, 0x671c_d581_c69b];
/// 2^780 modulo n: takes the inverse of a number in Montgomery's form into that form.
const R3: [u64; 5] = [0xb_e9cd_c2d4_e06b, 0x4_8a4e_4692_6404, 0xb_2da6_c80f_e86a, 0xd_b1b3_1347_f1d0, 0xd800_c18e_f116];
/// 2^384 b2 / n and -2^384 b1 / n.
const G1: [u64; 5] = [0x3_209a_45db_b030, 0x1_471e_8ca7_fe89, 0x2_84eb_153d_aa8a, 0x6_bcde_86c9_0e49, 0x3086_d221_a7d4];
const G2: [u64; 5] = [0x1_b4ae_8ac4_7f71, 0xa_c9df_506c_6157, 0xa_bfe4_c422_1208, 0x8_8286_f547_fa90, 0xe443_7ed6_010e];
/// The short vectors: (A1, -B1) and (A2, A1).
const A1: [u64; 3] = [0xc_90e4_9284_eb15, 0x2_1a7d_46bc_de86, 0x30_86d2];
const B1: [u64; 3] = [0x4_7fa9_0abf_e4c3, 0xd_6010_e882_86f5, 0xe4_437e];
const A2: [u64; 3] = [0x1_108d_9d44_cfd8, 0xf_7a8e_2f3f_657c, 0x114_ca50];

/// A number modulo n in Montgomery's form or not, below 2^257; limbs 0 to 3 below 2^52.
#[derive(Clone, Copy)]
pub(crate) struct Scalar<L>(pub(crate) [L; 5]);

/// V of the head of this file, 50 bits a word.
#[derive(Clone, Copy)]
pub(crate) struct Digits<L, const WORDS: usize>(pub(crate) [L; WORDS]);

impl<L: Limb> Scalar<L> {
    /// From four words, below 2^256.
    #[inline(always)]
    pub(crate) fn from_words(words: [L; 4]) -> Self {
        Self(Fe::from_words(words).0)
    }

    /// 2^520 modulo n.
    #[inline(always)]
    pub(crate) fn r2() -> Self {
        Self(Fe::constant(R2).0)
    }

    /// 2^780 modulo n.
    #[inline(always)]
    pub(crate) fn r3() -> Self {
        Self(Fe::constant(R3).0)
    }

    /// Montgomery's product.
    #[inline(always)]
    pub(crate) fn mul(self, other: Self) -> Self {
        L::note(Work::ScalarMultiply);
        let mut t = columns(&self.0, &other.0);
        let n = Fe::<L>::constant(N).0;
        let inverse = L::splat(N_INVERSE);
        let mut i = 0;
        while i < 5 {
            let m = L::product_modulo(t[i], inverse);
            let mut j = 0;
            while j < 5 {
                t[i + j] = t[i + j].madd_low(m, n[j]);
                t[i + j + 1] = t[i + j + 1].madd_high(m, n[j]);
                j += 1;
            }
            t[i + 1] = t[i + 1].add(t[i].shr::<52>());
            i += 1;
        }
        let low = L::splat(LOW);
        let mut i = 5;
        while i < 9 {
            t[i + 1] = t[i + 1].add(t[i].shr::<52>());
            t[i] = t[i].and(low);
            i += 1;
        }
        Self([t[5], t[6], t[7], t[8], t[9]])
    }

    /// The smallest value, in 0..n. The number must be below 2n, as products of numbers below 2^256 are.
    #[inline(always)]
    pub(crate) fn canonical(self) -> Self {
        let low = L::splat(LOW);
        let mut less = self.0;
        let mut i = 0;
        while i < 5 {
            less[i] = less[i].sub(L::splat(N[i]));
            i += 1;
        }
        let mut i = 0;
        while i < 4 {
            less[i + 1] = less[i + 1].add(less[i].sar::<52>());
            less[i] = less[i].and(low);
            i += 1;
        }
        let negative = less[4].shr::<63>().odd();
        Self(Fe(self.0).select(Fe(less), negative).0)
    }

    /// The ten-bit digits of `-self`, made odd.
    #[inline(always)]
    pub(crate) fn digits_of_negated(self) -> Digits<L, 6> {
        let (low, word) = (L::splat(LOW), L::splat(WORD));
        let odd = self.0[0].odd();
        let mut c = [L::splat(0); 5];
        let mut i = 0;
        while i < 5 {
            // 2 n for odd numbers, n for even ones: n is odd.
            c[i] = L::splat(2 * N[i]).select(L::splat(N[i]), odd).sub(self.0[i]);
            i += 1;
        }
        c[4] = c[4].add(L::splat(1 << 52));
        let mut i = 0;
        while i < 4 {
            c[i + 1] = c[i + 1].add(c[i].sar::<52>());
            c[i] = c[i].and(low);
            i += 1;
        }
        // Word j begins at bit 1 + 50 j.
        Digits([
            c[0].shr::<1>().and(word),
            c[0].shr::<51>().join::<1>(c[1]).and(word),
            c[1].shr::<49>().join::<3>(c[2]).and(word),
            c[2].shr::<47>().join::<5>(c[3]).and(word),
            c[3].shr::<45>().join::<7>(c[4]).and(word),
            c[4].shr::<43>(),
        ])
    }

    /// The five-bit digits of k1 and k2, where k1 + λ k2 is this number.
    #[inline(always)]
    pub(crate) fn split_digits(self) -> (Digits<L, 3>, Digits<L, 3>) {
        let c1 = self.quotient(G1);
        let c2 = self.quotient(G2);
        let (a1, b1, a2) = (constant(A1), constant(B1), constant(A2));
        let zero = L::splat(0);
        let k = [self.0[0], self.0[1], self.0[2]];
        let k1 = minus(minus(k, low_product(c1, a1)), low_product(c2, a2));
        let k2 = minus(low_product(c1, b1), low_product(c2, a1));
        let mask = even(k1);
        let k1 = plus(k1, where_set(a1, mask));
        let k2 = minus(k2, where_set(b1, mask));
        let mask = even(k2);
        let k1 = plus(k1, where_set(a2, mask));
        let k2 = plus(k2, where_set(a1, mask));
        let offset = [zero, zero, L::splat(1 << 26)];
        (halved(plus(k1, offset)), halved(plus(k2, offset)))
    }

    /// `self * g / 2^384`, rounded down, or one less: the columns below 2^312 are left out, and a number below 2^(312 + 6) is
    /// less than 2^-66 of the unit. Three limbs.
    #[inline(always)]
    fn quotient(self, g: [u64; 5]) -> [L; 3] {
        let (a, b) = (self.0, Fe::<L>::constant(g).0);
        let zero = L::splat(0);
        let c6 = zero.madd_high(a[1], b[4]).madd_high(a[2], b[3]).madd_high(a[3], b[2]).madd_high(a[4], b[1]);
        let c6 = c6.madd_low(a[2], b[4]).madd_low(a[3], b[3]).madd_low(a[4], b[2]);
        let c7 = c6.shr::<52>().madd_high(a[2], b[4]).madd_high(a[3], b[3]).madd_high(a[4], b[2]);
        let c7 = c7.madd_low(a[3], b[4]).madd_low(a[4], b[3]);
        let c8 = c7.shr::<52>().madd_high(a[3], b[4]).madd_high(a[4], b[3]).madd_low(a[4], b[4]);
        let c9 = c8.shr::<52>().madd_high(a[4], b[4]);
        let low = L::splat(LOW);
        let (c7, c8) = (c7.and(low), c8.and(low));
        // 384 = 7 * 52 + 20.
        [c7.shr::<20>().join::<32>(c8).and(low), c8.shr::<20>().join::<32>(c9).and(low), c9.shr::<20>()]
    }
}

#[inline(always)]
fn constant<L: Limb>(limbs: [u64; 3]) -> [L; 3] {
    [L::splat(limbs[0]), L::splat(limbs[1]), L::splat(limbs[2])]
}

#[inline(always)]
fn plus<L: Limb>(a: [L; 3], b: [L; 3]) -> [L; 3] {
    [a[0].add(b[0]), a[1].add(b[1]), a[2].add(b[2])]
}

#[inline(always)]
fn minus<L: Limb>(a: [L; 3], b: [L; 3]) -> [L; 3] {
    [a[0].sub(b[0]), a[1].sub(b[1]), a[2].sub(b[2])]
}

/// The lowest bit of a sum of columns is that of the number.
#[inline(always)]
fn even<L: Limb>(k: [L; 3]) -> L::Mask {
    k[0].add(L::splat(1)).odd()
}

#[inline(always)]
fn where_set<L: Limb>(a: [L; 3], mask: L::Mask) -> [L; 3] {
    let zero = L::splat(0);
    [a[0].select(zero, mask), a[1].select(zero, mask), a[2].select(zero, mask)]
}

/// The columns of a product below 2^156.
#[inline(always)]
fn low_product<L: Limb>(a: [L; 3], b: [L; 3]) -> [L; 3] {
    let zero = L::splat(0);
    [
        zero.madd_low(a[0], b[0]),
        zero.madd_high(a[0], b[0]).madd_low(a[0], b[1]).madd_low(a[1], b[0]),
        zero.madd_high(a[0], b[1]).madd_high(a[1], b[0]).madd_low(a[0], b[2]).madd_low(a[1], b[1]).madd_low(a[2], b[0]),
    ]
}

/// A positive number below 2^131, given by columns modulo 2^156: halved, in words of 50 bits.
#[inline(always)]
fn halved<L: Limb>(c: [L; 3]) -> Digits<L, 3> {
    let (low, word) = (L::splat(LOW), L::splat(WORD));
    let c1 = c[1].add(c[0].sar::<52>());
    let c2 = c[2].add(c1.sar::<52>()).and(low);
    let (c0, c1) = (c[0].and(low), c1.and(low));
    Digits([c0.shr::<1>().and(word), c0.shr::<51>().join::<1>(c1).and(word), c1.shr::<49>().join::<3>(c2).and(word)])
}
