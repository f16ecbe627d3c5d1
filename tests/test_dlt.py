"""The source for dlt: rows arrive as they are, merges say what is gone, and a load never pretends to be whole."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

import asyncexport.dlt
from asyncexport.accounts import Account, Secret
from asyncexport.emulator.records.data import rows
from asyncexport.errors import AsyncexportError, AuthError, ConfigError, ExportFailed, IncompleteRun, JsonSyntax
from asyncexport.models import Entity, Filters
from tests.engine.pulling import with_secrets
from tests.test_docs import blocks
from tests.warehouse import BEYOND, Night, Row, Warehouse, night, settled_dlt

CAMPAIGNS, ADS, TARGETS = Entity.CAMPAIGNS, Entity.ADS, Entity.TARGETS
FAILING = "poll entity=campaigns nth=1: fail-SOMETHING_NEW"


@pytest.fixture(autouse=True)
def _dlt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settled_dlt(monkeypatch, tmp_path)


@pytest.fixture
def tonight() -> Iterator[Night]:
    before = threading.active_count()
    with night() as running:
        yield running
    assert threading.active_count() == before


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path)


def campaign(number: int, **fields: Any) -> Row:
    return {"campaignId": str(number), "adProduct": "SPONSORED_PRODUCTS", "state": "ENABLED", **fields}


def failure_of(told: pytest.ExceptionInfo[BaseException]) -> AsyncexportError:
    """Return our error among the causes of what dlt has raised."""
    error: BaseException | None = told.value
    while error is not None and not isinstance(error, AsyncexportError):
        error = error.__cause__
    assert error is not None
    return error


# rows


def test_four_resources(tonight: Night) -> None:
    """Every row of every profile comes once, with where it is from, under the resource of its entity."""
    world = tonight.server.state.world
    source = tonight.source(snapshot="night")

    assert list(source.resources) == ["campaigns", "ad_groups", "targets", "ads"]
    for entity, resource in zip(Entity, source.resources.values(), strict=True):
        found = list(resource)
        expected = [
            json.loads(row) | {"account": "account-1", "profile_id": key, "entity": entity.value, "snapshot": "night"}
            for key, profile in world.profiles.items()
            for row in rows(profile, entity, Filters(), world.seed)
        ]
        own = {"region", "export_id", "generated_at", "row_id"}
        stripped = [{name: value for name, value in row.items() if name not in own} for row in found]
        assert sorted(map(json.dumps, map(_sorted, stripped))) == sorted(map(json.dumps, map(_sorted, expected)))
        assert all(row["export_id"] and row["generated_at"] and row["region"] for row in found)


def _sorted(row: Row) -> Row:
    return dict(sorted(row.items()))


def test_one_exporter_for_all_resources(tonight: Night) -> None:
    """A source that is read as a whole asks for one token and one list of profiles."""
    list(tonight.source())

    assert tonight.requests["token"] == tonight.requests["profiles"] == 1


@pytest.mark.parametrize("at_once", [False, True])
def test_resources_that_are_chosen(tonight: Night, at_once: bool) -> None:
    """What is not selected is not asked for; resources that dlt extracts in threads share one exporter all the same."""
    source = tonight.source().with_resources("campaigns", "ads")

    assert len(list(source.parallelize() if at_once else source)) > 0
    assert {name: tonight.requests[name] for name in ("token", "campaigns", "adGroups", "targets", "ads")} == {
        "token": 1,
        "campaigns": 2,
        "adGroups": 0,
        "targets": 0,
        "ads": 2,
    }


def test_a_job_in_parts(tonight: Night) -> None:
    """A job that is too large for one export comes whole, and each row says which export it was in."""
    tonight.begins(profiles=1, times_out_above=250)
    world = tonight.server.state.world
    own = sum(1 for each in world.profiles.values() for _ in rows(each, TARGETS, Filters(), world.seed))

    found = list(tonight.source(TARGETS))

    assert len(found) == own
    assert len({row["row_id"] for row in found}) == own
    assert len({row["export_id"] for row in found}) > len(tonight.profiles)


def test_a_source_that_is_read_twice(tonight: Night) -> None:
    """Each reading is a run of its own; none is emptied by the one before."""
    source = tonight.source(CAMPAIGNS)

    assert len(list(source)) == len(list(source)) > 0


def test_a_reader_that_leaves_early(tonight: Night) -> None:
    """A limit on a resource ends its run, and the thread with it."""
    source = tonight.source()

    assert len(list(source.add_limit(1))) > 0
    assert "asyncexport" not in {thread.name for thread in threading.enumerate()}


# tables


def test_values_in_their_columns(tonight: Night, warehouse: Warehouse) -> None:
    """Ids are text, objects columns, known lists JSON; nothing that does not fit or is unknown is lost."""
    first, second = tonight.profiles
    tonight.rows[first, CAMPAIGNS] = [
        campaign(1, startDate="2026-01-02", lastUpdatedDateTime="2026-11-23T01:02:03.5Z", novel={"a": 1}),
        campaign(2, deliveryReasons=["OTHER"], budgetCaps={"budgetValue": {"monetaryBudget": {"amount": "7.5"}}}),
        {"campaignId": 3, "adProduct": "NEW", "portfolioId": 2**70, "wild": 2**63, "startDate": "soon"},
    ]
    tonight.rows[second, CAMPAIGNS] = [campaign(1, entity="theirs"), {"name": "without an id"}]
    tonight.begins()

    warehouse.load(tonight.source(CAMPAIGNS, snapshot="night"))

    query = (
        "select campaign_id, start_date::varchar, last_updated_date_time, novel__a, delivery_reasons, "
        "budget_caps__budget_value__monetary_budget__amount, portfolio_id, wild, start_date__v_text "
        "from ads.campaigns where profile_id = %s order by 1"
    )
    assert warehouse.query(query, first) == [
        ("1", "2026-01-02", datetime(2026, 11, 23, 1, 2, 3, 500_000, UTC), 1, None, None, None, None, None),
        ("2", None, None, None, '["OTHER"]', 7.5, None, None, None),
        ("3", None, None, None, None, None, str(2**70), str(2**63), "soon"),
    ]
    theirs = "select row_id, entity, api_entity, name from ads.campaigns where profile_id = %s order by name nulls last"
    nameless, known = warehouse.query(theirs, second)
    assert known == ("1", "campaigns", "theirs", None)
    assert len(nameless[0]) == 32
    tables = warehouse.query("select table_name from information_schema.tables where table_schema = 'ads' order by 1")
    assert [name for (name,) in tables if not name.startswith("_dlt")] == ["campaigns"]
    types = "select distinct data_type from information_schema.columns where column_name like '%\\_id' escape '\\'"
    assert warehouse.query(f"{types} and column_name not like '\\_dlt%' escape '\\'") == [("VARCHAR",)]


def test_lists_as_child_tables(tonight: Night, warehouse: Warehouse) -> None:
    """Who wants dlt's child tables has them."""
    tonight.rows[tonight.profiles[0], CAMPAIGNS] = [campaign(1, deliveryReasons=["A", "B"])]
    tonight.begins()

    warehouse.load(tonight.source(CAMPAIGNS, child_tables=True))

    assert warehouse.query("select value from ads.campaigns__delivery_reasons order by 1") == [("A",), ("B",)]


