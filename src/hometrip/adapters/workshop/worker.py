"""What runs in a worker of the workshop: reads a job, does it, writes the answer, until there are no more.

A job and an answer each have their length in front, eight bytes, big-endian. The first letter of an answer
says what became of the job: done, told (an error of the house), exhausted (the memory), failed (the rest).
"""

from __future__ import annotations

import os
import pickle
import resource
import struct
import sys
from typing import BinaryIO

import msgspec

from hometrip.kernel.errors import HomeTripError, tell

LENGTH = struct.Struct(">Q")


def main() -> None:
    memory = int(sys.argv[1])
    jobs = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever a job prints must not come between the answers.
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    write(answers, b"ready")
    while length := jobs.read(LENGTH.size):
        (size,) = LENGTH.unpack(length)
        write(answers, done(jobs.read(size)))


def done(job: bytes) -> bytes:
    try:
        function, args = pickle.loads(job)
        return b"d" + msgspec.msgpack.encode(function(*args))
    except HomeTripError as error:
        return b"t" + msgspec.msgpack.encode(tell(error))
    except MemoryError:
        return b"e"
    except Exception as error:  # a job's own fault must not end the worker; the text goes to whoever asked
        return b"f" + f"{type(error).__name__}: {error}".encode(errors="replace")


def write(answers: BinaryIO, answer: bytes) -> None:
    answers.write(LENGTH.pack(len(answer)))
    answers.write(answer)
    answers.flush()


if __name__ == "__main__":
    main()
