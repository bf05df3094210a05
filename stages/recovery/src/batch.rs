//! A batch in chunks of up to [`CHUNK`] signatures, eight in a vector, phase after phase.
//!
//! With R the point that r names, z the hash: Q = -(z / r) G + (s / r) R (SEC 1, section 4.1.6).
//!
//! 1. [`Phase::Scalars`]: 1 / r for the whole chunk with one inversion, u1 and u2 and their digits (`scalar.rs`).
//! 2. [`Phase::Root`]: y of R, by one power.
//! 3. [`Phase::Table`]: R, 3R, .. 31R, affine: five rounds of affine additions and doublings, each with one inversion for
//!    the whole chunk.
//! 4. [`Phase::Windows`]: for each of the 26 windows the sum of its three points (one of the table, one of the table
//!    times λ, one of the generator's) as one affine point: two rounds of affine additions over 26 points a
//!    signature. An affine addition with a shared inversion takes six products where a mixed one takes eleven.
//! 5. [`Phase::Ladder`]: 125 doublings and 25 mixed additions.
//! 6. [`Phase::Finish`]: out of Jacobian coordinates with one inversion, and the addresses by Keccak.
//!
//! A lane in which an addition met equal or opposite points, or the point at infinity, shows as a zero in one of the
//! inversions (`point.rs`); it is recovered again by libsecp256k1. All that is kept was made once: no allocation.

use crate::base::{self, Base, GENERATOR, MULTIPLES};
use crate::field::{Fe, Sum};
use crate::input::{Input, Outcome, RecoverError};
use crate::invert::invert_all;
use crate::keccak;
use crate::lanes::{Job, Lanes, Limb, Row, Work};
use crate::libsecp;
use crate::point::{Affine, Jacobian, negate_where};
use crate::root::{curve, square_root};
use crate::scalar::Scalar;
use crate::two::Two;

/// Vectors of eight in a chunk: even, since some phases take them in twos.
const VECTORS: usize = 8;
/// Signatures that share their inversions.
pub(crate) const CHUNK: usize = 8 * VECTORS;
/// Windows of the ladder.
const WINDOWS: usize = 26;
/// Doublings between two windows.
const WINDOW_BITS: usize = 5;
/// Odd multiples of R.
const ODD: usize = 16;

/// A part of the work; what [`crate::anatomy`] measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading the inputs.
    Read,
    /// u1, u2 and their digits.
    Scalars,
    /// The point that r names.
    Root,
    /// Its odd multiples.
    Table,
    /// The sum of each window.
    Windows,
    /// Doublings and additions.
    Ladder,
    /// Affine coordinates and addresses.
    Finish,
    /// Lanes that were recovered by libsecp256k1 after all, and the outcomes.
    Write,
}

/// Is told when a phase of a chunk is over.
pub(crate) trait Probe {
    /// This phase is over.
    fn done(&mut self, phase: Phase);
}

/// Nobody listens.
impl Probe for () {
    fn done(&mut self, _phase: Phase) {}
}

/// Recovers in batches. Holds every buffer that it needs: about half a mebibyte.
pub(crate) struct Batch<L> {
    base: &'static Base,
    lanes: Box<Buffers<L>>,
}

/// What one chunk needs.
struct Buffers<L> {
    /// How many vectors this chunk has; always even.
    vectors: usize,
    r: [[Row; 4]; VECTORS],
    s: [[Row; 4]; VECTORS],
    z: [[Row; 4]; VECTORS],
    /// One bit for each lane whose y is odd.
    parity: [u8; VECTORS],
    /// Lanes that are in use.
    live: [u8; VECTORS],
    /// Lanes in which r is no point's.
    no_point: [u8; VECTORS],
    /// Lanes that met an exception.
    exception: [u8; VECTORS],
    scalars: [Scalar<L>; VECTORS],
    scalars_before: [Scalar<L>; VECTORS],
    digits: [[Row; 12]; VECTORS],
    points: [Affine<L>; VECTORS],
    /// R, 3R, .. 15R as vectors.
    odd: [[Affine<L>; ODD / 2]; VECTORS],
    /// The even power that was made last.
    even: [Affine<L>; VECTORS],
    /// Each lane's R, 3R, .. 31R.
    table: [[Row; 8 * ODD]; VECTORS],
    windows: [[Pair<L>; WINDOWS]; VECTORS],
    inverses: [Fe<L>; VECTORS * WINDOWS],
    before: [Fe<L>; VECTORS * WINDOWS],
    jacobian: [Jacobian<L>; VECTORS],
    addresses: [[Row; 3]; VECTORS],
}

