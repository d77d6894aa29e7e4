"""A real model behind Doorward, called by real clients: what is metered is what was used.

    real.py DOORWARD NODE_MODULES

Starts llama.cpp's server, then `doorward quickstart` in an empty folder, and compares `doorward usage`
with the server's own figures, to the token.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import openai

import clients
import media

HERE = pathlib.Path(__file__).resolve().parent
DOORWARD = str(pathlib.Path(sys.argv[1]).resolve())
NODE_MODULES = pathlib.Path(sys.argv[2]).resolve()
MODEL = "gemma-3-270m"
# The same server by its Anthropic routes.
BY_MESSAGES = "gemma-by-messages"
passed = 0


def check(what, is_true, detail=""):
    global passed
    if not is_true:
        sys.exit(f"FAILED: {what} {detail}")
    passed += 1
    print(f"ok: {what} {detail}", flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_model(port):
    process = subprocess.Popen([sys.executable, str(HERE / "server.py"), str(port)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in process.stdout:
        if line.strip() == "ready":
            return process
    sys.exit("the model server did not start")


def start_doorward(folder, port):
    command = [DOORWARD, "quickstart", "--json", "--data", str(folder / "data"), "--listen", "127.0.0.1:0",
               "--upstream", f"http://127.0.0.1:{port}/v1"]
    log = open(folder / "log", "w")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    return process, json.loads(process.stdout.readline())


def command(folder, ready, *words):
    """Runs a command of the program against the server; what it printed."""
    url = ready["endpoint"].removesuffix("/v1")
    command = [DOORWARD, *words, "--url", url, "--data", str(folder / "data")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def usage(folder, ready):
    """The rows of `doorward usage --json` by model."""
    out = command(folder, ready, "usage", "--json", "--group-by", "model")
    return {row["model"]: row for row in json.loads(out)["data"]}


class Bill:
    """What one model's usage grew by since it was last asked."""

    def __init__(self, folder, ready, model):
        self.now = lambda: usage(folder, ready).get(model, {"input_tokens": 0, "output_tokens": 0})
        self.last = self.now()

    def grown(self):
        last, self.last = self.last, self.now()
        return tuple(self.last[kind] - last[kind] for kind in ("input_tokens", "output_tokens"))


def check_python(folder, ready):
    url = ready["endpoint"].removesuffix("/v1")
    for client in clients.ALL:
        client = client(url, ready["key"])
        for model in (MODEL, BY_MESSAGES):
            bill = Bill(folder, ready, model)
            calls = [("text", client.text, 1), ("stream", client.stream, 1), ("multi-turn", client.text, 3),
                     ("multi-turn stream", client.stream, 3)]
            for what, call, turns in calls:
                text, *told = call(model, clients.TURNS[:turns])
                check(f"{client.name}, {what} of {model}", bool(text), repr(text))
                check("what it was told is what is booked", tuple(told) == bill.grown(), str(told))
        check(f"{client.name} understands an error", client.refused("none"))
    for what, is_good in media.all_calls(url, ready["key"]):
        check(f"openai (Python), {what}", is_good)


def check_npm(folder, ready):
    url = ready["endpoint"].removesuffix("/v1")
    bills = {model: Bill(folder, ready, model) for model in (MODEL, BY_MESSAGES)}
    script = shutil.copy(HERE / "clients.mjs", NODE_MODULES.parent)
    environment = os.environ | {"DOORWARD_API_KEY": ready["key"]}
    process = subprocess.run(["node", script, url, *bills], env=environment, stdout=subprocess.PIPE, text=True)
    check("the npm clients went through", process.returncode == 0, f"exit {process.returncode}")
    told = dict.fromkeys(bills, (0, 0))
    for line in process.stdout.splitlines():
        call = json.loads(line)
        check(f"{call['client']}, {call['what']} of {call['model']}", bool(call["text"]), repr(call["text"]))
        tokens = (call["input"], call["output"])
        told[call["model"]] = tuple(map(sum, zip(told[call["model"]], tokens)))
    for model, bill in bills.items():
        check(f"what they were told of {model} is what is booked", told[model] == bill.grown(), str(told[model]))


def ask(client, words, **options):
    return client.chat.completions.create(model=MODEL, max_tokens=24, temperature=0,
                                          messages=[{"role": "user", "content": words}], **options)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="doorward-real-"))
    port = free_port()
    model = start_model(port)
    doorward, ready = start_doorward(folder, port)
    try:
        check("quickstart found the model", MODEL in ready["models"], str(ready["models"]))
        client = openai.OpenAI(base_url=ready["endpoint"], api_key=ready["key"], max_retries=0)
        direct = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)

        listed = [model.id for model in client.models.list()]
        check("models.list() names what the key may call", set(listed) == set(ready["models"]), str(listed))

        whole = ask(client, "Name three colours.")
        check("a chat completion answers", bool(whole.choices[0].message.content), repr(whole.choices[0].message.content))
        expected_in, expected_out = whole.usage.prompt_tokens, whole.usage.completion_tokens

        row = usage(folder, ready)[MODEL]
        check("its usage is the server's, to the token",
              (row["input_tokens"], row["output_tokens"]) == (expected_in, expected_out),
              f"{row['input_tokens']}+{row['output_tokens']}")

        # The same question, asked of the server itself, tells what the stream must have used.
        own = ask(direct, "Name three animals.").usage
        chunks = list(ask(client, "Name three animals.", stream=True))
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        check("a stream answers", len(text) > 0 and len(chunks) > 3, f"{len(chunks)} chunks, {text!r}")
        check("a client that asked for no usage gets none", all(c.choices and c.usage is None for c in chunks))
        expected_in += own.prompt_tokens
        expected_out += own.completion_tokens
        row = usage(folder, ready)[MODEL]
        check("the stream's usage is the server's, to the token",
              (row["input_tokens"], row["output_tokens"]) == (expected_in, expected_out),
              f"{row['input_tokens']}+{row['output_tokens']}")

        chunks = list(ask(client, "Name three rivers.", stream=True, stream_options={"include_usage": True}))
        said = chunks[-1].usage
        check("a client that asked for usage gets it", said is not None and not chunks[-1].choices, str(said and said.total_tokens))
        expected_in += said.prompt_tokens
        expected_out += said.completion_tokens
        row = usage(folder, ready)[MODEL]
        check("and it is what is booked", (row["input_tokens"], row["output_tokens"]) == (expected_in, expected_out),
              f"{row['input_tokens']}+{row['output_tokens']}")
        check("three calls, no errors, free", (row["requests"], row["errors"], float(row["cost_usd"])) == (3, 0, 0.0), str(row))

        answer = client.responses.create(model=MODEL, input="Say hello.", max_output_tokens=16)
        expected_in += answer.usage.input_tokens
        expected_out += answer.usage.output_tokens
        row = usage(folder, ready)[MODEL]
        check("/v1/responses is metered too", (row["input_tokens"], row["output_tokens"]) == (expected_in, expected_out),
              f"{row['input_tokens']}+{row['output_tokens']}")

        command(folder, ready, "providers", "create", "by-messages", "--kind", "anthropic",
                "--base-url", f"http://127.0.0.1:{port}/v1")
        command(folder, ready, "models", "create", BY_MESSAGES, "--provider", "by-messages",
                "--upstream-model", MODEL, "--free")
        check_python(folder, ready)
        check_npm(folder, ready)
    finally:
        doorward.send_signal(signal.SIGTERM)
        model.stdin.close()
        code = doorward.wait(timeout=60)
        model.kill()
    check("doorward stopped cleanly", code == 0, f"exit {code}")
    print(f"{passed} passed, 0 failed")


main()
