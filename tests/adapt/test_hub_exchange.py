"""Bundles to a Hub on this machine and back: bit for bit, by pinned commits, and from the cache when it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hub_bundle import contents, made_bundle
from hub_client import Client
from hub_server import Hub, Repo

from contrafake.model.bundle import Bundle, read_bundle
from contrafake.model.hub.watching import watch_arrivals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER = """\
---
license: other
license_name: see-notice
license_link: NOTICE
library_name: contrafake
pipeline_tag: image-classification
tags:
- contrafake
- ai-generated-image-detection
- onnx
---

"""


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture(scope="module")
def client(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(tmp_path_factory.mktemp("client"), hub.url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    """Two versions; the first keeps torch weights, the second does not."""
    folder = tmp_path_factory.mktemp("bundles")
    return [made_bundle(folder / "one", "1", weights=True), made_bundle(folder / "two", "2")]


def test_what_is_pushed_is_pulled_bit_for_bit(hub: Hub, client: Client, versions: list[Bundle], tmp_path: Path) -> None:
    mine = contents(versions[0].path)
    hub.log.clear()
    planned = client("models", "push", versions[0].path, "me/first", "--dry-run", token=None)
    assert planned.code == 0
    assert "50,000  model.onnx" in planned.out
    assert hub.log == []

    refused = client("models", "push", versions[0].path, "me/first", "--yes")
    assert (refused.code, "--create" in refused.err) == (2, True)
    assert "me/first" not in hub.repos
    given = client("models", "push", versions[0].path, "me/first", "--create", "--private", "--yes", "--json").json
    repo = hub.repos["me/first"]
    assert repo.private
    assert repo.branches["main"] == given["commit"]
    assert given["pinned"] == f"me/first@{given['commit']}"
    card = HEADER.encode() + mine["README.md"]
    there = {**mine, "README.md": card}
    assert repo.commits[given["commit"]] == {".gitattributes": b"*.onnx filter=lfs\n", **there}
    assert contents(versions[0].path) == mine
    again = client("models", "push", versions[0].path, "me/first", "--yes", "--json").json
    assert again["commit"] == given["commit"]

    got = client("models", "pull", "me/first", "--out", tmp_path / "plain", "--json").json
    assert (got["hash"], got["commit"], got["pinned"]) == (versions[0].hash, given["commit"], given["pinned"])
    assert contents(tmp_path / "plain") == there
    assert read_bundle(tmp_path / "plain").hash == versions[0].hash
    taken = client("models", "pull", "me/first", "--out", tmp_path / "plain")
    assert (taken.code, "exists" in taken.err) == (2, True)
    told = client("models", "pull", got["pinned"])
    for line in (f"hash    {versions[0].hash}", f"pinned  {given['pinned']}", "was in the cache"):
        assert line in told.out
    assert client("open", "me/first").out.strip() == versions[0].hash


def test_a_pinned_address_keeps_its_meaning_where_a_branch_moves(
    hub: Hub, client: Client, versions: list[Bundle]
) -> None:
    one, two = versions
    first = client("models", "push", one.path, "me/moving", "--create", "--yes", "--json").json
    assert client("models", "pull", "me/moving", "--json").json["hash"] == one.hash
    second = client("models", "push", two.path, "me/moving", "--yes", "--message", "better", "--json").json
    assert second["removed"] == ["model.safetensors"]
    assert "model.safetensors" not in hub.repos["me/moving"].commits[second["commit"]]
    assert client("open", "me/moving").out.strip() == one.hash, "nothing was pulled since"
    assert client("models", "pull", "me/moving", "--json").json["hash"] == two.hash
    assert client("open", "me/moving").out.strip() == two.hash
    assert client("open", first["pinned"]).out.strip() == one.hash
    hub.log.clear()
    old = client("models", "pull", first["pinned"], "--json").json
    assert (old["hash"], old["from_cache"]) == (one.hash, True)
    assert hub.log == []

    client("models", "push", one.path, "me/moving", "--branch", "try/old", "--yes", "--json")
    assert client("models", "pull", "me/moving@try/old", "--json").json["hash"] == one.hash
    assert client("open", "me/moving@try/old").out.strip() == one.hash
    assert hub.repos["me/moving"].branches["main"] == second["commit"]


def test_a_download_that_fails_leaves_what_was_there_and_goes_on_where_it_broke_off(
    hub: Hub, client: Client, versions: list[Bundle]
) -> None:
    repo = hub.repos["me/breaking"] = Repo()
    repo.commit(contents(versions[0].path))
    assert client("models", "pull", "me/breaking", "--json").json["hash"] == versions[0].hash
    repo.commit(contents(versions[1].path))
    hub.short.add("model.onnx")
    ended = client("models", "pull", "me/breaking")
    assert (ended.code, "a file from 127.0.0.1" in ended.err, "ended early" in ended.err) == (2, True, True)
    assert client("open", "me/breaking").out.strip() == versions[0].hash
    hub.short.clear()
    hub.broken["model.onnx"] = 1
    assert client("models", "pull", "me/breaking", "--json").json["hash"] == versions[1].hash
    assert hub.broken["model.onnx"] == 0
    assert client("open", "me/breaking").out.strip() == versions[1].hash
    long = hub.repos["me/long"] = Repo()
    long.commit({"long.onnx": bytes(21 * 2**20)})  # the client writes down what it has every 10 MiB
    hub.broken["long.onnx"] = 1
    assert client("fetch", "me/long", "*.onnx", str(10**9), "9").out.split() == ["long.onnx"]
    assert hub.ranges == [f"long.onnx bytes={10 * 2**20}-"]


def test_a_changed_cache_is_refused_and_pulling_repairs_it(hub: Hub, client: Client, versions: list[Bundle]) -> None:
    repo = hub.repos["me/changed"] = Repo()
    pinned = f"me/changed@{repo.commit(contents(versions[1].path))}"
    got = client("models", "pull", pinned, "--json").json
    graph = client.home / got["folder"] / "model.onnx"
    original = graph.read_bytes()
    graph.resolve().write_bytes(b"x" + original[1:])
    opened = client("open", pinned)
    assert opened.code == 2
    assert "does not have the hash" in opened.err
    assert f"contrafake models pull {pinned}" in opened.err
    assert client("models", "pull", pinned, "--json").json["from_cache"] is False
    assert graph.read_bytes() == original
    graph.unlink()
    assert "contrafake models pull" in client("open", pinned).err
    assert client("models", "pull", pinned, "--json").json["hash"] == versions[1].hash
    assert client("open", pinned).code == 0


def test_once_pulled_no_network_is_needed(versions: list[Bundle], tmp_path: Path) -> None:
    hub = Hub()
    online = Client(tmp_path / "home", hub.url)
    offline = Client(tmp_path / "home", hub.url, HF_HUB_OFFLINE="1")
    try:
        commit = hub.repos.setdefault("me/kept", Repo()).commit(contents(versions[1].path))
        hub.log.clear()
        refused = offline("models", "pull", "me/kept")
        assert (refused.code, "HF_HUB_OFFLINE is set" in refused.err) == (2, True)
        assert hub.log == []
        assert online("models", "pull", "me/kept").code == 0
        hub.close()
        for client in (online, offline):
            kept = client("models", "pull", f"me/kept@{commit}", "--json").json
            assert (kept["hash"], kept["from_cache"]) == (versions[1].hash, True)
            assert client("open", "me/kept").out.strip() == versions[1].hash
        assert offline("models", "pull", "me/kept", "--json").json["from_cache"] is True
        for arguments in (["pull", "me/kept"], ["push", versions[0].path, "me/kept", "--yes"]):
            failed = online("models", *arguments)
            assert failed.code == 2
            assert f"cannot reach 127.0.0.1:{hub.port}" in failed.err
            assert "Traceback" not in failed.err
        assert online("open", "me/kept").code == 0
        missing = online("open", "me/other")
        assert "(contrafake models pull me/other)" in missing.err
    finally:
        online.close()
        offline.close()


def test_what_arrives_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    blobs = tmp_path / "models--me--m" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "old").write_bytes(bytes(5_000_000))
    told: list[tuple[str, int, int | None]] = []
    with watch_arrivals("me/m", 3_400_000, lambda *seen: told.append(seen)):
        (blobs / "new").write_bytes(bytes(3_400_000))
    assert sum(steps for _, steps, _ in told) == 3
    assert {(doing, total) for doing, _, total in told} == {("MB fetched", 3)}