/// Two points to be added.
#[derive(Clone, Copy)]
struct Pair<L> {
    x1: Fe<L>,
    y1: Sum<L>,
    x2: Fe<L>,
    y2: Sum<L>,
}

impl<L: Lanes> Batch<L> {
    /// A batch that can work at once.
    pub(crate) fn new() -> Self {
        let zero = Fe::constant([0; 5]);
        let point = Affine { x: zero, y: zero };
        let pair = Pair { x1: zero, y1: zero.sum(), x2: zero, y2: zero.sum() };
        let lanes = Box::new(Buffers {
            vectors: 0,
            r: Default::default(),
            s: Default::default(),
            z: Default::default(),
            parity: [0; VECTORS],
            live: [0; VECTORS],
            no_point: [0; VECTORS],
            exception: [0; VECTORS],
            scalars: [Scalar(zero.0); VECTORS],
            scalars_before: [Scalar(zero.0); VECTORS],
            digits: Default::default(),
            points: [point; VECTORS],
            odd: [[point; ODD / 2]; VECTORS],
            even: [point; VECTORS],
            table: [[Row::default(); 8 * ODD]; VECTORS],
            windows: [[pair; WINDOWS]; VECTORS],
            inverses: [zero; VECTORS * WINDOWS],
            before: [zero; VECTORS * WINDOWS],
            jacobian: [point.jacobian(); VECTORS],
            addresses: Default::default(),
        });
        Self { base: base::base(), lanes }
    }

    /// Recovers any number of signatures; `outputs` is as long as `inputs`.
    pub(crate) fn recover<P: Probe>(&mut self, inputs: &[Input], outputs: &mut [Outcome], probe: &mut P) {
        for (inputs, outputs) in inputs.chunks(CHUNK).zip(outputs.chunks_mut(CHUNK)) {
            self.chunk(inputs, outputs, probe);
        }
    }

    /// The lanes of the last chunk that met an exception.
    #[cfg(test)]
    pub(crate) fn exceptions(&self) -> [u8; VECTORS] {
        self.lanes.exception
    }

    fn chunk<P: Probe>(&mut self, inputs: &[Input], outputs: &mut [Outcome], probe: &mut P) {
        let lanes = &mut *self.lanes;
        lanes.read(inputs, outputs);
        probe.done(Phase::Read);
        L::enter(Scalars(lanes));
        probe.done(Phase::Scalars);
        L::enter(Root(lanes));
        probe.done(Phase::Root);
        L::enter(Table(lanes));
        probe.done(Phase::Table);
        L::enter(Windows(lanes, self.base));
        probe.done(Phase::Windows);
        L::enter(Ladder(lanes));
        probe.done(Phase::Ladder);
        L::enter(Finish(lanes));
        probe.done(Phase::Finish);
        lanes.write(inputs, outputs);
        probe.done(Phase::Write);
    }
}

impl<L: Lanes> Buffers<L> {
    /// Lays out the inputs; what cannot be recovered is refused here, and its lane computes something harmless.
    fn read(&mut self, inputs: &[Input], outputs: &mut [Outcome]) {
        self.vectors = inputs.len().div_ceil(8).next_multiple_of(2);
        (self.parity, self.live) = ([0; VECTORS], [0; VECTORS]);
        (self.no_point, self.exception) = ([0; VECTORS], [0; VECTORS]);
        for index in 0..8 * self.vectors {
            let (vector, lane) = (index / 8, index % 8);
            let mut input = &IDLE;
            if let Some((given, output)) = inputs.get(index).zip(outputs.get_mut(index)) {
                match given.check() {
                    Err(why) => *output = Err(why),
                    // x = r + n: nobody signs like that (one nonce in 2^127), so it is not worth a place in the vectors.
                    Ok(()) if given.recovery_id & 2 != 0 => *output = libsecp::recover(given),
                    Ok(()) => {
                        input = given;
                        self.live[vector] |= 1 << lane;
                    }
                }
            }
            Input::spread(&input.r, &mut self.r[vector], lane);
            Input::spread(&input.s, &mut self.s[vector], lane);
            Input::spread(&input.hash, &mut self.z[vector], lane);
            self.parity[vector] |= (input.recovery_id & 1) << lane;
        }
    }

