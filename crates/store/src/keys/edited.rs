//! Rights as the audit log tells of an edit, put over those that a key had before it.

use doorward_domain::origin::{Origin, Origins};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::row::StoredRights;
use crate::StoreError;
use crate::db::{parsed, parsed_json, timestamp};

/// What an edit leaves of a row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EditedRights {
    pub(crate) rights: String,
    pub(crate) expires_at_us: Option<i64>,
    pub(crate) origins: Vec<String>,
}

/// `fields` are those of [`StoredRights::fields`] that were edited; others are no rights.
pub(crate) fn with_edit(
    stored: &str,
    expires_at_us: Option<i64>,
    fields: &Map<String, Value>,
) -> Result<EditedRights, StoreError> {
    let mut rights: Map<String, Value> = parsed_json("rights", stored)?;
    for (name, value) in fields {
        if let Some(place) = rights.get_mut(name) {
            *place = value.clone();
        }
    }
    let expires_at = match fields.get("expires_at") {
        None => expires_at_us.map(timestamp).transpose()?,
        Some(Value::Null) => None,
        Some(edited) => Some(parsed::<Timestamp>("end", edited.as_str().unwrap_or_default())?),
    };
    let rights: StoredRights = serde_json::from_value(Value::Object(rights))
        .map_err(|_| StoreError::Corrupt("rights".to_owned()))?;
    let rights = rights.into_rights(expires_at);
    let origins = rights.allowed_origins.as_ref().map_or(&[][..], Origins::as_slice);
    Ok(EditedRights {
        rights: StoredRights::text(&rights)?,
        expires_at_us: expires_at.map(Timestamp::as_microsecond),
        origins: origins.iter().map(Origin::as_str).map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const STORED: &str = r#"{"scopes":["inference:write"],"models":null,"ip_allow":null,"ip_deny":[],"limits":{},"model_limits":[],"budgets":[],"allowed_origins":null}"#;

    fn edited(fields: &Value) -> Result<EditedRights, StoreError> {
        let stored: StoredRights = serde_json::from_str(STORED).unwrap();
        let stored = StoredRights::text(&stored.into_rights(None)).unwrap();
        with_edit(&stored, Some(1_000_000), fields.as_object().unwrap())
    }

    #[test]
    fn what_was_edited_is_replaced_and_the_rest_stays() {
        let untouched = edited(&json!({"description": true, "metadata": true})).unwrap();
        let fields = json!({"ip_deny": ["10.0.0.0/8"], "expires_at": "1970-01-01T00:00:09Z"});
        let narrower = edited(&fields).unwrap();
        assert_ne!(narrower.rights, untouched.rights);
        assert_eq!(narrower.rights.replace(r#"["10.0.0.0/8"]"#, "[]"), untouched.rights);
        assert_eq!(untouched.expires_at_us, Some(1_000_000));
        assert_eq!(narrower.expires_at_us, Some(9_000_000));
        assert_eq!(edited(&json!({"expires_at": null})).unwrap().expires_at_us, None);
        let in_pages = edited(&json!({"allowed_origins": ["https://a.example"]})).unwrap();
        assert_eq!(in_pages.origins, ["https://a.example"]);
    }

    #[test]
    fn what_is_no_right_is_refused() {
        for fields in [json!({"scopes": "all"}), json!({"expires_at": "soon"})] {
            assert!(matches!(edited(&fields), Err(StoreError::Corrupt(_))), "{fields}");
        }
    }
}
