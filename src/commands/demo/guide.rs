//! The text that the demo prints at its start: addresses, log-ins, and requests to try.

use std::io::Write;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::company::Company;

const SUBMIT: &str = "mutation($input: SubmitLeadInput!) { submitLead(input: $input) \
                      { receipt { id outcome reasons { message } } userErrors { message } } }";

pub(super) fn write(out: &mut impl Write, address: SocketAddr, company: &Company, lead: &str) -> std::io::Result<()> {
    let url = format!("http://{address}");
    writeln!(
        out,
        "Leadmesh is running: the API explorer is at {url}/ and GraphQL at {url}/graphql"
    )?;
    writeln!(
        out,
        "The page for partners is at {url}/portal/: come in as Sash & Daughters, with the password below"
    )?;
    writeln!(out)?;
    people(out, company)?;
    requests(out, &url, company, lead)
}

fn people(out: &mut impl Write, company: &Company) -> std::io::Result<()> {
    let state = &company.state;
    writeln!(
        out,
        "Sunny Homes shares every lead of its flow with three partners: Heatworks CRM gets a signed webhook,"
    )?;
    writeln!(
        out,
        "Roof & Sons a mail, Sash & Daughters sees it in its portal. The Neighbour is another company on this server."
    )?;
    writeln!(out)?;
    writeln!(out, "  flow               {}", state.flow)?;
    writeln!(out, "  Sunny Homes        {}  {}", state.owner, state.api_key)?;
    writeln!(out, "  The Neighbour      {}  {}", state.neighbour, state.neighbour_key)?;
    writeln!(out, "  Sash & Daughters   {}", state.portal_user)?;
    writeln!(out, "  everyone's password  {}", state.password)?;
    writeln!(out)?;
    writeln!(
        out,
        "Access tokens, for 15 minutes (then logIn or portalLogIn; the keys above do not end):"
    )?;
    writeln!(out, "  Sunny Homes        {}", company.owner_token)?;
    writeln!(out, "  The Neighbour      {}", company.neighbour_token)?;
    writeln!(out, "  Sash & Daughters   {}", company.portal_token)
}

fn requests(out: &mut impl Write, url: &str, company: &Company, lead: &str) -> std::io::Result<()> {
    let state = &company.state;
    let post = |token: &str, query: &str, variables: Value| {
        let body = json!({"query": query, "variables": variables});
        format!(
            "  curl -s {url}/graphql -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{body}'"
        )
    };
    let receipt = "query($id: ID!) { submission(id: $id) { outcome submittedAt } }";
    let portal = "{ portal { partnerName leads(first: 3) { nodes { title fields } } } }";
    let id = json!({"id": lead});
    writeln!(out)?;
    writeln!(out, "Submit a lead:")?;
    writeln!(out, "{}", post(&state.api_key, SUBMIT, input(company)))?;
    writeln!(
        out,
        "Read the receipt of the first lead; the neighbour asks for the same one and gets null:"
    )?;
    writeln!(out, "{}", post(&state.api_key, receipt, id.clone()))?;
    writeln!(out, "{}", post(&state.neighbour_key, receipt, id))?;
    writeln!(out, "See what Sash & Daughters sees in its portal:")?;
    writeln!(out, "{}", post(&company.portal_token, portal, json!({})))?;
    writeln!(
        out,
        "Watch leads come into that portal: open {url}/, put its token into Headers, and run the subscription:"
    )?;
    writeln!(out, "  {{\"Authorization\": \"Bearer (token of Sash & Daughters)\"}}")?;
    writeln!(
        out,
        "  subscription {{ portalLeads {{ kind cursor lead {{ title fields }} }} }}"
    )?;
    writeln!(out)?;
    out.flush()
}

fn input(company: &Company) -> Value {
    json!({"input": {
        "flowId": company.state.flow,
        "fields": {
            "first_name": "Dana",
            "last_name": "Hill",
            "email": "dana.hill@example.com",
            "phone": "+1 415 555 0123",
            "zip": "94110",
            "service": "Solar panels",
        },
    }})
}
