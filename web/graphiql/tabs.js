// What the explorer opens with: the way of a lead in three requests. They are checked against
// schema.graphql by `npm run check`.

const headers = JSON.stringify({ Authorization: "Bearer " }, null, 2);

const account = `# Leadmesh: companies exchange sales leads.
#
# The panel on the left documents every type.
# Ctrl-Space completes, Ctrl-Enter runs.
#
# 1. Run SignUp (or LogIn), copy the accessToken.
# 2. Put it behind "Bearer " under Headers, below.
#    It is forgotten with this page's tab in the browser.
# 3. Run WhoAmI, then go on in the next tabs here: each
#    has Headers of its own, so put the token there too.
#
# "leadmesh demo" prints tokens of accounts in which
# leads are already moving.

mutation SignUp {
  signUp(
    input: {
      accountName: "Example Ltd"
      name: "Ada Example"
      email: "ada@example.com"
      password: "a long sentence is a good password"
    }
  ) {
    session {
      accessToken
      expiresAt
    }
    userErrors {
      code
      message
      path
    }
  }
}

mutation LogIn {
  logIn(input: { email: "ada@example.com", password: "a long sentence is a good password" }) {
    session {
      accessToken
      expiresAt
    }
    userErrors {
      code
      message
    }
  }
}

query WhoAmI {
  viewer {
    account {
      name
      plan
      inbox {
        id
      }
    }
  }
}
`;

const submit = `# Submits one lead. The answer is its receipt: the
# outcome and every reason for it. WhoAmI shows the
# ID of a flow. The same idempotencyKey again gives
# the first receipt again.

mutation SubmitLead($input: SubmitLeadInput!) {
  submitLead(input: $input) {
    receipt {
      id
      outcome
      reasons {
        code
        field
        message
      }
      warnings {
        code
        field
        message
      }
    }
    userErrors {
      code
      message
      path
    }
  }
}
`;

const submitVariables = JSON.stringify(
  {
    input: {
      flowId: "flow_…",
      idempotencyKey: "first-lead",
      fields: { first_name: "Grace", last_name: "Sample", email: "grace@example.com", phone: "+1 212 555 0123" },
    },
  },
  null,
  2,
);

const live = `# Shows each lead as it arrives in the account's
# flows, until stopped with the same button. With
# after: "<cursor>" it first replays what came since.

subscription Arriving {
  leads {
    cursor
    lead {
      id
      fields
    }
  }
}

# The same for a partner, with a portal user's token.
subscription PortalFeed {
  portalLeads {
    cursor
    kind
    lead {
      title
      status
      fields
    }
  }
}

# Needs no token: shows that subscriptions get through
# what lies between here and the server.
subscription Heartbeat {
  heartbeat(count: 5) {
    sequence
    at
  }
}
`;

export const tabs = [
  { query: account, headers },
  { query: submit, variables: submitVariables, headers },
  { query: live, headers },
];
