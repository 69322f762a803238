"""What is written to users.

The name that users give themselves is in none of it: strangers may sign up with somebody else's
address, and would choose what that person reads.
"""

from dataclasses import dataclass, field
from typing import Final

from libs.contracts.auth import MessageKind

_ROUTES: Final = {
    MessageKind.VERIFY_EMAIL: ("verify-email", "POST /v1/auth/verification/confirm"),
    MessageKind.RESET_PASSWORD: ("reset-password", "POST /v1/auth/password-reset/confirm"),
}
"""Of the messages with a token: the page of the link, and the route that takes the token."""

_SUBJECTS: Final = {
    MessageKind.VERIFY_EMAIL: "Confirm your e-mail address",
    MessageKind.RESET_PASSWORD: "Choose a new password",
    MessageKind.EMAIL_IN_USE: "You have an account already",
    MessageKind.PASSWORD_CHANGED: "Your password was changed",
    MessageKind.SESSION_COMPROMISED: "One of your sessions was ended",
}

_BODIES: Final = {
    MessageKind.VERIFY_EMAIL: """\
An account was created with this e-mail address. Confirm that it is yours:

{how}

If it was not you, ignore this message: the address is not confirmed then.
""",
    MessageKind.RESET_PASSWORD: """\
Somebody, most likely you, asked for a new password for your account:

{how}

If it was not you, ignore this message: your password stays as it is.
""",
    MessageKind.EMAIL_IN_USE: """\
Somebody tried to sign up with this e-mail address, which has an account already.

If it was you, log in instead, or ask for a new password if you have forgotten yours. If it was
not you, there is nothing to do.
""",
    MessageKind.PASSWORD_CHANGED: """\
The password of your account was changed, and you were logged out everywhere else.

If it was not you, ask for a new password at once.
""",
    MessageKind.SESSION_COMPROMISED: """\
Somebody else may have had access to one of your sessions. It was ended; you may have to log in
again.

If you see sessions in your list that you do not know, end them, and change your password.
""",
}


@dataclass(frozen=True, slots=True)
class Text:
    """A message without its address."""

    subject: str
    body: str = field(repr=False)


def has_token(kind: MessageKind) -> bool:
    """Whether there is a token in messages of this kind."""
    return kind in _ROUTES


def written(kind: MessageKind, token: str | None, *, link_url: str, minutes: int) -> Text:
    """A message.

    Args:
        token: of a kind that has one.
        link_url: where the pages are that send a token on; empty: there are none.
        minutes: how long the token is valid.
    """
    how = ""
    if token is not None:
        page, route = _ROUTES[kind]
        # After the #: that part of an address is sent to no server, and is in no server's log.
        link = f"    {link_url.rstrip('/')}/{page}#token={token}"
        plain = f"    {token}\n\nThat is the token for {route}."
        how = f"{link if link_url else plain}\n\nIt is valid once, for {minutes} minutes."
    return Text(_SUBJECTS[kind], _BODIES[kind].format(how=how))
