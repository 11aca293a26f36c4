"""What the bus on RabbitMQ promises besides: several processes, a topology that is looked after, errors."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import aio_pika
import pytest

from contracts.test_bus import PATIENT, QUICK, failing, letter, noting, until
from hometrip.adapters.bus.rabbitmq import RabbitBus
from hometrip.adapters.bus.rabbitmq.acks import Acks
from hometrip.adapters.bus.rabbitmq.link import broker_trouble
from hometrip.adapters.clock.system import SystemClock
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.events import Envelope
from hometrip.ports.engine import Unfit
from vhosts import Vhost, vhost

Make = Callable[..., RabbitBus]
CREATED = ["booking.created"]


@pytest.fixture
def own() -> Iterator[Vhost]:
    with vhost() as made:
        yield made


@pytest.fixture
async def make(own: Vhost) -> AsyncIterator[Make]:
    """Each bus stands for a process of its own: they share nothing but the broker."""
    made: list[RabbitBus] = []

    def make_one(url: str = own.url, **options: Any) -> RabbitBus:
        made.append(RabbitBus(url, SystemClock(), **({"patience": QUICK} | options)))
        return made[-1]

    yield make_one
    for bus in made:
        await bus.stop()


class Listeners:
    """Handlers of several copies; what they hear, and whether a subject was ever with two of them at once."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []
        self.by_copy: Counter[int] = Counter()
        self.by_subject: Counter[str] = Counter()
        self.at_once: list[str] = []
        self._running: set[str] = set()

    async def start(self, bus: RabbitBus, copy: int) -> RabbitBus:
        async def handle(envelope: Envelope) -> None:
            if envelope.subject in self._running:
                self.at_once.append(envelope.subject)
            self._running.add(envelope.subject)
            try:
                await asyncio.sleep(0.001)
            finally:
                self._running.discard(envelope.subject)
            self.heard.append((envelope.subject, envelope.sequence))
            self.by_copy[copy] += 1
            self.by_subject[envelope.subject] += 1

        await bus.listen("payment", CREATED, handle)
        await bus.start()
        return bus

    def in_order(self, subject: str) -> list[int]:
        """Each once, in the order of first hearing: what the broker did not see acknowledged comes again."""
        return list(dict.fromkeys(sequence for heard, sequence in self.heard if heard == subject))


SUBJECTS = [f"booking/{number}" for number in range(40)]
# Of a subject, so many more events may be under way than were heard: who publishes without an end would leave
# a slow listener ever further behind.
AHEAD = 100


async def publish_all(bus: RabbitBus, to: Listeners, enough: Callable[[int], bool]) -> dict[str, int]:
    """Sequence numbers from 0 for every subject until so many are enough, each subject in order, as the relay
    does. How many there were of each."""

    async def one(subject: str) -> int:
        for sequence in count():
            if enough(sequence):
                return sequence
            while sequence - to.by_subject[subject] > AHEAD:  # noqa: ASYNC110 - handlers hear them
                await asyncio.sleep(0.002)
            while True:
                with contextlib.suppress(Unavailable):
                    await bus.publish(letter(subject, sequence))
                    break
                await asyncio.sleep(0.05)
        raise AssertionError

    return dict(zip(SUBJECTS, await asyncio.gather(*map(one, SUBJECTS)), strict=True))


async def test_copies_share_the_events_and_keep_the_order_while_they_come_and_go(make: Make) -> None:
    all_of_them, over = Listeners(), asyncio.Event()
    first = await all_of_them.start(make(), 1)
    # A copy takes long to come where others work too: there are events for as long as that takes.
    publishing = asyncio.create_task(
        publish_all(first, all_of_them, lambda sent: sent >= 60 and over.is_set())
    )
    await until(lambda: all_of_them.by_copy[1] > 50)
    second = await all_of_them.start(make(), 2)
    await until(lambda: all_of_them.by_copy[2] > 50)
    third = await all_of_them.start(make(), 3)
    await until(lambda: all_of_them.by_copy[3] > 50)
    await second.stop()
    over.set()
    sent = await publishing
    await until(lambda: all(len(all_of_them.in_order(subject)) == sent[subject] for subject in SUBJECTS))
    await asyncio.gather(first.idle(), third.idle())
    assert all_of_them.at_once == []
    for subject in SUBJECTS:
        assert all_of_them.in_order(subject) == list(range(sent[subject]))


