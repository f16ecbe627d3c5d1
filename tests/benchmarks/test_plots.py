"""What is drawn of nights."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from benchmarks.night.caps import Cap
from benchmarks.night.plots import Spot, averaged, frontier_plot, slots_plot, ticks
from benchmarks.night.svg import Axis, Chart

SVG = "{http://www.w3.org/2000/svg}"


def test_a_value_has_its_place_on_an_axis() -> None:
    """Linear and logarithmic axes run from 0 to 1; what is beyond them stands at their edge."""
    linear, logarithmic = Axis("", 10.0, 20.0, ()), Axis("", 1.0, 100.0, (), logarithmic=True)
    assert [linear.place(value) for value in (10, 15, 20, 99, 0)] == [0.0, 0.5, 1.0, 1.0, 0.0]
    assert [logarithmic.place(value) for value in (1, 10, 100, 1000)] == pytest.approx([0.0, 0.5, 1.0, 1.0])


def a_chart() -> Chart:
    return Chart("a & b", Axis("across", 0.0, 10.0, (0, 5, 10)), Axis("up", 0.0, 1.0, (0, 1)), width=400, height=300)


def test_a_chart_is_well_formed() -> None:
    """Titles, labels and ticks are text in the drawing, escaped; named things stand in the legend."""
    chart = a_chart()
    chart.line([(0, 0), (10, 1)], "red", "rising")
    chart.dots([(5, 0.5)], "blue", "middle", ["<here>"])
    root = ET.fromstring(chart.text())  # noqa: S314
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert {"a & b", "across", "up", "0", "5", "10", "1", "rising", "middle", "<here>"} <= set(words)
    assert len(list(root.iter(f"{SVG}polyline"))) == 1


def test_a_chart_without_names_has_no_legend() -> None:
    """Nothing is said of what has no name."""
    chart = a_chart()
    plain = chart.text()
    chart.line([(0, 0), (10, 1)], "red")
    assert chart.text().count("<text") == plain.count("<text")


def test_points_stand_where_they_belong() -> None:
    """The corners of the plane are the corners of the axes; y grows upward."""
    chart = a_chart()
    chart.line([(0, 0), (10, 1)], "red")
    (points,) = re.findall(r"points='([^']*)'", chart.text())
    assert points == "70.0,244.0 376.0,46.0"


def test_a_staircase_has_corners() -> None:
    """A level holds until the next one begins."""
    chart = a_chart()
    chart.steps([(0, 0), (5, 1), (10, 1)], "red")
    (points,) = re.findall(r"points='([^']*)'", chart.text())
    assert points == "70.0,244.0 223.0,244.0 223.0,46.0 376.0,46.0 376.0,46.0"


def test_a_staircase_is_averaged() -> None:
    """Each stretch of time has the mean of the levels in it; after the last step there is nothing."""
    assert averaged([(0.0, 2), (1.0, 4), (3.0, 0)], 4.0, bins=2) == [(1.0, 3.0), (3.0, 2.0)]
    assert averaged([(1.0, 4), (4.0, 0)], 4.0, bins=1) == [(2.0, 3.0)]


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [(0, 10, 5, [0, 2, 4, 6, 8, 10]), (0, 0.45, 5, [0, 0.1, 0.2, 0.3, 0.4]), (3, 47, 5, [10, 20, 30, 40])],
)
def test_ticks_are_round(low: float, high: float, most: int, expected: list[float]) -> None:
    """Ticks are 1, 2 or 5 times a power of ten, within the axis."""
    assert ticks(low, high, most) == expected


def test_the_plot_of_a_night() -> None:
    """Three lines: slots taken, slots at work, slots there are; a cap that moves has its steps."""
    plot = slots_plot("night", [(0.0, 5), (7200.0, 0)], [(0.0, 4), (7200.0, 0)], Cap.parse("5,3@3600"), 4)
    root = ET.fromstring(plot)  # noqa: S314
    assert len(list(root.iter(f"{SVG}polyline"))) == 3
    assert "slots there are" in plot


def test_the_plot_of_the_frontier() -> None:
    """Each policy is a line with a labelled dot a setting, in the order of looks."""
    plot = frontier_plot("frontier", {"ours": [Spot(20, 1.02, "b"), Spot(5, 1.1, "a")], "fixed": [Spot(5, 1.2, "c")]})
    words = [element.text for element in ET.fromstring(plot).iter(f"{SVG}text")]  # noqa: S314
    assert [word for word in words if word in {"a", "b", "c"}] == ["a", "b", "c"]
    assert {"ours", "fixed"} <= set(words)
