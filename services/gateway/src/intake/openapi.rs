//! The interface as OpenAPI 3.1: made from the types that are read and written, so that it cannot say otherwise.

use mediation_proto::{
    derived::{TYPES_DISPUTE_TYPE, TYPES_ID_KIND, TYPES_PARTY_CAPACITY, TYPES_PARTY_SIDE, TYPES_SPECIALISED_FIELD},
    fields::EnumInfo,
};
use serde_json::{Value, json};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use super::{
    matter::{Accepted, Matter, MatterParty},
    paths,
    problem::{Field, Problem},
    standing::{Due, Standing, Step, Worklist, WorklistDuty},
};

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut document = serde_json::to_value(Interface::openapi()).unwrap_or_default();
    for (schema, property, list) in CODES {
        let place = format!("/components/schemas/{schema}/properties/{property}");
        if let Some(property) = document.pointer_mut(&place).and_then(Value::as_object_mut) {
            let codes: Vec<&str> = list.values.iter().map(|value| value.1).collect();
            let codes = if property.get("type").is_some_and(Value::is_array) {
                codes.into_iter().map(Value::from).chain([Value::Null]).collect()
            } else {
                json!(codes)
            };
            property.insert("enum".to_owned(), codes);
        }
    }
    document
}

/// Fields that take a code of a list.
const CODES: [(&str, &str, &EnumInfo); 5] = [
    ("Matter", "dispute_type", &TYPES_DISPUTE_TYPE),
    ("Matter", "specialised_field", &TYPES_SPECIALISED_FIELD),
    ("MatterParty", "side", &TYPES_PARTY_SIDE),
    ("MatterParty", "capacity", &TYPES_PARTY_CAPACITY),
    ("MatterParty", "id_kind", &TYPES_ID_KIND),
];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "综治中心受理网关 · intake of a governance center",
        description = "矛盾纠纷受理、进度查询与中心待办。Matters are handed in, asked after, and listed.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(paths::hand_in, paths::standing, paths::worklist, paths::description, paths::health),
    components(schemas(Accepted, Matter, MatterParty, Problem, Field, Standing, Step, Due, Worklist, WorklistDuty)),
    modifiers(&Tokens),
    tags((name = "intake", description = "受理"), (name = "service", description = "服务"))
)]
struct Interface;

/// Each channel has a token.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("channel", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_list_stands_in_the_document() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        for (schema, property, list) in CODES {
            let codes = &document["components"]["schemas"][schema]["properties"][property]["enum"];
            let all =
                list.values.iter().all(|value| codes.as_array().is_some_and(|codes| codes.contains(&json!(value.1))));
            assert!(all, "{schema}.{property}: {codes}");
        }
        let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
        assert_eq!(paths, ["/healthz", "/v1/intakes", "/v1/matters/{number}", "/v1/openapi.json", "/v1/worklist"]);
    }
}