async def test_a_copy_whose_connection_is_cut_loses_nothing_and_works_beside_nobody(
    own: Vhost, make: Make
) -> None:
    both = Listeners()
    async with wire(own.url) as (url, cut):
        first = await both.start(make(url), 1)
        second = await both.start(make(url), 2)
        publisher = make(url, heard={"payment": CREATED})
        await publisher.open()
        publishing = asyncio.create_task(publish_all(publisher, both, lambda sent: sent == 60))
        for share in (0.2, 0.5, 0.8):
            await until(lambda share=share: len(both.heard) > share * 60 * len(SUBJECTS))
            cut()
        await publishing
        await until(lambda: all(len(both.in_order(subject)) == 60 for subject in SUBJECTS))
        await first.idle()
        assert both.at_once == []
        for subject in SUBJECTS:
            assert both.in_order(subject) == list(range(60))
        await asyncio.gather(first.stop(), second.stop(), publisher.stop())


@contextlib.asynccontextmanager
async def wire(url: str) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """A way to the broker that can be cut: the url that leads over it, and what cuts all that use it."""
    parts = urlsplit(url)
    ends: set[asyncio.StreamWriter] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        both = {writer, back}
        ends.update(both)
        await asyncio.gather(carry(reader, back), carry(there, writer))
        ends.difference_update(both)

    def cut() -> None:
        for end in ends:
            end.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        account = parts.netloc.rpartition("@")[0]
        yield parts._replace(netloc=f"{account}@127.0.0.1:{port}").geturl(), cut
        cut()


async def test_what_is_published_before_the_first_start_of_its_listener_waits_for_it(make: Make) -> None:
    publisher, heard = make(heard={"payment": CREATED}), []
    await publisher.open()
    sent = letter()
    await publisher.publish(sent)
    payment = make()
    await payment.listen("payment", CREATED, noting(heard))
    await payment.start()
    await payment.idle()
    assert heard == [sent]


async def test_an_event_that_nobody_hears_is_published_and_gone(make: Make) -> None:
    bus = make(heard={"payment": CREATED})
    await bus.open()
    await bus.publish(letter(name="listing.viewed"))
    assert await bus.parked() == []


async def test_an_event_whose_queues_are_gone_is_refused_until_they_are_there_again(
    own: Vhost, make: Make
) -> None:
    bus = make(heard={"payment": CREATED})
    await bus.open()
    for exchange in ("payment.events", "payment.dead"):
        own.call("DELETE", f"exchanges/{own.name}/{exchange}")
    with pytest.raises(Unavailable):
        await bus.publish(letter())
    await bus.publish(letter())
    heard: list[Envelope] = []
    await bus.listen("payment", CREATED, noting(heard))
    await bus.start()
    await bus.idle()
    assert len(heard) == 1


async def test_an_event_of_a_queue_that_was_deleted_is_parked_and_the_queue_made_again(
    own: Vhost, make: Make
) -> None:
    bus, heard = make(), []
    await bus.open()
    publisher = make(heard={"payment": CREATED})
    await publisher.open()
    for part in range(8):
        own.call("DELETE", f"queues/{own.name}/payment.events.{part}")
    lost = letter()
    await publisher.publish(lost)
    [parked] = await publisher.parked()
    assert (parked.envelope, parked.reason) == (lost, "its queue was missing")
    await bus.listen("payment", CREATED, noting(heard))
    await bus.start()
    await bus.replay("payment", lost.id)
    await bus.idle()
    assert heard == [lost]


async def test_a_queue_that_is_deleted_under_its_listener_is_made_again(own: Vhost, make: Make) -> None:
    bus, heard = make(), []
    await bus.listen("payment", CREATED, noting(heard))
    await bus.start()
    await bus.publish(letter())
    await bus.idle()
    for part in range(8):
        own.call("DELETE", f"queues/{own.name}/payment.events.{part}")
    for number in range(20):
        await bus.publish(letter(f"booking/{number}", 2))
    async with asyncio.timeout(10):
        while len(heard) + len(await bus.parked()) < 21:  # noqa: ASYNC110 - the broker is asked
            await asyncio.sleep(0.05)
    await bus.idle()
    await bus.publish(letter(sequence=3))
    await bus.idle()
    assert heard[-1].sequence == 3


