"""Calls to addresses that somebody else named: the internet only, in time, with bounded answers."""

import socket
import time
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from config.env import SettingInvalid, env_networks
from integrations import addresses, outbound
from integrations.errors import AddressRefused, TemporaryError
from tests.integrations.receiving import receiver

PRIVATE = (
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254"),
    *("0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
    *("::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1"),
    *("2002:7f00:1::", "2001::1", "fe80::1%lo", "fec0::1", "fc00::1", "fd00:ec2::254"),
    *("::7f00:1", "ff02::1", "2001:db8::1"),
)


@pytest.fixture
def loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]


def post(url: str, **given: Any) -> outbound.Answer:
    return outbound.post(url, body=b"{}", headers={}, **given)


@pytest.mark.parametrize("text", PRIVATE)
def test_addresses_that_are_not_of_the_internet_are_refused(text: str) -> None:
    assert not addresses.is_allowed(ip_address(text), [])


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_of_the_internet_are_called(text: str) -> None:
    assert addresses.is_allowed(ip_address(text), [])


def test_an_allowed_network_is_allowed_in_each_of_its_forms() -> None:
    networks = [ip_network("127.0.0.0/8")]
    for text in ("127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"):
        assert addresses.is_allowed(ip_address(text), networks)
    assert not addresses.is_allowed(ip_address("10.0.0.1"), networks)
    assert not addresses.is_allowed(ip_address("::1"), networks)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "[::1]",
     "[::ffff:127.0.0.1]", "169.254.169.254", "0"],
)  # fmt: skip
def test_no_form_of_a_private_address_is_connected_to(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("it connected")

    monkeypatch.setattr(socket, "create_connection", never)
    with pytest.raises(AddressRefused, match=r"OUTBOUND_ALLOW|no address"):
        post(f"http://{host}:9/")
    assert outbound.check_url(f"http://{host}/") is not None


def test_the_address_that_was_checked_is_the_one_that_is_called(
    monkeypatch: pytest.MonkeyPatch, loopback: None
) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int, **given: Any) -> list[Any]:
        asked.append(host)
        # A second question would be answered otherwise.
        address = "127.0.0.1" if len(asked) == 1 else "10.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    with receiver() as server:
        real, connected = socket.create_connection, []

        def connect(address: Any, *args: Any, **kwargs: Any) -> Any:
            connected.append(address[0])
            monkeypatch.undo()
            return real(address, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setattr(socket, "create_connection", connect)
        port = server.url.split(":")[2].split("/")[0]
        assert post(f"http://shop.example:{port}/hook").status == 200
    assert asked == ["shop.example"]
    assert connected == ["127.0.0.1"]
    assert server.received[0].headers["Host"].startswith("shop.example")


def test_of_several_addresses_only_public_ones_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def resolve(host: str, port: int, **given: Any) -> list[Any]:
        found = ["10.0.0.1", "192.0.2.9", "93.184.216.34"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    def connect(address: Any, *args: Any, **kwargs: Any) -> Any:
        tried.append(address[0])
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(TemporaryError, match="could not be reached"):
        post("http://shop.example/")
    assert tried == ["93.184.216.34"]


def test_a_name_that_is_none_may_be_one_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*args: Any, **given: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(TemporaryError, match="no such name: shop"):
        post("http://shop.example/")


def test_redirects_are_not_followed(loopback: None) -> None:
    def move(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with receiver(move) as server:
        assert post(server.url).status == 302
    assert [request.path for request in server.received] == ["/hook"]


def test_no_proxy_of_the_environment_is_used(
    loopback: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbound.hang_up()
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with receiver() as server:
        assert post(server.url).status == 200


def test_the_time_is_that_of_the_whole_call(loopback: None) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        # Each letter comes in time by itself.
        for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 100:
            handler.wfile.write(bytes([letter]))
            handler.wfile.flush()
            time.sleep(0.02)

    with receiver(drip) as server:
        began = time.monotonic()
        with pytest.raises(TemporaryError, match=r"within 0\.2 s"):
            post(server.url, seconds=0.2)
        assert time.monotonic() - began < 1


def test_of_an_endless_answer_a_beginning_is_read(loopback: None) -> None:
    def pour(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _number in range(1000):
            handler.wfile.write(b"x\x00" * 50_000)

    with receiver(pour) as server:
        answer = post(server.url)
    assert answer.status == 200
    assert answer.text == "x" * 1000


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://example.com/", "invalid"),
        ("example.com/hook", "invalid"),
        ("https://", "invalid"),
        ("https://example.com:99999/", "invalid"),
        ("https://exa mple.com/", "invalid"),
        ("https://[::1", "invalid"),
        ("https://a:b@example.com/", "has_credentials"),
        ("http://10.0.0.7/", "private_address"),
        ("http://foo.localhost/", "private_address"),
        ("https://example.com/" + "a" * 2000, "too_long"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_at_once(url: str, code: str) -> None:
    problem = outbound.check_url(url)
    assert problem is not None
    assert problem.code == code


@pytest.mark.parametrize("url", ["https://example.com/hook?a=b", "http://example.com:8080"])
def test_what_is_right_passes(url: str) -> None:
    assert outbound.check_url(url) is None


def test_the_setting_names_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOUND_ALLOW", "127.0.0.0/8, 192.168.1.7,fd00::/8")
    assert [str(one) for one in env_networks("OUTBOUND_ALLOW")] == [
        "127.0.0.0/8", "192.168.1.7/32", "fd00::/8",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["127.0.0.1/8", "localhost", "10.0.0.0/33"])
def test_a_network_that_is_none_stops_the_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOUND_ALLOW", text)
    with pytest.raises(SettingInvalid, match="OUTBOUND_ALLOW must be networks"):
        env_networks("OUTBOUND_ALLOW")
