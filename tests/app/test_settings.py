"""Settings: what a file and the environment say, or one line of refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncexport.accounts import Region, Secret
from asyncexport.adapters.cores import cores
from asyncexport.app.settings import (
    COMPRESSIONS,
    Places,
    RunSettings,
    Settings,
    SinkSettings,
    harmless_environment,
    load,
    load_places,
    load_sink,
)
from asyncexport.errors import ConfigError
from asyncexport.models import Entity, Filters, Limits

ENVIRON = {"ID": "amzn1.id", "SECRET": "hush", "TOKEN": "Atzr|canary"}
LETTERS = "letters like @ / ? # in a password are written as %40 %2F %3F %23"
ACCOUNT = """
[[accounts]]
name = "acme"
region = "EU"
client_id = { env = "ID" }
client_secret = { env = "SECRET" }
refresh_token = { env = "TOKEN" }
"""
WHOLE = """
[run]
entities = ["ads", "campaigns"]
ad_products = ["SPONSORED_PRODUCTS"]
states = ["ENABLED"]
state_dir = "state"
ca_file = "company.pem"
workers = 3
runner = "dask"
dask = "tcp://scheduler:8786"
deadline = "90s"

[limits]
in_progress = 2
rate = 1
burst = 3
downloads = 4
looks = 5
sink_timeout = "2m"

[[accounts]]
name = "acme"
region = "FE"
client_id = "amzn1.id"
client_secret = { env = "SECRET" }
refresh_token = { env = "TOKEN" }
profiles = ["12", 34, "12"]
api_url = "http://127.0.0.1:8080/"
token_url = "https://tokens.example/auth"
download_hosts = [".example"]

[sink]
type = "jsonl"
path = "exports"
compression = "none"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "asyncexport.toml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str, **environ: str) -> str:
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        load(path, {**ENVIRON, **environ})
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_slots_that_are_to_be_found_out(tmp_path: Path) -> None:
    """The word stands for a number that is learned."""
    limits = load(written(tmp_path, "[limits]\nin_progress = 'auto'" + ACCOUNT), ENVIRON).limits
    assert (limits.in_progress, limits.told, Limits().told) == ("auto", None, 5)


def test_every_key_there_is(tmp_path: Path) -> None:
    """Each key of the contract arrives, typed, and relative paths belong to the file's folder."""
    settings = load(written(tmp_path, WHOLE), ENVIRON)
    assert settings.run.entities == (Entity.ADS, Entity.CAMPAIGNS)
    assert settings.run.filters == Filters(("SPONSORED_PRODUCTS",), ("ENABLED",))
    assert (settings.run.state_dir, settings.run.workers, settings.run.deadline) == (tmp_path / "state", 3, 90.0)
    assert settings.run.scheduler == "tcp://scheduler:8786"
    assert settings.run.ca_file == tmp_path / "company.pem"
    assert settings.limits == Limits(in_progress=2, rate=1.0, burst=3, downloads=4, looks=5.0, sink_timeout=120.0)
    assert (settings.sink.path, settings.sink.compression) == (tmp_path / "exports", "none")
    (account,) = settings.accounts
    assert (account.name, account.region, account.client_id) == ("acme", Region.FE, "amzn1.id")
    assert (account.client_secret, account.refresh_token) == (Secret("hush"), Secret("Atzr|canary"))
    assert account.profiles == ("12", "34")
    assert (account.api_url, account.token_url) == ("http://127.0.0.1:8080", "https://tokens.example/auth")
    assert account.download_hosts == (".example",)


def test_only_an_account(tmp_path: Path) -> None:
    """Everything but the accounts has a default."""
    path = written(tmp_path, ACCOUNT)
    settings = load(path, ENVIRON)
    assert settings == Settings(accounts=settings.accounts, run=RunSettings(state_dir=tmp_path / "state"), source=path)
    assert settings.run.entities == tuple(Entity)
    assert settings.accounts[0].api_url == "https://advertising-api-eu.amazon.com"
    assert settings.accounts[0].download_hosts == (".amazonaws.com",)


