//! The inverse of one number, in variable time, by the divisions of Bernstein and Yang.
//!
//! Source: Bernstein, Yang, "Fast constant-time gcd computation and modular inversion" (TCHES 2019), sections 8 to 11, with
//! the half-delta of Wuille: f and g are replaced by shorter combinations of themselves, 62 steps at a time; the steps
//! look only at the lowest 62 bits and give a matrix, which is then applied to the whole numbers and, modulo the
//! modulus, to the cofactors d and e, for which f ≡ d x and g ≡ e x.

/// 2^62 as the radix of a number of five signed limbs.
const BITS: u32 = 62;
const LOW: u64 = (1 << BITS) - 1;

/// An odd modulus below 2^256.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Modulus {
    limbs: Signed,
    /// Its inverse modulo 2^62.
    inverse: u64,
}

/// Σ limb\[i\] 2^(62 i); all limbs but the last in 0..2^62, the last signed.
type Signed = [i64; 5];

/// 2^62 (f', g') = (u f + v g, q f + r g). |u| + |v| and |q| + |r| are at most 2^62.
#[derive(Clone, Copy)]
struct Matrix {
    u: i64,
    v: i64,
    q: i64,
    r: i64,
}

const fn split(words: [u64; 4]) -> Signed {
    [
        (words[0] & LOW) as i64,
        ((words[0] >> 62 | words[1] << 2) & LOW) as i64,
        ((words[1] >> 60 | words[2] << 4) & LOW) as i64,
        ((words[2] >> 58 | words[3] << 6) & LOW) as i64,
        (words[3] >> 56) as i64,
    ]
}

fn join(limbs: Signed) -> [u64; 4] {
    let [a, b, c, d, e] = limbs.map(i64::cast_unsigned);
    [a | b << 62, b >> 2 | c << 60, c >> 4 | d << 58, d >> 6 | e << 56]
}

impl Modulus {
    /// From four 64-bit words, the lowest first.
    pub(crate) const fn new(words: [u64; 4]) -> Self {
        // Newton: each turn doubles the bits that are right, from three on.
        let mut inverse = words[0];
        let mut turn = 0;
        while turn < 5 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(words[0].wrapping_mul(inverse)));
            turn += 1;
        }
        Self { limbs: split(words), inverse: inverse & LOW }
    }

    /// The inverse of a number below the modulus and prime to it; zero for zero.
    pub(crate) fn invert(&self, words: [u64; 4]) -> [u64; 4] {
        let (mut f, mut g) = (self.limbs, split(words));
        let (mut d, mut e) = ([0; 5], [1, 0, 0, 0, 0]);
        let mut eta = -1;
        while g != [0; 5] {
            let matrix = steps(&mut eta, f[0].cast_unsigned(), g[0].cast_unsigned());
            (d, e) = self.apply_modulo(&matrix, &d, &e);
            (f, g) = apply(&matrix, &f, &g);
        }
        // f is now 1 or -1, and f ≡ d x.
        join(self.canonical(d, f[4] < 0))
    }

    /// `(matrix) (d, e) / 2^62` modulo the modulus; d and e stay in (-2 M, M).
    fn apply_modulo(&self, matrix: &Matrix, d: &Signed, e: &Signed) -> (Signed, Signed) {
        (self.combine(matrix.u, d, matrix.v, e), self.combine(matrix.q, d, matrix.r, e))
    }

    /// `(a d + b e) / 2^62`, with multiples of the modulus added so that it divides.
    fn combine(&self, a: i64, d: &Signed, b: i64, e: &Signed) -> Signed {
        // Negative numbers first get one modulus (times their factor), which keeps the result in (-2 M, M).
        let mut multiple = (a & (d[4] >> 63)) + (b & (e[4] >> 63));
        let mut carry = wide(a, d[0]) + wide(b, e[0]);
        let low = (carry as u64).wrapping_mul(self.inverse).wrapping_add(multiple.cast_unsigned()) & LOW;
        multiple -= low.cast_signed();
        carry += wide(multiple, self.limbs[0]);
        carry >>= BITS;
        let mut out = [0; 5];
        for i in 1..5 {
            carry += wide(a, d[i]) + wide(b, e[i]) + wide(multiple, self.limbs[i]);
            out[i - 1] = (carry as u64 & LOW).cast_signed();
            carry >>= BITS;
        }
        out[4] = carry as i64;
        out
    }

    /// The number in (-2 M, M), negated if asked, in 0..M.
    fn canonical(&self, number: Signed, negate: bool) -> Signed {
        let mut out = number;
        if out[4] < 0 {
            out = self.plus_modulus(out, 1);
        }
        if negate {
            out = carried(out.map(|limb| -limb));
        }
        while out[4] < 0 {
            out = self.plus_modulus(out, 1);
        }
        let less = self.plus_modulus(out, -1);
        if less[4] < 0 { out } else { less }
    }

    fn plus_modulus(&self, number: Signed, times: i64) -> Signed {
        carried(core::array::from_fn(|i| number[i] + times * self.limbs[i]))
    }
}

fn wide(a: i64, b: i64) -> i128 {
    i128::from(a) * i128::from(b)
}

fn carried(mut limbs: Signed) -> Signed {
    for i in 0..4 {
        limbs[i + 1] += limbs[i] >> BITS;
        limbs[i] &= LOW.cast_signed();
    }
    limbs
}

/// `(matrix) (f, g) / 2^62`, which is exact.
fn apply(matrix: &Matrix, f: &Signed, g: &Signed) -> (Signed, Signed) {
    let row = |a: i64, b: i64| {
        let mut carry = (wide(a, f[0]) + wide(b, g[0])) >> BITS;
        let mut out = [0; 5];
        for i in 1..5 {
            carry += wide(a, f[i]) + wide(b, g[i]);
            out[i - 1] = (carry as u64 & LOW).cast_signed();
            carry >>= BITS;
        }
        out[4] = carry as i64;
        out
    };
    (row(matrix.u, matrix.v), row(matrix.q, matrix.r))
}

/// 62 steps on the lowest bits of f (odd) and g. `eta` is minus delta.
fn steps(eta: &mut i64, f: u64, g: u64) -> Matrix {
    let (mut f, mut g) = (f, g);
    let (mut u, mut v, mut q, mut r) = (1u64, 0u64, 0u64, 1u64);
    let mut left = BITS;
    loop {
        // Even g: halve it, as often as it goes (f's row doubles instead, so that all is over 2^62 at the end).
        let zeros = (g | u64::MAX << left).trailing_zeros();
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        *eta -= i64::from(zeros);
        left -= zeros;
        if left == 0 {
            break;
        }
        if *eta < 0 {
            *eta = -*eta;
            (f, g) = (g, f.wrapping_neg());
            (u, q) = (q, u.wrapping_neg());
            (v, r) = (r, v.wrapping_neg());
        }
        // Both odd. Adding w f to g clears up to eta + 1 bits at once, without another exchange: w = -g / f modulo 2^6.
        let clear = (*eta + 1).min(i64::from(left)).min(6) as u32;
        let inverse = f.wrapping_mul(2u64.wrapping_sub(f.wrapping_mul(f)));
        let w = g.wrapping_neg().wrapping_mul(inverse) & (u64::MAX >> (64 - clear));
        g = g.wrapping_add(f.wrapping_mul(w));
        q = q.wrapping_add(u.wrapping_mul(w));
        r = r.wrapping_add(v.wrapping_mul(w));
    }
    Matrix { u: u.cast_signed(), v: v.cast_signed(), q: q.cast_signed(), r: r.cast_signed() }
}
