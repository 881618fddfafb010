//! Methods and bodies of webhooks.

use serde_json::json;

use crate::support::app::both;
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{ana, webhook_with};

both!(
    /// D5: a form keeps `&` and `ü`, and leaves out what the lead lacks.
    a_form_carries_every_character,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let settings = json!({
            "payload": "FORM",
            "fields": { "mode": "ONLY", "fields": ["first_name", "last_name", "company", "score"] },
            "mapping": [{ "from": "company", "to": "Firma" }],
        });
        let (flow, ..) = app.flow_to(&owner, webhook_with(&receiver.url("/form"), settings)).await;

        app.submit(&owner, &flow, json!({ "first_name": "Jürgen", "company": "Müller & Söhne=50% +1", "score": 7.5 })).await;

        let request = receiver.next().await;
        assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert!(request.text().is_ascii(), "{}", request.text());
        let values: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let expected = [("first_name", "Jürgen"), ("score", "7.5"), ("Firma", "Müller & Söhne=50% +1")];
        let sorted = |mut pairs: Vec<(String, String)>| {
            pairs.sort();
            pairs
        };
        assert_eq!(sorted(values), sorted(expected.map(|(name, value)| (name.into(), value.into())).to_vec()));
    }
);

both!(
    /// D6: a custom shape as a form: objects and lists in brackets, byte for byte, without what the lead lacks.
    a_form_nests_in_brackets,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let template = json!({
            "contact": { "mail": "{{ lead.email }}", "names": ["{{ lead.first_name }}", { "last": "{{ lead.last_name }}" }] },
            "empty": [],
            "fixed": [true, 1.5, null],
            "phone": "{{ lead.phone }}",
            "score": "{{ lead.score }}",
        });
        let settings = json!({ "payload": "FORM", "template": template });
        let (flow, ..) = app.flow_to(&owner, webhook_with(&receiver.url("/"), settings)).await;

        app.submit(&owner, &flow, json!({ "first_name": "Jürgen & Co", "last_name": "a=b", "email": "j@example.com", "score": 7 })).await;

        let request = receiver.next().await;
        assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
        let body = "contact%5Bmail%5D=j%40example.com&contact%5Bnames%5D%5B0%5D=J%C3%BCrgen+%26+Co&contact%5Bnames%5D%5B1%5D%5Blast%5D=a%3Db\
            &fixed%5B0%5D=true&fixed%5B1%5D=1.5&score=7";
        assert_eq!(request.text(), body);
    }
);

both!(
    /// D5: PUT and PATCH.
    a_webhook_uses_the_method_that_its_partner_wants,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let by = |method: &str| webhook_with(&receiver.url("/leads?from=acme"), json!({ "method": method }));
        let (flow, partner, _) = app.flow_to(&owner, by("PUT")).await;
        for method in ["PUT", "PATCH"] {
            app.set_delivery(&owner, &partner, by(method)).await;
            app.submit(&owner, &flow, ana()).await;
            let request = receiver.next().await;
            assert_eq!((request.method.as_str(), request.uri.to_string().as_str()), (method, "/leads?from=acme"));
            assert_eq!(request.json()["first_name"], "Ana");
        }
    }
);

both!(
    /// D6: the partner's own shape, in which whole-value placeholders keep their type.
    a_custom_shape_is_sent_exactly_and_numbers_stay_numbers,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let template = json!({ "contact": { "mail": "{{ lead.email }}" }, "score": "{{ lead.score }}", "src": "leadmesh" });
        let (flow, ..) = app.flow_to(&owner, webhook_with(&receiver.url("/"), json!({ "template": template }))).await;

        app.submit(&owner, &flow, ana()).await;
        let request = receiver.next().await;
        assert_eq!(request.text(), r#"{"contact":{"mail":"ana@example.com"},"score":7,"src":"leadmesh"}"#);
        assert_eq!(request.header("content-type"), Some("application/json"));

        app.submit(&owner, &flow, json!({ "email": "bo@example.com" })).await;
        assert_eq!(receiver.next().await.text(), r#"{"contact":{"mail":"bo@example.com"},"score":null,"src":"leadmesh"}"#);
    }
);
