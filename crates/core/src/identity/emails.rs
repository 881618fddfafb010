//! Emails of the instance to people.

pub mod sanitize;

use leadmesh_forms::templates::escape_html;

use super::tokens::Scope;

// No `Debug`, so that no log line can show the secret in it.
#[derive(Clone)]
pub struct Email {
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// To a new user of an account.
pub fn invited_user(to: &str, by: &str, account: &str, link: &str) -> Email {
    let (by, account) = (sanitize::name(by), sanitize::name(account));
    let subject = format!("{by} invites you to {account} on Leadmesh");
    let message = format!("{by} has made you a user of {account}. Set your password within seven days to begin:");
    email_with_link(to, subject, &message, link)
}

/// To a new portal user.
pub fn invited_portal_user(to: &str, account: &str, partner: &str, link: &str) -> Email {
    let (account, partner) = (sanitize::name(account), sanitize::name(partner));
    let subject = format!("{account} gives you access to your leads");
    let message =
        format!("{account} shares the leads of {partner} with you. Set your password within seven days to see them:");
    email_with_link(to, subject, &message, link)
}

/// To a person who requests a new password.
pub fn new_password(to: &str, scope: Scope, link: &str) -> Email {
    let product = match scope {
        Scope::Account => "Leadmesh",
        Scope::Portal => "the partner portal",
    };
    let subject = format!("Your new password for {product}");
    let message = format!(
        "Somebody, hopefully you, asked for a new password for {product}. Set it within an hour; \
         if it was not you, do nothing and the old one stays:"
    );
    email_with_link(to, subject, &message, link)
}

/// To an address used for a sign-up.
pub fn prove_address(to: &str, account: &str, link: &str) -> Email {
    let account = sanitize::name(account);
    let message = format!(
        "Somebody, hopefully you, uses this address to sign in to the account “{account}” on Leadmesh. If it was you, confirm within \
         three days that the address is yours. If it was not you, do nothing: the address then counts for nobody, and you can sign up \
         with it yourself."
    );
    email_with_link(to, "Confirm your address for Leadmesh".to_owned(), &message, link)
}

/// To a proven address used for another sign-up.
pub fn address_in_use(to: &str, account: &str, public_url: &str) -> Email {
    let account = sanitize::name(account);
    let message = format!(
        "Somebody, hopefully you, has signed up for Leadmesh as “{account}” with this address, which is yours already: sign in with \
         it as before, or ask for a new password. The other account cannot receive what is sent to you. If it is yours too, give it \
         another address; if it was not you, there is nothing to do."
    );
    email_with_link(to, "Your address was used on Leadmesh".to_owned(), &message, public_url)
}

/// To an address that an account has named as its contact.
pub fn prove_contact(to: &str, account: &str, link: &str) -> Email {
    let account = sanitize::name(account);
    let message = format!(
        "The account “{account}” on Leadmesh has named this address as its contact. If that is right, confirm it within three days, so \
         that partners can find the account by it. If you do not know the account, do nothing."
    );
    email_with_link(to, "Confirm a contact address for Leadmesh".to_owned(), &message, link)
}

/// One account or portal for which a new password can be set.
#[derive(Clone, Debug)]
pub struct ResetLink {
    /// Says whose password it is; names in it are [`sanitize`]d.
    pub about: String,
    pub link: String,
}

/// To a person who requests a new password, where the address is claimed more than once or not proven: each link says for what
/// it is.
pub fn new_passwords(to: &str, scope: Scope, links: &[ResetLink]) -> Email {
    let first = new_password(to, scope, "");
    let message = "Somebody, hopefully you, asked for a new password. Each link below works for an hour. Use only the link of an account \
                that you know: other people may have made one with your address. If it was not you, do nothing.";
    let mut text = format!("{message}\n");
    let mut html = format!("<p>{}</p>\n", escape_html(message));
    for ResetLink { about, link } in links {
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
    Email { text, html, ..first }
}

/// One paragraph and one link.
pub fn email_with_link(to: &str, subject: String, message: &str, link: &str) -> Email {
    let (paragraph, address) = (escape_html(message), escape_html(link));
    Email {
        to: to.to_owned(),
        subject,
        text: format!("{message}\n\n{link}\n"),
        html: format!("<p>{paragraph}</p>\n<p><a href=\"{address}\">{address}</a></p>\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_link_for_a_password_says_for_what_it_is() {
        let way = |about: &str, link: &str| ResetLink {
            about: about.into(),
            link: link.into(),
        };
        let links = [
            way("For <A>:", "https://x.example/1"),
            way("For B:", "https://x.example/2"),
        ];
        let mail = new_passwords("a@example.com", Scope::Account, &links);
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
