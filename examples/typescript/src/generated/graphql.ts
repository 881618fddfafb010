/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** A source to add to a flow: a connected account's with `connectionId` or `invitationId`, else one of the account's own. */
export type AddSourceInput = {
  /** Which leads it may submit, after the flow's own rule; null means all. Takes the PAID plan. */
  acceptanceRule?: RuleInput | null | undefined;
  /** Limits of accepted leads, after the flow's own, one for each period at most. Takes the PAID plan. */
  caps?: Array<CapInput> | null | undefined;
  /**
   * The connection with the sender, a partner account. It must be live (`NOT_CONNECTED`) and let the partner send
   * (`DIRECTION_NOT_AGREED`), and the partner no source of this flow yet (TAKEN). Null for a source of the account's own.
   */
  connectionId?: string | null | undefined;
  /** Whether it may submit at once; of an invited partner, whether it may once it has accepted. */
  enabled?: boolean | null | undefined;
  /** To which flow. */
  flowId: string;
  /**
   * An invitation of this account's that the sender has not accepted yet: until it does, the source is a draft that submits
   * nothing, and then it is as it was asked for. Not together with `connectionId`.
   */
  invitationId?: string | null | undefined;
  /** Renamings from the sender's field names to the flow's; at most 200. */
  mapping?: Array<FieldMappingInput> | null | undefined;
  /** As shown, at most 120 characters; the partner's name, or numbered, by default. */
  name?: string | null | undefined;
  /** What the sender is paid for an accepted lead, in place of the flow's price. */
  price?: MoneyInput | null | undefined;
};

/** An answer to an invitation, named by exactly one of `id` and `token`. */
export type AnswerInvitationInput = {
  /** Of one that the caller's account received by its own identifier. One that went to an address takes the token. */
  id?: string | null | undefined;
  /** Why, for the other side: one line of at most 500 characters. */
  reason?: string | null | undefined;
  /** From the mailed link; the caller is signed in by the address that it was mailed to. */
  token?: string | null | undefined;
};

/** What an API key may do. */
export type ApiKeyScope =
  /** Read leads, deliveries and reports, and follow their streams. */
  | 'LEADS_READ'
  /** Submit leads and read the receipts. */
  | 'LEADS_SUBMIT'
  /** Everything that a MEMBER may do. */
  | 'MANAGE'
  /** Read flows, partners, profiles, connections and submission docs. */
  | 'NETWORK_READ';

/** A limit of leads per calendar window. Of one thing there is at most one for each period. */
export type CapInput = {
  /** Leads per window, 0 to 1,000,000,000; 0 lets none through. */
  limit: number;
  /** The calendar window in which it counts. */
  period: CapPeriod;
  /** The zone whose calendar counts; by default the partner's, else the account's. */
  timezone?: string | null | undefined;
};

/** The calendar window in which a cap counts. */
export type CapPeriod =
  /** Midnight to midnight. */
  | 'DAY'
  /** A clock hour. */
  | 'HOUR'
  /** From the beginning, for ever. */
  | 'LIFETIME'
  /** A calendar month. */
  | 'MONTH'
  /** Monday to Sunday. */
  | 'WEEK';

/**
 * One look at one field. Text compares without regard to case, numbers as numbers, dates as dates; an empty or invalid value
 * makes a comparison false and its negation true.
 */
export type ConditionInput = {
  /** The field's name in the flow, exactly. */
  field: string;
  /** How its value is looked at; which operators fit depends on the field's type. */
  operator: RuleOperator;
  /** What it is compared with, in the form that the operator names; left out for operators that take no value. */
  value?: unknown;
};

/** Where a connection stands. */
export type ConnectionStatus =
  /** Leads may go as agreed. */
  | 'ACTIVE'
  /** Held up by one side or both; nothing goes over it. */
  | 'SUSPENDED'
  /** Over for good. A new invitation makes a new connection. */
  | 'TERMINATED';

/** A key that is to be made. */
export type CreateApiKeyInput = {
  /** When it ends by itself, in the future; left out, it lasts until it is revoked. */
  expiresAt?: string | null | undefined;
  /** As shown, 1 to 120 characters. */
  name: string;
  /** What the key may do; at least one. */
  scopes: Array<ApiKeyScope>;
};

