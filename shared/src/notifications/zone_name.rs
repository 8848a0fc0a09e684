//! Time zones stored by their names.

use chrono_tz::Tz;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(zone: &Tz, target: S) -> Result<S::Ok, S::Error> {
    target.serialize_str(zone.name())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Tz, D::Error> {
    String::deserialize(source)?.parse().map_err(D::Error::custom)
}
