"""A message as mail: its text and its HTML, laid out by the two frames in `templates/`."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from hometrip.services.notification.rules.content import Content
from hometrip.services.notification.rules.wording import environment, template

if TYPE_CHECKING:
    from jinja2 import Template


class Mail(NamedTuple):
    subject: str
    text: str
    html: str


def mail(content: Content) -> Mail:
    """Both say the same; in the HTML every word is escaped."""
    values = content._asdict()
    text = text_frame().render(values)
    return Mail(content.subject, _spaced(text), html_frame().render(values))


def _spaced(text: str) -> str:
    """No space at the end of a line, and no more than one empty line where a part has nothing to say."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[^\S\n]+\n", "\n", text)).strip() + "\n"


@cache
def text_frame() -> Template:
    return environment(html=False).from_string(template("frame.txt"))


@cache
def html_frame() -> Template:
    """The layout is written in MJML, which becomes the tables that mail programs want, once."""
    import mrml

    # No fonts: mail must not make its reader's program call somebody else's server.
    options = mrml.RenderOptions(disable_comments=True, fonts={})
    frame = mrml.to_html(template("frame.mjml"), render_options=options)
    return environment(html=True).from_string(frame.content)
