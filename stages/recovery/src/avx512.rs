//! Eight lanes in a 512-bit register, multiplied by AVX-512 IFMA.
//!
//! A [`Wide`] is made and used only below [`Wide::enter`], and that is reached only through an engine that
//! [`available`] has allowed: so wherever one of the intrinsics below runs, the processor has it.
//!
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2 (`VPMADD52LUQ`, `VPMADD52HUQ`,
//! `VPTERNLOGQ`, `VPSHUFI64X2`).

use core::arch::x86_64::*;

use crate::lanes::{Bits, Job, Lanes, Limb, Row};

/// Whether this processor has every instruction that [`Wide`] uses.
pub(crate) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512ifma")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

/// Eight 64-bit lanes.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Wide(__m512i);

/// The one reason for all arithmetic below.
macro_rules! intrinsic {
    ($call:expr) => {
        // SAFETY: the intrinsic needs only the processor's features, and a `Wide` exists only where `available` has
        // found them (see the head of this file). It touches no memory.
        unsafe { $call }
    };
}

impl Limb for Wide {
    type Mask = __mmask8;

    #[inline(always)]
    fn splat(value: u64) -> Self {
        Self(intrinsic!(_mm512_set1_epi64(value.cast_signed())))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(intrinsic!(_mm512_add_epi64(self.0, other.0)))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(intrinsic!(_mm512_sub_epi64(self.0, other.0)))
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(intrinsic!(_mm512_and_si512(self.0, other.0)))
    }

    #[inline(always)]
    fn shl<const BITS: u32>(self) -> Self {
        Self(intrinsic!(_mm512_slli_epi64::<BITS>(self.0)))
    }

    #[inline(always)]
    fn shr<const BITS: u32>(self) -> Self {
        Self(intrinsic!(_mm512_srli_epi64::<BITS>(self.0)))
    }

    #[inline(always)]
    fn sar<const BITS: u32>(self) -> Self {
        Self(intrinsic!(_mm512_srai_epi64::<BITS>(self.0)))
    }

    #[inline(always)]
    fn madd_low(self, a: Self, b: Self) -> Self {
        Self(intrinsic!(_mm512_madd52lo_epu64(self.0, a.0, b.0)))
    }

    #[inline(always)]
    fn madd_high(self, a: Self, b: Self) -> Self {
        Self(intrinsic!(_mm512_madd52hi_epu64(self.0, a.0, b.0)))
    }

    #[inline(always)]
    fn product_modulo(a: Self, b: Self) -> Self {
        Self(intrinsic!(_mm512_madd52lo_epu64(_mm512_setzero_si512(), a.0, b.0)))
    }

    #[inline(always)]
    fn select(self, other: Self, mask: Self::Mask) -> Self {
        Self(intrinsic!(_mm512_mask_blend_epi64(mask, other.0, self.0)))
    }

    #[inline(always)]
    fn odd(self) -> Self::Mask {
        intrinsic!(_mm512_test_epi64_mask(self.0, _mm512_set1_epi64(1)))
    }
}

impl Bits for Wide {
    #[inline(always)]
    fn of(value: u64) -> Self {
        Self::splat(value)
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(intrinsic!(_mm512_xor_si512(self.0, other.0)))
    }

    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        Self(intrinsic!(_mm512_ternarylogic_epi64::<0x96>(self.0, b.0, c.0)))
    }

    #[inline(always)]
    fn xor_and_not(self, b: Self, c: Self) -> Self {
        Self(intrinsic!(_mm512_ternarylogic_epi64::<0xd2>(self.0, b.0, c.0)))
    }

    #[inline(always)]
    fn rotate<const BITS: u32>(self) -> Self {
        // A constant count: the compiler makes it an immediate.
        Self(intrinsic!(_mm512_rolv_epi64(self.0, _mm512_set1_epi64(i64::from(BITS)))))
    }
}

