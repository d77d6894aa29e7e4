"""An authenticator app, as far as tests need one."""
import base64, hmac, struct, time

from program import PASSWORD


def code(secret, step=0):
    """The one-time code of a secret now (RFC 6238), or some steps from now."""
    key = base64.b32decode(secret.replace(" ", "") + "=" * (-len(secret.replace(" ", "")) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30 + step), "sha1")
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def second_factor(program, session):
    """Sets one up for whom this session is of; its secret."""
    begun = program.ask("POST", "/v1/users/me/second-factor", {"current_password": PASSWORD}, key=session)
    program.ask("POST", "/v1/users/me/second-factor/confirm", {"code": code(begun["secret"])}, key=session)
    return begun["secret"]