# merges


def standing(warehouse: Warehouse) -> list[tuple[str, str, str]]:
    """Return profile, id and name of each campaign that is there."""
    return warehouse.query("select profile_id, campaign_id, name from ads.campaigns order by 1, 2, 3")


def test_the_newest_snapshot(tonight: Night, warehouse: Warehouse) -> None:
    """The second night replaces the first: added, changed and removed, of the profiles whose export came."""
    first, second = sorted(tonight.profiles)
    tonight.rows = {
        (first, CAMPAIGNS): [campaign(1, name="a"), campaign(2, name="b")],
        (second, CAMPAIGNS): [campaign(1, name="c")],
    }
    tonight.begins()
    warehouse.load(tonight.source(CAMPAIGNS, snapshot="one"))
    tonight.rows[first, CAMPAIGNS] = [campaign(2, name="new"), campaign(3, name="d")]
    tonight.begins()

    warehouse.load(tonight.source(CAMPAIGNS, snapshot="two", profiles=[first]))

    assert standing(warehouse) == [(first, "2", "new"), (first, "3", "d"), (second, "1", "c")]


@pytest.mark.parametrize("child_tables", [False, True])
def test_the_last_of_their_kind(tonight: Night, warehouse: Warehouse, child_tables: bool) -> None:
    """Rows are gone although the snapshot has none of their ad product, or none at all; nothing else comes in."""
    first, second = sorted(tonight.profiles)
    brands = campaign(2, name="b", adProduct="SPONSORED_BRANDS", deliveryReasons=["A"])
    tonight.rows = {
        (first, CAMPAIGNS): [campaign(1, name="a"), brands, campaign(3, name="c", adProduct="OTHER")],
        (second, CAMPAIGNS): [campaign(1, name="d", deliveryReasons=["A"])],
    }
    wishes: dict[str, Any] = {"child_tables": child_tables}
    tonight.begins()
    warehouse.load(tonight.source(CAMPAIGNS, snapshot="one", **wishes))
    tonight.rows = {(first, CAMPAIGNS): [campaign(1, name="a")]}
    tonight.begins()

    warehouse.load(tonight.source(CAMPAIGNS, snapshot="two", **wishes).parallelize())

    assert standing(warehouse) == [(first, "1", "a"), (first, "3", "c")]
    if child_tables:
        assert warehouse.query("select count(*) from ads.campaigns__delivery_reasons") == [(0,)]


