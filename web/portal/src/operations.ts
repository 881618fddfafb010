// Written by build/operations.js out of operations.graphql and the schema: do not edit.

/** An operation with the types of its answer and its variables. */
export interface Operation<Answer, Variables> {
  readonly text: string;
  /** Of the types only. */
  readonly types?: (variables: Variables) => Answer;
}

export interface AccountSettingsInput {
  connectionId: string;
  fields?: FieldSelectionInput | null;
  mapping?: Array<FieldMappingInput> | null;
}

export interface ActivatePortalUserInput {
  name?: string | null;
  password: string;
  token: string;
}

export type DeliveryChannel = "ACCOUNT" | "EMAIL" | "PORTAL" | "WEBHOOK";

export interface DeliverySettingsInput {
  account?: AccountSettingsInput | null;
  email?: EmailSettingsInput | null;
  portal?: PortalSettingsInput | null;
  webhook?: WebhookSettingsInput | null;
}

export type EmailFormat = "HTML" | "TEXT";

export interface EmailSettingsInput {
  body?: string | null;
  fields?: FieldSelectionInput | null;
  format?: EmailFormat | null;
  mapping?: Array<FieldMappingInput> | null;
  recipients: Array<string>;
  subject: string;
}

export interface FieldMappingInput {
  from: string;
  to: string;
}

export interface FieldSelectionInput {
  fields?: Array<string> | null;
  mode: FieldSelectionMode;
}

export type FieldSelectionMode = "ALL" | "EXCEPT" | "ONLY";

export type FieldType = "BOOLEAN" | "CHOICE" | "COUNTRY" | "DATE" | "DATETIME" | "EMAIL" | "INTEGER" | "IP_ADDRESS" | "JSON" | "NUMBER" | "PHONE" | "POSTAL_CODE" | "STATE" | "TEXT" | "URL";

export interface HeaderInput {
  name: string;
  value: string;
}

export type PayloadFormat = "FORM" | "JSON";

export type PortalLeadEventKind = "DELIVERED" | "REVIEWED";

export interface PortalLeadFilter {
  deliveredIn?: TimeRangeInput | null;
  search?: string | null;
  status?: Array<PortalLeadStatus> | null;
}

export type PortalLeadStatus = "ACCEPTED" | "PENDING_REVIEW" | "REJECTED" | "RETURNED" | "RETURN_REQUESTED";

export interface PortalLogInInput {
  email: string;
  partnerId?: string | null;
  password: string;
}

export type PortalPermission = "EDIT_CONTACT" | "EDIT_DELIVERY" | "EXPORT" | "RETURN" | "REVIEW" | "VIEW_LEADS";

export interface PortalSettingsInput {
  fields?: FieldSelectionInput | null;
}

export interface ResponseRuleInput {
  acceptedValues: Array<string>;
  externalIdPointer?: string | null;
  pointer: string;
  reasonPointer?: string | null;
}

export interface RetryPolicyInput {
  attempts?: number | null;
  giveUpOn?: Array<number> | null;
  initialDelayMs?: number | null;
  maxAgeMinutes?: number | null;
  maxDelayMs?: number | null;
}

export interface ReviewPortalLeadsInput {
  ids: Array<string>;
  reason?: string | null;
}

export interface TimeRangeInput {
  from: string;
  to: string;
}

export interface UpdatePortalContactInput {
  name?: string | null;
  phone?: string | null;
}

export type UserErrorCode = "ALREADY_CONNECTED" | "CAP_REACHED" | "CONFLICT" | "DESTINATION_BLOCKED" | "DIRECTION_NOT_AGREED" | "EMAIL_MISMATCH" | "EXPIRED" | "FIELD_NOT_SHARED" | "INSECURE_URL" | "INTERNAL" | "INVALID" | "INVALID_RULE" | "INVALID_TEMPLATE" | "INVITATION_CLOSED" | "IN_USE" | "LIMIT_REACHED" | "NOT_CONFIGURED" | "NOT_CONNECTED" | "NOT_FOUND" | "OUTCOME_UNKNOWN" | "PLAN_REQUIRED" | "REQUIRED" | "SELF_INVITE" | "STALE_VERSION" | "TAKEN" | "TOO_LONG" | "UNAVAILABLE" | "UNKNOWN_FIELD";

