"""The options of a database URL, `?NAME=VALUE&...`: which exist, which name files, and which may be shown."""

from __future__ import annotations

import configparser
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

from cnn_mellin.errors import UserError
from cnn_mellin.formats.text_file import read_text
from cnn_mellin.nearest import nearest

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

__all__ = ["holds_secret", "option_fault", "secrets_of", "shown_options"]

# When a URL is shown, the values of all other options are masked.
_HARMLESS = frozenset(
    (
        *("host", "hostaddr", "port", "user", "dbname", "service", "connect_timeout", "client_encoding"),
        *("application_name", "fallback_application_name", "keepalives", "keepalives_idle", "keepalives_interval"),
        *("keepalives_count", "tcp_user_timeout", "target_session_attrs", "load_balance_hosts", "gssencmode"),
        *("sslmode", "sslnegotiation", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "passfile"),
        *("channel_binding", "require_auth", "min_protocol_version", "max_protocol_version"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "unix_sock", "unix_socket"),
        *("read_default_file", "read_default_group", "charset", "collation", "read_timeout", "write_timeout"),
        *("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher", "ssl_check_hostname", "ssl_verify_cert"),
        *("ssl_verify_identity", "program_name", "bind_address"),
    )
)
_SECRET = frozenset(
    ("password", "passwd", "sslpassword", "ssl_key_password", "oauth_client_secret")
    + ("scram_client_key", "scram_server_key")
)
# Options whose values are text; the driver's other options take Python objects.
_OF_PG8000 = ("application_name", "password", "unix_sock")
_OF_PYMYSQL = (
    *("bind_address", "charset", "collation", "connect_timeout", "init_command", "password", "passwd", "program_name"),
    *("read_default_file", "read_default_group", "read_timeout", "sql_mode", "ssl_ca", "ssl_capath", "ssl_cert"),
    *("ssl_check_hostname", "ssl_cipher", "ssl_key", "ssl_key_password", "ssl_verify_cert", "ssl_verify_identity"),
    *("unix_socket", "write_timeout"),
)
_SECONDS = ("connect_timeout", "read_timeout", "write_timeout")
_FILES = (
    "sslcert",
    "sslkey",
    "sslrootcert",
    "sslcrl",
    "passfile",
    "read_default_file",
    "ssl_ca",
    "ssl_cert",
    "ssl_key",
)
_FOLDERS = ("sslcrldir", "ssl_capath")


def option_fault(text: str, url: URL) -> str | None:
    """Describe the first wrong option of a URL and its remedy, without secret values; None if all are right.

    Args:
        text: the URL as given.
        url: the parsed URL, with a known driver.
    """
    for name, given in parse_qsl(text.partition("?")[2], keep_blank_values=True):
        if not given:  # SQLAlchemy ignores these silently
            return f"the option {name[:40]!r} has no value; write {name[:40]}=VALUE, or leave it out"
    known = _known(url.drivername)
    driver = url.drivername.rpartition("+")[2]
    for name, value in url.query.items():
        if name not in known:
            tls = "ssl" in name and driver == "pg8000"
            remedy = "for TLS use postgresql+psycopg://" if tls else nearest(name, sorted(known))
            return f"the driver {driver} has no option {name!r}; {remedy}"
        if isinstance(value, str):
            fault = _value_fault(name, value, url)
            if fault is not None:
                return fault
        elif name != "host":
            return f"the option {name!r} is given {len(value)} times; give it once"
    return None


def holds_secret(url: URL) -> bool:
    """Check whether a URL contains a password, in any place."""
    return bool(url.password) or any(name in _SECRET for name in url.query)


def secrets_of(url: URL) -> list[str]:
    """Values in a URL that must not be shown: the password, and values of options not known to be harmless."""
    values = [value for name, value in url.query.items() if name not in _HARMLESS]
    plain = [text for value in values for text in ([value] if isinstance(value, str) else value)]
    return [text for text in [str(url.password or ""), *plain] if text]


def shown_options(url: URL) -> str:
    """Options with secret values masked, after a question mark; empty if the URL has no options.

    >>> from sqlalchemy.engine import make_url
    >>> shown_options(make_url("mysql+pymysql:///db?ssl_key=/k.pem&ssl_key_password=x"))
    '?ssl_key=/k.pem&ssl_key_password=***'
    """
    shown = []
    for name, value in url.query.items():
        for text in [value] if isinstance(value, str) else value:
            shown.append(f"{quote(name)}={quote(text, safe='/:,~@') if name in _HARMLESS else '***'}")
    return f"?{'&'.join(shown)}" if shown else ""


def _known(driver: str) -> Collection[str]:
    if driver == "postgresql+psycopg":
        import psycopg

        return {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    return {"postgresql+pg8000": _OF_PG8000, "mysql+pymysql": _OF_PYMYSQL}.get(driver, ())


def _value_fault(name: str, value: str, url: URL) -> str | None:
    if name in _SECONDS and not (value.isascii() and value.isdigit() and 0 < int(value) <= 31_536_000):
        return f"{name} is {value[:40]!r}; it must be a whole number of seconds above 0"
    if name == "sslrootcert" and value == "system":
        return None
    if name in _FOLDERS and not Path(value).is_dir():
        return f"{name}: the folder {value} does not exist; mend the path"
    if name in _FILES:
        fault = _file_fault(os.path.expanduser(value) if name == "read_default_file" else value)
        if fault is not None:
            return f"{name}: {fault}"
    if name in ("unix_sock", "unix_socket") and not Path(value).exists():
        return f"{name}: the socket {value} does not exist; start the server, or mend the path"
    if name == "read_default_file":
        return _defaults_fault(os.path.expanduser(value), str(url.query.get("read_default_group", "client")))
    return None


def _file_fault(path: str) -> str | None:
    if not Path(path).exists():
        return f"the file {path} does not exist; mend the path, or create the file"
    if not Path(path).is_file():
        return f"{path} is not a file; mend the path"
    try:
        with open(path, "rb"):
            return None
    except OSError as error:
        return f"the file {path} cannot be read ({error.strerror}); mend its permissions"


def _defaults_fault(path: str, group: str) -> str | None:
    """Describe what is wrong with an option file of MySQL's clients, without its lines, which may hold passwords."""
    parser = configparser.RawConfigParser(allow_no_value=True)
    try:
        parser.read_string(read_text(path, max_bytes=1 << 20))
        with open(path, "rb") as file:
            if file.read(3) == b"\xef\xbb\xbf":
                return f"read_default_file: {path} begins with a byte-order mark; save it without one"
    except configparser.Error as error:
        errors = getattr(error, "errors", None)
        line = errors[0][0] if errors else getattr(error, "lineno", None)
        place = path if line is None else f"{path}:{line}"
        return f"read_default_file: {place}: is not a line of an option file; expected [{group}], host=..., user=..."
    except UserError as error:
        return f"read_default_file: {error}"
    if not parser.has_section(group):
        return f"read_default_file: {path} has no group [{group}], so its options are ignored; begin it with that line"
    options = {name.replace("_", "-"): (value or "").strip("'\"") for name, value in parser.items(group)}
    port = options.get("port", "3306")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        return f"read_default_file: {path}: port must be a whole number from 1 to 65535"
    for name in ("ssl-ca", "ssl-cert", "ssl-key"):
        fault = _file_fault(options[name]) if options.get(name) else None
        if fault is not None:
            return f"read_default_file: {path}: {name}: {fault}"
    return None
