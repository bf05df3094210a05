//! A program that signs, run for each answer: `--signer-command`, whose help is the protocol.

use std::{process::Stdio, time::Duration};

use alloy::rpc::types::TransactionRequest;
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, B256, Bytes};
use async_trait::async_trait;
use horae_control::{Signature, recover};
use horae_node::edges::l1::{Account, L1Error};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    time::timeout,
};

/// Version of the protocol.
const VERSION: u32 = 1;
/// Largest answer, in bytes.
const ANSWER_MAX_BYTES: usize = 64 << 10;

/// An account whose key a program has.
#[derive(Debug)]
pub struct ExternalSigner {
    command: String,
    limit: Duration,
    address: Address,
}

#[derive(Serialize)]
#[serde(tag = "request", rename_all = "lowercase")]
enum Request {
    Address { version: u32 },
    Sign { version: u32, address: Address, digest: B256, transaction: Box<TransactionRequest> },
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

#[derive(Deserialize)]
struct Named {
    address: Address,
}

#[derive(Deserialize)]
struct Signed {
    signature: Bytes,
}

impl ExternalSigner {
    /// Runs the program once, for its address.
    pub async fn ask(command: &str, limit: Duration) -> Result<Self, String> {
        let Named { address } = exchange(command, limit, &Request::Address { version: VERSION }).await?;
        Ok(Self { command: command.to_owned(), limit, address })
    }
}

#[async_trait]
impl Account for ExternalSigner {
    fn address(&self) -> Address {
        self.address
    }

