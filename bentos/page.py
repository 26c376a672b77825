"""The page at `/` and `/docs`: Swagger UI over the service's own description, and how to ask it.

Responsible for the page and for what a browser may load with it: nothing from another host, and no
script but its own. It is the same for every model. What is told of one it fetches from
`/openapi.json`, with the token where one is needed, and puts in as text, never as markup.
"""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
HTML = b"text/html; charset=utf-8"


def _digest_script(page: str) -> str:
    script = page.partition("<script>")[2].partition("</script>")[0]
    return b64encode(sha256(script.encode()).digest()).decode()


_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; "
    f"script-src 'self' 'sha256-{_digest_script(PAGE)}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = ((b"content-security-policy", _POLICY.encode()), (b"referrer-policy", b"no-referrer"))