impl Lanes for Wide {
    #[inline(always)]
    fn enter<J: Job>(job: J) -> J::Output {
        #[target_feature(enable = "avx512f,avx512ifma,avx512bw,avx512dq,avx512vl")]
        #[inline(never)]
        fn with_features<J: Job>(job: J) -> J::Output {
            job.run()
        }
        // SAFETY: the engine that asks was made after `available` had found the features.
        unsafe { with_features(job) }
    }

    #[inline(always)]
    fn load(row: &Row) -> Self {
        // SAFETY: a `Row` is 64 readable bytes, aligned to 64. The feature as in `intrinsic`.
        Self(unsafe { _mm512_load_si512(row.0.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, row: &mut Row) {
        // SAFETY: a `Row` is 64 writable bytes, aligned to 64. The feature as in `intrinsic`.
        unsafe { _mm512_store_si512(row.0.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn transpose(rows: [Self; 8]) -> [Self; 8] {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
        // Within 128 bits, then 128-bit pieces within halves, then the halves.
        let (a0, a1) = (r0.zip_low(r1), r0.zip_high(r1));
        let (a2, a3) = (r2.zip_low(r3), r2.zip_high(r3));
        let (a4, a5) = (r4.zip_low(r5), r4.zip_high(r5));
        let (a6, a7) = (r6.zip_low(r7), r6.zip_high(r7));
        let (b0, b2) = (a0.pieces::<0x88>(a2), a0.pieces::<0xdd>(a2));
        let (b1, b3) = (a1.pieces::<0x88>(a3), a1.pieces::<0xdd>(a3));
        let (b4, b6) = (a4.pieces::<0x88>(a6), a4.pieces::<0xdd>(a6));
        let (b5, b7) = (a5.pieces::<0x88>(a7), a5.pieces::<0xdd>(a7));
        [
            b0.pieces::<0x88>(b4),
            b1.pieces::<0x88>(b5),
            b2.pieces::<0x88>(b6),
            b3.pieces::<0x88>(b7),
            b0.pieces::<0xdd>(b4),
            b1.pieces::<0xdd>(b5),
            b2.pieces::<0xdd>(b6),
            b3.pieces::<0xdd>(b7),
        ]
    }

    #[inline(always)]
    fn swap<const STEP: usize>(self) -> Self {
        Self(match STEP {
            1 => intrinsic!(_mm512_permutex_epi64::<0b10_11_00_01>(self.0)),
            2 => intrinsic!(_mm512_permutex_epi64::<0b01_00_11_10>(self.0)),
            _ => intrinsic!(_mm512_shuffle_i64x2::<0b01_00_11_10>(self.0, self.0)),
        })
    }

    #[inline(always)]
    fn is_zero(self) -> Self::Mask {
        intrinsic!(_mm512_testn_epi64_mask(self.0, self.0))
    }

    #[inline(always)]
    fn mask(bits: u8) -> Self::Mask {
        bits
    }

    #[inline(always)]
    fn bits(mask: Self::Mask) -> u8 {
        mask
    }

    #[inline(always)]
    fn swap_bytes(self) -> Self {
        Self(intrinsic!(_mm512_shuffle_epi8(
            self.0,
            _mm512_set4_epi32(0x0809_0a0b, 0x0c0d_0e0f, 0x0001_0203, 0x0405_0607)
        )))
    }

    #[inline(always)]
    fn shift_right(self, bits: u32) -> Self {
        Self(intrinsic!(_mm512_srl_epi64(self.0, _mm_cvtsi32_si128(bits.cast_signed()))))
    }
}

impl Wide {
    #[inline(always)]
    fn zip_low(self, other: Self) -> Self {
        Self(intrinsic!(_mm512_unpacklo_epi64(self.0, other.0)))
    }

    #[inline(always)]
    fn zip_high(self, other: Self) -> Self {
        Self(intrinsic!(_mm512_unpackhi_epi64(self.0, other.0)))
    }

    /// Two 128-bit pieces of `self`, then two of `other`, as `PICK` says.
    #[inline(always)]
    fn pieces<const PICK: i32>(self, other: Self) -> Self {
        Self(intrinsic!(_mm512_shuffle_i64x2::<PICK>(self.0, other.0)))
    }
}