    /// Hands out what the vectors found, and recovers again what they could not.
    fn write(&self, inputs: &[Input], outputs: &mut [Outcome]) {
        for (index, (input, output)) in inputs.iter().zip(outputs).enumerate() {
            let (vector, lane) = (index / 8, index % 8);
            let has = |lanes: &[u8; VECTORS]| lanes[vector] >> lane & 1 == 1;
            if !has(&self.live) {
                continue;
            }
            *output = if has(&self.no_point) {
                Err(RecoverError::NoPoint)
            } else if has(&self.exception) {
                libsecp::recover(input)
            } else {
                Ok(keccak::address(&self.addresses[vector], lane))
            };
        }
    }
}

/// What a lane without a signature works on: r is the generator's x, so that there is a point.
const IDLE: Input = Input {
    hash: [0x5a; 32],
    r: [
        0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b, 0x07, 0x02, 0x9b,
        0xfc, 0xdb, 0x2d, 0xce, 0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98,
    ],
    s: [0x3c; 32],
    recovery_id: 0,
};

#[inline(always)]
fn load4<L: Lanes>(rows: &[Row; 4]) -> [L; 4] {
    [L::load(&rows[0]), L::load(&rows[1]), L::load(&rows[2]), L::load(&rows[3])]
}

struct Scalars<'a, L>(&'a mut Buffers<L>);

impl<L: Lanes> Job for Scalars<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let b = self.0;
        let n = b.vectors;
        for v in 0..n {
            b.scalars[v] = Scalar::from_words(load4(&b.r[v])).mul(Scalar::r2());
        }
        invert_all(&mut b.scalars[..n], &mut b.scalars_before[..n], &mut b.exception, 1);
        for v in 0..n {
            let inverse = b.scalars[v];
            let u1 = Scalar::from_words(load4(&b.z[v])).mul(inverse).digits_of_negated().0;
            let (k1, k2) = Scalar::from_words(load4(&b.s[v])).mul(inverse).split_digits();
            let rows = &mut b.digits[v];
            let mut i = 0;
            while i < 6 {
                u1[i].store(&mut rows[i]);
                i += 1;
            }
            let mut i = 0;
            while i < 3 {
                k1.0[i].store(&mut rows[6 + i]);
                k2.0[i].store(&mut rows[9 + i]);
                i += 1;
            }
        }
    }
}

struct Root<'a, L>(&'a mut Buffers<L>);

impl<L: Lanes> Job for Root<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let b = self.0;
        for v in (0..b.vectors).step_by(2) {
            let x = Two::join(Fe::from_words(load4(&b.r[v])), Fe::from_words(load4(&b.r[v + 1])));
            let square = curve(x);
            let root = square_root(square);
            let wrong = Two::part(root.square_plus(Sum::p(4).minus(square)));
            let (x, root) = (Two::part(x), Two::part(root));
            b.place(v, x.0, root.0, wrong.0);
            b.place(v + 1, x.1, root.1, wrong.1);
        }
    }
}

impl<L: Lanes> Buffers<L> {
    /// Takes the root with the right parity; where there is none, the generator.
    #[inline(always)]
    fn place(&mut self, v: usize, x: Fe<L>, root: Fe<L>, wrong: Fe<L>) {
        let no_point = L::mask(!wrong.is_zero());
        let root = root.canonical();
        let other = L::mask(L::bits(root.0[0].odd()) ^ self.parity[v]);
        let y = negate_where(root, other).plus_p(1).carry();
        let words = GENERATOR.0;
        let generator =
            |i: usize| [L::splat(words[i]), L::splat(words[i + 1]), L::splat(words[i + 2]), L::splat(words[i + 3])];
        let x = Fe::from_words(generator(0)).select(x, no_point);
        let y = Fe::from_words(generator(4)).select(y, no_point);
        self.points[v] = Affine { x, y };
        self.no_point[v] = L::bits(no_point);
    }
}

struct Table<'a, L>(&'a mut Buffers<L>);