/** A flow to make. */
export type CreateFlowInput = {
  /** Which leads it takes; null means all. Takes the PAID plan. */
  acceptanceRule?: RuleInput | null | undefined;
  /** Limits of accepted leads, one for each period at most. Takes the PAID plan. */
  caps?: Array<CapInput> | null | undefined;
  /** What it is for; at most 2,000 characters. */
  description?: string | null | undefined;
  /** Up to 10 fields whose values make two leads the same; with `duplicateWindowDays`. */
  duplicateKeys?: Array<string> | null | undefined;
  /** For how many days, 1 to 3,650; with `duplicateKeys`. */
  duplicateWindowDays?: number | null | undefined;
  /** Whether it takes leads at once. */
  enabled?: boolean | null | undefined;
  /** What it knows about a lead, in order. */
  fields: Array<FlowFieldInput>;
  /** As shown; at most 120 characters. */
  name: string;
  /** What a sender is paid for an accepted lead. */
  price?: MoneyInput | null | undefined;
};

/** A renaming of one field between two sides. */
export type FieldMappingInput = {
  /** The name that the sender uses. */
  from: string;
  /** The name on the receiving side. */
  to: string;
};

/** What a field holds. It decides which raw values are accepted and how they are stored. */
export type FieldType =
  /** True or false, also as yes/no, on/off or 1/0. */
  | 'BOOLEAN'
  /** One of the field's choices, in the spelling of its definition. */
  | 'CHOICE'
  /** A country by code or English name; stored as ISO 3166-1 alpha-2, such as `US`. */
  | 'COUNTRY'
  /** A calendar date; stored as `YYYY-MM-DD`. */
  | 'DATE'
  /** A moment; stored as RFC 3339 in UTC. A value without an offset counts as UTC. */
  | 'DATETIME'
  /** One email address without a display name; stored in lower case, an international domain in its ASCII form. */
  | 'EMAIL'
  /** A whole number of 64 bits. */
  | 'INTEGER'
  /** An IPv4 or IPv6 address in its shortest form. */
  | 'IP_ADDRESS'
  /** Any JSON value of limited size and depth; text that holds an object or a list is read as such. */
  | 'JSON'
  /** A decimal number; stored exactly, without currency signs and grouping. */
  | 'NUMBER'
  /** A phone number, national to the lead's country or international; stored as E.164, such as `+14155550123`. */
  | 'PHONE'
  /** A postal code of the lead's country, in that country's usual spelling. */
  | 'POSTAL_CODE'
  /** A state, province or similar part of the lead's country; stored as its code, such as `CA`. */
  | 'STATE'
  /** Any text; stored trimmed and without control characters other than line feed and tab. */
  | 'TEXT'
  /** An absolute `http` or `https` address; a missing scheme becomes `https`. */
  | 'URL';

/** A field of a flow. */
export type FlowFieldInput = {
  /** The accepted values of a CHOICE field. */
  choices?: Array<string> | null | undefined;
  /** What senders should know about it. */
  description?: string | null | undefined;
  /** Whether its values are encrypted at rest and shown only to those who may reveal them. */
  encrypted?: boolean | null | undefined;
  /** A valid value, for the submission docs. */
  example?: string | null | undefined;
  /** What people read; made from the name by default. */
  label?: string | null | undefined;
  /** Lower-case letters, digits and underscores; unique in the flow. */
  name: string;
  /** Whether a lead without a valid value is rejected. */
  required?: boolean | null | undefined;
  /** What it holds. */
  type: FieldType;
};

/**
 * Where an invitation stands. In the database EXPIRED is written only when the place has to be made free for another
 * invitation; who reads one asks [`Model::status_at`], because expiry is a fact of time.
 */
export type InvitationStatus =
  /** Answered with yes: the accounts are connected. */
  | 'ACCEPTED'
  /** Taken back by the inviter, or overtaken by a crossing one. */
  | 'CANCELLED'
  /** Answered with no. */
  | 'DECLINED'
  /** Its time has passed. Resending it makes it pending again. */
  | 'EXPIRED'
  /** Waits for its answer. */
  | 'PENDING';

/** What became of a lead. */
export type LeadOutcome =
  /** Taken; steps delivered it where it fits. */
  | 'ACCEPTED'
  /** Could not be handled; the reasons say why. */
  | 'FAILED'
  /** Refused by a rule, a check or a cap; the reasons say which. A good answer, not an error. */
  | 'REJECTED';

/** An amount of money. */
export type MoneyInput = {
  /** How much, in units of the currency: not negative, at most four decimals. */
  amount: unknown;
  /** In which currency. */
  currency: unknown;
};

/** What a relationship is for, as one of its sides sees it: `RECEIVE_LEADS` of one side is `SEND_LEADS` of the other. */
export type RelationshipType =
  /** Leads go both ways. */
  | 'BOTH'
  /** The viewer gets leads from the partner. */
  | 'RECEIVE_LEADS'
  /** The partner gets leads from the viewer. */
  | 'SEND_LEADS';

