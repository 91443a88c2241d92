"""What one copies into a shop's website or app so that it takes push messages."""

from django.utils.translation import gettext as _

from integrations.admin.webhook_snippets import Snippet

_PAGE = """\
<script src="{base}/push/regulars-push.js" defer
        data-write-key="{key}"
        data-worker="/regulars-sw.js"
        data-user-id="A-17"></script>

<button id="tell-me">Tell me of offers</button>
<script>
  document.querySelector("#tell-me").addEventListener(
    "click", () => regularsPush.subscribe());
</script>
"""
_WORKER = """\
importScripts("{base}/push/regulars-sw.js");
"""
_APP = """\
curl {base}/push/subscribe \\
  -u {key}: \\
  -H 'Content-Type: application/json' \\
  -d '{{"userId": "A-17", "platform": "android",
       "token": "TOKEN_OF_THE_APP"}}'
"""
_OPENED = """\
curl {base}/push/opened \\
  -H 'Content-Type: application/json' \\
  -d '{{"token": "DATA_TOKEN_OF_THE_MESSAGE"}}'
"""


def browser_snippets(base_url: str, write_key: str) -> list[Snippet]:
    """For a website; with the write key of one, where it is known."""
    words = {"base": base_url, "key": write_key or _("YOUR_WRITE_KEY")}
    return [
        Snippet("page", _("Page"), _PAGE.format(**words)),
        Snippet("worker", "/regulars-sw.js", _WORKER.format(**words)),
    ]


def app_snippets(base_url: str, write_key: str) -> list[Snippet]:
    """For an app; with the write key of one, where it is known."""
    words = {"base": base_url, "key": write_key or _("YOUR_WRITE_KEY")}
    return [
        Snippet("subscribe", _("Subscribe"), _APP.format(**words)),
        Snippet("opened", _("Opened"), _OPENED.format(**words)),
    ]
