//! Square roots modulo p, and the point that an x coordinate names.

use crate::field::Fe;
use crate::lanes::Limb;

/// x³ + 7, tight.
#[inline(always)]
pub(crate) fn curve<L: Limb>(x: Fe<L>) -> Fe<L> {
    // A sum begins with a multiple of p: see `field.rs`.
    x.square().mul_plus(x, Fe::constant([7, 0, 0, 0, 0]).sum().plus_p(2))
}

/// A number whose square is `a`, if there is one: a^((p + 1) / 4), since p is 3 modulo 4.
///
/// (p + 1) / 4 is, in binary, 223 ones, a zero, 22 ones, four zeros, two ones, two zeros; `n` ones are made of shorter runs.
/// 253 squares, 13 products.
#[inline(always)]
pub(crate) fn square_root<L: Limb>(a: Fe<L>) -> Fe<L> {
    let ones2 = a.square().mul(a);
    let ones3 = ones2.square().mul(a);
    let ones6 = squares(ones3, 3).mul(ones3);
    let ones9 = squares(ones6, 3).mul(ones3);
    let ones11 = squares(ones9, 2).mul(ones2);
    let ones22 = squares(ones11, 11).mul(ones11);
    let ones44 = squares(ones22, 22).mul(ones22);
    let ones88 = squares(ones44, 44).mul(ones44);
    let ones176 = squares(ones88, 88).mul(ones88);
    let ones220 = squares(ones176, 44).mul(ones44);
    let ones223 = squares(ones220, 3).mul(ones3);
    let tail = squares(ones223, 23).mul(ones22);
    let tail = squares(tail, 6).mul(ones2);
    squares(tail, 2)
}

#[inline(always)]
fn squares<L: Limb>(a: Fe<L>, times: usize) -> Fe<L> {
    let mut a = a;
    for _ in 0..times {
        a = a.square();
    }
    a
}
