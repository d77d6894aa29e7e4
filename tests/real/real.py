"""A real model behind Doorward, called by the real openai client: what is metered is what was used.

    real.py DOORWARD

Starts llama.cpp's server, then `doorward quickstart` in an empty folder, and compares `doorward usage`
with the server's own figures, to the token.
"""
import json
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile

import openai

HERE = pathlib.Path(__file__).resolve().parent
DOORWARD = str(pathlib.Path(sys.argv[1]).resolve())
MODEL = "gemma-3-270m"
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


def usage(folder, ready):
    """The rows of `doorward usage --json` by model."""
    url = ready["endpoint"].removesuffix("/v1")
    out = subprocess.run([DOORWARD, "usage", "--json", "--group-by", "model", "--url", url,
                          "--data", str(folder / "data")], check=True, capture_output=True, text=True).stdout
    return {row["model"]: row for row in json.loads(out)["data"]}


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
    finally:
        doorward.send_signal(signal.SIGTERM)
        model.stdin.close()
        code = doorward.wait(timeout=60)
        model.kill()
    check("doorward stopped cleanly", code == 0, f"exit {code}")
    print(f"{passed} passed, 0 failed")


main()
