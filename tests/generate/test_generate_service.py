from __future__ import annotations

import base64
import gzip
import io
import ipaddress
import itertools
import logging
import signal
import socket
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from image_service import Answer, ImageService, as_json, png, request, running_service
from PIL import Image

from contrafake.data.download.guard import Guard
from contrafake.errors import ConfigError, ContrafakeError, UsageError
from contrafake.generate.generators.answer import affirmed, at, complaint, image_bytes
from contrafake.generate.generators.exchange import Exchange, NoAnswerError
from contrafake.generate.generators.generator import GenerationError, Made, open_generator
from contrafake.generate.generators.service import Patience, ServiceCaller
from contrafake.generate.generators.settings import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-very-secret-1234567890"
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
BASE64 = base64.b64encode(png(PIXELS)).decode()
QUICK = Patience(tries=3, backoff=0.02, longest=2)


@pytest.fixture(autouse=True)
def _straight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("THE_KEY", KEY)


@pytest.fixture
def server() -> Iterator[ImageService]:
    with running_service() as running:
        yield running


@contextmanager
def caller(
    url: str, patience: Patience = QUICK, guard: Guard | None = None, **settings: Any
) -> Iterator[ServiceCaller]:
    service = Service(name="made", kind="service", url=url, **{"seconds": 5, **settings})
    with closing(ServiceCaller(service, patience, guard)) as made:
        yield made


def one(server: ImageService, guard: Guard | None = None, **settings: Any) -> Made | GenerationError:
    with caller(server.url, guard=guard, **settings) as made:
        [result] = made.make([request()])
    return result


def image(result: Made | GenerationError) -> Made:
    assert isinstance(result, Made), result
    return result


def cause(result: Made | GenerationError) -> str:
    assert isinstance(result, GenerationError), result
    return result.cause


def test_request_holds_what_the_template_says(server: ImageService) -> None:
    body = {
        "prompt": "photo of {prompt}", "negative": "{negative_prompt}", "size": "{width}x{height}", "width": "{width}",
        "options": [{"seed": "{seed}", "steps": 20}, None, True, "{{seed}}", "{x y}"],
    }  # fmt: skip
    headers = {"Authorization": "Bearer ${THE_KEY}", "accept": "image/png"}
    with caller(server.url, body=body, headers=headers, version="3") as made:
        results = made.make([request('a {seed} "dog"\n\ud800', "x", 2**32 - 1), request("é", seed=0)])
        assert made.facts == {"service": "127.0.0.1", "version": "3"}
    assert [image(result).pixels.shape for result in results] == [(16, 24, 3)] * 2
    first, second = server.asked
    assert first.json == {
        "prompt": "photo of a {seed} \"dog\"\n\ud800", "negative": "x", "size": "24x16", "width": 24,
        "options": [{"seed": 2**32 - 1, "steps": 20}, None, True, "{seed}", "{x y}"],
    }  # fmt: skip
    assert (second.json["prompt"], second.json["options"][0]["seed"]) == ("photo of é", 0)
    assert (first.method, first.path) == ("POST", "/v1/images")
    fields = {name.lower(): value for name, value in first.headers.items()}
    assert fields["authorization"] == f"Bearer {KEY}"
    assert (fields["accept"], fields["content-type"]) == ("image/png", "application/json")


def test_real_image_goes_in(server: ImageService) -> None:
    with caller(server.url, body={"init_images": ["{image}"]}) as made:
        image(made.make([request(image=PIXELS)])[0])
        with pytest.raises(UsageError, match="without a real image"):
            made.make([request()])
    sent = base64.b64decode(server.asked[0].json["init_images"][0])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(sent))), PIXELS)


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        (Answer(png(PIXELS)), ""),
        (as_json({"data": [{"b64_json": BASE64}]}), "data.0.b64_json"),
        (as_json({"images": [f"data:image/png;base64,{BASE64}"]}), "images.0"),
        (as_json([[BASE64[:40] + "\n" + BASE64[40:]]]), "0.0"),
        (Answer(gzip.compress(png(PIXELS)), headers={"Content-Encoding": "gzip"}), ""),
    ],
)
def test_image_is_found_in_each_kind_of_answer(answer: Answer, path: str, server: ImageService) -> None:
    server.answers = [answer]
    made = image(one(server, answer=path))
    np.testing.assert_array_equal(made.pixels, PIXELS)
    assert made.flagged is None


