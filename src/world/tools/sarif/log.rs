//! The parts of a SARIF log that are read. Results borrow from the stream; what stands once in a
//! run owns what it holds.

use std::collections::HashMap;

use serde::Deserialize;

use super::super::json::Text;
use crate::release::finding::{FindingKind, Package};
use crate::release::{Clean, Digest, Severity};

#[derive(Deserialize)]
pub(super) struct Tool {
    pub(super) driver: Component,
    #[serde(default)]
    pub(super) extensions: Option<Vec<Component>>,
}

#[derive(Deserialize)]
pub(super) struct Component {
    pub(super) name: String,
    #[serde(default)]
    pub(super) rules: Option<Vec<RuleItem>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleItem {
    pub(super) id: String,
    /// What the rule is called besides: OSV-Scanner names the same flaw in other data bases.
    #[serde(default)]
    pub(super) deprecated_ids: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) short_description: Option<OwnMessage>,
    #[serde(default)]
    pub(super) help: Option<OwnMessage>,
    #[serde(default)]
    pub(super) default_configuration: Option<Configuration>,
    #[serde(default)]
    pub(super) properties: Option<Properties>,
}

#[derive(Deserialize)]
pub(super) struct OwnMessage {
    #[serde(default)]
    pub(super) text: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Configuration {
    #[serde(default)]
    pub(super) level: Option<String>,
}

/// Every tool puts what it likes here; only these are read, whatever their type.
#[derive(Deserialize)]
pub(super) struct Properties {
    #[serde(default, rename = "security-severity")]
    pub(super) security_severity: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) tags: Option<serde_json::Value>,
    /// What gonogo itself writes of a finding that the format has no word for.
    #[serde(default)]
    pub(super) gonogo: Option<serde_json::Value>,
}

/// What gonogo has written of a finding.
#[derive(Default, Deserialize)]
pub(super) struct Own {
    #[serde(default)]
    pub(super) severity: Option<Severity>,
    #[serde(default)]
    pub(super) kind: FindingKind,
    #[serde(default)]
    pub(super) original: Option<Clean>,
    #[serde(default)]
    pub(super) package: Option<Package>,
    #[serde(default)]
    pub(super) fix: Option<Clean>,
    #[serde(default)]
    pub(super) evidence: Option<Clean>,
    #[serde(default)]
    pub(super) secret: Option<Digest>,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct RunProperties {
    /// Trivy, for images.
    #[serde(default, rename = "imageName")]
    pub(super) image_name: Option<serde_json::Value>,
    /// Snyk Code: files per language.
    #[serde(default)]
    pub(super) coverage: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invocation {
    #[serde(default)]
    pub(super) execution_successful: Option<bool>,
    #[serde(default)]
    pub(super) exit_code_description: Option<String>,
    #[serde(default)]
    pub(super) tool_execution_notifications: Option<Vec<Notification>>,
    #[serde(default)]
    pub(super) tool_configuration_notifications: Option<Vec<Notification>>,
}

impl Invocation {
    pub(super) fn notifications(&self) -> impl Iterator<Item = &Notification> {
        let configuration = &self.tool_configuration_notifications;
        self.tool_execution_notifications.iter().chain(configuration).flatten()
    }
}

#[derive(Deserialize)]
pub(super) struct Notification {
    #[serde(default)]
    pub(super) descriptor: Option<Descriptor>,
    #[serde(default)]
    pub(super) level: Option<String>,
    #[serde(default)]
    pub(super) message: Option<OwnMessage>,
}

impl Notification {
    pub(super) fn said(&self) -> Option<String> {
        self.message.as_ref().and_then(|message| message.text.clone())
    }
}

#[derive(Deserialize)]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) id: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(default, borrow)]
    pub(super) text: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResultItem<'a> {
    #[serde(default, borrow)]
    pub(super) rule_id: Option<Text<'a>>,
    #[serde(default)]
    pub(super) rule_index: Option<i64>,
    #[serde(default, borrow)]
    pub(super) rule: Option<RuleReference<'a>>,
    #[serde(default, borrow)]
    pub(super) kind: Text<'a>,
    #[serde(default, borrow)]
    pub(super) level: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) message: Message<'a>,
    #[serde(default, borrow)]
    pub(super) locations: Option<Vec<Location<'a>>>,
    #[serde(default)]
    pub(super) partial_fingerprints: Option<HashMap<String, serde_json::Value>>,
    #[serde(default)]
    pub(super) fingerprints: Option<HashMap<String, serde_json::Value>>,
    #[serde(default, borrow)]
    pub(super) baseline_state: Text<'a>,
    #[serde(default, borrow)]
    pub(super) suppressions: Option<Vec<Suppression<'a>>>,
    #[serde(default)]
    pub(super) properties: Option<Properties>,
}

#[derive(Deserialize)]
pub(super) struct RuleReference<'a> {
    #[serde(default, borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(default)]
    pub(super) index: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct Suppression<'a> {
    #[serde(default, borrow)]
    pub(super) status: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Location<'a> {
    #[serde(default, borrow)]
    pub(super) physical_location: Option<Physical<'a>>,
    #[serde(default, borrow)]
    pub(super) logical_locations: Option<Vec<Logical<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Physical<'a> {
    #[serde(default, borrow)]
    pub(super) artifact_location: Option<Artifact<'a>>,
    #[serde(default, borrow)]
    pub(super) region: Option<Region<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Artifact<'a> {
    #[serde(default, borrow)]
    pub(super) uri: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Region<'a> {
    #[serde(default)]
    pub(super) start_line: Option<u64>,
    #[serde(default, borrow)]
    pub(super) snippet: Option<Message<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Logical<'a> {
    #[serde(default, borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) fully_qualified_name: Option<Text<'a>>,
}
