"""What a Hub or its user may not do: refused in one line, before anything is fetched or given that should not be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hub_bundle import contents, made_bundle
from hub_client import Client, Done
from hub_server import TOKEN, Hub, Repo
from hypothesis import given
from hypothesis import strategies as st

from contrafake.detect.load import find_bundle
from contrafake.errors import BundleError, UsageError
from contrafake.model.hub import Address, parse_address
from contrafake.model.hub.listing import matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.model.bundle import Bundle


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
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return made_bundle(tmp_path_factory.mktemp("bundles") / "made")


def check(done: Done, *words: str) -> None:
    """One line of error with all the words, and no token."""
    assert done.code == 2
    assert "Traceback" not in done.err
    assert done.err.count("contrafake: ") <= 1
    for word in words:
        assert word in done.err
    assert TOKEN not in done.out + done.err


def fetched(hub: Hub) -> list[str]:
    """Names of the files whose content was asked for."""
    return [line.rpartition("/")[2] for line in hub.log if line.startswith("GET") and "/resolve/" in line]


def test_a_model_that_is_no_bundle_is_not_fetched(hub: Hub, client: Client, tmp_path: Path) -> None:
    hub.repos["me/pickle"] = Repo()
    hub.repos["me/pickle"].commit({"model.pkl": b"cos\nsystem\n", "README.md": b"# load me"})
    hub.log.clear()
    check(client("models", "pull", "me/pickle"), "me/pickle: has none of the files config.json")
    assert fetched(hub) == []
    published = {"config.json": b'{"architectures": ["ViTModel"]}', "model.safetensors": b"w", "sklearn/knn.sav": b"k"}
    hub.repos["me/published"] = Repo()
    hub.repos["me/published"].commit(published)
    out = tmp_path / "out"
    done = client("models", "pull", "me/published", "--out", out)
    check(done, "is no bundle of contrafake", "contrafake models import me/published --out FOLDER")
    assert fetched(hub) == ["config.json"]
    assert not out.exists()
    assert "models pull" in client("open", "me/published").err


def test_only_what_matches_is_fetched_and_only_within_bounds(hub: Hub, client: Client) -> None:
    hub.repos["me/large"] = Repo()
    hub.repos["me/large"].commit({"a.onnx": b"1" * 60, "b.onnx": b"2" * 60, "deep/c.onnx": b"3", "d.pkl": b"4"})
    hub.log.clear()
    check(client("fetch", "me/large", "*.onnx", "100", "9"), "0.0 MB, more than the 0.0001 MB allowed")
    check(client("fetch", "me/large", "*.onnx", "999", "1"), "has 2 matching files, more than the 1 allowed")
    assert fetched(hub) == []
    assert client("fetch", "me/large", "deep/*.onnx", "9", "9").out.split() == ["deep/c.onnx"]
    assert client("fetch", "me/large", "*.onnx", "120", "2").out.split() == ["a.onnx", "b.onnx", "deep/c.onnx"]
    assert sorted(fetched(hub)) == ["a.onnx", "b.onnx", "c.onnx"]
    hub.repos["me/climbing"] = Repo()
    hub.repos["me/climbing"].commit({"../../up.onnx": b"1"})
    check(client("fetch", "me/climbing", "*.onnx", "120", "2"), "unsafe path '../../up.onnx'")


def test_files_that_are_not_what_they_are_said_to_be(hub: Hub, client: Client, bundle: Bundle, tmp_path: Path) -> None:
    files = contents(bundle.path)
    lying = hub.repos["me/lying"] = Repo()
    lying.commit({**files, "model.onnx": b"another"})
    out = tmp_path / "out"
    check(client("models", "pull", "me/lying", "--out", out), "me/lying: model.onnx: does not have the hash")
    assert not out.exists()
    assert client("open", "me/lying").code == 2
    hub.repos["me/tampered"] = Repo()
    hub.repos["me/tampered"].commit(files)
    hub.tampered.add("model.onnx")
    check(client("models", "pull", "me/tampered"), "model.onnx: was fetched and is not what the Hub lists")
    hub.tampered.clear()
    assert client("models", "pull", "me/tampered", "--json").json["hash"] == bundle.hash
    hostile = json.loads(files["config.json"]) | {"name": "\x1b[2Jgone\u202e"}
    hub.repos["me/escapes"] = Repo()
    hub.repos["me/escapes"].commit({**files, "config.json": json.dumps(hostile).encode()})
    shown = client("models", "pull", "me/escapes")
    assert "\\x1b[2Jgone\\u202e" in shown.out
    assert "\x1b" not in shown.out


def test_who_may_not_and_what_is_not_there(hub: Hub, client: Client, bundle: Bundle) -> None:
    host = f"127.0.0.1:{hub.port}"
    for name in ("me/private", "me/gated", "others/theirs"):
        hub.repos[name] = Repo(private="private" in name, gated="gated" in name)
        hub.repos[name].commit(contents(bundle.path))
    check(client("models", "pull", "me/nothing"), f"{host} has no such model", "HF_TOKEN", "`hf auth login`")
    check(client("models", "pull", "me/private", token=None), f"{host} has no such model", "HF_TOKEN")
    check(client("models", "pull", "me/gated", token=None), "accepted its terms")
    check(client("models", "pull", "me/private", token=TOKEN[1:]), f"{host} does not accept the token")
    check(client("models", "pull", "me/private@gone"), "me/private: has no revision 'gone'")
    check(client("models", "pull", f"me/private@{'0' * 40}"), "me/private: has no revision")
    assert client("models", "pull", "me/private").code == 0
    hub.status = 503
    check(client("models", "pull", "me/private"), f"{host} failed with status 503 (out of order)")
    hub.status = None
    push = "models", "push", bundle.path
    done = client(*push, "others/theirs", "--yes")
    assert f"{host} does not let you do this (this token may not write to others/theirs)" in done.err
    done = client(*push, "me/private", "--yes", token=None)
    assert (done.code, "HF_TOKEN" in done.err, "hf auth login" in done.err) == (2, True, True)


def test_what_is_never_given(hub: Hub, client: Client, bundle: Bundle, tmp_path: Path) -> None:
    other = hub.repos["me/other"] = Repo()
    before = other.commit({"config.json": b'{"model_type": "bert"}'})
    push = "models", "push", bundle.path
    assert "holds a model that is no bundle" in client(*push, "me/other", "--yes").err
    assert other.branches == {"main": before}
    hub.log.clear()
    assert "add --yes" in client(*push, "me/other").err
    check(client(*push, "me/other@main", "--yes"), "names a revision")
    check(client(*push, "me/other", "--yes", "--private"), "add --create")
    check(client(*push, "me/other", "--yes", "--branch", "../x"), "is no revision")
    made_bundle(tmp_path / "damaged")
    (tmp_path / "damaged" / "model.onnx").write_bytes(b"other")
    check(client("models", "push", tmp_path / "damaged", "me/new", "--create", "--yes"), "does not have the hash")
    assert hub.log == []


@pytest.mark.parametrize(
    "text",
    ["", "name", "a/b/c", "../b", "a/..", "a/b..c", "a--b/c", "/b", "a/", "a/b@", "a/b@../../x", "a/b@-x", "a/b@x//y",
     "a b/c", "a/b@x y", "a/b\n", "ä/b", f"a/{'b' * 95}", "a/b@x@y"],
)  # fmt: skip
def test_no_address(text: str) -> None:
    with pytest.raises(UsageError):
        parse_address(text)


@given(st.from_regex(r"[a-z0-9]{1,9}/[A-Za-z0-9]{1,9}(@[a-z0-9]{1,9}(/[a-z0-9]{1,9})?)?", fullmatch=True))
def test_an_address_is_told_as_it_was_given(text: str) -> None:
    assert str(parse_address(text)) == text


def test_pinned_addresses() -> None:
    assert parse_address("a/b") == Address("a/b", None)
    assert not Address("a/b", "main").pinned
    assert not Address("a/b", "0" * 39).pinned
    assert Address("a/b").at("0" * 40).pinned


def test_patterns_do_not_reach_into_folders() -> None:
    assert matches("a.onnx", ["*.onnx"])
    assert not matches("deep/a.onnx", ["*.onnx"])
    assert matches("deep/a.onnx", ["deep/*"])
    assert not matches("a.sav", ["*.onnx", "deep/*"])


def test_a_folder_comes_before_a_pulled_model(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("me").mkdir()
    made = made_bundle(Path("me") / "other", "3")
    assert find_bundle("me/other").hash == made.hash
    assert find_bundle(bundle.path).hash == bundle.hash
    for name in ("me/absent/deep", Path("me/absent"), "absent"):
        with pytest.raises(BundleError, match="there is no such model"):
            find_bundle(name)
