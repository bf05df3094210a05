//! Recognising plain calls of `eth_sendRawTransaction` by their bytes.
//!
//! Less than JSON, on purpose: an object with the four members once each in any order, white space anywhere between tokens,
//! no escapes, ids of digits, printable ASCII or `null`. jsonrpsee reads all that is recognised here as the same calls.

use memchr::memchr;

use super::super::limits::MAX_BATCH_CALLS;

/// What bytes are.
pub(super) enum Scanned<'a> {
    /// Plain calls and nothing else.
    Plain(Plain<'a>),
    /// The beginning of plain calls.
    Unfinished,
    /// Something else.
    Other,
}

/// A request of plain calls.
pub(super) struct Plain<'a> {
    /// Whether it is an array, so that its answer is one.
    pub(super) batch: bool,
    /// At least one, at most [`MAX_BATCH_CALLS`].
    pub(super) calls: Vec<Call<'a>>,
}

/// One plain call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// The id as it came, quotes included: it can be written into an answer as it is.
    pub(super) id: &'a [u8],
    /// What stands between the quotes of the parameter: hex, if the client meant well.
    pub(super) hex: &'a [u8],
}

impl Call<'_> {
    /// How long the transaction is if the parameter is hex.
    pub(super) fn raw_bytes(&self) -> usize {
        self.hex.strip_prefix(b"0x").unwrap_or(self.hex).len() / 2
    }
}

/// Reads `text` as plain calls.
pub(super) fn scan(text: &[u8]) -> Scanned<'_> {
    match (Cursor { rest: text }).request() {
        Ok(plain) => Scanned::Plain(plain),
        Err(Stop::Unfinished) => Scanned::Unfinished,
        Err(Stop::Other) => Scanned::Other,
    }
}