REFUSALS = [
    ("[rum]" + ACCOUNT, "top level: unknown key 'rum' (did you mean 'run'?)"),
    ("[run]\nworkrs = 2" + ACCOUNT, "[run]: unknown key 'workrs' (did you mean 'workers'?)"),
    ("[run]\nrunner = 'dusk'" + ACCOUNT, "[run]: runner: 'dusk' is none of processes, dask (did you mean 'dask'?)"),
    ("[run]\ndask = 1" + ACCOUNT, "[run]: dask must be a string, not an integer"),
    ("[run]\nworkers = -1" + ACCOUNT, "[run]: workers must be from 0 to 256, not -1"),
    ("[run]\nworkers = 'all'" + ACCOUNT, "[run]: workers must be a whole number, not a string"),
    ("[run]\nentities = ['adgroups']" + ACCOUNT,
     "[run]: entities: 'adgroups' is none of campaigns, adGroups, targets, ads (did you mean 'adGroups'?)"),
    ("[run]\ndeadline = 30" + ACCOUNT, "[run]: deadline must be a string, not an integer"),
    ("[run]\nstate_dir = 1" + ACCOUNT, "[run]: state_dir must be a string, not an integer"),
    ("[limits]\nin_progress = 'AUTO'" + ACCOUNT, '[limits]: in_progress must be a whole number or "auto", not "AUTO"'),
    ("[limits]\nin_progress = 2.5" + ACCOUNT, '[limits]: in_progress must be a whole number or "auto", not 2.5'),
    ("[limits]\nin_progress = true" + ACCOUNT, '[limits]: in_progress must be a whole number or "auto", not a boolean'),
    ("[limits]\ndownloads = 100000000" + ACCOUNT, "[limits]: downloads must be from 1 to 1,000, not 100000000"),
    ("[limits]\nrate = 1e-300" + ACCOUNT, "[limits]: rate must be from 0.01 to 1000, not 1e-300"),
    ("[limits]\nlooks = 0.01" + ACCOUNT, "[limits]: looks must be from 0.1 to 1000, not 0.01"),
    ("[limits]\nsink_timeout = '25h'" + ACCOUNT,
     "[limits]: sink_timeout: '25h' is too long; at most 24h make sense"),
    ("[limits]\nrate = 0" + ACCOUNT, "[limits]: rate must be from 0.01 to 1000, not 0"),
    ("[run]\ndeadline = '99999999999999999h'" + ACCOUNT,
     "[run]: deadline: '99999999999999999h' is too long; at most 24h make sense"),
    ("[run]\nstates = ['ENABLD']" + ACCOUNT,
     "[run]: states: 'ENABLD' is none of ENABLED, PAUSED, ARCHIVED (did you mean 'ENABLED'?)"),
    ("[limits]\nexports = 5" + ACCOUNT, "[limits]: unknown key 'exports'"),
    ("[sink]\ntype = 'parket'" + ACCOUNT,
     "[sink]: type: 'parket' is none of jsonl, parquet, duckdb, postgres (did you mean 'parquet'?)"),
    ("[sink]\ntype = 'duckdb'\ncompression = 'zstd'" + ACCOUNT,
     "[sink]: compression is for files; DuckDB compresses by itself"),
    ("[sink]\nmode = 'latest'" + ACCOUNT,
     "[sink]: mode is for databases; in files every snapshot stands beside the others"),
    ("[sink]\ndsn = { env = 'ID' }" + ACCOUNT, "[sink]: dsn is for PostgreSQL; write type = 'postgres'"),
    ("[sink]\ntype = 'postgres'" + ACCOUNT,
     '[sink]: dsn is missing; give a string, { env = "NAME" } or { file = "PATH" }'),
    ("[sink]\ntype = 'postgres'\npath = 'x'" + ACCOUNT,
     "[sink]: path is for files; PostgreSQL takes dsn, schema and mode"),
    ("[sink]\ntype = 'postgres'\ndsn = { env = 'ID' }" + ACCOUNT,
     "[sink]: the dsn is no URL such as postgresql://user:password@host/database; " + LETTERS),
    ("[sink]\ncompression = 'zip'" + ACCOUNT,
     "[sink]: compression: 'zip' is none of zstd, gzip, none (did you mean 'gzip'?)"),
    ("[sink]\ncompresion = 'zstd'" + ACCOUNT, "[sink]: unknown key 'compresion' (did you mean 'compression'?)"),
    (ACCOUNT + "regoin = 'NA'", "[[accounts]] 'acme': unknown key 'regoin' (did you mean 'region'?)"),
    (ACCOUNT + ACCOUNT, "[[accounts]] 'acme': another account has the same name; names must differ"),
    (ACCOUNT.replace('"EU"', '"UK"'), "[[accounts]] 'acme': region: 'UK' is none of NA, EU, FE"),
    (ACCOUNT.replace('region = "EU"', ""), "[[accounts]] 'acme': region is missing; it is NA, EU or FE"),
    (ACCOUNT.replace('name = "acme"', ""), "[[accounts]] number 1: name is missing"),
    (ACCOUNT.replace('"acme"', "5"), "[[accounts]] number 1: name must be a string, not an integer"),
    (ACCOUNT.replace('"SECRET"', '"UNSET"'),
     "[[accounts]] 'acme': client_secret is in the environment variable UNSET, which is not set"),
    (ACCOUNT + "profiles = []",
     "[[accounts]] 'acme': profiles must be an array of profile ids; leave the key out for all of them"),
    (ACCOUNT + "profiles = ['../x']", "[[accounts]] 'acme': profiles: '../x' is no profile id; they are whole numbers"),
    (ACCOUNT + "profiles = [true]", "[[accounts]] 'acme': profiles: True is no profile id; they are whole numbers"),
    (ACCOUNT + "api_url = 'http://api.example'",
     "[[accounts]] 'acme': api_url must use https: credentials go there; plain http is for this machine only"),
    (ACCOUNT + "token_url = 'ftp://x'",
     "[[accounts]] 'acme': token_url must be an https URL such as https://advertising-api.amazon.com"),
    (ACCOUNT + "api_url = 'https://me:hush@api.example'",
     "[[accounts]] 'acme': api_url must be an https URL such as https://advertising-api.amazon.com"),
    (ACCOUNT + "api_url = 'https://[::1'", "[[accounts]] 'acme': api_url is no URL"),
    ("accounts = 5", "top level: accounts must be an array of tables, not an integer; write [[accounts]]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSALS)
def test_a_file_with_a_mistake(tmp_path: Path, text: str, message: str) -> None:
    """A mistake ends in one line that names the file, the table and the key."""
    assert refused(tmp_path, text) == message


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    """A mistake of syntax is told in the parser's words, which name line and column."""
    assert refused(tmp_path, "[run]\nworkers = ").startswith("is not TOML: ")


def test_an_ad_product_that_nobody_knew(tmp_path: Path) -> None:
    """Ad products are an open set: an unknown one is passed on, and said with what it may have meant to be."""
    text = '[run]\nad_products = ["SPONSORED_PRODUCT", "SPONSORED_BRANDS"]' + ACCOUNT
    settings = load(written(tmp_path, text), ENVIRON)
    assert settings.run.filters.ad_products == ("SPONSORED_PRODUCT", "SPONSORED_BRANDS")
    known = "SPONSORED_PRODUCTS, SPONSORED_BRANDS, SPONSORED_DISPLAY"
    meant = "(did you mean 'SPONSORED_PRODUCTS'?)"
    assert settings.warnings == (f"[run]: ad_products: 'SPONSORED_PRODUCT' is none of {known} {meant}",)
    assert load(written(tmp_path, ACCOUNT), ENVIRON).warnings == ()


def test_secrets_in_a_file_that_others_can_read(tmp_path: Path) -> None:
    """A configuration that holds secrets as text must belong to its owner alone."""
    path = written(tmp_path, ACCOUNT.replace('{ env = "TOKEN" }', '"Atzr|canary"'))
    path.chmod(0o644)
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRON)
    assert str(caught.value) == (
        f"{path}: the configuration holds secrets as text, and other users may read {path}; run: chmod 600 {path}"
    )
    path.chmod(0o600)
    assert load(path, ENVIRON).accounts[0].refresh_token == Secret("Atzr|canary")


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    """A file that was named must be there."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml: there is no such file"):
        load(tmp_path / "nowhere.toml", {})


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """What the system says about an unreadable file is told in one line."""
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        load(tmp_path, {})


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are refused without showing them."""
    path = tmp_path / "x.toml"
    path.write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load(path, {})


def test_no_file_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file one account comes from AMAZON_ADS_*."""
    monkeypatch.chdir(tmp_path)
    environ = {
        "AMAZON_ADS_CLIENT_ID": "amzn1.id",
        "AMAZON_ADS_CLIENT_SECRET": "hush",
        "AMAZON_ADS_REFRESH_TOKEN": "Atzr|canary",
        "AMAZON_ADS_REGION": "NA",
    }
    settings = load(None, environ)
    (account,) = settings.accounts
    assert (account.name, account.region, account.refresh_token) == ("default", Region.NA, Secret("Atzr|canary"))
    assert settings.source is None
    with pytest.raises(ConfigError, match=r"^environment: AMAZON_ADS_REGION must be set too$"):
        load(None, {**environ, "AMAZON_ADS_REGION": " "})
    with pytest.raises(ConfigError, match=r"^environment AMAZON_ADS_\*: region: 'XX' is none of NA, EU, FE$"):
        load(None, {**environ, "AMAZON_ADS_REGION": "XX"})


def test_neither_file_nor_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing to go by, the message says both ways to name an account."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no account: write \[\[accounts\]\] .* or set AMAZON_ADS_CLIENT_ID"):
        load(None, {})


def test_the_file_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``./asyncexport.toml`` is read when no file is named, and the real environment when none is given."""
    written(tmp_path, ACCOUNT)
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert settings.accounts[0].name == "acme"
    assert settings.source == Path("asyncexport.toml")
    assert settings.run.state_dir == Path("state")
    assert load_places() == Places(Path("exports"), Path("state"))


def test_the_places_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at what runs have left needs no credentials, only to know where it is."""
    monkeypatch.chdir(tmp_path)
    assert load_places() == Places()
    path = written(tmp_path, "[sink]\npath = 'elsewhere'\n[run]\nstate_dir = 'kept'" + ACCOUNT)
    assert load_places(path) == Places(tmp_path / "elsewhere", tmp_path / "kept")
    assert load_places(written(tmp_path, ACCOUNT)) == Places(Path("exports"), tmp_path / "state")
    with pytest.raises(ConfigError, match=r"asyncexport\.toml: \[sink\]: path must be a string"):
        load_places(written(tmp_path, "[sink]\npath = 5"))
    with pytest.raises(ConfigError, match=r"asyncexport\.toml: \[run\]: state_dir must be a string"):
        load_places(written(tmp_path, "[run]\nstate_dir = 5"))


def test_the_sink_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads from the sink needs its keys, and no credentials of an account."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY", "canary")
    assert load_sink() == SinkSettings()
    path = written(tmp_path, "[sink]\npath = 's3://bucket/x'\nsecret_access_key = { env = 'KEY' }")
    found = load_sink(path)
    assert (found.place, found.store["secret_access_key"].reveal()) == ("s3://bucket/x", "canary")
    with pytest.raises(ConfigError, match="path"):
        load_sink(written(tmp_path, "[sink]\npath = 5"))
    open_to_all = written(tmp_path, "[sink]\npath = 's3://bucket/x'\nsecret_access_key = 'canary'")
    open_to_all.chmod(0o644)
    with pytest.raises(ConfigError, match="secrets as text"):
        load_sink(open_to_all)


def test_a_database_is_a_file(tmp_path: Path) -> None:
    """A place in an object store is refused, in the file and on the command line."""
    why = "must be that of a file; DuckDB writes no file in an object store"
    assert f"[sink]: path {why}" in refused(tmp_path, "[sink]\ntype = 'duckdb'\npath = 's3://b/x'" + ACCOUNT)
    settings = load(written(tmp_path, "[sink]\ntype = 'duckdb'" + ACCOUNT), ENVIRON)
    with pytest.raises(ConfigError, match=f"^--out {why}$"):
        settings.choose(out="s3://bucket/x")
    assert settings.choose(out="other.duckdb").sink.path == Path("other.duckdb")


def test_what_the_command_line_chooses(tmp_path: Path) -> None:
    """A choice replaces what the file says, and no choice leaves it alone."""
    second = ACCOUNT.replace('"acme"', '"beta"')
    settings = load(written(tmp_path, ACCOUNT + second), ENVIRON)
    assert settings.choose() == settings
    chosen = settings.choose(out="elsewhere", entities=("ads", "ads"), accounts=("beta",), workers=0)
    assert chosen.run.workers == 0
    assert (chosen.run.runner, chosen.run.scheduler) == ("processes", None)
    assert settings.choose(runner="dask").run.scheduler is None
    assert settings.choose(runner="dask", dask="tcp://x:1").run.scheduler == "tcp://x:1"
    assert chosen.sink.path == Path("elsewhere")
    assert chosen.run.entities == (Entity.ADS,)
    assert [account.name for account in chosen.accounts] == ["beta"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"accounts": ["acmee"]}, "--account 'acmee': configured are 'acme' (did you mean 'acme'?)"),
        ({"dask": "tcp://x:1"}, "--dask tcp://x:1: it is for --runner dask, and this run uses processes"),
    ],
)
def test_a_choice_that_cannot_be(tmp_path: Path, choice: dict[str, object], message: str) -> None:
    """A choice that does not fit the configuration is refused like a mistake in it."""
    settings = load(written(tmp_path, ACCOUNT), ENVIRON)
    with pytest.raises(ConfigError) as caught:
        settings.choose(**choice)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_what_the_file_says_about_options(tmp_path: Path) -> None:
    """The file's values stand in for options that were not given."""
    settings = load(written(tmp_path, WHOLE), ENVIRON)
    assert settings.as_defaults() == {
        "entity": ["ads", "campaigns"],
        "out": str(tmp_path / "exports"),
        "workers": 3,
        "runner": "dask",
    }


def test_workers_are_as_many_as_there_are_cores(tmp_path: Path) -> None:
    """Unless the file says otherwise: those that this process may use."""
    assert load(written(tmp_path, ACCOUNT), ENVIRON).run.workers == cores()


def test_the_environment_of_processes_that_are_started_holds_no_secret(tmp_path: Path) -> None:
    """Whatever variable holds one, whole or in part of its text, is left out; the others stay."""
    settings = load(written(tmp_path, WHOLE), ENVIRON)
    environ = {"PATH": "/bin", "HUSH": "hush", "ALL": "token=Atzr|canary;", "AWS_PROFILE": "night"}
    assert harmless_environment(settings.accounts, environ) == {"PATH": "/bin", "AWS_PROFILE": "night"}


def test_a_server(tmp_path: Path) -> None:
    """Where it is stands in the settings and may be shown; how to get in stays in the environment of this process."""
    text = "[sink]\ntype = 'postgres'\ndsn = { env = 'ADS_DSN' }\nschema = 'ads'\nmode = 'latest'" + ACCOUNT
    environ = {**ENVIRON, "ADS_DSN": "postgresql://ads:canary@db.example/ads"}
    settings = load(written(tmp_path, text), environ)
    sink = settings.sink
    assert (sink.type, sink.schema, sink.mode, sink.place) == (
        "postgres",
        "ads",
        "latest",
        "postgresql://db.example/ads:ads",
    )
    assert settings.choose(out=settings.as_defaults()["out"]).sink == sink
    with pytest.raises(ConfigError, match="--out is for files"):
        settings.choose(out="elsewhere")
    assert "canary" not in repr(settings)
    assert harmless_environment((), {"PATH": "/bin", **environ}, dsn=sink.dsn).keys() == {"PATH", *ENVIRON}


def test_a_dsn_in_a_file_that_others_may_read(tmp_path: Path) -> None:
    """The configuration holds a secret then."""
    path = written(tmp_path, "[sink]\ntype = 'postgres'\ndsn = 'postgresql://ads:canary@host/ads'" + ACCOUNT)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="other users may read") as failure:
        load(path, ENVIRON)
    assert "canary" not in str(failure.value)


def test_no_secret_in_a_repr(tmp_path: Path) -> None:
    """Settings may be printed: no secret is in them."""
    text = repr(load(written(tmp_path, WHOLE), ENVIRON))
    assert "hush" not in text
    assert "canary" not in text


def test_a_database(tmp_path: Path) -> None:
    """It is a file, by default here; manifests stand in its folder."""
    sink = load(written(tmp_path, "[sink]\ntype = 'duckdb'\nmode = 'history'" + ACCOUNT), ENVIRON).sink
    assert (sink.type, sink.path, sink.mode, sink.folder) == ("duckdb", Path("ads.duckdb"), "history", Path())
    path = written(tmp_path, "[sink]\ntype = 'duckdb'\npath = 'kept/ads.duckdb'" + ACCOUNT)
    assert load(path, ENVIRON).sink.path == tmp_path / "kept/ads.duckdb"
    assert load_places(path).out == tmp_path / "kept"


def test_compressions_are_the_sinks_own() -> None:
    """The words for compression are those of the contract, the default first."""
    assert COMPRESSIONS == ("zstd", "gzip", "none")
