"""The demo: the main job, whole and unchanged, against the emulator in the same process.

Two accounts in two regions, all four exports of each profile, an agency profile that is left out, and the sort of
weather a night brings: refusals for calling too often, a server error, a download that is cut in the middle, a URL that
has expired. Nothing is faked on the client's side: the same code path as ``asyncexport run``, over real sockets. It is
always pulled anew and remembers nothing, so that a second demo shows as much as the first.
"""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

from asyncexport.app.console import count
from asyncexport.app.exits import Exit
from asyncexport.app.progress import View
from asyncexport.app.pull import MakeExporter, Wish, pull
from asyncexport.app.report import Report, Write
from asyncexport.app.settings import RunSettings, Settings, SinkSettings
from asyncexport.emulator.laws import LogNormal
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.weather import Weather
from asyncexport.emulator.world import World
from asyncexport.ports import Clock

SEED = 7
GENERATION = LogNormal(median=1.0, sigma=0.5, habit=0.9)
ROWS_PER_PROFILE = 2_500
WEATHER = """
    request entity=campaigns nth=3: return-429 retry-after-1
    request entity=targets nth=4: return-429
    request entity=ads nth=2: return-503
    poll entity=adGroups nth=5: return-429
    poll entity=campaigns nth=4: no-url
    download entity=targets nth=2: broken-after-50%
    download entity=ads nth=3: expire-url
"""


def server(profiles: int) -> EmulatorServer:
    """Return the emulator of the demo, not yet listening."""
    world = World.generate(seed=SEED, accounts=2, profiles=profiles, rows=ROWS_PER_PROFILE * profiles, agency=True)
    weather = Weather.parse(WEATHER)
    return EmulatorServer(AdsState(world, generation=GENERATION, weather=weather, epoch=time.time()))


async def demo(
    emulator: EmulatorServer,
    folder: Path,
    *,
    snapshot: str,
    report: Report,
    view: View | None,
    clock: Clock,
    make_exporter: MakeExporter,
    write: Write,
) -> Exit:
    """Pull everything the emulator has into ``folder``, tell what it was like, and return the exit status."""
    async with emulator:
        settings = Settings(
            accounts=tuple(emulator.accounts()), run=RunSettings(state_dir=None), sink=SinkSettings(path=folder)
        )
        wish = Wish(settings, snapshot=snapshot, again=True)
        status = await pull(wish, report=report, view=view, clock=clock, make_exporter=make_exporter)
    for line in aftermath(emulator, folder):
        write(line)
    return status


def aftermath(emulator: EmulatorServer, folder: Path) -> list[str]:
    """Return what weather there was, and how to look at what it left behind."""
    weather, seen = emulator.state.weather, emulator.state.counters
    unmet = weather.unmet()
    calls = count(sum(number for place, number in seen.requests.items() if place != "store"), "call")
    throttled = sum(number for (_, status), number in seen.statuses.items() if status == 429)
    downloads = count(seen.requests["store"], "download")
    return [
        "",
        f"the weather: {calls}, {throttled} of them answered 429, {downloads}",
        *(f"  {'not met' if fault in unmet else 'met'}: {fault}" for fault in weather.faults),
        "",
        "to look at the rows:",
        f"  {python_line(folder)}",
        "or, where they are installed:",
        f"  zstdcat {folder}/entity=campaigns/*/*/*.zst | head -3",
        f'  duckdb -c "{query(folder)}"',
    ]


def python_line(folder: Path) -> str:
    """Return a line for a shell that shows three rows with nothing but the Python that runs this."""
    python, here = Path(sys.executable), Path.cwd()
    program = (
        "import glob; from asyncexport.sinks.files.codecs import zstd; "
        f"files = glob.glob('{folder}/entity=campaigns/*/*/*.zst'); "
        "print(*[row for file in sorted(files) for row in zstd.open(file, 'rt', encoding='utf-8')][:3], sep='', end='')"
    )
    return f'{shlex.quote(str(python.relative_to(here) if python.is_relative_to(here) else python))} -c "{program}"'


def query(folder: Path) -> str:
    """Return SQL by which DuckDB reads the tree as it is."""
    options = "hive_partitioning=true, hive_types={'profile_id': varchar}"
    tree = f"{folder}/entity=campaigns/**/*.jsonl.zst"
    return f"from read_json('{tree}', {options}) limit 3"
