//! The plain-text alternative of an HTML mail.
//!
//! Enough for the HTML that people write into a mail template, not a browser: tags go, blocks and breaks end lines,
//! the common entities are resolved. Placeholders were escaped before, so a value never counts as a tag.

pub(super) fn html_to_text(html: &str) -> String {
    let mut text = Text::default();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.words(before);
        rest = after_tag(tag, &mut text);
    }
    text.words(rest);
    text.finish()
}

/// Handles what follows a `<` and returns what comes after the tag.
fn after_tag<'a>(tag: &'a str, text: &mut Text) -> &'a str {
    if let Some(comment) = tag.strip_prefix("!--") {
        return comment.split_once("-->").map_or("", |(_, after)| after);
    }
    let (tag, after) = tag.split_once('>').unwrap_or((tag, ""));
    let name = tag.trim_start_matches('/');
    let name = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .next()
        .unwrap_or_default();
    match name.to_ascii_lowercase().as_str() {
        unread @ ("head" | "script" | "style" | "title") if !tag.starts_with('/') => {
            return skip_element(after, unread);
        }
        "br" | "hr" | "p" | "div" | "tr" | "li" | "ul" | "ol" | "table" | "caption" | "blockquote" | "section"
        | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "pre" => {
            text.break_line();
        }
        "td" | "th" => text.space(),
        _ => {}
    }
    after
}

/// What follows the end tag of an element whose content is not shown.
fn skip_element<'a>(content: &'a str, name: &str) -> &'a str {
    let is_end = |(start, _): &(usize, &str)| {
        let name_at = content.get(start + 2..start + 2 + name.len());
        name_at.is_some_and(|found| found.eq_ignore_ascii_case(name))
    };
    let end = content.match_indices("</").find(is_end);
    let end_tag = end.and_then(|(start, _)| content.get(start..)).unwrap_or_default();
    end_tag.split_once('>').map_or("", |(_, after)| after)
}

#[derive(Default)]
struct Text {
    out: String,
    space: bool,
    line: bool,
}

impl Text {
    /// Adds text with its whitespace collapsed.
    fn words(&mut self, html: &str) {
        let mut rest = html;
        while let Some(first) = rest.chars().next() {
            let (c, length) = if first == '&' {
                entity(rest)
            } else {
                (first, first.len_utf8())
            };
            rest = rest.get(length..).unwrap_or_default();
            if first.is_whitespace() {
                self.space();
            } else {
                self.push(c);
            }
        }
    }

    fn space(&mut self) {
        self.space = true;
    }

    fn break_line(&mut self) {
        self.line = true;
    }

    fn push(&mut self, c: char) {
        if !self.out.is_empty() {
            match (self.line, self.space) {
                (true, _) => self.out.push('\n'),
                (false, true) => self.out.push(' '),
                (false, false) => {}
            }
        }
        (self.line, self.space) = (false, false);
        self.out.push(c);
    }

    fn finish(mut self) -> String {
        self.out.push('\n');
        self.out
    }
}

/// Resolves the entity at the beginning; an unknown one is a plain `&`. Returns its length in bytes, too.
fn entity(rest: &str) -> (char, usize) {
    let body = rest.get(1..).unwrap_or_default();
    // Looks no further than the longest name: a text of nothing but & would be searched to its end for each of them.
    let Some(end) = body.bytes().take(11).position(|byte| byte == b';') else {
        return ('&', 1);
    };
    let name = body.get(..end).unwrap_or_default();
    named(name)
        .or_else(|| numbered(name))
        .map_or(('&', 1), |c| (c, end + 2))
}

fn named(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "euro" => '€',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "copy" => '©',
        _ => return None,
    })
}

fn numbered(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#')?;
    let code = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_become_lines_and_tags_and_styles_go() {
        let html = "<head><title>x</title></head><!-- <p>no</p> --><STYLE>p{}</STYLE><h1>New  lead</h1>\n\
                    <p>Hello <b>Ana</b>,<br/>call&nbsp;her.</p><table><tr><th>Phone</th><td>1 &lt; 2 &amp;#39;</td></tr></table>";
        assert_eq!(
            html_to_text(html),
            "New lead\nHello Ana,\ncall her.\nPhone 1 < 2 &#39;\n"
        );
    }

    #[test]
    fn broken_html_still_gives_its_words() {
        assert_eq!(
            html_to_text("a &unknown; &#x2f; &#xD800; b <i"),
            "a &unknown; / &#xD800; b\n"
        );
        assert_eq!(html_to_text("<style>never closed"), "\n");
    }

    proptest! {
        #[test]
        fn an_escaped_value_is_read_back(words in prop::collection::vec("[a-z<>&\"';/#]{1,8}", 1..5)) {
            let value = words.join(" ");
            let html = format!("<p>{}</p>", leadmesh_forms::templates::escape_html(&value));
            prop_assert_eq!(html_to_text(&html), format!("{}\n", value));
        }

        #[test]
        fn no_input_makes_it_panic(html in "[<>/&;#!a-zü\\-\" ]{0,60}|(</?(head|style|p|ü)>?){0,6}") {
            html_to_text(&html);
        }
    }
}