def test_linked_image_at_the_service_itself_is_fetched_without_the_key(server: ImageService) -> None:
    link = server.url.replace("/v1/images", "/out 1.png?sig=a%2Fb").replace(" ", "%20")
    server.answers = [
        as_json({"url": link}),
        Answer(status=302, headers={"Location": "/moved.png"}),
        Answer(png(PIXELS)),
    ]
    made = image(one(server, answer="url", headers={"Authorization": "Bearer ${THE_KEY}"}))
    np.testing.assert_array_equal(made.pixels, PIXELS)
    assert [(asked.method, asked.path) for asked in server.asked[1:]] == [
        ("GET", "/out%201.png?sig=a%2Fb"),
        ("GET", "/moved.png"),
    ]
    assert not any(KEY in str(asked.headers) for asked in server.asked[1:])


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("http://127.0.0.1:1/x", "another port than 80 or 443"),
        ("http://127.0.0.1/x", "not a public network address"),
        ("http://localhost:{port}/x", "another port"),
        ("https://127.0.0.1:{port}/x", "another port"),
        ("http://169.254.169.254/latest/meta-data", "not a public network address"),
        ("http://[::1]/x", "not a public network address"),
        ("http://user@127.0.0.1:{port}/x", "a user name"),
        ("http://127.0.0.1:{port}/a b\r\nX: y", "control characters"),
        ("http://inner.example/x", "not a public network address"),
        ("http://127.0.0.1:99999/x", "not a valid address"),
    ],
)
def test_answers_cannot_point_into_the_private_network(link: str, words: str, server: ImageService) -> None:
    link = link.replace("{port}", str(server.server_port))
    inner = Guard(resolve=lambda *_, **__: [(2, 1, 6, "", ("10.0.0.7", 80))])
    for answers in (
        [as_json({"url": link})],
        [as_json({"url": f"{server.url}/1"}), Answer(b"", 307, {"Location": link})],
    ):
        if "\n" in link and len(answers) > 1:
            continue  # no header can say this
        server.answers = [*answers, Answer(png())]
        said = cause(one(server, inner, answer="url"))
        assert said.startswith("the address in the answer: ")
        assert words in said
        assert link not in said
        assert not any(asked.method == "GET" and asked.path != "/v1/images/1" for asked in server.asked)


def test_linked_image_elsewhere_is_fetched_when_the_guard_lets_it(server: ImageService) -> None:
    with running_service() as other:
        other.answers = [Answer(png(PIXELS))]
        server.answers = [as_json({"url": other.url})]
        guard = Guard(ports=[other.server_port], exempt=[ipaddress.ip_network("127.0.0.0/8")])
        np.testing.assert_array_equal(image(one(server, guard, answer="url")).pixels, PIXELS)
        other.answers = [Answer(status=404)]
        assert cause(one(server, guard, answer="url")) == "the address in the answer: HTTP 404"
        other.answers = [Answer(status=301, headers={"Location": other.url})]
        assert "too many redirects" in cause(one(server, guard, answer="url"))


@pytest.mark.parametrize(
    ("answer", "path", "words"),
    [
        (as_json({"data": []}), "data.0.b64_json", "no image at data.0.b64_json in the answer"),
        (as_json({"data": "x", "detail": "queue full"}), "data.url", "in the answer: queue full"),
        (as_json({"data": "!!"}), "data", "no image at data in the answer"),
        (as_json({"data": base64.b64encode(b"hello").decode()}), "data", "no image came: not an image"),
        (as_json({"data": 5}), "data", "no image at data"),
        (Answer(b"[" * 100_000), "data", "no image at data"),
        (as_json({"error": "nothing today"}), "", "no image as the answer: nothing today"),
        (Answer(b""), "", "no image came: the file is empty"),
        (Answer(b"<html>hello</html>"), "", "no image came: not an image"),
        (Answer(png(PIXELS)[:200]), "", "no image came: "),
        (Answer(b"x", headers={"Content-Length": "50", "Connection": "close"}), "", "no whole answer"),
    ],
)
def test_answers_without_an_image(answer: Answer, path: str, words: str, server: ImageService) -> None:
    server.answers = [answer]
    assert words in cause(one(server, answer=path))


@pytest.mark.parametrize(
    ("answer", "status", "expected"),
    [
        ({"error": {"message": "size must be\n 512", "code": "bad"}}, 400, "HTTP 400: size must be 512"),
        (
            {"detail": [{"loc": ["body"], "msg": "field required"}, {"msg": "too long"}]},
            422,
            "HTTP 422: field required; too long",
        ),
        ({"name": "internal"}, 500, "HTTP 500"),
        ({"message": "x" * 5000}, 400, "HTTP 400: " + "x" * 400 + " ..."),
        ("plain words", 418, "HTTP 418: plain words"),
    ],
)
def test_complaints_are_passed_on_in_short(answer: Any, status: int, expected: str, server: ImageService) -> None:
    server.answers = [as_json(answer, status)]
    assert cause(one(server)) == expected
    assert len(server.asked) == 1


