"""What one copies into a program so that it sends to a source: real address, real write key."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.models import Source

Kind = Source.Kind

_CURL = """\
curl {base}/v1/track \\
  -u {key}: \\
  -H 'Content-Type: application/json' \\
  -d '{{"userId": "A-17", "event": "review_left",
       "properties": {{"rating": 5}}}}'
"""
_PYTHON_INSTALL = "pip install segment-analytics-python"
_PYTHON = """\
import segment.analytics as analytics

analytics.write_key = "{key}"
analytics.host = "{base}"

analytics.identify("A-17", {{"email": "michael@example.com"}})
analytics.track("A-17", "review_left", {{"rating": 5}})
analytics.flush()
"""
_NODE_INSTALL = "npm install @segment/analytics-node"
_NODE = """\
import {{ Analytics }} from "@segment/analytics-node";

const analytics = new Analytics({{
  writeKey: "{key}",
  host: "{base}",
}});

analytics.identify({{
  userId: "A-17",
  traits: {{ email: "michael@example.com" }},
}});
analytics.track({{
  userId: "A-17",
  event: "review_left",
  properties: {{ rating: 5 }},
}});
await analytics.closeAndFlush();
"""
_BROWSER_INSTALL = "npm install @segment/analytics-next"
_BROWSER = """\
import {{ AnalyticsBrowser }} from "@segment/analytics-next";

const writeKey = "{key}";
const analytics = AnalyticsBrowser.load(
  {{
    writeKey,
    cdnSettings: {{
      integrations: {{ "Segment.io": {{ apiKey: writeKey }} }},
    }},
  }},
  {{
    integrations: {{
      "Segment.io": {{
        apiHost: "{host}/v1",
        protocol: "{scheme}",
      }},
    }},
  }},
);

analytics.page();
analytics.identify("A-17", {{ email: "michael@example.com" }});
analytics.track("review_left", {{ rating: 5 }});
"""
_VOUCHERIFY_CURL = """\
curl {base}/v1/events \\
  -H 'X-App-Id: {app_id}' \\
  -H 'X-App-Token: {token}' \\
  -H 'Content-Type: application/json' \\
  -d '{{"event": "review_left",
       "customer": {{"source_id": "A-17",
                    "email": "michael@example.com"}},
       "metadata": {{"rating": 5}}}}'
"""
_VOUCHERIFY_NODE_INSTALL = "npm install @voucherify/sdk"
_VOUCHERIFY_NODE = """\
import voucherify from "@voucherify/sdk";

const client = voucherify.VoucherifyServerSide({{
  apiUrl: "{base}",
  applicationId: "{app_id}",
  secretKey: "{token}",
}});

await client.customers.create({{
  source_id: "A-17",
  email: "michael@example.com",
}});
await client.events.create("review_left", {{
  customer: {{ source_id: "A-17" }},
  metadata: {{ rating: 5 }},
}});
"""


@dataclass(frozen=True, slots=True)
class Snippet:
    """Some lines to copy; `install` gets the library that they use."""

    slug: str
    title: Any
    install: str
    text: str


_CURL_SNIPPET = ("curl", "curl", "", _CURL)
_PYTHON_SNIPPET = ("python", "Python", _PYTHON_INSTALL, _PYTHON)
_NODE_SNIPPET = ("node", "Node.js", _NODE_INSTALL, _NODE)
_BROWSER_SNIPPET = ("browser", gettext_lazy("Browser"), _BROWSER_INSTALL, _BROWSER)
# A page in a browser may read our answers only where the source is a website or app.
_OF_KIND = {
    Kind.SERVER: (_CURL_SNIPPET, _PYTHON_SNIPPET, _NODE_SNIPPET),
    Kind.WEB: (_BROWSER_SNIPPET, _CURL_SNIPPET),
    Kind.VOUCHERIFY: (
        ("curl", "curl", "", _VOUCHERIFY_CURL),
        ("node", "Node.js", _VOUCHERIFY_NODE_INSTALL, _VOUCHERIFY_NODE),
    ),
}


def snippets(
    kind: str, *, base_url: str, write_key: str, app_id: int | None = None
) -> list[Snippet]:
    """The snippets for a kind of source, the likeliest first; none for a webhook.

    `app_id` is the id of the API user; its key nobody can show again.
    """
    parts = urlsplit(base_url)
    words = {
        "base": base_url,
        "key": write_key,
        "app_id": _("YOUR_APP_ID") if app_id is None else app_id,
        "token": _("YOUR_API_KEY"),
        "scheme": parts.scheme,
        "host": f"{parts.netloc}{parts.path}".rstrip("/"),
    }
    return [
        Snippet(slug, title, install, text.format(**words))
        for slug, title, install, text in _OF_KIND.get(Kind(kind), ())
    ]
