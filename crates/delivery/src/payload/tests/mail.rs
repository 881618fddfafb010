use super::*;

#[test]
fn a_name_with_line_breaks_adds_no_header_and_html_is_escaped() {
    let lead = object(json!({"first_name": "Ana\r\nBcc: x@y.test", "company": "<script>alert('1')</script>"}));
    for body in ["", "<p>{{ lead.first_name }} of {{ lead.company }}</p>"] {
        let mail = mail(&email("New lead {{ lead.first_name }}", body, EmailFormat::Html), &lead);
        assert_eq!(mail.subject, "New lead Ana Bcc: x@y.test");
        let html = mail.html.unwrap();
        assert!(
            html.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"),
            "{html}"
        );
        assert!(!html.contains("<script"), "{html}");
        assert!(mail.text.contains("<script>alert('1')</script>"), "{}", mail.text);
    }
}

#[test]
fn a_mail_without_body_lists_the_shared_fields() {
    let mut config = email("Lead", " \n", EmailFormat::Text);
    config.mapping = renamed("email", "Mail");
    let mail = mail(&config, &lead());
    assert_eq!(mail.html, None);
    assert_eq!(
        mail.text,
        "First name: Ana\nMail: ana@a.test\nCompany <i>: Müller & Söhne\nScore: 42\nOpt-in: true\n"
    );
}

#[test]
fn a_value_of_several_lines_cannot_pass_for_another_field() {
    let lead = object(json!({"first_name": "Ana\r\nEmail: x@y.test\rScore: 1"}));
    let mail = mail(&email("Lead", "", EmailFormat::Text), &lead);
    assert_eq!(mail.text, "First name: Ana\n    Email: x@y.test\n    Score: 1\n");
}

#[test]
fn an_html_mail_without_body_is_a_table_with_a_plain_alternative() {
    let lead = object(json!({"first_name": "Ana\nMaria", "company": "A & B", "extra": {"a": [1]}}));
    let mail = mail(&email("Lead <1>", "", EmailFormat::Html), &lead);
    assert_eq!(
        mail.text,
        "First name: Ana\n    Maria\nCompany <i>: A & B\nExtra: {\"a\":[1]}\n"
    );
    let html = mail.html.unwrap();
    assert!(html.contains("<title>Lead &lt;1&gt;</title>"), "{html}");
    assert!(
        html.contains(">First name</th>") && html.contains(">Ana<br>Maria</td>"),
        "{html}"
    );
    assert!(
        html.contains(">Company &lt;i&gt;</th>") && html.contains(">A &amp; B</td>"),
        "{html}"
    );
    assert_eq!(html.matches("<th scope=\"row\"").count(), 3);
}

#[test]
fn the_subject_of_a_test_says_so() {
    let prepared = PreparedEmail::new(&email("New lead", "", EmailFormat::Text), &definitions()).unwrap();
    let mail = prepared.render(&lead(), &envelope(true), &Budget::default()).unwrap();
    assert_eq!(mail.subject, "[Test] New lead");
}
