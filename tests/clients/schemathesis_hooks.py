"""Keeps Schemathesis from ending the very key that it asks with: the rest of the run would be one 401
after another, and would test nothing. Everything else of that key and its user may be read."""

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


@schemathesis.hook
def filter_case(context, case) -> bool:
    return case.method == "GET" or OWN.isdisjoint((case.path_parameters or {}).values())
