from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy (the extra search) is not installed")
pytest.importorskip("psycopg", reason="psycopg (the extra search) is not installed")

from sqlalchemy.engine import make_url

from cnn_mellin.search.database_options import secrets_of, shown_options
from cnn_mellin.search.database_url import DatabaseError, resolve_database_url, shown_url

POSTGRES, PG8000, MYSQL = "postgresql+psycopg://u@h/d", "postgresql+pg8000://u@h/d", "mysql+pymysql://u@h/d"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (f"{PG8000}?sslmode=require", r"the driver pg8000 has no option 'sslmode'; for TLS use postgresql\+psycopg://"),
        (f"{PG8000}?nonsense=1", "has no option 'nonsense'; choose from application_name, password, unix_sock"),
        (f"{POSTGRES}?nonsense=1", "the driver psycopg has no option 'nonsense'"),
        (f"{POSTGRES}?ssl_mode=require", "has no option 'ssl_mode'; did you mean 'sslmode'"),
        (f"{MYSQL}?nonsense=1", "the driver pymysql has no option 'nonsense'"),
        (f"{MYSQL}?sslmode=require", "the driver pymysql has no option 'sslmode'"),
        (f"{POSTGRES}?sslmode=", "the option 'sslmode' has no value; write sslmode=VALUE"),
        (f"{MYSQL}?read_default_file", "the option 'read_default_file' has no value"),
        (f"{MYSQL}?charset=utf8&charset=latin1", "the option 'charset' is given 2 times"),
        (f"{MYSQL}?connect_timeout=soon", "connect_timeout is 'soon'; it must be a whole number of seconds above 0"),
        (f"{MYSQL}?connect_timeout=0", "connect_timeout is '0'"),
        (f"{MYSQL}?ssl_ca=/no/ca.pem", "ssl_ca: the file /no/ca.pem does not exist; mend the path"),
        (f"{MYSQL}?ssl_capath=/no/cas", "ssl_capath: the folder /no/cas does not exist"),
        (f"{MYSQL}?ssl_key=/", "ssl_key: / is not a file"),
        (f"{MYSQL}?unix_socket=/no/s", "unix_socket: the socket /no/s does not exist; start the server"),
        (f"{MYSQL}?read_default_file=/nope.cnf", "read_default_file: the file /nope.cnf does not exist"),
        (f"{POSTGRES}?sslrootcert=/no/ca.pem", "sslrootcert: the file /no/ca.pem does not exist"),
        (f"{POSTGRES}?passfile=/no/pgpass", "passfile: the file /no/pgpass does not exist"),
        ("postgresql+psycopg://u@h:99999/d", r"port 99999 must lie in 1\.\.65535"),
        ("postgresql+psycopg://u@h:0/d", "port 0 must lie"),
        ("sqlite:///q?x.db", r"sqlite:///q\?\.\.\.: an SQLite file has no options, and its name no question mark"),
        ("sqlite:///q?mode=ro", "an SQLite file has no options"),
        ("sqlite:///q?", "an SQLite file has no options"),
        ("sqlite://q.db", "names a host; use sqlite:///FILE, with three slashes"),
        ("sqlite:////", "is not a file"),
        ("sqlite:///a\x1b[31m.db", "has characters that a URL must not have"),
    ],
)
def test_a_wrong_option_is_reported_in_one_line_before_any_connection(given, message):
    with pytest.raises(DatabaseError, match=message) as error:
        resolve_database_url(given)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "given",
    [
        f"{POSTGRES}?sslmode=require&sslpassword=geheim",
        f"{POSTGRES}?oauth_client_secret=geheim",
        f"{MYSQL}?ssl_key_password=geheim",
        f"{MYSQL}?passwd=geheim",
        f"{MYSQL}?nonsense=geheim",
        f"{PG8000}?pasword=geheim",
        "postgresql+psycopg://u:p@geheim@h/d",
        "sqlite:///q?password=geheim",
        "oracle://u:geheim@h/d",
        f"{MYSQL}?ssl_key_password=geheim&ssl_key=/no/key",
    ],
)
def test_no_message_shows_a_possible_secret(given, monkeypatch):
    monkeypatch.setenv("STUDIES", given)
    for form in (given, "env:STUDIES"):
        try:
            shown = shown_url(resolve_database_url(form))
        except DatabaseError as error:
            shown = str(error)
        assert "geheim" not in shown


def test_option_values_are_masked_unless_known_to_be_harmless():
    url = make_url(f"{MYSQL}?ssl_key=/k.pem&ssl_key_password=geheim&init_command=SET x&charset=a%0Ab")
    assert shown_options(url) == "?ssl_key=/k.pem&ssl_key_password=***&init_command=***&charset=a%0Ab"
    assert secrets_of(url) == ["geheim", "SET x"]


def defaults(folder: Path, text: str) -> str:
    (folder / "my.cnf").write_text(text)
    return f"mysql+pymysql:///db?read_default_file={folder}/my.cnf"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"has no group \[client\], so its options are ignored"),
        ("[mysqld]\nport=1\n", r"has no group \[client\]"),
        ("password=geheim\n", r"my.cnf:1: is not a line of an option file; expected \[client\]"),
        ("[client]\nuser=a\n= geheim\n", "my.cnf:3: is not a line of an option file"),
        ("[client]\npassword=a\npassword=geheim\n", "my.cnf:3: is not a line of an option file"),
        ("[client]\nport=geheim\n", "port must be a whole number from 1 to 65535"),
        ("[client]\nssl-ca=/no/ca.pem\n", "ssl-ca: the file /no/ca.pem does not exist"),
        ("[client]\nssl_ca=/no/ca.pem\n", "ssl-ca: the file /no/ca.pem does not exist"),
        ("\ufeff[client]\npassword=geheim\n", "begins with a byte-order mark"),
        ("[client]\nuser=me\nskip-ssl\n", None),
    ],
)
def test_an_option_file_is_checked_and_its_lines_are_not_shown(tmp_path, text, message):
    given = defaults(tmp_path, text)
    if message is None:
        assert resolve_database_url(given).database == "db"
        return
    with pytest.raises(DatabaseError, match=message) as error:
        resolve_database_url(given)
    assert "geheim" not in str(error.value)


def test_another_group_of_an_option_file_is_used_if_the_url_names_it(tmp_path):
    given = defaults(tmp_path, "[searches]\nhost=h\n")
    assert resolve_database_url(f"{given}&read_default_group=searches").database == "db"
