"""What is not at hand yet, but will be soon: who asks for it need not be a task that waits."""

from __future__ import annotations

from collections.abc import Callable


class Soon:
    """Answered in the stead of what is asked for: `then` calls back, once, when it is worth asking again."""

    def then(self, again: Callable[[], object]) -> None:
        raise NotImplementedError
