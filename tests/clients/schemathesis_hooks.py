"""Keeps Schemathesis from ending the very key that it asks with: the rest of the run would be one 401
after another, and would test nothing. Everything else of that key and its user may be read. And it keeps
the program from asking elsewhere: what it is told to call is a port of this machine where nothing is."""

import os
from urllib.request import Request, urlopen
import json

import schemathesis

KEY = os.environ["DOORWARD_API_KEY"]


def own_names() -> set[str]:
    url = os.environ["DOORWARD_URL"] + "/v1/users/me"
    with urlopen(Request(url, headers={"authorization": f"Bearer {KEY}"})) as answer:
        me = json.load(answer)
    return {me["id"], me["name"], KEY.rsplit("_", 1)[0]}


OWN = own_names()


NOWHERE = "http://127.0.0.1:9/"


@schemathesis.hook
def filter_case(context, case) -> bool:
    return case.method == "GET" or OWN.isdisjoint((case.path_parameters or {}).values())


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    if not isinstance(case.body, dict):
        return
    for field in ("url", "base_url"):
        value = case.body.get(field)
        if isinstance(value, str) and value.lower().startswith(("http://", "https://")):
            case.body[field] = NOWHERE
