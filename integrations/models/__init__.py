"""What comes in from outside and goes out, one file for each noun."""

from integrations.models.connections import (
    Connection,
    PushConnection,
    Webhook,
    Webhooks,
)
from integrations.models.deliveries import Delivery, DeliveryAttempt, DeliveryCount
from integrations.models.mail_reports import MailReport
from integrations.models.push import PushSubscription
from integrations.models.sources import (
    HeldEvent,
    InboundRequest,
    Outcome,
    ReceivedEvent,
    Source,
    SourceCount,
    TraitMapping,
    WriteKey,
)
from integrations.models.suppressions import Suppression
from integrations.models.templates import Template, TemplateVariant
from integrations.models.uploads import UploadChunk, UploadedRecord, UploadPlace
from integrations.models.vendors import (
    ConnectionWebsite,
    VendorCall,
    VendorConnection,
    VendorSync,
)

__all__ = [
    "Connection",
    "ConnectionWebsite",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryCount",
    "HeldEvent",
    "InboundRequest",
    "MailReport",
    "Outcome",
    "PushConnection",
    "PushSubscription",
    "ReceivedEvent",
    "Source",
    "SourceCount",
    "Suppression",
    "Template",
    "TemplateVariant",
    "TraitMapping",
    "UploadChunk",
    "UploadPlace",
    "UploadedRecord",
    "VendorCall",
    "VendorConnection",
    "VendorSync",
    "Webhook",
    "Webhooks",
    "WriteKey",
]
