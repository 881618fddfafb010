#!/usr/bin/env python3
"""Two companies connect and exchange a lead, over the GraphQL API alone.

    python3 examples/network.py [http://127.0.0.1:8080/graphql]

Needs Python 3.8 or newer and nothing else, and a server on which everybody may sign up.
"""

import json
import secrets
import sys
import urllib.error
import urllib.request

ENDPOINT = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/graphql"


def request(document, variables, token=None):
    """Sends one operation and returns its data; ends the program when the request itself failed."""
    headers = {"Content-Type": "application/json", "Accept": "application/graphql-response+json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    body = json.dumps({"query": document, "variables": variables}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(ENDPOINT, body, headers), timeout=30) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as refused:
        sys.exit(f"the server answered {refused.code}: {refused.read().decode(errors='replace')}")
    except urllib.error.URLError as failed:
        sys.exit(f"{ENDPOINT} cannot be reached: {failed.reason}")
    if answer.get("errors"):
        sys.exit(f"the request failed: {json.dumps(answer['errors'])}")
    return answer["data"]


def mutate(document, variables, token=None):
    """Sends a mutation with one root field and returns its payload; ends the program when a rule was broken."""
    (payload,) = request(document, variables, token).values()
    if payload["userErrors"]:
        sys.exit(f"a rule was broken: {json.dumps(payload['userErrors'])}")
    return payload


def sign_up(company, person):
    """Makes a company with its first person; returns the account and an access token."""
    payload = mutate(
        """
        mutation SignUp($input: SignUpInput!) {
          signUp(input: $input) {
            session { accessToken }
            viewer { account { id name } }
            userErrors { code message }
          }
        }
        """,
        {
            "input": {
                "accountName": company,
                "name": person,
                # A new address for each run: no two people of a server share one.
                "email": f"{person.lower()}.{secrets.token_hex(6)}@example.com",
                "password": secrets.token_urlsafe(18),
            }
        },
    )
    return payload["viewer"]["account"], payload["session"]["accessToken"]


def main():
    owner, owner_token = sign_up("Acme Leads", "Ada")
    sender, sender_token = sign_up("Bright Homes", "Ben")
    print(f"signed up   {owner['name']} ({owner['id']}) and {sender['name']} ({sender['id']})")

    flow = mutate(
        """
        mutation CreateFlow($input: CreateFlowInput!) {
          createFlow(input: $input) { flow { id name } userErrors { code message } }
        }
        """,
        {
            "input": {
                "name": "Roofing",
                "fields": [
                    {"name": "first_name", "type": "TEXT", "required": True},
                    {"name": "email", "type": "EMAIL", "required": True},
                    {"name": "zip", "type": "POSTAL_CODE", "required": True},
                    {"name": "budget", "type": "NUMBER"},
                ],
            }
        },
        owner_token,
    )["flow"]
    print(f"made        flow {flow['name']} ({flow['id']})")

    invitation = mutate(
        """
        mutation Invite($input: SendInvitationInput!) {
          sendInvitation(input: $input) { invitation { id status } userErrors { code message } }
        }
        """,
        {"input": {"accountId": sender["id"], "relationshipType": "RECEIVE_LEADS"}},
        owner_token,
    )["invitation"]
    print(f"invited     {sender['name']}: {invitation['status']}")

    connection = mutate(
        """
        mutation Accept($input: AnswerInvitationInput!) {
          acceptInvitation(input: $input) {
            connection { id status relationshipType partner { name } }
            userErrors { code message }
          }
        }
        """,
        {"input": {"id": invitation["id"]}},
        sender_token,
    )["connection"]
    print(
        f"accepted    connection with {connection['partner']['name']}:"
        f" {connection['status']}, {connection['relationshipType']}"
    )

    mutate(
        """
        mutation AddSource($input: AddSourceInput!) {
          addSource(input: $input) { flow { id } userErrors { code message } }
        }
        """,
        {
            "input": {
                "flowId": flow["id"],
                "connectionId": connection["id"],
                "price": {"amount": "15.00", "currency": "USD"},
            }
        },
        owner_token,
    )
    print(f"opened      {flow['name']} to {sender['name']}")

    api_key = mutate(
        """
        mutation CreateKey($input: CreateApiKeyInput!) {
          createApiKey(input: $input) { secret userErrors { code message } }
        }
        """,
        {"input": {"name": "website", "scopes": ["LEADS_SUBMIT", "NETWORK_READ"]}},
        sender_token,
    )["secret"]

    (docs,) = request(
        "query Docs($flow: ID!) { submissionDocs(flowId: $flow) { nodes { recipient { name } fields { name required } } } }",
        {"flow": flow["id"]},
        api_key,
    )["submissionDocs"]["nodes"]
    required = ", ".join(field["name"] for field in docs["fields"] if field["required"])
    print(f"read docs   {docs['recipient']['name']} requires {required}")

    receipt = mutate(
        """
        mutation Submit($input: SubmitLeadInput!) {
          submitLead(input: $input) {
            receipt {
              id
              outcome
              price { amount currency }
              reasons { field message }
              warnings { field message }
            }
            userErrors { code message }
          }
        }
        """,
        {
            "input": {
                "flowId": flow["id"],
                "idempotencyKey": "form-1",
                "fields": {"first_name": "Dana", "email": "Dana.Hill@Example.com", "zip": "94110", "budget": "12,500"},
            }
        },
        api_key,
    )["receipt"]
    print(f"\nreceipt of {sender['name']}:\n{json.dumps(receipt, indent=2)}")
    if receipt["outcome"] != "ACCEPTED":
        sys.exit("the lead was not accepted")

    lead = request(
        """
        query Lead($id: ID!) {
          lead(id: $id) { id outcome partner { name } source { name } price { amount currency } fields }
        }
        """,
        {"id": receipt["id"]},
        owner_token,
    )["lead"]
    print(f"\nlead of {owner['name']}:\n{json.dumps(lead, indent=2)}")
    if lead["partner"]["name"] != sender["name"]:
        sys.exit("the lead came from somebody else")


if __name__ == "__main__":
    main()
