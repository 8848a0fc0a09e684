//! Groups at the provider, and the roles they have here.

use elt_shared::store::users::Role;
use serde_json::Value;

use super::settings::Client;

/// The role of a user with this `groups` claim; `None` when no group of the user has a role.
///
/// The claim is a list of names, or a single name as a text, which some providers send for one group. Anything else has
/// no role, because a value that is not understood must not grant anything.
pub fn role_of(groups: Option<&Value>, client: &Client) -> Option<Role> {
    let groups: Vec<&str> = match groups? {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    let is_in = |wanted: &[String]| groups.iter().any(|group| wanted.iter().any(|name| name == group));
    if is_in(&client.admin_groups) { Some(Role::Admin) } else { is_in(&client.user_groups).then_some(Role::User) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn role(groups: &Value) -> Option<Role> {
        let client = Client {
            issuer: "https://login.example.com".into(),
            client_id: "elt".into(),
            client_secret: "secret".into(),
            admin_groups: vec!["elt-admins".into()],
            user_groups: vec!["analysts".into(), "elt users".into()],
            public_url: "https://elt.example.com".parse().expect("a URL"),
        };
        role_of(Some(groups), &client)
    }

    #[test]
    fn a_group_is_compared_as_a_whole() {
        assert_eq!(role(&json!(["x", "elt-admins"])), Some(Role::Admin));
        assert_eq!(role(&json!(["analysts", "elt-admins"])), Some(Role::Admin), "the higher role");
        assert_eq!(role(&json!(["analysts"])), Some(Role::User));
        assert_eq!(role(&json!("elt users")), Some(Role::User), "one group may be a text");
        for other in [
            json!([]),
            json!(["ELT-ADMINS", "elt-admins2", "elt-admin"]),
            json!("elt-admins,analysts"),
            json!("elt-admins analysts"),
            json!("[\"elt-admins\"]"),
        ] {
            assert_eq!(role(&other), None, "{other}");
        }
    }

    #[test]
    fn a_claim_of_another_shape_grants_nothing() {
        for other in [
            json!({ "elt-admins": true }),
            json!([["elt-admins"]]),
            json!(["elt-admins", 1]),
            json!(["elt-admins", null]),
            json!([{ "name": "elt-admins" }]),
            json!(true),
            json!(null),
        ] {
            assert_eq!(role(&other), None, "{other}");
        }
    }
}
