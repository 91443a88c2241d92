"""What the rules of this room refuse."""

from workspace.errors import Busy, DomainError, InputInvalid, NotFound


class ContactUnknown(NotFound):
    """There is no such contact, or it was erased."""

    code = "contact_unknown"


class DefinitionUnknown(NotFound):
    """There is no attribute, tag, category, consent or metric of that key."""

    code = "definition_unknown"


class DefinitionInvalid(InputInvalid):
    """A definition cannot be saved as it was given."""

    code = "definition_invalid"


class DefinitionInUse(DomainError):
    """A definition cannot be changed in this way or deleted, because it is relied on."""

    code = "definition_in_use"


class ContactInvalid(InputInvalid):
    """What was said of a contact cannot be used; `problems` name each fault."""

    code = "contact_invalid"


class IdentityTaken(DomainError):
    """Another contact has this identity already."""

    code = "identity_taken"


class FileRefused(InputInvalid):
    """A file as a whole cannot be imported: nothing of it was used."""

    code = "file_refused"


class ImportContended(DomainError):
    """Others kept changing the contacts that an import was about."""

    code = "import_contended"


class OrderEventInvalid(InputInvalid):
    """An event or property cannot be what the workspace calls an order."""

    code = "order_event_invalid"


class ResolutionContended(Busy):
    """Others kept taking the names that were to be resolved."""

    code = "resolution_contended"


class MergeRefused(DomainError):
    """These two contacts cannot become one."""

    code = "merge_refused"


class EventSchemaInvalid(InputInvalid):
    """What is declared of a kind of event cannot hold; `problems` name each fault."""

    code = "event_schema_invalid"


class RuleInvalid(InputInvalid):
    """A rule of identity cannot be saved as it was given."""

    code = "rule_invalid"