export type WebhookMethod = "PATCH" | "POST" | "PUT";

export interface WebhookSettingsInput {
  allowInsecureHttp?: boolean | null;
  fields?: FieldSelectionInput | null;
  headers?: Array<HeaderInput> | null;
  mapping?: Array<FieldMappingInput> | null;
  method?: WebhookMethod | null;
  payload?: PayloadFormat | null;
  responseRule?: ResponseRuleInput | null;
  retry?: RetryPolicyInput | null;
  sign?: boolean | null;
  template?: Record<string, unknown> | null;
  timeoutMs?: number | null;
  url: string;
}

export type Tokens = {
  accessToken: string;
  expiresAt: string;
  refreshToken: string;
};

export type Person = {
  email: string;
  name: string | null;
  phone: string | null;
  permissions: Array<PortalPermission>;
};

export type PresentWay = {
  channel: DeliveryChannel;
  recipients: Array<string> | null;
  url: string | null;
};

export type Column = {
  name: string;
  label: string;
  type: FieldType;
};

export type Lead = {
  id: string;
  title: string;
  fields: Record<string, unknown>;
  status: PortalLeadStatus;
  test: boolean;
  deliveredAt: string;
  erasedAt: string | null;
  price: {
    amount: string;
    currency: string;
  } | null;
  review: {
    by: string | null;
    at: string | null;
    reason: string | null;
  } | null;
};

export const LogIn: Operation<{
  portalLogIn: {
    session: Tokens | null;
    userErrors: Array<{
      message: string;
    }>;
  };
}, { input: PortalLogInInput }> = {
  text: "mutation LogIn($input:PortalLogInInput!){portalLogIn(input:$input){session{...Tokens}userErrors{message}}}fragment Tokens on Session{accessToken expiresAt refreshToken}",
};

export const Activate: Operation<{
  activatePortalUser: {
    session: Tokens | null;
    userErrors: Array<{
      code: UserErrorCode;
      message: string;
      path: Array<string> | null;
    }>;
  };
}, { input: ActivatePortalUserInput }> = {
  text: "mutation Activate($input:ActivatePortalUserInput!){activatePortalUser(input:$input){session{...Tokens}userErrors{code message path}}}fragment Tokens on Session{accessToken expiresAt refreshToken}",
};

export const RequestReset: Operation<{
  requestPortalPasswordReset: {
    ok: boolean;
  };
}, { email: string }> = {
  text: "mutation RequestReset($email:EmailAddress!){requestPortalPasswordReset(email:$email){ok}}",
};

export const Refresh: Operation<{
  refreshSession: {
    session: Tokens | null;
    userErrors: Array<{
      message: string;
    }>;
  };
}, { refreshToken: string }> = {
  text: "mutation Refresh($refreshToken:String!){refreshSession(refreshToken:$refreshToken){session{...Tokens}userErrors{message}}}fragment Tokens on Session{accessToken expiresAt refreshToken}",
};

export const LogOut: Operation<{
  logOut: {
    ok: boolean;
  };
}, { refreshToken: string }> = {
  text: "mutation LogOut($refreshToken:String!){logOut(refreshToken:$refreshToken){ok}}",
};

export const Welcome: Operation<{
  portal: {
    partnerName: string;
    accountName: string;
    user: Person;
  };
}, Record<string, never>> = {
  text: "query Welcome{portal{partnerName accountName user{...Person}}}fragment Person on PortalUser{email name phone permissions}",
};

export const Start: Operation<{
  portal: {
    cursor: string;
    columns: Array<Column>;
  };
}, Record<string, never>> = {
  text: "query Start{portal{cursor columns{...Column}}}fragment Column on FlowField{name label type}",
};

export const Delivery: Operation<{
  portal: {
    delivery: PresentWay;
  };
}, Record<string, never>> = {
  text: "query Delivery{portal{delivery{...PresentWay}}}fragment PresentWay on PortalDelivery{channel recipients url}",
};

export const Columns: Operation<{
  portal: {
    columns: Array<Column>;
  };
}, Record<string, never>> = {
  text: "query Columns{portal{columns{...Column}}}fragment Column on FlowField{name label type}",
};

