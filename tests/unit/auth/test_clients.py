import pytest

from services.auth.sessions.clients import UNKNOWN, device_of, prefix_of

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.0.0 Safari/537.36"
)
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
    " Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (CHROME, "Chrome on Windows"),
        (f"{CHROME} Edg/140.0.0.0", "Edge on Windows"),
        (SAFARI, "Safari on iPhone"),
        ("curl/8.9.1", "curl"),
        ("python-httpx/0.28", "python-httpx"),
        ("", UNKNOWN),
        ("\x00\x1b[31m", UNKNOWN),
        ("<script>", UNKNOWN),
        ("\u202egnp.exe", "gnp.exe"),
        ("x" * 5000, "x" * 60),
    ],
)
def test_what_a_device_is_called(user_agent: str, name: str) -> None:
    assert device_of(user_agent) == name


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("testclient", None),
        ("", None),
        (None, None),
    ],
)
def test_what_is_kept_of_an_address(address: str | None, prefix: str | None) -> None:
    assert prefix_of(address) == prefix