def test_a_history_of_the_last_of_their_kind(tonight: Night, warehouse: Warehouse) -> None:
    """A version ends by a snapshot that has another row of its ad product; by one that has none it does not."""
    (profile, _) = tonight.profiles
    nights = [("SPONSORED_BRANDS", (1, 2)), ("SPONSORED_PRODUCTS", (2,)), ("SPONSORED_BRANDS", (3,))]
    holding = []
    for label, (product, ids) in enumerate(nights):
        tonight.rows[profile, CAMPAIGNS] = [campaign(number, adProduct=product) for number in ids]
        tonight.begins()
        warehouse.load(tonight.source(CAMPAIGNS, snapshot=str(label), mode="history"))
        query = "select campaign_id, ad_product from ads.campaigns where _dlt_valid_to is null order by 1, 2"
        holding.append(warehouse.query(query))

    assert holding[1] == [("1", "SPONSORED_BRANDS"), ("2", "SPONSORED_BRANDS"), ("2", "SPONSORED_PRODUCTS")]
    assert holding[2] == [("2", "SPONSORED_PRODUCTS"), ("3", "SPONSORED_BRANDS")]


@pytest.mark.parametrize("mode", ["latest", "append"])
def test_a_disposition_of_ones_own(tonight: Night, warehouse: Warehouse, mode: str) -> None:
    """Where dlt is told not to merge it is given the API's rows alone."""
    tonight.rows[tonight.profiles[0], CAMPAIGNS] = [campaign(1)]
    tonight.begins()
    for label in ("one", "two"):
        source = tonight.source(CAMPAIGNS, snapshot=label, mode=mode)
        assert len(list(source)) == 1
        warehouse.load(source, write_disposition="append")

    assert warehouse.query("select row_id, snapshot from ads.campaigns order by 2") == [("1", "one"), ("1", "two")]


def test_a_pipeline_that_does_not_know_where_to(tonight: Night, tmp_path: Path) -> None:
    """Rows can be extracted before the destination is known, with nothing among them that it might not understand."""
    tonight.rows[tonight.profiles[0], CAMPAIGNS] = [campaign(1)]
    tonight.begins()
    pipeline = dlt.pipeline("nowhere", pipelines_dir=str(tmp_path / "pipelines"))

    pipeline.extract(tonight.source(CAMPAIGNS))

    trace: Any = pipeline.last_trace
    found = trace.last_extract_info.metrics
    counts = [each["table_metrics"] for steps in found.values() for each in steps]
    assert [each["campaigns"].items_count for each in counts if "campaigns" in each] == [1]


