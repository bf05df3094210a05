//! quick
#![allow(clippy::unwrap_used)]
use crate::{*, batch::*, avx512::Wide, portable::*};
use rand::{Rng, SeedableRng};
pub fn sample(seed: u64, count: usize) -> Vec<Input> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    (0..count).map(|_| {
        let sk = secp256k1::SecretKey::from_secret_bytes(rng.random()).unwrap();
        let hash: [u8; 32] = rng.random();
        let sig = secp256k1::ecdsa::RecoverableSignature::sign_ecdsa_recoverable(secp256k1::Message::from_digest(hash), &sk);
        let (id, c) = sig.serialize_compact();
        Input { hash, r: c[..32].try_into().unwrap(), s: c[32..].try_into().unwrap(), recovery_id: id.to_u8() }
    }).collect()
}
#[test]
fn portable() {
    let inputs = sample(1, 20);
    let mut out = vec![Ok([0; 20]); 20];
    Batch::<Counted>::new().recover(&inputs, &mut out, &mut ());
    for (i, o) in inputs.iter().zip(&out) { assert_eq!(*o, libsecp::recover(i)); }
    println!("{:?}", take_tally());
}
struct Time(std::time::Instant, Vec<(Phase, u128)>);
impl Probe for Time { fn done(&mut self, p: Phase) { self.1.push((p, self.0.elapsed().as_nanos())); self.0 = std::time::Instant::now(); } }
#[test]
fn speed() {
    for n in [8, 16, 64, 128, 512] {
    let inputs = sample(1, n);
    let mut out = vec![Ok([0; 20]); n];
    let mut b = Batch::<Wide>::new();
    b.recover(&inputs, &mut out, &mut ());
    for (i, o) in inputs.iter().zip(&out) { assert_eq!(*o, libsecp::recover(i)); }
    let mut best = u128::MAX;
    for _ in 0..200 { let t = std::time::Instant::now(); b.recover(&inputs, &mut out, &mut ()); best = best.min(t.elapsed().as_nanos()); }
    println!("{n}: {} ns each", best / n as u128);
    if n == 64 { let mut t = Time(std::time::Instant::now(), vec![]); b.recover(&inputs, &mut out, &mut t); println!("{:?}", t.1); }
    }
    let inputs = sample(1, 64);
    let t = std::time::Instant::now();
    for i in &inputs { let _ = std::hint::black_box(libsecp::recover(i)); }
    println!("libsecp {} ns each", t.elapsed().as_nanos() / 64);
}
