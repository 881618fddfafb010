// A company that sells leads, and its partner that looks them up in the portal; all made through the API.

const FIELDS = [
  { name: "first_name", type: "TEXT" },
  { name: "last_name", type: "TEXT" },
  { name: "service", type: "TEXT" },
  { name: "city", type: "TEXT" },
  { name: "zip", label: "ZIP code", type: "TEXT" },
  { name: "email", type: "EMAIL" },
  { name: "phone", type: "PHONE" },
  { name: "budget", type: "NUMBER" },
  { name: "move_in", label: "Wanted from", type: "DATE" },
  { name: "homeowner", type: "BOOLEAN" },
  { name: "website", type: "URL" },
  { name: "message", type: "TEXT" },
];

export const PASSWORD = "correct horse battery";
export const EVERYTHING = ["VIEW_LEADS", "EXPORT", "REVIEW", "RETURN", "EDIT_CONTACT"];

/** The account that all companies of a server are in: not everybody may sign up as often as tests do. */
async function account(server) {
  server.account ??= server.ask(
    "mutation($input: SignUpInput!) { signUp(input: $input) { session { accessToken } userErrors { message } } }",
    { input: { accountName: "Sunny Homes", name: "Ann Long", email: "ann@sunny.example", password: PASSWORD } },
  );
  return (await server.account).signUp.session.accessToken;
}

export class Company {
  static async found(server) {
    const company = new Company();
    company.server = server;
    company.token = await account(server);
    company.flow = await company.make("createFlow", "CreateFlowInput", "flow { id }", {
      name: "Windows",
      fields: FIELDS,
    });
    company.partner = await company.make("createPartner", "CreatePartnerInput", "partner { id }", {
      name: "Sash & Daughters",
      email: "office@windows.example",
    });
    const money = { amount: "42.50", currency: "USD" };
    const profile = { name: "Partners", strategy: "SEND_TO_ALL", basePrice: money };
    const profileId = await company.make("createDistributionProfile", "CreateProfileInput", "profile { id }", profile);
    await company.make("assignPartner", "AssignPartnerInput", "assignment { id }", {
      profileId,
      partnerId: company.partner,
    });
    const step = { flowId: company.flow, name: "To all", step: { distribute: { profileId } } };
    await company.make("addStep", "AddStepInput", "flow { id }", step);
    await company.make("setPortalAccess", "PortalAccessInput", "partner { id }", {
      partnerId: company.partner,
      enabled: true,
    });
    return company;
  }

  /** Runs a mutation, and answers the identifier of what it has made. */
  async make(mutation, type, answer, input) {
    const query = `mutation($input: ${type}!) { ${mutation}(input: $input) { ${answer} userErrors { message } } }`;
    const payload = (await this.server.ask(query, { input }, this.token))[mutation];
    return Object.values(payload).find((part) => part?.id)?.id;
  }

  /** Lets somebody into the portal; the link that was mailed to them. */
  async invite(email, name, permissions = EVERYTHING) {
    const input = { partnerId: this.partner, email, name, permissions };
    await this.make("invitePortalUser", "InvitePortalUserInput", "portalUser { id }", input);
    return await this.server.mailbox.link(email);
  }

  /** Says through which server the company's mails go; nobody asks it. */
  async hasMailServer() {
    const input = { host: "smtp.sunny.example", port: 465, security: "TLS", fromAddress: "leads@sunny.example" };
    await this.make("setSmtpSettings", "SmtpSettingsInput", "account { id }", input);
  }

  /** Somebody in the portal, as the company sees them. */
  async person(email) {
    const query = "query($id: ID!) { partner(id: $id) { portalAccess { users { id email phone } } } }";
    const { users } = (await this.server.ask(query, { id: this.partner }, this.token)).partner.portalAccess;
    return users.find((user) => user.email === email);
  }

  /** Where the partner's leads go, as the company sees it. */
  async delivery() {
    const query = `query($id: ID!) {
      partner(id: $id) { delivery { ... on WebhookSettings { url } ... on EmailSettings { recipients } } }
    }`;
    return (await this.server.ask(query, { id: this.partner }, this.token)).partner.delivery;
  }

  /** Puts somebody out of the portal. */
  async remove(email) {
    const { id } = await this.person(email);
    const remove = "mutation($id: ID!) { removePortalUser(id: $id) { userErrors { message } } }";
    await this.server.ask(remove, { id }, this.token);
  }

  /** Submits leads, one after the other. */
  async submit(...leads) {
    for (const lead of leads) await this.submitAtOnce([lead]);
  }

  /** Submits leads in one go, in which none is the first. */
  async submitAtOnce(leads) {
    const query = `mutation($input: SubmitLeadsInput!) {
      submitLeads(input: $input) { accepted receipts { reasons { field message } } userErrors { message } }
    }`;
    const input = { flowId: this.flow, leads: leads.map((fields) => ({ fields })) };
    const { submitLeads } = await this.server.ask(query, { input }, this.token);
    if (submitLeads.accepted !== leads.length) throw new Error(JSON.stringify(submitLeads));
  }

  /** Erases the lead that was delivered to the partner last. */
  async erase() {
    const newest = "query($filter: DeliveryFilter) { deliveries(first: 1, filter: $filter) { nodes { lead { id } } } }";
    const { nodes } = (await this.server.ask(newest, { filter: { partnerId: this.partner } }, this.token)).deliveries;
    const erase = 'mutation($id: ID!) { eraseLead(id: $id, reason: "asked for") { userErrors { message } } }';
    const { userErrors } = (await this.server.ask(erase, { id: nodes[0].lead.id }, this.token)).eraseLead;
    if (userErrors.length > 0) throw new Error(JSON.stringify(userErrors));
  }

  /** The deliveries to the partner as the company sees them: their reviews, by first name. */
  async reviews() {
    const query = `query($filter: DeliveryFilter) {
      deliveries(first: 100, filter: $filter) { nodes { lead { fields } review { status by reason } } }
    }`;
    const filter = { partnerId: this.partner };
    const { nodes } = (await this.server.ask(query, { filter }, this.token)).deliveries;
    return Object.fromEntries(nodes.map(({ lead, review }) => [lead.fields.first_name, review]));
  }
}
