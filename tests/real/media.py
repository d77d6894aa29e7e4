"""OpenAI's own client for Python, unmodified, on the routes that are no conversations.

    media.py URL KEY

Calls the built-in provider, whose answers are known. Every call yields its name and whether it went well.
"""
import base64
import io
import sys
import wave

import openai

MODEL = "doorward/echo"
TEXT = "Hello, world."


def sound():
    """A second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(16000))
    file.name = "talk.wav"
    file.seek(0)
    return file


def pictures(client):
    answer = client.images.generate(model=MODEL, prompt=TEXT, n=2)
    dots = [base64.b64decode(picture.b64_json) for picture in answer.data]
    yield "images", len(dots) == 2 and all(dot.startswith(b"\x89PNG") for dot in dots) and answer.usage.total_tokens == 4
    events = list(client.images.generate(model=MODEL, prompt=TEXT, stream=True, partial_images=1))
    yield "images in events", events[-1].type == "image_generation.completed"


def speech(client):
    asked = {"model": MODEL, "voice": "alloy", "input": TEXT}
    whole = client.audio.speech.create(**asked, response_format="wav").content
    with wave.open(io.BytesIO(whole)) as file:
        yield "speech", file.getnframes() > 0
    with client.audio.speech.with_streaming_response.create(**asked) as answer:
        yield "speech as it comes", b"".join(answer.iter_bytes()) == whole


def transcripts(client):
    for what, route in [("transcription", client.audio.transcriptions), ("translation", client.audio.translations)]:
        answer = route.create(model=MODEL, file=sound())
        yield what, answer.text == "talk.wav, 16044 bytes."
        answer = route.create(model=MODEL, file=sound(), response_format="verbose_json")
        yield f"{what} with its length", float(answer.duration) == 1
        answer = route.create(model=MODEL, file=sound(), response_format="text")
        yield f"{what} as text", answer.strip() == "talk.wav, 16044 bytes."
    events = list(client.audio.transcriptions.create(model=MODEL, file=sound(), stream=True))
    yield "transcription in events", [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]


def verdicts(client):
    answer = client.moderations.create(model=MODEL, input=[TEXT, TEXT])
    yield "moderations", len(answer.results) == 2 and not answer.results[0].flagged
    try:
        client.moderations.create(model="none", input=TEXT)
    except openai.NotFoundError as error:
        yield "an error", error.code == "model_not_found" and bool(error.request_id)


def all_calls(url, key):
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
    for calls in (pictures, speech, transcripts, verdicts):
        yield from calls(client)


if __name__ == "__main__":
    failed = [what for what, is_good in all_calls(*sys.argv[1:3]) if not is_good]
    sys.exit(f"FAILED: {failed}" if failed else 0)
