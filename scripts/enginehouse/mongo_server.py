"""nx-27017 with transactions as a replica set has them. Run by the Python that has it, with its arguments.

By itself it puts whatever a transaction says into the one SQLite connection of the database: a
statement that a slow network brings after its transaction was aborted stays for ever, a second
transaction becomes part of the first, a commit that is asked for again is an error. Here such a
statement is refused, and a second transaction too, by the codes and labels that drivers act upon; a
commit that happened is said to have happened.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nx_27017 import daemon
from nx_27017.handler import NeoSQLiteHandler
from nx_27017.nx_27017 import main
from nx_27017.wire_protocol import _extract_session_id

Document = dict[str, Any]
Answer = tuple[int, Document]
Handle = Callable[[Document], Answer]

# A transaction of which nothing is heard for so long is aborted; a replica set gives it a minute.
IDLE_SECONDS = 1.0
# Of so many sessions the last transaction is remembered.
REMEMBERED = 10_000


@dataclass
class Open:
    """A database's one transaction: whose it is, which of that session's, and when it last said something."""

    session: str
    number: int
    heard: float


class Replica(NeoSQLiteHandler):  # type: ignore[misc]  # the package has no types
    def __init__(self, *given: Any, **named: Any) -> None:
        self._open: dict[str, Open] = {}
        # The last transaction of a session that has ended, and whether it was committed.
        self._ended: OrderedDict[str, tuple[int, bool]] = OrderedDict()
        self._noting = threading.RLock()
        super().__init__(*given, **named)

    def handle_insert(self, msg: Document) -> Answer:
        return self._answer(msg, super().handle_insert)

    def handle_command(self, msg: Document) -> Answer:
        return self._answer(msg, super().handle_command)

    def _answer(self, msg: Document, handle: Handle) -> Answer:
        body = next((doc for kind, doc in msg["sections"] if kind == "body"), None) or {}
        if "endSessions" in body:
            for one in body["endSessions"]:
                self._abort_all_of(_extract_session_id(one))
        if body.get("autocommit", True) or "txnNumber" not in body:
            return handle(msg)
        session, number = _extract_session_id(body["lsid"]), int(body["txnNumber"])
        if "commitTransaction" in body or "abortTransaction" in body:
            return self._end(msg, session, number, commits="commitTransaction" in body)
        name = body["$db"]
        with self._lock_for(name):
            refusal = self._refusal(name, session, number, begins=bool(body.get("startTransaction")))
            if refusal:
                return msg["request_id"], refusal
            request_id, answer = handle(msg)
            if not answer.get("ok") or answer.get("writeErrors"):
                self._abort(name)
            elif name in self._open:
                self._open[name].heard = time.monotonic()
            return request_id, answer

    def _refusal(self, name: str, session: str, number: int, *, begins: bool) -> Document | None:
        """What is wrong with a statement of this transaction; None where it is the one that is open now."""
        now, under_way = time.monotonic(), self._open.get(name)
        if not begins:
            if under_way and (under_way.session, under_way.number) == (session, number):
                return None
            return _refused(251, "NoSuchTransaction", f"transaction {number} has ended")
        if number <= self._ended.get(session, (-1, False))[0]:
            return _refused(225, "TransactionTooOld", f"transaction {number} has ended")
        if under_way and under_way.session != session and now - under_way.heard < IDLE_SECONDS:
            return _refused(112, "WriteConflict", "another transaction is under way")
        if under_way:
            self._abort(name)
        self._open[name] = Open(session, number, now)
        return None

    def _end(self, msg: Document, session: str, number: int, *, commits: bool) -> Answer:
        """The driver says it to `admin`, whichever database the transaction is in."""
        name = self._database_of(session, number)
        with self._lock_for(name or "admin"):
            if name is None or name != self._database_of(session, number):
                if self._ended.get(session) == (number, True) and commits:
                    return msg["request_id"], {"ok": 1}
                if number > self._ended.get(session, (-1, False))[0]:
                    self._note(session, number, committed=False)
                refusal = _refused(251, "NoSuchTransaction", f"there is no transaction {number}")
                return msg["request_id"], refusal
            if not commits:
                self._abort(name)
                return msg["request_id"], {"ok": 1}
            answer: Answer = super().handle_command(msg)
            del self._open[name]
            self._note(session, number, committed=bool(answer[1].get("ok")))
            return answer

    def _abort(self, name: str) -> None:
        """What is open in a database; its lock is held."""
        ended = self._open.pop(name, None)
        if ended:
            for session in self._tx_sessions(ended.session):
                session.abort_transaction()
            self._note(ended.session, ended.number, committed=False)

    def _abort_all_of(self, session: str) -> None:
        for name, under_way in list(self._open.items()):
            if under_way.session == session:
                with self._lock_for(name):
                    if self._open.get(name) is under_way:
                        self._abort(name)

    def _database_of(self, session: str, number: int) -> str | None:
        for name, under_way in list(self._open.items()):
            if (under_way.session, under_way.number) == (session, number):
                return name
        return None

    def _note(self, session: str, number: int, *, committed: bool) -> None:
        with self._noting:
            self._ended[session] = number, committed
            self._ended.move_to_end(session)
            if len(self._ended) > REMEMBERED:
                self._ended.popitem(last=False)


def _refused(code: int, name: str, why: str) -> Document:
    labels = [] if code == 225 else ["TransientTransactionError"]
    return {"ok": 0, "errmsg": why, "code": code, "codeName": name, "errorLabels": labels}


if __name__ == "__main__":
    daemon.NeoSQLiteHandler = Replica
    sys.exit(main())
