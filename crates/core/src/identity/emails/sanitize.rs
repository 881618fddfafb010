//! Makes texts of other accounts harmless in an email. The instance's emails carry them under the operator's name, so no text may
//! become a link, hide or reverse other text, or fill the email.

/// Most characters of a name in an email.
const NAME: usize = 64;
/// Most characters and lines of a message in an email.
const MESSAGE: (usize, usize) = (1_000, 20);
/// Stands for a name of which nothing is left.
const NAMELESS: &str = "(no name)";
/// A dot that no email program takes for part of an address.
const HARMLESS_DOT: char = '·';

/// One line of at most 64 characters.
pub fn name(text: &str) -> String {
    let line = line(text);
    if line.is_empty() {
        return NAMELESS.to_owned();
    }
    shortened(line, NAME)
}

/// One line, of which no email program makes a link. Idempotent.
pub fn line(text: &str) -> String {
    let visible: Vec<char> = text.chars().filter_map(visible).collect();
    let spaced: String = visible.into_iter().collect();
    let one_line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    unlinked(&one_line)
}

/// For the server's own texts that quote others.
pub fn bounded(text: &str, most: usize) -> String {
    shortened(line(text), most)
}

/// Several lines: at most 20 and 1,000 characters.
pub fn message(text: &str) -> String {
    let (characters, lines) = MESSAGE;
    let kept: Vec<String> = text.lines().take(lines).map(line).collect();
    shortened(kept.join("\n"), characters)
}

fn shortened(text: String, most: usize) -> String {
    if text.chars().count() <= most {
        return text;
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Line breaks and other control characters become spaces; invisible characters and those that change the direction of text
/// disappear.
fn visible(character: char) -> Option<char> {
    let is_hidden = matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}');
    if is_hidden {
        None
    } else if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
        Some(' ')
    } else {
        Some(character)
    }
}

/// Breaks what email programs make links of: domain names and IP addresses by their dots, `scheme:` and `//`, addresses by
/// their `@`, shares by their `\\`.
fn unlinked(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let joins = characters.peek().copied().is_some_and(is_part_of_a_name);
        match character {
            dot if is_dot(dot) && joins => safe.push(HARMLESS_DOT),
            '@' | '＠' | '﹫' => push_word(&mut safe, "at", joins),
            colon if is_colon(colon) && (joins || is_slash(characters.peek())) => {
                let is_time = safe.ends_with(|last: char| last.is_ascii_digit())
                    && characters.peek().is_some_and(char::is_ascii_digit);
                safe.push_str(if is_time { ":" } else { ": " });
            }
            slash if is_slash(Some(&slash)) => {
                while is_slash(characters.peek()) {
                    characters.next();
                }
                // At the start of a word it could start a path or an address.
                let begins = safe.is_empty() || safe.ends_with(' ');
                if !begins || characters.peek().is_some_and(|next| next.is_whitespace()) {
                    safe.push('/');
                }
            }
            other => safe.push(other),
        }
    }
    safe.trim_end().to_owned()
}

fn push_word(safe: &mut String, word: &str, more: bool) {
    if !safe.is_empty() && !safe.ends_with(' ') {
        safe.push(' ');
    }
    safe.push_str(word);
    if more {
        safe.push(' ');
    }
}

/// A full stop, or a character that address bars read as one.
fn is_dot(character: char) -> bool {
    matches!(character, '.' | '。' | '．' | '｡' | '․' | '﹒')
}

fn is_colon(character: char) -> bool {
    matches!(character, ':' | '：' | '︓' | '﹕')
}

fn is_slash(character: Option<&char>) -> bool {
    matches!(character, Some('/' | '\\' | '／' | '＼' | '⁄' | '∕' | '﹨'))
}

/// Whether a word could go on with it: anything but space, dots, and the punctuation that follows a sentence.
fn is_part_of_a_name(character: char) -> bool {
    !character.is_whitespace()
        && !is_dot(character)
        && character != HARMLESS_DOT
        && !matches!(
            character,
            ',' | ';' | ':' | '!' | '?' | ')' | ']' | '}' | '"' | '\'' | '”' | '’' | '»' | '…'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay_as_they_are() {
        for plain in [
            "Acme Solar",
            "Alpha & Söhne <Leads>",
            "Müller, Meier & Co.",
            "St. Gallen Dächer",
            "J. R. \"Bob\" O’Neil, Inc.,",
            "Sun (24/7)",
            "日本太陽光",
            "9:30 or later / earlier...",
        ] {
            assert_eq!(name(plain), plain);
        }
    }

    #[test]
    fn nothing_is_left_that_becomes_a_link() {
        for (written, shown) in [
            ("https://evil.example/login?x=1", "https: evil·example/login?x=1"),
            ("Acme.com", "Acme·com"),
            ("www.evil.example now", "www·evil·example now"),
            ("evil。example", "evil·example"),
            ("evil．example", "evil·example"),
            ("1.2.3.4", "1·2·3·4"),
            ("http:evil", "http: evil"),
            ("http:\\\\evil", "http: evil"),
            ("//evil/x", "evil/x"),
            ("\\\\evil\\share", "evil/share"),
            ("mailto:ann@evil.example", "mailto: ann at evil·example"),
            ("ev\u{200b}il.\u{200d}example", "evil·example"),
            ("evil.рф", "evil·рф"),
            ("evil..example", "evil.·example"),
            ("javascript:alert(1)", "javascript: alert(1)"),
        ] {
            assert_eq!(line(written), shown, "{written:?}");
            assert_eq!(line(shown), shown, "again");
        }
    }

    #[test]
    fn nothing_is_left_that_hides_or_turns_text() {
        assert_eq!(name("A\u{202e}cme\u{2066}\r\nBcc: x"), "Acme Bcc: x");
        assert_eq!(name("\u{200b}\u{2060}"), NAMELESS);
        assert_eq!(name("//"), NAMELESS);
        let long = name(&"x".repeat(120));
        assert_eq!((long.chars().count(), long.ends_with('…')), (NAME, true));
    }

    #[test]
    fn a_message_keeps_its_lines_within_bounds() {
        assert_eq!(
            message("Hello,\r\n see evil.example\n\nAnn"),
            "Hello,\nsee evil·example\n\nAnn"
        );
        assert_eq!(message(&"a\n".repeat(100)).lines().count(), 20);
        assert_eq!(message(&"x".repeat(2_000)).chars().count(), 1_000);
    }
}