def test_long_complaint_is_not_read_to_its_end(server: ImageService) -> None:
    server.answers = [Answer(b"no " * 2_000_000, 500)]
    assert cause(one(server)).startswith("HTTP 500: no no no")


def test_flags_and_refusals(server: ImageService) -> None:
    server.answers = [
        as_json({"images": [BASE64], "nsfw": [False]}),
        as_json({"images": [BASE64], "nsfw": [False, True]}),
        as_json({"images": [BASE64]}),
        as_json({"nsfw": "CONTENT_FILTERED", "message": "the prompt was filtered"}),
        as_json({"images": [""], "nsfw": "SUCCESS"}),
        as_json({"nsfw": True, "error": "moderated"}, 403),
    ]
    with caller(server.url, answer="images.0", flagged="nsfw") as made:
        results = made.make([request()] * 6)
    assert [image(result).flagged for result in results[:3]] == [False, True, None]
    assert cause(results[3]) == "refused by the service: the prompt was filtered"
    assert cause(results[4]) == "no image at images.0 in the answer"
    assert cause(results[5]) == "refused by the service: moderated"


def test_busy_service_is_asked_again_when_it_wants(server: ImageService) -> None:
    server.answers = [Answer(status=429, headers={"Retry-After": "1"}), Answer(status=503), Answer(png())]
    image(one(server))
    times = [asked.time for asked in server.asked]
    assert 1 <= times[1] - times[0] < 3
    assert 0.04 <= times[2] - times[1] < 1  # the second pause of the back-off, 2 x 0.02 s


def test_patience_ends(server: ImageService) -> None:
    server.answers = [as_json({"error": "try later"}, 503)]
    assert cause(one(server)) == "HTTP 503: try later"
    assert len(server.asked) == QUICK.tries
    server.answers = [Answer(status=429, headers={"Retry-After": "86400"})]
    begun = time.monotonic()
    with pytest.raises(ContrafakeError, match="asks to wait 86,400 s"):
        one(server)
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "refuses the key"),
        (402, "asks for payment"),
        (403, "refuses the key"),
        (404, "no such address"),
        (405, "takes no POST"),
        (308, "points elsewhere"),
    ],
)
def test_what_would_fail_for_every_image_ends_the_build(status: int, words: str, server: ImageService) -> None:
    server.answers = [as_json({"error": "no"}, status, Location="http://127.0.0.1:1/elsewhere")]
    with pytest.raises(ContrafakeError, match=words) as caught:
        one(server)
    assert not isinstance(caught.value, GenerationError)
    assert len(server.asked) == 1


def test_nobody_there_ends_the_build() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        caller(f"http://127.0.0.1:{port}/") as made,
        pytest.raises(ContrafakeError, match="cannot be reached") as caught,
    ):
        made.make([request()])
    assert not isinstance(caught.value, GenerationError)


@pytest.mark.parametrize("drip", [b"x" * 400, png(PIXELS)])
def test_time_is_bounded_whatever_drips_in(drip: bytes, server: ImageService) -> None:
    server.answers = [Answer(drip, drip=0.05)]
    begun = time.monotonic()
    assert cause(one(server, seconds=0.4)) == "no answer within 0.4 s"
    assert 0.4 <= time.monotonic() - begun < 3


def test_time_is_bounded_when_only_the_header_drips() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                try:
                    for _ in range(200):
                        connection.sendall(b"x")
                        time.sleep(0.05)
                except OSError:
                    pass

        thread = threading.Thread(target=drip)
        thread.start()
        begun = time.monotonic()
        with caller(f"http://127.0.0.1:{listening.getsockname()[1]}/", seconds=0.4) as made:
            assert cause(made.make([request()])[0]) == "no answer within 0.4 s"
        assert time.monotonic() - begun < 3
        thread.join()


def test_size_is_bounded_before_and_after_unpacking(server: ImageService) -> None:
    server.answers = [Answer(bytes(20_000)), Answer(gzip.compress(bytes(2**24)), headers={"Content-Encoding": "gzip"})]
    with closing(Exchange()) as exchange:
        for _ in range(2):
            with pytest.raises(NoAnswerError, match="more than 10,000 bytes"):
                exchange.post(server.url, {}, b"", 5, 10_000)
    with closing(Exchange()) as exchange:
        exchange.close()  # twice is no harm


def test_interrupt_ends_the_wait(server: ImageService) -> None:
    server.answers = [Answer(b"x" * 400, drip=0.1)]
    timer = threading.Timer(0.3, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT))
    begun = time.monotonic()
    with caller(server.url, seconds=30) as made:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            made.make([request()])
    assert time.monotonic() - begun < 5


