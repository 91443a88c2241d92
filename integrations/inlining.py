"""Styles of an e-mail's HTML, written to each element: many readers of mail drop what is elsewhere.

Rules for screens and states (`@media`, `:hover`) cannot be written to elements and stay where they
are. Nothing is fetched from anywhere.
"""

import css_inline
from django.utils.translation import gettext as _

from integrations.errors import TemplateFailed
from integrations.mjml import is_deeper

# The library takes one call for each level; these are far from what it cannot stand.
DEPTH_LIMIT = 300
# End by themselves where the next one begins; nested they are only within others that count.
_ENDING = frozenset({"p", "li", "dt", "dd", "option", "tr", "td", "th", "tbody", "thead", "tfoot"})
_INLINER = css_inline.CSSInliner(
    keep_style_tags=True, load_remote_stylesheets=False, remove_inlined_selectors=True
)


def inline(html: str) -> str:
    """The HTML with its styles at their elements; as it is where it has none.

    Raises TemplateFailed.
    """
    if "<style" not in html.lower():
        return html
    if is_deeper(html, DEPTH_LIMIT, passing_over=_ENDING):
        raise TemplateFailed(_("The HTML is nested too deeply."), code="too_much")
    try:
        return _INLINER.inline(html)
    except (css_inline.InlineError, ValueError) as error:
        message = _("The styles cannot be read: %(reason)s.")
        raise TemplateFailed(message % {"reason": error}) from error
