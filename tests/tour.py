"""Plays docs/tour.md: sends its requests to a demo of its own, and compares the answers with those in the document.

`…` in the document stands for the rest of a long value. An ID in a request is replaced by the newest one of its kind. IDs,
secrets, times and durations in answers are compared by their form, all else exactly.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

DOCUMENT = os.path.join(os.path.dirname(__file__), "..", "docs", "tour.md")
PATIENCE = 60
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
MEASURED = {"durationMs", "cursor"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, found):
    end = time.time() + PATIENCE
    while time.time() < end:
        result = found()
        if result:
            return result
        time.sleep(0.1)
    raise SystemExit(f"tour: no {what} within {PATIENCE} s")


def difference(expected, actual, at="answer"):
    """Where an answer differs from the document; None where it does not."""
    if type(expected) is not type(actual):
        return f"{at}: {actual!r} instead of {expected!r}"
    if isinstance(expected, dict):
        if set(expected) != set(actual):
            return f"{at}: the fields {sorted(actual)} instead of {sorted(expected)}"
        pairs = [(key, expected[key], actual[key]) for key in expected if key not in MEASURED]
    elif isinstance(expected, list):
        if len(expected) != len(actual):
            return f"{at}: {len(actual)} entries instead of {len(expected)}: {actual}"
        pairs = [(index, *both) for index, both in enumerate(zip(expected, actual))]
    else:
        same = expected == actual
        if isinstance(expected, str) and "…" in expected:
            # What is random begins after the prefix of an ID, a key or a secret.
            same = actual.startswith(re.match(r"eyJ|(?:[a-z-]+_)?", expected)[0])
        elif isinstance(expected, str) and TIME.match(expected):
            same = bool(TIME.match(actual))
        return None if same else f"{at}: {actual!r} instead of {expected!r}"
    found = (difference(one, other, f"{at}.{key}") for key, one, other in pairs)
    return next(filter(None, found), None)


class Output:
    """The lines that a process has printed."""

    def __init__(self, process):
        self.lines = []
        self.process = process
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def text(self):
        return "\n".join(self.lines)


class Tour:
    """The demo, the receiver, and what earlier steps have answered."""

    def __init__(self, binary, folder):
        self.port, self.receiver_port = free_port(), free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.processes, self.faults = [], 0
        self.ids, self.tokens, self.token = {}, {}, None
        # The newest query, answer, curl command and events; and a document that still needs its variables.
        self.query, self.answer, self.command, self.events, self.pending = None, None, None, [], None
        self.receiver = None
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LEADMESH_")}
        environment["LEADMESH_LISTEN"] = f"127.0.0.1:{self.port}"
        demo = [os.path.abspath(binary), "demo", "--leads", "3", "--data-dir", os.path.join(folder, "demo")]
        self.demo = self.start(demo, env=environment, cwd=folder)

    def start(self, command, **options):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
        self.processes.append(process)
        return Output(process)

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGINT)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()

    def post(self, body, token=None, accept="application/json"):
        headers = {"Content-Type": "application/json", "Accept": accept}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return urllib.request.urlopen(urllib.request.Request(f"{self.base}/graphql", json.dumps(body).encode(), headers))

    def ask(self, query, variables=None, token=None):
        try:
            answer = json.load(self.post({"query": query, "variables": variables}, token or self.token))
        except urllib.error.HTTPError as error:
            answer = {"status": error.code, "body": error.read().decode()}
        self.learn(answer)
        return answer

    def run(self, command):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        answer = json.loads(done.stdout)
        self.learn(answer)
        return answer

    def subscribe(self, query, token):
        stream = self.post({"query": query}, token, "text/event-stream")
        events = []

        def follow():
            for line in stream:
                if line.startswith(b"data: ") and line.strip() != b"data:":
                    events.append(json.loads(line[6:]))

        threading.Thread(target=follow, daemon=True).start()
        return events

    def learn(self, value):
        if isinstance(value, dict):
            for one in value.values():
                self.learn(one)
        elif isinstance(value, list):
            for one in value:
                self.learn(one)
        elif isinstance(value, str) and re.fullmatch(r"[a-z]+_[0-9a-z]{26}", value):
            self.ids[value.split("_")[0]] = value

    def filled(self, text):
        text = re.sub(r"\b([a-z]+)_…", lambda found: self.ids.get(found[1], found[0]), text)
        return re.sub(r"\b8080\b", str(self.port), re.sub(r"\b9000\b", str(self.receiver_port), text))

    def compare(self, name, expected, actual):
        fault = difference(expected, actual)
        print(f"tour: {name}: {fault or 'as in the document'}")
        self.faults += bool(fault)


def answers(block):
    """The JSON values of a block, one after the other."""
    found, rest = [], block.strip()
    while rest:
        value, end = json.JSONDecoder().raw_decode(rest)
        found.append(value)
        rest = rest[end:].strip()
    return found


def sections():
    """(heading, [(prose before, language, block)]) for each numbered step of the document."""
    parts = re.split(r"^(?=\*\*\d+\. )|^(?=## )", open(DOCUMENT).read(), flags=re.M)
    for part in parts:
        blocks = re.findall(r"(.*?)^```(\w*)\n(.*?)^```\n", part, re.S | re.M)
        yield re.match(r"(?:## |\*\*)?(.*?)(?:\*\*|\n)", part)[1], blocks, part


def request(words):
    """The first block of the step whose heading has these words."""
    return next(blocks[0][2] for heading, blocks, _ in sections() if words in heading)


def play(tour):
    wait_for("demo", lambda: "subscription {" in tour.demo.text())
    for heading, blocks, part in sections():
        if heading == "Two companies connect":
            prepare_seller(tour, part)
        choose_caller(tour, part)
        for prose, language, block in blocks:
            if language == "graphql":
                send(tour, block)
            elif language == "sh":
                execute(tour, block)
            elif language == "json":
                check(tour, heading, prose, block)
            elif "webhook-id" in block:
                check_received(tour, heading, block)


def choose_caller(tour, part):
    for words, name in [("Ada's token", "ada"), ("Ben's token", "ben"), ("its API key", "ben's key")]:
        if words in part.split("```")[0] and name in tour.tokens:
            tour.token = tour.tokens[name]


def prepare_seller(tour, part):
    """Signs Ben up as steps 1 and 2 do, with the scopes that the text names."""
    sign_up, create_key = [request(words) for words in ("Sign up", "Create an API key")]
    for old, new in [("Acme Leads", "Bright Homes"), ('"Ada"', '"Ben"'), ("ada@acme", "ben@bright")]:
        sign_up = sign_up.replace(old, new)
    tour.token = None
    session = tour.ask(sign_up)["data"]["signUp"]["session"]
    tour.tokens["ben"] = session["accessToken"]
    scopes = re.search(r"`(\[[A-Z_, ]+\])`", part)[1]
    key = tour.ask(re.sub(r"\[[A-Z_]+\]", scopes, create_key), token=tour.tokens["ben"])
    tour.tokens["ben's key"] = key["data"]["createApiKey"]["secret"]


def send(tour, block):
    """Sends a document; a query when its answer is compared, and one with variables when they follow."""
    block = tour.filled(block)
    if block.startswith("subscription"):
        tour.events = tour.subscribe(block, portal_token(tour) if "portalLeads" in block else tour.token)
    elif block.startswith("mutation($input"):
        tour.pending = block
    elif block.startswith("mutation"):
        tour.query, tour.answer = None, tour.ask(block)
        remember_tokens(tour)
    else:
        tour.query = block


def remember_tokens(tour):
    data = tour.answer.get("data") or {}
    if data.get("signUp"):
        tour.token = tour.tokens["ada"] = data["signUp"]["session"]["accessToken"]
    if data.get("createApiKey"):
        tour.tokens["key"] = data["createApiKey"]["secret"]


def execute(tour, block):
    if "http.server" in block:
        command = ["bash", "-c", "exec " + tour.filled(block)]
        tour.receiver = tour.start(command, stderr=subprocess.DEVNULL)
    elif block.startswith("curl"):
        tour.command = tour.filled(block).replace("lmk_…", tour.tokens["key"])
        tour.answer = tour.run(tour.command)


def check(tour, heading, prose, block):
    """Compares a block with the answer that the text before it announces."""
    expected = answers(tour.filled(block) if tour.pending else block)
    if tour.pending and "input" in expected[0]:
        tour.query, tour.answer, tour.pending = None, tour.ask(tour.pending, expected[0]), None
        return
    if "PENDING_REVIEW" in block:
        submit_to_the_demo(tour)
        arrived = wait_for("event in the portal", lambda: [event for event in tour.events if "Dana Hill" in json.dumps(event)])
        tour.compare(heading, expected[0], arrived[0])
    elif "cursor" in block:
        wait_for("delivery", lambda: len(tour.events) >= len(expected))
        tour.compare(f"{heading} (events)", expected, tour.events)
    elif "terminateConnection" in prose:
        tour.compare("The end of the connection", expected[0], after_the_end(tour))
    elif '"idempotencyKey": "form-2"' in prose:
        check_repeated(tour)
        tour.compare(f"{heading} (rejected)", expected[0], rejected(tour, prose))
    else:
        tour.compare(heading, expected[0], settled(tour, expected[0]) if tour.query else tour.answer)


def settled(tour, expected):
    """The answer to a query, which is asked again while deliveries are under way."""
    end = time.time() + PATIENCE
    while True:
        answer = tour.ask(tour.query)
        if time.time() > end or not difference(expected, answer):
            return answer
        time.sleep(0.2)


def check_repeated(tour):
    receipt = tour.run(tour.command)["data"]["submitLead"]["receipt"]
    tour.compare("The same request again", True, receipt["replayed"])


def rejected(tour, prose):
    """The answer to the lead that the text describes."""
    lead = tour.ids["lead"]
    body = json.loads(re.search(r"-d '(.*?)'\s*$", tour.command, re.S)[1])
    body["variables"]["input"]["idempotencyKey"] = "form-2"
    body["variables"]["input"]["fields"] = json.loads(re.search(r"fields\s`(\{.*?\})`", prose, re.S)[1])
    answer = tour.ask(body["query"], body["variables"], tour.tokens["key"])
    tour.ids["lead"] = lead
    return answer


def check_received(tour, heading, block):
    """Compares the names of the headers, and the body, with the request that the receiver has printed."""
    *headers, body = [line for line in block.split("\n") if line]
    wait_for("request at the receiver", lambda: body in tour.receiver.text())
    received = tour.receiver.text().lower()
    missing = [line.split(":")[0] for line in headers if line.split(":")[0] + ":" not in received]
    tour.compare(heading, [], missing)


def portal_token(tour):
    return re.search(r"Sash & Daughters +(eyJ\S+)", tour.demo.text())[1]


def submit_to_the_demo(tour):
    command = next(line for line in tour.demo.lines if "curl" in line and "submitLead" in line)
    subprocess.run(["bash", "-c", command.strip()], capture_output=True, check=True)


def after_the_end(tour):
    """The user error of a submission after Acme has ended the connection."""
    end = "mutation($id: ID!) { terminateConnection(id: $id) { userErrors { message } } }"
    tour.ask(end, {"id": tour.ids["conn"]}, tour.tokens["ada"])
    blocks = next(blocks for heading, blocks, _ in sections() if "Bright Homes submits a lead" in heading)
    query, variables = blocks[0][2], json.loads(tour.filled(blocks[1][2]))
    variables["input"]["idempotencyKey"] = "after-the-end"
    return tour.ask(query, variables, tour.tokens["ben's key"])["data"]["submitLead"]["userErrors"][0]


def main():
    with tempfile.TemporaryDirectory(prefix="leadmesh-tour.") as folder:
        tour = Tour(sys.argv[1], folder)
        try:
            play(tour)
        finally:
            tour.stop()
    sys.exit(bool(tour.faults))


main()
