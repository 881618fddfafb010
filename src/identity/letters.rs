//! What the instance writes to people.

use super::tokens::Scope;

/// A mail to one person.
///
/// No `Debug`, so that no log line can show the secret in it.
#[derive(Clone)]
pub struct Letter {
    /// The one recipient.
    pub to: String,
    /// One line.
    pub subject: String,
    /// For every reader.
    pub text: String,
    /// For readers that show it.
    pub html: String,
}

/// To somebody who has been made a person of an account.
pub fn invited_user(to: &str, by: &str, account: &str, link: &str) -> Letter {
    let subject = format!("{by} invites you to {account} on Leadmesh");
    let said = format!("{by} has made you a user of {account}. Set your password within seven days to begin:");
    letter(to, subject, &said, link)
}

/// To somebody who has been let in to a partner's portal.
pub fn invited_portal_user(to: &str, account: &str, partner: &str, link: &str) -> Letter {
    let subject = format!("{account} gives you access to your leads");
    let said =
        format!("{account} shares the leads of {partner} with you. Set your password within seven days to see them:");
    letter(to, subject, &said, link)
}

/// To somebody who has forgotten a password, or says so.
pub fn new_password(to: &str, scope: Scope, link: &str) -> Letter {
    let place = match scope {
        Scope::Account => "Leadmesh",
        Scope::Portal => "the partner portal",
    };
    let subject = format!("Your new password for {place}");
    let said = format!(
        "Somebody, hopefully you, asked for a new password for {place}. Set it within an hour; \
         if it was not you, do nothing and the old one stays:"
    );
    letter(to, subject, &said, link)
}

/// One paragraph and one link.
pub fn letter(to: &str, subject: String, said: &str, link: &str) -> Letter {
    let (paragraph, address) = (escape(said), escape(link));
    Letter {
        to: to.to_owned(),
        subject,
        text: format!("{said}\n\n{link}\n"),
        html: format!("<p>{paragraph}</p>\n<p><a href=\"{address}\">{address}</a></p>\n"),
    }
}

/// A text as HTML shows it, in elements and in quoted attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_and_never_markup() {
        let mail = invited_user(
            "a@example.com",
            "Ann <b>",
            "A&\"B\"",
            "https://x.example/set-password?token=lmt_1",
        );
        assert_eq!(mail.subject, "Ann <b> invites you to A&\"B\" on Leadmesh");
        assert!(
            mail.text.contains("Ann <b> has made you a user of A&\"B\"."),
            "{}",
            mail.text
        );
        assert!(mail.text.contains("\n\nhttps://x.example/set-password?token=lmt_1\n"));
        assert!(
            mail.html
                .contains("Ann &lt;b&gt; has made you a user of A&amp;&quot;B&quot;."),
            "{}",
            mail.html
        );
    }
}
