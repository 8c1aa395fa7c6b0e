//! Headers that claim to be Stripe's signature.

use paybridge::webhooks::signature::verify;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;

use super::{Cost, fuzz};
use crate::bridge::sign;

const NOW: i64 = 1_795_190_400;
const SECRET: &str = "whsec_fuzz";

/// A part of a header. Signatures are made for the time that some header of the case may say.
#[derive(Clone, Debug)]
enum Item {
    Time(String),
    Signed { by: &'static str, at: String, shape: usize },
    Text(String),
}

fn time() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(vec![0, 300, -300, 301, -301, 86_400]).prop_map(|late| (NOW - late).to_string()),
        1 => any::<i64>().prop_map(|at| at.to_string()),
        1 => select(vec!["", "+1795190400", " 1795190400", "1795190400 ", "0001795190400", "1e9", "99999999999999999999", "１７９"])
            .prop_map(str::to_owned),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        3 => time().prop_map(Item::Time),
        3 => (select(vec![SECRET, "whsec_other", ""]), time(), 0..7_usize)
            .prop_map(|(by, at, shape)| Item::Signed { by, at, shape }),
        1 => ".{0,20}".prop_map(Item::Text),
        1 => select(vec!["v1=", "v1", "t", "=", "", "v1=zz", "v0=00", " v1=00"]).prop_map(|text| Item::Text(text.to_owned())),
    ]
}

impl Item {
    fn text(&self, body: &[u8]) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Time(at) => format!("t={at}"),
            Self::Signed { by, at, shape } => {
                let signed = sign_text(body, at, by);
                match shape {
                    0..=2 => format!("v1={signed}"),
                    3 => format!("v0={signed}"),
                    4 => format!("v1={}", signed.to_uppercase()),
                    5 => format!("v1={}", &signed[..62]),
                    _ => format!("v1={signed}00"),
                }
            }
        }
    }
}

/// The signature for a time as it is written, which need not be a number.
fn sign_text(body: &[u8], at: &str, secret: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    hex::encode(mac.chain_update(at).chain_update(".").chain_update(body).finalize().into_bytes())
}

/// The scheme once more, in the plainest way.
fn genuine(header: &str, body: &[u8]) -> bool {
    let items: Vec<&str> = header.split(',').collect();
    let times: Vec<&str> = items.iter().filter_map(|item| item.strip_prefix("t=")).collect();
    let [at] = times.as_slice() else { return false };
    let digits = !at.is_empty() && at.bytes().all(|byte| byte.is_ascii_digit());
    let near = at.parse::<i64>().is_ok_and(|at| at.abs_diff(NOW) <= 300);
    digits && near && items.contains(&format!("v1={}", sign_text(body, at, SECRET)).as_str())
}

#[test]
fn signature_headers_are_taken_only_if_stripe_signed() {
    // One that is right, so that the rest cannot be empty talk.
    let good = sign(b"{}", NOW, SECRET);
    assert!(genuine(&good, b"{}") && verify(&good, b"{}", &[SECRET.into()], NOW, Some(300)).is_ok());
    let input = (vec(item(), 0..6), vec(any::<u8>(), 0..40));
    fuzz("signature headers", Cost::Cheap, &input, |(items, body)| {
        let header = items.iter().map(|item| item.text(&body)).collect::<Vec<_>>().join(",");
        let taken = verify(&header, &body, &["".into(), SECRET.into()], NOW, Some(300)).is_ok();
        assert_eq!(taken, genuine(&header, &body), "{header}");
    });
}

#[test]
fn signature_headers_of_any_bytes_are_refused() {
    fuzz("signature bytes", Cost::Cheap, &(".{0,200}", vec(any::<u8>(), 0..200)), |(header, body)| {
        assert!(verify(&header, &body, &[SECRET.into()], NOW, Some(300)).is_err());
    });
}
