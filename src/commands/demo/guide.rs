//! What the demo tells at its start: where it is, who is in it, and requests to try.

use std::io::Write;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::company::Company;

const SUBMIT: &str = "mutation($input: SubmitLeadInput!) { submitLead(input: $input) \
                      { receipt { id outcome reasons { message } } userErrors { message } } }";

/// Writes it all.
pub(super) fn write(out: &mut impl Write, address: SocketAddr, company: &Company, lead: &str) -> std::io::Result<()> {
    let kept = &company.kept;
    let url = format!("http://{address}");
    writeln!(
        out,
        "Leadmesh is running at {url}/ (the API explorer; GraphQL is at {url}/graphql)"
    )?;
    writeln!(out)?;
    writeln!(
        out,
        "Sunny Homes shares every lead of its flow {} with three partners:",
        kept.flow
    )?;
    writeln!(
        out,
        "  Heatworks CRM by signed webhook, Roof & Sons by mail, Window World in the portal."
    )?;
    writeln!(out, "  owner       {}", kept.owner)?;
    writeln!(out, "              {}", company.owner_token)?;
    writeln!(out, "  API key     {}", kept.api_key)?;
    writeln!(out, "  portal user {}", kept.portal_user)?;
    writeln!(out, "              {}", company.portal_token)?;
    writeln!(out, "The Neighbour is another company on the same server.")?;
    writeln!(out, "  owner       {}", kept.neighbour)?;
    writeln!(out, "              {}", company.neighbour_token)?;
    writeln!(
        out,
        "Everybody's password is {} (logIn, portalLogIn); access tokens last 15 minutes.",
        kept.password
    )?;
    requests(out, &url, company, lead)
}

fn requests(out: &mut impl Write, url: &str, company: &Company, lead: &str) -> std::io::Result<()> {
    let kept = &company.kept;
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
    writeln!(out, "{}", post(&kept.api_key, SUBMIT, input(company)))?;
    writeln!(
        out,
        "Read a receipt; the neighbour asks for the same one and gets null:"
    )?;
    writeln!(out, "{}", post(&company.owner_token, receipt, id.clone()))?;
    writeln!(out, "{}", post(&company.neighbour_token, receipt, id))?;
    writeln!(out, "See what the partner sees in its portal:")?;
    writeln!(out, "{}", post(&company.portal_token, portal, json!({})))?;
    writeln!(
        out,
        "Watch leads come into the portal: open {url}/, put this into Headers, and run the line below it:"
    )?;
    writeln!(
        out,
        "  {}",
        json!({"Authorization": format!("Bearer {}", company.portal_token)})
    )?;
    writeln!(
        out,
        "  subscription {{ portalLeads {{ kind cursor lead {{ title fields }} }} }}"
    )?;
    writeln!(out)?;
    out.flush()
}

fn input(company: &Company) -> Value {
    json!({"input": {
        "flowId": company.kept.flow,
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