/** A rule about the fields of a lead: a tree of conditions, at most 10 deep and with at most 200 conditions. */
export type RuleInput =
  {   /** Holds when every one of these holds; an empty list always holds. */
  all: Array<RuleInput>; any?: never; condition?: never; not?: never; }
  |  { all?: never;   /** Holds when at least one of these holds; not empty. */
  any: Array<RuleInput>; condition?: never; not?: never; }
  |  { all?: never; any?: never;   /** Holds when a field meets this condition. */
  condition: ConditionInput; not?: never; }
  |  { all?: never; any?: never; condition?: never;   /** Holds when this does not. */
  not: RuleInput; };

/** How a condition looks at a field. Which operators fit depends on the field's type. */
export type RuleOperator =
  /**
   * The value is after this one. Fits dates. Takes a date (YYYY-MM-DD), or for DATETIME an RFC 3339 time, where a
   * date alone means its first instant in UTC.
   */
  | 'AFTER'
  /**
   * The value is before this one. Fits dates. Takes a date (YYYY-MM-DD), or for DATETIME an RFC 3339 time, where a
   * date alone means its first instant in UTC.
   */
  | 'BEFORE'
  /**
   * The value is from the first to the second, both included. Fits numbers and dates. Takes a list of two values,
   * the lower one first.
   */
  | 'BETWEEN'
  /** The value has this text in it. Fits text. Takes a text. */
  | 'CONTAINS'
  /** The value ends with this text. Fits text. Takes a text. */
  | 'ENDS_WITH'
  /** The value is this one. Fits every type but JSON. Takes one value of the field's type. */
  | 'EQUALS'
  /** The value is this one or above (for dates: after) it. Fits numbers and dates. Takes one value. */
  | 'GREATER_OR_EQUAL'
  /** The value is above (for dates: after) this one. Fits numbers and dates. Takes one value. */
  | 'GREATER_THAN'
  /** The value is one of these. Fits text and numbers. Takes a list of 1 to 1,000 values. */
  | 'IN'
  /** There is no value: the field is absent, null, blank, or an empty list or object. Fits every type. Takes no value. */
  | 'IS_EMPTY'
  /** The value is false; an empty or invalid one is neither true nor false. Fits BOOLEAN. Takes no value. */
  | 'IS_FALSE'
  /** There is a value, and it is not of the field's type. Fits every type. Takes no value. */
  | 'IS_INVALID'
  /** There is a value, valid or not. Fits every type. Takes no value. */
  | 'IS_NOT_EMPTY'
  /** The value is true. Fits BOOLEAN. Takes no value. */
  | 'IS_TRUE'
  /** There is a value, and it is of the field's type. Fits every type. Takes no value. */
  | 'IS_VALID'
  /** The value is this one or below (for dates: before) it. Fits numbers and dates. Takes one value. */
  | 'LESS_OR_EQUAL'
  /** The value is below (for dates: before) this one. Fits numbers and dates. Takes one value. */
  | 'LESS_THAN'
  /**
   * The value has a match for this regular expression anywhere in it, in any case of letters; `^` and `$` tie the
   * pattern to the ends. Fits text. Takes a pattern of up to 500 characters, without look-around and back-references.
   */
  | 'MATCHES'
  /** The value does not have this text in it, or is empty or invalid. Fits text. Takes a text. */
  | 'NOT_CONTAINS'
  /** The value is another than this one, or empty or invalid. Fits text, numbers and dates. Takes one value. */
  | 'NOT_EQUALS'
  /** The value is none of these, or is empty or invalid. Fits text and numbers. Takes a list of 1 to 1,000 values. */
  | 'NOT_IN'
  /** The value begins with this text. Fits text. Takes a text. */
  | 'STARTS_WITH';

/** An invitation to connect: to exactly one of `accountId` and `email`. */
export type SendInvitationInput = {
  /** The account to invite; findAccount finds it. The letter goes to its contact address. */
  accountId?: string | null | undefined;
  /** The address to invite, whether or not it has an account. The letter goes there, with a link for signing up or in. */
  email?: string | null | undefined;
  /** To the invitee, at most 1,000 characters. */
  message?: string | null | undefined;
  /** What is proposed, in the caller's own words: `RECEIVE_LEADS` means "I receive leads from them". */
  relationshipType: RelationshipType;
};

