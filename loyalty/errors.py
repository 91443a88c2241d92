"""What the rules of this room refuse."""

from workspace.errors import InputInvalid


class MemberInvalid(InputInvalid):
    """What was said of a member cannot be used; `problems` name each fault."""

    code = "member_invalid"
