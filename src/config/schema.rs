//! JSON Schemas of the configuration files, for editors.

use schemars::JsonSchema;
use serde_json::{Value, json};

/// The JSON Schema of a whole file that holds a `T`, indented, with a line end after it.
pub fn schema_for<T: JsonSchema>() -> String {
    text(schemars::schema_for!(T).as_value())
}

/// The JSON Schema of a file that is put on top of a complete one: no field is required, and
/// `null` takes any back to what is shipped.
pub fn schema_for_layer<T: JsonSchema>() -> String {
    let mut schema = schemars::schema_for!(T).to_value();
    loosen(&mut schema);
    text(&schema)
}

fn text(schema: &Value) -> String {
    // A schema is a tree of JSON values with text keys, which always serialises.
    let mut text = serde_json::to_string_pretty(schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

fn loosen(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("required");
            for (name, inside) in fields.iter_mut() {
                match inside {
                    // The names below are those of fields; one of them may be "required" too.
                    Value::Object(properties) if name == "properties" => {
                        properties.values_mut().for_each(or_null);
                    }
                    inside => loosen(inside),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(loosen),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn or_null(property: &mut Value) {
    let mut whole = property.take();
    loosen(&mut whole);
    *property = json!({ "anyOf": [whole, { "type": "null" }] });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Limits {
        /// Seconds until it gives up.
        timeout_s: u64,
        required: u32,
    }

    #[test]
    fn a_schema_carries_names_types_and_docs() {
        let text = schema_for::<Limits>();
        assert!(text.ends_with("}\n"));
        let schema: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(schema["properties"]["timeout_s"]["type"], "integer");
        assert_eq!(schema["properties"]["timeout_s"]["description"], "Seconds until it gives up.");
    }

    #[test]
    fn in_a_layer_nothing_is_required_and_null_is_allowed() {
        let schema: Value = serde_json::from_str(&schema_for_layer::<Limits>()).expect("JSON");
        assert_eq!(schema.get("required"), None);
        assert!(schema["properties"]["required"].is_object(), "a field of that name stays");
        let timeout = &schema["properties"]["timeout_s"]["anyOf"];
        assert_eq!((&timeout[0]["type"], &timeout[1]["type"]), (&"integer".into(), &"null".into()));
    }
}
