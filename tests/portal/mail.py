"""A mail server of our own on this machine, which keeps what it is given."""
import email, email.policy, queue

from aiosmtpd.controller import UnthreadedController, Controller


class Mail:
    """`env`: what a program is started with to send its letters here."""

    def __init__(self):
        self.letters = queue.Queue()
        self.controller = Controller(self, hostname="127.0.0.1", port=0)

    async def handle_DATA(self, server, session, envelope):
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.letters.put((envelope.rcpt_tos, letter))
        return "250 taken"