/// Why scanning stopped.
enum Stop {
    Unfinished,
    Other,
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn request(&mut self) -> Result<Plain<'a>, Stop> {
        // White space in front of all else is left to jsonrpsee, which takes only so much of it.
        let batch = match self.rest.first() {
            Some(b'[') => true,
            Some(b'{') => false,
            Some(_) => return Err(Stop::Other),
            None => return Err(Stop::Unfinished),
        };
        let mut calls = Vec::new();
        if batch {
            self.rest = &self.rest[1..];
            loop {
                calls.push(self.call()?);
                match self.token()? {
                    b',' if calls.len() < MAX_BATCH_CALLS as usize => {}
                    b']' => break,
                    _ => return Err(Stop::Other),
                }
            }
        } else {
            calls.push(self.call()?);
        }
        self.skip_space();
        if self.rest.is_empty() { Ok(Plain { batch, calls }) } else { Err(Stop::Other) }
    }

    fn call(&mut self) -> Result<Call<'a>, Stop> {
        let (mut version, mut method, mut id, mut hex) = (None, None, None, None);
        self.expect(b'{')?;
        loop {
            self.expect(b'"')?;
            let name = self.text()?;
            self.expect(b':')?;
            let first = match name {
                b"jsonrpc" => version.replace(self.exactly(b"2.0")?).is_none(),
                b"method" => method.replace(self.exactly(super::METHOD.as_bytes())?).is_none(),
                b"params" => hex.replace(self.only_parameter()?).is_none(),
                b"id" => id.replace(self.id()?).is_none(),
                _ => false,
            };
            if !first {
                return Err(Stop::Other);
            }
            match self.token()? {
                b',' => {}
                b'}' => break,
                _ => return Err(Stop::Other),
            }
        }
        match (version, method, id, hex) {
            (Some(()), Some(()), Some(id), Some(hex)) => Ok(Call { id, hex }),
            _ => Err(Stop::Other),
        }
    }

    fn only_parameter(&mut self) -> Result<&'a [u8], Stop> {
        self.expect(b'[')?;
        self.expect(b'"')?;
        let hex = self.text()?;
        self.expect(b']')?;
        Ok(hex)
    }

    fn id(&mut self) -> Result<&'a [u8], Stop> {
        self.skip_space();
        let from = self.rest;
        match self.token()? {
            b'"' => {
                let text = self.text()?;
                let plain = text.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\');
                if plain { Ok(&from[..text.len() + 2]) } else { Err(Stop::Other) }
            }
            b'n' => {
                for want in b"ull" {
                    let (byte, rest) = self.rest.split_first().ok_or(Stop::Unfinished)?;
                    if byte != want {
                        return Err(Stop::Other);
                    }
                    self.rest = rest;
                }
                Ok(&from[..4])
            }
            b'0'..=b'9' => {
                let digits = from.iter().position(|byte| !byte.is_ascii_digit()).ok_or(Stop::Unfinished)?;
                let (number, rest) = from.split_at(digits);
                self.rest = rest;
                let fits = std::str::from_utf8(number).is_ok_and(|number| number.parse::<u64>().is_ok());
                if fits && (digits == 1 || number[0] != b'0') { Ok(number) } else { Err(Stop::Other) }
            }
            _ => Err(Stop::Other),
        }
    }

    fn exactly(&mut self, want: &[u8]) -> Result<(), Stop> {
        self.expect(b'"')?;
        if self.text()? == want { Ok(()) } else { Err(Stop::Other) }
    }

    /// What stands between here and the next quote.
    fn text(&mut self) -> Result<&'a [u8], Stop> {
        let end = memchr(b'"', self.rest).ok_or(Stop::Unfinished)?;
        let text = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Ok(text)
    }

    fn expect(&mut self, want: u8) -> Result<(), Stop> {
        if self.token()? == want { Ok(()) } else { Err(Stop::Other) }
    }

    fn token(&mut self) -> Result<u8, Stop> {
        self.skip_space();
        let (byte, rest) = self.rest.split_first().ok_or(Stop::Unfinished)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\n' | b'\t' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use jsonrpsee::types::Request;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    const ONE: &str = r#"{"jsonrpc":"2.0","method":"eth_sendRawTransaction","params":["0x02aB"],"id":7}"#;

    fn plain(text: &str) -> Option<(bool, Vec<(String, String)>)> {
        let shown = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        match scan(text.as_bytes()) {
            Scanned::Plain(Plain { batch, calls }) => {
                Some((batch, calls.iter().map(|call| (shown(call.id), shown(call.hex))).collect()))
            }
            _ => None,
        }
    }

    fn one(id: &str, hex: &str) -> Option<(bool, Vec<(String, String)>)> {
        Some((false, vec![(id.into(), hex.into())]))
    }

    #[test]
    fn calls_as_clients_write_them_are_recognised() {
        assert_eq!(plain(ONE), one("7", "0x02aB"));
        let spaced = " \r\n{ \"id\" :\t\"a-1\" , \"params\" : [ \"02\" ] ,\n\"method\" : \"eth_sendRawTransaction\" , \"jsonrpc\" : \"2.0\" } ";
        assert_eq!(plain(spaced.trim_start()), one("\"a-1\"", "02"));
        assert_eq!(plain(&ONE.replace('7', "null")), one("null", "0x02aB"));
        assert_eq!(plain(&ONE.replace('7', "18446744073709551615")), one("18446744073709551615", "0x02aB"));
        let (batch, calls) = plain(&format!("[{ONE} ,{ONE}]\n")).unwrap();
        assert_eq!((batch, calls.len()), (true, 2));
        let most = vec![ONE; MAX_BATCH_CALLS as usize].join(",");
        assert!(plain(&format!("[{most}]")).is_some());
        assert!(plain(&format!("[{most},{ONE}]")).is_none());
    }

    #[test]
    fn all_else_is_left_alone() {
        for (from, to) in [
            ("7", "07"),
            ("7", "7.0"),
            ("7", "-7"),
            ("7", "1e3"),
            ("7", "18446744073709551616"),
            ("7", "true"),
            ("7", "nul"),
            ("7", "{}"),
            ("7", r#""\n""#),
            ("7", "\"é\""),
            ("7", "\"\t\""),
            ("7", "7,\"id\":7"),
            ("7", "7,"),
            ("7", "7,\"x\":1"),
            (",\"id\":7", ""),
            ("2.0", "1.0"),
            ("Raw", "raw"),
            ("eth_sendRaw", r"eth\u005fsendRaw"),
            ("\"params\"", "\"param\""),
            ("[\"0x02aB\"]", "{\"raw\":\"0x02aB\"}"),
            ("\"0x02aB\"", ""),
            ("\"0x02aB\"", "\"0x02aB\",1"),
            ("\"0x02aB\"", "2"),
            ("7}", "7}}"),
            ("{\"json", "{{\"json"),
            ("{\"json", " {\"json"),
        ] {
            assert!(ONE.contains(from), "{from}");
            assert_eq!(plain(&ONE.replacen(from, to, 1)), None, "{from} -> {to}");
        }
        for text in ["", "[]", "[,]", "{}", "null", "[[]]", "[1]"] {
            assert_eq!(plain(text), None, "{text}");
        }
        assert_eq!(plain(&format!("[{ONE},]")), None);
        assert_eq!(plain(&format!("{ONE},{ONE}")), None);
    }

    #[test]
    fn every_beginning_of_plain_calls_is_unfinished_and_no_plain_call() {
        let batch = format!("[{ONE},{}]", ONE.replace('7', "null"));
        for end in 0..batch.len() {
            assert!(matches!(scan(&batch.as_bytes()[..end]), Scanned::Unfinished), "{}", &batch[..end]);
        }
    }

    /// What jsonrpsee reads in a body.
    fn read(text: &[u8]) -> Option<Vec<(String, String)>> {
        let raws: Vec<&RawValue> = match text.first()? {
            b'[' => serde_json::from_slice(text).ok()?,
            _ => vec![serde_json::from_slice(text).ok()?],
        };
        let calls = raws.into_iter().map(|raw| {
            let request: Request<'_> = serde_json::from_str(raw.get()).ok()?;
            let [hex]: [String; 1] = serde_json::from_str(request.params?.get()).ok()?;
            let id = serde_json::to_string(&request.id).ok()?;
            (request.method == super::super::METHOD).then_some((id, hex))
        });
        calls.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn what_is_recognised_after_damage_is_what_jsonrpsee_reads(
            calls in 1..3_usize,
            batch: bool,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..3),
        ) {
            let mut text = if batch { format!("[{}]", vec![ONE; calls].join(", ")) } else { ONE.into() }.into_bytes();
            const LIKELY: &[u8] = b" \t\n\"\\,:{}[]0179nul-.eE+x\x00\x7f\xc3";
            for (at, byte, how) in damage {
                let (at, byte) = (at.index(text.len()), if byte < 200 { LIKELY[byte as usize % LIKELY.len()] } else { byte });
                match how {
                    0 => text[at] = byte,
                    1 => text.insert(at, byte),
                    _ => drop(text.remove(at)),
                }
            }
            if let Scanned::Plain(plain) = scan(&text) {
                let ours: Vec<_> = plain.calls.iter().map(|call| {
                    (String::from_utf8(call.id.to_vec()).unwrap(), String::from_utf8_lossy(call.hex).into_owned())
                }).collect();
                // A parameter that is no text is no hex either, and goes to jsonrpsee for that.
                if ours.iter().all(|(_, hex)| hex.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
                    prop_assert_eq!(Some(ours), read(&text));
                }
            }
        }
    }
}