def test_pause_between_requests(server: ImageService) -> None:
    with caller(server.url, pause=0.2) as made:
        made.make([request()] * 3)
    times = [asked.time for asked in server.asked]
    assert all(later - earlier >= 0.2 for earlier, later in itertools.pairwise(times))


def test_cookies_do_not_join_images(server: ImageService) -> None:
    server.answers = [Answer(png(), headers={"Set-Cookie": "session=1"})]
    with caller(server.url) as made:
        made.make([request()] * 2)
    assert not any("cookie" in (name.lower() for name in asked.headers) for asked in server.asked)


def test_key_appears_nowhere(server: ImageService, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    caplog.set_level(logging.DEBUG)
    echo = {"error": {"message": f"Incorrect key Bearer {KEY}"}}
    server.answers = [Answer(png()), as_json(echo, 400), as_json(echo), as_json(echo, 503), Answer(b"", 599)]
    seen: list[str] = []
    with caller(server.url, headers={"X-Key": "Bearer ${THE_KEY}"}) as made:
        seen += [str(made.facts), repr(made._settings)]
        seen += [repr(result) for result in made.make([request()] * 4)]
        server.answers = [as_json(echo, 401)]
        with pytest.raises(ContrafakeError) as caught:
            made.make([request()])
        server.answers = [as_json(echo, 403)]
        with pytest.raises(ContrafakeError) as forbidden:
            made.make([request()])
    seen += [str(caught.value), str(forbidden.value), caplog.text, *capfd.readouterr()]
    assert all(asked.headers["X-Key"] == f"Bearer {KEY}" for asked in server.asked)
    assert "Incorrect key Bearer ${THE_KEY}" in seen[3]
    assert KEY[:8] not in "\n".join(seen)
    assert "Bearer sk" not in "\n".join(seen)


def test_key_is_read_when_a_request_is_made(server: ImageService, monkeypatch: pytest.MonkeyPatch) -> None:
    with caller(server.url, headers={"X-Key": "${THE_KEY}"}) as made:
        monkeypatch.setenv("THE_KEY", "another-key")
        image(made.make([request()])[0])
        assert server.asked[0].headers["X-Key"] == "another-key"
        for value in ("line\nbreak-secret", "émile-secret"):
            monkeypatch.setenv("THE_KEY", value)
            with pytest.raises(ConfigError, match="no header can") as caught:
                made.make([request()])
            assert "secret" not in str(caught.value)
    monkeypatch.delenv("THE_KEY")
    with pytest.raises(ConfigError, match="the environment variable is not set"):
        open_generator(Service(name="a", kind="service", url=server.url, headers={"X-Key": "${THE_KEY}"}))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "ftp://host/x"}, "begins with http"),
        ({"url": "host/x"}, "begins with http"),
        ({"url": "http://user:pass@host/x"}, "holds a password"),
        ({"url": "http://host:99999/x"}, "no valid address"),
        ({"url": "http://ho st/x"}, "begins with http"),
        ({"url": "http://host/x", "body": {"a": ["{promt}"]}}, "{promt} is no placeholder"),
        ({"url": "http://host/x", "body": {"a": float("nan")}}, "cannot be written as JSON"),
        ({"url": "http://host/x", "body": {"a": {1, 2}}}, "cannot be written as JSON"),
        ({"url": "http://host/x", "headers": {"X Y": "1"}}, "no header can"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ServiceCaller(Service(name="a", kind="service", **settings))
    assert words in str(caught.value)
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None), (True, True), (False, False), (0, False), (0.7, True), ("", False), ("OK", False),
        (" Success ", False), ("blurred", True), ([], False), ([False, None], False),
        ({"sexual": False, "gore": 1}, True),
    ],
)  # fmt: skip
def test_statements(value: Any, expected: bool | None) -> None:
    assert affirmed(value) is expected


def test_paths_and_words() -> None:
    assert at({"a": [{"b": 3}]}, "a.0.b") == 3
    assert at({"a": [1]}, "a.1") is at({"a": [1]}, "a.-1") is at({"a": 1}, "a.b") is at([], "x") is None
    assert complaint(b'{"errors": [{"title": "a"}, {"title": "b"}], "title": ""}') == "a; b"
    assert complaint(b"<html>long page</html>") == complaint(b"") == complaint(b"3") == ""
    assert complaint(b"busy\xff") == "busy\ufffd"
    assert image_bytes("aGk=") == b"hi"
    assert image_bytes("é") is image_bytes("a") is None
