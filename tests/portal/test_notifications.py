"""Notifications: webhooks, and what became of what they were told."""
import pytest
from playwright.sync_api import expect

from receiver import Receiver


@pytest.fixture
def options():
    """Webhooks may lead to this machine."""
    return {"env": {"DOORWARD__WEBHOOKS__ALLOW_PRIVATE": "true"}}


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


def hook(program, url="https://hooks.example.com/doorward"):
    return program.ask("POST", "/v1/webhooks", {"name": "ops-channel", "url": url})["id"]


def test_a_webhook_is_added_and_its_secret_is_shown_once(visit):
    visit.go("/notifications")
    visit.press("Create webhook")
    visit.type("Name", "ops-channel")
    visit.type("URL", "https://hooks.example.com/doorward")
    visit.press("Create webhook")
    secret = visit.page.locator("#secret").inner_text()
    assert secret.startswith("whsec_")
    visit.press("I have saved it")
    visit.heading("ops-channel")
    assert secret not in visit.page.content()


def test_a_webhook_is_edited_told_something_given_a_new_secret_and_deleted(visit, program, receiver):
    visit.go(f"/notifications/webhooks/{hook(program)}")
    visit.type("Name", "on-call")
    visit.type("URL", receiver.url)
    visit.press("Save")
    visit.sees("Saved.")
    visit.heading("on-call")

    visit.press("Send a test")
    visit.sees("A test is on its way.")
    headers, body = receiver.came.get(timeout=30)
    assert headers["webhook-signature"] and body["type"] == "webhook.test"
    arrives(visit, "Sent")

    visit.press("New secret")
    visit.heading("Make a new secret for on-call?")
    visit.press("New secret")
    visit.heading("on-call has a new secret")
    assert visit.page.locator("#secret").inner_text().startswith("whsec_")
    visit.press("I have saved it")
    visit.press("Delete webhook")
    visit.heading("Delete on-call?")
    visit.press("Delete webhook")
    visit.sees("Deleted.")
    assert program.ask("GET", "/v1/webhooks")["data"] == []


def arrives(visit, state):
    """Looks at the page anew until it tells this of the one notice; its note is made after its delivery."""
    status = visit.page.locator("main .status").filter(has_text=state)
    for _ in range(100):
        if status.count():
            return
        visit.page.reload()
    raise AssertionError(f"never {state}")


def test_a_notice_that_could_not_be_delivered_is_found_and_sent_again(visit, program, receiver):
    receiver.status = 410
    program.ask("POST", f"/v1/webhooks/{hook(program, receiver.url)}/test")
    receiver.came.get(timeout=30)
    visit.go("/notifications")
    arrives(visit, "Not delivered")
    visit.sees("the receiver wants no more of them")
    visit.page.get_by_label("Status").select_option("sent")
    if not visit.scripts:
        visit.press("Filter")
    visit.sees("No notice is like that.")
    visit.go("/notifications")
    visit.page.get_by_label("Kind").select_option(label="A test")
    if not visit.scripts:
        visit.press("Filter")
    receiver.status = 204
    visit.press("Send again")
    visit.sees("It is sent again now.")
    receiver.came.get(timeout=30)
    visit.go("/notifications")
    arrives(visit, "Sent")
    expect(visit.button("Send again")).to_have_count(0)
