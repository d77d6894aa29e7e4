"""A real SMTP server (aiosmtpd) for tests: prints its port, then each message it takes as one line of
JSON. It ends with its standard input.

  --defer N              answers the first N messages with 451
  --tls CERT KEY         wants STARTTLS
  --login USER PASSWORD  wants this user, under TLS
"""

import argparse
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


def say(value):
    print(json.dumps(value), flush=True)


class Sink:
    def __init__(self, defer):
        self.defer = defer

    async def handle_DATA(self, server, session, envelope):
        if self.defer > 0:
            self.defer -= 1
            say({"deferred": True})
            return "451 4.3.0 not now"
        say({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "data": envelope.content.decode("utf-8"),
            "tls": session.ssl is not None,
            "login": bool(session.authenticated),
        })
        return "250 2.0.0 taken"


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--defer", type=int, default=0)
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--login", nargs=2)
    args = parser.parse_args()
    options = {}
    if args.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*args.tls)
        options.update(tls_context=context, require_starttls=True)
    if args.login:
        user, password = (text.encode() for text in args.login)

        def authenticate(server, session, envelope, mechanism, data):
            is_right = data.login == user and data.password == password
            # Not handled: the server is to say 535 itself.
            return AuthResult(success=is_right, handled=False)

        options.update(authenticator=authenticate, auth_required=True)
    sink = Sink(args.defer)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(sink, loop=loop, **options), "127.0.0.1", 0)
    say({"port": server.sockets[0].getsockname()[1]})
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
