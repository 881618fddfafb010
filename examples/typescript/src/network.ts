// Two companies connect and exchange a lead, over the GraphQL API alone.
//
//   npm start [-- http://127.0.0.1:8080/graphql]

import { randomBytes } from "node:crypto";
import { graphql } from "./generated/gql";
import type { TypedDocumentString } from "./generated/graphql";

const endpoint = process.argv[2] ?? "http://127.0.0.1:8080/graphql";

interface Answer<Data> {
  data?: Data | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

interface Payload {
  userErrors: { code: string; message: string }[];
}

/** Sends one operation and returns its data; throws when the request itself failed. */
async function request<Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
  token?: string,
): Promise<Data> {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Accept: "application/graphql-response+json",
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query: document.toString(), variables }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (!response.headers.get("Content-Type")?.includes("json")) {
    throw new Error(`the server answered ${response.status}: ${text}`);
  }
  const answer = JSON.parse(text) as Answer<Data>;
  if (answer.errors?.length || !answer.data) {
    throw new Error(`the request failed: ${JSON.stringify(answer.errors)}`);
  }
  return answer.data;
}

/** Returns a mutation's payload; throws when a rule of the business was broken. */
function kept<P extends Payload>(payload: P): P {
  if (payload.userErrors.length > 0) {
    throw new Error(`a rule was broken: ${JSON.stringify(payload.userErrors)}`);
  }
  return payload;
}

/** Returns what a payload without user errors carries. */
function there<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("the answer lacks what it should have");
  return value;
}

const SignUp = graphql(`
  mutation SignUp($input: SignUpInput!) {
    signUp(input: $input) {
      session { accessToken }
      viewer { account { id name } }
      userErrors { code message }
    }
  }
`);

const CreateFlow = graphql(`
  mutation CreateFlow($input: CreateFlowInput!) {
    createFlow(input: $input) { flow { id name } userErrors { code message } }
  }
`);

const SendInvitation = graphql(`
  mutation SendInvitation($input: SendInvitationInput!) {
    sendInvitation(input: $input) { invitation { id status } userErrors { code message } }
  }
`);

const AcceptInvitation = graphql(`
  mutation AcceptInvitation($input: AnswerInvitationInput!) {
    acceptInvitation(input: $input) {
      connection { id status relationshipType partner { name } }
      userErrors { code message }
    }
  }
`);

const AddSource = graphql(`
  mutation AddSource($input: AddSourceInput!) {
    addSource(input: $input) { flow { id } userErrors { code message } }
  }
`);

const CreateApiKey = graphql(`
  mutation CreateApiKey($input: CreateApiKeyInput!) {
    createApiKey(input: $input) { secret userErrors { code message } }
  }
`);

const Docs = graphql(`
  query Docs($flow: ID!) {
    submissionDocs(flowId: $flow) { nodes { recipient { name } fields { name required } } }
  }
`);

const SubmitLead = graphql(`
  mutation SubmitLead($input: SubmitLeadInput!) {
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
`);

const LeadOfOwner = graphql(`
  query LeadOfOwner($id: ID!) {
    lead(id: $id) { id outcome partner { name } source { name } price { amount currency } fields }
  }
`);

/** Makes a company with its first person. */
async function signUp(accountName: string, name: string) {
  const input = {
    accountName,
    name,
    // A new address for each run: no two people of a server share one.
    email: `${name.toLowerCase()}.${randomBytes(6).toString("hex")}@example.com`,
    password: randomBytes(18).toString("base64url"),
  };
  const { session, viewer } = kept((await request(SignUp, { input })).signUp);
  return { account: there(viewer?.account), token: there(session).accessToken };
}

const owner = await signUp("Acme Leads", "Ada");
const sender = await signUp("Bright Homes", "Ben");
console.log(`signed up   ${owner.account.name} (${owner.account.id}) and ${sender.account.name} (${sender.account.id})`);

const created = await request(
  CreateFlow,
  {
    input: {
      name: "Roofing",
      fields: [
        { name: "first_name", type: "TEXT", required: true },
        { name: "email", type: "EMAIL", required: true },
        { name: "zip", type: "POSTAL_CODE", required: true },
        { name: "budget", type: "NUMBER" },
      ],
    },
  },
  owner.token,
);
const flow = there(kept(created.createFlow).flow);
console.log(`made        flow ${flow.name} (${flow.id})`);

const sent = await request(
  SendInvitation,
  { input: { accountId: sender.account.id, relationshipType: "RECEIVE_LEADS" } },
  owner.token,
);
const invitation = there(kept(sent.sendInvitation).invitation);
console.log(`invited     ${sender.account.name}: ${invitation.status}`);

const accepted = await request(AcceptInvitation, { input: { id: invitation.id } }, sender.token);
const connection = there(kept(accepted.acceptInvitation).connection);
console.log(
  `accepted    connection with ${connection.partner.name}: ${connection.status}, ${connection.relationshipType}`,
);

const opened = await request(
  AddSource,
  { input: { flowId: flow.id, connectionId: connection.id, price: { amount: "15.00", currency: "USD" } } },
  owner.token,
);
kept(opened.addSource);
console.log(`opened      ${flow.name} to ${sender.account.name}`);

const keyed = await request(
  CreateApiKey,
  { input: { name: "website", scopes: ["LEADS_SUBMIT", "NETWORK_READ"] } },
  sender.token,
);
const apiKey = there(kept(keyed.createApiKey).secret);

const docs = there((await request(Docs, { flow: flow.id }, apiKey)).submissionDocs.nodes[0]);
const required = docs.fields.filter((field) => field.required).map((field) => field.name);
console.log(`read docs   ${docs.recipient.name} requires ${required.join(", ")}`);

const submitted = await request(
  SubmitLead,
  {
    input: {
      flowId: flow.id,
      idempotencyKey: "form-1",
      fields: { first_name: "Dana", email: "Dana.Hill@Example.com", zip: "94110", budget: "12,500" },
    },
  },
  apiKey,
);
const receipt = there(kept(submitted.submitLead).receipt);
console.log(`\nreceipt of ${sender.account.name}:\n${JSON.stringify(receipt, null, 2)}`);
if (receipt.outcome !== "ACCEPTED") throw new Error("the lead was not accepted");

const lead = there((await request(LeadOfOwner, { id: receipt.id }, owner.token)).lead);
console.log(`\nlead of ${owner.account.name}:\n${JSON.stringify(lead, null, 2)}`);
if (lead.partner?.name !== sender.account.name) throw new Error("the lead came from somebody else");
