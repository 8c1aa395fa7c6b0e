//! Whether the one who answers is the one who should: pure, as a table.

use crate::config::Mode;
use crate::store::bindings::Binding;

/// What each party can be.
pub const KINDS: [(&str, [&str; 2]); 2] =
    [(super::STRIPE, ["test", "live"]), (super::SALESFORCE, ["sandbox", "production"])];

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `acct_…` or `00D…`.
    pub identity: String,
    /// `test` or `live`; `sandbox` or `production`.
    pub kind: String,
}

/// What that means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Nobody was bound: this one is from now on.
    First,
    /// It is the one.
    Same,
    /// It is another one.
    Another,
}

/// Compares who answered with who is bound.
pub fn judge(bound: Option<&Binding>, found: &Found) -> Judged {
    match bound {
        None => Judged::First,
        // What an org is a person may have said otherwise, and that stands.
        Some(bound) if bound.identity == found.identity => {
            let same = bound.party == super::SALESFORCE || bound.kind == found.kind;
            if same { Judged::Same } else { Judged::Another }
        }
        Some(_) => Judged::Another,
    }
}

/// Why records of an account in this mode may not go to an org of this kind, if they may not.
pub fn wrong_environment(account: &str, mode: Mode, org: &str, kind: &str) -> Option<String> {
    match (mode, kind) {
        (Mode::Live, "production") | (Mode::Test, "sandbox") => None,
        (Mode::Live, _) => Some(format!(
            "stripe.{account} is in live mode and salesforce.{org} is a sandbox; real payments do not go there"
        )),
        (Mode::Test, _) => Some(format!(
            "stripe.{account} is in test mode and salesforce.{org} is a production org; test payments do not go there"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(party: &str, identity: &str, kind: &str) -> Binding {
        Binding {
            party: party.to_owned(),
            name: "main".to_owned(),
            identity: identity.to_owned(),
            kind: kind.to_owned(),
            key_hash: String::new(),
            bound_at: 0,
            other: None,
            other_kind: None,
            other_at: None,
        }
    }

    #[test]
    fn another_id_or_mode_is_another_party() {
        let found =
            |identity: &str, kind: &str| Found { identity: identity.to_owned(), kind: kind.to_owned() };
        for (bound, found, judged) in [
            (None, found("acct_1", "test"), Judged::First),
            (Some(bound("stripe", "acct_1", "test")), found("acct_1", "test"), Judged::Same),
            (Some(bound("stripe", "acct_1", "test")), found("acct_2", "test"), Judged::Another),
            (Some(bound("stripe", "acct_1", "test")), found("acct_1", "live"), Judged::Another),
            (Some(bound("salesforce", "00D1", "sandbox")), found("00D2", "sandbox"), Judged::Another),
            // Somebody said that this developer org counts as a sandbox.
            (Some(bound("salesforce", "00D1", "sandbox")), found("00D1", "production"), Judged::Same),
        ] {
            assert_eq!(judge(bound.as_ref(), &found), judged, "{bound:?} {found:?}");
        }
    }

    #[test]
    fn environments_do_not_mix() {
        for (mode, kind, mixes) in [
            (Mode::Live, "production", false),
            (Mode::Live, "sandbox", true),
            (Mode::Test, "sandbox", false),
            (Mode::Test, "production", true),
        ] {
            assert_eq!(wrong_environment("main", mode, "main", kind).is_some(), mixes, "{mode:?} {kind}");
        }
    }
}