async def test_the_queues_are_replicated_durable_and_served_by_one_at_a_time(own: Vhost, make: Make) -> None:
    bus = make(heard={"payment": CREATED})
    await bus.open()
    queues = {queue["name"]: queue for queue in own.call("GET", f"queues/{own.name}?disable_stats=true")}
    assert set(queues) == {"payment.dead", *(f"payment.events.{part}" for part in range(8))}
    for queue in queues.values():
        assert queue["durable"]
        assert queue["arguments"]["x-queue-type"] == "quorum"
        assert queue["arguments"]["x-single-active-consumer"] is True
    exchange = own.call("GET", f"exchanges/{own.name}/hometrip_events")
    assert (exchange["type"], exchange["durable"]) == ("topic", True)
    [binding] = own.call("GET", f"exchanges/{own.name}/hometrip_events/bindings/source")
    assert (binding["destination"], binding["routing_key"]) == ("payment.events", "booking.created")


async def test_a_full_queue_refuses_and_nothing_is_dropped(own: Vhost, make: Make) -> None:
    bus = make(heard={"payment": CREATED})
    await bus.open()
    definition = {"max-length": 5, "overflow": "reject-publish"}
    policy = {"pattern": ".*", "apply-to": "queues", "definition": definition}
    own.call("PUT", f"policies/{own.name}/small", policy)
    refused: list[Envelope] = []
    for sequence in range(50):
        one = letter(sequence=sequence)
        try:
            await bus.publish(one)
        except Unavailable:
            refused.append(one)
    assert refused
    heard: list[Envelope] = []
    await bus.listen("payment", CREATED, noting(heard))
    await bus.start()
    await bus.idle()
    assert {one.sequence for one in heard} >= set(range(50)) - {one.sequence for one in refused}


async def test_a_message_that_is_no_event_is_parked_and_can_be_dropped(own: Vhost, make: Make) -> None:
    bus = make()
    await bus.listen("payment", CREATED, noting([]))
    await bus.start()
    connection = await aio_pika.connect(own.url)
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue("payment.events.3")
        await channel.default_exchange.publish(aio_pika.Message(b"\xff no event"), queue.name)
    async with asyncio.timeout(10):
        while not (found := await bus.parked()):  # noqa: ASYNC110 - the broker is asked
            await asyncio.sleep(0.02)
    assert "not an event" in found[0].reason
    await bus.drop("payment", found[0].envelope.id)
    assert await bus.parked() == []


async def test_an_event_that_this_version_does_not_know_is_parked_and_not_swallowed(make: Make) -> None:
    old = make()
    await old.listen("payment", ["booking.expired"], noting([]))
    await old.start()
    newer = make(heard={"payment": CREATED})
    await newer.open()
    sent = letter()
    await newer.publish(sent)
    await old.idle()
    [parked] = await old.parked()
    assert parked.envelope == sent
    assert parked.reason == "this version of payment does not know booking.created"


async def test_dead_letters_are_read_and_replayed_from_another_process(make: Make) -> None:
    bus, heard, broken = make(patience=PATIENT), [], [True]

    async def handle(envelope: Envelope) -> None:
        if broken[0]:
            raise ValueError("broken")
        heard.append((envelope.subject, envelope.sequence))

    await bus.listen("payment", CREATED, handle)
    await bus.start()
    poison = [letter(f"booking/{number}") for number in range(50)]
    await asyncio.gather(*map(bus.publish, poison))
    await bus.idle()
    broken[0] = False
    await asyncio.gather(*(bus.publish(letter(one.subject, 2)) for one in poison))

    command, another = make(heard={"payment": CREATED}), make(heard={"payment": CREATED})
    await asyncio.gather(command.open(), another.open())
    # Whoever reads takes the letters and lays them back; a second reader waits for its turn.
    lists = await asyncio.gather(*(process.parked() for process in (command, another, bus) * 3))
    assert {frozenset(parked.envelope.id for parked in found) for found in lists} == {
        frozenset(one.id for one in poison)
    }
    async with asyncio.timeout(10):
        while await command.parked_counts() != {"payment": 50}:  # noqa: ASYNC110 - the broker is asked
            await asyncio.sleep(0.02)
    for one in poison[:25]:
        await command.replay("payment", one.id)
    for one in poison[25:]:
        await another.drop("payment", one.id)
    await bus.idle()
    assert await command.parked() == []
    for number in range(50):
        expected = [1, 2] if number < 25 else [2]
        assert [sequence for subject, sequence in heard if subject == f"booking/{number}"] == expected


