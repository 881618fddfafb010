//! The email of an invitation to connect.

use chrono::{DateTime, Utc};
use entity::relationship::RelationshipType;

use leadmesh_core::identity::emails::{Email, sanitize};
use leadmesh_forms::templates::escape_html;

/// The content of an invitation email.
#[derive(Clone, Debug)]
pub struct InvitationEmail<'a> {
    pub from: &'a str,
    pub relationship: RelationshipType,
    pub message: Option<&'a str>,
    pub expires_at: DateTime<Utc>,
}

impl InvitationEmail<'_> {
    /// The purpose of the relationship, in a sentence to the invitee.
    pub fn purpose(&self) -> String {
        let from = self.from;
        match self.relationship {
            RelationshipType::ReceiveLeads => format!("{from} wants to send leads to you."),
            RelationshipType::SendLeads => format!("{from} wants to receive leads from you."),
            RelationshipType::Both => {
                format!("{from} wants to exchange leads with you, in both directions.")
            }
        }
    }

    /// For people.
    pub fn deadline(&self) -> String {
        self.expires_at.format("%-d %B %Y, %H:%M UTC").to_string()
    }

    fn subject(&self) -> String {
        format!("{} invites you to connect on Leadmesh", self.from)
    }

    /// The email, with the link that answers it. What the inviter wrote is sanitized: it stands under the operator's name.
    pub fn email(&self, to: &str, link: &str) -> Email {
        let (from, message) = (sanitize::name(self.from), self.message.map(sanitize::message));
        let email = InvitationEmail {
            from: &from,
            message: message.as_deref(),
            ..self.clone()
        };
        Email {
            to: to.to_owned(),
            subject: email.subject(),
            text: email.text(link),
            html: email.html(link),
        }
    }

    fn text(&self, link: &str) -> String {
        let quoted = self.message.map_or_else(String::new, |message| {
            let lines: Vec<String> = message.lines().map(|line| format!("> {line}")).collect();
            format!("Their message:\n\n{}\n\n", lines.join("\n"))
        });
        format!(
            "{from} invites you to connect on Leadmesh.\n\n{purpose}\n\n{quoted}\
             See the invitation and answer it until {deadline}:\n\n{link}\n\n{closing}\n",
            from = self.from,
            purpose = self.purpose(),
            deadline = self.deadline(),
            closing = self.closing(),
        )
    }

    fn html(&self, link: &str) -> String {
        let quoted = self.message.map_or_else(String::new, |message| {
            format!(
                "<p>Their message:</p>\n<blockquote>{}</blockquote>\n",
                escape_html(message).replace('\n', "<br>\n")
            )
        });
        format!(
            "<p><strong>{from}</strong> invites you to connect on Leadmesh.</p>\n<p>{purpose}</p>\n{quoted}\
             <p>See the invitation and answer it until {deadline}:</p>\n<p><a href=\"{link}\">{link}</a></p>\n\
             <p>{closing}</p>\n",
            from = escape_html(self.from),
            purpose = escape_html(&self.purpose()),
            deadline = self.deadline(),
            link = escape_html(link),
            closing = escape_html(&self.closing()),
        )
    }

    fn closing(&self) -> String {
        format!(
            "Nothing is shared before you accept. If you do not know {}, do nothing: the invitation expires.",
            self.from
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(message: Option<&str>) -> InvitationEmail<'_> {
        InvitationEmail {
            from: "A&B <Leads>",
            relationship: RelationshipType::ReceiveLeads,
            message,
            expires_at: DateTime::from_timestamp(1_796_565_600, 0).unwrap(),
        }
    }

    #[test]
    fn a_letter_says_who_what_for_and_until_when() {
        let email = email(Some("Hello\n<b>friend</b>")).email("b@example.com", "https://x.example/invitation?token=t");
        assert_eq!(email.subject, "A&B <Leads> invites you to connect on Leadmesh");
        for part in [
            "A&B <Leads> wants to send leads to you.",
            "> Hello\n> <b>friend</b>\n",
            "until 6 December 2026, 14:00 UTC:\n\nhttps://x.example/invitation?token=t\n",
        ] {
            assert!(email.text.contains(part), "{}", email.text);
        }
    }

    #[test]
    fn in_html_every_text_of_the_inviter_is_text() {
        let html = email(Some("Hello\n<b>friend</b>"))
            .email("b@example.com", "https://x.example/")
            .html;
        assert!(
            html.contains("A&amp;B &lt;Leads&gt;") && html.contains("Hello<br>\n&lt;b&gt;friend&lt;/b&gt;"),
            "{html}"
        );
        assert!(!html.contains("<b>"), "{html}");
        assert!(
            !email(None)
                .email("b@example.com", "https://x.example/")
                .text
                .contains("message")
        );
    }
}
