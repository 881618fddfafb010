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
    def __init__(self, binary, folder):
        self.port, self.receiver_port = free_port(), free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.ids, self.tokens, self.faults, self.processes = {}, {}, 0, []
        self.token = None
        self.events = []
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


def curl_body(command):
    return json.loads(re.search(r"-d '(.*?)'\s*$", command, re.S)[1])


def play(tour):
    wait_for("demo", lambda: "Access tokens" in tour.demo.text() and "subscription {" in tour.demo.text())
    receiver, events, last = None, None, None
    for heading, blocks, part in sections():
        if heading.startswith("Two companies connect"):
            prepare_seller(tour, part)
        choose_caller(tour, part)
        waiting = None
        for prose, language, block in blocks:
            if language == "graphql" and block.startswith("mutation($input"):
                waiting = block
            elif language == "graphql" and block.startswith("subscription"):
                token = portal_token(tour) if "portalLeads" in block else tour.token
                events = tour.subscribe(block, token)
            elif language == "graphql":
                last = block = tour.filled(block)
                if block.startswith("mutation"):
                    last = tour.ask(block)
                    remember_tokens(tour, last)
            elif language == "sh" and "http.server" in block:
                receiver = tour.start(["bash", "-c", "exec " + tour.filled(block)], stderr=subprocess.DEVNULL)
            elif language == "sh" and block.startswith("curl"):
                tour.command = tour.filled(block).replace("lmk_…", tour.tokens["key"])
                last = run(tour, tour.command)
            elif language == "json" and waiting and "input" in (variables := answers(tour.filled(block))[0]):
                last, waiting = tour.ask(waiting, variables), None
            elif language == "json" and "PENDING_REVIEW" in block:
                submit_to_the_demo(tour)
                arrived = lambda: [event for event in events if "Dana Hill" in json.dumps(event)]
                tour.compare(heading, answers(block)[0], wait_for("event in the portal", arrived)[0])
            elif language == "json" and "cursor" in block:
                expected = answers(block)
                wait_for("delivery", lambda: len(events) >= len(expected))
                tour.compare("the events of " + heading, expected, events)
            elif language == "json" and "terminateConnection" in prose:
                last = after_the_end(tour)
                tour.compare("the end of the connection", answers(block)[0], last)
            elif language == "json":
                if '"idempotencyKey": "form-2"' in prose:
                    last = refused(tour, prose)
                tour.compare(heading, answers(block)[0], last if isinstance(last, dict) else settled(tour, block, last))
            elif "webhook-id" in block:
                wait_for("request at the receiver", lambda: receiver.text().count("{") >= 1)
                check_received(tour, heading, block, receiver)


def settled(tour, block, query):
    """The answer to a query, asked again while deliveries are under way."""
    end = time.time() + PATIENCE
    while True:
        answer = tour.ask(query)
        if time.time() > end or not difference(answers(block)[0], answer):
            return answer
        time.sleep(0.2)


def choose_caller(tour, part):
    for words, name in [("Ada's token", "ada"), ("Ben's token", "ben"), ("its API key", "ben key")]:
        if words in part.split("```")[0] and name in tour.tokens:
            tour.token = tour.tokens[name]


def remember_tokens(tour, answer):
    data = answer.get("data") or {}
    if data.get("signUp"):
        tour.token = tour.tokens["ada"] = data["signUp"]["session"]["accessToken"]
    if data.get("createApiKey"):
        tour.tokens["key"] = data["createApiKey"]["secret"]


def prepare_seller(tour, part):
    """Signs Ben up as steps 1 and 2 do, with the scopes that the text names."""
    sign_up, create_key = [request(words) for words in ("Sign up", "Create an API key")]
    flow = tour.ids["flow"]
    for old, new in [("Acme Leads", "Bright Homes"), ('"Ada"', '"Ben"'), ("ada@acme", "ben@bright")]:
        sign_up = sign_up.replace(old, new)
    signed = tour.ask(sign_up, token="")
    tour.tokens["ben"] = signed["data"]["signUp"]["session"]["accessToken"]
    scopes = re.search(r"`(\[[A-Z_, ]+\])`", part)[1]
    key = tour.ask(re.sub(r"\[[A-Z_]+\]", scopes, create_key), token=tour.tokens["ben"])
    tour.tokens["ben key"] = key["data"]["createApiKey"]["secret"]
    tour.ids["flow"] = flow


def request(words):
    """The first block of the step whose heading has these words."""
    return next(blocks[0][2] for heading, blocks, _ in sections() if words in heading)


def portal_token(tour):
    lines = tour.demo.text().split("Access tokens")[1].split("\n")
    return next(line.split()[-1] for line in lines if line.strip().startswith("Sash & Daughters"))


def run(tour, command):
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    tour.learn(answer)
    return answer


def refused(tour, prose):
    """The lead that the text describes, after the same one as before was submitted again."""
    again = run(tour, tour.command)
    tour.compare("the same request again", True, again["data"]["submitLead"]["receipt"]["replayed"])
    lead = again["data"]["submitLead"]["receipt"]["id"]
    body = curl_body(tour.command)
    body["variables"]["input"]["idempotencyKey"] = "form-2"
    body["variables"]["input"]["fields"] = json.loads(re.search(r"fields `(\{.*?\})`", prose)[1])
    answer = tour.ask(body["query"], body["variables"], tour.tokens["key"])
    tour.ids["lead"] = lead
    return answer


def check_received(tour, heading, block, receiver):
    *headers, body = [line for line in block.split("\n") if line]
    for line in headers:
        name = line.split(":")[0]
        tour.faults += f"{name}:" not in receiver.text().lower()
    tour.compare(heading, True, body in receiver.text())


def submit_to_the_demo(tour):
    command = tour.demo.text().split("Submit a lead:\n")[1].split("\n")[0]
    subprocess.run(["bash", "-c", command.strip()], capture_output=True, check=True)


def after_the_end(tour):
    end = "mutation($id: ID!) { terminateConnection(id: $id) { userErrors { message } } }"
    tour.ask(end, {"id": tour.ids["conn"]}, tour.tokens["ada"])
    submission = next(blocks for heading, blocks, _ in sections() if "Bright Homes submits a lead" in heading)
    query, variables = submission[0][2], json.loads(tour.filled(submission[1][2]))
    variables["input"]["idempotencyKey"] = "after-the-end"
    return tour.ask(query, variables, tour.tokens["ben key"])["data"]["submitLead"]["userErrors"][0]


def main():
    with tempfile.TemporaryDirectory(prefix="leadmesh-tour.") as folder:
        tour = Tour(sys.argv[1], folder)
        try:
            play(tour)
        finally:
            tour.stop()
    sys.exit(bool(tour.faults))


main()