impl<L: Lanes> Job for Table<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let b = self.0;
        let n = b.vectors;
        for v in 0..n {
            b.odd[v][0] = b.points[v];
            b.even[v] = b.points[v];
            b.keep(v, 0, b.points[v]);
        }
        // Each round adds the newest even power of two to all odd multiples below it, and doubles it.
        b.table_round::<0>();
        b.table_round::<1>();
        b.table_round::<2>();
        b.table_round::<4>();
        b.table_round::<8>();
    }
}

impl<L: Lanes> Buffers<L> {
    /// With `even` = 2 `COUNT` R (R itself if `COUNT` is zero): the odd multiples from `COUNT` to 2 `COUNT`, in one
    /// inversion, and, in the same, `even` twice, except in the last round.
    #[inline(always)]
    fn table_round<const COUNT: usize>(&mut self) {
        let doubles = COUNT < ODD / 2;
        let each = COUNT + usize::from(doubles);
        let n = self.vectors;
        for v in 0..n {
            let even = self.even[v];
            for i in 0..COUNT {
                self.inverses[v * each + i] = even.x.minus(self.odd[v][i].x);
            }
            if doubles {
                self.inverses[v * each + COUNT] = even.y.times::<1>().carry();
            }
        }
        invert_all(&mut self.inverses[..n * each], &mut self.before[..n * each], &mut self.exception, each);
        for v in 0..n {
            let even = self.even[v];
            for i in 0..COUNT {
                let odd = self.odd[v][i];
                let inverse = self.inverses[v * each + i];
                let sum = Affine::add(odd.x, odd.y.sum(), even.x, even.y.sum(), inverse);
                if doubles {
                    self.odd[v][COUNT + i] = sum;
                }
                self.keep(v, COUNT + i, sum);
            }
            if doubles {
                self.even[v] = even.double(self.inverses[v * each + COUNT]);
            }
        }
    }

    /// Puts a multiple into the tables of eight lanes.
    #[inline(always)]
    fn keep(&mut self, v: usize, index: usize, point: Affine<L>) {
        let [a, b, c, d] = point.x.within_256_bits().words();
        let [e, f, g, h] = point.y.within_256_bits().words();
        let rows = L::transpose([a, b, c, d, e, f, g, h]);
        let table = &mut self.table[v];
        let mut lane = 0;
        while lane < 8 {
            rows[lane].store(&mut table[lane * ODD + index]);
            lane += 1;
        }
    }
}

/// Eight points, one for each lane.
#[inline(always)]
fn gather<L: Lanes>(rows: [&Row; 8]) -> Affine<L> {
    L::note(Work::Lookup);
    let [a, b, c, d, e, f, g, h] = rows;
    let words =
        L::transpose([L::load(a), L::load(b), L::load(c), L::load(d), L::load(e), L::load(f), L::load(g), L::load(h)]);
    let [a, b, c, d, e, f, g, h] = words;
    Affine { x: Fe::from_words([a, b, c, d]), y: Fe::from_words([e, f, g, h]) }
}

/// Which odd multiple each lane wants, and where it wants it negated; `half` is the number of positive digits.
#[inline(always)]
fn choice<L: Lanes>(word: &Row, shift: usize, half: u64) -> (Row, L::Mask) {
    let digit = L::load(word).shift_right(shift as u32).and(L::splat(2 * half - 1));
    // Digits below half are negative, and count downwards.
    let negative = L::bits(digit.and(L::splat(half)).is_zero());
    let index = digit.and(L::splat(half - 1));
    let index = index.xor(L::splat(half - 1)).select(index, L::mask(negative));
    let mut row = Row::default();
    index.store(&mut row);
    (row, L::mask(negative))
}

#[inline(always)]
fn from_table<L: Lanes>(table: &[Row; 8 * ODD], word: &Row, window: usize) -> (Fe<L>, Sum<L>) {
    let (index, negative) = choice::<L>(word, 5 * (window % 10), ODD as u64);
    let at = index.0;
    let pick = |lane: usize| &table[lane * ODD + (at[lane] as usize & (ODD - 1))];
    let point = gather::<L>([pick(0), pick(1), pick(2), pick(3), pick(4), pick(5), pick(6), pick(7)]);
    (point.x, negate_where(point.y, negative))
}

