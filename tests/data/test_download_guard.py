"""Which addresses may be asked: every way of writing a private one is refused, by its text or by its numbers."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.data.download.guard import (
    Guard,
    NoLookupError,
    RefusedAddressError,
    UnknownHostError,
    is_public,
)


def resolver(*numbers: str) -> Any:
    """A resolver that gives the same numbers for every host."""
    return lambda host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port)) for number in numbers]


def refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("nothing may be looked up")


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("ftp://example.com/a.jpg", "neither http nor https"),
        ("file:///etc/passwd", "neither http nor https"),
        ("//example.com/a.jpg", "neither http nor https"),
        ("data:image/png;base64,AA", "neither http nor https"),
        ("", "neither http nor https"),
        ("http:///a.jpg", "no host in the address"),
        ("http://user@example.com/a.jpg", "a user name or password in the address"),
        ("http://example.com:pw@10.0.0.1/a.jpg", "a user name or password in the address"),
        ("http://@example.com/", "a user name or password in the address"),
        ("http://example.com:8080/a.jpg", "another port than 80 or 443"),
        ("http://example.com:0/a.jpg", "another port than 80 or 443"),
        ("http://example.com:22/a.jpg", "another port than 80 or 443"),
        ("http://example.com:99999/a.jpg", "not a valid address"),
        ("http://[::1/a.jpg", "not a valid address"),
        ("http://example.com\\@10.0.0.1/", "control characters or backslashes in the address"),
        ("http://exa\tmple.com/", "control characters or backslashes in the address"),
        ("http://example.com/\r\nHost: other", "control characters or backslashes in the address"),
        ("http://localhost/a.jpg", "a name of a private network"),
        ("http://LOCALHOST./a.jpg", "a name of a private network"),
        ("http://a.localhost/", "a name of a private network"),
        ("http://printer.local/", "a name of a private network"),
        ("http://metadata.google.internal/", "a name of a private network"),
        ("http://router/", "not a public host name"),
        ("http://exam%70le.com/", "not a public host name"),
        ("http://-a.com/", "not a public host name"),
        ("http://a..com/", "not a public host name"),
        ("http://127.0.0.1/", "not a public network address"),
        ("http://127.0.0.1./", "not a public network address"),
        ("http://10.1.2.3/", "not a public network address"),
        ("http://169.254.169.254/latest/meta-data", "not a public network address"),
        ("http://2130706433/", "a number in an unusual form instead of a host"),
        ("http://0x7f000001/", "a number in an unusual form instead of a host"),
        ("http://0x7f.0.0.1/", "a number in an unusual form instead of a host"),
        ("http://017700000001/", "a number in an unusual form instead of a host"),
        ("http://0177.0.0.1/", "a number in an unusual form instead of a host"),
        ("http://127.1/", "a number in an unusual form instead of a host"),
        ("http://1.1.1.1.1/", "a number in an unusual form instead of a host"),
        ("http://8.8.8.0x8/", "a number in an unusual form instead of a host"),
        ("http://①②⑦.⓪.⓪.①/", "not a public network address"),
        ("http://127。0。0。1/", "not a public network address"),
        ("http://[::1]/", "not a public network address"),
        ("http://[::ffff:8.8.8.8]/", "not a public network address"),
        ("http://[fe80::1%25eth0]/", "not a public network address"),
        ("http://[v1.fe80::a]/", "not a valid number of a host"),
        ("http://example.com/" + "a" * 9_000, "the address is too long"),
    ],
)
def test_what_is_refused_before_anything_is_looked_up(url: str, cause: str) -> None:
    with pytest.raises(RefusedAddressError) as caught:
        Guard(resolve=refuse).parse(url)
    # Newer Pythons find some of these invalid by themselves.
    assert caught.value.cause in {cause, "not a valid address"}


@pytest.mark.parametrize(
    ("url", "again"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTP://Example.COM:80/A.jpg?b=1#part", "http://example.com/A.jpg?b=1"),
        ("https://example.com:443/a b/ü.jpg", "https://example.com/a%20b/%C3%BC.jpg"),
        ("https://example.com/100%25/a%20b?x=%2F&y=a b", "https://example.com/100%25/a%20b?x=%2F&y=a%20b"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("  http://a_b.example.com./x ", "http://a_b.example.com/x"),
        ("http://8.8.8.8/x", "http://8.8.8.8/x"),
        ("http://[2606:4700::1111]/x", "http://[2606:4700::1111]/x"),
        ("https://example.com:80/x", "https://example.com:80/x"),
    ],
)
def test_what_is_allowed(url: str, again: str) -> None:
    assert Guard(resolve=refuse).parse(url).url == again


# One address in each special block of the IANA registries, and what hides one.
PRIVATE = [
    "0.0.0.0",  # noqa: S104 - nothing is bound
    "0.1.2.3",
    "10.255.0.1",
    "100.64.0.1",
    "127.255.255.255",
    "169.254.1.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.9",
    "192.0.2.1",
    "192.88.99.2",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "::8.8.8.8",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::8.8.8.8",
    "3fff::1",
    "5f00::1",
    "2606:4700::1%1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.0.1",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "198.17.0.1",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450::1",
    "2400:cb00::1",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize("number", PRIVATE)
def test_no_private_number_is_asked_whatever_its_name(number: str) -> None:
    guard = Guard(resolve=resolver(number))
    target = guard.parse("http://harmless.example/")
    with pytest.raises(RefusedAddressError, match="not a public network address"):
        guard.addresses(target)
    # One public number beside it does not help.
    with pytest.raises(RefusedAddressError):
        Guard(resolve=resolver("8.8.8.8", number)).addresses(target)


@pytest.mark.parametrize("number", PUBLIC)
def test_public_numbers_may_be_asked(number: str) -> None:
    guard = Guard(resolve=resolver(number, number))
    assert guard.addresses(guard.parse("https://harmless.example/")) == [number]


@given(st.ip_addresses(v=4))
def test_nothing_is_public_that_the_standard_library_calls_private(address: ipaddress.IPv4Address) -> None:
    if address.is_private or address.is_multicast or address.is_reserved or address.is_loopback:
        assert not is_public(address)
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    assert not is_public(mapped)
    assert is_public(ipaddress.IPv6Address(f"64:ff9b::{address}")) is is_public(address)


@given(st.ip_addresses(v=6))
def test_the_same_for_ipv6(address: ipaddress.IPv6Address) -> None:
    inner = address.ipv4_mapped or address.sixtofour or address.teredo
    if address.is_private or address.is_multicast or address.is_link_local or address.is_site_local or inner:
        assert not is_public(address)


def test_hosts_without_a_number() -> None:
    def nobody(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    def silent(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    target = Guard().parse("http://gone.example/")
    with pytest.raises(UnknownHostError) as gone:
        Guard(resolve=nobody).addresses(target)
    assert not isinstance(gone.value, NoLookupError)
    with pytest.raises(UnknownHostError):
        Guard(resolve=resolver()).addresses(target)
    with pytest.raises(NoLookupError):
        Guard(resolve=silent).addresses(target)


def test_an_exemption_is_only_what_it_says() -> None:
    guard = Guard(ports={8000}, exempt=[ipaddress.ip_network("127.0.0.0/8")], resolve=resolver("127.0.0.1", "10.0.0.1"))
    assert guard.parse("http://127.0.0.1:8000/x").authority == "127.0.0.1:8000"
    for url in ("http://127.0.0.1/x", "http://10.0.0.1:8000/x", "http://[::1]:8000/x"):
        with pytest.raises(RefusedAddressError):
            guard.parse(url)
    with pytest.raises(RefusedAddressError):
        guard.addresses(guard.parse("http://a.example:8000/x"))
