//! What the instance writes to people.

pub mod reduced;

use leadmesh_forms::templates::escape_html;

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
    let (by, account) = (reduced::name(by), reduced::name(account));
    let subject = format!("{by} invites you to {account} on Leadmesh");
    let said = format!("{by} has made you a user of {account}. Set your password within seven days to begin:");
    letter(to, subject, &said, link)
}

/// To somebody who has been let in to a partner's portal.
pub fn invited_portal_user(to: &str, account: &str, partner: &str, link: &str) -> Letter {
    let (account, partner) = (reduced::name(account), reduced::name(partner));
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

/// To an address with which somebody has signed up.
pub fn prove_address(to: &str, account: &str, link: &str) -> Letter {
    let account = reduced::name(account);
    let said = format!(
        "Somebody, hopefully you, uses this address to sign in to the account “{account}” on Leadmesh. If it was you, confirm within \
         three days that the address is yours. If it was not you, do nothing: the address then counts for nobody, and you can sign up \
         with it yourself."
    );
    letter(to, "Confirm your address for Leadmesh".to_owned(), &said, link)
}

/// To a proven address with which somebody has signed up once more.
pub fn address_in_use(to: &str, account: &str, public_url: &str) -> Letter {
    let account = reduced::name(account);
    let said = format!(
        "Somebody, hopefully you, has signed up for Leadmesh as “{account}” with this address, which is yours already: sign in with \
         it as before, or ask for a new password. The other account cannot receive what is sent to you. If it is yours too, give it \
         another address; if it was not you, there is nothing to do."
    );
    letter(to, "Your address was used on Leadmesh".to_owned(), &said, public_url)
}

/// To an address that an account has named as its contact.
pub fn prove_contact(to: &str, account: &str, link: &str) -> Letter {
    let account = reduced::name(account);
    let said = format!(
        "The account “{account}” on Leadmesh has named this address as its contact. If that is right, confirm it within three days, so \
         that partners can find the account by it. If you do not know the account, do nothing."
    );
    letter(to, "Confirm a contact address for Leadmesh".to_owned(), &said, link)
}

/// What somebody who asks for a new password may set one for.
#[derive(Clone, Debug)]
pub struct Way {
    /// A paragraph that says whose password it is; names of others in it are [`reduced`].
    pub about: String,
    /// The link that sets it.
    pub link: String,
}

/// To somebody who asks for a new password, where the address is claimed more than once or not proven: each link says for what it is.
pub fn new_passwords(to: &str, scope: Scope, ways: &[Way]) -> Letter {
    let first = new_password(to, scope, "");
    let said = "Somebody, hopefully you, asked for a new password. Each link below works for an hour. Use only the link of an account \
                that you know: other people may have made one with your address. If it was not you, do nothing.";
    let mut text = format!("{said}\n");
    let mut html = format!("<p>{}</p>\n", escape_html(said));
    for Way { about, link } in ways {
        let (paragraph, address) = (escape_html(about), escape_html(link));
        text.extend(["\n", about, "\n\n", link, "\n"]);
        html.extend([
            "<p>",
            &paragraph,
            "</p>\n<p><a href=\"",
            &address,
            "\">",
            &address,
            "</a></p>\n",
        ]);
    }
    Letter { text, html, ..first }
}

/// One paragraph and one link.
pub fn letter(to: &str, subject: String, said: &str, link: &str) -> Letter {
    let (paragraph, address) = (escape_html(said), escape_html(link));
    Letter {
        to: to.to_owned(),
        subject,
        text: format!("{said}\n\n{link}\n"),
        html: format!("<p>{paragraph}</p>\n<p><a href=\"{address}\">{address}</a></p>\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_link_for_a_password_says_for_what_it_is() {
        let way = |about: &str, link: &str| Way {
            about: about.into(),
            link: link.into(),
        };
        let ways = [
            way("For <A>:", "https://x.example/1"),
            way("For B:", "https://x.example/2"),
        ];
        let mail = new_passwords("a@example.com", Scope::Account, &ways);
        assert_eq!(mail.subject, "Your new password for Leadmesh");
        assert!(
            mail.text
                .ends_with("\nFor <A>:\n\nhttps://x.example/1\n\nFor B:\n\nhttps://x.example/2\n"),
            "{}",
            mail.text
        );
        assert!(
            mail.html
                .contains("<p>For &lt;A&gt;:</p>\n<p><a href=\"https://x.example/1\">")
        );
    }

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