#[inline(always)]
fn from_base<L: Lanes>(table: &[Row; MULTIPLES], word: &Row, shift: usize) -> (Fe<L>, Sum<L>) {
    let (index, negative) = choice::<L>(word, shift, MULTIPLES as u64);
    let at = index.0;
    let pick = |lane: usize| &table[at[lane] as usize & (MULTIPLES - 1)];
    let point = gather::<L>([pick(0), pick(1), pick(2), pick(3), pick(4), pick(5), pick(6), pick(7)]);
    (point.x, negate_where(point.y, negative))
}

struct Windows<'a, L>(&'a mut Buffers<L>, &'static Base);

impl<L: Lanes> Job for Windows<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (b, base) = (self.0, self.1);
        let n = b.vectors;
        for v in 0..n {
            for window in 0..WINDOWS {
                let digits = &b.digits[v];
                let (x1, y1) = from_table(&b.table[v], &digits[6 + window / 10], window);
                let (x2, y2) = from_table(&b.table[v], &digits[9 + window / 10], window);
                let x2 = Fe::beta().mul(x2);
                b.inverses[v * WINDOWS + window] = x2.minus(x1);
                b.windows[v][window] = Pair { x1, y1, x2, y2 };
            }
        }
        invert_all(&mut b.inverses[..n * WINDOWS], &mut b.before[..n * WINDOWS], &mut b.exception, WINDOWS);
        for v in 0..n {
            for window in 0..WINDOWS {
                let pair = &mut b.windows[v][window];
                let inverse = &mut b.inverses[v * WINDOWS + window];
                let sum = Affine::add(pair.x1, pair.y1, pair.x2, pair.y2, *inverse);
                // Even windows take digits 0 to 12 of the generator, odd ones 13 to 25.
                let (digit, table) = match window % 2 {
                    0 => (window / 2, &base.even),
                    _ => (13 + window / 2, &base.odd),
                };
                let (x2, y2) = from_base(table, &b.digits[v][digit / 5], 10 * (digit % 5));
                *inverse = x2.minus(sum.x);
                *pair = Pair { x1: sum.x, y1: sum.y.sum(), x2, y2 };
            }
        }
        invert_all(&mut b.inverses[..n * WINDOWS], &mut b.before[..n * WINDOWS], &mut b.exception, WINDOWS);
        for v in 0..n {
            for window in 0..WINDOWS {
                let pair = &mut b.windows[v][window];
                let inverse = b.inverses[v * WINDOWS + window];
                let sum = Affine::add(pair.x1, pair.y1, pair.x2, pair.y2, inverse);
                (pair.x1, pair.y1) = (sum.x, sum.y.sum());
            }
        }
    }
}

struct Ladder<'a, L>(&'a mut Buffers<L>);

impl<L: Lanes> Job for Ladder<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let b = self.0;
        for v in (0..b.vectors).step_by(2) {
            let (first, second) = (&b.windows[v], &b.windows[v + 1]);
            let mut point = window_sums(first, second, WINDOWS - 1).jacobian();
            for window in (0..WINDOWS - 1).rev() {
                for _ in 0..WINDOW_BITS {
                    point = point.double();
                }
                point = point.add(window_sums(first, second, window));
            }
            let (x, y, z) = (Two::part(point.x), Two::part(point.y), Two::part(point.z));
            b.jacobian[v] = Jacobian { x: x.0, y: y.0, z: z.0 };
            b.jacobian[v + 1] = Jacobian { x: x.1, y: y.1, z: z.1 };
        }
    }
}

/// The sum of a window, in two vectors.
#[inline(always)]
fn window_sums<L: Limb>(a: &[Pair<L>; WINDOWS], b: &[Pair<L>; WINDOWS], window: usize) -> Affine<Two<L>> {
    let (a, b) = (&a[window], &b[window]);
    Affine { x: Two::join(a.x1, b.x1), y: Two::join(a.y1.carried(), b.y1.carried()) }
}

struct Finish<'a, L>(&'a mut Buffers<L>);

impl<L: Lanes> Job for Finish<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let b = self.0;
        let n = b.vectors;
        for v in 0..n {
            b.inverses[v] = b.jacobian[v].z;
        }
        invert_all(&mut b.inverses[..n], &mut b.before[..n], &mut b.exception, 1);
        for v in 0..n {
            let (inverse, point) = (b.inverses[v], b.jacobian[v]);
            let square = inverse.square();
            let x = point.x.mul(square).canonical();
            let y = point.y.mul(square.mul(inverse)).canonical();
            b.addresses[v] = keccak::addresses(x.words(), y.words());
        }
    }
}