export const Leads: Operation<{
  portal: {
    leads: {
      nodes: Array<Lead>;
      pageInfo: {
        endCursor: string | null;
        hasNextPage: boolean;
      };
    };
  };
}, { filter?: PortalLeadFilter | null; after?: string | null }> = {
  text: "query Leads($filter:PortalLeadFilter$after:String){portal{leads(filter:$filter first:50 after:$after){nodes{...Lead}pageInfo{endCursor hasNextPage}}}}fragment Lead on PortalLead{id title fields status test deliveredAt erasedAt price{amount currency}review{by at reason}}",
};

export const OneLead: Operation<{
  portal: {
    lead: Lead | null;
  };
}, { id: string }> = {
  text: "query OneLead($id:ID!){portal{lead(id:$id){...Lead}}}fragment Lead on PortalLead{id title fields status test deliveredAt erasedAt price{amount currency}review{by at reason}}",
};

export const Stats: Operation<{
  portal: {
    stats: {
      total: number;
      pending: number;
      accepted: number;
      rejected: number;
      returned: number;
      medianReviewMinutes: number | null;
    };
  };
}, { range: TimeRangeInput }> = {
  text: "query Stats($range:TimeRangeInput!){portal{stats(range:$range){total pending accepted rejected returned medianReviewMinutes}}}",
};

export const CsvUrl: Operation<{
  portal: {
    csvUrl: string;
  };
}, { filter?: PortalLeadFilter | null }> = {
  text: "query CsvUrl($filter:PortalLeadFilter){portal{csvUrl(filter:$filter)}}",
};

export const Accept: Operation<{
  answer: {
    leads: Array<Lead>;
    userErrors: Array<{
      message: string;
    }>;
  };
}, { input: ReviewPortalLeadsInput }> = {
  text: "mutation Accept($input:ReviewPortalLeadsInput!){answer:acceptPortalLeads(input:$input){leads{...Lead}userErrors{message}}}fragment Lead on PortalLead{id title fields status test deliveredAt erasedAt price{amount currency}review{by at reason}}",
};

export const Reject: Operation<{
  answer: {
    leads: Array<Lead>;
    userErrors: Array<{
      message: string;
    }>;
  };
}, { input: ReviewPortalLeadsInput }> = {
  text: "mutation Reject($input:ReviewPortalLeadsInput!){answer:rejectPortalLeads(input:$input){leads{...Lead}userErrors{message}}}fragment Lead on PortalLead{id title fields status test deliveredAt erasedAt price{amount currency}review{by at reason}}",
};

export const Return: Operation<{
  answer: {
    leads: Array<Lead>;
    userErrors: Array<{
      message: string;
    }>;
  };
}, { input: ReviewPortalLeadsInput }> = {
  text: "mutation Return($input:ReviewPortalLeadsInput!){answer:requestReturn(input:$input){leads{...Lead}userErrors{message}}}fragment Lead on PortalLead{id title fields status test deliveredAt erasedAt price{amount currency}review{by at reason}}",
};

export const UpdateContact: Operation<{
  updatePortalContact: {
    portalUser: Person | null;
    userErrors: Array<{
      message: string;
      path: Array<string> | null;
    }>;
  };
}, { input: UpdatePortalContactInput }> = {
  text: "mutation UpdateContact($input:UpdatePortalContactInput!){updatePortalContact(input:$input){portalUser{...Person}userErrors{message path}}}fragment Person on PortalUser{email name phone permissions}",
};

export const UpdateDelivery: Operation<{
  updatePortalDelivery: {
    signingSecret: string | null;
    userErrors: Array<{
      message: string;
      path: Array<string> | null;
    }>;
  };
}, { input: DeliverySettingsInput }> = {
  text: "mutation UpdateDelivery($input:DeliverySettingsInput!){updatePortalDelivery(input:$input){signingSecret userErrors{message path}}}",
};

export const Live: Operation<{
  portalLeads: {
    cursor: string;
    kind: PortalLeadEventKind;
    lead: Lead;
  };
}, { after?: string | null }> = {
  text: "subscription Live($after:String){portalLeads(after:$after){cursor kind lead{...Lead}}}fragment Lead on PortalLead{id title fields status test deliveredAt erasedAt price{amount currency}review{by at reason}}",
};
