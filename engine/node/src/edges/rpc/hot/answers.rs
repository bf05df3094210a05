//! Writing the answers to plain calls, byte for byte as jsonrpsee writes them.

use alloy_primitives::hex;
use horae_stages::Shed;

use super::super::error;
use super::super::intake::{Admissions, Outcome};
use super::scan::Plain;

/// Bytes of an answer to an admitted transaction besides its id, with room for the comma.
const ANSWER_BYTES: usize = r#"{"jsonrpc":"2.0","id":,"result":"0x"},"#.len() + 64;

/// The body of the answer, and how many of the calls were refused.
pub(super) fn write(plain: &Plain<'_>, admissions: &Admissions) -> (Vec<u8>, usize) {
    let ids: usize = plain.calls.iter().map(|call| call.id.len()).sum();
    let mut out = Vec::with_capacity(2 + ids + plain.calls.len() * ANSWER_BYTES);
    let mut refused = 0;
    for (call, outcome) in plain.calls.iter().zip(admissions.outcomes()) {
        if plain.batch {
            out.push(if out.is_empty() { b'[' } else { b',' });
        }
        let outcome = outcome.unwrap_or(&Err(Shed::Busy));
        refused += usize::from(outcome.is_err());
        write_one(&mut out, call.id, outcome);
    }
    if plain.batch {
        out.push(b']');
    }
    (out, refused)
}

fn write_one(out: &mut Vec<u8>, id: &[u8], outcome: &Outcome) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id);
    match outcome {
        Ok(hash) => {
            let mut digits = [0; 64];
            hex::encode_to_slice(hash, &mut digits).expect("a hash has 64 digits");
            out.extend_from_slice(br#","result":"0x"#);
            out.extend_from_slice(&digits);
            out.extend_from_slice(br#""}"#);
        }
        Err(why) => {
            out.extend_from_slice(br#","error":"#);
            serde_json::to_writer(&mut *out, &error::refused(why)).expect("writing to memory does not fail");
            out.push(b'}');
        }
    }
}
