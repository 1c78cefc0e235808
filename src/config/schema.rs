//! JSON Schemas of the configuration files, for editors.

use schemars::JsonSchema;

/// The JSON Schema of `T`, indented, with a line end after it.
pub fn schema_for<T: JsonSchema>() -> String {
    let schema = schemars::schema_for!(T);
    // A schema is a tree of JSON values with text keys, which always serialises.
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Limits {
        /// Seconds until it gives up.
        timeout_s: u64,
    }

    #[test]
    fn a_schema_carries_names_types_and_docs() {
        let text = schema_for::<Limits>();
        assert!(text.ends_with("}\n"));
        let schema: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(schema["properties"]["timeout_s"]["type"], "integer");
        assert_eq!(schema["properties"]["timeout_s"]["description"], "Seconds until it gives up.");
    }
}
