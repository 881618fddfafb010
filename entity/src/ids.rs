//! Identifiers: a newtype for every kind over a `UUIDv7`, shown outside as `prefix_` and 26 characters of base 32.
//!
//! The text form follows `TypeID` 0.3: it sorts as the UUID does, so by creation time.

use std::borrow::Cow;

use async_graphql::registry::Registry;
use async_graphql::{ID, InputType, InputValueError, InputValueResult, Value};
use chrono::{DateTime, Utc};
use sea_orm::DeriveValueType;
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

/// A text that is not an identifier of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId;

impl std::fmt::Display for InvalidId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not an identifier of this kind")
    }
}

impl std::error::Error for InvalidId {}

/// The lowest identifier that was made at that time or later: rows of a period are found by their primary keys.
pub fn since(time: DateTime<Utc>) -> Uuid {
    let milliseconds = u128::try_from(time.timestamp_millis()).unwrap_or_default();
    Uuid::from_u128(milliseconds << 80)
}

fn encode(id: Uuid) -> String {
    let bits = id.as_u128();
    (0..LENGTH)
        .rev()
        .map(|place| {
            let digit = usize::try_from((bits >> (place * 5)) & 31).unwrap_or_default();
            char::from(ALPHABET.get(digit).copied().unwrap_or_default())
        })
        .collect()
}

fn decode(text: &str) -> Option<Uuid> {
    // 26 digits hold 130 bits: a first digit over 7 would overflow.
    if text.len() != LENGTH || text.as_bytes().first()? > &b'7' {
        return None;
    }
    text.bytes()
        .try_fold(0_u128, |bits, byte| {
            let digit = ALPHABET.iter().position(|candidate| *candidate == byte)?;
            Some((bits << 5) | u128::try_from(digit).ok()?)
        })
        .map(Uuid::from_u128)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, DeriveValueType)]
            pub struct $name(pub Uuid);

            impl $name {
                /// What the text form starts with, before the underscore.
                pub const PREFIX: &str = $prefix;
            }

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    write!(f, concat!($prefix, "_{}"), encode(self.0))
                }
            }

            impl std::str::FromStr for $name {
                type Err = InvalidId;

                fn from_str(text: &str) -> Result<Self, InvalidId> {
                    text.strip_prefix(concat!($prefix, "_")).and_then(decode).map(Self).ok_or(InvalidId)
                }
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                }
            }

            impl sea_orm::TryFromU64 for $name {
                fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                    Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
                }
            }

            impl From<Uuid> for $name {
                fn from(id: Uuid) -> Self {
                    Self(id)
                }
            }

            /// The scalar `ID`. A text of another kind becomes an identifier that no row has, so that it is looked up,
            /// checked and answered like an unknown one.
            impl InputType for $name {
                type RawValueType = Self;

                fn type_name() -> Cow<'static, str> {
                    <ID as InputType>::type_name()
                }

                fn create_type_info(registry: &mut Registry) -> String {
                    <ID as InputType>::create_type_info(registry)
                }

                fn parse(value: Option<Value>) -> InputValueResult<Self> {
                    let text = <ID as InputType>::parse(value).map_err(InputValueError::propagate)?;
                    Ok(text.parse().unwrap_or(Self(Uuid::nil())))
                }

                fn to_value(&self) -> Value {
                    Value::from(self.to_string())
                }

                fn as_raw_value(&self) -> Option<&Self> {
                    Some(self)
                }
            }
        )+

        /// An identifier of any kind, told by its prefix.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum AnyId {
            $(#[doc = concat!("`", $prefix, "_…`")] $name($name),)+
        }

        impl std::str::FromStr for AnyId {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                match text.split_once('_').ok_or(InvalidId)?.0 {
                    $($prefix => text.parse().map(Self::$name),)+
                    _ => Err(InvalidId),
                }
            }
        }
    };
}

ids! {
    /// A company on this server.
    AccountId = "acct";
    /// A person of an account.
    UserId = "usr";
    /// A key for programs.
    ApiKeyId = "key";
    /// An invitation to connect.
    InvitationId = "inv";
    /// A connection between two accounts.
    ConnectionId = "conn";
    /// A flow.
    FlowId = "flow";
    /// A revision of a flow.
    RevisionId = "rev";
    /// A source of a flow.
    SourceId = "src";
    /// A step of a flow.
    StepId = "step";
    /// A lead, and its sender's receipt.
    LeadId = "lead";
    /// A partner.
    PartnerId = "ptnr";
    /// A distribution profile.
    ProfileId = "prof";
    /// A partner's place in a profile.
    AssignmentId = "asgn";
    /// A delivery.
    DeliveryId = "dlv";
    /// A person of a partner, in the portal.
    PortalUserId = "pusr";
    /// An entry of the audit trail.
    AuditEventId = "aud";
    /// A version of a partner's delivery settings; not shown outside.
    SettingsId = "dset";
    /// A cap of a flow, source, partner or assignment.
    CapId = "cap";
    /// A family of rotating refresh tokens; not shown outside.
    SessionId = "sess";
    /// A mail that the instance itself sends; not shown outside.
    MailId = "mail";
    /// What tells a recipient that a lead was erased.
    ErasureNoticeId = "ern";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form_and_keeps_its_order() {
        let low = LeadId(Uuid::from_u128(0x0188_bac7_4afa_78aa_bc3b_bd1e_ef28_d881));
        let high = LeadId(Uuid::from_u128(u128::MAX));
        assert_eq!(
            low.to_string(),
            "lead_01h2xcejqtf2nbrexx3vqjhp41",
            "the TypeID specification's example"
        );
        assert_eq!(low.to_string().parse(), Ok(low));
        assert_eq!(high.to_string().parse(), Ok(high));
        assert!(low.to_string() < high.to_string());
    }

    #[test]
    fn another_kind_or_a_damaged_text_is_refused() {
        for text in [
            "flow_01h2xcejqtf2nbrexx3vqjhp41",
            "lead_01h2xcejqtf2nbrexx3vqjhp4",
            "lead_81h2xcejqtf2nbrexx3vqjhp41",
            "lead_01h2xcejqtf2nbrexx3vqjhp4u",
            "lead",
            "",
        ] {
            assert_eq!(text.parse::<LeadId>(), Err(InvalidId), "{text}");
        }
        assert!(matches!(
            "flow_01h2xcejqtf2nbrexx3vqjhp41".parse(),
            Ok(AnyId::FlowId(_))
        ));
    }
}
