//! Styles whose answers name the next page by a link.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use super::parts::{encoded, number, opaque, plain, position};
use super::{ROWS, Style, TOKEN};

pub fn styles() -> Vec<Style> {
    vec![github(), shopify(), salesforce(), atlassian(), odata(), hal(), jsonapi(), django()]
}

fn github() -> Style {
    Style {
        asked: |call| {
            let first = call.at("GET", "/repos/OWNER/REPOSITORY/issues");
            first.or_else(|_| call.at("GET", "/repositories/1300192/issues"))?;
            call.has_bearer()?;
            call.has_header("accept", "application/vnd.github+json")?;
            call.has_param("per_page", "100")?;
            call.has_param("state", "all")?;
            position(call.param("after"))
        },
        page: |page| {
            let url = format!("{}/repositories/1300192/issues?state=all&per_page=100", page.base);
            let mut links = vec![format!("<{url}&page=1>; rel=\"first\"")];
            if let Some(next) = page.next {
                let after = encoded(&opaque(next));
                links.insert(0, format!("<{url}&after={after}&page={}>; rel=\"next\"", next / 100 + 1));
            }
            (vec![("link", links.join(", "))], json!(ROWS))
        },
        error: || json!({"message": "API rate limit exceeded", "documentation_url": "https://docs.github.com/rest"}),
        ..plain("github")
    }
}

fn shopify() -> Style {
    Style {
        size: 250,
        asked: |call| {
            call.at("GET", "/admin/api/2025-01/products.json")?;
            call.has_header("x-shopify-access-token", TOKEN)?;
            call.has_param("limit", "250")?;
            // A page_info stands alone: the real API refuses it beside other filters.
            match call.param("page_info") {
                Some(_) if call.param("status").is_some() => Err("status cannot be passed with page_info".into()),
                Some(cursor) => position(Some(cursor)),
                None => call.has_param("status", "active").map(|()| 0),
            }
        },
        page: |page| {
            let url = format!("{}/admin/api/2025-01/products.json?limit=250&page_info=", page.base);
            let link = |at: usize, rel: &str| format!("<{url}{}>; rel=\"{rel}\"", encoded(&opaque(at)));
            let before = (page.before >= 250).then(|| link(page.before - 250, "previous"));
            let links: Vec<_> = before.into_iter().chain(page.next.map(|next| link(next, "next"))).collect();
            let headers = if links.is_empty() { Vec::new() } else { vec![("link", links.join(", "))] };
            (headers, json!({"products": ROWS}))
        },
        error: || json!({"errors": "Exceeded 2 calls per second for api client."}),
        ..plain("shopify")
    }
}

fn salesforce() -> Style {
    const PATH: &str = "/services/data/v62.0/query";
    Style {
        size: 200,
        asked: |call| {
            call.has_bearer()?;
            if let Some(id) = call.path.strip_prefix(&format!("{PATH}/01gRO0000016PIAYA2-")) {
                return if call.params.is_empty() {
                    number(Some(id))
                } else {
                    Err("a locator has no parameters".into())
                };
            }
            call.at("GET", PATH)?;
            call.has_param("q", "SELECT Id, Name, AnnualRevenue FROM Account").map(|()| 0)
        },
        page: |page| {
            let mut body = json!({"totalSize": page.total, "done": page.next.is_none(), "records": ROWS});
            if let Some(next) = page.next {
                body["nextRecordsUrl"] = json!(format!("{PATH}/01gRO0000016PIAYA2-{next}"));
            }
            (Vec::new(), body)
        },
        row: |number, members| {
            let id = format!("001{number:015}");
            let url = format!("/services/data/v62.0/sobjects/Account/{id}");
            format!("{{\"attributes\":{{\"type\":\"Account\",\"url\":\"{url}\"}},\"Id\":\"{id}\",{members}}}")
        },
        error: || json!([{"message": "The query locator is invalid", "errorCode": "INVALID_QUERY_LOCATOR"}]),
        has_total: true,
        ..plain("salesforce")
    }
}

