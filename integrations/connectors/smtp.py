"""One message over a connection to a mail server, in as few turns as the server allows.

Where it takes several commands at a time (RFC 2920) sender, receiver and the wish to write are told
together: two answers are waited for instead of four.
"""

import re
import smtplib
from collections.abc import Callable

from integrations.mail_addresses import is_plain

_FIRST_DOTS = re.compile(rb"(?m)^\.")
_LINE_ENDS = re.compile(r"[\r\n]")
_END = b".\r\n"
_OK, _WILL_FORWARD, _GO_ON, _CLOSES = 250, 251, 354, 421

Answer = tuple[int, bytes]


def hand_over(
    server: smtplib.SMTP,
    sender: str,
    receiver: str,
    content: bytes,
    *,
    begins: Callable[[], None] = lambda: None,
) -> None:
    """Send `content`, whose lines end with CR LF, to one receiver; `begins` before it goes out.

    Raises what smtplib does: SMTPSenderRefused, SMTPRecipientsRefused and SMTPDataError for what
    the server says, SMTPServerDisconnected and OSError where it says nothing. The connection is of
    no more use then.
    """
    server.ehlo_or_helo_if_needed()
    answers = _ask(server, _commands(server, sender, receiver, len(content)))
    refused = _refusal(answers, sender, receiver)
    if refused is not None:
        if answers[-1][0] == _GO_ON:
            # It listens although nobody is to get anything: nothing is said.
            server.send(_END)
            server.getreply()
        raise refused
    begins()
    server.send(_FIRST_DOTS.sub(b"..", content) + _END)
    code, told = server.getreply()
    if code != _OK:
        raise smtplib.SMTPDataError(code, told)


def _commands(server: smtplib.SMTP, sender: str, receiver: str, size: int) -> list[bytes]:
    tells_size = server.does_esmtp and server.has_extn("size")
    told = f" SIZE={size}" if tells_size else ""
    commands = [f"MAIL FROM:{_path(sender)}{told}", f"RCPT TO:{_path(receiver)}", "DATA"]
    for command in commands:
        if _LINE_ENDS.search(command):
            raise ValueError(f"A command is one line: {command!r}.")
    return [f"{command}\r\n".encode("ascii") for command in commands]


def _path(address: str) -> str:
    return f"<{address}>" if is_plain(address) else smtplib.quoteaddr(address)


def _ask(server: smtplib.SMTP, commands: list[bytes]) -> list[Answer]:
    """The answers to these commands, up to the one after which nothing more comes."""
    together = server.does_esmtp and server.has_extn("pipelining")
    if together:
        server.send(b"".join(commands))
    answers: list[Answer] = []
    is_refused = False
    for command in commands:
        if not together:
            server.send(command)
        try:
            code, told = server.getreply()
        except smtplib.SMTPServerDisconnected:
            if is_refused:
                # It said no and went: that is what counts.
                break
            raise
        answers.append((code, told))
        is_refused = is_refused or not 200 <= code < 400
        if code == _CLOSES or (is_refused and not together):
            break
    return answers


def _refusal(
    answers: list[Answer], sender: str, receiver: str
) -> smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused | None:
    """The first of the answers that is a no."""
    taken = ({_OK}, {_OK, _WILL_FORWARD}, {_GO_ON})
    for place, (code, told) in enumerate(answers):
        if code in taken[place]:
            continue
        if place == 0:
            return smtplib.SMTPSenderRefused(code, told, sender)
        if place == 1:
            return smtplib.SMTPRecipientsRefused({receiver: (code, told)})
        return smtplib.SMTPDataError(code, told)
    return None
