//! SPDX 2 JSON: the packages of an image or a folder.

use serde::Deserialize;

use super::json::{Json, Text, each};
use super::report::{ReadError, Tally};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(default, borrow)]
    version_info: Text<'a>,
    #[serde(default, borrow)]
    external_refs: Option<Vec<Reference<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference<'a> {
    #[serde(borrow)]
    reference_type: Text<'a>,
    #[serde(borrow)]
    reference_locator: Text<'a>,
}

#[derive(Deserialize)]
struct Creation {
    #[serde(default)]
    creators: Vec<String>,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let mut version = None;
    json.object(&["spdxVersion", "creationInfo", "packages"], |json, key| match key {
        "spdxVersion" => {
            version = Some(json.owned::<String>()?);
            Ok(())
        }
        "creationInfo" => {
            let made = json.owned::<Creation>()?;
            let tool = made.creators.iter().find_map(|by| by.strip_prefix("Tool: "));
            // `syft-1.18.1`
            if let Some(tool) = tool {
                tally.named(tool.rsplit_once('-').map_or(tool, |(name, _)| name));
            }
            Ok(())
        }
        _ => each!(json, listed: Listed<'_> => {
            let refs = listed.external_refs.iter().flatten();
            let purl = refs.clone().find(|own| &*own.reference_type == "purl");
            let purl = purl.map_or("", |own| own.reference_locator.as_str());
            tally.component(&listed.name, &listed.version_info, purl);
        }),
    })?;
    if !version.is_some_and(|version| version.starts_with("SPDX-2")) {
        return Err(json.damaged("it is no SPDX 2, by its spdxVersion"));
    }
    tally.components_over();
    Ok(())
}
