/* eslint-disable */
import * as types from './graphql';



/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "\n  mutation SignUp($input: SignUpInput!) {\n    signUp(input: $input) {\n      session { accessToken }\n      viewer { account { id name } }\n      userErrors { code message }\n    }\n  }\n": typeof types.SignUpDocument,
    "\n  mutation CreateFlow($input: CreateFlowInput!) {\n    createFlow(input: $input) { flow { id name } userErrors { code message } }\n  }\n": typeof types.CreateFlowDocument,
    "\n  mutation SendInvitation($input: SendInvitationInput!) {\n    sendInvitation(input: $input) { invitation { id status } userErrors { code message } }\n  }\n": typeof types.SendInvitationDocument,
    "\n  mutation AcceptInvitation($input: AnswerInvitationInput!) {\n    acceptInvitation(input: $input) {\n      connection { id status relationshipType partner { name } }\n      userErrors { code message }\n    }\n  }\n": typeof types.AcceptInvitationDocument,
    "\n  mutation AddSource($input: AddSourceInput!) {\n    addSource(input: $input) { flow { id } userErrors { code message } }\n  }\n": typeof types.AddSourceDocument,
    "\n  mutation CreateApiKey($input: CreateApiKeyInput!) {\n    createApiKey(input: $input) { secret userErrors { code message } }\n  }\n": typeof types.CreateApiKeyDocument,
    "\n  query Docs($flow: ID!) {\n    submissionDocs(flowId: $flow) { nodes { recipient { name } fields { name required } } }\n  }\n": typeof types.DocsDocument,
    "\n  mutation SubmitLead($input: SubmitLeadInput!) {\n    submitLead(input: $input) {\n      receipt {\n        id\n        outcome\n        price { amount currency }\n        reasons { field message }\n        warnings { field message }\n      }\n      userErrors { code message }\n    }\n  }\n": typeof types.SubmitLeadDocument,
    "\n  query LeadOfOwner($id: ID!) {\n    lead(id: $id) { id outcome partner { name } source { name } price { amount currency } fields }\n  }\n": typeof types.LeadOfOwnerDocument,
};
const documents: Documents = {
    "\n  mutation SignUp($input: SignUpInput!) {\n    signUp(input: $input) {\n      session { accessToken }\n      viewer { account { id name } }\n      userErrors { code message }\n    }\n  }\n": types.SignUpDocument,
    "\n  mutation CreateFlow($input: CreateFlowInput!) {\n    createFlow(input: $input) { flow { id name } userErrors { code message } }\n  }\n": types.CreateFlowDocument,
    "\n  mutation SendInvitation($input: SendInvitationInput!) {\n    sendInvitation(input: $input) { invitation { id status } userErrors { code message } }\n  }\n": types.SendInvitationDocument,
    "\n  mutation AcceptInvitation($input: AnswerInvitationInput!) {\n    acceptInvitation(input: $input) {\n      connection { id status relationshipType partner { name } }\n      userErrors { code message }\n    }\n  }\n": types.AcceptInvitationDocument,
    "\n  mutation AddSource($input: AddSourceInput!) {\n    addSource(input: $input) { flow { id } userErrors { code message } }\n  }\n": types.AddSourceDocument,
    "\n  mutation CreateApiKey($input: CreateApiKeyInput!) {\n    createApiKey(input: $input) { secret userErrors { code message } }\n  }\n": types.CreateApiKeyDocument,
    "\n  query Docs($flow: ID!) {\n    submissionDocs(flowId: $flow) { nodes { recipient { name } fields { name required } } }\n  }\n": types.DocsDocument,
    "\n  mutation SubmitLead($input: SubmitLeadInput!) {\n    submitLead(input: $input) {\n      receipt {\n        id\n        outcome\n        price { amount currency }\n        reasons { field message }\n        warnings { field message }\n      }\n      userErrors { code message }\n    }\n  }\n": types.SubmitLeadDocument,
    "\n  query LeadOfOwner($id: ID!) {\n    lead(id: $id) { id outcome partner { name } source { name } price { amount currency } fields }\n  }\n": types.LeadOfOwnerDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation SignUp($input: SignUpInput!) {\n    signUp(input: $input) {\n      session { accessToken }\n      viewer { account { id name } }\n      userErrors { code message }\n    }\n  }\n"): typeof import('./graphql').SignUpDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateFlow($input: CreateFlowInput!) {\n    createFlow(input: $input) { flow { id name } userErrors { code message } }\n  }\n"): typeof import('./graphql').CreateFlowDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation SendInvitation($input: SendInvitationInput!) {\n    sendInvitation(input: $input) { invitation { id status } userErrors { code message } }\n  }\n"): typeof import('./graphql').SendInvitationDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation AcceptInvitation($input: AnswerInvitationInput!) {\n    acceptInvitation(input: $input) {\n      connection { id status relationshipType partner { name } }\n      userErrors { code message }\n    }\n  }\n"): typeof import('./graphql').AcceptInvitationDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation AddSource($input: AddSourceInput!) {\n    addSource(input: $input) { flow { id } userErrors { code message } }\n  }\n"): typeof import('./graphql').AddSourceDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateApiKey($input: CreateApiKeyInput!) {\n    createApiKey(input: $input) { secret userErrors { code message } }\n  }\n"): typeof import('./graphql').CreateApiKeyDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Docs($flow: ID!) {\n    submissionDocs(flowId: $flow) { nodes { recipient { name } fields { name required } } }\n  }\n"): typeof import('./graphql').DocsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation SubmitLead($input: SubmitLeadInput!) {\n    submitLead(input: $input) {\n      receipt {\n        id\n        outcome\n        price { amount currency }\n        reasons { field message }\n        warnings { field message }\n      }\n      userErrors { code message }\n    }\n  }\n"): typeof import('./graphql').SubmitLeadDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query LeadOfOwner($id: ID!) {\n    lead(id: $id) { id outcome partner { name } source { name } price { amount currency } fields }\n  }\n"): typeof import('./graphql').LeadOfOwnerDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
