//! Rules that say the same in several tools.

use std::collections::HashMap;

/// One demand, and the rules of Checkov, tfsec, Trivy, Kubesec and hadolint that make it. Rules
/// are written in capitals, without `AVD-`, with four digits: `KSV-0017`.
pub struct Family {
    pub name: &'static str,
    pub rules: &'static [&'static str],
}

const fn family(name: &'static str, rules: &'static [&'static str]) -> Family {
    Family { name, rules }
}

/// The families that are known. A rule of none is a family of its own, so that tools which share
/// rules, as tfsec and Trivy do, fold without an entry here.
pub const FAMILIES: [Family; 53] = [
    family(
        "AKS API server ranges",
        &["CKV_AZURE_6", "AZU-0041", "AZURE-CONTAINER-LIMIT-AUTHORIZED-IPS"],
    ),
    family("AKS logging", &["CKV_AZURE_4", "AZU-0040", "AZURE-CONTAINER-LOGGING"]),
    family(
        "AKS network policy",
        &["CKV_AZURE_7", "AZU-0043", "AZURE-CONTAINER-CONFIGURED-NETWORK-POLICY"],
    ),
    family(
        "AKS role-based access",
        &["CKV_AZURE_5", "AZU-0042", "AZURE-CONTAINER-USE-RBAC-PERMISSIONS"],
    ),
    family(
        "database over TLS",
        &["CKV_AZURE_29", "AZU-0020", "AZURE-DATABASE-ENABLE-SSL-ENFORCEMENT"],
    ),
    family(
        "key expiry",
        &["CKV_AZURE_112", "CKV_AZURE_40", "AZU-0014", "AZURE-KEYVAULT-ENSURE-KEY-EXPIRY"],
    ),
    family(
        "key vault network rules",
        &["CKV_AZURE_109", "AZU-0013", "AZURE-KEYVAULT-SPECIFY-NETWORK-ACL"],
    ),
    family("key vault purge protection", &["CKV_AZURE_110", "AZU-0016", "AZURE-KEYVAULT-NO-PURGE"]),
    family(
        "key vault secret content type",
        &["CKV_AZURE_114", "AZU-0015", "AZURE-KEYVAULT-CONTENT-TYPE-FOR-SECRET"],
    ),
    family(
        "key vault secret expiry",
        &["CKV_AZURE_41", "AZU-0017", "AZURE-KEYVAULT-ENSURE-SECRET-EXPIRY"],
    ),
    family(
        "RDP from the internet",
        &["CKV_AZURE_9", "AZU-0048", "AZURE-NETWORK-DISABLE-RDP-FROM-INTERNET"],
    ),
    family(
        "SSH from the internet",
        &["CKV_AZURE_10", "AZU-0050", "AZURE-NETWORK-SSH-BLOCKED-FROM-INTERNET"],
    ),
    family(
        "SSH keys, no passwords",
        &[
            "CKV_AZURE_1",
            "CKV_AZURE_178",
            "AZU-0039",
            "AZURE-COMPUTE-DISABLE-PASSWORD-AUTHENTICATION",
        ],
    ),
    family(
        "storage denies by default",
        &["CKV_AZURE_35", "AZU-0012", "AZURE-STORAGE-DEFAULT-ACTION-DENY"],
    ),
    family(
        "storage lets trusted services in",
        &["CKV_AZURE_36", "AZU-0010", "AZURE-STORAGE-ALLOW-MICROSOFT-SERVICE-BYPASS"],
    ),
    family(
        "storage of a container is private",
        &["CKV_AZURE_34", "AZU-0007", "AZURE-STORAGE-NO-PUBLIC-ACCESS"],
    ),
    family("storage over HTTPS", &["CKV_AZURE_3", "AZU-0008", "AZURE-STORAGE-ENFORCE-HTTPS"]),
    family(
        "storage queue logging",
        &["CKV_AZURE_33", "AZU-0009", "AZURE-STORAGE-QUEUE-SERVICES-LOGGING-ENABLED"],
    ),
    family(
        "storage TLS version",
        &["CKV_AZURE_44", "AZU-0011", "AZURE-STORAGE-USE-SECURE-TLS-POLICY"],
    ),
    family("image: absolute WORKDIR", &["CKV_DOCKER_10", "DS-0009", "DL3000"]),
    family("image: COPY, not ADD", &["CKV_DOCKER_4", "DS-0005", "DL3020"]),
    family("image: HEALTHCHECK", &["CKV_DOCKER_2", "DS-0026", "DL3057"]),
    family("image: no MAINTAINER", &["CKV_DOCKER_6", "DS-0022", "DL4000"]),
    family("image: no recommended packages", &["DS-0029", "DL3015"]),
    family("image: no SSH port", &["CKV_DOCKER_1", "DS-0004"]),
    family("image: no sudo", &["CKV2_DOCKER_1", "DS-0010", "DL3004"]),
    family("image: tag of its base", &["CKV_DOCKER_7", "DS-0001", "DL3006", "DL3007"]),
    family("image: user", &["CKV_DOCKER_3", "DS-0002", "DL3002"]),
    family("AppArmor profile", &["KSV-0002", "APPARMORANY"]),
    family("capabilities: drop all", &["CKV_K8S_37", "KSV-0003", "CAPDROPALL"]),
    family("capabilities: drop some", &["KSV-0004", "CAPDROPANY"]),
    family("capabilities: no SYS_ADMIN", &["CKV_K8S_39", "KSV-0005", "CAPSYSADMIN"]),
    family("CPU limit", &["CKV_K8S_11", "KSV-0011", "LIMITSCPU"]),
    family("CPU request", &["CKV_K8S_10", "KSV-0015", "REQUESTSCPU"]),
    family("default namespace", &["CKV_K8S_21", "KSV-0110"]),
    family("Docker socket", &["CKV_K8S_27", "KSV-0006", "DOCKERSOCK"]),
    family("host IPC", &["CKV_K8S_18", "KSV-0008", "HOSTIPC"]),
    family("host network", &["CKV_K8S_19", "KSV-0009", "HOSTNETWORK"]),
    family("host PID", &["CKV_K8S_17", "KSV-0010", "HOSTPID"]),
    family("host ports", &["CKV_K8S_26", "KSV-0024"]),
    family("image tag", &["CKV_K8S_14", "KSV-0013"]),
    family("memory limit", &["CKV_K8S_13", "KSV-0018", "LIMITSMEMORY"]),
    family("memory request", &["CKV_K8S_12", "KSV-0016", "REQUESTSMEMORY"]),
    family("no privilege escalation", &["CKV_K8S_20", "KSV-0001", "ALLOWPRIVILEGEESCALATION"]),
    family("not privileged", &["CKV_K8S_16", "KSV-0017", "PRIVILEGED"]),
    family("not root", &["CKV_K8S_23", "KSV-0012", "RUNASNONROOT"]),
    family("high group id", &["KSV-0021", "RUNASGROUP"]),
    family("high user id", &["CKV_K8S_40", "KSV-0020", "RUNASUSER"]),
    family("read-only root", &["CKV_K8S_22", "KSV-0014", "READONLYROOTFILESYSTEM"]),
    family("seccomp profile", &["CKV_K8S_31", "KSV-0030", "KSV-0104", "SECCOMPANY"]),
    family("security context", &["CKV_K8S_29", "KSV-0118"]),
    family("service account token", &["CKV_K8S_38", "KSV-0036", "AUTOMOUNTSERVICEACCOUNTTOKEN"]),
    family("service account", &["CKV_K8S_41", "SERVICEACCOUNTNAME"]),
];

/// Families by rule.
pub(super) struct Families(HashMap<&'static str, &'static str>);

impl Families {
    pub(super) fn new(table: &[Family]) -> Self {
        let each = |family: &Family| {
            let name = family.name;
            family.rules.iter().map(move |rule| (*rule, name))
        };
        Self(table.iter().flat_map(each).collect())
    }

    /// The family of a rule, or the rule itself in its normal form.
    pub(super) fn of(&self, rule: &str) -> String {
        let rule = normal(rule);
        self.0.get(rule.as_str()).map_or(rule, |name| (*name).to_owned())
    }
}

/// A rule as every tool and version would write it: `AVD-KSV-0017`, `KSV017` and `KSV-0017` are
/// one.
fn normal(rule: &str) -> String {
    let rule = rule.trim().to_ascii_uppercase();
    let rule = rule.strip_prefix("AVD-").unwrap_or(&rule);
    let digits = rule.len() - rule.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (name, number) = rule.split_at(digits);
    if matches!(name, "KSV" | "KCV" | "DS") && number.len() == 3 {
        return format!("{name}-0{number}");
    }
    rule.to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_rule_is_of_one_family_and_is_known_however_it_is_written() {
        let mut seen = HashSet::new();
        for family in &FAMILIES {
            for rule in family.rules {
                assert!(seen.insert(*rule), "{rule} is of two families");
                assert_eq!(normal(rule), *rule);
            }
        }
        let families = Families::new(&FAMILIES);
        for rule in ["AVD-KSV-0017", "KSV017", "KSV-0017", "CKV_K8S_16", "Privileged"] {
            assert_eq!(families.of(rule), "not privileged", "{rule}");
        }
        assert_eq!(families.of("my-own-rule"), "MY-OWN-RULE");
        assert_eq!(families.of(""), "");
    }
}
