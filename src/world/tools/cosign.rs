//! `cosign verify --output json`: the signatures of an image that hold, a list of them; and
//! `verify-attestation`: an envelope a line.
//!
//! Where no signature holds there is no report, but a sentence on the other stream.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::formats::Exits;
use super::json::{Json, Text, each, one};
use super::report::{ReadError, Tally, plural};
use crate::release::finding::Measure;

/// 10 is for no signature, 12 for none that matches.
pub(super) const EXITS: Exits =
    Exits { program: "cosign", well: &[0], findings: &[10, 12], broken: &[1] };

#[derive(Deserialize)]
struct Signature<'a> {
    #[serde(borrow)]
    critical: Critical<'a>,
}

#[derive(Deserialize)]
struct Critical<'a> {
    #[serde(borrow)]
    image: Image<'a>,
}

#[derive(Deserialize)]
struct Image<'a> {
    #[serde(rename = "docker-manifest-digest", borrow)]
    digest: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    payload_type: Text<'a>,
    #[serde(rename = "payload")]
    _payload: IgnoredAny,
    signatures: Vec<IgnoredAny>,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("cosign");
    let (mut signatures, mut of) = (0_u32, BTreeSet::new());
    if json.peek()? == Some(b'{') {
        while json.peek()?.is_some() {
            let (count, kind) = json.value(|from| {
                let (envelope, used) = one::<Envelope<'_>>(from)?;
                let kind = envelope.payload_type.to_string();
                Ok(((envelope.signatures.len(), kind), used))
            })?;
            signatures = signatures.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            of.insert(kind);
        }
    } else {
        each!(json, signature: Signature<'_> => {
            signatures = signatures.saturating_add(1);
            of.insert(signature.critical.image.digest.to_string());
        })?;
    }
    tally.covered = u64::from(signatures);
    let of: Vec<String> = of.iter().map(|digest| short(digest)).collect();
    tally.coverage =
        format!("{} of {}", plural(tally.covered, "signature", "signatures"), of.join(", "));
    tally.measure(Measure::Signatures, f64::from(signatures));
    if signatures == 0 {
        tally.not_scanned = Some("no signature was verified".into());
    }
    Ok(())
}

/// The beginning of a digest, enough for people to tell images apart.
fn short(digest: &str) -> String {
    digest.strip_prefix("sha256:").map_or(digest, |hex| hex.get(..12).unwrap_or(hex)).to_owned()
}