fn atlassian() -> Style {
    Style {
        size: 250,
        asked: |call| {
            call.at("GET", "/wiki/api/v2/pages")?;
            call.has_header("authorization", &format!("Basic {}", BASE64.encode(format!("{TOKEN}:{TOKEN}"))))?;
            call.has_param("limit", "250")?;
            position(call.param("cursor"))
        },
        page: |page| {
            let mut links = json!({"base": "https://SITE.atlassian.net/wiki"});
            if let Some(next) = page.next {
                links["next"] = json!(format!("/wiki/api/v2/pages?limit=250&cursor={}", encoded(&opaque(next))));
            }
            (Vec::new(), json!({"results": ROWS, "_links": links}))
        },
        row: |number, members| format!("{{\"id\":\"{number}\",\"status\":\"current\",{members}}}"),
        error: || json!({"errors": [{"status": 500, "code": "INTERNAL", "title": "Unexpected"}]}),
        ..plain("atlassian")
    }
}

fn odata() -> Style {
    Style {
        asked: |call| {
            call.at("GET", "/odata/Orders")?;
            call.has_bearer()?;
            call.has_header("prefer", "odata.maxpagesize=100")?;
            number(call.param("$skiptoken"))
        },
        page: |page| {
            let context = format!("{}/odata/$metadata#Orders", page.base);
            let mut body = json!({"@odata.context": context, "@odata.count": page.total, "value": ROWS});
            if let Some(next) = page.next {
                body["@odata.nextLink"] = json!(format!("{}/odata/Orders?$skiptoken={next}", page.base));
            }
            (Vec::new(), body)
        },
        row: |number, members| format!("{{\"@odata.etag\":\"W/\\\"{number}\\\"\",\"id\":{number},{members}}}"),
        error: || json!({"error": {"code": "ServiceUnavailable", "message": "Try again"}}),
        has_total: true,
        ..plain("odata")
    }
}

fn hal() -> Style {
    Style {
        asked: |call| {
            call.at("GET", "/orders")?;
            call.has_param("size", "100")?;
            Ok(number(call.param("page"))? * 100)
        },
        page: |page| {
            let href = |before: usize| json!({"href": format!("{}/orders?page={}&size=100", page.base, before / 100)});
            let mut links = json!({"self": href(page.before), "first": href(0)});
            if let Some(next) = page.next {
                links["next"] = href(next);
            }
            let about = json!({"size": 100, "totalElements": page.total, "number": page.before / 100});
            let mut body = json!({"_links": links, "page": about});
            // Spring leaves the member out when there are no rows.
            if page.count > 0 {
                body["_embedded"] = json!({"orders": ROWS});
            }
            (Vec::new(), body)
        },
        row: |number, members| {
            format!("{{\"id\":{number},{members},\"_links\":{{\"self\":{{\"href\":\"/orders/{number}\"}}}}}}")
        },
        error: || json!({"timestamp": "2026-01-01T00:00:00Z", "status": 500, "error": "Internal Server Error"}),
        has_total: true,
        ..plain("hal")
    }
}

fn jsonapi() -> Style {
    Style {
        asked: |call| {
            call.at("GET", "/articles")?;
            call.has_header("accept", "application/vnd.api+json")?;
            call.has_param("page[size]", "100")?;
            position(call.param("page[after]"))
        },
        page: |page| {
            let next = page.next.map(|next| {
                format!("{}/articles?page%5Bafter%5D={}&page%5Bsize%5D=100", page.base, encoded(&opaque(next)))
            });
            let links = json!({"self": format!("{}/articles", page.base), "next": next});
            let about = json!({"page": {"total": page.total}});
            (Vec::new(), json!({"jsonapi": {"version": "1.1"}, "meta": about, "links": links, "data": ROWS}))
        },
        row: |number, members| {
            format!("{{\"type\":\"articles\",\"id\":\"{number}\",\"attributes\":{{{members}}},\"relationships\":{{}}}}")
        },
        cell: |name| format!("attributes ->> '{name}'"),
        error: || json!({"errors": [{"status": "500", "title": "Internal error"}]}),
        has_total: true,
        ..plain("jsonapi")
    }
}

fn django() -> Style {
    Style {
        asked: |call| {
            call.at("GET", "/orders/")?;
            call.has_header("authorization", &format!("Token {TOKEN}"))?;
            call.has_param("page_size", "100")?;
            Ok((number(call.param("page").or(Some("1")))? - 1) * 100)
        },
        page: |page| {
            let url = |before: usize| format!("{}/orders/?page={}&page_size=100", page.base, before / 100 + 1);
            let previous = page.before.checked_sub(100).map(url);
            let next = page.next.map(url);
            (Vec::new(), json!({"count": page.total, "next": next, "previous": previous, "results": ROWS}))
        },
        error: || json!({"detail": "Request was throttled. Expected available in 30 seconds."}),
        has_total: true,
        ..plain("django")
    }
}