@pytest.mark.parametrize("mode", ["latest", "history"])
@pytest.mark.parametrize(
    "filters",
    [Filters(states=("ENABLED", "PAUSED")), Filters(ad_products=("SPONSORED_BRANDS",))],
    ids=["states", "products"],
)
def test_what_a_filter_hides(tonight: Night, warehouse: Warehouse, mode: str, filters: Filters) -> None:
    """A row that is missing from a snapshot that did not ask for it stays; a changed one is replaced."""
    (profile, _) = tonight.profiles
    product = filters.ad_products[0]
    tonight.rows[profile, CAMPAIGNS] = [campaign(1, name="a"), campaign(2, name="b", adProduct=product)]
    tonight.begins()
    warehouse.load(tonight.source(CAMPAIGNS, snapshot="one", mode=mode))
    tonight.rows[profile, CAMPAIGNS] = [campaign(2, name="new", adProduct=product)]
    tonight.begins()

    warehouse.load(tonight.source(CAMPAIGNS, snapshot="two", mode=mode, filters=filters))

    if mode == "history":
        warehouse.query("delete from ads.campaigns where _dlt_valid_to is not null")
    assert warehouse.query("select campaign_id, name from ads.campaigns order by 1") == [("1", "a"), ("2", "new")]


def test_a_filtered_night_between_whole_ones(tonight: Night, warehouse: Warehouse) -> None:
    """What a filtered snapshot left alone is gone with the next whole one that lacks it."""
    (profile, _) = tonight.profiles
    enabled = Filters(states=("ENABLED",))
    for label, ids, filters in (("one", (1, 2), None), ("two", (2,), enabled), ("three", (2,), None)):
        tonight.rows[profile, CAMPAIGNS] = [campaign(number, name=label) for number in ids]
        tonight.begins()
        warehouse.load(tonight.source(CAMPAIGNS, snapshot=label, filters=filters))

    assert standing(warehouse) == [(profile, "2", "three")]


def test_a_history(tonight: Night, warehouse: Warehouse) -> None:
    """Each version of a row is kept once: what did not change has one, however it is spelt."""
    (profile, _) = tonight.profiles
    tonight.rows[profile, CAMPAIGNS] = [campaign(1, n=1), campaign(2, n=1), campaign(3, n=1)]
    tonight.begins()
    warehouse.load(tonight.source(CAMPAIGNS, snapshot="one", mode="history"))
    tonight.rows[profile, CAMPAIGNS] = [campaign(1, n=1.0, tags=None), campaign(2, n=2), campaign(4, n=1)]
    tonight.begins()

    warehouse.load(tonight.source(CAMPAIGNS, snapshot="two", mode="history"))

    versions = "select campaign_id, n, snapshot, _dlt_valid_to is null as holds from ads.campaigns order by 1, 2"
    assert warehouse.query(versions) == [
        ("1", 1, "one", True),
        ("2", 1, "one", False),
        ("2", 2, "two", True),
        ("3", 1, "one", False),
        ("4", 1, "two", True),
    ]


@pytest.mark.parametrize("child_tables", [False, True])
def test_lists_in_a_history(tonight: Night, warehouse: Warehouse, child_tables: bool) -> None:
    """A row that did not change keeps its child rows as they are; none is without its parent."""
    (profile, _) = tonight.profiles
    tonight.rows[profile, CAMPAIGNS] = [campaign(number, novel=[{"x": number}, {"x": 0}]) for number in (1, 2)]
    query = (
        "select count(*), count(*) filter (where _dlt_parent_id not in (select _dlt_id from ads.campaigns)) "
        "from ads.campaigns__novel"
    )
    for label in ("one", "two"):
        tonight.begins()
        warehouse.load(tonight.source(CAMPAIGNS, snapshot=label, mode="history", child_tables=child_tables))

        assert warehouse.query(query) == [(4, 0)]


