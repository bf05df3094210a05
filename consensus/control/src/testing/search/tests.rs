//! What the search says of the code that ships, and of each planted fault.

use super::fault::Fault;
use super::tree::Shape;
use super::universe::Universe;

const C: &[bool] = &[false];
const E: &[bool] = &[true];
const CE: &[bool] = &[false, true];
const CC: &[bool] = &[false, false];
const EE: &[bool] = &[true, true];

#[test]
fn probe() {
    let second = Shape { byzantine: &[CE, C], honest: &[CE, C], phantom: false };
    for byzantine_slot in [1] {
        for (a, b) in [(CC, CC)] {
            let byz: &'static [&'static [bool]] = Box::leak(Box::new([a, b, C]));
            let first = Shape { byzantine: byz, honest: &[CE, CE, C], phantom: false };
            let universe = Universe { byzantine_slot, window: 8, first, second };
            let report = universe.search(Fault::None, false);
            println!("{byzantine_slot} {a:?} {b:?} {report:?}");
        }
    }
    let _ = E;
}