async def test_a_reader_that_dies_leaves_the_dead_letters_where_they_are(own: Vhost, make: Make) -> None:
    bus = make()
    await bus.listen("payment", CREATED, failing)
    await bus.start()
    poison = letter()
    await bus.publish(poison)
    await bus.idle()
    connection = await aio_pika.connect(own.url)
    channel = await connection.channel()
    taken = asyncio.Event()

    async def take(message: Any) -> None:
        taken.set()

    await (await channel.get_queue("payment.dead")).consume(take)
    await taken.wait()
    reading = asyncio.create_task(bus.parked())
    await connection.close()
    assert [parked.envelope for parked in await reading] == [poison]


async def test_a_queue_with_other_properties_is_named_and_refused(own: Vhost, make: Make) -> None:
    connection = await aio_pika.connect(own.url)
    async with connection, connection.channel() as channel:
        await channel.declare_queue("payment.events.4", durable=True)
    with pytest.raises(Unfit, match=r"queue 'payment\.events\.4' exists with other properties"):
        await make(heard={"payment": CREATED}).open()
    [*_, finding] = await make(heard={"payment": CREATED}).examine()
    assert not finding.fine
    assert "payment.events.4" in finding.advice


async def test_what_keeps_the_broker_from_being_used_is_said_without_the_password(
    own: Vhost, make: Make, unused_tcp_port: int
) -> None:
    parts = urlsplit(own.url)
    secret = f"secret-{uuid4().hex}"
    at = f"{parts.hostname}:{parts.port}"
    account = f"{parts.username}:{parts.password}"
    wrong = {
        "does not answer": f"amqp://{account}@127.0.0.1:{unused_tcp_port}/x",
        "refuses the account": f"amqp://{parts.username}:{secret}@{at}/{own.name}",
        "refuses the vhost": f"amqp://{account}@{at}/not-there",
        "the account has no right to exchange 'hometrip_events'": own.user(read=".*"),
    }
    for expected, url in wrong.items():
        bus = make(url, heard={"payment": CREATED})
        with pytest.raises(Unfit, match=expected) as refused:
            await bus.open()
        findings = await bus.examine()
        assert not findings[-1].fine
        password = urlsplit(url).password
        assert password
        assert password not in str(refused.value) + repr(findings)


async def test_a_broker_that_is_fit_is_said_to_be(make: Make) -> None:
    bus = make()
    await bus.listen("payment", CREATED, failing)
    await bus.start()
    await bus.publish(letter())
    await bus.idle()
    findings = {finding.what: finding for finding in await bus.examine()}
    assert findings["reachable"].fine
    assert findings["topology"].fine
    assert findings["version"].detail[0].isdigit()
    assert findings["dead letters"].detail == "1 parked in payment.dead"


@pytest.mark.parametrize("error", [ConnectionResetError(), KeyError("of our own")])
def test_what_is_no_error_of_the_driver_is_logged_whole(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Unavailable), broker_trouble("declaring"):
        raise error
    told = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert told == ([error] if isinstance(error, KeyError) else [])


@pytest.fixture
def unused_tcp_port() -> int:
    import socket

    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


class Said:
    """A channel that only notes what is acknowledged over it."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, bool]] = []

    async def basic_ack(self, tag: int, multiple: bool = False, wait: bool = True) -> None:
        self.frames.append((tag, multiple))


async def test_what_is_finished_together_is_acknowledged_in_few_frames_and_nothing_before_it_is() -> None:
    channel: Any = Said()
    acks = Acks(channel)
    for tag in (2, 1, 3, 5):
        acks.add(tag)
    await acks.said()
    assert channel.frames == [(3, True), (5, False)]
    channel.frames.clear()
    acks.add(7)
    await acks.said()
    assert channel.frames == [(7, False)]
    channel.frames.clear()
    for tag in (6, 4):
        acks.add(tag)
    await acks.said()
    assert channel.frames == [(7, True)]