    async fn sign(&self, transaction: &TxEip1559) -> Result<Signature, L1Error> {
        let digest = transaction.signature_hash();
        let request = Request::Sign {
            version: VERSION,
            address: self.address,
            digest,
            transaction: Box::new(TransactionRequest::from_transaction(transaction.clone())),
        };
        let not_signed = |problem: String| L1Error::NotSigned { address: self.address, problem };
        let Signed { signature } = exchange(&self.command, self.limit, &request).await.map_err(not_signed)?;
        checked(&signature, digest, self.address).map_err(not_signed)
    }
}

fn checked(signature: &[u8], digest: B256, address: Address) -> Result<Signature, String> {
    let length = signature.len();
    let mut bytes: [u8; 65] =
        signature.try_into().map_err(|_| format!("the signer's signature has {length} bytes, not 65"))?;
    bytes[64] = match bytes[64] {
        v @ (0 | 1) => v,
        v @ (27 | 28) => v - 27,
        v => return Err(format!("the signer's v is {v}, not 0, 1, 27 or 28")),
    };
    let signature = Signature(bytes);
    match recover(digest, &signature) {
        Some(by) if by == address => Ok(signature),
        Some(by) => Err(format!("the signer's signature is one of {by}, or of another digest")),
        None => Err("the signer's signature is none: malformed, or its s is in the upper half".to_owned()),
    }
}

async fn exchange<R: DeserializeOwned>(command: &str, limit: Duration, request: &Request) -> Result<R, String> {
    let question = serde_json::to_vec(request).map_err(|why| why.to_string())?;
    let mut program = Command::new("sh");
    program.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = program.spawn().map_err(|why| format!("sh does not start ({why})"))?;
    let answered = timeout(limit, converse(&mut child, &question)).await;
    let answer = answered
        .map_err(|_| format!("`{command}` gave no answer within {} s", limit.as_secs()))?
        .map_err(|why| format!("`{command}` {why}"))?;
    if let Ok(Refused { error }) = serde_json::from_slice(&answer) {
        return Err(format!("`{command}` refuses: {error}"));
    }
    serde_json::from_slice(&answer).map_err(|why| format!("`{command}` answered something else than was asked ({why})"))
}

async fn converse(child: &mut Child, question: &[u8]) -> Result<Vec<u8>, String> {
    let (mut input, output) = child.stdin.take().zip(child.stdout.take()).ok_or("has no standard input or output")?;
    // A program that knows its address need not read the question.
    let asked = input.write_all(question).await;
    drop(input);
    let mut answer = Vec::new();
    let bound = u64::try_from(ANSWER_MAX_BYTES + 1).unwrap_or(u64::MAX);
    output.take(bound).read_to_end(&mut answer).await.map_err(|why| format!("cannot be heard ({why})"))?;
    if answer.len() > ANSWER_MAX_BYTES {
        return Err(format!("answered more than {ANSWER_MAX_BYTES} bytes"));
    }
    let status = child.wait().await.map_err(|why| format!("has no end ({why})"))?;
    if !status.success() {
        return Err(format!("failed ({status})"));
    }
    match asked {
        Err(why) if answer.is_empty() => Err(format!("heard no question ({why})")),
        _ => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_primitives::{TxKind, U256, hex};
    use horae_control::SignerKey;
    use std::fs;

    const LIMIT: Duration = Duration::from_secs(20);

    fn key() -> SignerKey {
        SignerKey::from_bytes(&[7; 32]).unwrap()
    }

    fn transaction() -> TxEip1559 {
        TxEip1559 {
            chain_id: 31_337,
            nonce: 5,
            gas_limit: 21_000,
            max_fee_per_gas: 9,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(Address::repeat_byte(3)),
            value: U256::from(12),
            access_list: Default::default(),
            input: Bytes::from_static(&[1, 2]),
        }
    }

    /// A program that knows its address and answers a question to sign with `answer`, keeping the question.
    fn program(dir: &std::path::Path, answer: &str) -> String {
        let (script, question) = (dir.join("signer.sh"), dir.join("question.json"));
        let address = key().address();
        let text = format!(
            "read -r question\ncase \"$question\" in\n*'\"request\":\"address\"'*) echo '{{\"address\":\"{address}\"}}' ;;\n\
             *) printf '%s' \"$question\" > {}; {answer} ;;\nesac\n",
            question.display()
        );
        fs::write(&script, text).unwrap();
        format!("sh {}", script.display())
    }

    #[tokio::test]
    async fn the_program_is_shown_the_transaction_and_its_signature_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let digest = transaction().signature_hash();
        let mut signature = key().sign(digest).0;
        signature[64] += 27;
        let command = program(dir.path(), &format!("echo '{{\"signature\":\"{}\"}}'", hex::encode_prefixed(signature)));
        let signer = ExternalSigner::ask(&command, LIMIT).await.unwrap();
        assert_eq!(signer.address(), key().address());
        assert_eq!(signer.sign(&transaction()).await.unwrap(), key().sign(digest));
        let question: serde_json::Value =
            serde_json::from_slice(&fs::read(dir.path().join("question.json")).unwrap()).unwrap();
        assert_eq!(question["digest"], serde_json::json!(digest));
        for (name, value) in [
            ("type", "0x2"),
            ("chainId", "0x7a69"),
            ("nonce", "0x5"),
            ("to", "0x0303030303030303030303030303030303030303"),
            ("value", "0xc"),
            ("input", "0x0102"),
            ("gas", "0x5208"),
            ("maxFeePerGas", "0x9"),
            ("maxPriorityFeePerGas", "0x1"),
        ] {
            assert_eq!(question["transaction"][name], value, "{name}");
        }
    }

    #[tokio::test]
    async fn what_is_not_the_accounts_signature_is_refused_in_words() {
        let digest = transaction().signature_hash();
        let (own, other) = (key().sign(digest).0, SignerKey::from_bytes(&[8; 32]).unwrap().sign(digest).0);
        let elsewhere = key().sign(B256::repeat_byte(1)).0;
        let bad_v = {
            let mut s = own;
            s[64] = 9;
            s
        };
        let echo = |signature: &[u8]| format!("echo '{{\"signature\":\"{}\"}}'", hex::encode_prefixed(signature));
        for (answer, says) in [
            (echo(&other), "is one of"),
            (echo(&elsewhere), "or of another digest"),
            (echo(&own[..64]), "has 64 bytes"),
            (echo(&bad_v), "v is 9"),
            ("echo '{\"error\":\"the button was not pressed\"}'".to_owned(), "refuses: the button was not pressed"),
            ("echo hello".to_owned(), "something else than was asked"),
            ("exit 3".to_owned(), "failed (exit status: 3)"),
            ("head -c 70000 /dev/zero".to_owned(), "more than 65536 bytes"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let signer = ExternalSigner::ask(&program(dir.path(), &answer), LIMIT).await.unwrap();
            let said = signer.sign(&transaction()).await.unwrap_err().to_string();
            assert!(said.contains(says), "{answer}: {said}");
        }
    }

    #[tokio::test]
    async fn a_program_that_says_nothing_is_given_up_and_a_missing_one_named() {
        let said = ExternalSigner::ask("exec sleep 60", Duration::from_millis(200)).await.unwrap_err();
        assert!(said.contains("gave no answer within"), "{said}");
        let said = ExternalSigner::ask("/nowhere/to/be/found", LIMIT).await.unwrap_err();
        assert!(said.contains("failed (exit status: 127)"), "{said}");
    }
}