/** What a company says of itself and its first person. */
export type SignUpInput = {
  /** The company's name that partners will see, 1 to 120 characters. */
  accountName: string;
  /** Their address, with which they sign in; the account's contact address too, until that is changed. */
  email: string;
  /**
   * From the link of an invitation to connect; `email` is the invited address then. Signing up answers nothing: accept or decline
   * afterwards.
   */
  invitationToken?: string | null | undefined;
  /** The name of the first person, who becomes OWNER, 1 to 120 characters. */
  name: string;
  /** Their password. A refusal says what to change. */
  password: string;
  /** The zone in which the company's days begin; UTC when left out. */
  timezone?: string | null | undefined;
  /** The company's website, which partners will see. */
  website?: string | null | undefined;
};

/** A lead to submit. */
export type SubmitLeadInput = {
  /** Values by field name, as a JSON object. Fields that the flow does not know are dropped with a warning. */
  fields: unknown;
  /** To which flow. */
  flowId: string;
  /**
   * At most 255 characters. The same key with the same fields answers with the first receipt, for at least 7 days, also
   * concurrently; with other fields it is a CONFLICT. Send one whenever you might have to repeat.
   */
  idempotencyKey?: string | null | undefined;
  /** Through which source; null means the caller's first source of the flow that is enabled. */
  sourceId?: string | null | undefined;
  /**
   * Runs the whole path and is marked everywhere; touches no cap, price, report or duplicate memory, and reaches
   * recipients only as a test delivery.
   */
  test?: boolean | null | undefined;
};

/** The kind of a broken business rule. */
export type UserErrorCode =
  /** The two accounts are connected already. */
  | 'ALREADY_CONNECTED'
  /** It contradicts what is already there. */
  | 'CONFLICT'
  /** The address is private, loopback or otherwise forbidden. */
  | 'DESTINATION_BLOCKED'
  /** The relationship does not allow leads in this direction. */
  | 'DIRECTION_NOT_AGREED'
  /** The invitation was sent to another address. */
  | 'EMAIL_MISMATCH'
  /** Its time has passed. */
  | 'EXPIRED'
  /** The template names a field that the selection leaves out. */
  | 'FIELD_NOT_SHARED'
  /** Plain http needs `allowInsecureHttp`. */
  | 'INSECURE_URL'
  /** The value is not of the expected form. */
  | 'INVALID'
  /** The rule cannot be used as it is. */
  | 'INVALID_RULE'
  /** The template cannot be used as it is. */
  | 'INVALID_TEMPLATE'
  /** The invitation was answered, cancelled or used already. */
  | 'INVITATION_CLOSED'
  /** It is still used elsewhere. */
  | 'IN_USE'
  /** A documented limit is reached. */
  | 'LIMIT_REACHED'
  /** Something else has to be set up first; the message says what. */
  | 'NOT_CONFIGURED'
  /** The two accounts are not connected. */
  | 'NOT_CONNECTED'
  /** There is no such thing, or it is not yours. */
  | 'NOT_FOUND'
  /** The account's plan does not include it. */
  | 'PLAN_REQUIRED'
  /** A value is missing. */
  | 'REQUIRED'
  /** An account cannot invite itself. */
  | 'SELF_INVITE'
  /** Somebody else changed it since: read it again. */
  | 'STALE_VERSION'
  /** Somebody else has it already. */
  | 'TAKEN'
  /** The value is longer than the limit that the message names. */
  | 'TOO_LONG'
  /** The flow has no field of this name. */
  | 'UNKNOWN_FIELD';

export type SignUpMutationVariables = Exact<{
  input: SignUpInput;
}>;


export type SignUpMutation = { signUp: { session: { accessToken: string } | null, viewer: { account: { id: string, name: string } | null } | null, userErrors: Array<{ code: UserErrorCode, message: string }> } };

export type CreateFlowMutationVariables = Exact<{
  input: CreateFlowInput;
}>;


export type CreateFlowMutation = { createFlow: { flow: { id: string, name: string } | null, userErrors: Array<{ code: UserErrorCode, message: string }> } };

export type SendInvitationMutationVariables = Exact<{
  input: SendInvitationInput;
}>;


export type SendInvitationMutation = { sendInvitation: { invitation: { id: string, status: InvitationStatus } | null, userErrors: Array<{ code: UserErrorCode, message: string }> } };

export type AcceptInvitationMutationVariables = Exact<{
  input: AnswerInvitationInput;
}>;


export type AcceptInvitationMutation = { acceptInvitation: { connection: { id: string, status: ConnectionStatus, relationshipType: RelationshipType, partner: { name: string } } | null, userErrors: Array<{ code: UserErrorCode, message: string }> } };

export type AddSourceMutationVariables = Exact<{
  input: AddSourceInput;
}>;


export type AddSourceMutation = { addSource: { flow: { id: string } | null, userErrors: Array<{ code: UserErrorCode, message: string }> } };

