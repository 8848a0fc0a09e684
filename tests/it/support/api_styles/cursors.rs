//! Styles whose answers name the next page by a cursor, or whose last row does.

use serde_json::{Value, json};

use super::parts::{number, opaque, plain, position};
use super::{Call, ROWS, Style, TOKEN};

pub fn styles() -> Vec<Style> {
    vec![stripe(), hubspot(), hubspot_search(), graphql(), elasticsearch()]
}

fn stripe() -> Style {
    Style {
        asked: |call| {
            call.at("GET", "/v1/charges")?;
            call.has_bearer()?;
            call.has_param("limit", "100")?;
            match call.param("starting_after") {
                None => Ok(0),
                Some(id) => number(id.strip_prefix("ch_").or(Some("no id"))),
            }
        },
        page: |page| {
            (Vec::new(), json!({"object": "list", "url": "/v1/charges", "has_more": page.next.is_some(), "data": ROWS}))
        },
        row: |number, members| format!("{{\"id\":\"ch_{number:06}\",\"object\":\"charge\",{members}}}"),
        error: || json!({"error": {"type": "api_error", "message": "An unknown error occurred"}}),
        by_rows: true,
        ..plain("stripe")
    }
}

/// The `paging` of an answer; the last page has none.
fn paging(next: Option<usize>) -> Value {
    next.map_or(Value::Null, |next| json!({"next": {"after": next.to_string(), "link": "https://api.hubapi.com/x"}}))
}

fn contact(number: usize, members: &str) -> String {
    format!("{{\"id\":\"{number}\",\"properties\":{{{members}}},\"archived\":false}}")
}

fn hubspot() -> Style {
    Style {
        asked: |call| {
            call.at("GET", "/crm/v3/objects/contacts")?;
            call.has_bearer()?;
            call.has_param("limit", "100")?;
            call.has_param("properties", "email,firstname,lastname")?;
            number(call.param("after"))
        },
        page: |page| {
            let mut body = json!({"results": ROWS, "paging": paging(page.next)});
            if page.next.is_none() {
                body.as_object_mut().expect("an object").remove("paging");
            }
            (Vec::new(), body)
        },
        row: contact,
        cell: |name| format!("properties ->> '{name}'"),
        error: || json!({"status": "error", "message": "internal error", "category": "INTERNAL"}),
        ..plain("hubspot")
    }
}

fn hubspot_search() -> Style {
    Style {
        name: "hubspot_search",
        asked: |call| {
            call.at("POST", "/crm/v3/objects/contacts/search")?;
            call.has_bearer()?;
            call.has_header("content-type", "application/json")?;
            let body = call.json()?;
            if body["limit"] != 100 || body["properties"] != json!(["email", "firstname", "lastname"]) {
                return Err(format!("{body} is not the search"));
            }
            match &body["after"] {
                Value::Null if body.get("after").is_some() => Err("after is null".into()),
                Value::Null => Ok(0),
                after => number(after.as_str().or(Some("no text"))),
            }
        },
        page: |page| {
            let mut body = json!({"total": page.total, "results": ROWS});
            if page.next.is_some() {
                body["paging"] = paging(page.next);
            }
            (Vec::new(), body)
        },
        has_total: true,
        ..hubspot()
    }
}

/// The variables of a GraphQL query that a server of this schema can answer.
fn variables(call: &Call) -> Result<Value, String> {
    call.at("POST", "/graphql")?;
    call.has_header("content-type", "application/json")?;
    let mut body = call.json()?;
    let query = body["query"].as_str().unwrap_or_default();
    if !query.starts_with("query ($after: String) {") || !query.contains("orders(first: 100, after: $after)") {
        return Err(format!("{query} is not the query"));
    }
    Ok(body["variables"].take())
}

fn graphql() -> Style {
    Style {
        asked: |call| position(variables(call)?["after"].as_str()),
        page: |page| {
            // The connection names a cursor on every page with rows, also on the last one.
            let end = (page.count > 0).then(|| opaque(page.next.unwrap_or(page.before + page.count)));
            let about = json!({"hasNextPage": page.next.is_some(), "endCursor": end});
            (Vec::new(), json!({"data": {"orders": {"nodes": ROWS, "pageInfo": about, "totalCount": page.total}}}))
        },
        error: || json!({"errors": [{"message": "Something went wrong"}], "data": null}),
        has_total: true,
        ..plain("graphql")
    }
}

fn elasticsearch() -> Style {
    Style {
        asked: |call| {
            call.at("POST", "/orders/_search")?;
            call.has_header("authorization", &format!("ApiKey {TOKEN}"))?;
            call.has_header("content-type", "application/json")?;
            let body = call.json()?;
            if body["size"] != 100 || body["sort"] != json!([{"number": "asc"}, {"_id": "asc"}]) {
                return Err(format!("{body} is not the search"));
            }
            match &body["search_after"] {
                Value::Null if body.get("search_after").is_some() => Err("search_after is null".into()),
                Value::Null => Ok(0),
                // The values of the last hit's `sort`, each in its own type.
                after => match (after[0].as_u64(), after[1].as_str(), after.as_array().map(Vec::len)) {
                    (Some(number), Some(id), Some(2)) if id == format!("o-{number}") => Ok(number as usize),
                    _ => Err(format!("{after} is not the sort of a hit")),
                },
            }
        },
        page: |page| {
            let total = json!({"value": page.total, "relation": "eq"});
            (Vec::new(), json!({"took": 2, "timed_out": false, "hits": {"total": total, "hits": ROWS}}))
        },
        row: |number, members| {
            let about = format!("\"_index\":\"orders\",\"_id\":\"o-{number}\",\"_score\":null");
            format!("{{{about},\"_source\":{{{members}}},\"sort\":[{number},\"o-{number}\"]}}")
        },
        cell: |name| format!("_source ->> '{name}'"),
        error: || json!({"error": {"type": "search_phase_execution_exception"}, "status": 503}),
        has_total: true,
        by_rows: true,
        always_names_next: true,
        ..plain("elasticsearch")
    }
}
