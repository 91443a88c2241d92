"""What a receiver copies to check that a request comes from us: ready to run, library-free."""

from dataclasses import dataclass

_PYTHON = '''\
import hashlib
import hmac
import time


def is_from_regulars(header, body, secret):
    """header: X-Regulars-Signature; body: the raw bytes, not parsed."""
    parts = [part.split("=", 1) for part in header.split(",")]
    moment = next(value for name, value in parts if name == "t")
    if abs(time.time() - int(moment)) > 300:
        return False  # an old request, sent again by somebody
    signed = moment.encode() + b"." + body
    mark = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return any(
        name == "v1" and hmac.compare_digest(value, mark)
        for name, value in parts
    )
'''
_NODE = """\
import { createHmac, timingSafeEqual } from "node:crypto";

// header: X-Regulars-Signature; body: the raw Buffer, not parsed
// (with Express: express.raw({ type: "application/json" })).
export function isFromRegulars(header, body, secret) {
  const parts = header.split(",").map((part) => part.split("="));
  const moment = parts.find(([name]) => name === "t")[1];
  if (Math.abs(Date.now() / 1000 - Number(moment)) > 300) {
    return false; // an old request, sent again by somebody
  }
  const mark = createHmac("sha256", secret)
    .update(`${moment}.`)
    .update(body)
    .digest();
  return parts.some(([name, value]) => {
    const given = Buffer.from(value, "hex");
    return name === "v1" && given.length === mark.length
      && timingSafeEqual(given, mark);
  });
}
"""
_PHP = """\
<?php
// $header: X-Regulars-Signature; $body: file_get_contents("php://input")
function is_from_regulars(string $header, string $body, string $secret): bool
{
    $moment = "";
    $marks = [];
    foreach (explode(",", $header) as $part) {
        [$name, $value] = explode("=", $part, 2);
        if ($name === "t") {
            $moment = $value;
        } elseif ($name === "v1") {
            $marks[] = $value;
        }
    }
    if (abs(time() - (int) $moment) > 300) {
        return false; // an old request, sent again by somebody
    }
    $mark = hash_hmac("sha256", "$moment.$body", $secret);
    foreach ($marks as $given) {
        if (hash_equals($mark, $given)) {
            return true;
        }
    }
    return false;
}
"""


@dataclass(frozen=True, slots=True)
class Snippet:
    """Some lines to copy."""

    slug: str
    title: str
    text: str


SNIPPETS = (
    Snippet("python", "Python", _PYTHON),
    Snippet("node", "Node.js", _NODE),
    Snippet("php", "PHP", _PHP),
)
EXAMPLE = """\
{
  "id": "customer.segment.entered:4:1207:1767261600000000:2",
  "type": "customer.segment.entered",
  "created_at": "2026-01-01T10:00:00+00:00",
  "data": {
    "customer": {
      "id": 1207,
      "source_id": "A-17",
      "email": "michael@example.com",
      "name": "Michael Brown"
    },
    "segment": { "id": "reviewers", "name": "Reviewers" }
  }
}
"""