export type CreateApiKeyMutationVariables = Exact<{
  input: CreateApiKeyInput;
}>;


export type CreateApiKeyMutation = { createApiKey: { secret: string | null, userErrors: Array<{ code: UserErrorCode, message: string }> } };

export type DocsQueryVariables = Exact<{
  flow: string;
}>;


export type DocsQuery = { submissionDocs: { nodes: Array<{ recipient: { name: string }, fields: Array<{ name: string, required: boolean }> }> } };

export type SubmitLeadMutationVariables = Exact<{
  input: SubmitLeadInput;
}>;


export type SubmitLeadMutation = { submitLead: { receipt: { id: string, outcome: LeadOutcome, price: { amount: unknown, currency: unknown } | null, reasons: Array<{ field: string | null, message: string }>, warnings: Array<{ field: string | null, message: string }> } | null, userErrors: Array<{ code: UserErrorCode, message: string }> } };

export type LeadOfOwnerQueryVariables = Exact<{
  id: string;
}>;


export type LeadOfOwnerQuery = { lead: { id: string, outcome: LeadOutcome, fields: unknown, partner: { name: string } | null, source:
      | { name: string }
      | { name: string }
     | null, price: { amount: unknown, currency: unknown } | null } | null };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}

export const SignUpDocument = new TypedDocumentString(`
    mutation SignUp($input: SignUpInput!) {
  signUp(input: $input) {
    session {
      accessToken
    }
    viewer {
      account {
        id
        name
      }
    }
    userErrors {
      code
      message
    }
  }
}
    `) as unknown as TypedDocumentString<SignUpMutation, SignUpMutationVariables>;
export const CreateFlowDocument = new TypedDocumentString(`
    mutation CreateFlow($input: CreateFlowInput!) {
  createFlow(input: $input) {
    flow {
      id
      name
    }
    userErrors {
      code
      message
    }
  }
}
    `) as unknown as TypedDocumentString<CreateFlowMutation, CreateFlowMutationVariables>;
export const SendInvitationDocument = new TypedDocumentString(`
    mutation SendInvitation($input: SendInvitationInput!) {
  sendInvitation(input: $input) {
    invitation {
      id
      status
    }
    userErrors {
      code
      message
    }
  }
}
    `) as unknown as TypedDocumentString<SendInvitationMutation, SendInvitationMutationVariables>;
export const AcceptInvitationDocument = new TypedDocumentString(`
    mutation AcceptInvitation($input: AnswerInvitationInput!) {
  acceptInvitation(input: $input) {
    connection {
      id
      status
      relationshipType
      partner {
        name
      }
    }
    userErrors {
      code
      message
    }
  }
}
    `) as unknown as TypedDocumentString<AcceptInvitationMutation, AcceptInvitationMutationVariables>;
export const AddSourceDocument = new TypedDocumentString(`
    mutation AddSource($input: AddSourceInput!) {
  addSource(input: $input) {
    flow {
      id
    }
    userErrors {
      code
      message
    }
  }
}
    `) as unknown as TypedDocumentString<AddSourceMutation, AddSourceMutationVariables>;
export const CreateApiKeyDocument = new TypedDocumentString(`
    mutation CreateApiKey($input: CreateApiKeyInput!) {
  createApiKey(input: $input) {
    secret
    userErrors {
      code
      message
    }
  }
}
    `) as unknown as TypedDocumentString<CreateApiKeyMutation, CreateApiKeyMutationVariables>;
export const DocsDocument = new TypedDocumentString(`
    query Docs($flow: ID!) {
  submissionDocs(flowId: $flow) {
    nodes {
      recipient {
        name
      }
      fields {
        name
        required
      }
    }
  }
}
    `) as unknown as TypedDocumentString<DocsQuery, DocsQueryVariables>;
export const SubmitLeadDocument = new TypedDocumentString(`
    mutation SubmitLead($input: SubmitLeadInput!) {
  submitLead(input: $input) {
    receipt {
      id
      outcome
      price {
        amount
        currency
      }
      reasons {
        field
        message
      }
      warnings {
        field
        message
      }
    }
    userErrors {
      code
      message
    }
  }
}
    `) as unknown as TypedDocumentString<SubmitLeadMutation, SubmitLeadMutationVariables>;
export const LeadOfOwnerDocument = new TypedDocumentString(`
    query LeadOfOwner($id: ID!) {
  lead(id: $id) {
    id
    outcome
    partner {
      name
    }
    source {
      name
    }
    price {
      amount
      currency
    }
    fields
  }
}
    `) as unknown as TypedDocumentString<LeadOfOwnerQuery, LeadOfOwnerQueryVariables>;