//! Which way leads may go between two accounts.

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

/// Direction of leads over a connection, from one side's point of view: `RECEIVE_LEADS` for one side is `SEND_LEADS`
/// for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RelationshipType {
    /// The viewer receives leads from the partner.
    ReceiveLeads,
    /// The viewer sends leads to the partner.
    SendLeads,
    /// Leads go both ways.
    Both,
}

impl RelationshipType {
    /// The same relationship as the other side sees it.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::ReceiveLeads => Self::SendLeads,
            Self::SendLeads => Self::ReceiveLeads,
            Self::Both => Self::Both,
        }
    }

    /// From what the viewer may do; none if neither.
    pub fn of(sends: bool, receives: bool) -> Option<Self> {
        match (sends, receives) {
            (true, true) => Some(Self::Both),
            (true, false) => Some(Self::SendLeads),
            (false, true) => Some(Self::ReceiveLeads),
            (false, false) => None,
        }
    }

    /// Whether the viewer's leads go to the partner.
    pub fn sends(self) -> bool {
        self != Self::ReceiveLeads
    }

    /// Whether the partner's leads come to the viewer.
    pub fn receives(self) -> bool {
        self != Self::SendLeads
    }

    /// Whether it allows a direction that `other` does not.
    pub fn is_wider_than(self, other: Self) -> bool {
        (self.sends() && !other.sends()) || (self.receives() && !other.receives())
    }
}

#[cfg(test)]
mod tests {
    use super::RelationshipType::{Both, ReceiveLeads, SendLeads};
    use super::*;

    #[test]
    fn each_side_sees_its_own_direction() {
        for kind in [ReceiveLeads, SendLeads, Both] {
            assert_eq!(kind.sends(), kind.mirrored().receives());
            assert_eq!(RelationshipType::of(kind.sends(), kind.receives()), Some(kind));
        }
        assert_eq!(RelationshipType::of(false, false), None);
    }

    #[test]
    fn a_direction_more_is_wider_even_where_another_is_gone() {
        assert!(Both.is_wider_than(SendLeads) && SendLeads.is_wider_than(ReceiveLeads));
        assert!(!SendLeads.is_wider_than(Both) && !Both.is_wider_than(Both));
    }
}