def test_fields_that_a_table_would_call_as_ours(tonight: Night, warehouse: Warehouse) -> None:
    """A field of the API whose name becomes one of our columns goes aside; no row is lost by it, of any profile."""
    first, second = sorted(tonight.profiles)
    theirs = {"profileId": "A", "rowId": "7"}
    tonight.rows = {
        (first, CAMPAIGNS): [campaign(1, **theirs), campaign(2, **theirs)],
        (second, CAMPAIGNS): [campaign(3, **theirs)],
    }
    tonight.begins()
    for label in ("one", "two"):
        warehouse.load(tonight.source(CAMPAIGNS, snapshot=label, profiles=[first] if label == "two" else None))

    query = "select profile_id, row_id, api_profile_id, api_row_id, snapshot from ads.campaigns order by row_id"
    assert warehouse.query(query) == [
        (first, "1", "A", "7", "two"),
        (first, "2", "A", "7", "two"),
        (second, "3", "A", "7", "one"),
    ]


def test_every_snapshot(tonight: Night, warehouse: Warehouse) -> None:
    """Snapshots stand beside each other; one that comes again takes its own place; dlt's own replace takes all."""
    (profile, _) = tonight.profiles
    loads = [("one", [1], "latest"), ("two", [1], "append"), ("three", [1], "append"), ("four", [1, 1], "append")]
    for label, ids, mode in [*loads, ("two", [1, 2], "append"), ("three", [], "append")]:
        tonight.rows[profile, CAMPAIGNS] = [campaign(number, name="a") for number in ids]
        tonight.begins()
        warehouse.load(tonight.source(CAMPAIGNS, snapshot=label, mode=mode))
    rows = "select snapshot, row_id from ads.campaigns order by 1, 2"
    assert warehouse.query(rows) == [("four", "1"), ("four", "1"), ("one", "1"), ("two", "1"), ("two", "2")]
    tonight.rows[profile, CAMPAIGNS] = [campaign(1, name="a")]
    tonight.begins()

    warehouse.load(tonight.source(CAMPAIGNS, snapshot="three"), write_disposition="replace")

    assert warehouse.query("select snapshot from ads.campaigns") == [("three",)]


# failures


def test_a_failed_export(tonight: Night, warehouse: Warehouse, tmp_path: Path) -> None:
    """Nothing is loaded of a night in which one export failed; the next try pulls only that one."""
    tonight.begins(FAILING)
    wishes: dict[str, Any] = {"snapshot": "night", "folder": str(tmp_path / "exports")}

    with pytest.raises(PipelineStepFailed) as told:
        warehouse.load(tonight.source(CAMPAIGNS, ADS, **wishes))

    error = failure_of(told)
    assert isinstance(error, IncompleteRun)
    assert [type(each) for each in error.errors] == [ExportFailed]
    assert str(error).startswith("nothing is loaded, for campaigns of account-1/")
    assert warehouse.pipeline.first_run

    assert (tonight.requests["campaigns"], tonight.requests["ads"]) == (2, 2)
    tonight.begins()
    warehouse.load(tonight.source(CAMPAIGNS, ADS, **wishes))
    assert (tonight.requests["campaigns"], tonight.requests["ads"]) == (1, 0)
    world = tonight.server.state.world
    expected = sum(1 for each in world.profiles.values() for _ in rows(each, CAMPAIGNS, Filters(), world.seed))
    assert warehouse.query("select count(*) from ads.campaigns") == [(expected,)]


def test_a_failure_that_is_put_up_with(tonight: Night, warehouse: Warehouse, caplog: pytest.LogCaptureFixture) -> None:
    """Who goes on without a failed export has the others, and a warning of what is missing."""
    tonight.rows = {(each, CAMPAIGNS): [campaign(1, name="a")] for each in tonight.profiles}
    tonight.begins(FAILING)

    with caplog.at_level("WARNING", logger="dlt"):
        warehouse.load(tonight.source(CAMPAIGNS, on_failure="continue"))

    assert len(standing(warehouse)) == 1
    assert "campaigns are loaded without campaigns of account-1/" in caplog.text


