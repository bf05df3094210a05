//! What the search says of the code that ships, and of each planted fault.

use super::fault::Fault;
use super::tree::Shape;
use super::universe::Universe;

const C: &[bool] = &[false];
const E: &[bool] = &[true];
const CE: &[bool] = &[false, true];
const EC: &[bool] = &[true, false];
const CC: &[bool] = &[false, false];
const EE: &[bool] = &[true, true];

#[test]
fn probe() {
    let second = Shape { byzantine: &[CC, C], honest: &[CE, C], phantom: true };
    for byzantine_slot in [1] {
        for (a, b) in [(CE, CC), (CC, CE)] {
            let byz: &'static [&'static [bool]] = Box::leak(Box::new([a, b, C]));
            let first = Shape { byzantine: byz, honest: &[CE, CE, C], phantom: true };
            let universe = Universe { byzantine_slot, window: 8, first, second };
            for fault in [
                Fault::None,
                Fault::QuorumOffByOne,
                Fault::AckAfterClose,
                Fault::CloseOfSlotOnly,
                Fault::AckWithGap,
                Fault::NoHandoverCertificate,
                Fault::CertificateForgotten,
                Fault::CloseForgotten,
                Fault::AckForgotten,
                Fault::BegunForgotten,
                Fault::NothingListed,
                Fault::LongestChain,
                Fault::AcksAlone,
                Fault::StaleCertificate,
                Fault::CommitOnOneRound,
                Fault::PhantomHead,
            ] {
                let report = universe.search(fault, false);
                println!("FAULT {byzantine_slot} {fault:?} {:?} {:?}", report.states, report.violation);
            }
        }
    }
    let _ = (E, EC, EE);
}