@pytest.mark.parametrize("on_failure", ["raise", "continue"])
def test_rows_that_nothing_can_hold(
    tonight: Night, warehouse: Warehouse, on_failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An export with a number beyond every double has failed, and is named; no row of it is taken."""
    first, second = tonight.profiles
    fine = [campaign(number, name="a") for number in range(600)]
    tonight.rows = {(first, CAMPAIGNS): [campaign(1, name="b")], (second, CAMPAIGNS): [*fine, {"n": BEYOND}]}
    tonight.begins()
    source = tonight.source(CAMPAIGNS, on_failure=on_failure)

    if on_failure == "raise":
        with pytest.raises(PipelineStepFailed) as told:
            warehouse.load(source)
        assert isinstance(error := failure_of(told), IncompleteRun)
        assert [type(each) for each in error.errors] == [JsonSyntax]
        assert second in str(error)
        assert warehouse.pipeline.first_run
    else:
        with caplog.at_level("WARNING", logger="dlt"):
            warehouse.load(source)
        assert standing(warehouse) == [(first, "1", "b")]
        assert f"/{second}" in caplog.text


def test_an_account_that_is_refused(tonight: Night, warehouse: Warehouse) -> None:
    """An account that cannot be asked for its profiles is a failure like any other."""
    (account,) = tonight.server.accounts()
    refused = with_secrets(account, refresh_token=Secret("Atzr|revoked"))

    with pytest.raises(PipelineStepFailed) as told:
        warehouse.load(tonight.source(CAMPAIGNS, accounts=[refused]))

    error = failure_of(told)
    assert isinstance(error, IncompleteRun)
    assert [type(each) for each in error.errors] == [AuthError]


def test_a_profile_that_nobody_manages(tonight: Night) -> None:
    """An id that is mistyped is told, not passed over."""
    with pytest.raises(dlt.extract.exceptions.ResourceExtractionError) as told:
        list(tonight.source(CAMPAIGNS, profiles=["7"]))

    assert "no account manages 7" in str(failure_of(told))


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"mode": "upsert"}, "mode = 'upsert' is none of latest, append, history"),
        ({"on_failure": "ignore"}, "on_failure = 'ignore' is none of raise, continue"),
        ({"accounts": []}, "give accounts, or put one into dlt's secrets"),
        ({"accounts": None}, "give accounts, or put one into dlt's secrets"),
    ],
)
def test_a_wish_that_means_nothing(wish: dict[str, Any], said: str) -> None:
    """What cannot work is told when the source is made, before anything is asked for."""
    account = Account("a", region="EU", client_id="c", client_secret="s", refresh_token="t")

    with pytest.raises(ConfigError, match=said):
        asyncexport.dlt.source(**{"accounts": [account], **wish})


# dlt's own means


def test_the_program_of_the_readme(tonight: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the README shows loads all four tables."""
    (program,) = [block for block in blocks("python") if "asyncexport.dlt" in block]
    (account,) = tonight.server.accounts()
    monkeypatch.chdir(tmp_path)

    exec(program, {"account": account})  # noqa: S102

    with duckdb.connect("amazon_ads.duckdb", read_only=True) as loaded:
        for table in asyncexport.dlt.NAMES.values():
            assert loaded.table(f"ads.{table}").limit(1).fetchall()


def test_credentials_from_dlt(tonight: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without accounts the source takes one from dlt's secrets."""
    (account,) = tonight.server.accounts()
    assert isinstance(account.client_secret, Secret)
    assert isinstance(account.refresh_token, Secret)
    for name, value in {
        "region": account.region.value,
        "client_id": str(account.client_id),
        "client_secret": account.client_secret.reveal(),
        "refresh_token": account.refresh_token.reveal(),
        "api_url": account.api_url,
        "token_url": account.token_url,
        "download_hosts": '["127.0.0.1"]',
    }.items():
        monkeypatch.setenv(f"SOURCES__AMAZON_ADS__CREDENTIALS__{name.upper()}", value)

    found = list(tonight.source(CAMPAIGNS, accounts=None))

    assert {row["account"] for row in found} == {"amazon_ads"}


def test_two_modules_of_one_name() -> None:
    """Our module of that name and the library do not hide each other."""
    assert vars(asyncexport.dlt)["dlt"] is dlt
    assert asyncexport.dlt.__name__ != dlt.__name__


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who lacks dlt is told what to install."""
    monkeypatch.setitem(sys.modules, "dlt", None)
    monkeypatch.delitem(sys.modules, "asyncexport.dlt")

    with pytest.raises(ConfigError, match=r"asyncexport\[dlt\]"):
        __import__("asyncexport.dlt")
